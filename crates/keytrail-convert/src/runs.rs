//! The log of runs: what each conversion was asked for and what it came to, as one row of `runs`.
//!
//! A run that found nothing new leaves no row, so that repeating a conversion changes nothing in the lake.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use keytrail_lake::{Lake, LakeError, PartitionValues, TransactionId};

use crate::accounting::ConvertSummary;
use crate::config::ConvertOptions;
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

/// Appends the row of a run that changed the lake, or that found nothing to do in a shard: all parts of a listing are to be told of.
pub(crate) async fn append_run(
    lake: &Lake,
    options: &ConvertOptions,
    summary: &ConvertSummary,
    status: RunStatus,
) -> Result<(), LakeError> {
    if summary.log_files == 0 && options.shard.is_none() {
        return Ok(());
    }
    let transaction = TransactionId { app_id: format!("keytrail.run.{}", options.run_id), version: 0 };
    let rows = [run_batch(options, summary, status)];
    lake.table(RUNS).append_rows(&PartitionValues::new(), &rows, transaction, None, Default::default()).await?;
    Ok(())
}

fn run_batch(options: &ConvertOptions, summary: &ConvertSummary, status: RunStatus) -> RecordBatch {
    let sources: Vec<String> = options.sources.iter().map(ToString::to_string).collect();
    let columns: Vec<ArrayRef> = vec![
        text(Some(options.run_id.clone())),
        time(Some(options.started)),
        time(Some((options.clock)())),
        text(Some(status.as_str().to_owned())),
        text(Some(sources.join("\n"))),
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
