//! A small lake and rows for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use futures::TryStreamExt;

use crate::reader::read_rows;
use crate::*;

pub(super) const KMS: &str = "kms";
pub(super) const OTHER: &str = "other";

/// A row of the test table `events`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) key: Option<String>,
    pub(super) time: Option<i64>,
    pub(super) id: String,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) flag: Option<bool>,
    pub(super) number: Option<i64>,
}

/// Rows with many equal keys; `seed` tells the rows of one call from those of another.
pub(super) fn rows(seed: i64, count: i64) -> Vec<Row> {
    (0..count)
        .map(|index| Row {
            key: (index % 5 != 0)
                .then(|| format!("arn:aws:kms:eu-west-1:111122223333:key/{:04}", (index * 7 + seed) % 13)),
            time: (index % 11 != 0).then_some(1_700_000_000_000_000 + (index * index * 31 + seed) * 1_000_000),
            id: format!("{seed:06}-{index:06}"),
            tags: (index % 3 == 0).then(|| BTreeMap::from([("app".to_owned(), format!("{index}"))])),
            flag: (index % 2 == 0).then_some(index % 4 == 0),
            number: Some(index),
        })
        .collect()
}

pub(super) fn spec() -> LakeSpec {
    LakeSpec { tables: vec![events_spec(), ledger_spec()], format_version: 1 }
}

fn events_spec() -> TableSpec {
    TableSpec {
        name: "events",
        schema: events_schema(),
        partition_columns: &["event_group", "event_month"],
        sort_columns: |partition| match partition.get("event_group").map(String::as_str) {
            Some(KMS) => &["key", "time"],
            _ => &["time"],
        },
        bloom_filter_columns: &["id", "key"],
        statistics_columns: &["key", "time", "flag", "number"],
        plain_columns: &["id"],
        later_columns: &[],
        grouped_columns: &[],
    }
}

fn ledger_spec() -> TableSpec {
    TableSpec {
        name: "ledger",
        schema: Arc::new(Schema::new(vec![
            Field::new("path", DataType::Utf8, false),
            Field::new("count", DataType::Int64, true),
        ])),
        partition_columns: &[],
        sort_columns: |_partition| &["path"],
        bloom_filter_columns: &["path"],
        statistics_columns: &["path"],
        plain_columns: &[],
        later_columns: &[],
        grouped_columns: &[],
    }
}

fn events_schema() -> SchemaRef {
    let entries =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    let entry = Arc::new(Field::new("key_value", DataType::Struct(entries), false));
    Arc::new(Schema::new(vec![
        Field::new("tags", DataType::Map(entry, false), true),
        Field::new("key", DataType::Utf8, true),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("id", DataType::Utf8, false),
        Field::new("flag", DataType::Boolean, true),
        Field::new("number", DataType::Int64, true),
        Field::new("event_group", DataType::Utf8, false),
        Field::new("event_month", DataType::Utf8, false),
    ]))
}

pub(super) fn partition(group: &str, month: &str) -> PartitionValues {
    [("event_group", group), ("event_month", month)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut tags = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row.tags.iter().flatten() {
            tags.keys().append_value(key);
            tags.values().append_value(value);
        }
        tags.append(row.tags.is_some()).expect("a map entry");
    }
    let times = TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.time)).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(tags.finish()),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.key.as_deref()))),
        Arc::new(times),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.id))),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.flag))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.number))),
    ];
    RecordBatch::try_new(events_spec().file_schema(), columns).expect("a batch")
}

pub(super) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let text = |column: usize, row: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let tags = |row: usize| {
        let column = batch.column(0).as_map();
        let entries = column.value(row);
        let texts = |column: usize| -> Vec<String> {
            entries.column(column).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
        };
        column.is_valid(row).then(|| texts(0).into_iter().zip(texts(1)).collect())
    };
    (0..batch.num_rows())
        .map(|row| {
            let time = batch.column(2).as_primitive::<TimestampMicrosecondType>();
            let flag = batch.column(4).as_boolean();
            let number = batch.column(5).as_primitive::<Int64Type>();
            Row {
                key: text(1, row),
                time: time.is_valid(row).then(|| time.value(row)),
                id: text(3, row).expect("an id"),
                tags: tags(row),
                flag: flag.is_valid(row).then(|| flag.value(row)),
                number: number.is_valid(row).then(|| number.value(row)),
            }
        })
        .collect()
}

pub(super) async fn new_lake(storage: &Storage) -> Lake {
    Lake::create_or_open_in(storage.clone(), spec()).await.expect("a lake")
}

/// A lake on disk, and the folder that keeps it.
pub(super) async fn disk_lake() -> (tempfile::TempDir, Lake) {
    disk_lake_of(spec()).await
}

/// The same of another shape.
pub(super) async fn disk_lake_of(spec: LakeSpec) -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let location = Location::local(&folder.path().join("lake")).expect("a location");
    let lake = Lake::create_or_open(&location, &StorageOptions::default(), spec).await.expect("a lake");
    (folder, lake)
}

pub(super) async fn put_rows(table: &Table, partition: &PartitionValues, rows: &[Row]) -> DataFile {
    let sorted = table.sort(partition, &[batch(rows)]).expect("sorted rows");
    let file = table.encode(partition, std::iter::once(sorted)).expect("an encoded file");
    table.put(file).await.expect("a stored file")
}

pub(super) fn append(app_id: &str, version: i64, adds: Vec<DataFile>) -> Commit {
    Commit {
        adds,
        removes: Vec::new(),
        transaction: TransactionId { app_id: app_id.to_owned(), version },
        operation: CommitOperation::Append,
        base_version: None,
        info: BTreeMap::from([("writer".to_owned(), "test".to_owned())]),
    }
}

/// Appends rows as one file of one partition, under an identity of their own.
pub(super) async fn append_rows(table: &Table, partition: &PartitionValues, rows: &[Row]) {
    let file = put_rows(table, partition, rows).await;
    let commit = append(&format!("test-{}", rows[0].id), 1, vec![file]);
    table.commit(commit).await.expect("a commit");
}

/// All rows of the table as a reader finds them, in the files' order.
pub(super) async fn read_files(table: &Table) -> Vec<(PartitionValues, Vec<Row>)> {
    let mut files = Vec::new();
    for file in table.snapshot().await.expect("a snapshot").files() {
        let batches: Vec<RecordBatch> =
            read_rows(table, file).await.expect("a data file").try_collect().await.expect("its rows");
        let rows: Vec<Row> = batches.iter().flat_map(rows_of).collect();
        assert_eq!(rows.len() as u64, file.row_count, "{}", file.path);
        files.push((file.partition.clone(), rows));
    }
    files
}

/// All rows of the table, in an order of their own.
pub(super) async fn read_sorted(table: &Table) -> Vec<Row> {
    let mut rows: Vec<Row> = read_files(table).await.into_iter().flat_map(|(_partition, rows)| rows).collect();
    rows.sort();
    rows
}

pub(super) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}
