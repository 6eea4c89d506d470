//! Ending early, the log of runs, dry runs and retries.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use keytrail_convert::{
    AgainstReport, ConvertError, ConvertInput, ConvertOptions, ConvertProgress, LOG_FILES, NoProgress, REJECTS, RUNS,
    Source, StopSignal, check_against, convert, survey,
};
use keytrail_lake::Location;

use crate::support::{TestLake, event, write_records};

const TIME: &str = "2024-01-31T10:00:00Z";

fn options(source: &std::path::Path, run: &str) -> ConvertOptions {
    let source = Source::Place(Location::local(source).expect("location"));
    let mut options = ConvertOptions::new(vec![source], run.to_owned(), DateTime::UNIX_EPOCH);
    options.clock = || DateTime::UNIX_EPOCH;
    options.workers = 1;
    options
}

/// Asks to finish, or to stop, when so many log files were read.
struct EndAfter {
    left: AtomicU64,
    end: Box<dyn Fn() + Send + Sync>,
}

impl ConvertProgress for EndAfter {
    fn planned(&self, _log_files: u64, _bytes: u64) {}

    fn log_file_read(&self, _bytes: u64, _records: u64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            (self.end)();
        }
    }

    fn committed(&self, _rows: u64) {}
}

#[tokio::test]
async fn time_over_commits_what_was_read_and_a_stop_does_not() {
    for (is_finish, expected) in [(true, 2), (false, 0)] {
        let source = tempfile::tempdir().expect("folder");
        for number in 0..5 {
            write_records(&source.path().join(format!("{number}.json.gz")), &[event(&number.to_string(), TIME)]);
        }
        let lake = TestLake::new();
        let stop = Arc::new(StopSignal::default());
        let asked = Arc::clone(&stop);
        let end = Box::new(move || if is_finish { asked.finish() } else { asked.stop() });
        let progress = Arc::new(EndAfter { left: AtomicU64::new(2), end });
        let outcome = convert(&lake.open().await, &options(source.path(), "r"), progress, stop).await;
        let Err(ConvertError::Stopped(summary)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((summary.log_files, summary.rows), (expected, expected), "finish: {is_finish}");
        assert_eq!(lake.findings().await, Vec::<String>::new());
        let rest = lake.convert(source.path()).await;
        assert_eq!(rest.rows, 5 - expected);
        assert_eq!(lake.texts().await.len(), 5);
    }
}

#[tokio::test]
async fn runs_that_change_the_lake_are_logged() {
    let source = tempfile::tempdir().expect("folder");
    write_records(&source.path().join("1.json.gz"), &[event("a", TIME), "7".to_owned()]);
    let lake = TestLake::new();
    lake.convert(source.path()).await;
    lake.convert(source.path()).await;
    assert_eq!(lake.column(RUNS, "run_id").await, ["run-1"], "the second found nothing");
    for (column, expected) in [
        ("status", "complete"),
        ("log_file_count", "1"),
        ("record_count", "2"),
        ("row_count", "1"),
        ("rejected_count", "1"),
        ("keytrail_version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(lake.column(RUNS, column).await, [expected], "{column}");
    }
    assert_eq!(lake.column(RUNS, "sources").await, [source.path().display().to_string()]);
}

#[tokio::test]
async fn a_dry_run_counts_kinds_and_writes_nothing() {
    let source = tempfile::tempdir().expect("folder");
    write_records(&source.path().join("1.json.gz"), &[event("a", TIME), event("b", TIME)]);
    fs_err::write(source.path().join("2.txt"), "{nothing of ours").expect("file");
    fs_err::write(source.path().join("3.json"), r#"{"s3Bucket":"b","s3ObjectKey":["k"]}"#).expect("file");
    let lake = TestLake::new();
    let found = survey(&options(source.path(), "r"), None, Arc::new(NoProgress)).await.expect("surveyed");
    let count = |kind: &str| found.kinds.get(kind).map(|count| (count.log_files, count.records, count.rejected));
    assert_eq!(count("events"), Some((1, Some(2), Some(0))));
    assert_eq!(count("unknown"), Some((1, Some(1), Some(1))));
    assert_eq!(count("notification"), Some((1, Some(0), Some(0))));
    assert_eq!((found.total().log_files, found.known_log_files, found.requests), (3, 0, None));
    assert!(!lake.path().exists());
    lake.convert(source.path()).await;
    write_records(&source.path().join("4.json.gz"), &[event("c", TIME)]);
    let open = lake.open().await;
    let found = survey(&options(source.path(), "r"), Some(&open), Arc::new(NoProgress)).await.expect("surveyed");
    assert_eq!((found.total().log_files, found.known_log_files), (1, 3));
}

#[tokio::test]
async fn rejected_files_are_read_again_after_a_fix() {
    let source = tempfile::tempdir().expect("folder");
    let file = source.path().join("1.json");
    fs_err::write(&file, format!(r#"{{"Records":[{},7]}}"#, event("a", TIME))).expect("file");
    write_records(&source.path().join("2.json.gz"), &[event("z", TIME)]);
    let lake = TestLake::new();
    let first = lake.convert(source.path()).await;
    assert_eq!((first.rows, first.rejected), (2, 1));
    let retry = |run: &'static str| {
        let mut options = options(source.path(), run);
        options.input = ConvertInput::Rejected;
        let lake = &lake;
        async move {
            let (progress, stop) = (Arc::new(NoProgress), Arc::new(StopSignal::default()));
            convert(&lake.open().await, &options, progress, stop).await.expect("converted")
        }
    };
    // Nothing was fixed: the same entries, not more of them, and no row that was not there before.
    let again = retry("retry-1").await;
    assert_eq!((again.log_files, again.records, again.rows, again.duplicates, again.rejected), (1, 2, 0, 1, 1));
    assert_eq!(lake.column(REJECTS, "run_id").await, ["retry-1"]);
    assert_eq!(lake.column(LOG_FILES, "rejected_count").await.len(), 2);
    assert_eq!(lake.findings().await, Vec::<String>::new());
    assert_eq!(lake.texts().await.len(), 2);
    fs_err::remove_file(&file).expect("removed");
    let gone = retry("retry-2").await;
    assert_eq!((gone.log_files, gone.unread_log_files.len()), (0, 1));
    assert_eq!(lake.column(REJECTS, "run_id").await, ["retry-1"], "what cannot be read again is kept");
}

#[tokio::test]
async fn what_can_be_read_now_becomes_rows() {
    let source = tempfile::tempdir().expect("folder");
    write_records(&source.path().join("1.json.gz"), &[event("a", TIME), event("b", TIME)]);
    let lake = TestLake::new();
    let first = lake.convert_with(source.path(), |options| options.max_file_bytes = 100).await;
    assert_eq!((first.rows, first.rejected), (0, 1));
    assert_eq!(lake.column(REJECTS, "reason").await, ["the file unpacks to more than 100 bytes"]);
    let fixed = lake.convert_with(source.path(), |options| options.input = ConvertInput::Rejected).await;
    assert_eq!((fixed.records, fixed.rows, fixed.rejected), (2, 2, 0));
    assert_eq!(lake.column(REJECTS, "reason").await, Vec::<String>::new());
    assert_eq!(lake.column(LOG_FILES, "status").await, ["committed"]);
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_another_version_mended_is_rejected_no_longer() {
    for is_read_in_passing in [false, true] {
        let source = tempfile::tempdir().expect("folder");
        let (file, other) = (source.path().join("1.json"), source.path().join("2.json"));
        write_plain(&file, &[event("a", TIME), "7".to_owned()]);
        write_plain(&other, &["8".to_owned()]);
        let lake = TestLake::new();
        lake.convert(source.path()).await;
        write_plain(&file, &[event("a", TIME), event("mended", TIME)]);
        if is_read_in_passing {
            lake.convert(source.path()).await;
            assert_eq!(lake.column(REJECTS, "reason").await.len(), 2, "a retry was not asked for");
        }
        for _ in 0..2 {
            lake.convert_with(source.path(), |options| options.input = ConvertInput::Rejected).await;
            let rejected = lake.column(REJECTS, "log_file_path").await;
            assert_eq!(rejected, [other.display().to_string()], "{is_read_in_passing}");
            assert_eq!(lake.texts().await.len(), 2);
            assert_eq!(lake.findings().await, Vec::<String>::new(), "{is_read_in_passing}");
            let notes = lake.column(LOG_FILES, "notes").await;
            let told =
                notes.iter().filter(|note| note.contains("its rejects (1) were dropped: a later version was read"));
            assert_eq!(told.count(), 1, "{notes:?}");
        }
    }
}

#[tokio::test]
async fn names_that_are_no_text_stay_apart_and_are_read_again() {
    let source = tempfile::tempdir().expect("folder");
    let name = |name: &[u8]| source.path().join(std::ffi::OsStr::from_bytes(name));
    let (odd, literal) = (name(b"bad\xff.json"), name(b"bad\\xFF.json"));
    // The same size and time.
    write_plain(&odd, &[event("a", TIME), "7".to_owned()]);
    write_plain(&literal, &[event("b", TIME), "7".to_owned()]);
    let modified = fs_err::metadata(&odd).expect("metadata").modified().expect("a time");
    let file = fs_err::OpenOptions::new().write(true).open(&literal).expect("file");
    file.file().set_modified(modified).expect("the same time");
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.log_files, summary.rows, summary.rejected), (2, 2, 2));
    write_plain(&odd, &[event("a", TIME), event("c", TIME)]);
    write_plain(&literal, &[event("b", TIME), event("d", TIME)]);
    let retried = lake.convert_with(source.path(), |options| options.input = ConvertInput::Rejected).await;
    assert_eq!((retried.log_files, retried.rows, retried.unread_log_files), (2, 2, vec![]));
    assert_eq!(lake.column(REJECTS, "reason").await, Vec::<String>::new());
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_user_names_is_read_and_is_no_readme() {
    let source = tempfile::tempdir().expect("folder");
    let (hidden, page) = (source.path().join(".hidden.json"), source.path().join("page"));
    write_plain(&hidden, &[event("a", TIME)]);
    fs_err::write(&page, "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>").expect("file");
    let lake = TestLake::new();
    let found = lake.convert(source.path()).await;
    assert_eq!((found.log_files, found.rejected, found.left_out.get("hidden")), (1, 0, Some(&1)));
    for (place, rows, rejected) in [(&hidden, 1, 0), (&page, 0, 1)] {
        let lake = TestLake::new();
        let named = lake.convert(place).await;
        assert_eq!((named.log_files, named.rows, named.rejected), (1, rows, rejected), "{place:?}");
        assert_eq!(lake.findings().await, Vec::<String>::new());
        for against in [place.as_path(), source.path()] {
            assert_eq!(compared(against, &lake, usize::MAX).await.findings, Vec::<String>::new(), "{place:?}");
        }
    }
    assert_eq!(compared(&page, &lake, usize::MAX).await.findings, Vec::<String>::new(), "it was found");
}

#[tokio::test]
async fn bytes_through_a_pipe_do_not_change_and_are_not_looked_for() {
    let lake = TestLake::new();
    for (content, rejected) in
        [("{\"Records\":[7]}", 1), ("-----BEGIN PGP MESSAGE-----", 1), (event("a", TIME).as_str(), 0)]
    {
        let given = Source::Bytes { name: "stdin".to_owned(), content: content.to_owned().into() };
        let summary = lake.convert_with(lake.folder.path(), |options| options.sources = vec![given]).await;
        assert_eq!((summary.log_files, summary.rejected, summary.changed_log_files), (1, rejected, 0), "{content}");
    }
    let retried = lake.convert_with(lake.folder.path(), |options| options.input = ConvertInput::Rejected).await;
    let reason = "it came through a pipe: give it again to `keytrail convert -`";
    assert_eq!(retried.unread_log_files, [("stdin".to_owned(), reason.to_owned())]);
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn files_that_cannot_be_read_are_told_apart_from_rejects() {
    let source = tempfile::tempdir().expect("folder");
    write_plain(&source.path().join("1.json"), &[event("a", TIME)]);
    std::os::unix::fs::symlink("nowhere", source.path().join("dangling.json")).expect("link");
    let _socket = std::os::unix::net::UnixListener::bind(source.path().join("socket")).expect("socket");
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.log_files, summary.records, summary.rejected, summary.unread_log_files.len()), (1, 1, 0, 1));
    assert_eq!(summary.left_out.get("socket"), Some(&1));
    assert_eq!(lake.column(RUNS, "unread_log_file_count").await, ["1"]);
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn records_of_a_time_that_is_not_understood_are_told() {
    let source = tempfile::tempdir().expect("folder");
    write_records(&source.path().join("1.json.gz"), &[event("a", "04/03/2025 05:06"), event("b", TIME)]);
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.rows, summary.undated_records, summary.noted_log_files), (2, 1, 1));
    let notes = lake.column(LOG_FILES, "notes").await;
    assert_eq!(notes, ["records with an event time that is absent or not understood: 1, the first `04/03/2025 05:06`"]);
}

/// Two log files with a duplicate, a reject and two months, in a lake.
async fn converted(source: &std::path::Path, lake: &TestLake) {
    write_plain(&source.join("1.json"), &[event("a", TIME), event("b", TIME), "7".to_owned()]);
    write_plain(&source.join("2.json"), &[event("b", TIME), event("c", "2024-03-01T00:00:00Z")]);
    // One worker, so that `b` is a row of the first file.
    lake.convert_with(source, |options| options.workers = 1).await;
}

fn write_plain(path: &std::path::Path, records: &[String]) {
    fs_err::write(path, format!(r#"{{"Records":[{}]}}"#, records.join(","))).expect("file");
}

async fn compared(source: &std::path::Path, lake: &TestLake, seen_bytes: usize) -> AgainstReport {
    let options = ConvertOptions { seen_bytes, ..options(source, "check") };
    check_against(&lake.open().await, &options, Arc::new(NoProgress)).await.expect("compared")
}

#[tokio::test]
async fn a_sound_lake_equals_its_sources_in_any_number_of_rounds() {
    let source = tempfile::tempdir().expect("folder");
    let lake = TestLake::new();
    converted(source.path(), &lake).await;
    // What came in another dress, with less detail and as another version is in the lake too.
    let envelope = format!(r#"{{"detail-type":"AWS API Call via CloudTrail","detail":{}}}"#, event("c", TIME));
    fs_err::write(source.path().join("0.json"), envelope).expect("file");
    write_plain(&source.path().join("1.json"), &[event("a", TIME), event("n", TIME)]);
    write_plain(&source.path().join("3.json"), &[event("c", TIME)]);
    lake.convert(source.path()).await;
    for seen_bytes in [1, usize::MAX] {
        let report = compared(source.path(), &lake, seen_bytes).await;
        assert_eq!(report.findings, Vec::<String>::new(), "{seen_bytes}");
        assert_eq!((report.log_files, report.records, report.unconverted_log_files), (4, 6, 0), "{seen_bytes}");
    }
}

/// Another content under the same size and time, as only a forger or a broken disk makes it.
fn forge(path: &std::path::Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let modified = fs_err::metadata(path).expect("metadata").modified().expect("a time");
    let text = fs_err::read_to_string(path).expect("file");
    fs_err::write(path, text.replacen(from, to, 1)).expect("file");
    fs_err::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("file")
        .file()
        .set_modified(modified)
        .expect("the old time");
}

#[tokio::test]
async fn what_differs_between_the_lake_and_its_sources_is_found() {
    for (file, from, to, finding) in [
        ("1.json", "Decrypt", "Encrypt", "record 0 differs from its row in the lake"),
        (
            "2.json",
            r#""eventID":"b""#,
            r#""eventID":"x""#,
            "record 0: no row of its own, and no equal record in the lake",
        ),
        ("1.json", ",7]", ",{}", "the ledger has 3 records = 2 rows + 0 duplicates + 1 rejected"),
    ] {
        let source = tempfile::tempdir().expect("folder");
        let lake = TestLake::new();
        converted(source.path(), &lake).await;
        forge(&source.path().join(file), from, to);
        for seen_bytes in [1, usize::MAX] {
            let report = compared(source.path(), &lake, seen_bytes).await;
            assert!(report.findings.iter().any(|found| found.contains(finding)), "{finding}: {:?}", report.findings);
        }
    }
}
