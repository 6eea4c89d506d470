//! The rows that the lake holds, as deduplication wants them: who and where, by the hour of the event.
//!
//! Only a few narrow columns are read, of data files whose times meet the hours asked for. It decides nothing about them: see
//! [`crate::dedupe`].

use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use futures::{StreamExt, TryStreamExt, stream};
use keytrail_events::DetailLevel;
use keytrail_lake::{Bound, DataFile, ScalarStat, Table};
use tokio::runtime::Handle;

use crate::dedupe::{Facts, HeldHours, HeldRow, HeldRows, Hour, HourVisit, Place, RecordIdentity};
use crate::error::ConvertError;
use crate::lock::lock;

const COLUMNS: [&str; 11] = [
    "recipient_account_id",
    "event_id",
    "body_hash",
    "detail_level",
    "event_time",
    "log_file_path",
    "record_index",
    "event_name",
    "event_source",
    "aws_region",
    "error_code",
];
/// Data files that are read at once.
const CONCURRENT_FILES: usize = 4;
/// Hours are read along while they hold about this many rows together, so that a day is not read hour by hour.
const ROWS_AT_ONCE: f64 = 250_000.0;
const HOURS_AT_ONCE: i64 = 31 * 24;

/// The lake's rows: those it held when the run began, and what was added since.
pub(crate) struct LakeRows {
    table: Table,
    files: Mutex<Vec<HeldFile>>,
    runtime: Handle,
}

#[derive(Debug, Clone)]
struct HeldFile {
    file: Arc<DataFile>,
    first: Hour,
    last: Hour,
    writer: Writer,
}

/// Who wrote a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// This run: the rows are known until their hour was forgotten.
    ThisRun,
    /// An earlier run, or another one at the same time.
    Other,
}

impl HeldFile {
    fn new(file: Arc<DataFile>, writer: Writer) -> Self {
        let (first, last) = hours_of(&file);
        Self { file, first, last, writer }
    }

    /// About how many of its rows are of the hours from `first` up to, not including, `end`.
    fn rows_within(&self, first: Hour, end: Hour) -> f64 {
        let (from, to) = (self.first.max(first), self.last.plus(1).min(end));
        if from >= to {
            return 0.0;
        }
        self.file.row_count as f64 * to.hours_since(from) / self.last.plus(1).hours_since(self.first)
    }
}

/// The hours of a file's first and last event; all of them where its statistics do not tell.
fn hours_of(file: &DataFile) -> (Hour, Hour) {
    let time = |bound: Option<&Bound>| match bound.map(|bound| &bound.value) {
        Some(ScalarStat::Time(time)) => Some(*time),
        _ => None,
    };
    let statistics = file.statistics.column("event_time");
    let times = statistics.and_then(|column| Some((time(column.min.as_ref())?, time(column.max.as_ref())?)));
    let has_unknown = statistics.is_none_or(|column| column.null_count != Some(0));
    match times {
        Some((first, last)) if !has_unknown => (Hour::of(Some(first)), Hour::of(Some(last))),
        // Records without a time have partitions of their own, so this is also what those files come to.
        Some((_, last)) => (Hour::UNKNOWN, Hour::of(Some(last))),
        None if statistics.is_some_and(|column| column.null_count == Some(file.row_count)) => {
            (Hour::UNKNOWN, Hour::UNKNOWN)
        }
        None => (Hour::UNKNOWN, Hour::LAST),
    }
}

impl LakeRows {
    /// The rows of `files`, all data files of the table when the run began.
    pub(crate) fn new(table: Table, files: &[Arc<DataFile>]) -> Self {
        let files = files.iter().map(|file| HeldFile::new(Arc::clone(file), Writer::Other)).collect();
        Self { table, files: Mutex::new(files), runtime: Handle::current() }
    }

    /// Adds data files that were committed since.
    pub(crate) fn add(&self, files: impl IntoIterator<Item = Arc<DataFile>>, writer: Writer) {
        let files = files.into_iter().map(|file| HeldFile::new(file, writer));
        lock(&self.files).extend(files);
    }

    /// Every row of one data file.
    pub(crate) async fn rows_of(&self, file: &DataFile) -> Result<Vec<HeldRow>, ConvertError> {
        read_rows(&self.table, file, Hour::UNKNOWN, None).await
    }
}

impl HeldRows for Arc<LakeRows> {
    fn load(&self, hour: Hour, visit: HourVisit) -> Result<HeldHours, ConvertError> {
        let files: Vec<HeldFile> = {
            let files = lock(&self.files);
            files.iter().filter(|held| visit == HourVisit::Again || held.writer == Writer::Other).cloned().collect()
        };
        if !files.iter().any(|held| held.first <= hour && hour <= held.last) {
            return Ok(HeldHours { hour_count: 1, rows: Vec::new() });
        }
        // Hours that were forgotten come back one by one: the others have not been asked for.
        let hour_count = match visit {
            HourVisit::First => hours_at_once(&files, hour),
            HourVisit::Again => 1,
        };
        let end = hour.plus(hour_count);
        let wanted = files.iter().filter(|held| held.first < end && hour <= held.last);
        let reads: Vec<_> = wanted.map(|held| read_rows(&self.table, &held.file, hour, Some(end))).collect();
        let read = stream::iter(reads).buffered(CONCURRENT_FILES).try_concat();
        Ok(HeldHours { hour_count, rows: self.runtime.block_on(read)? })
    }
}

/// How many hours from `hour` on are read together.
fn hours_at_once(files: &[HeldFile], hour: Hour) -> i64 {
    let rows = |count: i64| files.iter().map(|held| held.rows_within(hour, hour.plus(count))).sum::<f64>();
    let mut count = 1;
    while count < HOURS_AT_ONCE && hour != Hour::UNKNOWN && rows(count * 2) <= ROWS_AT_ONCE {
        count *= 2;
    }
    count
}

/// The rows of a data file in the hours from `first` up to, not including, `end`.
async fn read_rows(
    table: &Table,
    file: &DataFile,
    first: Hour,
    end: Option<Hour>,
) -> Result<Vec<HeldRow>, ConvertError> {
    let mut batches = table.read_columns(file, &COLUMNS).await?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        rows.extend(rows_in(&batch).filter(|row| row.hour >= first && end.is_none_or(|end| row.hour < end)));
    }
    Ok(rows)
}

fn rows_in(batch: &RecordBatch) -> impl Iterator<Item = HeldRow> {
    let [accounts, ids, details, paths] = [0, 1, 3, 5].map(|column| batch.column(column).as_string::<i32>());
    let facts = [7, 8, 9, 10].map(|column| batch.column(column).as_string::<i32>());
    let bodies = batch.column(2).as_primitive::<Int32Type>();
    let times = batch.column(4).as_primitive::<TimestampMicrosecondType>();
    let indices = batch.column(6).as_primitive::<Int64Type>();
    (0..batch.num_rows()).map(move |row| {
        let account = accounts.is_valid(row).then(|| accounts.value(row));
        let detail = DetailLevel::from_name(details.value(row)).unwrap_or(DetailLevel::Full);
        let facts = facts.map(|texts| texts.is_valid(row).then(|| texts.value(row)));
        let identity = RecordIdentity::new(account, ids.value(row), bodies.value(row).cast_unsigned(), detail);
        HeldRow {
            hour: Hour::of(times.is_valid(row).then(|| times.value(row))),
            identity: identity.telling(Facts::of(facts, detail)),
            place: Place::new(paths.value(row), indices.value(row).cast_unsigned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use keytrail_lake::PartitionValues;

    use super::*;

    fn held(row_count: u64, first: i64, last: i64) -> HeldFile {
        let file = DataFile {
            path: String::new(),
            size_bytes: 1,
            row_count,
            partition: PartitionValues::new(),
            statistics: Default::default(),
            modified_ms: 0,
            sha256: None,
            tail: None,
            awaits_edit: false,
        };
        let hour = |count| Hour::of(Some(0)).plus(count);
        HeldFile { first: hour(first), last: hour(last), ..HeldFile::new(Arc::new(file), Writer::Other) }
    }

    #[test]
    fn as_many_hours_as_fit_are_read_together() {
        let start = Hour::of(Some(0));
        assert_eq!(hours_at_once(&[held(1_000_000, 0, 99)], start), 16, "10,000 rows an hour");
        assert_eq!(hours_at_once(&[held(10_000_000_000, 0, 99)], start), 1);
        assert_eq!(hours_at_once(&[held(10, 0, 9)], start), 1024);
        assert_eq!(hours_at_once(&[held(10, 0, 9)], Hour::UNKNOWN), 1);
    }

    #[test]
    fn a_file_without_statistics_may_hold_any_hour() {
        let file = held(1, 0, 0).file;
        assert_eq!(hours_of(&file), (Hour::UNKNOWN, Hour::LAST));
    }
}
