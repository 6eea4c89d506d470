//! A vacuum deletes what nobody needs, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt;

use super::fixtures::*;
use crate::clock;
use crate::*;

async fn unused(table: &Table, before: DateTime<Utc>) -> Vec<String> {
    let files = list_unused(table, before).await.expect("a listing");
    assert!(files.iter().all(|file| file.size_bytes() > 0), "{files:?}");
    files.iter().map(|file| file.path().to_owned()).collect()
}

/// A table of five small files that are merged into one, and one that no commit knows.
async fn compacted(lake: &Lake) -> (Vec<Row>, DataFile) {
    let table = lake.table("events");
    for seed in 0..5 {
        append_rows(table, &partition(KMS, "2024-01"), &rows(seed, 20)).await;
    }
    compact(table, &CompactOptions::default()).await.expect("a compaction");
    (read_sorted(table).await, put_rows(table, &partition(KMS, "2024-01"), &rows(9, 20)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_and_forgotten_files_go_and_every_row_stays() {
    let (_folder, on_disk) = disk_lake().await;
    for storage in [Storage::in_memory(), on_disk.storage().clone()] {
        let lake = new_lake(&storage).await;
        let table = lake.table("events");
        let (rows, forgotten) = compacted(&lake).await;
        let readme = storage.path_of("events/README.txt").expect("a path");
        storage.store().put(&readme, "mine".into()).await.expect("a file of somebody else");
        let files = list_unused(table, clock::now()).await.expect("a listing");
        assert!(files.len() == 6 && files.iter().any(|file| file.path() == forgotten.path), "{files:?}");
        assert_eq!(unused(table, clock::now()).await.len(), 6, "a listing deletes nothing");
        delete_unused(table, &files).await.expect("a deletion");
        delete_unused(table, &files).await.expect("what is gone is gone");
        assert_eq!(unused(table, clock::now()).await, Vec::<String>::new());
        assert_eq!(read_sorted(&new_lake(&storage).await.table("events").clone()).await, rows);
        let findings = check_files_with(table, CheckDepth::Data).await.expect("a check");
        let kinds: Vec<_> = findings.iter().map(|finding| (finding.path.as_str(), &finding.kind)).collect();
        assert_eq!(kinds, [("README.txt", &FindingKind::Unreferenced)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn young_files_stay_whoever_wrote_or_replaced_them() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let begin = clock::now();
    compacted(&lake).await;
    let hour_ago = clock::now() - TimeDelta::hours(1);
    assert_eq!(unused(table, hour_ago).await, Vec::<String>::new());
    assert_eq!(unused(table, begin - TimeDelta::milliseconds(1)).await, Vec::<String>::new());
}

/// A file that was written long ago and replaced just now is one that readers may still have open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_age_of_a_replaced_file_counts_from_its_replacement() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    for seed in 0..2 {
        append_rows(table, &partition(KMS, "2024-01"), &rows(seed, 20)).await;
    }
    let written = clock::now();
    // Times in the log are whole milliseconds.
    while clock::now().timestamp_millis() <= written.timestamp_millis() + 1 {
        std::hint::spin_loop();
    }
    compact(table, &CompactOptions::default()).await.expect("a compaction");
    assert_eq!(unused(table, written).await, Vec::<String>::new());
    assert_eq!(unused(table, clock::now()).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_has_lost_a_file_is_left_alone() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    compacted(&lake).await;
    let live = table.snapshot().await.expect("a snapshot").files()[0].clone();
    let path = table.file_path(&live).expect("a path");
    lake.storage().store().delete(&path).await.expect("a deleted file");
    let error = list_unused(table, clock::now()).await.expect_err("damage");
    assert!(matches!(error, LakeError::Corrupt { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_writer_has_not_finished_goes_too() {
    let (_folder, lake) = disk_lake().await;
    let table = lake.table("events");
    append_rows(table, &partition(KMS, "2024-01"), &rows(1, 20)).await;
    let folder = lake.location().as_local_path().expect("a folder").join("events");
    for name in ["part-0.parquet#123", "_delta_log/00000000000000000009.json#45", "notes#", "notes#4b"] {
        fs_err::write(folder.join(name), "left").expect("a leftover");
    }
    assert_eq!(unused(table, clock::now() - TimeDelta::hours(1)).await, Vec::<String>::new());
    let files = list_unused(table, clock::now() + TimeDelta::seconds(1)).await.expect("a listing");
    let names: Vec<_> = files.iter().map(UnusedFile::path).collect();
    assert_eq!(names, ["_delta_log/00000000000000000009.json#45", "part-0.parquet#123"]);
    for _again in 0..2 {
        delete_unused(table, &files).await.expect("a deletion");
    }
    assert!(folder.join("notes#4b").exists() && !folder.join("part-0.parquet#123").exists());
    assert_eq!(read_sorted(table).await.len(), 20);
}
