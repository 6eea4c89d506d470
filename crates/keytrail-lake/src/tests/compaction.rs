//! Compaction keeps every row once, in order, whoever else compacts or appends.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::fixtures::*;
use crate::compact::{merge_group, plan};
use crate::*;

const TINY: CompactOptions = CompactOptions { target_file_bytes: 128 * 1024 * 1024, min_files: 2 };

async fn lake_with_files(storage: &Storage, files: i64) -> Lake {
    let lake = new_lake(storage).await;
    for seed in 0..files {
        for (group, month) in [(KMS, "2024-01"), (OTHER, "2024-01"), (KMS, "unknown")] {
            let seed = seed * 10 + if group == KMS { 1 } else { 2 } + if month == "unknown" { 3 } else { 0 };
            append_rows(lake.table("events"), &partition(group, month), &rows(seed, 80)).await;
        }
    }
    lake
}

/// That a partition's rows are in its order is what declared orders are built on.
async fn assert_in_order(table: &Table) {
    for (partition, rows) in read_files(table).await {
        let is_kms = partition["event_group"] == KMS;
        let key = |row: &Row| (if is_kms { row.key.clone() } else { None }, row.time);
        assert!(rows.is_sorted_by_key(key), "{partition:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_become_one_per_partition() {
    let (_folder, on_disk) = disk_lake().await;
    for storage in [Storage::in_memory(), on_disk.storage().clone()] {
        let lake = lake_with_files(&storage, 5).await;
        let table = lake.table("events");
        let (before, old) = (read_sorted(table).await, table.snapshot().await.expect("a snapshot"));
        let summary = compact(table, &TINY).await.expect("a compaction");
        let after = table.snapshot().await.expect("a snapshot");
        assert_eq!((summary.files_removed, summary.files_added, summary.row_count), (15, 3, 15 * 80));
        assert_eq!((summary.bytes_removed, summary.bytes_added), (old.size_bytes(), after.size_bytes()));
        assert_eq!(after.files().len(), 3);
        assert_eq!(read_sorted(table).await, before);
        assert_in_order(table).await;
        let kept = check_files_with(table, CheckDepth::Data).await.expect("a check");
        assert!(kept.iter().all(|finding| finding.kind == FindingKind::Replaced), "{kept:?}");
        assert_eq!(kept.len(), 15);
        let again = compact(table, &TINY).await.expect("a second compaction");
        assert_eq!(again, CompactSummary::default());
        assert_eq!(table.snapshot().await.expect("a snapshot").version(), after.version());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_span_the_merged_files() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    for number in [5, -3, 9] {
        let row = Row { number: Some(number), ..rows(number, 1)[0].clone() };
        append_rows(table, &partition(KMS, "2024-01"), &[row]).await;
    }
    compact(table, &TINY).await.expect("a compaction");
    let snapshot = table.snapshot().await.expect("a snapshot");
    let number = snapshot.files()[0].statistics.column("number").expect("statistics");
    let bounds = [&number.min, &number.max].map(|bound| bound.as_ref().expect("a bound").value.clone());
    assert_eq!(bounds, [ScalarStat::Integer(-3), ScalarStat::Integer(9)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_files_than_one_merge_takes_are_merged_in_rounds() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let mut adds = Vec::new();
    for seed in 0..150 {
        adds.push(put_rows(table, &partition(KMS, "2024-01"), &rows(seed, 5)).await);
    }
    table.commit(append("many", 1, adds)).await.expect("a commit");
    let before = read_sorted(table).await;
    compact(table, &TINY).await.expect("a compaction");
    assert_eq!(table.snapshot().await.expect("a snapshot").files().len(), 1);
    assert_eq!(read_sorted(table).await, before);
    assert_in_order(table).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_are_left_alone_and_outputs_split_the_order() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    for seed in 0..6 {
        append_rows(table, &partition(KMS, "2024-01"), &rows(seed, 2000)).await;
    }
    let before = read_sorted(table).await;
    let file_bytes = table.snapshot().await.expect("a snapshot").files()[0].size_bytes;
    // Three inputs make one output.
    let options = CompactOptions { target_file_bytes: file_bytes * 3, min_files: 2 };
    compact(table, &options).await.expect("a compaction");
    let snapshot = table.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.files().len(), 2);
    assert_eq!(read_sorted(table).await, before);
    let mut ranges: Vec<_> = read_files(table).await.into_iter().map(|(_, rows)| rows).collect();
    ranges.sort_by(|left, right| left[0].key.cmp(&right[0].key));
    assert!(ranges[0].last().expect("rows").key <= ranges[1][0].key);
    assert_eq!(compact(table, &options).await.expect("a compaction"), CompactSummary::default());
    let few = CompactOptions { target_file_bytes: u64::MAX / 2, min_files: 3 };
    assert_eq!(compact(table, &few).await.expect("a compaction"), CompactSummary::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_two_compactions_of_one_snapshot_gives_up() {
    let (_folder, on_disk) = disk_lake().await;
    for storage in [Storage::in_memory(), on_disk.storage().clone()] {
        let lake = lake_with_files(&storage, 4).await;
        let other = Lake::open_in(storage, spec()).await.expect("a lake");
        let (table, other) = (lake.table("events"), other.table("events"));
        let before = read_sorted(table).await;
        let groups = plan(&table.snapshot().await.expect("a snapshot"), &TINY);
        assert_eq!(groups, plan(&other.snapshot().await.expect("a snapshot"), &TINY));
        merge_group(table, &TINY, &groups[0]).await.expect("the first");
        let error = merge_group(other, &TINY, &groups[0]).await.expect_err("the second");
        assert!(matches!(error, LakeError::Conflict { .. }), "{error:?}");
        merge_group(other, &TINY, &groups[1]).await.expect("another partition");
        assert_eq!(read_sorted(table).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn compactions_and_appends_at_once_keep_every_row_once() {
    let (_folder, on_disk) = disk_lake().await;
    for storage in [Storage::in_memory(), on_disk.storage().clone()] {
        let lake = lake_with_files(&storage, 4).await;
        let before = read_sorted(lake.table("events")).await;
        let compactions = join_all((0..3).map(async |_| {
            let lake = Lake::open_in(storage.clone(), spec()).await.expect("a lake");
            compact(lake.table("events"), &TINY).await.expect("a compaction")
        }));
        let appends = join_all((0..3).map(async |writer| {
            let lake = Lake::open_in(storage.clone(), spec()).await.expect("a lake");
            for seed in 0..4 {
                let rows = rows(1000 + writer * 10 + seed, 30);
                append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows).await;
            }
        }));
        futures::join!(compactions, appends);
        let appended = (0..3).flat_map(|writer| (0..4).flat_map(move |seed| rows(1000 + writer * 10 + seed, 30)));
        let expected = sorted(before.into_iter().chain(appended).collect());
        assert_eq!(read_sorted(lake.table("events")).await, expected);
        compact(lake.table("events"), &TINY).await.expect("a last compaction");
        assert_eq!(read_sorted(lake.table("events")).await, expected);
        assert_eq!(lake.table("events").snapshot().await.expect("a snapshot").files().len(), 3);
        assert_in_order(lake.table("events")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_in_between_does_not_undo_a_merge() {
    let storage = Storage::in_memory();
    let lake = lake_with_files(&storage, 3).await;
    let table = lake.table("events");
    let snapshot = table.snapshot().await.expect("a snapshot");
    let group = plan(&snapshot, &TINY).remove(0);
    let other = Lake::open_in(storage, spec()).await.expect("a lake");
    append_rows(other.table("events"), &partition(KMS, "2024-01"), &rows(99, 10)).await;
    let before = read_sorted(other.table("events")).await;
    // The table still knows the snapshot from before the append.
    merge_group(table, &TINY, &group).await.expect("a merge");
    assert_eq!(read_sorted(table).await, before);
    assert_eq!(table.snapshot().await.expect("a snapshot").version(), snapshot.version() + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_removes_is_refused() {
    let lake = lake_with_files(&Storage::in_memory(), 1).await;
    let table = lake.table("events");
    let removes = table.snapshot().await.expect("a snapshot").files().to_vec();
    let commit = Commit {
        adds: Vec::new(),
        removes,
        transaction: TransactionId { app_id: "a".to_owned(), version: 1 },
        operation: CommitOperation::Append,
        base_version: None,
        info: BTreeMap::new(),
    };
    let error = table.commit(commit).await.expect_err("a removal");
    assert!(matches!(error, LakeError::InvalidRows { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lies_about_rows_stops_the_merge() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let mut file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 10)).await;
    append_rows(table, &partition(KMS, "2024-01"), &rows(2, 10)).await;
    file.row_count = 11;
    table.commit(append("a", 1, vec![file])).await.expect("a commit");
    let error = compact(table, &TINY).await.expect_err("a missing row");
    assert!(matches!(error, LakeError::Corrupt { .. }), "{error:?}");
    assert_eq!(table.snapshot().await.expect("a snapshot").files().len(), 2);
}
