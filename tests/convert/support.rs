//! The vocabulary of the conversion tests: a lake in a temporary folder, conversions into it, and what it holds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::array_value_to_string;
use chrono::DateTime;
use keytrail_convert::{ConvertOptions, ConvertSummary, EVENTS, NoProgress, Source, StopSignal, convert, lake_spec};
use keytrail_events::RecordTexts;
use keytrail_lake::{Lake, Location, StorageOptions, Table};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A lake in a folder of its own.
pub(crate) struct TestLake {
    pub(crate) folder: tempfile::TempDir,
    runs: std::cell::Cell<u32>,
}

impl TestLake {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder"), runs: std::cell::Cell::new(0) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub(crate) async fn open(&self) -> Lake {
        let location = Location::local(&self.path()).expect("location");
        Lake::create_or_open(&location, &StorageOptions::default(), lake_spec()).await.expect("lake")
    }

    /// Converts `source` with two workers.
    pub(crate) async fn convert(&self, source: &Path) -> ConvertSummary {
        self.convert_with(source, |_| {}).await
    }

    pub(crate) async fn convert_with(&self, source: &Path, change: impl FnOnce(&mut ConvertOptions)) -> ConvertSummary {
        let source = Source::Place(Location::local(source).expect("location"));
        self.runs.set(self.runs.get() + 1);
        let mut options = ConvertOptions::new(vec![source], format!("run-{}", self.runs.get()), DateTime::UNIX_EPOCH);
        options.workers = 2;
        change(&mut options);
        let summary =
            convert(&self.open().await, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await;
        let summary = summary.expect("converted");
        assert!(summary.is_balanced(), "{summary:?}");
        summary
    }

    /// The exact text of every record in the lake, sorted.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let lake = self.open().await;
        let mut texts = Vec::new();
        for batch in batches_of(lake.table(EVENTS), &self.path().join(EVENTS)).await {
            let records = RecordTexts::new(&batch).expect("columns");
            for row in 0..batch.num_rows() {
                let mut text = String::new();
                assert!(records.push(&mut text, row), "row {row} gives its text back");
                texts.push(text);
            }
        }
        texts.sort_unstable();
        texts
    }

    /// One column of a table without partitions, as text, in the order of its files; null is an empty text.
    pub(crate) async fn column(&self, table: &str, column: &str) -> Vec<String> {
        let lake = self.open().await;
        let batches = batches_of(lake.table(table), &self.path().join(table)).await;
        let cells = batches.iter().flat_map(|batch| {
            let array = batch.column_by_name(column).expect("a column");
            (0..array.len()).map(|row| array_value_to_string(array, row).expect("a value")).collect::<Vec<_>>()
        });
        cells.collect()
    }

    /// The live data files of `events`.
    pub(crate) async fn data_files(&self) -> Vec<String> {
        let lake = self.open().await;
        let snapshot = lake.table(EVENTS).snapshot().await.expect("snapshot");
        snapshot.files().iter().map(|file| file.path.clone()).collect()
    }

    pub(crate) async fn findings(&self) -> Vec<String> {
        let accounts = keytrail_convert::check_accounting(&self.open().await).await.expect("checked");
        accounts.findings.into_iter().chain(accounts.unfinished).collect()
    }
}

async fn batches_of(table: &Table, folder: &Path) -> Vec<RecordBatch> {
    let snapshot = table.snapshot().await.expect("snapshot");
    let read = |path: &str| {
        let file = fs_err::File::open(folder.join(path)).expect("data file").into_parts().0;
        ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet").build().expect("reader")
    };
    snapshot.files().iter().flat_map(|file| read(&file.path)).map(|batch| batch.expect("batch")).collect()
}

/// A KMS event with an id and a time.
pub(crate) fn event(id: &str, time: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"{time}","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventID":"{id}","recipientAccountId":"111122223333"}}"#
    )
}

/// A gzip file, and the folders above it.
pub(crate) fn write_gzip(path: &Path, text: &str) {
    fs_err::create_dir_all(path.parent().expect("folder")).expect("folder");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    fs_err::write(path, encoder.finish().expect("memory")).expect("file");
}

/// A log file with these records.
pub(crate) fn write_records(path: &Path, records: &[String]) {
    write_gzip(path, &format!(r#"{{"Records":[{}]}}"#, records.join(",")));
}
