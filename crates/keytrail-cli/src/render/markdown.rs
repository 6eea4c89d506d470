//! A Markdown table; no cell brings markup, HTML or a link of its own.

use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Renderer, readable, unique_names};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

/// See the module.
pub(crate) struct MarkdownRenderer<'a> {
    out: &'a mut DataWriter,
}

impl<'a> MarkdownRenderer<'a> {
    pub(crate) fn try_new(schema: &SchemaRef, out: &'a mut DataWriter) -> Result<Self, CliError> {
        let names: Vec<String> = unique_names(schema).iter().map(|name| escape::markdown(name)).collect();
        let rules = schema.fields().iter().map(|field| if field.data_type().is_numeric() { "--:" } else { "---" });
        writeln!(out, "| {} |", names.join(" | "))?;
        writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "))?;
        Ok(Self { out })
    }
}

impl Renderer for MarkdownRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            write!(self.out, "|")?;
            for column in 0..batch.num_columns() {
                write!(self.out, " {} |", escape::markdown(&readable(batch, column, row)?))?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        Ok(())
    }
}
