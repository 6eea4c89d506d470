//! Several conversions into one lake at once: the rows are those of one, and nothing is left to clean up.

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use keytrail_convert::{ConvertOptions, ConvertSummary, NoProgress, RUNS, Source, StopSignal, convert, lake_spec};
use keytrail_lake::{FindingKind, Lake, Location, StorageOptions};
use keytrail_testkit::trail::{TrailConfig, generate};

use crate::support::TestLake;

fn trail(folder: &Path) {
    let config = TrailConfig { days: 10, events_per_file_mean: 20, ..TrailConfig::with_events(3_000, 11) };
    generate(&config, folder).expect("trail");
}

/// A conversion with a lake handle of its own, as a process has it.
async fn convert_apart(
    lake: &Path,
    source: &Path,
    run: String,
    change: impl Fn(&mut ConvertOptions),
) -> ConvertSummary {
    let location = Location::local(lake).expect("location");
    let lake = Lake::create_or_open(&location, &StorageOptions::default(), lake_spec()).await.expect("lake");
    let source = Source::Place(Location::local(source).expect("location"));
    let mut options = ConvertOptions::new(vec![source], run, DateTime::UNIX_EPOCH);
    (options.workers, options.epoch_bytes) = (1, 60_000);
    change(&mut options);
    let summary = convert(&lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await;
    let summary = summary.expect("converted");
    assert!(summary.is_balanced(), "{summary:?}");
    summary
}

async fn assert_sound(lake: &TestLake, expected: &[String]) {
    assert_eq!(lake.findings().await, Vec::<String>::new());
    assert_eq!(lake.texts().await, expected);
    for table in lake.open().await.tables() {
        let files = keytrail_lake::check_files(table).await.expect("checked");
        let left: Vec<_> = files.iter().filter(|file| file.kind == FindingKind::Unreferenced).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_of_one_source_write_it_once() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    let alone = TestLake::new();
    let once = alone.convert(source.path()).await;
    let expected = alone.texts().await;
    let lake = TestLake::new();
    let path = lake.path();
    let writers = (0..8).map(|number| convert_apart(&path, source.path(), format!("writer-{number}"), |_| {}));
    let summaries = futures::future::join_all(writers).await;
    assert_sound(&lake, &expected).await;
    // What the writers say they did adds up to the work of one.
    let sum = |count: fn(&ConvertSummary) -> u64| summaries.iter().map(count).sum::<u64>();
    assert_eq!(sum(|summary| summary.log_files), once.log_files);
    assert_eq!((sum(|summary| summary.records), sum(|summary| summary.rows)), (once.records, once.rows));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shards_at_once_are_one_conversion() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    let alone = TestLake::new();
    let once = alone.convert(source.path()).await;
    let lake = TestLake::new();
    let path = lake.path();
    let writers = (1..=3).map(|number| {
        let shard = format!("{number}/3").parse().expect("a shard");
        convert_apart(&path, source.path(), format!("shard-{number}"), move |options| options.shard = Some(shard))
    });
    let summaries = futures::future::join_all(writers).await;
    assert_sound(&lake, &alone.texts().await).await;
    assert!(summaries.iter().all(|summary| summary.log_files > 0), "each shard has work");
    assert_eq!(summaries.iter().map(|summary| summary.records).sum::<u64>(), once.records);
    assert_eq!(summaries.iter().map(|summary| summary.rows).sum::<u64>(), once.rows);
    // What finds nothing to do leaves a row where it is a part: nobody could tell else that no part is missing.
    let shard = "1/3".parse().expect("a shard");
    convert_apart(&path, source.path(), "again".to_owned(), |options| options.shard = Some(shard)).await;
    convert_apart(&path, source.path(), "all again".to_owned(), |_| {}).await;
    let mut runs = lake.column(RUNS, "shard").await;
    runs.sort_unstable();
    // Nor could anybody that everything was read since.
    assert_eq!(runs, ["", "1/3", "1/3", "2/3", "3/3"]);
    convert_apart(&path, source.path(), "once more".to_owned(), |_| {}).await;
    assert_eq!(lake.column(RUNS, "shard").await.len(), runs.len(), "that it was told once is enough");
}
