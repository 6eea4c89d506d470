//! Every format over one batch that is as hostile as logs can be.

use std::io;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::{Format, renderer};
use crate::escape::is_unsafe;
use crate::output::{DataWriter, Destination};

const HOSTILE: &str = "a,\"b\"|<i>\u{1b}[2J\u{202e}\u{9b}31m\r\nx\t\\";

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn rendered(format: Format, batches: &[RecordBatch], destination: Destination) -> Vec<u8> {
    let shared = Shared::default();
    let mut out = DataWriter::stream(Box::new(shared.clone()), destination);
    let mut renderer = renderer(format, &batches[0].schema(), &mut out).expect("a renderer");
    for batch in batches {
        renderer.write_batch(batch).expect("a batch");
    }
    // At its end CSV only tells people how many cells it guarded, which a thousand cases need not.
    let has_rows = batches.iter().any(|batch| batch.num_rows() > 0);
    if !(has_rows && matches!(format, Format::Csv | Format::Tsv)) {
        renderer.finish().expect("an end");
    } else {
        drop(renderer);
    }
    out.finish().expect("flushed");
    let bytes = shared.0.lock().expect("no writer panics");
    bytes.clone()
}

pub(super) fn text(format: Format, batch: &RecordBatch) -> String {
    String::from_utf8(rendered(format, std::slice::from_ref(batch), Destination::Exact)).expect("UTF-8")
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn small() -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None]).with_timezone("UTC");
    batch(vec![
        ("name", Arc::new(StringArray::from(vec![Some("a"), Some("")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(7), None]))),
        ("at", Arc::new(times)),
    ])
}

fn hostile() -> RecordBatch {
    batch(vec![("\u{1b}[31mname", Arc::new(StringArray::from(vec![HOSTILE])) as ArrayRef)])
}

pub(super) const TEXT_FORMATS: [Format; 8] = [
    Format::Table,
    Format::Vertical,
    Format::Csv,
    Format::Tsv,
    Format::Json,
    Format::Ndjson,
    Format::Markdown,
    Format::Html,
];

#[test]
fn formats_look_like_this() {
    let small = small();
    insta::assert_snapshot!(text(Format::Table, &small), @r"
     name |    n | at
    ------+------+----------------------
     a    |    7 | 2023-11-14T22:13:20Z
          | NULL | NULL
    ");
    insta::assert_snapshot!(text(Format::Vertical, &small), @r"
    -[ row 1 ]------------------------------
    name | a
    n    | 7
    at   | 2023-11-14T22:13:20Z
    -[ row 2 ]------------------------------
    name |
    n    | NULL
    at   | NULL
    ");
    insta::assert_snapshot!(text(Format::Csv, &small), @r#"
    name,n,at
    a,7,2023-11-14T22:13:20Z
    "",,
    "#);
    insta::assert_snapshot!(text(Format::Json, &small), @r#"
    [
    {"name":"a","n":7,"at":"2023-11-14T22:13:20Z"},
    {"name":"","n":null,"at":null}
    ]
    "#);
    insta::assert_snapshot!(text(Format::Ndjson, &small), @r#"
    {"name":"a","n":7,"at":"2023-11-14T22:13:20Z"}
    {"name":"","n":null,"at":null}
    "#);
    insta::assert_snapshot!(text(Format::Markdown, &small), @r"
    | name | n | at |
    | --- | --: | --- |
    | a | 7 | 2023-11-14T22:13:20Z |
    |  | NULL | NULL |
    ");
    assert_eq!(text(Format::Tsv, &small), "name\tn\tat\na\t7\t2023-11-14T22:13:20Z\n\t\\N\t\\N\n");
}

#[test]
fn a_terminal_gets_no_control_sequence_from_data_in_any_format() {
    for format in TEXT_FORMATS {
        for width in [20, 200] {
            let shown = rendered(format, &[hostile()], Destination::Terminal { width });
            let shown = String::from_utf8(shown).expect("UTF-8");
            let found = shown.chars().find(|c| is_unsafe(*c) && !matches!(c, '\n' | '\t'));
            assert_eq!(found, None, "{format:?}: {shown:?}");
        }
    }
}

#[test]
fn people_s_formats_are_safe_in_files_too() {
    for format in [Format::Table, Format::Vertical, Format::Json, Format::Ndjson, Format::Markdown, Format::Html] {
        let shown = text(format, &hostile());
        assert!(!shown.contains(|c| is_unsafe(c) && c != '\n'), "{format:?}: {shown:?}");
    }
    assert!(!text(Format::Html, &hostile()).contains("<i>"));
}

#[test]
fn data_formats_are_exact() {
    let quoted = HOSTILE.replace('"', "\"\"");
    assert_eq!(text(Format::Csv, &hostile()), format!("\u{1b}[31mname\n\"{quoted}\"\n"));
    let tsv = HOSTILE.replace('\\', "\\\\").replace('\t', "\\t").replace('\r', "\\r").replace('\n', "\\n");
    assert_eq!(text(Format::Tsv, &hostile()), format!("\u{1b}[31mname\n{tsv}\n"));
    let rows: serde_json::Value = serde_json::from_str(&text(Format::Json, &hostile())).expect("JSON");
    assert_eq!(rows[0]["\u{1b}[31mname"], HOSTILE);
}

#[test]
fn an_empty_result_has_its_header() {
    let empty = small().slice(0, 0);
    assert_eq!(text(Format::Csv, &empty), "name,n,at\n");
    assert_eq!(text(Format::Json, &empty), "[]\n");
    assert_eq!(text(Format::Ndjson, &empty), "");
    assert!(text(Format::Table, &empty).starts_with(" name | n | at"));
    assert!(text(Format::Html, &empty).contains("<th>at</th>"));
}

#[test]
fn columns_of_one_name_are_told_apart() {
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let twice = batch(vec![("x", one.clone()), ("x_2", one.clone()), ("x", one)]);
    assert_eq!(text(Format::Csv, &twice), "x,x_2,x_3\n1,1,1\n");
}

#[test]
fn binary_formats_hold_the_rows() {
    let batches = [small(), small()];
    let parquet = rendered(Format::Parquet, &batches, Destination::Exact);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.parquet");
    fs_err::write(&path, parquet).expect("a file");
    let file = std::fs::File::from(fs_err::File::open(&path).expect("a file"));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).expect("Parquet");
    assert_eq!(reader.map(|batch| batch.expect("a batch").num_rows()).sum::<usize>(), 4);

    let arrow = rendered(Format::Arrow, &batches, Destination::Exact);
    let reader = arrow_ipc::reader::FileReader::try_new(io::Cursor::new(arrow), None).expect("Arrow");
    let read: Vec<_> = reader.map(|batch| batch.expect("a batch")).collect();
    assert_eq!(read, batches);
}

#[test]
fn binary_formats_do_not_go_to_a_terminal() {
    for format in [Format::Parquet, Format::Arrow] {
        let mut out = DataWriter::stream(Box::new(io::sink()), Destination::Terminal { width: 80 });
        assert!(renderer(format, &small().schema(), &mut out).is_err());
    }
}

#[test]
fn a_table_keeps_every_value_whole() {
    let long = "x".repeat(500);
    let rows = batch(vec![
        ("a", Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef),
        ("b", Arc::new(StringArray::from(vec!["y"])) as ArrayRef),
    ]);
    let narrow = rendered(Format::Table, std::slice::from_ref(&rows), Destination::Terminal { width: 60 });
    let narrow = String::from_utf8(narrow).expect("UTF-8");
    assert_eq!(narrow.matches('x').count(), 500);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(text(Format::Table, &rows).contains(&long));
}

#[test]
fn too_many_columns_for_a_terminal_are_shown_vertically() {
    let wide = StringArray::from(vec!["a rather long value that needs room"]);
    let names: Vec<String> = (0..12).map(|n| format!("column_{n}")).collect();
    let columns = names.iter().map(|name| (name.as_str(), Arc::new(wide.clone()) as ArrayRef)).collect();
    let shown = rendered(Format::Table, &[batch(columns)], Destination::Terminal { width: 80 });
    assert!(shown.starts_with(b"-[ row 1 ]"));
}

#[test]
fn later_chunks_line_up_with_the_first() {
    let numbers = |count: i64| batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef)]);
    let shown = rendered(Format::Table, &[numbers(1_500), numbers(3)], Destination::Exact);
    let shown = String::from_utf8(shown).expect("UTF-8");
    assert_eq!(shown.lines().count(), 2 + 1_503);
    assert_eq!(shown.matches(" n").count(), 1);
    assert!(shown.contains("\n 1499\n    0\n"), "{shown}");
}
