//! Rows and rejects that no entry of the ledger counts: what a run left that was killed between its commits.
//!
//! As a rule the next run reads their log files again, and its entries count them (`division.rs`). Where a log file is gone by then, or
//! another one is in its place, nobody reads it again: [`enter_leftovers`] enters what is left of it, with a note. What is told apart here
//! is rows that no entry counts, which are sound, from rows that an entry counts and that are not there, which are lost.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use futures::{StreamExt, TryStreamExt};
use keytrail_events::{FileOutcome, LogFileKind};
use keytrail_lake::{
    CommitOutcome, DataFile, Lake, LakeError, PartitionValues, Snapshot, StorageOptions, Table, TransactionId,
};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_64;

use super::{EntryId, RunStamp, each_entry_of, entry_id, log_files_batch, read_entries};
use crate::accounting::FileAccount;
use crate::config::ConvertOptions;
use crate::error::ConvertError;
use crate::runs::begin_run;
use crate::source::{LogFile, list_again};
use crate::spec::{EVENTS, LOG_FILES, REJECTS};

/// Places that are looked at once.
const CONCURRENT_LOOKS: usize = 16;
const NOTE: &str =
    "entered from what a run that ended early left in the lake: the log file is not there any more as that run read it";

/// The rows of `events` against those that the ledger counts, log file by log file.
#[derive(Debug, Default)]
pub(crate) struct RowBalance {
    /// Rows that an entry counts and that are not there.
    pub(crate) missing: u64,
    /// Rows that no entry counts, by the log file.
    pub(crate) uncounted: BTreeMap<String, u64>,
}

/// Compares a version of the ledger with the rows in these data files of the lake; rows committed after it may be uncounted.
///
/// # Errors
/// The lake cannot be read.
pub(crate) async fn balance_rows(
    lake: &Lake,
    ledger: &Snapshot,
    files: &[Arc<DataFile>],
) -> Result<RowBalance, LakeError> {
    let mut left: FxHashMap<u64, i64> = FxHashMap::default();
    each_entry_of(lake, ledger, |path, _, counts| {
        let rows = left.entry(xxh3_64(path.as_bytes())).or_default();
        *rows = rows.saturating_add(i64::try_from(counts.rows).unwrap_or(i64::MAX));
    })
    .await?;
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    for file in files {
        // All paths of a large file at once would take more memory than a conversion may.
        let mut batches = lake.table(EVENTS).read_columns(file, &["log_file_path"]).await?;
        while let Some(batch) = batches.try_next().await? {
            let paths = batch.column(0).as_string::<i32>();
            for path in (0..paths.len()).filter(|row| paths.is_valid(*row)).map(|row| paths.value(row)) {
                let hash = xxh3_64(path.as_bytes());
                let rows = left.entry(hash).or_default();
                *rows -= 1;
                if *rows == -1 {
                    names.insert(hash, path.to_owned());
                }
            }
        }
    }
    let missing = left.values().filter_map(|rows| u64::try_from(*rows).ok()).sum();
    let uncounted = names.into_iter().map(|(hash, path)| (path, left[&hash].unsigned_abs())).collect();
    Ok(RowBalance { missing, uncounted })
}

/// The data files of rows and rejects that the lake had when a run began. What another run that goes on has written since, it will enter
/// itself.
#[derive(Debug, Default)]
pub(crate) struct HeldBefore(HashSet<String>);

impl HeldBefore {
    /// Notes the data files there are.
    pub(crate) async fn of(lake: &Lake) -> Result<Self, LakeError> {
        let mut files = HashSet::new();
        for table in [EVENTS, REJECTS] {
            files.extend(lake.table(table).snapshot().await?.files().iter().map(|file| file.path.clone()));
        }
        Ok(Self(files))
    }

    /// Those that are still there.
    async fn files(&self, table: &Table) -> Result<Vec<Arc<DataFile>>, LakeError> {
        let snapshot = table.snapshot().await?;
        Ok(snapshot.files().iter().filter(|file| self.0.contains(&file.path)).cloned().collect())
    }
}

/// What is left of one log file.
#[derive(Debug, Default)]
struct Leftover {
    row_count: u64,
    /// By version, how many each run wrote.
    rejects: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Rows and rejects without an entry.
struct Leftovers {
    by_path: BTreeMap<String, Leftover>,
    /// The entries there are.
    entries: FxHashSet<EntryId>,
}

impl Leftovers {
    async fn of(lake: &Lake, ledger: &Snapshot, before: &HeldBefore) -> Result<Self, LakeError> {
        let (mut entries, mut counted) = (FxHashSet::default(), 0_u64);
        each_entry_of(lake, ledger, |path, version, counts| {
            entries.insert(entry_id(path, version));
            counted = counted.saturating_add(counts.rows);
        })
        .await?;
        let mut by_path: BTreeMap<String, Leftover> = BTreeMap::new();
        if lake.table(EVENTS).snapshot().await?.row_count() > counted {
            let files = before.files(lake.table(EVENTS)).await?;
            for (path, row_count) in balance_rows(lake, ledger, &files).await?.uncounted {
                by_path.entry(path).or_default().row_count = row_count;
            }
        }
        let rejects = lake.table(REJECTS);
        read_entries(rejects, &before.files(rejects).await?, |path, version, run| {
            if !entries.contains(&entry_id(path, version)) {
                let of_version = by_path.entry(path.to_owned()).or_default().rejects.entry(version.to_owned());
                *of_version.or_default().entry(run.to_owned()).or_default() += 1;
            }
        })
        .await?;
        Ok(Self { by_path, entries })
    }

    /// Keeps what nobody will read again: that of log files that are gone, or now of a version that the ledger has.
    async fn retain_unread(&mut self, storage: &StorageOptions) {
        let entries = &self.entries;
        let looks = self.by_path.keys().map(|path| async move {
            let is_unread = match list_again(path, storage).await {
                Ok(found) => {
                    let now = found.into_iter().flatten().find(|file| file.path == *path);
                    now.is_none_or(|file| entries.contains(&file.entry_id()))
                }
                Err(ConvertError::NoSuchSource(_)) => true,
                // It may be there.
                Err(_) => false,
            };
            is_unread.then(|| path.clone())
        });
        let looks: Vec<_> = looks.collect();
        let unread: BTreeSet<_> = futures::stream::iter(looks)
            .buffer_unordered(CONCURRENT_LOOKS)
            .filter_map(std::future::ready)
            .collect()
            .await;
        self.by_path.retain(|path, _| unread.contains(path));
    }

    /// Entries for them, by the run that each is of: whose rejects it counts, else `stamp`'s.
    fn accounts(self, stamp: &RunStamp) -> BTreeMap<String, Vec<(Arc<LogFile>, FileAccount)>> {
        let mut accounts: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (path, Leftover { mut row_count, rejects }) in self.by_path {
            // Of several runs that read a version of it, one counts.
            let most = |runs: BTreeMap<String, u64>| runs.into_iter().max_by_key(|(_, count)| *count);
            let mut versions: Vec<_> =
                rejects.into_iter().filter_map(|(version, runs)| Some((version, most(runs)?))).collect();
            if versions.is_empty() {
                // Rows do not tell the version; that of the entry is like no other one.
                versions.push((format!("unknown: {}", stamp.run_id), (stamp.run_id.clone(), 0)));
            }
            for (version, (run_id, rejected_count)) in versions {
                let row_count = std::mem::take(&mut row_count);
                let outcome = FileOutcome {
                    kind: if row_count > 0 { LogFileKind::Events } else { LogFileKind::Unknown },
                    record_count: row_count + rejected_count,
                    notes: vec![NOTE.to_owned()],
                    ..FileOutcome::unreadable(rejected_count)
                };
                let account = FileAccount { outcome, row_count, place_row_count: row_count, ..FileAccount::default() };
                let file = Arc::new(LogFile::not_there(path.clone(), version));
                accounts.entry(run_id).or_default().push((file, account));
            }
        }
        accounts
    }
}

/// Enters in the ledger what earlier runs left of log files that nobody will read again, and tells how many entries that were. Another
/// run that is about to enter one of them finds its rows counted, and counts none (`division.rs`).
///
/// # Errors
/// The lake cannot be read or written.
pub(crate) async fn enter_leftovers(
    lake: &Lake,
    options: &ConvertOptions,
    stamp: &RunStamp,
    before: &HeldBefore,
    has_begun: &mut bool,
) -> Result<u64, ConvertError> {
    let table = lake.table(LOG_FILES);
    loop {
        let ledger = table.snapshot().await?;
        let mut leftovers = Leftovers::of(lake, &ledger, before).await?;
        let is_ours = |path: &String| {
            options.shard.is_none_or(|shard| shard.holds(&LogFile::not_there(path.clone(), String::new())))
        };
        leftovers.by_path.retain(|path, _| is_ours(path));
        leftovers.retain_unread(&options.storage).await;
        let accounts = leftovers.accounts(stamp);
        let count = accounts.values().map(Vec::len).sum::<usize>() as u64;
        if count == 0 {
            return Ok(0);
        }
        if !std::mem::replace(has_begun, true) {
            begin_run(lake, options).await?;
        }
        let rows: Vec<_> = accounts
            .iter()
            .map(|(run_id, files)| log_files_batch(files, &RunStamp { run_id: run_id.clone(), time: stamp.time }))
            .collect();
        let transaction = TransactionId { app_id: format!("keytrail.leftovers.{}", stamp.run_id), version: 0 };
        let info = BTreeMap::from([("keytrail.run_id".to_owned(), stamp.run_id.clone())]);
        match table.append_rows(&PartitionValues::new(), &rows, transaction, Some(ledger.version()), info).await {
            Ok(CommitOutcome::Committed { .. } | CommitOutcome::AlreadyCommitted { .. }) => return Ok(count),
            Err(LakeError::Overtaken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
