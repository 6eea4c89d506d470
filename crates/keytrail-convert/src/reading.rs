//! A few columns of a lake's table, read without an engine: for the ledger and for deduplication.

use futures::{StreamExt, TryStreamExt};
use keytrail_lake::{DataFile, LakeError, Table};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::{ParquetObjectReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;

use arrow_array::RecordBatch;

use crate::error::ConvertError;

/// Data files that are read at once.
const CONCURRENT_FILES: usize = 4;

/// Reads `columns`, in the order asked for, of every live data file that `wanted` accepts.
///
/// # Errors
/// The table's log or a data file cannot be read.
pub(crate) async fn read_columns(table: &Table, columns: &[&str], wanted: impl Fn(&DataFile) -> bool) -> Result<Vec<RecordBatch>, ConvertError> {
    let snapshot = table.snapshot().await?;
    let files: Vec<_> = snapshot.files().iter().filter(|file| wanted(file)).cloned().collect();
    let batches: Vec<Vec<RecordBatch>> =
        futures::stream::iter(files.iter().map(|file| read_file(table, file, columns))).buffered(CONCURRENT_FILES).try_collect().await?;
    Ok(batches.into_iter().flatten().collect())
}

async fn read_file(table: &Table, file: &DataFile, columns: &[&str]) -> Result<Vec<RecordBatch>, ConvertError> {
    let path = table.file_path(file)?;
    let reader = ParquetObjectReader::new(table.storage().store(), path.clone()).with_file_size(file.size_bytes);
    let batches = read_batches(reader, columns).await;
    batches.map_err(|source| ConvertError::Read { path: path.to_string(), source })
}

async fn read_batches(reader: ParquetObjectReader, columns: &[&str]) -> Result<Vec<RecordBatch>, ParquetError> {
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let batches: Vec<RecordBatch> = builder.with_projection(mask).build()?.try_collect().await?;
    batches.iter().map(|batch| in_order(batch, columns)).collect()
}

fn in_order(batch: &RecordBatch, columns: &[&str]) -> Result<RecordBatch, ParquetError> {
    let indices = columns.iter().map(|name| batch.schema().index_of(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(batch.project(&indices)?)
}

/// The live data files of a table, for planning.
pub(crate) async fn live_files(table: &Table) -> Result<Vec<std::sync::Arc<DataFile>>, LakeError> {
    Ok(table.snapshot().await?.files().to_vec())
}
