//! Streams of record batches in the ten formats of the contract and as a picture, in bounded memory.
//!
//! A renderer sees one batch at a time and keeps at most a chunk of it. It asks no question of the environment: where
//! the bytes go, and whether that is a terminal, is told by the [`DataWriter`].

mod binary;
mod delimited;
pub(crate) mod grid;
mod html;
mod json;
mod markdown;
mod plot;
mod table;
pub(crate) mod value;
mod vertical;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use clap::ValueEnum;

use crate::errors::CliError;
use crate::output::{DataWriter, Destination};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people
    Table,
    /// One line per value for people, for wide rows
    Vertical,
    /// RFC 4180: null is empty, empty text is `""`; safe for spreadsheets, see --csv-raw
    Csv,
    /// Tab-separated: null is `\N`; tab, newline and backslash are escaped; safe for spreadsheets
    Tsv,
    /// `Csv` with every text as it is.
    #[value(skip)]
    CsvRaw,
    /// `Tsv` with every text as it is.
    #[value(skip)]
    TsvRaw,
    /// One JSON array of objects
    Json,
    /// One JSON object per line
    Ndjson,
    /// A Markdown table
    Markdown,
    /// A self-contained HTML page
    Html,
    /// An Apache Parquet file
    Parquet,
    /// An Arrow IPC file
    Arrow,
    /// Bars or columns for one number by name or over time
    Plot,
}

impl Format {
    /// The format when none is asked for: `table` on a terminal, `csv` in a pipe.
    pub(crate) fn default_for(destination: Destination) -> Self {
        if destination.is_terminal() { Self::Table } else { Self::Csv }
    }

    /// Names of the formats that a screen can show.
    pub(crate) fn for_the_prompt() -> Vec<String> {
        let shown = Self::value_variants().iter().filter(|format| !format.is_binary());
        shown.map(|format| format.name()).collect()
    }

    /// The format that the ending of a file's name tells; none where it tells none.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" => Some(Self::Markdown),
            "htm" => Some(Self::Html),
            "jsonl" => Some(Self::Ndjson),
            ending => Self::from_str(ending, false).ok(),
        }
    }

    /// The format's name as it is typed.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The format with every text as it is; the other formats change none.
    pub(crate) fn raw(self) -> Self {
        match self {
            Self::Csv => Self::CsvRaw,
            Self::Tsv => Self::TsvRaw,
            other => other,
        }
    }

    /// True for a format that holds exactly one result and is not meant for eyes.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// True for a format that is one document: two of them in a file are none.
    pub(crate) fn is_document(self) -> bool {
        self.is_binary() || matches!(self, Self::Json | Self::Html)
    }
}

/// Writes the rows of one result.
pub(crate) trait Renderer {
    /// Writes one batch, or keeps it for the next chunk.
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError>;
    /// Writes what is left and the format's end.
    fn finish(self: Box<Self>) -> Result<(), CliError>;
}

/// What stands in front of the rows. It is written with the first of them, or at the end of a result without any: a
/// statement that fails before its first row leaves nothing behind.
struct Head(Option<String>);

impl Head {
    fn new(text: String) -> Self {
        Self(Some(text))
    }

    /// Writes it, once.
    fn write(&mut self, out: &mut DataWriter) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |text| out.write_all(text.as_bytes()))
    }
}

/// The renderer of `format`; a text format writes nothing before its first row.
///
/// # Errors
/// When a binary format would go to a terminal, a picture cannot be drawn of such columns, or the first bytes of a
/// binary format cannot be written.
pub(crate) fn renderer<'a>(
    format: Format,
    schema: &SchemaRef,
    out: &'a mut DataWriter,
) -> Result<Box<dyn Renderer + Send + 'a>, CliError> {
    if format.is_binary() && out.destination().is_terminal() {
        return Err(CliError::usage("binary data is not written to a terminal")
            .with_hint("redirect it: `> FILE`, or name a file with `-o FILE`"));
    }
    Ok(match format {
        Format::Table => Box::new(table::TableRenderer::new(schema, out)),
        Format::Vertical => Box::new(vertical::VerticalRenderer::new(schema, out)),
        Format::Csv => Box::new(delimited::DelimitedRenderer::new(delimited::CSV, schema, out)),
        Format::Tsv => Box::new(delimited::DelimitedRenderer::new(delimited::TSV, schema, out)),
        Format::CsvRaw => Box::new(delimited::DelimitedRenderer::new(delimited::CSV.raw(), schema, out)),
        Format::TsvRaw => Box::new(delimited::DelimitedRenderer::new(delimited::TSV.raw(), schema, out)),
        Format::Json => Box::new(json::JsonRenderer::new(json::Layout::Array, schema, out)),
        Format::Ndjson => Box::new(json::JsonRenderer::new(json::Layout::Lines, schema, out)),
        Format::Markdown => Box::new(markdown::MarkdownRenderer::new(schema, out)),
        Format::Html => Box::new(html::HtmlRenderer::new(schema, out)),
        Format::Parquet => Box::new(binary::ParquetRenderer::try_new(schema, out)?),
        Format::Arrow => Box::new(binary::ArrowRenderer::try_new(schema, out)?),
        Format::Plot => Box::new(plot::PlotRenderer::try_new(schema, out)?),
    })
}

/// Column names in order, each made its own: a second `x` becomes `x_2`, so that no format loses a column.
fn unique_names(schema: &SchemaRef) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let own_name = |name: &String| {
        let candidates = (1_usize..).map(|n| if n == 1 { name.clone() } else { format!("{name}_{n}") });
        let mut fresh = candidates.skip_while(|candidate| taken.contains(candidate));
        let name = fresh.next().expect("an endless iterator has a next item");
        taken.insert(name.clone());
        name
    };
    schema.fields().iter().map(|field| field.name()).map(own_name).collect()
}

/// The shown text of a cell, `NULL` for null, for the formats that people read.
fn readable(batch: &RecordBatch, column: usize, row: usize) -> Result<Cow<'_, str>, ArrowError> {
    Ok(value::text(batch.column(column).as_ref(), row)?.unwrap_or(Cow::Borrowed("NULL")))
}

/// A value that cannot be shown is a failure of the output.
impl From<ArrowError> for CliError {
    fn from(error: ArrowError) -> Self {
        Self::from_write("cannot write the result", error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::from_write("cannot write the output", error)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
