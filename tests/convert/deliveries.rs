//! One event, many deliveries: repeated, changed, amended, with more or less detail, across runs and hours.

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use keytrail_convert::{
    ConvertInput, ConvertOptions, ConvertProgress, EVENTS, LOG_FILES, NoProgress, Source, StopSignal, convert,
    lake_spec, list_wanted,
};
use keytrail_lake::{CompactOptions, Lake, Location, StorageOptions, compact};
use tokio::task::JoinSet;

use crate::support::{TestLake, event, write_records};

const TIME: &str = "2024-01-31T10:00:00Z";

fn with_error(id: &str) -> String {
    event(id, TIME).replacen('{', r#"{"errorCode":"AccessDenied","#, 1)
}

#[tokio::test]
async fn the_same_id_with_another_body_is_kept_marked_and_counted() {
    for is_one_run in [true, false] {
        let source = tempfile::tempdir().expect("folder");
        let lake = TestLake::new();
        write_records(&source.path().join("1.json.gz"), &[event("a", TIME), event("b", TIME)]);
        if !is_one_run {
            lake.convert(source.path()).await;
        }
        write_records(&source.path().join("2.json.gz"), &[with_error("a"), with_error("a"), event("b", TIME)]);
        let summary = lake.convert(source.path()).await;
        assert_eq!(summary.conflicts, 1, "in one run: {is_one_run}");
        assert_eq!(lake.texts().await.len(), 3);
        let mut marks = lake.column(EVENTS, "amends_event_id").await;
        marks.sort_unstable();
        assert_eq!(marks, ["", "", "a"]);
        let counts = lake.column(LOG_FILES, "conflict_count").await;
        assert_eq!(counts.iter().filter(|count| *count == "1").count(), 1, "{counts:?}");
        assert_eq!(lake.findings().await, Vec::<String>::new());
        // A third delivery of either body is a duplicate.
        write_records(&source.path().join("3.json.gz"), &[with_error("a"), event("a", TIME)]);
        let third = lake.convert(source.path()).await;
        assert_eq!((third.rows, third.duplicates, third.conflicts), (0, 2, 0));
    }
}

#[tokio::test]
async fn a_file_that_another_run_read_after_its_listing_is_entered_once() {
    let source = tempfile::tempdir().expect("folder");
    let file = source.path().join("1.json");
    let place = Source::Place(Location::local(source.path()).expect("location"));
    for first in [vec![event("a", TIME)], vec![event("a", TIME), "7".to_owned()]] {
        for is_known in [false, true] {
            let lake = TestLake::new();
            write_records(&file, &first);
            if is_known {
                lake.convert(source.path()).await;
                // Another version again.
                write_records(&file, &[first.clone(), vec![event("c", TIME)]].concat());
            }
            let options = ConvertOptions::new(vec![place.clone()], "late".to_owned(), DateTime::UNIX_EPOCH);
            let listing = list_wanted(&options).await.expect("listed");
            write_records(&file, &[event("a", TIME), event("b", TIME), "8".to_owned(), "9".to_owned()]);
            lake.convert(source.path()).await;
            let entry_count = lake.column(LOG_FILES, "run_id").await.len();
            let late = lake.convert_with(source.path(), |options| options.input = ConvertInput::Listed(listing)).await;
            assert_eq!((late.log_files, late.records), (0, 0), "{is_known}");
            assert_eq!(lake.column(LOG_FILES, "run_id").await.len(), entry_count, "{is_known}");
            assert_eq!(lake.findings().await, Vec::<String>::new(), "{is_known}");
        }
    }
}

#[tokio::test]
async fn the_same_record_in_another_dress_is_a_duplicate() {
    let source = tempfile::tempdir().expect("folder");
    let record = event("a", TIME);
    let indented = record.replace("\",\"", "\",\n  \"").replace("\":\"", "\": \"");
    let quoted = serde_json_text(&record);
    for (name, text) in [
        ("1.json", format!(r#"{{"Records":[{record}]}}"#)),
        ("2.json", indented),
        ("3.json", format!(r#"{{"Events":[{{"EventId":"a","CloudTrailEvent":{quoted}}}]}}"#)),
        ("4.json", format!(r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{record}}}"#)),
    ] {
        fs_err::write(source.path().join(name), text).expect("file");
    }
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.records, summary.rows, summary.duplicates, summary.conflicts), (4, 1, 3, 0));
}

fn serde_json_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[tokio::test]
async fn the_row_that_tells_most_counts_whichever_was_read_first() {
    let summary = format!("Event name,Event source,Event time,Event ID\nDecrypt,kms.amazonaws.com,{TIME},a\n");
    let own = format!(
        r#"{{"eventID":"a","eventName":"Decrypt","eventSource":"kms.amazonaws.com","eventTime":"{TIME}","readOnly":true}}"#
    );
    for (is_one_run, first_name, first, second_name, second) in [
        (true, "1.csv", &summary, "2.json.gz", &own),
        (false, "1.csv", &summary, "2.json.gz", &own),
        (true, "1.json.gz", &own, "2.csv", &summary),
        (false, "1.json.gz", &own, "2.csv", &summary),
    ] {
        let source = tempfile::tempdir().expect("folder");
        let lake = TestLake::new();
        let write = |name: &str, text: &String| match name.ends_with(".csv") {
            true => fs_err::write(source.path().join(name), text).expect("file"),
            false => write_records(&source.path().join(name), std::slice::from_ref(text)),
        };
        write(first_name, first);
        if !is_one_run {
            lake.convert(source.path()).await;
        }
        write_records(&source.path().join("0.json.gz"), &[event("b", TIME), with_error("b")]);
        write(second_name, second);
        lake.convert(source.path()).await;
        let (ids, details, marks) = (
            lake.column(EVENTS, "event_id").await,
            lake.column(EVENTS, "detail_level").await,
            lake.column(EVENTS, "amends_event_id").await,
        );
        let rows = ids.iter().zip(&details).zip(&marks);
        let mut rows: Vec<_> = rows.map(|((id, detail), mark)| [id.as_str(), detail, mark]).collect();
        rows.sort_unstable();
        let case = format!("{first_name} first, in one run: {is_one_run}");
        // Where two threads read both in one run, either may be the first.
        let has_summary = rows.contains(&["a", "summary", "a"]);
        assert!(is_one_run || has_summary == (first == &summary), "{case}: {rows:?}");
        rows.retain(|row| *row != ["a", "summary", "a"]);
        assert_eq!(rows, [["a", "full", ""], ["b", "full", ""], ["b", "full", "b"]], "{case}");
        assert_eq!(lake.findings().await, Vec::<String>::new(), "{case}");
        let again = lake.convert(source.path()).await;
        assert_eq!((again.rows, again.data_files), (0, 0), "{case}");
    }
}

/// What answers must not depend on: which of two bodies was read first, and in how many runs.
#[tokio::test]
async fn of_several_bodies_the_one_delivered_last_counts() {
    let name = |delivered: &str| format!("111111111111_CloudTrail_eu-west-1_{delivered}_a.json.gz");
    let bodies = [
        (name("20240131T1005Z"), event("a", TIME)),
        (name("20240202T1005Z"), with_error("a")),
        (name("20240201T1005Z"), event("a", TIME).replacen('{', r#"{"errorCode":"Throttling","#, 1)),
        ("download.json.gz".to_owned(), event("a", TIME).replacen('{', r#"{"errorCode":"Other","#, 1)),
    ];
    for runs in [vec![vec![0, 1, 2, 3]], vec![vec![0], vec![1], vec![2], vec![3]], vec![vec![3], vec![2, 1], vec![0]]] {
        let source = tempfile::tempdir().expect("folder");
        let lake = TestLake::new();
        for run in &runs {
            for body in run {
                let (name, record) = &bodies[*body];
                write_records(&source.path().join(name), std::slice::from_ref(record));
            }
            lake.convert(source.path()).await;
        }
        let errors = lake.column(EVENTS, "error_code").await;
        let marks = lake.column(EVENTS, "amends_event_id").await;
        let mut rows: Vec<_> = marks.into_iter().zip(errors).collect();
        rows.sort_unstable();
        let expected = [("", "AccessDenied"), ("a", ""), ("a", "Other"), ("a", "Throttling")];
        assert_eq!(rows, expected.map(|(mark, error)| (mark.to_owned(), error.to_owned())), "{runs:?}");
        assert_eq!(lake.findings().await, Vec::<String>::new(), "{runs:?}");
    }
}

/// A CSV of the event history with these ids.
fn write_summary(path: &Path, ids: &[&str]) {
    let rows: String = ids.iter().map(|id| format!("Decrypt,kms.amazonaws.com,{TIME},{id}\n")).collect();
    fs_err::write(path, format!("Event name,Event source,Event time,Event ID\n{rows}")).expect("file");
}

/// A summary that tells another service, or another error, is of the same event as AWS's record of it: that record counts, in whichever
/// order they come, and the contradiction is told.
#[tokio::test]
async fn a_summary_that_contradicts_never_counts_in_place_of_the_record() {
    let head = "Event name,Event source,Event time,Event ID,AWS region,Error code";
    let own = event("a", TIME).replacen('{', r#"{"awsRegion":"eu-west-1","#, 1);
    for (row, conflicts) in [
        ("Decrypt,kms.amazonaws.com,TIME,a,eu-west-1,", 0),
        ("Decrypt,s3.amazonaws.com,TIME,a,eu-west-1,", 1),
        ("DeleteKey,kms.amazonaws.com,TIME,a,eu-west-1,", 1),
        ("Decrypt,kms.amazonaws.com,TIME,a,us-east-1,", 1),
        ("Decrypt,kms.amazonaws.com,TIME,a,,AccessDenied", 1),
    ] {
        for order in [["own", "summary"], ["summary", "own"]] {
            let source = tempfile::tempdir().expect("folder");
            let lake = TestLake::new();
            let mut found = 0;
            for name in order {
                match name {
                    "own" => write_records(&source.path().join("1.json.gz"), std::slice::from_ref(&own)),
                    _ => fs_err::write(source.path().join("1.csv"), format!("{head}\n{}\n", row.replace("TIME", TIME)))
                        .expect("file"),
                }
                found += lake.convert(source.path()).await.conflicts;
            }
            assert_eq!(found, conflicts, "{row}, {order:?}");
            let (rows, waiting) = marked_rows(&lake).await;
            let full = ["full", "a", ""].map(str::to_owned);
            let summary = ["summary", "a", "a"].map(str::to_owned);
            let is_duplicate = conflicts == 0 && order[0] == "own";
            let expected = if is_duplicate { vec![full] } else { vec![full, summary] };
            assert_eq!((rows, waiting), (expected, 0), "{row}, {order:?}");
            assert_eq!(lake.findings().await, Vec::<String>::new(), "{row}, {order:?}");
            assert_eq!(lake.convert(source.path()).await.data_files, 0);
        }
    }
}

/// Ends the run at its first commit, as if it was killed there.
struct DiesOnceCommitted;

impl ConvertProgress for DiesOnceCommitted {
    fn planned(&self, _log_files: u64, _bytes: u64) {}
    fn log_file_read(&self, _bytes: u64, _records: u64) {}
    fn committed(&self, _rows: u64) {
        panic!("killed");
    }
}

/// A conversion with a lake handle of its own; true where it did not end before its time.
async fn convert_apart(lake: &Path, source: &Path, run: &str, progress: Arc<dyn ConvertProgress>) -> bool {
    let [lake, source] = [lake, source].map(|path| Location::local(path).expect("location"));
    let options = ConvertOptions::new(vec![Source::Place(source)], run.to_owned(), DateTime::UNIX_EPOCH);
    let conversion = async move {
        let lake = Lake::create_or_open(&lake, &StorageOptions::default(), lake_spec()).await.expect("lake");
        convert(&lake, &options, progress, Arc::new(StopSignal::default())).await.expect("converted");
    };
    let mut runs = JoinSet::new();
    runs.spawn(conversion);
    runs.join_next().await.is_some_and(|run| run.is_ok())
}

/// Level of detail, id and mark of each row, sorted; and how many files await an edit.
async fn marked_rows(lake: &TestLake) -> (Vec<[String; 3]>, usize) {
    let [details, ids, marks] = [
        lake.column(EVENTS, "detail_level").await,
        lake.column(EVENTS, "event_id").await,
        lake.column(EVENTS, "amends_event_id").await,
    ];
    let mut rows: Vec<_> =
        details.into_iter().zip(ids).zip(marks).map(|((detail, id), mark)| [detail, id, mark]).collect();
    rows.sort_unstable();
    let snapshot = lake.open().await.table(EVENTS).snapshot().await.expect("snapshot");
    (rows, snapshot.files().iter().filter(|file| file.awaits_edit).count())
}

#[tokio::test]
async fn marks_that_a_killed_run_left_are_changed_by_the_next() {
    for is_compacted in [false, true] {
        let source = tempfile::tempdir().expect("folder");
        let lake = TestLake::new();
        write_summary(&source.path().join("1.csv"), &["a"]);
        lake.convert(source.path()).await;
        write_records(&source.path().join("2.json.gz"), &[event("a", TIME), event("b", TIME)]);
        assert!(!convert_apart(&lake.path(), source.path(), "killed", Arc::new(DiesOnceCommitted)).await);
        if is_compacted {
            compact(lake.open().await.table(EVENTS), &CompactOptions::default()).await.expect("compacted");
        }
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let left = [row(["full", "a", "a"]), row(["full", "b", ""]), row(["summary", "a", ""])];
        assert_eq!(marked_rows(&lake).await, (left.to_vec(), 1), "compacted: {is_compacted}");
        let next = lake.convert(source.path()).await;
        assert_eq!((next.rows, next.data_files), (0, 0));
        let changed = [row(["full", "a", ""]), row(["full", "b", ""]), row(["summary", "a", "a"])];
        assert_eq!(marked_rows(&lake).await, (changed.to_vec(), 0), "compacted: {is_compacted}");
        assert_eq!(lake.findings().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_at_once_change_all_marks() {
    let source = tempfile::tempdir().expect("folder");
    let lake = TestLake::new();
    let ids: Vec<String> = (0..4).map(|number| format!("e{number}")).collect();
    write_summary(&source.path().join("1.csv"), &ids.iter().map(String::as_str).collect::<Vec<_>>());
    lake.convert(source.path()).await;
    let path = lake.path();
    let folders: Vec<_> = ids.iter().map(|id| source.path().join(id)).collect();
    for (id, folder) in ids.iter().zip(&folders) {
        write_records(&folder.join("2.json.gz"), &[event(id, TIME)]);
    }
    let runs = ids.iter().zip(&folders).map(|(id, folder)| convert_apart(&path, folder, id, Arc::new(NoProgress)));
    assert!(futures::future::join_all(runs).await.into_iter().all(|is_done| is_done));
    let (rows, waiting) = marked_rows(&lake).await;
    assert_eq!(waiting, 0);
    let full = ids.iter().map(|id| ["full", id, ""]);
    let summaries = ids.iter().map(|id| ["summary", id, id]);
    assert_eq!(rows, full.chain(summaries).collect::<Vec<_>>());
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_addendum_names_what_it_amends() {
    let source = tempfile::tempdir().expect("folder");
    let addendum = r#"{"addendum":{"reason":"UPDATED_DATA","updatedFields":"responseElements","originalEventID":"a"},"#;
    let late = r#"{"addendum":{"reason":"DELIVERY_DELAY"},"#;
    let records =
        [event("a", TIME), event("b", TIME).replacen('{', addendum, 1), event("c", TIME).replacen('{', late, 1)];
    write_records(&source.path().join("1.json.gz"), &records);
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.rows, summary.conflicts), (3, 0));
    let mut marks = lake.column(EVENTS, "amends_event_id").await;
    marks.sort_unstable();
    assert_eq!(marks, ["", "", "a"]);
}

/// Many hours, delivered once more in the reverse order, with a deduplicator that may remember next to nothing.
#[tokio::test]
async fn forgotten_hours_are_read_again_from_the_lake() {
    let source = tempfile::tempdir().expect("folder");
    let time = |hour: usize| format!("2024-01-{:02}T{:02}:30:00Z", 1 + hour / 24, hour % 24);
    for hour in 0..60 {
        let records = [event(&format!("e{hour}"), &time(hour)), event(&format!("f{hour}"), &time(hour))];
        write_records(&source.path().join(format!("a-{hour:02}.json.gz")), &records);
        write_records(&source.path().join(format!("b-{:02}.json.gz", 99 - hour)), &records);
    }
    for workers in [1, 3] {
        let lake = TestLake::new();
        let summary = lake
            .convert_with(source.path(), |options| {
                (options.workers, options.seen_bytes, options.epoch_bytes) = (workers, 0, 1);
            })
            .await;
        assert_eq!((summary.records, summary.rows, summary.duplicates), (240, 120, 120), "{workers} workers");
        assert_eq!(lake.texts().await.len(), 120);
        assert_eq!(lake.findings().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_replaced_object_is_read_again_and_told() {
    let source = tempfile::tempdir().expect("folder");
    let file = source.path().join("1.json.gz");
    write_records(&file, &[event("a", TIME)]);
    let lake = TestLake::new();
    lake.convert(source.path()).await;
    write_records(&file, &[event("a", TIME), event("b", TIME)]);
    let summary = lake.convert(source.path()).await;
    assert_eq!((summary.changed_log_files, summary.rows, summary.duplicates, summary.noted_log_files), (1, 1, 1, 1));
    assert_eq!(lake.findings().await, Vec::<String>::new());
    let notes = lake.column(LOG_FILES, "notes").await;
    assert!(notes.iter().any(|note| note.contains("changed since it was read before")), "{notes:?}");
    assert_eq!(lake.texts().await.len(), 2);
}
