//! The log of runs: what each conversion was asked for and what it came to, as one row of `runs`.
//!
//! ```text
//! something to read ─▶ row `begun` ─▶ commits of the run ─▶ its row in the place of that one
//! ```
//! So a run that was killed is told. One that found nothing new leaves no row, so that repeating a conversion changes nothing in the lake; but
//! where one before it left something unread, it has to be told that all is read now.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use keytrail_lake::{Lake, LakeError, PartitionValues, TransactionId};

use crate::accounting::ConvertSummary;
use crate::config::ConvertOptions;
use crate::reading::read_columns;
use crate::spec::{RUNS, runs_schema};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    /// It goes on, or was killed.
    Begun,
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
            Self::Begun => "begun",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Says that a run begins to change the lake.
pub(crate) async fn begin_run(lake: &Lake, options: &ConvertOptions) -> Result<(), LakeError> {
    let rows = [run_batch(options, &ConvertSummary::default(), RunStatus::Begun)];
    let (partition, transaction) = (PartitionValues::new(), transaction(options, 0));
    lake.table(RUNS).append_rows(&partition, &rows, transaction, None, Default::default()).await?;
    Ok(())
}

/// Puts the row of a run in the place of the one that it began with. A run that did not begin has one if it found nothing to do in a shard
/// (all parts of a listing are to be told of), or if nothing is left unread after it.
pub(crate) async fn end_run(
    lake: &Lake,
    options: &ConvertOptions,
    summary: &ConvertSummary,
    status: RunStatus,
    has_begun: bool,
) -> Result<(), LakeError> {
    let (table, partition) = (lake.table(RUNS), PartitionValues::new());
    let rows = [run_batch(options, summary, status)];
    if has_begun {
        let is_replaced = |batch: &RecordBatch| is_begun(batch, &options.run_id);
        table.replace_rows(&partition, &is_replaced, &rows, transaction(options, 1), Default::default()).await?;
    } else if summary.log_files > 0 || options.shard.is_some() || is_awaited(lake, options).await? {
        table.append_rows(&partition, &rows, transaction(options, 0), None, Default::default()).await?;
    }
    Ok(())
}

fn transaction(options: &ConvertOptions, version: i64) -> TransactionId {
    TransactionId { app_id: format!("keytrail.run.{}", options.run_id), version }
}

/// The rows of `runs` that say that this run began.
fn is_begun(batch: &RecordBatch, run_id: &str) -> BooleanArray {
    let texts = |name: &str| batch.column_by_name(name).expect("a column of the table").as_string::<i32>();
    let (run_ids, statuses) = (texts("run_id"), texts("status"));
    let is_begun = |row: usize| run_ids.value(row) == run_id && statuses.value(row) == RunStatus::Begun.as_str();
    (0..batch.num_rows()).map(|row| Some(is_begun(row))).collect()
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

/// Whether a run other than `except` goes on, or ever ended early. What it left may be of a log file that no run has read since, whatever was
/// complete after it.
pub(crate) async fn has_unfinished_run(lake: &Lake, except: Option<&str>) -> Result<bool, LakeError> {
    let table = lake.table(RUNS);
    let mut is_found = false;
    read_columns(table, table.snapshot().await?.files(), &["run_id", "status"], |batch| {
        let [ids, statuses] = [0, 1].map(|column| batch.column(column).as_string::<i32>());
        is_found |= (0..batch.num_rows())
            .any(|row| statuses.value(row) != RunStatus::Complete.as_str() && Some(ids.value(row)) != except);
    })
    .await?;
    Ok(is_found)
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
        time((status != RunStatus::Begun).then(|| (options.clock)())),
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
