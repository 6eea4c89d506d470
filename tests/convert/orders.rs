//! When and in which order log files arrive, and how many threads read them, changes nothing about the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use keytrail_convert::{ConvertOptions, ConvertProgress, Source, StopSignal, convert};
use keytrail_lake::Location;
use keytrail_testkit::trail::{GeneratedFile, TrailConfig, generate_files};

use crate::support::TestLake;

/// Forty-five days, every fifth record late by hours to 45 days, repeated records and repeated files.
fn config() -> TrailConfig {
    TrailConfig {
        days: 45,
        events_per_file_mean: 15,
        late_rate: 0.2,
        duplicate_rate: 0.05,
        redelivered_file_rate: 0.05,
        ..TrailConfig::with_events(1_200, 11)
    }
}

fn deliver(root: &Path, files: &[GeneratedFile]) {
    for file in files {
        let path = root.join(&file.key);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs_err::write(path, &file.bytes).expect("file");
    }
}

/// The same files in an order that follows from the seed.
fn shuffled(seed: u64) -> Vec<GeneratedFile> {
    let mut files: Vec<_> = generate_files(&config()).collect();
    let mut state = seed;
    for index in (1..files.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        files.swap(index, usize::try_from((state >> 33) % (index as u64 + 1)).expect("small"));
    }
    files
}

async fn all_at_once() -> Vec<String> {
    let source = tempfile::tempdir().expect("folder");
    deliver(source.path(), &shuffled(0));
    let lake = TestLake::new();
    lake.convert(source.path()).await;
    lake.texts().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_workers_gives_the_same_rows() {
    let source = tempfile::tempdir().expect("folder");
    deliver(source.path(), &shuffled(0));
    let expected = all_at_once().await;
    for (workers, buffer_bytes, epoch_bytes) in
        [(1, usize::MAX, u64::MAX), (2, 1 << 16, 1 << 16), (3, 1, 1 << 14), (8, 1 << 20, 1 << 18)]
    {
        let lake = TestLake::new();
        lake.convert_with(source.path(), |options| {
            (options.workers, options.buffer_bytes, options.epoch_bytes) = (workers, buffer_bytes, epoch_bytes);
        })
        .await;
        assert!(lake.texts().await == expected, "{workers} workers");
        assert_eq!(lake.findings().await, Vec::<String>::new(), "{workers} workers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_files_in_old_date_folders_are_taken_whenever_they_come() {
    let expected = all_at_once().await;
    for (seed, waves) in [(1, 2), (2, 5), (3, 12)] {
        let (source, lake) = (tempfile::tempdir().expect("folder"), TestLake::new());
        let files = shuffled(seed);
        let (first, rest) = files.split_at(files.len().div_ceil(waves));
        let newest = first.iter().map(|file| day_of(&file.key)).max();
        let late_count = rest.iter().filter(|file| Some(day_of(&file.key)) < newest).count();
        assert!(late_count > rest.len() / 2, "{late_count} of {} later files are of older days", rest.len());
        for wave in files.chunks(files.len().div_ceil(waves)) {
            deliver(source.path(), wave);
            let summary = lake.convert(source.path()).await;
            assert_eq!(summary.log_files, wave.len() as u64, "seed {seed}: every new file, however old, and no other");
        }
        assert!(lake.texts().await == expected, "seed {seed}, {waves} waves");
        assert_eq!(lake.findings().await, Vec::<String>::new(), "seed {seed}");
        let again = lake.convert(source.path()).await;
        assert_eq!((again.log_files, again.rows), (0, 0), "seed {seed}");
    }
}

/// The date folder of a key, `YYYY/MM/DD`.
fn day_of(key: &str) -> &str {
    let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
    &folder[folder.len().saturating_sub("YYYY/MM/DD".len())..]
}

/// Delivers other content under the same names between the listing and the reading.
struct Redelivers {
    root: PathBuf,
    files: Vec<GeneratedFile>,
}

impl ConvertProgress for Redelivers {
    fn planned(&self, _log_files: u64, _bytes: u64) {
        deliver(&self.root, &self.files);
    }

    fn log_file_read(&self, _bytes: u64, _records: u64) {}

    fn committed(&self, _rows: u64) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_replaced_while_they_are_read_count_once() {
    let expected = all_at_once().await;
    let (source, lake) = (tempfile::tempdir().expect("folder"), TestLake::new());
    let files = shuffled(0);
    // At first every file has the content of another one; then its own.
    let contents = files.iter().skip(1).chain(&files[..1]);
    let mixed: Vec<_> = files
        .iter()
        .zip(contents)
        .map(|(file, other)| GeneratedFile { bytes: other.bytes.clone(), ..file.clone() })
        .collect();
    deliver(source.path(), &mixed);
    let place = Source::Place(Location::local(source.path()).expect("location"));
    let mut options = ConvertOptions::new(vec![place], "replaced".to_owned(), DateTime::UNIX_EPOCH);
    options.workers = 2;
    let progress = Arc::new(Redelivers { root: source.path().to_owned(), files });
    let converted = convert(&lake.open().await, &options, progress, Arc::new(StopSignal::default())).await;
    converted.expect("converted");
    lake.convert(source.path()).await;
    assert!(lake.texts().await == expected, "lost or doubled");
    assert_eq!(lake.findings().await, Vec::<String>::new());
    let again = lake.convert(source.path()).await;
    assert_eq!((again.log_files, again.rows), (0, 0));
}

#[test]
fn the_trail_has_late_and_repeated_deliveries() {
    let facts = keytrail_testkit::trail::summarize(&config());
    assert!(facts.late_events > 100 && facts.duplicates > 30 && facts.redelivered_log_files > 1, "{facts:?}");
}
