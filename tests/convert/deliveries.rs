//! One event, many deliveries: repeated, changed, amended, with more or less detail, across runs and hours.

use keytrail_convert::{EVENTS, LOG_FILES};

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
        let others = [["b", "full", ""], ["b", "full", "b"]];
        let expected = match first == &summary {
            true => [&[["a", "full", ""], ["a", "summary", "a"]][..], &others].concat(),
            false => [&[["a", "full", ""]][..], &others].concat(),
        };
        assert_eq!(rows, expected, "{case}");
        assert_eq!(lake.findings().await, Vec::<String>::new(), "{case}");
        let again = lake.convert(source.path()).await;
        assert_eq!((again.rows, again.data_files), (0, 0), "{case}");
    }
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
