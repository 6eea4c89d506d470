//! Any text in any cell and any name, in every format: what is exact is read back by a library, what is for people has nothing that a
//! terminal, a browser or a spreadsheet would act on.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use proptest::prelude::*;

use super::Format;
use super::tests::{TEXT_FORMATS, batch, rendered, text};
use crate::output::Destination;

/// Texts that are likely to break something, and any other.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\u{1b}[2J\u{1b}]0;x\u{7}".to_owned()),
        Just("\u{202e}\u{2066}\u{200b}\u{feff}".to_owned()),
        Just("\r\n\t\u{0}\u{9b}\u{7f}".to_owned()),
        Just("'=+-@|,;\"\\`".to_owned()),
        Just("<script>&amp;</td>".to_owned()),
        Just("[x](javascript:y) ![z](w)".to_owned()),
        Just("\u{ff1d}\u{ff0b}".to_owned()),
        Just("e\u{301}\u{1f469}\u{200d}\u{1f4bb}\u{6f22}\u{5b57}".to_owned()),
        any::<String>(),
        "[=+@'-][ -~]{0,9}",
    ];
    prop::collection::vec(pieces, 0..4).prop_map(|pieces| pieces.concat())
}

/// Rows of two columns of any names.
fn any_batch() -> impl Strategy<Value = RecordBatch> {
    let rows = prop::collection::vec((prop::option::of(any_text()), prop::option::of(any_text())), 0..6);
    (any_text(), any_text(), rows).prop_map(|(first, second, rows)| {
        let (left, right): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let column = |values: Vec<Option<String>>| Arc::new(StringArray::from(values)) as ArrayRef;
        // The names of a result are its own.
        let second = if first == second { format!("{second}2") } else { second };
        batch(vec![(first.as_str(), column(left)), (second.as_str(), column(right))])
    })
}

fn cells(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let column = |index: usize| batch.column(index).as_any().downcast_ref::<StringArray>().expect("texts");
    let cell = |index: usize, row: usize| {
        Some(column(index))
            .filter(|texts| !arrow_array::Array::is_null(texts, row))
            .map(|texts| texts.value(row).to_owned())
    };
    (0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|index| cell(index, row)).collect()).collect()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// The cells of a CSV text; the header is the first row.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.records().map(|record| record.expect("CSV").iter().map(str::to_owned).collect()).collect()
}

/// Control characters, and those that change the direction of text (Unicode's `Bidi_Control`).
fn steers_a_terminal(character: char) -> bool {
    let is_direction = [0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069];
    character.is_control() || is_direction.contains(&u32::from(character))
}

/// Whether a spreadsheet takes a cell for a formula; a number with its sign is none.
fn is_run_by_a_spreadsheet(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
        && !matches!(cell, "+" | "-" | "+." | "-.")
        && cell.parse::<f64>().is_err()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_terminal_is_never_told_to_do_anything(batch in any_batch(), width in 1..120_u16) {
        for format in TEXT_FORMATS {
            let shown = rendered(format, std::slice::from_ref(&batch), Destination::Terminal { width });
            let shown = String::from_utf8(shown).expect("UTF-8");
            let found = shown.chars().find(|c| steers_a_terminal(*c) && !matches!(c, '\n' | '\t'));
            prop_assert_eq!(found, None, "{:?}: {:?}", format, shown);
        }
    }

    #[test]
    fn raw_csv_is_exact(batch in any_batch()) {
        let found = read_csv(&text(Format::Csv.raw(), &batch));
        prop_assert_eq!(&found[0], &names(&batch));
        // An empty text and null differ in their quotes, which a reader of CSV does not tell.
        let expected: Vec<Vec<String>> =
            cells(&batch).into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect();
        prop_assert_eq!(&found[1..], &expected);
    }

    #[test]
    fn no_cell_of_csv_is_run_and_each_gives_its_text_back(batch in any_batch()) {
        let found = read_csv(&text(Format::Csv, &batch));
        let expected: Vec<Vec<String>> =
            cells(&batch).into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect();
        for (cell, expected) in found.iter().flatten().zip(names(&batch).iter().chain(expected.iter().flatten())) {
            prop_assert!(!is_run_by_a_spreadsheet(cell), "{:?}", cell);
            let is_guarded = cell != expected;
            prop_assert!(!is_guarded || cell.strip_prefix('\'') == Some(expected), "{:?} of {:?}", cell, expected);
        }
    }

    #[test]
    fn json_is_exact(batch in any_batch()) {
        let lines = text(Format::Ndjson, &batch);
        let whole: Vec<serde_json::Value> = serde_json::from_str(&text(Format::Json, &batch)).expect("JSON");
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        prop_assert_eq!(&lines, &whole);
        prop_assert_eq!(lines.len(), batch.num_rows());
        for (line, row) in lines.iter().zip(cells(&batch)) {
            let found: Vec<_> = names(&batch).iter().map(|name| line[name].as_str().map(str::to_owned)).collect();
            prop_assert_eq!(found, row);
        }
    }

    #[test]
    fn markup_has_no_element_of_the_data(batch in any_batch()) {
        let plain = |count: usize| {
            let column = Arc::new(StringArray::from(vec!["x"; count])) as ArrayRef;
            super::tests::batch(vec![("a", Arc::clone(&column)), ("b", column)])
        };
        let html = text(Format::Html, &batch);
        let expected = text(Format::Html, &plain(batch.num_rows()));
        // As many as with harmless texts.
        prop_assert_eq!(html.matches('<').count(), expected.matches('<').count(), "{}", html);
        let markdown = text(Format::Markdown, &batch);
        prop_assert_eq!(markdown.lines().count(), batch.num_rows() + 2, "{}", markdown);
        let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        prop_assert!(markdown.lines().all(|line| bars(line) == 3), "{}", markdown);
    }
}
