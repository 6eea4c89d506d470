//! CSV and TSV: exact values for programs, made harmless only when a terminal shows them.
//!
//! CSV keeps null and empty text apart (nothing and `""`); TSV writes null as `\N`. Cells that a spreadsheet would run
//! as a formula are left as they are: this is data, not a spreadsheet.

use std::borrow::Cow;
use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Renderer, unique_names, value};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

/// What sets the two formats apart.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    separator: char,
    null: &'static str,
    quote: fn(&str) -> Cow<'_, str>,
}

/// RFC 4180 with `\n` as line end.
pub(crate) const CSV: Dialect = Dialect { separator: ',', null: "", quote: quote_csv };
/// Tab-separated with backslash escapes.
pub(crate) const TSV: Dialect = Dialect { separator: '\t', null: "\\N", quote: escape_tsv };

/// See the module.
pub(crate) struct DelimitedRenderer<'a> {
    out: &'a mut DataWriter,
    dialect: Dialect,
    line: String,
}

impl<'a> DelimitedRenderer<'a> {
    pub(crate) fn try_new(dialect: Dialect, schema: &SchemaRef, out: &'a mut DataWriter) -> Result<Self, CliError> {
        let mut renderer = Self { out, dialect, line: String::new() };
        for (column, name) in unique_names(schema).iter().enumerate() {
            renderer.push_cell(column, Some(name));
        }
        renderer.write_line()?;
        Ok(renderer)
    }

    fn push_cell(&mut self, column: usize, text: Option<&str>) {
        if column > 0 {
            self.line.push(self.dialect.separator);
        }
        match text {
            Some(text) => self.line.push_str(&(self.dialect.quote)(text)),
            None => self.line.push_str(self.dialect.null),
        }
    }

    fn write_line(&mut self) -> Result<(), CliError> {
        self.line.push('\n');
        if self.out.destination().is_terminal() {
            self.out.write_all(escape::delimited(&self.line).as_bytes())?;
        } else {
            self.out.write_all(self.line.as_bytes())?;
        }
        self.line.clear();
        Ok(())
    }
}

impl Renderer for DelimitedRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            for (column, array) in batch.columns().iter().enumerate() {
                let text = value::text(array.as_ref(), row)?;
                self.push_cell(column, text.as_deref());
            }
            self.write_line()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        Ok(())
    }
}

fn quote_csv(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
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
