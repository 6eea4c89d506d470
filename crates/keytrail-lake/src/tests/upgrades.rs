//! Tables of an earlier format: read as they are, brought to the newer one by who writes, refused by who knows the earlier one only.

use std::sync::Arc;

use arrow_schema::Schema;
use futures::TryStreamExt;
use futures::future::join_all;

use super::fixtures::*;
use crate::*;

/// The lake's shape before `number` came.
fn earlier() -> LakeSpec {
    let mut spec = spec();
    let fields = spec.tables[0].schema.fields().iter().filter(|field| field.name() != "number").cloned();
    spec.tables[0].schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    spec.tables[0].statistics_columns = &["key", "time", "flag"];
    spec
}

/// The shape with `number`, that the tables of before may lack.
pub(super) fn later() -> LakeSpec {
    let mut spec = LakeSpec { format_version: 2, ..spec() };
    spec.tables[0].later_columns = &["number"];
    spec
}

/// A lake of the earlier shape with rows.
pub(super) async fn earlier_lake(storage: &Storage) -> Vec<Row> {
    let lake = Lake::create_or_open_in(storage.clone(), earlier()).await.expect("a lake");
    let table = lake.table("events");
    let kms = partition(KMS, "2024-01");
    let rows = rows(1, 100);
    let batch = batch(&rows);
    let batch = batch.project(&[0, 1, 2, 3, 4]).expect("the columns of before");
    let sorted = table.sort(&kms, &[batch]).expect("sorted rows");
    let file = table.encode(&kms, std::iter::once(sorted)).expect("an encoded file");
    let file = table.put(file).await.expect("a stored file");
    table.commit(append("earlier", 1, vec![file])).await.expect("a commit");
    rows.into_iter().map(|row| Row { number: None, ..row }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_finds_null_and_writes_nothing() {
    let storage = Storage::in_memory();
    let rows = earlier_lake(&storage).await;
    let lake = Lake::open_in(storage.clone(), later()).await.expect("an earlier lake");
    let table = lake.table("events");
    assert_eq!(read_sorted(table).await, sorted(rows.clone()));
    let snapshot = table.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.version(), 1);
    for columns in [&["number"][..], &["id", "number"], &["number", "tags"]] {
        let batches = table.read_columns(&snapshot.files()[0], columns).await.expect("a data file");
        let batches: Vec<_> = batches.try_collect().await.expect("its columns");
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), rows.len());
        for batch in batches {
            let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, columns);
            assert_eq!(batch.column_by_name("number").expect("a column").null_count(), batch.num_rows());
        }
    }
    assert_eq!(check_files_with(table, CheckDepth::Data).await.expect("a check"), []);
    Lake::open_in(storage, earlier()).await.expect("still of the earlier format");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_add_the_column_once() {
    let (_folder, on_disk) = disk_lake_of(earlier()).await;
    for storage in [Storage::in_memory(), on_disk.storage().clone()] {
        let old_rows = earlier_lake(&storage).await;
        let before = Lake::open_in(storage.clone(), earlier()).await.expect("the earlier version, still running");
        let opened = join_all((0..8).map(|_| Lake::create_or_open_in(storage.clone(), later()))).await;
        let lakes: Vec<_> = opened.into_iter().collect::<Result<_, _>>().expect("eight writers");
        let table = lakes[0].table("events");
        assert_eq!(table.snapshot().await.expect("a snapshot").version(), 2, "one of them added it");
        let new_rows = rows(2, 100);
        append_rows(table, &partition(KMS, "2024-01"), &new_rows).await;
        let both = sorted(old_rows.into_iter().chain(new_rows).collect());
        assert_eq!(read_sorted(table).await, both);
        assert_eq!(check_files_with(table, CheckDepth::Data).await.expect("a check"), []);

        // Who knows the earlier format only neither reads nor writes on.
        let error = before.table("events").snapshot().await.expect_err("a newer table");
        assert!(matches!(error, LakeError::NewerFormat { .. }), "{error:?}");
        let error = Lake::create_or_open_in(storage.clone(), earlier()).await.expect_err("a newer lake");
        assert!(matches!(error, LakeError::NewerFormat { .. }), "{error:?}");

        let summary = compact(table, &CompactOptions::default()).await.expect("a compaction");
        assert_eq!((summary.files_removed, summary.files_added), (2, 1));
        assert_eq!(read_sorted(table).await, both);
        let findings = check_files_with(table, CheckDepth::Data).await.expect("a check");
        let kinds: Vec<_> = findings.into_iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::Replaced, FindingKind::Replaced]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_adds_the_columns_that_it_writes() {
    let storage = Storage::in_memory();
    let one = earlier_lake(&storage).await;
    let lake = Lake::open_in(storage.clone(), later()).await.expect("an earlier lake");
    let table = lake.table("events");
    assert_eq!(compact(table, &CompactOptions::default()).await.expect("nothing to do").files_removed, 0);
    assert_eq!(table.snapshot().await.expect("a snapshot").version(), 1);
    append_rows(table, &partition(KMS, "2024-01"), &rows(2, 100)).await;
    assert_eq!(compact(table, &CompactOptions::default()).await.expect("a compaction").files_removed, 2);
    assert_eq!(read_sorted(table).await, sorted(one.into_iter().chain(rows(2, 100)).collect()));
    let error = Lake::open_in(storage, earlier()).await.expect_err("a newer lake");
    assert!(matches!(error, LakeError::NewerFormat { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_columns_may_not_be_lacking() {
    let storage = Storage::in_memory();
    earlier_lake(&storage).await;
    let mut other = later();
    other.tables[0].later_columns = &["flag"];
    for error in [
        Lake::open_in(storage.clone(), other.clone()).await.expect_err("a column is missing"),
        Lake::create_or_open_in(storage.clone(), other).await.expect_err("a column is missing"),
    ] {
        assert!(matches!(error, LakeError::SchemaMismatch { .. }), "{error:?}");
        assert!(error.to_string().contains("missing number"), "{error}");
    }
}
