//! Rows of `log_files` and `rejects` from what became of log files.
//!
//! Columns stand in the order of the tables' schemas (`spec.rs`); it reads no table.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};

use super::{EntryId, EntryKey, entry_id};
use crate::accounting::FileAccount;
use crate::source::LogFile;
use crate::spec::{log_files_schema, rejects_schema};

/// The most bytes of one reject that the lake keeps; the source object has the rest.
pub(crate) const MAX_RAW_BYTES: usize = 1 << 20;

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
        time(&|_, account| Some(account.digest.as_ref()?.start_time)),
        time(&|_, account| Some(account.digest.as_ref()?.end_time)),
        text(&|row| Some(files[row].1.digest.as_ref()?.log_files.clone())),
        text(&|row| files[row].1.digest.as_ref()?.previous.clone()),
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

impl EntryKey for RejectRow {
    fn key(&self) -> EntryId {
        entry_id(&self.file, &self.version)
    }
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

#[cfg(test)]
mod tests {
    use arrow_cast::display::array_value_to_string;
    use keytrail_events::{FileOutcome, LogFileKind, RecordKind};

    use super::*;

    /// The one row of a batch: names and values.
    fn written(batch: &RecordBatch) -> Vec<(String, String)> {
        assert_eq!(batch.num_rows(), 1);
        let names = batch.schema();
        let names = names.fields().iter().map(|field| field.name().clone());
        let values = batch.columns().iter().map(|column| array_value_to_string(column, 0).expect("a value"));
        names.zip(values).collect()
    }

    fn assert_written(batch: &RecordBatch, expected: &[(&str, &str)]) {
        let written = written(batch);
        let written: Vec<_> = written.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(written, expected);
    }

    const PATH: &str = "AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/2024/01/31/111122223333_CloudTrail_eu-west-1_20240131T1005Z_x.json.gz";

    #[test]
    fn what_became_of_a_log_file_stands_under_its_name() {
        let mut file = LogFile::for_test(PATH);
        (file.size_bytes, file.last_modified) = (10, Some(1_000_000));
        let account = FileAccount {
            outcome: FileOutcome {
                kind: LogFileKind::Events,
                record_count: 30,
                rejected_count: 4,
                undated_count: 0,
                ignored: [(RecordKind::Insight, 5)].into(),
                uncompressed_bytes: 20,
                is_part: false,
                notes: vec!["odd".to_owned()],
            },
            row_count: 24,
            duplicate_count: 2,
            conflict_count: 3,
            kms_read_count: 6,
            kms_write_count: 7,
            first_event_time: Some(2_000_000),
            last_event_time: Some(3_000_000),
            ..FileAccount::default()
        };
        let stamp = RunStamp { run_id: "run".to_owned(), time: 4_000_000 };
        let expected = [
            ("log_file_path", PATH),
            ("log_file_version", "v"),
            ("log_file_kind", "events"),
            ("status", "partial"),
            ("organization_id", "o-1"),
            ("account_id", "111122223333"),
            ("aws_region", "eu-west-1"),
            ("delivery_time", "2024-01-31T10:05:00Z"),
            ("last_modified_time", "1970-01-01T00:00:01Z"),
            ("size_bytes", "10"),
            ("uncompressed_bytes", "20"),
            ("record_count", "30"),
            ("row_count", "24"),
            ("duplicate_count", "2"),
            ("conflict_count", "3"),
            ("rejected_count", "4"),
            ("ignored_count", "5"),
            ("kms_read_count", "6"),
            ("kms_write_count", "7"),
            ("first_event_time", "1970-01-01T00:00:02Z"),
            ("last_event_time", "1970-01-01T00:00:03Z"),
            ("digest_start_time", ""),
            ("digest_end_time", ""),
            ("digest_log_files", ""),
            ("previous_digest", ""),
            ("notes", "odd"),
            ("run_id", "run"),
            ("converted_time", "1970-01-01T00:00:04Z"),
            ("keytrail_version", env!("CARGO_PKG_VERSION")),
        ];
        assert_written(&log_files_batch(&[(Arc::new(file), account)], &stamp), &expected);
    }

    #[test]
    fn what_is_told_of_a_reject_stands_under_its_name() {
        let reject = RejectRow {
            file: "path".into(),
            version: "v".into(),
            record_index: Some(1),
            byte_offset: 2,
            reason: "cut short".to_owned(),
            raw: b"{".to_vec(),
            raw_length: 3,
        };
        let stamp = RunStamp { run_id: "run".to_owned(), time: 4_000_000 };
        let expected = [
            ("log_file_path", "path"),
            ("log_file_version", "v"),
            ("record_index", "1"),
            ("byte_offset", "2"),
            ("reason", "cut short"),
            ("raw_bytes", "7b"),
            ("raw_length", "3"),
            ("run_id", "run"),
            ("rejected_time", "1970-01-01T00:00:04Z"),
        ];
        assert_written(&rejects_batch(&[reject], &stamp), &expected);
    }
}
