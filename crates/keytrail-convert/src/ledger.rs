//! The ledger: rows of `log_files` and `rejects`, what of them the lake holds already, and the check that they add up.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use keytrail_lake::{DataFile, Lake, LakeError, Snapshot};
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::accounting::FileAccount;
use crate::error::ConvertError;
use crate::reading::read_columns;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS, log_files_schema, rejects_schema};

/// The most bytes of one reject that the lake keeps; the source object has the rest.
pub(crate) const MAX_RAW_BYTES: usize = 1 << 20;

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

impl EntryKey for RejectRow {
    fn key(&self) -> EntryId {
        entry_id(&self.file, &self.version)
    }
}

/// Marks the rows of `log_files` or `rejects` that are of one of these versions of log files.
pub(crate) fn is_entry_of(batch: &RecordBatch, ids: &[EntryId]) -> BooleanArray {
    let texts = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let (Some(paths), Some(versions)) = (texts("log_file_path"), texts("log_file_version")) else {
        return BooleanArray::from(vec![false; batch.num_rows()]);
    };
    let is_of = |(path, version): (Option<&str>, Option<&str>)| Some(ids.contains(&entry_id(path?, version?)));
    paths.iter().zip(versions.iter()).map(is_of).collect()
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

/// The paths of log files with rejects, as the ledger has them.
pub(crate) async fn paths_with_rejects(lake: &Lake) -> Result<Vec<String>, ConvertError> {
    let table = lake.table(LOG_FILES);
    let mut found = Vec::new();
    read_columns(table, table.snapshot().await?.files(), &["log_file_path", "rejected_count"], |batch| {
        let (paths, counts) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
        let rejected = paths.iter().flatten().zip(counts.iter().flatten()).filter(|(_, count)| *count > 0);
        found.extend(rejected.map(|(path, _)| path.to_owned()));
    })
    .await?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What the lake knows of log files. It keeps hashes: ten million log files take 300 MB.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: FxHashSet<EntryId>,
    paths: FxHashSet<u64>,
}

impl Ledger {
    /// Reads the ledger of a lake, and begins to follow it.
    pub(crate) async fn load(lake: &Lake) -> Result<(Self, EntryTracker), ConvertError> {
        let mut ledger = Self::default();
        let tracker = EntryTracker::begin(lake, LOG_FILES, |path, version| {
            ledger.entries.insert(entry_id(path, version));
            ledger.paths.insert(xxh3_64(path.as_bytes()));
        });
        let tracker = tracker.await?;
        Ok((ledger, tracker))
    }

    /// Whether this very object was read before.
    pub(crate) fn holds(&self, file: &LogFile) -> bool {
        self.entries.contains(&file.entry_id())
    }

    /// Whether an object was read from this path, of this version or another.
    pub(crate) fn holds_path(&self, file: &LogFile) -> bool {
        self.paths.contains(&xxh3_64(file.path.as_bytes()))
    }
}

/// The counts of a log file's ledger entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LedgerCounts {
    pub(crate) records: u64,
    pub(crate) rows: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
}

impl fmt::Display for LedgerCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, rows, duplicates, rejected } = self;
        write!(f, "{records} records = {rows} rows + {duplicates} duplicates + {rejected} rejected")
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
        const COLUMNS: [&str; 6] =
            ["log_file_path", "log_file_version", "record_count", "row_count", "duplicate_count", "rejected_count"];
        let table = lake.table(LOG_FILES);
        let (mut entries, mut paths_seen) = (Self::default(), FxHashSet::default());
        read_columns(table, table.snapshot().await?.files(), &COLUMNS, |batch| {
            let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            let count =
                |column: usize, row| batch.column(column).as_primitive::<Int64Type>().value(row).cast_unsigned();
            for row in 0..batch.num_rows() {
                let (path, id) =
                    (xxh3_64(paths.value(row).as_bytes()), entry_id(paths.value(row), versions.value(row)));
                if !paths_seen.insert(path) {
                    entries.changed_paths.insert(path);
                }
                if wanted.contains(&id) {
                    let [records, rows, duplicates, rejected] = [2, 3, 4, 5].map(|column| count(column, row));
                    entries.counts.insert(id, LedgerCounts { records, rows, duplicates, rejected });
                }
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

/// Follows a table with entries of log files: which version was looked at, and what came since.
#[derive(Debug)]
pub(crate) struct EntryTracker {
    pub(crate) table: &'static str,
    /// The version that was looked at.
    pub(crate) version: u64,
    data_files: HashSet<String>,
    /// Entries that came since the first look, of this run and of others: what a later commit must not enter again.
    since: FxHashSet<EntryId>,
}

impl EntryTracker {
    /// Tells all entries there are.
    async fn begin(lake: &Lake, table: &'static str, tell: impl FnMut(&str, &str)) -> Result<Self, ConvertError> {
        let mut tracker = Self { table, version: 0, data_files: HashSet::new(), since: FxHashSet::default() };
        tracker.read(lake, tell).await?;
        Ok(tracker)
    }

    /// Looks at what came since the last look.
    pub(crate) async fn follow(&mut self, lake: &Lake) -> Result<(), ConvertError> {
        let mut since = std::mem::take(&mut self.since);
        self.read(lake, |path, version| {
            since.insert(entry_id(path, version));
        })
        .await?;
        self.since = since;
        Ok(())
    }

    /// Whether an entry came since the first look.
    pub(crate) fn has_entered(&self, id: EntryId) -> bool {
        self.since.contains(&id)
    }

    async fn read(&mut self, lake: &Lake, mut tell: impl FnMut(&str, &str)) -> Result<(), ConvertError> {
        let table = lake.table(self.table);
        let snapshot = table.snapshot().await?;
        let is_new = |file: &&Arc<DataFile>| !self.data_files.contains(&file.path);
        let files: Vec<_> = snapshot.files().iter().filter(is_new).cloned().collect();
        read_columns(table, &files, &["log_file_path", "log_file_version"], |batch| {
            let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            paths.iter().flatten().zip(versions.iter().flatten()).for_each(|(path, version)| tell(path, version));
        })
        .await?;
        self.data_files.extend(files.iter().map(|file| file.path.clone()));
        self.version = snapshot.version();
        Ok(())
    }
}

/// What stays the same in all rows of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunStamp {
    pub(crate) run_id: String,
    /// Microseconds since the epoch, UTC.
    pub(crate) time: i64,
}

/// Rows of `log_files` from accounts.
pub(crate) fn log_files_batch(files: &[(Arc<LogFile>, FileAccount)], stamp: &RunStamp) -> RecordBatch {
    let told: Vec<_> = files.iter().map(|(file, _)| file.told_by_path()).collect();
    let text = |value: &dyn Fn(usize) -> Option<String>| texts((0..files.len()).map(value));
    let count = |value: &dyn Fn(&LogFile, &FileAccount) -> u64| {
        integers(files.iter().map(|(file, account)| i64::try_from(value(file, account)).ok()))
    };
    let time = |value: &dyn Fn(&LogFile, &FileAccount) -> Option<i64>| {
        times(files.iter().map(|(file, account)| value(file, account)))
    };
    let columns: Vec<ArrayRef> = vec![
        text(&|row| Some(files[row].0.path.clone())),
        text(&|row| Some(files[row].0.version.clone())),
        text(&|row| Some(files[row].1.outcome.kind.as_str().to_owned())),
        text(&|row| Some(status_of(&files[row].1).to_owned())),
        text(&|row| told[row].organization_id.map(str::to_owned)),
        text(&|row| told[row].account_id.map(str::to_owned)),
        text(&|row| told[row].aws_region.map(str::to_owned)),
        time(&|file, _| file.delivery_time),
        time(&|file, _| file.last_modified),
        count(&|file, _| file.size_bytes),
        count(&|_, account| account.outcome.uncompressed_bytes),
        count(&|_, account| account.outcome.record_count),
        count(&|_, account| account.row_count),
        count(&|_, account| account.duplicate_count),
        count(&|_, account| account.conflict_count),
        count(&|_, account| account.outcome.rejected_count),
        count(&|_, account| account.ignored_count()),
        count(&|_, account| account.kms_read_count),
        count(&|_, account| account.kms_write_count),
        time(&|_, account| account.first_event_time),
        time(&|_, account| account.last_event_time),
        text(&|row| notes_of(&files[row].0, &files[row].1)),
        text(&|_| Some(stamp.run_id.clone())),
        time(&|_, _| Some(stamp.time)),
        text(&|_| Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    RecordBatch::try_new(log_files_schema(), columns).expect("columns follow the schema")
}

/// The oddities of a log file, those of its delivery first; none = null.
fn notes_of(file: &LogFile, account: &FileAccount) -> Option<String> {
    let notes: Vec<&str> = file.note().into_iter().chain(account.outcome.notes.iter().map(String::as_str)).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// `archived` where S3 must restore the file first, `rejected` where nothing of it was taken, `partial` where some of it was not, else
/// `committed`.
fn status_of(account: &FileAccount) -> &'static str {
    match account.outcome.rejected_count {
        _ if account.is_archived => "archived",
        0 => "committed",
        rejected if rejected == account.outcome.record_count => "rejected",
        _ => "partial",
    }
}

/// A record or file that could not be taken, with what is needed to find it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectRow {
    pub(crate) file: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) record_index: Option<u64>,
    pub(crate) byte_offset: u64,
    pub(crate) reason: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) raw_length: u64,
}

/// Rows of `rejects`.
pub(crate) fn rejects_batch(rejects: &[RejectRow], stamp: &RunStamp) -> RecordBatch {
    let mut raw = BinaryBuilder::new();
    rejects.iter().for_each(|reject| raw.append_value(&reject.raw));
    let columns: Vec<ArrayRef> = vec![
        texts(rejects.iter().map(|reject| Some(reject.file.to_string()))),
        texts(rejects.iter().map(|reject| Some(reject.version.to_string()))),
        integers(rejects.iter().map(|reject| i64::try_from(reject.record_index?).ok())),
        integers(rejects.iter().map(|reject| i64::try_from(reject.byte_offset).ok())),
        texts(rejects.iter().map(|reject| Some(reject.reason.clone()))),
        Arc::new(raw.finish()),
        integers(rejects.iter().map(|reject| i64::try_from(reject.raw_length).ok())),
        texts(rejects.iter().map(|_| Some(stamp.run_id.clone()))),
        times(rejects.iter().map(|_| Some(stamp.time))),
    ];
    RecordBatch::try_new(rejects_schema(), columns).expect("columns follow the schema")
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn integers(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let mut builder = Int64Builder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let mut builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// Rejects that the lake holds already for files without a ledger entry: a run that ended in between wrote them.
pub(crate) async fn committed_rejects(
    lake: &Lake,
    ledger: &Ledger,
) -> Result<(HashSet<EntryId>, EntryTracker), ConvertError> {
    let mut found = HashSet::new();
    let tracker = EntryTracker::begin(lake, REJECTS, |path, version| {
        let id = entry_id(path, version);
        if !ledger.entries.contains(&id) {
            found.insert(id);
        }
    });
    let tracker = tracker.await?;
    Ok((found, tracker))
}

/// Checks that the lake's tables add up: in every ledger row `records = rows + duplicates + rejected`, and in total as many rows and
/// rejects as the ledger counts. Returns each thing that does not; an empty list is a sound lake.
///
/// # Errors
/// A table cannot be read.
pub async fn check_accounting(lake: &Lake) -> Result<Vec<String>, ConvertError> {
    let columns =
        ["log_file_path", "log_file_version", "record_count", "row_count", "duplicate_count", "rejected_count"];
    let mut findings = Vec::new();
    let table = lake.table(LOG_FILES);
    let (mut rows_counted, mut rejects_counted) = (0, 0);
    let mut entries = FxHashSet::default();
    read_columns(table, table.snapshot().await?.files(), &columns, |batch| {
        let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let counts: Vec<_> =
            (2..columns.len()).map(|column| batch.column(column).as_primitive::<Int64Type>()).collect();
        for row in 0..batch.num_rows() {
            let [records, rows, duplicates, rejected] = [0, 1, 2, 3].map(|column: usize| counts[column].value(row));
            if !entries.insert(entry_id(paths.value(row), versions.value(row))) {
                findings.push(format!("{}: the ledger has two entries of one version", paths.value(row)));
            }
            if records != rows + duplicates + rejected {
                findings.push(format!(
                    "{}: {records} records are not {rows} rows + {duplicates} duplicates + {rejected} rejected",
                    paths.value(row)
                ));
            }
            rows_counted += rows;
            rejects_counted += rejected;
        }
    })
    .await?;
    for (table, counted) in [(EVENTS, rows_counted), (REJECTS, rejects_counted)] {
        let held = i64::try_from(row_count(lake, table).await?).unwrap_or(i64::MAX);
        if held != counted {
            findings.push(format!("table {table} holds {held} rows, the ledger counts {counted}"));
        }
    }
    Ok(findings)
}

async fn row_count(lake: &Lake, table: &str) -> Result<u64, LakeError> {
    Ok(lake.table(table).snapshot().await?.row_count())
}
