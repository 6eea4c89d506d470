//! JSON arrays and JSON lines: one object per row, members in column order, nulls written out.
//!
//! Control and direction characters in text are `\u` escapes, so the output is safe to look at and still exact. A column of JSON texts, which
//! `->` gives, stands in the object as the JSON that it is.

use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use keytrail_query::is_json_field;

use super::{Renderer, unique_names, value};
use crate::errors::CliError;
use crate::escape::{push_json_string, push_json_text};
use crate::output::DataWriter;

/// What stands around the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One array.
    Array,
    /// Nothing: one object per line.
    Lines,
}

/// See the module.
pub(crate) struct JsonRenderer<'a> {
    out: &'a mut DataWriter,
    layout: Layout,
    /// `"name":` of each column.
    members: Vec<String>,
    /// Whether the texts of each column are JSON.
    is_json: Vec<bool>,
    line: String,
    has_rows: bool,
}

impl<'a> JsonRenderer<'a> {
    pub(crate) fn new(layout: Layout, schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        let member = |name: &String| {
            let mut member = String::new();
            push_json_string(&mut member, name);
            member + ":"
        };
        let members = unique_names(schema).iter().map(member).collect();
        let is_json = schema.fields().iter().map(|field| is_json_field(field)).collect();
        Self { out, layout, members, is_json, line: String::new(), has_rows: false }
    }

    fn separator(&self) -> &'static str {
        match (self.layout, self.has_rows) {
            (Layout::Array, false) => "[\n",
            (Layout::Array, true) => ",\n",
            (Layout::Lines, false) => "",
            (Layout::Lines, true) => "\n",
        }
    }
}

impl Renderer for JsonRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.line.clear();
            self.line.push_str(self.separator());
            self.line.push('{');
            for (column, member) in self.members.iter().enumerate() {
                if column > 0 {
                    self.line.push(',');
                }
                self.line.push_str(member);
                let array = batch.column(column).as_ref();
                match self.is_json[column].then(|| value::text(array, row)).transpose()?.flatten() {
                    Some(json) => push_json_text(&mut self.line, &json),
                    None => value::push_json(&mut self.line, array, row)?,
                }
            }
            self.line.push('}');
            self.out.write_all(self.line.as_bytes())?;
            self.has_rows = true;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        let end = match (self.layout, self.has_rows) {
            (Layout::Array, false) => "[]\n",
            (Layout::Array, true) => "\n]\n",
            (Layout::Lines, false) => "",
            (Layout::Lines, true) => "\n",
        };
        self.out.write_all(end.as_bytes())?;
        Ok(())
    }
}
