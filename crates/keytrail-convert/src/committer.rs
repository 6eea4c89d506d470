//! Puts encoded files and commits epochs, one after the other.
//!
//! The order makes an interrupted run harmless: rows first, then rejects, the ledger last. A log file counts as read only when the
//! ledger says so; until then it is read again, and its rows in the lake are recognised by their place ([`crate::dedupe`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use keytrail_lake::{Commit, CommitOperation, DataFile, EncodedFile, Lake, LakeError, PartitionValues, TransactionId};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::accounting::{ConvertSummary, FileAccount};
use crate::error::ConvertError;
use crate::ledger::{RejectRow, RunStamp, log_files_batch, rejects_batch};
use crate::progress::ConvertProgress;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS};

/// What workers send, in order: every file of an epoch, then its end.
#[derive(Debug)]
pub(crate) enum Message {
    Encoded(u32, EncodedFile),
    Complete(CompleteEpoch),
}

/// The accounts of the log files between two commits.
#[derive(Debug)]
pub(crate) struct CompleteEpoch {
    pub(crate) number: u32,
    pub(crate) accounts: Vec<(Arc<LogFile>, FileAccount)>,
    pub(crate) rejects: Vec<RejectRow>,
}

pub(crate) struct Committer<'l> {
    pub(crate) lake: &'l Lake,
    pub(crate) stamp: RunStamp,
    pub(crate) progress: Arc<dyn ConvertProgress>,
    pub(crate) summary: ConvertSummary,
}

impl Committer<'_> {
    /// Works until every sender is gone. Epochs are committed in order, also where a later one was complete first: a transaction's
    /// version tells what came before it.
    pub(crate) async fn run(&mut self, receiver: &mut Receiver<Message>) -> Result<(), ConvertError> {
        let mut puts: HashMap<u32, JoinSet<Result<DataFile, LakeError>>> = HashMap::new();
        let mut complete: BTreeMap<u32, CompleteEpoch> = BTreeMap::new();
        let mut next = 0;
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Encoded(epoch, file) => {
                    let table = self.lake.table(EVENTS).clone();
                    puts.entry(epoch).or_default().spawn(async move { table.put(file).await });
                }
                Message::Complete(epoch) => {
                    complete.insert(epoch.number, epoch);
                }
            }
            while let Some(epoch) = complete.remove(&next) {
                let adds = join(puts.remove(&next).unwrap_or_default()).await?;
                self.commit(epoch, adds).await?;
                next += 1;
            }
        }
        Ok(())
    }

    async fn commit(&mut self, epoch: CompleteEpoch, adds: Vec<DataFile>) -> Result<(), ConvertError> {
        let mut done = ConvertSummary {
            data_files: adds.len() as u64,
            data_file_bytes: adds.iter().map(|file| file.size_bytes).sum(),
            ..ConvertSummary::default()
        };
        epoch.accounts.iter().for_each(|(file, account)| done.add(file, account));
        if !adds.is_empty() {
            let transaction = self.transaction(epoch.number);
            let commit = Commit {
                adds,
                removes: Vec::new(),
                transaction,
                operation: CommitOperation::Append,
                info: self.info(),
            };
            self.lake.table(EVENTS).commit(commit).await?;
        }
        if !epoch.rejects.is_empty() {
            self.append(REJECTS, rejects_batch(&epoch.rejects, &self.stamp), epoch.number).await?;
        }
        let read: Vec<_> = epoch.accounts.into_iter().filter(|(_, account)| account.unread_reason.is_none()).collect();
        if !read.is_empty() {
            self.append(LOG_FILES, log_files_batch(&read, &self.stamp), epoch.number).await?;
        }
        self.summary.merge(&done);
        self.progress.committed(done.rows);
        Ok(())
    }

    async fn append(&self, table: &str, rows: arrow_array::RecordBatch, epoch: u32) -> Result<(), LakeError> {
        let partition = PartitionValues::new();
        self.lake.table(table).append_rows(&partition, &[rows], self.transaction(epoch), self.info()).await?;
        Ok(())
    }

    /// One application id per run: a commit that landed although its answer was lost is recognised by it.
    fn transaction(&self, epoch: u32) -> TransactionId {
        TransactionId { app_id: format!("keytrail.convert.{}", self.stamp.run_id), version: i64::from(epoch) }
    }

    fn info(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("keytrail.run_id".to_owned(), self.stamp.run_id.clone())])
    }
}

async fn join(mut puts: JoinSet<Result<DataFile, LakeError>>) -> Result<Vec<DataFile>, ConvertError> {
    let mut adds = Vec::new();
    while let Some(put) = puts.join_next().await {
        adds.push(put.map_err(|error| ConvertError::Internal(error.to_string()))??);
    }
    adds.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(adds)
}
