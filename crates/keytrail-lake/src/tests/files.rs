//! Data files: what goes in comes out, in order, in the layout that queries count on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::fixtures::*;
use crate::reader::read_rows;
use crate::*;

fn encode(table: &Table, group: &str, batches: Vec<RecordBatch>) -> Result<EncodedFile, LakeError> {
    table.encode(&partition(group, "2024-01"), batches.into_iter())
}

async fn metadata_of(rows: &[Row]) -> ParquetMetaData {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let sorted = table.sort(&partition(KMS, "2024-01"), &[batch(rows)]).expect("sorted rows");
    let (_file, bytes) = encode(table, KMS, vec![sorted]).expect("an encoded file").into_parts();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&bytes, options).expect("a footer");
    metadata.metadata().as_ref().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_have_the_tables_layout() {
    let metadata = metadata_of(&rows(1, 40_000)).await;
    let row_group = metadata.row_group(0);
    let leaf = |name: &str| {
        let column = row_group.columns().iter().position(|column| column.column_path().parts() == [name]);
        column.expect(name)
    };
    let sorting = row_group.sorting_columns().expect("sorting columns");
    let sorted_by: Vec<_> = sorting
        .iter()
        .map(|column| (usize::try_from(column.column_idx).ok(), column.descending, column.nulls_first))
        .collect();
    assert_eq!(sorted_by, [(Some(leaf("key")), false, true), (Some(leaf("time")), false, true)]);
    for column in row_group.columns() {
        let name = column.column_path().string();
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
        assert_eq!(column.bloom_filter_offset().is_some(), ["id", "key"].contains(&name.as_str()), "{name}");
        let has_statistics = ["key", "time", "flag", "number"].contains(&name.as_str());
        assert_eq!(column.statistics().is_some(), has_statistics, "{name}");
        let has = |wanted: Encoding| column.encodings().any(|encoding| encoding == wanted);
        assert_eq!(has(Encoding::RLE_DICTIONARY), !["id", "time", "flag"].contains(&name.as_str()), "{name}");
        assert_eq!(has(Encoding::DELTA_LENGTH_BYTE_ARRAY), name == "id", "{name}");
        assert_eq!(has(Encoding::DELTA_BINARY_PACKED), name == "time", "{name}");
    }
    let pages = metadata.offset_index().expect("an offset index")[0][leaf("key")].page_locations().len();
    assert!(pages > 1, "{pages} pages");
    assert!(metadata.file_metadata().key_value_metadata().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dictionaries_make_a_file_of_the_same_rows_and_bounds() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let sorted = table.sort(&partition(KMS, "2024-01"), &[batch(&rows(1, 9000))]).expect("sorted rows");
    let with_dictionaries = || {
        let schema = sorted.schema();
        let columns = schema.fields().iter().zip(sorted.columns()).map(|(field, column)| {
            let dictionary = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
            let is_text = *field.data_type() == DataType::Utf8;
            let column = if is_text { cast(column, &dictionary).expect("a cast") } else { column.clone() };
            (field.name().clone(), column, field.is_nullable())
        });
        RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("a batch")
    };
    let mut found = Vec::new();
    for batch in [sorted.clone(), with_dictionaries()] {
        let file = table.put(encode(table, KMS, vec![batch]).expect("a file")).await.expect("stored");
        let batches: Vec<RecordBatch> =
            read_rows(table, &file).await.expect("a data file").try_collect().await.expect("its rows");
        found.push((file.statistics.clone(), batches.iter().flat_map(rows_of).collect::<Vec<Row>>()));
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_groups_end_at_a_row_count() {
    let metadata = metadata_of(&rows(1, 140_000)).await;
    let counts: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(counts, [131_072, 140_000 - 131_072]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_in_parts() {
    let (_folder, lake) = disk_lake().await;
    let table = lake.table("events");
    let noise = || (0..1500).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect::<String>();
    let long: Vec<Row> = rows(1, 600).into_iter().map(|row| Row { id: noise(), ..row }).collect();
    let file = put_rows(table, &partition(KMS, "2024-01"), &long).await;
    assert!(file.size_bytes > 8 * 1024 * 1024, "{} bytes fit in one request", file.size_bytes);
    table.commit(append("a", 1, vec![file])).await.expect("a commit");
    assert_eq!(read_sorted(table).await, sorted(long));
    assert_eq!(check_files(table).await.expect("a check"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_are_refused() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let ordered = sorted_rows(&rows(1, 20), table, KMS);
    let last = ordered.slice(19, 1);
    let first = ordered.slice(0, 1);
    let wrong = arrow_array::RecordBatch::try_from_iter([("id", ordered.column(3).clone())]).expect("a batch");
    for (batches, reason) in [
        (vec![], "no rows"),
        (vec![ordered.slice(0, 0)], "no rows"),
        (vec![wrong], "1 columns instead of 6"),
        (vec![batch(&rows(1, 20))], "out of order"),
        (vec![last.clone(), first.clone()], "row 1 is out of order"),
        (vec![ordered.clone(), ordered.slice(0, 0), first], "row 20 is out of order"),
    ] {
        let error = encode(table, KMS, batches).expect_err(reason);
        assert!(matches!(error, LakeError::InvalidRows { .. }) && error.to_string().contains(reason), "{error}");
    }
    encode(table, KMS, vec![ordered, last]).expect("equal rows are in order");
    for values in [PartitionValues::new(), partition(KMS, "")] {
        let error = table.encode(&values, std::iter::once(batch(&rows(1, 1)))).expect_err("no partition");
        assert!(matches!(error, LakeError::InvalidRows { .. }), "{error}");
    }
}

fn sorted_rows(rows: &[Row], table: &Table, group: &str) -> RecordBatch {
    table.sort(&partition(group, "2024-01"), &[batch(rows)]).expect("sorted rows")
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c]{0,3}", 2 => any::<String>(), 1 => "\\PC{100,400}"]
}

/// Times within the calendar that statistics can tell, often equal.
fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![0..5_i64, -62_000_000_000_000_000..250_000_000_000_000_000_i64]
}

prop_compose! {
    fn any_row()(
        key in prop::option::of(any_text()),
        time in prop::option::of(any_time()),
        id in any_text(),
        tags in prop::option::of(prop::collection::btree_map(any_text(), any_text(), 0..3)),
        flag in any::<Option<bool>>(),
        number in any::<Option<i64>>(),
    ) -> Row {
        Row { key, time, id, tags, flag, number }
    }
}

/// Encodes batches of rows, stores and commits them, and compares what a reader gets.
async fn assert_round_trips(batches: &[Vec<Row>], group: &str) {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let partition = partition(group, "2024-01");
    let rows = batches.concat();
    let ordered = sorted_rows(&rows, table, group);
    let mut start = 0;
    let pieces = batches.iter().map(|piece| {
        start += piece.len();
        ordered.slice(start - piece.len(), piece.len())
    });
    let file = table.encode(&partition, pieces).expect("an encoded file");
    let file = table.put(file).await.expect("a stored file");
    table.commit(append("a", 1, vec![file.clone()])).await.expect("a commit");
    let logged = Lake::open_in(lake.storage().clone(), spec()).await.expect("a lake");
    let snapshot = logged.table("events").snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.files()[0].as_ref(), &file);
    let read: Vec<RecordBatch> =
        read_rows(table, &file).await.expect("a data file").try_collect().await.expect("its rows");
    assert_eq!(read.iter().flat_map(rows_of).collect::<Vec<_>>(), rows_of(&ordered));
    let mut expected = rows;
    expected.sort_by(|left, right| match group {
        KMS => (&left.key, left.time).cmp(&(&right.key, right.time)),
        _ => left.time.cmp(&right.time),
    });
    assert_eq!(rows_of(&ordered), expected);
    assert_bounds(&file.statistics, &expected);
}

fn assert_bounds(statistics: &FileStatistics, rows: &[Row]) {
    let keys: Vec<ScalarStat> = rows.iter().filter_map(|row| row.key.clone().map(ScalarStat::Text)).collect();
    let times: Vec<ScalarStat> = rows.iter().filter_map(|row| row.time.map(ScalarStat::Time)).collect();
    for (name, values) in [("key", keys), ("time", times)] {
        let column = statistics.column(name).expect(name);
        assert_eq!(column.null_count, Some((rows.len() - values.len()) as u64), "{name}");
        for value in &values {
            assert!(column.min.as_ref().is_some_and(|min| min.value <= *value), "{name} {value:?}");
            assert!(column.max.as_ref().is_none_or(|max| max.value >= *value), "{name} {value:?}");
        }
        for bound in [&column.min, &column.max].into_iter().flatten().filter(|bound| bound.is_exact) {
            assert!(values.contains(&bound.value), "{name} {bound:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_round_trip(
        first in prop::collection::vec(any_row(), 1..40),
        others in prop::collection::vec(prop::collection::vec(any_row(), 0..40), 0..3),
        is_kms in any::<bool>(),
    ) {
        let batches: Vec<_> = std::iter::once(first).chain(others).collect();
        RUNTIME.block_on(assert_round_trips(&batches, if is_kms { KMS } else { OTHER }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maps_of_every_state_survive() {
    let tags = [None, Some(BTreeMap::new()), Some(BTreeMap::from([("k".to_owned(), String::new())]))];
    let rows: Vec<Row> = tags.into_iter().map(|tags| Row { tags, ..rows(1, 2)[1].clone() }).collect();
    assert_round_trips(&[rows], KMS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_come_in_the_order_asked_for() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 5_000)).await;
    let whole: Vec<RecordBatch> =
        read_rows(table, &file).await.expect("a data file").try_collect().await.expect("its rows");
    let whole = concat_batches(&whole[0].schema(), &whole).expect("one batch");
    for columns in [&["id"][..], &["number", "tags", "id"], &["time", "key"], &["key", "time", "key"]] {
        let batches = table.read_columns(&file, columns).await.expect("a data file");
        let batches: Vec<RecordBatch> = batches.try_collect().await.expect("its columns");
        let found = concat_batches(&batches[0].schema(), &batches).expect("one batch");
        let expected: Vec<usize> =
            columns.iter().map(|name| whole.schema().index_of(name).expect("a column")).collect();
        assert_eq!(found, whole.project(&expected).expect("columns"), "{columns:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_cannot_be_read_are_errors() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 10)).await;
    // The partition columns are in the log, not in the file.
    for column in ["nothing", "event_group", "tags.key_value", ""] {
        let error = table.read_columns(&file, &["id", column]).await.err().expect(column);
        assert!(matches!(error, LakeError::SchemaMismatch { .. }), "{error:?}");
    }
    let gone = DataFile { path: file.path.replace("part-", "gone-"), ..file };
    let error = table.read_columns(&gone, &["id"]).await.err().expect("no file");
    assert!(matches!(&error, LakeError::Corrupt { source, .. } if source.to_string() == "missing"), "{error:?}");
}
