//! The part of the check that reads files whole: every byte against the log's checksum, every row against order and statistics.

use arrow_schema::Schema;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;

use super::FindingKind;
use crate::checksum::Checksum;
use crate::error::LakeError;
use crate::reader::read_rows;
use crate::snapshot::DataFile;
use crate::statistics::{Precision, StatisticsCollector};
use crate::table::Table;
use crate::writer::OrderCheck;

/// Read at a time for the checksum.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// Compares every byte with what was written; none where they are the same, or the log does not tell.
pub(super) async fn find_wrong_checksum(table: &Table, file: &DataFile) -> Result<Option<FindingKind>, LakeError> {
    let Some(expected) = &file.sha256 else { return Ok(None) };
    let (store, path) = (table.storage().store(), table.file_path(file)?);
    let mut checksum = Checksum::default();
    let mut offset = 0;
    while offset < file.size_bytes {
        let end = file.size_bytes.min(offset + PIECE_BYTES);
        let piece = store.get_range(&path, offset..end).await;
        checksum.update(&piece.map_err(|error| LakeError::storage(&table.storage().name_of(&file.path), error))?);
        offset = end;
    }
    let found = checksum.finish();
    Ok((found != *expected).then(|| FindingKind::WrongChecksum { expected: expected.clone(), found }))
}

/// Reads every row. Columns that the file, of an earlier format, lacks have no statistics.
pub(super) async fn find_fault_in_rows(
    table: &Table,
    file: &DataFile,
    columns: &Schema,
) -> Result<Option<FindingKind>, LakeError> {
    let corrupt = |error| LakeError::corrupt(&table.storage().name_of(&file.path), error);
    let mut order = OrderCheck::new((table.spec().sort_columns)(&file.partition));
    let mut with_statistics = table.spec().statistics_columns_of(&file.partition);
    with_statistics.retain(|name| columns.index_of(name).is_ok());
    let mut statistics = StatisticsCollector::new(&with_statistics);
    let mut batches = read_rows(table, file).await?;
    let mut found = 0;
    while let Some(batch) = batches.try_next().await? {
        if let Some(row) = order.first_unsorted(&batch).map_err(corrupt)? {
            return Ok(Some(FindingKind::OutOfOrder { row: found + row as u64 }));
        }
        statistics.update(&batch);
        found += batch.num_rows() as u64;
    }
    if found != file.row_count {
        return Ok(Some(FindingKind::WrongRowCount { expected: file.row_count, found }));
    }
    // Other programs cut and round as they like, but never inwards.
    let precision = if file.sha256.is_some() { Precision::Same } else { Precision::Covering };
    let difference = file.statistics.first_difference(&statistics.finish(), precision);
    Ok(difference.map(|difference| FindingKind::WrongStatistics { difference }))
}
