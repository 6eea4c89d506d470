//! The ledger: rows of `log_files` and `rejects`, what of them the lake holds already, and the check that they add up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use keytrail_events::LogFileKind;
use keytrail_lake::{Lake, LakeError};

use crate::accounting::FileAccount;
use crate::error::ConvertError;
use crate::reading::read_columns;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS, log_files_schema, rejects_schema};

/// The most bytes of one reject that the lake keeps; the source object has the rest.
pub(crate) const MAX_RAW_BYTES: usize = 1 << 20;

/// What the lake knows of log files: the version of each, by path.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    versions: HashMap<String, HashSet<String>>,
}

impl Ledger {
    /// Reads the ledger of a lake.
    pub(crate) async fn load(lake: &Lake) -> Result<Self, ConvertError> {
        let mut ledger = Self::default();
        for batch in read_columns(lake.table(LOG_FILES), &["log_file_path", "log_file_version"], |_| true).await? {
            let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            for (path, version) in paths.iter().flatten().zip(versions.iter().flatten()) {
                ledger.versions.entry(path.to_owned()).or_default().insert(version.to_owned());
            }
        }
        Ok(ledger)
    }

    /// Whether this very object was read before.
    pub(crate) fn holds(&self, file: &LogFile) -> bool {
        self.versions.get(&file.path).is_some_and(|versions| versions.contains(&file.version))
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
        count(&|_, account| account.outcome.rejected_count),
        count(&|_, account| account.ignored_count()),
        count(&|_, account| account.kms_read_count),
        count(&|_, account| account.kms_write_count),
        time(&|_, account| account.first_event_time),
        time(&|_, account| account.last_event_time),
        text(&|row| Some(files[row].1.outcome.notes.join("; ")).filter(|notes| !notes.is_empty())),
        text(&|_| Some(stamp.run_id.clone())),
        time(&|_, _| Some(stamp.time)),
        text(&|_| Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    RecordBatch::try_new(log_files_schema(), columns).expect("columns follow the schema")
}

/// `rejected` where nothing of the file was taken, `partial` where some of it was not, else `committed`.
fn status_of(account: &FileAccount) -> &'static str {
    match account.outcome.rejected_count {
        0 => "committed",
        _ if account.outcome.kind == LogFileKind::Unknown => "rejected",
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
pub(crate) async fn committed_rejects(lake: &Lake, ledger: &Ledger) -> Result<HashSet<(String, String)>, ConvertError> {
    let mut found = HashSet::new();
    for batch in read_columns(lake.table(REJECTS), &["log_file_path", "log_file_version"], |_| true).await? {
        let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        for (path, version) in paths.iter().flatten().zip(versions.iter().flatten()) {
            if !ledger.versions.get(path).is_some_and(|known| known.contains(version)) {
                found.insert((path.to_owned(), version.to_owned()));
            }
        }
    }
    Ok(found)
}

/// Checks that the lake's tables add up: in every ledger row `records = rows + duplicates + rejected`, and in total as many rows and
/// rejects as the ledger counts. Returns each thing that does not; an empty list is a sound lake.
///
/// # Errors
/// A table cannot be read.
pub async fn check_accounting(lake: &Lake) -> Result<Vec<String>, ConvertError> {
    let columns = ["log_file_path", "record_count", "row_count", "duplicate_count", "rejected_count"];
    let mut findings = Vec::new();
    let mut totals: BTreeMap<&str, i64> = BTreeMap::new();
    for batch in read_columns(lake.table(LOG_FILES), &columns, |_| true).await? {
        let paths = batch.column(0).as_string::<i32>();
        let counts: Vec<_> =
            (1..columns.len()).map(|column| batch.column(column).as_primitive::<Int64Type>()).collect();
        for row in 0..batch.num_rows() {
            let [records, rows, duplicates, rejected] = [0, 1, 2, 3].map(|column: usize| counts[column].value(row));
            if records != rows + duplicates + rejected {
                findings.push(format!(
                    "{}: {records} records are not {rows} rows + {duplicates} duplicates + {rejected} rejected",
                    paths.value(row)
                ));
            }
            *totals.entry(EVENTS).or_default() += rows;
            *totals.entry(REJECTS).or_default() += rejected;
        }
    }
    for table in [EVENTS, REJECTS] {
        let held = i64::try_from(row_count(lake, table).await?).unwrap_or(i64::MAX);
        let counted = totals.get(table).copied().unwrap_or(0);
        if held != counted {
            findings.push(format!("table {table} holds {held} rows, the ledger counts {counted}"));
        }
    }
    Ok(findings)
}

async fn row_count(lake: &Lake, table: &str) -> Result<u64, LakeError> {
    Ok(lake.table(table).snapshot().await?.row_count())
}
