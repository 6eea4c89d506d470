//! Rows for the small tables in one call: sorted, encoded, put and committed.
//!
//! It holds all rows in memory, so the big tables do the steps themselves.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use crate::commit::{Commit, CommitOperation, CommitOutcome, TransactionId};
use crate::error::LakeError;
use crate::partition::PartitionValues;
use crate::table::Table;
use crate::writer::SORT_OPTIONS;

impl Table {
    /// Sorts the rows of one partition by its sort columns; rows that are equal in them keep their order.
    ///
    /// # Errors
    ///
    /// [`LakeError::InvalidRows`] when the batches have not the columns of [`Table::file_schema`].
    pub fn sort(&self, partition: &PartitionValues, batches: &[RecordBatch]) -> Result<RecordBatch, LakeError> {
        sorted(self.file_schema(), (self.spec().sort_columns)(partition), batches)
            .map_err(|error| LakeError::invalid_rows(self.storage(), &error))
    }

    /// Adds rows of one partition, once, in any order; no rows are no file but still a commit. `base_version` as in
    /// [`Commit::base_version`].
    ///
    /// # Errors
    ///
    /// As [`Table::sort`], [`Table::encode`], [`Table::put`] and [`Table::commit`].
    pub async fn append_rows(
        &self,
        partition: &PartitionValues,
        batches: &[RecordBatch],
        transaction: TransactionId,
        base_version: Option<u64>,
        info: BTreeMap<String, String>,
    ) -> Result<CommitOutcome, LakeError> {
        let mut adds = Vec::new();
        if batches.iter().any(|batch| batch.num_rows() > 0) {
            let rows = self.sort(partition, batches)?;
            adds.push(self.put(self.encode(partition, std::iter::once(rows))?).await?);
        }
        let operation = CommitOperation::Append;
        let put = adds.first().cloned();
        let outcome = self.commit(Commit { adds, removes: Vec::new(), transaction, operation, base_version, info }).await;
        if let (Err(LakeError::Overtaken { .. }), Some(file)) = (&outcome, &put) {
            self.discard(file).await;
        }
        outcome
    }
}

fn sorted(schema: &SchemaRef, columns: &[&str], batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    let rows = concat_batches(schema, batches)?;
    if columns.is_empty() {
        return Ok(rows);
    }
    let mut sort_columns = columns
        .iter()
        .map(|name| {
            let values = rows.column(schema.index_of(name)?).clone();
            Ok(SortColumn { values, options: Some(SORT_OPTIONS) })
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    // The sort is not stable by itself: the row's number decides between equal rows.
    let row_numbers = arrow_array::UInt64Array::from_iter_values(0..rows.num_rows() as u64);
    sort_columns.push(SortColumn { values: std::sync::Arc::new(row_numbers), options: None });
    take_record_batch(&rows, &lexsort_to_indices(&sort_columns, None)?)
}
