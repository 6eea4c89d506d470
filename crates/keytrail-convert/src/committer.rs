//! Puts encoded files and commits epochs, one after the other.
//!
//! ```text
//! epoch complete ─▶ commit events ─▶ rejects ─▶ log_files          each on the version that was looked at
//!                      │ somebody came in between
//!                      ▼
//!               learn their rows ─▶ none is ours: once more
//!                                └▶ one is ours: this attempt ends, the next one reads their files first
//! ```
//! The order makes an interrupted run harmless: rows first, then rejects, the ledger last. A log file counts as read only when the
//! ledger says so; until then it is read again, and its rows in the lake are recognised by their place ([`crate::dedupe`]). The look
//! before each commit makes several runs at once harmless: none adds a row or a ledger entry that another has added. A log file that is
//! read again for its rejects gets a new entry in the place of the old one, unless another run has replaced that meanwhile.
//!
//! What rows and rejects belong to an entry is a matter of the ledger alone, so that no moment to be killed at, and no order of several
//! runs, makes it count what is not there (`docs/decisions/0015-the-ledger-decides.md`): rows are divided among a file's entries as each
//! is committed (`ledger/division.rs`), and of the rejects of a version of a log file those of the run that its entry names count. Other
//! ones, which an interrupted run or one that came too late has left, are dropped after the entry's commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use keytrail_lake::{
    Commit, CommitOperation, CommitOutcome, DataFile, EncodedFile, Lake, LakeError, PartitionValues, Snapshot, Table,
    TransactionId,
};
use rustc_hash::FxHashSet;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::accounting::{ConvertSummary, FileAccount};
use crate::dedupe::Deduplicator;
use crate::error::ConvertError;
use crate::held::{LakeRows, Writer};
use crate::ledger::{
    EntryId, EntryKey, EntryTracker, RejectRow, RejectRuns, Retried, RunKey, RunStamp, divide_rows, held_entries,
    log_files_batch, mark_entries, rejects_batch, run_key,
};
use crate::lock::lock;
use crate::progress::ConvertProgress;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS};
use crate::supplanting::SupplantedPartitions;

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

/// Why no further epoch is committed.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Another writer committed rows that this attempt holds too.
    Overtaken,
    /// It cannot go on at all.
    Failed(ConvertError),
}

impl<E: Into<ConvertError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The lake's state that an attempt begins with, and follows.
pub(crate) struct Followed {
    /// The version of `events` whose rows deduplication knows.
    pub(crate) events_version: u64,
    /// Its data files.
    pub(crate) data_files: HashSet<String>,
    pub(crate) log_files: EntryTracker,
    /// Rejects that do not count once this attempt has entered their log files.
    pub(crate) rejects: RejectRuns,
}

pub(crate) struct Committer<'l> {
    pub(crate) lake: &'l Lake,
    pub(crate) stamp: RunStamp,
    pub(crate) progress: Arc<dyn ConvertProgress>,
    pub(crate) summary: ConvertSummary,
    /// Entries of log files that are read again on purpose: new ones take their place.
    pub(crate) retried: Retried,
    /// The log of runs says that this one has begun.
    pub(crate) has_begun: bool,
    /// Numbers the commits of a run, over all its attempts: a transaction's version tells what came before it.
    pub(crate) sequence: i64,
    /// Where rows were read that tell more of an event than the row that counts.
    pub(crate) supplanted: SupplantedPartitions,
}

/// What the commits of one attempt share.
pub(crate) struct AttemptState {
    pub(crate) followed: Followed,
    pub(crate) seen: Arc<Deduplicator>,
    pub(crate) held: Arc<LakeRows>,
    /// Rows that deduplication may keep in memory.
    pub(crate) max_seen_rows: usize,
}

type Puts = HashMap<u32, JoinSet<Result<DataFile, LakeError>>>;

impl Committer<'_> {
    /// Works until every sender is gone. Epochs are committed in order, also where a later one was complete first.
    pub(crate) async fn run(&mut self, state: &mut AttemptState, receiver: &mut Receiver<Message>) -> Result<(), Halt> {
        let mut puts = Puts::new();
        let outcome = self.commit_all(state, receiver, &mut puts).await;
        // Files of epochs that were not committed are nobody's; what cannot be deleted is told by `keytrail check`.
        for put in puts.into_values() {
            for file in join(put).await.unwrap_or_default() {
                self.events().discard(&file).await;
            }
        }
        outcome
    }

    async fn commit_all(
        &mut self,
        state: &mut AttemptState,
        receiver: &mut Receiver<Message>,
        puts: &mut Puts,
    ) -> Result<(), Halt> {
        let mut complete: BTreeMap<u32, CompleteEpoch> = BTreeMap::new();
        let mut next = 0;
        while let Some(message) = receiver.recv().await {
            match message {
                Message::Encoded(epoch, file) => {
                    let table = self.events().clone();
                    puts.entry(epoch).or_default().spawn(async move { table.put(file).await });
                }
                Message::Complete(epoch) => {
                    complete.insert(epoch.number, epoch);
                }
            }
            while let Some(epoch) = complete.remove(&next) {
                let adds = join(puts.remove(&next).unwrap_or_default()).await?;
                self.commit(state, epoch, adds).await?;
                next += 1;
                state.seen.forget(next - 1, state.max_seen_rows);
            }
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        state: &mut AttemptState,
        epoch: CompleteEpoch,
        adds: Vec<DataFile>,
    ) -> Result<(), Halt> {
        let mut done = ConvertSummary {
            data_files: adds.len() as u64,
            data_file_bytes: adds.iter().map(|file| file.size_bytes).sum(),
            ..ConvertSummary::default()
        };
        self.sequence += 1;
        if !adds.is_empty() {
            self.commit_events(state, epoch.number, adds).await?;
        }
        let (mut read, unread): (Vec<_>, Vec<_>) =
            epoch.accounts.into_iter().partition(|(_, account)| account.unread_reason.is_none());
        let mut rejects = epoch.rejects;
        self.leave_held(&mut read).await?;
        if !rejects.is_empty() {
            // Others may have entered a file at any time since this attempt began, not only since the last commit.
            state.followed.log_files.follow(self.lake).await?;
            self.leave_entered(&state.followed.log_files, &mut read);
            let left: FxHashSet<EntryId> = read.iter().map(EntryKey::key).collect();
            rejects.retain(|reject| left.contains(&reject.key()));
            self.append_rejects(&rejects).await?;
        }
        let entered = self.enter(&mut state.followed.log_files, read).await?;
        self.drop_superseded(&state.followed.rejects, &entered, &rejects).await?;
        let is_retry = !self.retried.is_empty();
        for (file, account) in entered.iter().chain(&unread) {
            match is_retry {
                true => done.add_again(file, account),
                false => done.add(file, account),
            }
        }
        self.summary.merge(&done);
        self.progress.committed(done.rows);
        Ok(())
    }

    async fn commit_events(&self, state: &mut AttemptState, epoch: u32, mut adds: Vec<DataFile>) -> Result<(), Halt> {
        // Rows are noted before they are written.
        let supplanted = lock(&self.supplanted).clone();
        adds.iter_mut().for_each(|file| file.awaits_edit = supplanted.contains(&file.partition));
        loop {
            let base = state.followed.events_version;
            let commit = Commit {
                adds: adds.clone(),
                removes: Vec::new(),
                transaction: self.transaction(),
                operation: CommitOperation::Append,
                base_version: Some(base),
                info: self.info(),
            };
            match self.events().commit(commit).await {
                Ok(CommitOutcome::Committed { .. }) => {
                    // Whatever came after it is looked at before the next commit.
                    state.followed.events_version = base + 1;
                    break;
                }
                Ok(CommitOutcome::AlreadyCommitted { .. }) => break,
                Err(LakeError::Overtaken { .. }) => {
                    if !self.learn(state, epoch).await? {
                        for file in &adds {
                            self.events().discard(file).await;
                        }
                        return Err(Halt::Overtaken);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        state.followed.data_files.extend(adds.iter().map(|file| file.path.clone()));
        state.held.add(adds.into_iter().map(Arc::new), Writer::ThisRun);
        Ok(())
    }

    /// Looks at what others have committed; false when a row of it is one that is waiting here.
    async fn learn(&self, state: &mut AttemptState, epoch: u32) -> Result<bool, ConvertError> {
        let snapshot: Snapshot = self.events().snapshot().await?;
        let known = &state.followed.data_files;
        let news: Vec<_> = snapshot.files().iter().filter(|file| !known.contains(&file.path)).cloned().collect();
        state.held.add(news.iter().cloned(), Writer::Other);
        for file in &news {
            let rows = state.held.rows_of(file).await?;
            if !state.seen.learn(&rows, epoch) {
                return Ok(false);
            }
        }
        state.followed.data_files.extend(news.iter().map(|file| file.path.clone()));
        state.followed.events_version = snapshot.version();
        Ok(true)
    }

    /// Leaves out files that changed after their listing and are now of a version that the ledger holds: it was asked about the other one.
    async fn leave_held(&self, read: &mut Vec<(Arc<LogFile>, FileAccount)>) -> Result<(), LakeError> {
        let changed: FxHashSet<EntryId> =
            read.iter().filter(|(file, _)| file.has_changed()).map(EntryKey::key).collect();
        if !changed.is_empty() {
            let held = held_entries(self.lake, &changed).await?;
            read.retain(|entry| !held.contains(&entry.key()));
        }
        Ok(())
    }

    /// Leaves out what another run has entered, or replaced, since this attempt began.
    fn leave_entered(&self, log_files: &EntryTracker, read: &mut Vec<(Arc<LogFile>, FileAccount)>) {
        read.retain(|entry| !log_files.has_entered(entry.key(), &self.retried));
    }

    async fn append_rejects(&self, rejects: &[RejectRow]) -> Result<(), LakeError> {
        if rejects.is_empty() {
            return Ok(());
        }
        let (partition, rows) = (PartitionValues::new(), [rejects_batch(rejects, &self.stamp)]);
        self.lake.table(REJECTS).append_rows(&partition, &rows, self.transaction(), None, self.info()).await?;
        Ok(())
    }

    /// Enters log files in the ledger and returns those that were entered: in the place of their older entries where files are read again
    /// on purpose, and only those that no other run has entered meanwhile.
    async fn enter(
        &self,
        log_files: &mut EntryTracker,
        read: Vec<(Arc<LogFile>, FileAccount)>,
    ) -> Result<Vec<(Arc<LogFile>, FileAccount)>, Halt> {
        let (table, partition) = (self.lake.table(LOG_FILES), PartitionValues::new());
        let mut left = read;
        loop {
            self.leave_entered(log_files, &mut left);
            if left.is_empty() {
                break;
            }
            if !divide_rows(self.lake, log_files, &self.retried, &mut left).await? {
                log_files.follow(self.lake).await?;
                continue;
            }
            let (rows, base) = ([log_files_batch(&left, &self.stamp)], log_files.version);
            let replaced: FxHashSet<EntryId> =
                left.iter().map(EntryKey::key).filter(|id| self.retried.contains_key(id)).collect();
            let (transaction, info) = (self.transaction(), self.info());
            let outcome = if replaced.is_empty() {
                table.append_rows(&partition, &rows, transaction, Some(base), info).await
            } else {
                let is_replaced = |batch: &RecordBatch| mark_entries(batch, |id, _| replaced.contains(&id));
                let snapshot = table.snapshot().await?;
                if snapshot.version() != base {
                    log_files.follow(self.lake).await?;
                    continue;
                }
                table.replace_rows_of(&snapshot, &partition, &is_replaced, &rows, transaction, info).await
            };
            match outcome {
                Ok(CommitOutcome::Committed { .. }) => {
                    log_files.version = base + 1;
                    break;
                }
                Ok(CommitOutcome::AlreadyCommitted { .. }) => break,
                Err(LakeError::Overtaken { .. }) => log_files.follow(self.lake).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(left)
    }

    /// Drops rejects that do not count: those that others have written of the log files that were entered, and this run's own of those that
    /// were not. Whoever has written the former entered nothing, and will not: he finds this run's entry.
    async fn drop_superseded(
        &self,
        held: &RejectRuns,
        entered: &[(Arc<LogFile>, FileAccount)],
        own: &[RejectRow],
    ) -> Result<(), LakeError> {
        let is_entered: FxHashSet<EntryId> = entered.iter().map(EntryKey::key).collect();
        let own_key = run_key(&self.stamp.run_id);
        let of_others = is_entered.iter().filter_map(|id| Some((id, held.get(id)?)));
        let of_others = of_others.flat_map(|(id, runs)| runs.keys().map(|run| (*id, *run)));
        let mut dropped: FxHashSet<(EntryId, RunKey)> = of_others.filter(|(_, run)| *run != own_key).collect();
        dropped.extend(own.iter().map(EntryKey::key).filter(|id| !is_entered.contains(id)).map(|id| (id, own_key)));
        if dropped.is_empty() {
            return Ok(());
        }
        let is_dropped = |batch: &RecordBatch| mark_entries(batch, |id, run| dropped.contains(&(id, run)));
        let app_id = format!("keytrail.superseded.{}", self.stamp.run_id);
        let transaction = TransactionId { app_id, version: self.sequence };
        let (partition, rows) = (PartitionValues::new(), [rejects_batch(&[], &self.stamp)]);
        self.lake.table(REJECTS).replace_rows(&partition, &is_dropped, &rows, transaction, self.info()).await?;
        Ok(())
    }

    fn events(&self) -> &Table {
        self.lake.table(EVENTS)
    }

    /// One application id per run: a commit that landed although its answer was lost is recognised by it.
    fn transaction(&self) -> TransactionId {
        TransactionId { app_id: format!("keytrail.convert.{}", self.stamp.run_id), version: self.sequence }
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
