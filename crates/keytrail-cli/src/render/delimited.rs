//! CSV and TSV: exact in a pipe and a file, escaped on a terminal, and without a cell that a spreadsheet would run.
//!
//! A spreadsheet takes a text that begins with `=`, `+`, `-`, `@` or a blank of another kind for a formula, and logs are
//! full of texts that strangers chose. Such a text gets an apostrophe in front, which spreadsheets take for "what follows
//! is text"; so does one that has apostrophes in front of such a text, so that taking one away gives every text back.
//! Numbers and spans of time stay as they are. A note tells how many cells were changed; [`Dialect::raw`] changes none.

use std::borrow::Cow;
use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};

use super::{Head, Renderer, unique_names, value};
use crate::errors::CliError;
use crate::escape;
use crate::output::{self, DataWriter, Destination};

/// What sets the formats apart.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    separator: char,
    null: &'static str,
    quote: fn(&str) -> Cow<'_, str>,
    guard: Guard,
}

/// What becomes of texts that a spreadsheet would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// An apostrophe goes in front of them.
    Apostrophe,
    /// They stay as they are.
    None,
}

/// RFC 4180 with `\n` as line end.
pub(crate) const CSV: Dialect = Dialect { separator: ',', null: "", quote: quote_csv, guard: Guard::Apostrophe };
/// Tab-separated with backslash escapes.
pub(crate) const TSV: Dialect = Dialect { separator: '\t', null: "\\N", quote: escape_tsv, guard: Guard::Apostrophe };

impl Dialect {
    /// The same with every text as it is.
    pub(crate) const fn raw(self) -> Self {
        Self { guard: Guard::None, ..self }
    }
}

/// See the module.
pub(crate) struct DelimitedRenderer<'a> {
    out: &'a mut DataWriter,
    dialect: Dialect,
    head: Head,
    line: String,
    /// Cells with an apostrophe that is not theirs.
    guarded_count: u64,
}

impl<'a> DelimitedRenderer<'a> {
    pub(crate) fn new(dialect: Dialect, schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        let mut renderer = Self { out, dialect, head: Head(None), line: String::new(), guarded_count: 0 };
        for (column, name) in unique_names(schema).iter().enumerate() {
            renderer.push_cell(column, Some(name), dialect.guard);
        }
        renderer.line.push('\n');
        renderer.head = Head::new(shown(&renderer.line, renderer.out.destination()).into_owned());
        renderer.line.clear();
        renderer
    }

    fn push_cell(&mut self, column: usize, text: Option<&str>, guard: Guard) {
        if column > 0 {
            self.line.push(self.dialect.separator);
        }
        let Some(text) = text else {
            self.line.push_str(self.dialect.null);
            return;
        };
        if guard == Guard::Apostrophe && is_formula(text) {
            self.guarded_count += 1;
            self.line.push_str(&(self.dialect.quote)(&format!("'{text}")));
        } else {
            self.line.push_str(&(self.dialect.quote)(text));
        }
    }

    fn write_line(&mut self) -> Result<(), CliError> {
        self.line.push('\n');
        self.out.write_all(shown(&self.line, self.out.destination()).as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

/// The text that goes to `destination`.
fn shown(line: &str, destination: Destination) -> Cow<'_, str> {
    if destination.is_terminal() { escape::delimited(line) } else { Cow::Borrowed(line) }
}

impl Renderer for DelimitedRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.head.write(self.out)?;
            for (column, array) in batch.columns().iter().enumerate() {
                let text = value::text(array.as_ref(), row)?;
                // A span of time may be below zero; nobody wrote it.
                let is_span = matches!(array.data_type(), DataType::Duration(_) | DataType::Interval(_));
                self.push_cell(column, text.as_deref(), if is_span { Guard::None } else { self.dialect.guard });
            }
            self.write_line()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        self.head.write(self.out)?;
        if self.guarded_count > 0 {
            let (cells, them) = match self.guarded_count {
                1 => ("one cell".to_owned(), "it as it is"),
                count => (format!("{count} cells"), "them as they are"),
            };
            output::warning(format!(
                "a spreadsheet would run the text of {cells}, which got an apostrophe in front; `--csv-raw` leaves {them}"
            ));
        }
        Ok(())
    }
}

/// True for a text that a spreadsheet runs, and for one with apostrophes in front of such a text.
fn is_formula(text: &str) -> bool {
    let text = text.trim_start_matches('\'');
    let begins_one = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    begins_one && !is_number(text)
}

/// True for a text with a part that is run where spreadsheets split cells at semicolons or tabs, unless they are quoted.
fn hides_formula(text: &str) -> bool {
    text.split([';', '\t']).skip(1).any(is_formula)
}

/// A number as spreadsheets show it, or a sign alone.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    text.len() > digits.len()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.matches('.').count() <= 1
}

fn quote_csv(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) || hides_formula(text) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

fn escape_tsv(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '\t', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_told_from_numbers_and_words() {
        for text in [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "'=1",
            "''@x",
            "-1.2.3",
            "-x",
        ] {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "-", "+", "-1", "+49", "-0.5", "a=1", "'a", "1-2", "[-1]", "é@x", " =1"] {
            assert!(!is_formula(text), "{text:?}");
        }
        assert!(hides_formula("a;=b") && hides_formula("a\t@b") && !hides_formula("a; b;-1"));
    }
}
