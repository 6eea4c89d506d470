//! Rows for the small tables in one call: sorted, encoded, put and committed.
//!
//! It holds all rows in memory, so the big tables do the steps themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use futures::TryStreamExt;

use crate::commit::{Commit, CommitOperation, CommitOutcome, TransactionId};
use crate::error::LakeError;
use crate::partition::PartitionValues;
use crate::reader::read_rows;
use crate::snapshot::{DataFile, Snapshot};
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
        let outcome =
            self.commit(Commit { adds, removes: Vec::new(), transaction, operation, base_version, info }).await;
        if let (Err(LakeError::Overtaken { .. }), Some(file)) = (&outcome, &put) {
            self.discard(file).await;
        }
        outcome
    }
}

impl Table {
    /// Puts rows of one partition in the place of those that `is_replaced` marks, in one commit. It reads every file of the
    /// partition, and writes those anew that hold a marked row, as one file; for tables that fit in memory.
    ///
    /// # Errors
    ///
    /// As [`Table::append_rows`], and [`LakeError::Corrupt`] for a file that cannot be read.
    pub async fn replace_rows(
        &self,
        partition: &PartitionValues,
        is_replaced: &(dyn Fn(&RecordBatch) -> BooleanArray + Sync),
        rows: &[RecordBatch],
        transaction: TransactionId,
        info: BTreeMap<String, String>,
    ) -> Result<CommitOutcome, LakeError> {
        loop {
            let snapshot = self.snapshot().await?;
            let (transaction, info) = (transaction.clone(), info.clone());
            match self.replace_rows_of(&snapshot, partition, is_replaced, rows, transaction, info).await {
                Err(LakeError::Overtaken { .. }) => {}
                outcome => return outcome,
            }
        }
    }

    /// As [`Table::replace_rows`], in a version that was looked at.
    ///
    /// # Errors
    ///
    /// As there; [`LakeError::Overtaken`] when the table has a newer version.
    pub async fn replace_rows_of(
        &self,
        snapshot: &Snapshot,
        partition: &PartitionValues,
        is_replaced: &(dyn Fn(&RecordBatch) -> BooleanArray + Sync),
        rows: &[RecordBatch],
        transaction: TransactionId,
        info: BTreeMap<String, String>,
    ) -> Result<CommitOutcome, LakeError> {
        let mut batches = rows.to_vec();
        let mut removes = Vec::new();
        for file in snapshot.files().iter().filter(|file| file.partition == *partition) {
            if let Some(kept) = self.rows_but(file, is_replaced).await? {
                batches.extend(kept);
                removes.push(Arc::clone(file));
            }
        }
        let mut adds = Vec::new();
        if batches.iter().any(|batch| batch.num_rows() > 0) {
            let rows = self.sort(partition, &batches)?;
            adds.push(self.put(self.encode(partition, std::iter::once(rows))?).await?);
        }
        let put = adds.first().cloned();
        let (operation, base_version) = (CommitOperation::Replace, Some(snapshot.version()));
        let outcome = self.commit(Commit { adds, removes, transaction, operation, base_version, info }).await;
        if let (Err(LakeError::Overtaken { .. }), Some(file)) = (&outcome, &put) {
            self.discard(file).await;
        }
        outcome
    }

    /// The rows of a file that are not marked; `None` when no row is.
    async fn rows_but(
        &self,
        file: &DataFile,
        is_replaced: &(dyn Fn(&RecordBatch) -> BooleanArray + Sync),
    ) -> Result<Option<Vec<RecordBatch>>, LakeError> {
        let mut batches = read_rows(self, file).await?;
        let (mut kept, mut is_marked) = (Vec::new(), false);
        while let Some(batch) = batches.try_next().await? {
            let marks = is_replaced(&batch);
            is_marked |= marks.true_count() > 0;
            let filtered = filter_record_batch(&batch, &boolean_not(&marks));
            kept.push(filtered.map_err(|error| LakeError::corrupt(&self.storage().name_of(&file.path), error))?);
        }
        Ok(is_marked.then_some(kept))
    }
}

/// Marks turned around; a null marks nothing.
fn boolean_not(marks: &BooleanArray) -> BooleanArray {
    marks.iter().map(|mark| Some(mark != Some(true))).collect()
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
    sort_columns.push(SortColumn { values: Arc::new(row_numbers), options: None });
    take_record_batch(&rows, &lexsort_to_indices(&sort_columns, None)?)
}
