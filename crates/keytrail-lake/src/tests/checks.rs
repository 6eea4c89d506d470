//! The check finds what is wrong with files, and nothing else.

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
async fn a_broken_page_is_found_by_reading_the_data() {
    let fixture = fixture().await;
    let mut bytes = fixture.bytes().await;
    // The first page header follows the magic bytes.
    bytes[4..12].fill(0xff);
    fixture.replace(bytes).await;
    assert_eq!(fixture.finding(CheckDepth::Footers).await, None);
    let found = fixture.finding(CheckDepth::Data).await;
    assert!(matches!(found, Some(FindingKind::Unreadable { .. })), "{found:?}");
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
    table.commit(append("b", 1, vec![claimed.clone()])).await.expect("a commit");
    assert_eq!(fixture.finding(CheckDepth::Footers).await, None);
    let findings = check_files_with(table, CheckDepth::Data).await.expect("a check");
    assert_eq!(findings, [FileFinding { path: claimed.path, kind: FindingKind::OutOfOrder }]);

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
