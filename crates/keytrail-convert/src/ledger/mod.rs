//! The ledger: which log files the lake has read, and what became of each.
//!
//! Its rows are made in `rows`, what others add to it meanwhile is followed in `tracker`, what a killed run left without an entry is found by
//! `leftovers`; whether it adds up, [`crate::accounting`]
//! checks.

mod division;
mod leftovers;
mod rows;
mod tracker;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, RecordBatch};
use keytrail_lake::{DataFile, Lake, LakeError, Snapshot, Table};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

pub(crate) use self::division::divide_rows;
pub(crate) use self::leftovers::{HeldBefore, RowBalance, balance_rows, enter_leftovers};
pub(crate) use self::rows::{MAX_RAW_BYTES, RejectRow, RunStamp, log_files_batch, rejects_batch};
pub(crate) use self::tracker::EntryTracker;
use crate::accounting::{FileAccount, LedgerCounts};
use crate::error::ConvertError;
use crate::reading::read_columns;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS};

/// A version of a log file, as a hash of its path and version.
pub(crate) type EntryId = u128;

/// The id of a version of a log file.
pub(crate) fn entry_id(path: &str, version: &str) -> EntryId {
    xxh3_128_with_seed(version.as_bytes(), xxh3_64(path.as_bytes()))
}

/// Something that is told of one version of a log file.
pub(crate) trait EntryKey {
    /// Which.
    fn key(&self) -> EntryId;
}

impl EntryKey for (Arc<LogFile>, FileAccount) {
    fn key(&self) -> EntryId {
        self.0.entry_id()
    }
}

/// A run, as a hash of its id.
pub(crate) type RunKey = u64;

/// The key of a run.
pub(crate) fn run_key(run_id: &str) -> RunKey {
    xxh3_64(run_id.as_bytes())
}

/// Marks the rows of `log_files` or `rejects` of which `is_marked` says so, by the version of the log file and the run that wrote the row.
pub(crate) fn mark_entries(batch: &RecordBatch, is_marked: impl Fn(EntryId, RunKey) -> bool) -> BooleanArray {
    let texts = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let (Some(paths), Some(versions)) = (texts("log_file_path"), texts("log_file_version")) else {
        return BooleanArray::from(vec![false; batch.num_rows()]);
    };
    let runs = texts("run_id");
    let run_of = |row| runs.filter(|runs| runs.is_valid(row)).map_or("", |runs| runs.value(row));
    let is_of = |row| is_marked(entry_id(paths.value(row), versions.value(row)), run_key(run_of(row)));
    (0..batch.num_rows()).map(|row| Some(is_of(row))).collect()
}

/// Refuses a lake whose `events` holds no rows although the ledger tells of some: the table's last commits are lost, and it would answer as
/// a lake in which nothing was ever used.
///
/// # Errors
/// [`LakeError::Corrupt`] for such a lake; the ledger cannot be read.
pub async fn refuse_lost_rows(lake: &Lake, events: &Snapshot) -> Result<(), LakeError> {
    if !events.files().is_empty() {
        return Ok(());
    }
    let table = lake.table(LOG_FILES);
    let mut row_count = 0;
    read_columns(table, table.snapshot().await?.files(), &["row_count"], |batch| {
        row_count += batch.column(0).as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
    })
    .await?;
    if row_count == 0 {
        return Ok(());
    }
    let path = lake.table(EVENTS).storage().to_string();
    let source = format!("its log ends before its first rows, and the ledger of log files tells of {row_count}").into();
    Err(LakeError::Corrupt { path, source })
}

/// Gives path, version and counts of every entry of the ledger to `take`.
///
/// # Errors
/// The ledger cannot be read.
pub(crate) async fn each_entry(lake: &Lake, take: impl FnMut(&str, &str, LedgerCounts)) -> Result<(), LakeError> {
    each_entry_of(lake, &lake.table(LOG_FILES).snapshot().await?, take).await
}

/// As [`each_entry`], of a version of the ledger.
pub(crate) async fn each_entry_of(
    lake: &Lake,
    snapshot: &Snapshot,
    mut take: impl FnMut(&str, &str, LedgerCounts),
) -> Result<(), LakeError> {
    const COLUMNS: [&str; 6] =
        ["log_file_path", "log_file_version", "record_count", "row_count", "duplicate_count", "rejected_count"];
    read_columns(lake.table(LOG_FILES), snapshot.files(), &COLUMNS, |batch| {
        let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let counts = [2, 3, 4, 5].map(|column: usize| batch.column(column).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let [records, rows, duplicates, rejected] = counts.map(|column| column.value(row).cast_unsigned());
            take(paths.value(row), versions.value(row), LedgerCounts { records, rows, duplicates, rejected });
        }
    })
    .await
}

/// The log files with rejects: by path, the versions that had some, and the run that entered each.
pub(crate) async fn entries_with_rejects(lake: &Lake) -> Result<BTreeMap<String, Vec<(EntryId, RunKey)>>, LakeError> {
    let table = lake.table(LOG_FILES);
    let mut found: BTreeMap<String, Vec<(EntryId, RunKey)>> = BTreeMap::new();
    let columns = ["log_file_path", "log_file_version", "run_id", "rejected_count"];
    read_columns(table, table.snapshot().await?.files(), &columns, |batch| {
        let [paths, versions, runs] = [0, 1, 2].map(|column| batch.column(column).as_string::<i32>());
        let counts = batch.column(3).as_primitive::<Int64Type>();
        for row in (0..batch.num_rows()).filter(|row| counts.value(*row) > 0) {
            let (path, version) = (paths.value(row), versions.value(row));
            let run = if runs.is_valid(row) { runs.value(row) } else { "" };
            found.entry(path.to_owned()).or_default().push((entry_id(path, version), run_key(run)));
        }
    })
    .await?;
    Ok(found)
}

/// Entries that are read again, and the run that each is of.
pub(crate) type Retried = FxHashMap<EntryId, RunKey>;

/// What the lake knows of log files. It keeps hashes: ten million log files take 300 MB.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: FxHashSet<EntryId>,
    paths: FxHashSet<u64>,
    /// Of the entries that are to be read again, those that nobody has replaced.
    open: FxHashSet<EntryId>,
}

impl Ledger {
    /// Reads the ledger of a lake, and begins to follow it.
    pub(crate) async fn load(lake: &Lake, retried: &Retried) -> Result<(Self, EntryTracker), ConvertError> {
        let mut ledger = Self::default();
        let tracker = EntryTracker::begin(lake, |path, id, run| {
            ledger.entries.insert(id);
            ledger.paths.insert(path);
            if retried.get(&id) == Some(&run) {
                ledger.open.insert(id);
            }
        });
        let tracker = tracker.await?;
        Ok((ledger, tracker))
    }

    /// Whether this very object was read before.
    pub(crate) fn holds(&self, file: &LogFile) -> bool {
        self.entries.contains(&file.entry_id())
    }

    /// Whether it is to be read: nobody did, or it is to be read again and nobody did that.
    pub(crate) fn wants(&self, file: &LogFile) -> bool {
        !self.holds(file) || self.open.contains(&file.entry_id())
    }

    /// Whether an object was read from this path, of this version or another.
    pub(crate) fn holds_path(&self, file: &LogFile) -> bool {
        self.paths.contains(&xxh3_64(file.path.as_bytes()))
    }
}

/// What the ledger says of log files that are compared with the lake.
#[derive(Debug, Default)]
pub(crate) struct LedgerEntries {
    counts: HashMap<EntryId, LedgerCounts>,
    /// Paths of which it has several versions: places there are of more than one object.
    changed_paths: FxHashSet<u64>,
}

impl LedgerEntries {
    /// Reads the entries of these versions of log files.
    pub(crate) async fn load(lake: &Lake, wanted: &FxHashSet<EntryId>) -> Result<Self, ConvertError> {
        let (mut entries, mut paths_seen) = (Self::default(), FxHashSet::default());
        each_entry(lake, |path, version, counts| {
            let (path, id) = (xxh3_64(path.as_bytes()), entry_id(path, version));
            if !paths_seen.insert(path) {
                entries.changed_paths.insert(path);
            }
            if wanted.contains(&id) {
                entries.counts.insert(id, counts);
            }
        })
        .await?;
        Ok(entries)
    }

    /// The counts of this version of a log file; `None` = the ledger does not hold it.
    pub(crate) fn counts(&self, file: &LogFile) -> Option<&LedgerCounts> {
        self.counts.get(&file.entry_id())
    }

    /// Whether the lake has rows of another version of it.
    pub(crate) fn has_changed(&self, file: &LogFile) -> bool {
        self.changed_paths.contains(&xxh3_64(file.path.as_bytes()))
    }
}

/// Those of these versions of log files that the ledger holds now.
pub(crate) async fn held_entries(lake: &Lake, wanted: &FxHashSet<EntryId>) -> Result<FxHashSet<EntryId>, LakeError> {
    let mut found = FxHashSet::default();
    let table = lake.table(LOG_FILES);
    read_entries(table, table.snapshot().await?.files(), |path, version, _run| {
        found.extend(wanted.get(&entry_id(path, version)));
    })
    .await?;
    Ok(found)
}

/// Rows of `rejects`: of which versions of log files, and by which runs.
pub(crate) type RejectRuns = FxHashMap<EntryId, FxHashMap<RunKey, u64>>;

/// Counts the rows of `rejects`.
pub(crate) async fn reject_runs(lake: &Lake) -> Result<RejectRuns, LakeError> {
    let mut found = RejectRuns::default();
    let table = lake.table(REJECTS);
    read_entries(table, table.snapshot().await?.files(), |path, version, run| {
        *found.entry(entry_id(path, version)).or_default().entry(run_key(run)).or_default() += 1;
    })
    .await?;
    Ok(found)
}

/// Rejects of log files that the ledger does not hold, or that are to be read again: once those files are entered they count no more.
pub(crate) async fn superseded_rejects(lake: &Lake, ledger: &Ledger) -> Result<RejectRuns, LakeError> {
    let mut found = reject_runs(lake).await?;
    found.retain(|id, _| !ledger.entries.contains(id) || ledger.open.contains(id));
    Ok(found)
}

/// Gives path, version and run of every row of `log_files` or `rejects` to `take`.
async fn read_entries(
    table: &Table,
    files: &[Arc<DataFile>],
    mut take: impl FnMut(&str, &str, &str),
) -> Result<(), LakeError> {
    read_columns(table, files, &["log_file_path", "log_file_version", "run_id"], |batch| {
        let [paths, versions, runs] = [0, 1, 2].map(|column| batch.column(column).as_string::<i32>());
        for row in 0..batch.num_rows() {
            let run = if runs.is_valid(row) { runs.value(row) } else { "" };
            take(paths.value(row), versions.value(row), run);
        }
    })
    .await
}
