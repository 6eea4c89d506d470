//! A small fixed lake in memory: the rows of `events.ndjson`, KMS events of a month in two files.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use chrono::DateTime;
use datafusion::arrow::compute::kernels::sort::{SortColumn, lexsort_to_indices};
use datafusion::arrow::compute::{SortOptions, concat_batches, filter_record_batch, take_record_batch};
use datafusion::arrow::json::ReaderBuilder;
use keytrail_convert::{EVENTS, LOG_FILES, lake_spec};
use keytrail_events::schema::{EVENT_GROUP, EVENT_MONTH, file_schema, sort_columns};
use keytrail_lake::{Commit, CommitOperation, Lake, PartitionValues, Storage, TransactionId};
use keytrail_query::{Session, SessionOptions};

/// The folder of this test's files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql")
}

/// A session over the fixed lake.
pub(crate) async fn session() -> Session {
    Session::over_lake(&lake().await, &SessionOptions::default()).await.unwrap()
}

/// The fixed lake.
pub(crate) async fn lake() -> Lake {
    let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    // Two files for each partition with more than one row.
    write_events(&lake, &events(), 2).await;
    write_log_files(&lake).await;
    lake
}

/// Commits the rows of `log_files.ndjson` to the ledger.
async fn write_log_files(lake: &Lake) {
    let table = lake.table(LOG_FILES);
    let rows = read_rows("log_files.ndjson", table.file_schema());
    let transaction = TransactionId { app_id: "fixture".to_owned(), version: 1 };
    table.append_rows(&PartitionValues::new(), &[rows], transaction, None, BTreeMap::new()).await.unwrap();
}

/// The rows of `events.ndjson`.
pub(crate) fn events() -> RecordBatch {
    read_rows("events.ndjson", &file_schema())
}

fn read_rows(file: &str, schema: &SchemaRef) -> RecordBatch {
    let text = fs_err::read_to_string(folder().join(file)).unwrap();
    // What every row of `events` has and no view answers from.
    let text = text.replace("{\"event_id\"", "{\"detail_level\":\"full\",\"body_hash\":0,\"event_id\"");
    let batches = ReaderBuilder::new(Arc::clone(schema)).with_strict_mode(true).build(Cursor::new(text)).unwrap();
    let batches: Vec<_> = batches.collect::<Result<_, _>>().unwrap();
    concat_batches(schema, &batches).unwrap()
}

/// Commits rows to the table `events`, each partition in at most `files` files.
pub(crate) async fn write_events(lake: &Lake, events: &RecordBatch, files: usize) {
    let table = lake.table(EVENTS);
    let mut adds = Vec::new();
    for (partition, rows) in partitions(events) {
        for part in parts(&rows, files) {
            let sorted = sort(&part, sort_columns(&partition[EVENT_GROUP]));
            let encoded = table.encode(&partition, std::iter::once(sorted)).unwrap();
            adds.push(table.put(encoded).await.unwrap());
        }
    }
    let transaction = TransactionId { app_id: "fixture".to_owned(), version: 1 };
    let commit = Commit {
        adds,
        removes: Vec::new(),
        transaction,
        operation: CommitOperation::Append,
        base_version: None,
        info: BTreeMap::new(),
    };
    table.commit(commit).await.unwrap();
}

fn partitions(events: &RecordBatch) -> BTreeMap<PartitionValues, RecordBatch> {
    let keys: Vec<PartitionValues> = (0..events.num_rows()).map(|row| partition_of(events, row)).collect();
    let mut distinct = keys.clone();
    distinct.sort();
    distinct.dedup();
    let rows_of = |partition: PartitionValues| {
        let is_in: BooleanArray = keys.iter().map(|key| Some(*key == partition)).collect();
        let rows = filter_record_batch(events, &is_in).unwrap();
        (partition, rows)
    };
    distinct.into_iter().map(rows_of).collect()
}

fn partition_of(events: &RecordBatch, row: usize) -> PartitionValues {
    let source = events.column_by_name("event_source").unwrap().as_string::<i32>();
    let time = events.column_by_name("event_time").unwrap().as_primitive::<TimestampMicrosecondType>();
    let group = if source.value(row) == "kms.amazonaws.com" { "kms" } else { "other" };
    let month = match time.is_null(row) {
        true => "unknown".to_owned(),
        false => DateTime::from_timestamp_micros(time.value(row)).unwrap().format("%Y-%m").to_string(),
    };
    [(EVENT_GROUP.to_owned(), group.to_owned()), (EVENT_MONTH.to_owned(), month)].into()
}

fn parts(rows: &RecordBatch, count: usize) -> Vec<RecordBatch> {
    let size = rows.num_rows().div_ceil(count).max(1);
    let starts = (0..rows.num_rows()).step_by(size);
    starts.map(|start| rows.slice(start, size.min(rows.num_rows() - start))).collect()
}

fn sort(rows: &RecordBatch, columns: &[&str]) -> RecordBatch {
    let options = Some(SortOptions { descending: false, nulls_first: true });
    let columns: Vec<_> =
        columns.iter().map(|name| SortColumn { values: rows.column_by_name(name).unwrap().clone(), options }).collect();
    take_record_batch(rows, &lexsort_to_indices(&columns, None).unwrap()).unwrap()
}
