//! The log of runs: what each conversion was asked for and what it came to, as one row of `runs`.
//!
//! A run that found nothing new leaves no row, so that repeating a conversion changes nothing in the lake; but where one before it left
//! something unread, it has to be told that all is read now.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use keytrail_lake::{Lake, LakeError, PartitionValues, TransactionId};

use crate::accounting::ConvertSummary;
use crate::config::ConvertOptions;
use crate::reading::read_columns;
use crate::spec::{RUNS, runs_schema};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    /// Everything that was listed is in the lake.
    Complete,
    /// It was asked to end before.
    Stopped,
    /// It could not go on.
    Failed,
}

impl RunStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Appends the row of a run that changed the lake, that found nothing to do in a shard (all parts of a listing are to be told of), or
/// after which nothing is left unread.
pub(crate) async fn append_run(
    lake: &Lake,
    options: &ConvertOptions,
    summary: &ConvertSummary,
    status: RunStatus,
) -> Result<(), LakeError> {
    if summary.log_files == 0 && options.shard.is_none() && !is_awaited(lake, options).await? {
        return Ok(());
    }
    let transaction = TransactionId { app_id: format!("keytrail.run.{}", options.run_id), version: 0 };
    let rows = [run_batch(options, summary, status)];
    lake.table(RUNS).append_rows(&PartitionValues::new(), &rows, transaction, None, Default::default()).await?;
    Ok(())
}

/// Whether a run was stopped, failed, left log files unread or took one shard only since everything of these sources was last read.
async fn is_awaited(lake: &Lake, options: &ConvertOptions) -> Result<bool, LakeError> {
    let table = lake.table(RUNS);
    let snapshot = table.snapshot().await?;
    let columns = ["started_time", "status", "unread_log_file_count", "shard", "sources", "since_time", "until_time"];
    let sources = sources_text(options);
    let (mut unfinished, mut whole) = (None, None);
    read_columns(table, snapshot.files(), &columns, |batch| {
        let time = |column: usize, row| {
            let times = batch.column(column).as_primitive::<TimestampMicrosecondType>();
            times.is_valid(row).then(|| times.value(row))
        };
        let unread = batch.column(2).as_primitive::<Int64Type>();
        let [statuses, shards, places] = [1, 3, 4].map(|column| batch.column(column).as_string::<i32>());
        for row in 0..batch.num_rows() {
            let is_complete = statuses.value(row) == RunStatus::Complete.as_str() && unread.value(row) == 0;
            let is_same = places.value(row) == sources
                && time(5, row) == options.range.since.map(|since| since.timestamp_micros())
                && time(6, row) == options.range.until.map(|until| until.timestamp_micros());
            match is_complete && shards.is_null(row) {
                true if is_same => whole = whole.max(time(0, row)),
                true => {}
                false => unfinished = unfinished.max(time(0, row)),
            }
        }
    })
    .await?;
    Ok(unfinished > whole)
}

/// The sources, a line each, in one spelling whatever the order and with or without a slash at the end.
fn sources_text(options: &ConvertOptions) -> String {
    let mut sources: Vec<_> = options.sources.iter().map(ToString::to_string).collect();
    sources.iter_mut().for_each(|source| source.truncate(source.trim_end_matches('/').len().max(1)));
    sources.sort_unstable();
    sources.join("\n")
}

fn run_batch(options: &ConvertOptions, summary: &ConvertSummary, status: RunStatus) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        text(Some(options.run_id.clone())),
        time(Some(options.started)),
        time(Some((options.clock)())),
        text(Some(status.as_str().to_owned())),
        text(Some(sources_text(options))),
        time(options.range.since),
        time(options.range.until),
        text(options.shard.map(|shard| shard.to_string())),
        count(options.workers as u64),
        count(summary.log_files),
        count(summary.known_log_files),
        count(summary.changed_log_files),
        count(summary.unread_log_files.len() as u64),
        count(summary.records),
        count(summary.rows),
        count(summary.duplicates),
        count(summary.conflicts),
        count(summary.rejected),
        count(summary.ignored_records),
        count(summary.bytes),
        count(summary.uncompressed_bytes),
        count(summary.data_files),
        count(summary.data_file_bytes),
        text(Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    RecordBatch::try_new(runs_schema(), columns).expect("columns follow the schema")
}

fn text(value: Option<String>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

fn time(value: Option<DateTime<Utc>>) -> ArrayRef {
    let micros = value.map(|moment| moment.timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
}

fn count(value: u64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)]))
}
