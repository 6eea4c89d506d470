//! A self-contained HTML page with one table: no script, no outside address, every value escaped.

use std::io::Write as _;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{Head, Renderer, unique_names, value};
use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>keytrail</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
table { border-collapse: collapse; }
th, td { border: 1px solid #bbb; padding: .2em .6em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; position: sticky; top: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.null { color: #888; font-style: italic; }
</style>
</head>
<body>
<table>
<thead>
";

/// See the module.
pub(crate) struct HtmlRenderer<'a> {
    out: &'a mut DataWriter,
    head: Head,
}

impl<'a> HtmlRenderer<'a> {
    pub(crate) fn new(schema: &SchemaRef, out: &'a mut DataWriter) -> Self {
        let headings = unique_names(schema).into_iter().map(|name| format!("<th>{}</th>", escape::html(&name)));
        let head = format!("{HEAD}<tr>{}</tr>\n</thead>\n<tbody>\n", headings.collect::<String>());
        Self { out, head: Head::new(head) }
    }
}

impl Renderer for HtmlRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        for row in 0..batch.num_rows() {
            self.head.write(self.out)?;
            write!(self.out, "<tr>")?;
            for array in batch.columns() {
                match value::text(array.as_ref(), row)? {
                    None => write!(self.out, "<td class=\"null\">NULL</td>")?,
                    Some(text) if array.data_type().is_numeric() => {
                        write!(self.out, "<td class=\"number\">{}</td>", escape::html(&text))?;
                    }
                    Some(text) => write!(self.out, "<td>{}</td>", escape::html(&text))?,
                }
            }
            writeln!(self.out, "</tr>")?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        self.head.write(self.out)?;
        writeln!(self.out, "</tbody>\n</table>\n</body>\n</html>")?;
        Ok(())
    }
}
