//! The check finds what is wrong with files, and nothing else.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::fixtures::*;
use crate::*;

struct Fixture {
    lake: Lake,
    file: DataFile,
    path: Path,
}

async fn fixture() -> Fixture {
    let lake = new_lake(&Storage::in_memory()).await;
    let table = lake.table("events");
    let file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 200)).await;
    table.commit(append("a", 1, vec![file.clone()])).await.expect("a commit");
    append_rows(table, &partition(KMS, "2024-02"), &rows(2, 10)).await;
    let path = table.file_path(&file).expect("a path");
    Fixture { lake, file, path }
}

impl Fixture {
    fn table(&self) -> &Table {
        self.lake.table("events")
    }

    async fn bytes(&self) -> Vec<u8> {
        let object = self.lake.storage().store().get(&self.path).await.expect("a data file");
        object.bytes().await.expect("its bytes").to_vec()
    }

    async fn replace(&self, bytes: Vec<u8>) {
        self.lake.storage().store().put(&self.path, bytes.into()).await.expect("a replaced file");
    }

    /// The finding about the fixture's file, which must be the only one.
    async fn finding(&self, depth: CheckDepth) -> Option<FindingKind> {
        let mut findings = check_files_with(self.table(), depth).await.expect("a check");
        assert!(findings.len() <= 1, "{findings:?}");
        let finding = findings.pop()?;
        assert_eq!(finding.path, self.file.path);
        assert!(!finding.kind.is_note());
        Some(finding.kind)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_table_has_no_findings() {
    let fixture = fixture().await;
    assert_eq!(fixture.finding(CheckDepth::Footers).await, None);
    assert_eq!(fixture.finding(CheckDepth::Data).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_file_is_found() {
    let fixture = fixture().await;
    fixture.lake.storage().store().delete(&fixture.path).await.expect("a deleted file");
    assert_eq!(fixture.finding(CheckDepth::Footers).await, Some(FindingKind::Missing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_truncation_is_found() {
    let fixture = fixture().await;
    let bytes = fixture.bytes().await;
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fixture.replace(bytes[..length].to_vec()).await;
        let expected = FindingKind::WrongSize { expected: bytes.len() as u64, found: length as u64 };
        assert_eq!(fixture.finding(CheckDepth::Footers).await, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_footers_are_found() {
    let fixture = fixture().await;
    let bytes = fixture.bytes().await;
    for distance in [1, 5, 8] {
        let mut broken = bytes.clone();
        let position = broken.len() - distance;
        broken[position] ^= 0xff;
        fixture.replace(broken).await;
        let found = fixture.finding(CheckDepth::Footers).await;
        assert!(matches!(found, Some(FindingKind::Unreadable { .. })), "{distance}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_anywhere_is_found_by_reading_the_data() {
    let fixture = fixture().await;
    let bytes = fixture.bytes().await;
    let table = fixture.table();
    let files = vec![Arc::new(fixture.file.clone())];
    for position in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[position] ^= 1 << (position % 8);
        fixture.replace(broken).await;
        let checked: Vec<_> =
            check_live_files(table, files.clone(), CheckDepth::Data).try_collect().await.expect("a check");
        let found = &checked[0].findings;
        assert!(matches!(found[..], [FindingKind::WrongChecksum { .. }]), "byte {position}: {found:?}");
    }
    fixture.replace(bytes).await;
    assert_eq!(fixture.finding(CheckDepth::Data).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_anywhere_is_found_by_whoever_reads_rows() {
    let fixture = fixture().await;
    let bytes = fixture.bytes().await;
    let table = fixture.table();
    let name = table.storage().name_of(&fixture.file.path);
    for position in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[position] ^= 1 << (position % 8);
        fixture.replace(broken).await;
        let read = match table.read_columns(&fixture.file, &["id"]).await {
            Ok(batches) => batches.try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        let Err(LakeError::Corrupt { path, source }) = read else { panic!("byte {position}: {read:?}") };
        let damaged = source.downcast::<DamagedFile>().expect("what was found");
        assert!(path == name && damaged.bytes.contains(&(position as u64)), "byte {position}: {path} {damaged:?}");
    }
    fixture.replace(bytes).await;
    let batches = table.read_columns(&fixture.file, &["id"]).await.expect("a sound file");
    assert!(batches.try_collect::<Vec<_>>().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_checksum_damage_is_a_finding_or_unseen_but_never_the_end() {
    let fixture = fixture().await;
    let bytes = fixture.bytes().await;
    let file = Arc::new(DataFile { sha256: None, tail: None, ..fixture.file.clone() });
    let mut seen = 0;
    for position in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[position] ^= 1 << (position % 8);
        fixture.replace(broken).await;
        let files = vec![Arc::clone(&file)];
        let checked: Vec<_> =
            check_live_files(fixture.table(), files, CheckDepth::Data).try_collect().await.expect("a check");
        let found = &checked[0].findings;
        assert_eq!(found.last(), Some(&FindingKind::NoChecksum), "byte {position}: {found:?}");
        seen += usize::from(found.len() > 1);
    }
    assert!(seen > bytes.len() / 4 && seen < bytes.len(), "{seen} of {}", bytes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_that_are_not_of_the_rows_are_found() {
    let fixture = fixture().await;
    let table = fixture.table();
    let january = partition(KMS, "2024-01");
    let of_few = put_rows(table, &january, &rows(3, 10)).await.statistics;
    for (name, sha256, is_found) in [("own", Some(()), true), ("foreign", None, true), ("none", None, false)] {
        let file = put_rows(table, &january, &rows(4, 50)).await;
        let statistics = if is_found { of_few.clone() } else { FileStatistics::default() };
        let lie = DataFile { statistics, sha256: sha256.and(file.sha256.clone()), ..file };
        let checked: Vec<_> =
            check_live_files(table, vec![Arc::new(lie)], CheckDepth::Data).try_collect().await.expect("a check");
        let found = &checked[0].findings;
        let is_wrong = |kind: &FindingKind| matches!(kind, FindingKind::WrongStatistics { .. });
        assert_eq!(found.iter().any(is_wrong), is_found, "{name}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checksums_and_statistics_outlive_checkpoints_and_compaction() {
    let storage = Storage::in_memory();
    let lake = new_lake(&storage).await;
    for seed in 0..60 {
        append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows(seed, 7)).await;
    }
    let checkpoints = async || -> usize {
        let objects: Vec<_> = storage.store().list(None).try_collect().await.expect("a listing");
        objects.iter().filter(|object| object.location.as_ref().contains(".checkpoint")).count()
    };
    assert!(checkpoints().await > 0);
    let fresh = Lake::open_in(storage.clone(), spec()).await.expect("a lake");
    let table = fresh.table("events");
    assert!(table.snapshot().await.expect("a snapshot").files().iter().all(|file| file.sha256.is_some()));
    assert_eq!(check_files_with(table, CheckDepth::Data).await.expect("a check"), []);
    compact(table, &CompactOptions::default()).await.expect("a compaction");
    let findings = check_files_with(table, CheckDepth::Data).await.expect("a check");
    assert!(findings.iter().all(|finding| finding.kind == FindingKind::Replaced), "{findings:?}");
    assert_eq!(table.snapshot().await.expect("a snapshot").files().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_is_one_finding_among_others() {
    let (_folder, lake) = disk_lake().await;
    let table = lake.table("events");
    for seed in 0..3 {
        append_rows(table, &partition(KMS, "2024-01"), &rows(seed, 20)).await;
    }
    let files = table.snapshot().await.expect("a snapshot").files().to_vec();
    // A folder under the file's name can be looked at and not be read, by root neither.
    let path = lake.location().as_local_path().expect("a folder").join("events").join(&files[1].path);
    fs_err::remove_file(&path).expect("a data file");
    fs_err::create_dir(&path).expect("a folder");
    let checked: Vec<_> =
        check_live_files(table, files.clone(), CheckDepth::Data).try_collect().await.expect("a check");
    let counts: Vec<usize> = checked.iter().map(|checked| checked.findings.len()).collect();
    assert_eq!(counts, [0, 1, 0], "{checked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lies_is_found() {
    let fixture = fixture().await;
    let table = fixture.table();
    let file = put_rows(table, &partition(KMS, "2024-03"), &rows(3, 10)).await;
    let lie = DataFile { row_count: 9, ..file };
    table.commit(append("b", 1, vec![lie.clone()])).await.expect("a commit");
    let findings = check_files(table).await.expect("a check");
    let kind = FindingKind::WrongRowCount { expected: 9, found: 10 };
    assert_eq!(findings, [FileFinding { path: lie.path, kind }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_another_order_or_other_columns_are_found() {
    let fixture = fixture().await;
    let table = fixture.table();
    // Sorted by time as `other` is, and claimed to be `kms`.
    let by_time = put_rows(table, &partition(OTHER, "2024-01"), &rows(3, 50)).await;
    let claimed = DataFile { partition: partition(KMS, "2024-01"), ..by_time };
    let lie = vec![Arc::new(claimed.clone())];
    let checked: Vec<_> = check_live_files(table, lie, CheckDepth::Footers).try_collect().await.expect("a check");
    assert!(matches!(checked[0].findings[..], [FindingKind::WrongPartition { .. }]), "{checked:?}");
    // Another program may have folders of its own, and has no checksums.
    let claimed = DataFile { sha256: None, ..claimed };
    table.commit(append("b", 1, vec![claimed.clone()])).await.expect("a commit");
    assert_eq!(fixture.finding(CheckDepth::Footers).await, None);
    let findings = check_files_with(table, CheckDepth::Data).await.expect("a check");
    let kinds: Vec<_> = findings.iter().map(|finding| &finding.kind).collect();
    assert!(matches!(kinds[..], [FindingKind::OutOfOrder { row: 1.. }, FindingKind::NoChecksum]), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.path == claimed.path), "{findings:?}");

    let ledger = fixture.lake.table("ledger");
    let foreign = DataFile { path: "../events".to_owned(), ..fixture.file.clone() };
    assert!(ledger.file_path(&foreign).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_columns_are_found() {
    let fixture = fixture().await;
    let events = fixture.bytes().await;
    let ledger = fixture.lake.table("ledger");
    let file =
        DataFile { path: "part-copied.parquet".to_owned(), partition: PartitionValues::new(), ..fixture.file.clone() };
    let path = ledger.file_path(&file).expect("a path");
    fixture.lake.storage().store().put(&path, events.into()).await.expect("a copied file");
    ledger.commit(append("b", 1, vec![file.clone()])).await.expect("a commit");
    let findings = check_files(ledger).await.expect("a check");
    let kind = FindingKind::WrongColumns { difference: "6 columns instead of 2".to_owned() };
    assert_eq!(findings, [FileFinding { path: file.path, kind }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_without_a_commit_are_a_note() {
    let fixture = fixture().await;
    let unused = put_rows(fixture.table(), &partition(KMS, "2024-01"), &rows(3, 10)).await;
    let findings = check_files(fixture.table()).await.expect("a check");
    assert_eq!(findings, [FileFinding { path: unused.path, kind: FindingKind::Unreferenced }]);
    assert!(findings[0].kind.is_note());
}
