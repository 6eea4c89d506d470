//! Commits that happen once: checked before, tried, reconciled after an error, tried again.
//!
//! ```text
//!            ┌───────────────── lost a race ◀───────────────┐
//!            ▼                                              │
//! follow the log ─▶ already in it? ─▶ still possible? ─▶ write the next version ─▶ done
//!                        │                 │                    │ error
//!                        ▼                 ▼                    ▼
//!                  AlreadyCommitted     Conflict      follow the log: in it? ─▶ done, else the error
//! ```
//!
//! The log library's own conflict checks are not used: two compactions that remove the same files pass them, which
//! doubles rows (measured). Here appends never conflict, and a removal needs every removed file to be live.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use uuid::Uuid;

use crate::clock;
use crate::error::LakeError;
use crate::log::LockedLog;
use crate::snapshot::{DataFile, EDIT_TAG, SHA256_TAG, Snapshot, TAIL_TAG};
use crate::table::{Table, TableSpec};

/// Whoever compacts commits under this id, so that other Delta writers see two compactions conflict too.
const COMPACT_APP_ID: &str = "keytrail.compact";
/// Each lost race is another writer's success, so that many writers come to an end well before this.
pub(crate) const MAX_ATTEMPTS: u32 = 200;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The identity of a commit: the same pair is committed once, however often it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionId {
    /// Who commits, or what is committed.
    pub app_id: String,
    /// Grows with each commit of the same `app_id`; a lower or equal one counts as committed.
    pub version: i64,
}

/// What kind of change a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOperation {
    /// Rows are added.
    Append,
    /// The same rows are put into other files.
    Compact,
    /// Rows take the place of others; it needs a [`Commit::base_version`].
    Replace,
}

/// Files that become visible, and files that stop to be, in one step.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Files that were put and become visible.
    pub adds: Vec<DataFile>,
    /// Live files that the added ones stand for; none for an append.
    pub removes: Vec<Arc<DataFile>>,
    /// The commit's identity. A compaction's is chosen by the lake, whatever stands here.
    pub transaction: TransactionId,
    /// What kind of change it is.
    pub operation: CommitOperation,
    /// The version that the caller has looked at: a commit that nobody may come in between. None = wherever it falls.
    pub base_version: Option<u64>,
    /// Notes that are kept with the commit in the log.
    pub info: BTreeMap<String, String>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is in the log and durable.
    Committed {
        /// The version of the log that is it, or a later one when it was found there after an error.
        version: u64,
    },
    /// An earlier try, of this process or another, has committed the same transaction; the added files stay unused.
    AlreadyCommitted {
        /// The newest version of the log.
        version: u64,
    },
}

impl Table {
    /// Commits files, once.
    ///
    /// # Errors
    ///
    /// [`LakeError::Overtaken`] when the table has a newer version than [`Commit::base_version`];
    /// [`LakeError::Conflict`] when a removed file is not live any more, or the table changed its format;
    /// [`LakeError::InvalidRows`] for an append that removes, or a replacement without a base version; [`LakeError::Storage`] when it is not in the log. After
    /// an error the same transaction can be committed again.
    pub async fn commit(&self, commit: Commit) -> Result<CommitOutcome, LakeError> {
        if commit.operation == CommitOperation::Append && !commit.removes.is_empty() {
            return Err(LakeError::invalid_rows(self.storage(), &"an append removes nothing"));
        }
        if commit.operation == CommitOperation::Replace && commit.base_version.is_none() {
            return Err(LakeError::invalid_rows(self.storage(), &"rows are replaced in a version that was looked at"));
        }
        self.storage().require_conditional_put().await?;
        let mut log = self.log().lock().await;
        let mut last_error = None;
        for attempt in 0..MAX_ATTEMPTS {
            let snapshot = log.snapshot().await?;
            let transaction = match check(&snapshot, &commit, attempt).await? {
                Check::Go(transaction) => transaction,
                Check::Done(outcome) => return settled(&log, attempt, outcome).await,
            };
            if commit.base_version.is_some_and(|base| base < snapshot.version()) {
                return Err(LakeError::Overtaken { place: self.storage().to_string(), version: snapshot.version() });
            }
            let info = commit.info.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
            let actions = actions(&commit);
            match log.attempt(actions, operation(self.spec(), commit.operation), transaction, info).await {
                Ok(version) => {
                    log.checkpoint_if_due(version).await;
                    return Ok(CommitOutcome::Committed { version });
                }
                Err(error) => {
                    let may_try_again = is_lost_race(&error, attempt).await;
                    last_error = Some(LakeError::log(self.storage(), error));
                    if !may_try_again {
                        break;
                    }
                }
            }
        }
        // The error does not tell whether the commit is there: its reply may have been lost.
        let snapshot = log.snapshot().await?;
        match check(&snapshot, &commit, 1).await? {
            Check::Done(outcome) => settled(&log, 1, outcome).await,
            Check::Go(_) => Err(last_error.unwrap_or_else(|| conflict(self, "no attempt was left"))),
        }
    }
}

enum Check {
    Go(Transaction),
    Done(CommitOutcome),
}

/// Whether the commit is in the log, can go there, or neither.
async fn check(snapshot: &Snapshot, commit: &Commit, earlier_attempts: u32) -> Result<Check, LakeError> {
    let version = snapshot.version();
    if earlier_attempts > 0 && is_visible(snapshot, commit) {
        return Ok(Check::Done(CommitOutcome::Committed { version }));
    }
    match commit.operation {
        CommitOperation::Append | CommitOperation::Replace => {
            let TransactionId { app_id, version: own } = &commit.transaction;
            let known = snapshot.transaction_version(app_id).await?;
            Ok(match known {
                Some(known) if known >= *own => Check::Done(CommitOutcome::AlreadyCommitted { version }),
                _ => Check::Go(transaction(app_id, *own)),
            })
        }
        CommitOperation::Compact => {
            if let Some(gone) = commit.removes.iter().find(|file| snapshot.file(&file.path).is_none()) {
                return Err(LakeError::Conflict {
                    place: snapshot.name().to_owned(),
                    reason: format!("a file to remove is not live any more: {}", gone.path),
                });
            }
            let known = snapshot.transaction_version(COMPACT_APP_ID).await?;
            Ok(Check::Go(transaction(COMPACT_APP_ID, known.unwrap_or(0) + 1)))
        }
    }
}

/// Whether the files of this very commit are live: their names are unique, nobody else can have added them.
fn is_visible(snapshot: &Snapshot, commit: &Commit) -> bool {
    !commit.adds.is_empty() && commit.adds.iter().all(|file| snapshot.file(&file.path).is_some())
}

/// An outcome that was read from the log after an error is durable only once the log's folder is.
pub(crate) async fn settled<T>(log: &LockedLog<'_>, earlier_attempts: u32, outcome: T) -> Result<T, LakeError> {
    if earlier_attempts > 0 {
        log.storage().settle("_delta_log").await?;
    }
    Ok(outcome)
}

/// Whether a failed attempt only lost a race, so that another makes sense: after a pause, which is over then.
pub(crate) async fn is_lost_race(error: &DeltaTableError, attempt: u32) -> bool {
    let is_race = is_race(error);
    if is_race {
        pause(attempt).await;
    }
    is_race
}

/// Whether an error only says that the version was taken, or seemed to be: HTTP 409 comes without an object too.
fn is_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_),
            }
    )
}

/// Waits longer from attempt to attempt, and not as long as the others do.
async fn pause(attempt: u32) {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(MAX_PAUSE);
    let random = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    tokio::time::sleep(longest.mul_f64(random)).await;
}

fn conflict(table: &Table, reason: &str) -> LakeError {
    LakeError::Conflict { place: table.storage().to_string(), reason: reason.to_owned() }
}

pub(crate) fn transaction(app_id: &str, version: i64) -> Transaction {
    Transaction { app_id: app_id.to_owned(), version, last_updated: Some(clock::now().timestamp_millis()) }
}

fn operation(spec: &TableSpec, operation: CommitOperation) -> DeltaOperation {
    match operation {
        CommitOperation::Append => DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(spec.partition_columns.iter().map(|name| (*name).to_owned()).collect()),
            predicate: None,
        },
        CommitOperation::Compact => DeltaOperation::Optimize { predicate: None, target_size: 0 },
        CommitOperation::Replace => DeltaOperation::Update { predicate: None },
    }
}

fn actions(commit: &Commit) -> Vec<Action> {
    let data_change = commit.operation != CommitOperation::Compact;
    let removes = commit.removes.iter().map(|file| Action::Remove(remove_action(file, data_change)));
    let adds = commit.adds.iter().map(|file| Action::Add(add_action(file, data_change)));
    removes.chain(adds).collect()
}

fn add_action(file: &DataFile, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: partition_values(file),
        size: file.size_bytes.cast_signed(),
        modification_time: file.modified_ms,
        data_change,
        stats: Some(file.statistics.to_json(file.row_count)),
        tags: Some(tags(file)).filter(|tags| !tags.is_empty()),
        ..Add::default()
    }
}

/// What only readers of keytrail know of.
fn tags(file: &DataFile) -> HashMap<String, Option<String>> {
    let tags = [
        (SHA256_TAG, file.sha256.clone()),
        (TAIL_TAG, file.tail.map(|tail| tail.to_string())),
        (EDIT_TAG, file.awaits_edit.then(|| true.to_string())),
    ];
    tags.into_iter().filter(|(_, value)| value.is_some()).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn remove_action(file: &DataFile, data_change: bool) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change,
        deletion_timestamp: Some(clock::now().timestamp_millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_values(file)),
        size: Some(file.size_bytes.cast_signed()),
        ..Remove::default()
    }
}

/// The protocol's form, where an empty text stands for null.
fn partition_values(file: &DataFile) -> HashMap<String, Option<String>> {
    let value = |value: &String| (!value.is_empty()).then(|| value.clone());
    file.partition.iter().map(|(column, text)| (column.clone(), value(text))).collect()
}
