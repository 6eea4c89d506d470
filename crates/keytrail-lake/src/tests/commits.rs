//! Lakes are created and opened, commits land once, whoever else commits.

use std::sync::Arc;

use futures::future::join_all;
use object_store::ObjectStoreExt;

use super::fixtures::*;
use crate::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_appended_file_is_in_the_next_snapshot() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 100)).await;
    assert_eq!(table.snapshot().await.expect("a snapshot").files(), []);
    let outcome = table.commit(append("a", 1, vec![file.clone()])).await.expect("a commit");
    assert_eq!(outcome, CommitOutcome::Committed { version: 1 });
    let reopened = Lake::open_in(lake.storage().clone(), spec()).await.expect("a lake");
    let snapshot = reopened.table("events").snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.version(), snapshot.row_count(), snapshot.size_bytes()), (1, 100, file.size_bytes));
    assert_eq!(snapshot.files(), [Arc::new(file)]);
    assert_eq!(snapshot.transaction_version("a").await.expect("a log"), Some(1));
    assert_eq!(snapshot.transaction_version("b").await.expect("a log"), None);
    assert_eq!(read_sorted(reopened.table("events")).await, sorted(rows(1, 100)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_transaction_twice_adds_nothing() {
    let (_folder, lake) = disk_lake().await;
    let table = lake.table("events");
    for (version, expected) in [
        (1, CommitOutcome::Committed { version: 1 }),
        (1, CommitOutcome::AlreadyCommitted { version: 1 }),
        (0, CommitOutcome::AlreadyCommitted { version: 1 }),
        (2, CommitOutcome::Committed { version: 2 }),
    ] {
        let file = put_rows(table, &partition(KMS, "2024-01"), &rows(version, 10)).await;
        assert_eq!(table.commit(append("a", version, vec![file])).await.expect("a commit"), expected);
    }
    let snapshot = table.snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.row_count(), snapshot.files().len()), (20, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_for_a_version_lands_on_that_version_only() {
    let (_folder, lake) = disk_lake().await;
    let table = lake.table("events");
    let based = async |version, base_version| {
        let file = put_rows(table, &partition(KMS, "2024-01"), &rows(version, 10)).await;
        table.commit(Commit { base_version, ..append("a", version, vec![file]) }).await
    };
    based(1, Some(0)).await.expect("the version looked at is the newest");
    let other = Lake::open_in(lake.storage().clone(), spec()).await.expect("a lake");
    append_rows(other.table("events"), &partition(KMS, "2024-01"), &rows(9, 10)).await;
    let overtaken = based(2, Some(1)).await.expect_err("somebody came in between");
    assert!(matches!(overtaken, LakeError::Overtaken { version: 2, .. }), "{overtaken}");
    assert_eq!(table.snapshot().await.expect("a snapshot").row_count(), 20);
    based(2, Some(2)).await.expect("after a look at what came");
    // A repeated commit is known, however old the version it was made for.
    assert_eq!(based(2, Some(0)).await.expect("known"), CommitOutcome::AlreadyCommitted { version: 3 });
}

/// Writers with handles of their own, as processes have them.
async fn append_from_many(storage: &Storage) {
    let appends = (0..8).map(async |seed| {
        let lake = Lake::open_in(storage.clone(), spec()).await.expect("a lake");
        append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows(seed, 50)).await;
    });
    join_all(appends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_all_land() {
    let (_folder, on_disk) = disk_lake().await;
    for lake in [new_lake(&Storage::in_memory()).await, on_disk] {
        append_from_many(lake.storage()).await;
        let expected = sorted((0..8).flat_map(|seed| rows(seed, 50)).collect());
        assert_eq!(read_sorted(lake.table("events")).await, expected, "{}", lake.location());
        assert_eq!(lake.table("events").snapshot().await.expect("a snapshot").version(), 8);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_create_a_lake_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let location = Location::local(folder.path()).expect("a location");
    let options = StorageOptions::default();
    let created = join_all((0..6).map(|_| Lake::create_or_open(&location, &options, spec()))).await;
    for lake in created {
        assert_eq!(lake.expect("a lake").table("events").snapshot().await.expect("a snapshot").version(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_folder_names_are_fine() {
    for name in ["my lake", "100%", "ä%20ö", "a#b?c", "x=y&z", "it's"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        let location = Location::local(&path).expect("a location");
        let options = StorageOptions::default();
        let lake = Lake::create_or_open(&location, &options, spec()).await.expect(name);
        append_rows(lake.table("events"), &partition("a/b %41 ..", ".."), &rows(1, 10)).await;
        assert!(path.join("events/_delta_log/00000000000000000001.json").is_file(), "{name}");
        let reopened = Lake::open(&location, &options, spec()).await.expect(name);
        let files = read_files(reopened.table("events")).await;
        assert_eq!(files[0].0, partition("a/b %41 ..", ".."), "{name}");
        assert_eq!(sorted(files[0].1.clone()), sorted(rows(1, 10)), "{name}");
        assert_eq!(check_files(reopened.table("events")).await.expect("a check"), [], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_keeps_the_state() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let file = put_rows(table, &partition(KMS, "2024-01"), &rows(0, 20)).await;
    for version in 1..=60 {
        let file =
            DataFile { path: format!("event_group=kms/event_month=2024-01/{version:03}.parquet"), ..file.clone() };
        table.commit(append("a", version, vec![file])).await.expect("a commit");
    }
    let log = lake.storage().path_of("events/_delta_log/00000000000000000049.checkpoint.parquet").expect("a path");
    lake.storage().store().head(&log).await.expect("a checkpoint");
    let known = table.snapshot().await.expect("a snapshot");
    let reopened = Lake::open_in(lake.storage().clone(), spec()).await.expect("a lake");
    let fresh = reopened.table("events").snapshot().await.expect("a snapshot");
    assert_eq!((fresh.version(), fresh.files().len()), (60, 60));
    assert_eq!(fresh.files(), known.files());
    assert_eq!(fresh.transaction_version("a").await.expect("a log"), Some(60));
    assert_eq!(fresh.files()[0].statistics, file.statistics);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_without_tables_is_no_lake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = StorageOptions::default();
    for name in ["", "nothing/there"] {
        let location = Location::local(&folder.path().join(name)).expect("a location");
        let error = Lake::open(&location, &options, spec()).await.expect_err("an empty folder");
        assert!(matches!(&error, LakeError::NotALake { reason, .. } if reason == "no table is there"), "{error:?}");
    }
    let one_table = LakeSpec { tables: spec().tables.split_off(1), ..spec() };
    let location = Location::local(folder.path()).expect("a location");
    Lake::create_or_open(&location, &options, one_table).await.expect("half a lake");
    let error = Lake::open(&location, &options, spec()).await.expect_err("half a lake");
    assert!(matches!(error, LakeError::NotALake { .. }), "{error:?}");
    Lake::create_or_open(&location, &options, spec()).await.expect("the other half");
    Lake::open(&location, &options, spec()).await.expect("a lake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_table_is_damage_and_is_not_made_anew() {
    let (folder, lake) = disk_lake().await;
    append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows(1, 10)).await;
    fs_err::remove_dir_all(folder.path().join("lake/ledger")).expect("a lost table");
    let storage = lake.storage();
    for opened in [Lake::open_in(storage.clone(), spec()).await, Lake::create_or_open_in(storage.clone(), spec()).await]
    {
        let Err(LakeError::Corrupt { path, source }) = opened else { panic!("{opened:?}") };
        assert!(path.ends_with("ledger") && source.to_string().contains("`events`"), "{path}: {source}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_commit_is_named() {
    let (folder, lake) = disk_lake().await;
    append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows(1, 10)).await;
    let commit = folder.path().join("lake/events/_delta_log/00000000000000000001.json");
    let text = fs_err::read_to_string(&commit).expect("a commit");
    for left in [0, text.len() / 2] {
        fs_err::write(&commit, &text[..left]).expect("a part of a commit");
        let error = Lake::open_in(lake.storage().clone(), spec()).await.expect_err("a part of a commit");
        let is_named = matches!(&error, LakeError::Corrupt { path, .. } if path.ends_with("00000000000000000001.json"));
        assert!(is_named, "{left} bytes: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_formats_are_refused() {
    let storage = Storage::in_memory();
    let newer = LakeSpec { format_version: 2, ..spec() };
    Lake::create_or_open_in(storage.clone(), newer.clone()).await.expect("a lake");
    for error in [
        Lake::open_in(storage.clone(), spec()).await.expect_err("a newer lake"),
        Lake::create_or_open_in(storage.clone(), spec()).await.expect_err("a newer lake"),
    ] {
        assert!(matches!(error, LakeError::NewerFormat { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the lake has a newer format (format 2, this version knows format 1): `memory/events`"
        );
    }
    Lake::open_in(storage.clone(), newer).await.expect("its own version");
    let mut other_columns = LakeSpec { format_version: 2, ..spec() };
    other_columns.tables[1].schema = other_columns.tables[0].schema.clone();
    let error = Lake::open_in(storage, other_columns).await.expect_err("other columns");
    assert!(matches!(error, LakeError::SchemaMismatch { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_delta_protocol_is_refused() {
    let lake = new_lake(&Storage::in_memory()).await;
    let upgrade = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#;
    let path = lake.storage().path_of("events/_delta_log/00000000000000000001.json").expect("a path");
    lake.storage().store().put(&path, upgrade.into()).await.expect("a commit of another engine");
    let error = lake.table("events").snapshot().await.expect_err("a newer protocol");
    assert!(matches!(error, LakeError::NewerFormat { .. }), "{error:?}");
    assert!(lake.table("ledger").snapshot().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_log_is_corrupt() {
    let lake = new_lake(&Storage::in_memory()).await;
    let path = lake.storage().path_of("events/_delta_log/00000000000000000001.json").expect("a path");
    lake.storage()
        .store()
        .put(
            &path,
            r#"{"add":{"path":"x.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}"#
                .into(),
        )
        .await
        .expect("a commit");
    let error = lake.table("events").snapshot().await.expect_err("a file without statistics");
    assert!(matches!(error, LakeError::Corrupt { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_small_table_are_appended_in_one_call() {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("ledger");
    let transaction = TransactionId { app_id: "convert".to_owned(), version: 1 };
    let batch = arrow_array::RecordBatch::try_new(
        table.file_schema().clone(),
        vec![
            Arc::new(arrow_array::StringArray::from(vec!["b", "a"])),
            Arc::new(arrow_array::Int64Array::from(vec![1, 2])),
        ],
    )
    .expect("a batch");
    for expected in [CommitOutcome::Committed { version: 1 }, CommitOutcome::AlreadyCommitted { version: 1 }] {
        let outcome = table
            .append_rows(
                &PartitionValues::new(),
                std::slice::from_ref(&batch),
                transaction.clone(),
                None,
                Default::default(),
            )
            .await
            .expect("a commit");
        assert_eq!(outcome, expected);
    }
    let snapshot = table.snapshot().await.expect("a snapshot");
    assert_eq!((snapshot.files().len(), snapshot.row_count()), (1, 2));
    let next = TransactionId { version: 2, ..transaction };
    let outcome =
        table.append_rows(&PartitionValues::new(), &[], next, None, Default::default()).await.expect("a commit");
    assert_eq!(outcome, CommitOutcome::Committed { version: 2 });
}
