//! One line per value: for rows that are wider than any terminal.
//!
//! A value stays on its line whatever its length; the terminal wraps it.

use std::io::{self, Write as _};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Renderer, readable, unique_names};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

/// See the module.
pub(crate) struct VerticalRenderer<'a> {
    out: &'a mut DataWriter,
    rows: VerticalRows,
}

impl<'a> VerticalRenderer<'a> {
    pub(crate) fn new(schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        Self { out, rows: VerticalRows::new(unique_names(schema).iter().map(|name| escape::line(name).into_owned())) }
    }
}

impl Renderer for VerticalRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            let texts = (0..batch.num_columns()).map(|column| readable(batch, column, row));
            let cells: Result<Vec<String>, _> =
                texts.map(|text| text.map(|text| escape::line(&text).into_owned())).collect();
            self.rows.write(&[cells?], self.out)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        Ok(())
    }
}

/// Writes rows of escaped texts under their column names and numbers them from 1.
pub(crate) struct VerticalRows {
    names: Vec<String>,
    written: usize,
}

impl VerticalRows {
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Self {
        let names: Vec<String> = names.collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { names: names.iter().map(|name| format!("{name:width$}")).collect(), written: 0 }
    }

    pub(crate) fn write(&mut self, rows: &[Vec<String>], out: &mut DataWriter) -> io::Result<()> {
        for row in rows {
            self.written += 1;
            writeln!(out, "{:-<40}", format!("-[ row {} ]", self.written))?;
            for (name, text) in self.names.iter().zip(row) {
                writeln!(out, "{}", format!("{name} | {text}").trim_end())?;
            }
        }
        Ok(())
    }
}
