//! Repeating, interrupting and reordering conversions changes nothing about the rows.

use std::path::Path;

use crate::support::{TestLake, event, write_gzip};

/// Three log files: six records, five distinct, two months, one late.
fn trail(root: &Path) {
    let (a, b, c) =
        (event("a", "2024-01-31T23:59:59Z"), event("b", "2024-02-01T00:00:00Z"), event("c", "2024-02-01T00:00:01Z"));
    let (d, e) = (event("d", "2024-01-02T00:00:00Z"), r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}"#);
    for (name, records) in [("one", vec![&a, &b]), ("two", vec![&b, &c]), ("three", vec![&d, &e.to_owned()])] {
        let records = records.into_iter().map(String::as_str).collect::<Vec<_>>().join(",");
        write_gzip(&root.join(format!("{name}.json.gz")), &format!(r#"{{"Records":[{records}]}}"#));
    }
}

#[tokio::test]
async fn a_second_run_adds_nothing() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    let lake = TestLake::new();
    let first = lake.convert(source.path()).await;
    assert_eq!((first.log_files, first.records, first.rows, first.duplicates, first.rejected), (3, 6, 5, 1, 0));
    let (texts, files) = (lake.texts().await, lake.data_files().await);
    assert_eq!(texts.len(), 5);
    let partitions: Vec<_> = files.iter().filter_map(|path| path.rsplit_once('/')).map(|(folder, _)| folder).collect();
    assert_eq!(
        partitions,
        [
            "event_group=kms/event_month=2024-01",
            "event_group=kms/event_month=2024-02",
            "event_group=other/event_month=unknown"
        ]
    );
    let second = lake.convert(source.path()).await;
    assert_eq!((second.log_files, second.known_log_files, second.records, second.rows), (0, 3, 0, 0));
    assert_eq!((lake.texts().await, lake.data_files().await), (texts, files));
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_lake_holds_from_elsewhere_is_a_duplicate() {
    let (source, copy) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    trail(source.path());
    trail(copy.path());
    let lake = TestLake::new();
    lake.convert(source.path()).await;
    let again = lake.convert(copy.path()).await;
    assert_eq!((again.records, again.rows, again.duplicates), (6, 0, 6));
    assert_eq!(lake.texts().await.len(), 5);
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_file_is_read_again() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    let lake = TestLake::new();
    lake.convert(source.path()).await;
    let text =
        format!(r#"{{"Records":[{},{}]}}"#, event("a", "2024-01-31T23:59:59Z"), event("new", "2024-02-03T00:00:00Z"));
    write_gzip(&source.path().join("one.json.gz"), &text);
    let changed = lake.convert(source.path()).await;
    assert_eq!((changed.log_files, changed.rows, changed.duplicates), (1, 1, 1), "`a` is a row already");
    assert_eq!(lake.texts().await.len(), 6);
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn workers_buffers_and_epochs_do_not_matter() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    let mut all = Vec::new();
    for (workers, buffer_bytes, epoch_bytes) in
        [(1, 1, 1), (1, usize::MAX, u64::MAX), (4, 1, u64::MAX), (3, usize::MAX, 1)]
    {
        let lake = TestLake::new();
        let summary = lake
            .convert_with(source.path(), |options| {
                (options.workers, options.buffer_bytes, options.epoch_bytes) = (workers, buffer_bytes, epoch_bytes);
            })
            .await;
        assert_eq!((summary.records, summary.rows, summary.duplicates), (6, 5, 1));
        assert_eq!(lake.findings().await, Vec::<String>::new());
        all.push(lake.texts().await);
    }
    for texts in &all[1..] {
        assert_eq!(*texts, all[0]);
    }
}

#[tokio::test]
async fn bad_input_is_rejected_and_loses_nothing_else() {
    let source = tempfile::tempdir().expect("folder");
    trail(source.path());
    fs_err::write(source.path().join("notes.txt"), "{not a log").expect("file");
    fs_err::write(
        source.path().join("partly.json"),
        format!(r#"{{"Records":[{},{{"a":}},7]}}"#, event("p", "2024-03-01T00:00:00Z")),
    )
    .expect("file");
    fs_err::write(source.path().join("broken.json.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff]).expect("file");
    let lake = TestLake::new();
    let summary = lake.convert(source.path()).await;
    assert_eq!(
        (summary.log_files, summary.records, summary.rows, summary.duplicates, summary.rejected),
        (6, 11, 6, 1, 4)
    );
    assert_eq!(lake.findings().await, Vec::<String>::new());
    let second = lake.convert(source.path()).await;
    assert_eq!(second.known_log_files, 6, "what was rejected is known too");
}
