//! Values of rows that are changed after they were written: their files are written anew, in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::commit::{Commit, CommitOperation, CommitOutcome, TransactionId};
use crate::compact::{CompactOptions, write_merged};
use crate::error::LakeError;
use crate::snapshot::DataFile;
use crate::table::Table;

/// Makes of a batch one with as many rows, in the same order.
pub type Edit<'e> = &'e (dyn Fn(RecordBatch) -> Result<RecordBatch, ArrowError> + Sync);

impl Table {
    /// Puts files with edited rows in the place of live `files`, each of them sorted as before; nobody may have committed since
    /// `base_version`.
    ///
    /// # Errors
    ///
    /// As [`Table::commit`]; [`LakeError::Corrupt`] for a file that cannot be read.
    pub async fn edit_files(
        &self,
        files: &[Arc<DataFile>],
        edit: Edit<'_>,
        transaction: TransactionId,
        base_version: u64,
        info: BTreeMap<String, String>,
    ) -> Result<CommitOutcome, LakeError> {
        let mut adds = Vec::new();
        for file in files {
            let options = CompactOptions { target_file_bytes: file.size_bytes, ..CompactOptions::default() };
            match write_merged(self, &options, std::slice::from_ref(file), edit).await {
                Ok(written) => adds.extend(written),
                Err(error) => {
                    self.discard_all(&adds).await;
                    return Err(error);
                }
            }
        }
        let put = adds.clone();
        let (operation, base_version) = (CommitOperation::Replace, Some(base_version));
        let commit = Commit { adds, removes: files.to_vec(), transaction, operation, base_version, info };
        let outcome = self.commit(commit).await;
        // After another error the commit may be there all the same.
        if let Err(LakeError::Overtaken { .. } | LakeError::Conflict { .. }) = outcome {
            self.discard_all(&put).await;
        }
        outcome
    }

    async fn discard_all(&self, files: &[DataFile]) {
        for file in files {
            self.discard(file).await;
        }
    }
}
