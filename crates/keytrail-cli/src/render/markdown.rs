//! A Markdown table; no cell brings markup, HTML or a link of its own.

use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Head, Renderer, readable, unique_names};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

/// See the module.
pub(crate) struct MarkdownRenderer<'a> {
    out: &'a mut DataWriter,
    head: Head,
}

impl<'a> MarkdownRenderer<'a> {
    pub(crate) fn new(schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        let names: Vec<String> = unique_names(schema).iter().map(|name| escape::markdown(name)).collect();
        let rules = schema.fields().iter().map(|field| if field.data_type().is_numeric() { "--:" } else { "---" });
        let head = format!("| {} |\n| {} |\n", names.join(" | "), rules.collect::<Vec<_>>().join(" | "));
        Self { out, head: Head::new(head) }
    }
}

impl Renderer for MarkdownRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.head.write(self.out)?;
            write!(self.out, "|")?;
            for column in 0..batch.num_columns() {
                write!(self.out, " {} |", escape::markdown(&readable(batch, column, row)?))?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        Ok(self.head.write(self.out)?)
    }
}
