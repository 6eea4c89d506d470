//! Rows of `.csv` and `.tsv` files: every cell a text, or null.
//!
//! They are read as keytrail writes them. In CSV a cell may be quoted; an empty one is null, and in quotes an empty text. In TSV nothing is quoted: `\N` is
//! null, an empty cell an empty text, and `\t`, `\n`, `\r` and `\\` stand for what they say. A line without anything is a row where there is one
//! column, and is passed over where there are more.
//!
//! The engine's reader passes over such lines always, knows no escapes, and tells neither the file nor the line of what is wrong.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;
use tokio::task::spawn_blocking;

/// Rows that come at once, at most.
const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of cells after which no more rows are taken to those at hand.
const BATCH_BYTES: usize = 1 << 20;

/// Bytes of the longest row.
const ROW_BYTES: usize = 256 << 20;

/// How cells are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellRules {
    /// RFC 4180, with this between the cells.
    Quoted(u8),
    /// Tabs between the cells, and backslashes before what they cannot hold.
    Escaped,
}

impl CellRules {
    fn separator(self) -> u8 {
        match self {
            Self::Quoted(separator) => separator,
            Self::Escaped => b'\t',
        }
    }
}

/// The table over an open file.
///
/// # Errors
/// When the file's first line cannot be read.
pub(super) fn table(file: Arc<File>, name: String, rules: CellRules) -> Result<Arc<dyn TableProvider>> {
    let mut rows = Rows::new(Arc::clone(&file), &name, rules);
    let names = rows.names()?;
    let columns = names.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(columns));
    let cells = Cells { file, name, rules, schema: Arc::clone(&schema) };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(cells)])?))
}

/// The file's rows, read anew for each scan.
#[derive(Debug)]
struct Cells {
    file: Arc<File>,
    name: String,
    rules: CellRules,
    schema: SchemaRef,
}

impl PartitionStream for Cells {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let rows = Rows::new(Arc::clone(&self.file), &self.name, self.rules);
        let batches = stream::try_unfold((rows, false), move |(mut rows, is_begun)| {
            let schema = Arc::clone(&schema);
            async move {
                let read = spawn_blocking(move || {
                    if !is_begun {
                        rows.names()?;
                    }
                    let batch = rows.batch(&schema)?;
                    Ok::<_, DataFusionError>(batch.map(|batch| (batch, (rows, true))))
                });
                read.await.map_err(|error| DataFusionError::External(Box::new(error))).flatten()
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// A file that is read from its beginning, wherever others read it.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads row after row.
struct Rows {
    input: BufReader<FromStart>,
    name: String,
    rules: CellRules,
    /// Of the row that was read last, from 1.
    line: usize,
    /// Line ends that were read.
    line_ends: usize,
    column_count: usize,
    row: Row,
}

/// The cells of one row.
#[derive(Default)]
struct Row {
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
    /// Whether each began with a quote.
    quoted: Vec<bool>,
}

impl Row {
    /// Each cell, and whether it began with a quote.
    fn cells(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let cells = starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]);
        cells.zip(self.quoted.iter().copied())
    }

    fn end_cell(&mut self, is_quoted: &mut bool) {
        self.ends.push(self.bytes.len());
        self.quoted.push(std::mem::take(is_quoted));
    }
}

/// Where a reader is within a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote within quotes.
    Quote,
}

impl Rows {
    fn new(file: Arc<File>, name: &str, rules: CellRules) -> Self {
        let input = BufReader::with_capacity(256 * 1024, FromStart { file, at: 0 });
        let name = name.to_owned();
        Self { input, name, rules, line: 0, line_ends: 0, column_count: 0, row: Row::default() }
    }

    /// Reads the first line that has anything. A name that comes again gets a number, as in results.
    fn names(&mut self) -> Result<Vec<String>> {
        loop {
            if !self.read()? {
                return Err(self.wrong("the file has no line of column names"));
            }
            if !self.row.bytes.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let mut names: Vec<String> = Vec::new();
        for (index, cell) in self.row.cells().enumerate() {
            let name = self.text(cell)?.unwrap_or_default();
            // Spreadsheets put a mark in front of the first, which is no part of it.
            let name = if index == 0 { name.trim_start_matches('\u{feff}').to_owned() } else { name };
            let mut own = name.clone();
            for number in 2_usize.. {
                if !names.contains(&own) {
                    break;
                }
                own = format!("{name}_{number}");
            }
            names.push(own);
        }
        self.column_count = names.len();
        Ok(names)
    }

    /// The next rows; none at the end.
    fn batch(&mut self, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let mut columns: Vec<StringBuilder> = schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let (mut row_count, mut byte_count) = (0, 0);
        while row_count < BATCH_ROWS && byte_count < BATCH_BYTES && self.read()? {
            if self.row.ends == [0] && self.row.quoted == [false] && self.column_count > 1 {
                continue;
            }
            let cell_count = self.row.ends.len();
            if cell_count != self.column_count {
                let names = if self.column_count == 1 { "column name" } else { "column names" };
                let cells = if cell_count == 1 { "cell" } else { "cells" };
                return Err(self.wrong(&format!("{cell_count} {cells}, but {} {names}", self.column_count)));
            }
            for (column, cell) in columns.iter_mut().zip(self.row.cells()) {
                column.append_option(self.text(cell)?);
            }
            row_count += 1;
            byte_count += self.row.bytes.len();
        }
        if row_count == 0 {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        Ok(Some(RecordBatch::try_new(Arc::clone(schema), columns)?))
    }

    /// The text of a cell; none for null.
    fn text(&self, (cell, is_quoted): (&[u8], bool)) -> Result<Option<String>> {
        let text = str::from_utf8(cell).map_err(|_not_utf8| self.wrong("not UTF-8"))?;
        Ok(match self.rules {
            CellRules::Quoted(_) => (is_quoted || !text.is_empty()).then(|| text.to_owned()),
            CellRules::Escaped if text == "\\N" => None,
            CellRules::Escaped => Some(unescaped(text)),
        })
    }

    /// Reads the next row; whether there is one.
    fn read(&mut self) -> Result<bool> {
        let separator = self.rules.separator();
        let quote = matches!(self.rules, CellRules::Quoted(_)).then_some(b'"');
        let row = &mut self.row;
        row.bytes.clear();
        row.ends.clear();
        row.quoted.clear();
        self.line = self.line_ends + 1;
        let mut place = Place::Start;
        let mut has_any = false;
        let mut is_quoted = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                if place == Place::Quoted {
                    return Err(self.wrong("a quote is not closed"));
                }
                if has_any {
                    row.end_cell(&mut is_quoted);
                }
                return Ok(has_any);
            }
            if row.bytes.len() > ROW_BYTES {
                return Err(self.wrong("a row of more than 256 MiB; is a quote not closed?"));
            }
            has_any = true;
            let mut taken = 0;
            let mut is_done = false;
            for &byte in buffer {
                taken += 1;
                self.line_ends += usize::from(byte == b'\n');
                match (place, byte) {
                    (Place::Quoted, byte) if Some(byte) == quote => place = Place::Quote,
                    (Place::Quoted, byte) => row.bytes.push(byte),
                    (Place::Quote, byte) if Some(byte) == quote => {
                        row.bytes.push(byte);
                        place = Place::Quoted;
                    }
                    (Place::Start, byte) if Some(byte) == quote => {
                        is_quoted = true;
                        place = Place::Quoted;
                    }
                    (_, b'\n') => {
                        let start = row.ends.last().copied().unwrap_or(0);
                        // Not one that stood in quotes.
                        if place == Place::Plain && row.bytes.len() > start && row.bytes.last() == Some(&b'\r') {
                            row.bytes.pop();
                        }
                        row.end_cell(&mut is_quoted);
                        is_done = true;
                        break;
                    }
                    (_, byte) if byte == separator => {
                        row.end_cell(&mut is_quoted);
                        place = Place::Start;
                    }
                    (_, byte) => {
                        row.bytes.push(byte);
                        place = Place::Plain;
                    }
                }
            }
            self.input.consume(taken);
            if is_done {
                return Ok(true);
            }
        }
    }

    fn wrong(&self, what: &str) -> DataFusionError {
        DataFusionError::Execution(format!("`{}`, line {}: {what}", self.name, self.line))
    }
}

/// A text without its backslashes.
fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match rest.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('\\') => plain.push('\\'),
            other => plain.extend(std::iter::once('\\').chain(other)),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use arrow_array::cast::AsArray as _;

    use super::*;

    /// The names and rows of a file, a cell `~` where it is null.
    fn read(content: &str, rules: CellRules) -> Result<Vec<String>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let mut rows = Rows::new(Arc::new(file), "a.csv", rules);
        let names = rows.names()?;
        let columns: Vec<_> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let schema = Arc::new(Schema::new(columns));
        let mut read = vec![names.join("|")];
        while let Some(batch) = rows.batch(&schema)? {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| {
                    let column = column.as_string::<i32>();
                    if arrow_array::Array::is_null(column, row) { "~" } else { column.value(row) }
                });
                read.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        Ok(read)
    }

    #[test]
    fn csv_is_read_by_its_rules() {
        let csv = CellRules::Quoted(b',');
        for (content, expected) in [
            ("a,b\n1,\"x,\"\"y\"\"\nz\"\r\n,\"\"\n\n2,a\"b", &["a|b", "1|x,\"y\"\nz", "~|", "2|a\"b"][..]),
            ("x\n1\n\n2\n", &["x", "1", "~", "2"]),
            ("\u{feff}a,a,b\r\n1,2,3\r\n", &["a|a_2|b", "1|2|3"]),
            ("\n\na\n1", &["a", "1"]),
            ("\"a\"\n\"\"\n", &["a", ""]),
            ("a\n\"b\r\"\n\"c\"\r\n", &["a", "b\r", "c"]),
        ] {
            assert_eq!(read(content, csv).unwrap(), expected, "{content:?}");
        }
        assert_eq!(read("a;b\n1;2,5\n", CellRules::Quoted(b';')).unwrap(), ["a|b", "1|2,5"]);
        for (content, expected) in [
            ("a,b\n1,2\n\n3\n", "`a.csv`, line 4: 1 cell, but 2 column names"),
            ("a\n\"b\nc\n", "`a.csv`, line 2: a quote is not closed"),
            ("a\n\"b\nc\"\n1,2\n", "`a.csv`, line 4: 2 cells, but 1 column name"),
            ("\n", "`a.csv`, line 2: the file has no line of column names"),
        ] {
            let error = read(content, csv).unwrap_err();
            assert!(error.to_string().ends_with(expected), "{content:?}: {error}");
        }
    }

    #[test]
    fn tsv_is_read_by_its_rules() {
        let content = "a\tb\n\\N\tx\\ty\n\t\"q\n\\\\N\t\\x\\n\n";
        assert_eq!(read(content, CellRules::Escaped).unwrap(), ["a|b", "~|x\ty", "|\"q", "\\N|\\x\n"]);
        assert_eq!(read("a\n\n\\N\n", CellRules::Escaped).unwrap(), ["a", "", "~"]);
    }
}
