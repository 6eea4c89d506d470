//! A few columns of a lake's table, read without an engine: for the ledger and for deduplication.

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use keytrail_lake::{DataFile, LakeError, Table};

use crate::error::ConvertError;

/// Data files that are read at once.
const CONCURRENT_FILES: usize = 4;

/// Reads `columns`, in the order asked for, of every live data file that `wanted` accepts.
///
/// # Errors
/// The table's log or a data file cannot be read.
pub(crate) async fn read_columns(
    table: &Table,
    columns: &[&str],
    wanted: impl Fn(&DataFile) -> bool,
) -> Result<Vec<RecordBatch>, ConvertError> {
    let snapshot = table.snapshot().await?;
    let files: Vec<_> = snapshot.files().iter().filter(|file| wanted(file)).cloned().collect();
    let batches: Vec<Vec<RecordBatch>> =
        futures::stream::iter(files.iter().map(|file| read_file(table, file, columns)))
            .buffered(CONCURRENT_FILES)
            .try_collect()
            .await?;
    Ok(batches.into_iter().flatten().collect())
}

async fn read_file(table: &Table, file: &DataFile, columns: &[&str]) -> Result<Vec<RecordBatch>, LakeError> {
    table.read_columns(file, columns).await?.try_collect().await
}

/// The live data files of a table, for planning.
pub(crate) async fn live_files(table: &Table) -> Result<Vec<std::sync::Arc<DataFile>>, LakeError> {
    Ok(table.snapshot().await?.files().to_vec())
}
