//! Small fixed lakes in memory, one for each folder beside this file that holds rows or records.
//!
//! ```text
//! AREA/events.ndjson      rows of the table `events`, columns as in the lake: what a view answers from, and nothing else
//! AREA/log_files.ndjson   rows of the ledger
//! AREA/runs.ndjson        rows of the log of conversions
//! AREA/records.ndjson     CloudTrail event records, one a line, converted as a user's log file is
//! AREA/inventory/         outputs of the AWS CLI, imported
//! AREA/*.slt              what SQL answers over the lake that is made of these
//! ```

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
use keytrail_convert::inventory::{ImportOptions, import};
use keytrail_convert::source::DeliveryRange;
use keytrail_convert::{
    ConvertOptions, ConvertSummary, EVENTS, LOG_FILES, NoProgress, RUNS, Source, StopSignal, convert, lake_spec,
};
use keytrail_events::schema::{EVENT_GROUP, EVENT_MONTH, EventGroup, file_schema, sort_columns};
use keytrail_lake::{
    Commit, CommitOperation, Lake, Location, PartitionValues, Storage, StorageOptions, Table, TransactionId,
};
use keytrail_query::{RawSource, Session, SessionOptions};
use tempfile::TempDir;

/// The folder of this test's files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql")
}

/// A session over the lake of the area `views`.
pub(crate) async fn session() -> Session {
    session_over("views").await
}

/// A session over the lake of an area.
pub(crate) async fn session_over(area: &str) -> Session {
    Session::over_lake(&lake_of(area).await, &SessionOptions::default()).await.unwrap()
}

/// A session straight over event records, one a line of a log file; the file lasts as long as the folder.
pub(crate) async fn raw_session(records: &[impl AsRef<str>]) -> (TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<_> = records.iter().map(AsRef::as_ref).collect();
    fs_err::write(folder.path().join("records.ndjson"), lines.join("\n")).unwrap();
    let session = raw_session_over(&[folder.path()]).await;
    (folder, session)
}

/// A session straight over the log files of folders.
pub(crate) async fn raw_session_over(folders: &[&Path]) -> Session {
    let place = |folder: &&Path| Source::Place(Location::parse(folder.to_str().unwrap()).unwrap());
    let source = RawSource {
        sources: folders.iter().map(place).collect(),
        range: DeliveryRange::default(),
        storage: StorageOptions::default(),
    };
    Session::over_raw(source, &SessionOptions::default()).await.unwrap()
}

/// The lake of the area `views`.
pub(crate) async fn lake() -> Lake {
    lake_of("views").await
}

/// The areas: folders with a lake of their own, sorted.
pub(crate) fn areas() -> Vec<String> {
    let has_lake = |path: &Path| [EVENT_ROWS, RECORDS, RUN_ROWS].iter().any(|file| path.join(file).exists());
    let paths = fs_err::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut areas: Vec<_> = paths
        .filter(|path| has_lake(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    areas.sort();
    areas
}

const EVENT_ROWS: &str = "events.ndjson";
const LEDGER_ROWS: &str = "log_files.ndjson";
const RUN_ROWS: &str = "runs.ndjson";
const RECORDS: &str = "records.ndjson";
const INVENTORY_FILES: &str = "inventory";

async fn lake_of(area: &str) -> Lake {
    let folder = folder().join(area);
    let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    if folder.join(RECORDS).exists() {
        convert_records(&lake, &folder.join(RECORDS)).await;
    }
    if folder.join(INVENTORY_FILES).exists() {
        import_outputs(&lake, &folder.join(INVENTORY_FILES), "2024-03-09T16:00:00Z").await;
    }
    if folder.join(EVENT_ROWS).exists() {
        // Two files for each partition with more than one row.
        write_events(&lake, &read_rows(&folder.join(EVENT_ROWS), &file_schema()), 2).await;
    }
    for (table, file) in [(LOG_FILES, LEDGER_ROWS), (RUNS, RUN_ROWS)] {
        if folder.join(file).exists() {
            write_rows(lake.table(table), &folder.join(file)).await;
        }
    }
    lake
}

/// Converts a file of records, unless the lake knows it; none may be rejected.
pub(crate) async fn convert_records(lake: &Lake, file: &Path) {
    let summary = convert_file(lake, file).await;
    let records = fs_err::read_to_string(file).unwrap().lines().filter(|line| !line.is_empty()).count() as u64;
    assert_eq!((summary.rows + summary.duplicates, summary.rejected), (records, 0), "{}", file.display());
}

/// Converts a file, unless the lake knows it.
pub(crate) async fn convert_file(lake: &Lake, file: &Path) -> ConvertSummary {
    let source = Source::Place(Location::parse(file.to_str().unwrap()).unwrap());
    let run = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let options = ConvertOptions::new(vec![source], run, DateTime::UNIX_EPOCH);
    convert(lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await.unwrap()
}

/// Imports outputs of the AWS CLI; none may be refused.
pub(crate) async fn import_outputs(lake: &Lake, folder: &Path, made: &str) {
    let snapshot_time = Some(made.parse().unwrap());
    let options = ImportOptions { paths: vec![folder.to_owned()], snapshot_time, started: DateTime::UNIX_EPOCH };
    let summary = import(lake, &options).await.unwrap();
    assert!(summary.rejected.is_empty(), "{summary:?}");
}

/// A session over a lake of event records and of outputs of the AWS CLI, each under its name; these were made on 2025-03-16.
pub(crate) async fn session_with_outputs(records: &[String], outputs: &[(&str, String)]) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    let log_file = folder.path().join("records.ndjson");
    fs_err::write(&log_file, records.join("\n")).unwrap();
    convert_records(&lake, &log_file).await;
    let of_outputs = folder.path().join("outputs");
    fs_err::create_dir(&of_outputs).unwrap();
    for (name, text) in outputs {
        fs_err::write(of_outputs.join(name), text).unwrap();
    }
    import_outputs(&lake, &of_outputs, "2025-03-16T00:00:00Z").await;
    Session::over_lake(&lake, &SessionOptions::default()).await.unwrap()
}

/// Commits rows to a table that has no partitions.
async fn write_rows(table: &Table, file: &Path) {
    let rows = read_rows(file, table.file_schema());
    let transaction = TransactionId { app_id: "fixture".to_owned(), version: 1 };
    table.append_rows(&PartitionValues::new(), &[rows], transaction, None, BTreeMap::new()).await.unwrap();
}

fn read_rows(file: &Path, schema: &SchemaRef) -> RecordBatch {
    let text = fs_err::read_to_string(file).unwrap();
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
            let sorted = sort(&part, sort_columns(EventGroup::parse(&partition[EVENT_GROUP]).unwrap()));
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
