//! A few columns of a lake's table, read without an engine: for the ledger and for deduplication.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use keytrail_lake::{DataFile, LakeError, Table};

/// Data files that are read at once.
const CONCURRENT_FILES: usize = 4;

/// Reads `columns`, in the order asked for, of data files of a table, and gives each batch to `take`.
///
/// # Errors
/// A data file cannot be read.
pub(crate) async fn read_columns(
    table: &Table,
    files: &[Arc<DataFile>],
    columns: &[&str],
    mut take: impl FnMut(&RecordBatch),
) -> Result<(), LakeError> {
    let reads: Vec<_> = files.iter().map(|file| read_file(table, file, columns)).collect();
    let mut read = futures::stream::iter(reads).buffered(CONCURRENT_FILES);
    while let Some(batches) = read.try_next().await? {
        batches.iter().for_each(&mut take);
    }
    Ok(())
}

async fn read_file(table: &Table, file: &DataFile, columns: &[&str]) -> Result<Vec<RecordBatch>, LakeError> {
    table.read_columns(file, columns).await?.try_collect().await
}
