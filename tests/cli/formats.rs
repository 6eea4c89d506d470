//! What goes out in a format comes back the same: types, nulls, times, large numbers, maps, hostile texts.

use arrow_array::RecordBatch;
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// One row with every type that a lake's columns and views have, and one of nulls.
const ROWS: &str = r#"
select * from (
  select
    1 as row,
    9007199254740993 as big,
    cast('-9223372036854775808' as bigint) as least,
    cast(0.1 as double) as tenth,
    true as yes,
    'a,"b"' || chr(10) || chr(9) || chr(92) || 'é|<i>' as text,
    '' as empty,
    arrow_cast('2024-01-31T06:00:00.123456Z', 'Timestamp(Microsecond, Some("UTC"))') as at,
    date '2024-01-31' as day,
    map(['k', 'é"'], ['v', '']) as context
  union all
  select 2, null, null, null, null, null, null, null, null, null
) order by row
"#;

/// The first row in the texts of the formats for data.
const TEXTS: [&str; 10] = [
    "1",
    "9007199254740993",
    "-9223372036854775808",
    "0.1",
    "true",
    "a,\"b\"\n\t\\é|<i>",
    "",
    "2024-01-31T06:00:00.123456Z",
    "2024-01-31",
    "{\"k\":\"v\",\"é\\\"\":\"\"}",
];

fn written(sandbox: &Sandbox, format: &str) -> String {
    let name = format!("rows.{format}");
    let run = sandbox.finish(sandbox.keytrail(["sql", "--format", format, "-o", &name, "-c", ROWS]), "");
    assert_eq!((run.code(), run.stderr.as_str()), (Some(0), ""), "{format}: {run}");
    name
}

fn expected_json() -> Value {
    json!([
        {"row": 1, "big": 9_007_199_254_740_993_i64, "least": i64::MIN, "tenth": 0.1, "yes": true,
         "text": TEXTS[5], "empty": "", "at": TEXTS[7], "day": TEXTS[8], "context": {"k": "v", "é\"": ""}},
        {"row": 2, "big": null, "least": null, "tenth": null, "yes": null,
         "text": null, "empty": null, "at": null, "day": null, "context": null},
    ])
}

#[test]
fn csv_comes_back() {
    let sandbox = Sandbox::new();
    let text = sandbox.read(&written(&sandbox, "csv"));
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows[0], csv::StringRecord::from(TEXTS.to_vec()));
    // Null and empty are told apart by quotes, which readers of CSV do not hand on.
    assert!(text.contains(",\"\",2024-01-31T"), "{text}");
    assert!(text.ends_with("\n2,,,,,,,,,\n"), "{text}");
}

#[test]
fn tsv_comes_back() {
    let sandbox = Sandbox::new();
    let text = sandbox.read(&written(&sandbox, "tsv"));
    let rows: Vec<Vec<String>> = text.lines().map(|line| line.split('\t').map(unescaped).collect()).collect();
    assert_eq!(rows[1], TEXTS);
    assert!(text.ends_with(&format!("\n2{}\n", "\t\\N".repeat(9))), "{text}");
}

fn unescaped(cell: &str) -> String {
    let mut text = String::new();
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, false) => text.push(character),
            (_, true) => match characters.next().expect("an escape has a character") {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
        }
    }
    text
}

#[test]
fn json_comes_back() {
    let sandbox = Sandbox::new();
    let array = sandbox.read(&written(&sandbox, "json"));
    assert_eq!(serde_json::from_str::<Value>(&array).expect("JSON"), expected_json());
    let lines = sandbox.read(&written(&sandbox, "ndjson"));
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(Value::from(rows), expected_json());
}

#[test]
fn an_interval_that_parquet_cannot_hold_is_told_with_what_to_write() {
    let sandbox = Sandbox::new();
    let write = |format: &str, value: &str| {
        sandbox.run(&format!("keytrail sql --format {format} -o out.{format} -c \"select {value} as span\""))
    };
    for value in ["interval '1 day'", "[interval '1 month']", "named_struct('a', interval '1 day')"] {
        let run = write("parquet", value);
        assert_eq!(run.code(), Some(2), "{run}");
        assert!(run.stderr.contains("intervals of a column: `span`") && run.stderr.contains("hint: "), "{run}");
    }
    for value in ["date_part('epoch', interval '1 day')", "interval '1 day'::text"] {
        assert_eq!(write("parquet", value).code(), Some(0), "{value}");
    }
    assert_eq!(write("arrow", "interval '1 day'").code(), Some(0));
}

#[test]
fn parquet_and_arrow_keep_types_and_come_back() {
    let sandbox = Sandbox::new();
    let parquet = std::fs::File::from(fs_err::File::open(sandbox.path(written(&sandbox, "parquet"))).expect("a file"));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(parquet).expect("Parquet");
    let from_parquet: Vec<RecordBatch> = reader.build().expect("Parquet").map(|batch| batch.expect("rows")).collect();
    let arrow = fs_err::File::open(sandbox.path(written(&sandbox, "arrow"))).expect("a file");
    let reader = arrow_ipc::reader::FileReader::try_new(arrow, None).expect("Arrow");
    let from_arrow: Vec<RecordBatch> = reader.map(|batch| batch.expect("rows")).collect();
    for batches in [&from_parquet, &from_arrow] {
        let schema = batches[0].schema();
        let type_of = |name: &str| schema.field_with_name(name).expect("a column").data_type().clone();
        assert_eq!(type_of("big"), DataType::Int64);
        assert_eq!(type_of("tenth"), DataType::Float64);
        assert_eq!(type_of("yes"), DataType::Boolean);
        assert_eq!(type_of("day"), DataType::Date32);
        assert_eq!(type_of("at"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        assert!(matches!(type_of("text"), DataType::Utf8 | DataType::Utf8View), "{}", type_of("text"));
        assert!(matches!(type_of("context"), DataType::Map(..)), "{}", type_of("context"));
    }
    assert_eq!(from_parquet.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    // Read as a table of the command's own, the rows are those that were written.
    let again =
        sandbox.run("keytrail sql --format json --attach t=rows.parquet -c 'select * from t order by row'").data();
    assert_eq!(serde_json::from_str::<Value>(&again).expect("JSON"), expected_json());
}

#[test]
fn pages_for_people_show_every_value_without_its_markup() {
    let sandbox = Sandbox::new();
    let html = sandbox.read(&written(&sandbox, "html"));
    let markdown = sandbox.read(&written(&sandbox, "markdown"));
    for page in [&html, &markdown] {
        for text in ["9007199254740993", "-9223372036854775808", "2024-01-31T06:00:00.123456Z", "NULL", "&lt;i&gt;"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("<i>"), "{page}");
    }
    for word in ["<script", "http://", "https://", "javascript:", "onload"] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("Content-Security-Policy"));
    assert!(markdown.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{markdown}");
}

#[test]
fn no_cell_is_run_by_a_spreadsheet_unless_asked() {
    let sandbox = Sandbox::new();
    let sql = "select '=1+1' as \"@name\", '+cmd' as b, '-2+3' as c, '''=x' as d, '-5' as e, -5 as f, 'a;=b' as g";
    let run = |arguments: &[&str]| {
        let arguments = [&["sql", "-c", sql][..], arguments].concat();
        sandbox.finish(sandbox.keytrail(arguments), "")
    };
    insta::assert_snapshot!(run(&[]), @r#"
    exit 0
    -- stdout
    '@name,b,c,d,e,f,g
    '=1+1,'+cmd,'-2+3,''=x,-5,-5,"a;=b"
    -- stderr
    note: a spreadsheet would run the text of 5 cells, which got an apostrophe in front; `--csv-raw` leaves them as they are
    "#);
    let tsv = "'@name\tb\tc\td\te\tf\tg\n'=1+1\t'+cmd\t'-2+3\t''=x\t-5\t-5\ta;=b\n";
    assert_eq!(run(&["--format", "tsv"]).data(), tsv);
    let raw = run(&["--csv-raw"]);
    assert_eq!(raw.stderr, "");
    assert_eq!(raw.data(), "@name,b,c,d,e,f,g\n=1+1,+cmd,-2+3,'=x,-5,-5,\"a;=b\"\n");
    assert_eq!(
        run(&["--csv-raw", "--format", "tsv"]).data(),
        "@name\tb\tc\td\te\tf\tg\n=1+1\t+cmd\t-2+3\t'=x\t-5\t-5\ta;=b\n"
    );
    // Taking one apostrophe away gives every text back.
    let guarded = run(&[]).stdout;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(guarded.as_bytes());
    let rows: Vec<Vec<String>> =
        reader.records().map(|row| row.expect("a row").iter().map(unguarded).collect()).collect();
    assert_eq!(rows[1], ["=1+1", "+cmd", "-2+3", "'=x", "-5", "-5", "a;=b"]);
}

/// What the documentation tells readers to do.
fn unguarded(cell: &str) -> String {
    let is_guarded = cell.starts_with('\'') && cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@']);
    cell[usize::from(is_guarded)..].to_owned()
}

#[test]
fn a_statement_that_fails_before_its_first_row_writes_nothing() {
    let sandbox = Sandbox::new();
    for format in ["table", "vertical", "csv", "tsv", "json", "ndjson", "markdown", "html"] {
        let run = sandbox.run(&format!("keytrail sql --format {format} -c 'select 1/0 as a'"));
        assert_eq!((run.code(), run.stdout.as_str()), (Some(2), ""), "{format}: {run}");
    }
    for (format, head) in [("csv", "a\n"), ("tsv", "a\n"), ("markdown", "| a |\n| --: |\n")] {
        let run = sandbox.run(&format!("keytrail sql --format {format} -c 'select 1 as a where false'"));
        assert_eq!(run.data(), head, "{format}");
    }
}

/// JSON that `->` gives is JSON text, also in files of typed columns.
#[test]
fn json_is_written_in_every_format() {
    let sandbox = Sandbox::new();
    let write = |format: &str| {
        let sql =
            r#"select '{"a":{"b":[1, "x"]},"n":1.5}' -> 'a' as j, '{"a":"é"}' -> 'a' as t, '{}' -> 'a' as nothing"#;
        let name = format!("json.{format}");
        let run = sandbox.finish(sandbox.keytrail(["sql", "--format", format, "-o", &name, "-c", sql]), "");
        assert_eq!((run.code(), run.stderr.as_str()), (Some(0), ""), "{format}: {run}");
        name
    };
    assert_eq!(sandbox.read(&write("ndjson")), "{\"j\":{\"b\":[1, \"x\"]},\"t\":\"é\",\"nothing\":null}\n");
    assert_eq!(sandbox.read(&write("csv")), "j,t,nothing\n\"{\"\"b\"\":[1, \"\"x\"\"]}\",\"\"\"é\"\"\",\n");
    write("arrow");
    let parquet = write("parquet");
    let run = sandbox.run(&format!("keytrail sql --attach p={parquet} -c \"select j -> 'b' ->> 1 as x, t from p\""));
    assert_eq!(run.data(), "x,t\nx,\"\"\"é\"\"\"\n");
}

#[test]
fn spans_of_time_are_words_in_every_text() {
    let sandbox = Sandbox::new();
    let sql = "select timestamp '2026-01-05 10:00:07' - timestamp '2026-01-01' as span, timestamp '2026-01-01' - timestamp '2026-01-01 00:11:51' as back, interval '1 month 2 days' as written";
    let run = sandbox.finish(sandbox.keytrail(["sql", "-c", sql]), "");
    assert_eq!(run.stderr, "", "{run}");
    assert_eq!(
        run.data(),
        "span,back,written\n4 days 10 hours 0 mins 7 secs,0 days 0 hours -11 mins -51 secs,1 mons 2 days\n"
    );
}
