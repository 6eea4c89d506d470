//! What a file holds, told by its name, and the table over it.
//!
//! Cells of CSV are texts, whatever they look like: account ids begin with zeros, and a guess that makes numbers of them
//! loses those. An empty cell is null, in quotes too. JSON and Parquet have types of their own.
//!
//! What stands between the cells of a `.csv` is told by its first line: spreadsheets of half of Europe write `;`.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::file_format::FileFormat as EngineFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::context::SessionContext;
use url::Url;

use super::store::OpenFile;

/// The kinds of files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// Cells with this between them; the first line names the columns.
    Cells(u8),
    /// One object per line.
    JsonLines,
    /// One array of objects.
    JsonArray,
    /// Apache Parquet.
    Parquet,
}

const ENDINGS: [(&str, FileFormat); 6] = [
    ("csv", FileFormat::Cells(b',')),
    ("tsv", FileFormat::Cells(b'\t')),
    ("json", FileFormat::JsonLines),
    ("ndjson", FileFormat::JsonLines),
    ("jsonl", FileFormat::JsonLines),
    ("parquet", FileFormat::Parquet),
];

impl FileFormat {
    /// The format that a file's name tells.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        ENDINGS.iter().find(|(ending, _)| *ending == extension).map(|(_, format)| *format)
    }

    /// All endings, for messages.
    pub(super) fn endings() -> String {
        ENDINGS.map(|(ending, _)| format!(".{ending}")).join(", ")
    }

    /// The format by the first line too: the endings of JSON do not tell lines from an array, nor those of CSV what separates cells.
    pub(super) fn with_first_line(self, line: &[u8]) -> Self {
        match self {
            Self::JsonLines if line.trim_ascii_start().starts_with(b"[") => Self::JsonArray,
            Self::Cells(b',') => Self::Cells(separator(line)),
            _ => self,
        }
    }

    fn engine_format(self) -> Arc<dyn EngineFormat> {
        let csv = |delimiter| {
            CsvFormat::default().with_has_header(true).with_delimiter(delimiter).with_newlines_in_values(true)
        };
        match self {
            Self::Cells(separator) => Arc::new(csv(separator)),
            Self::JsonLines => Arc::new(JsonFormat::default().with_newline_delimited(true)),
            Self::JsonArray => Arc::new(JsonFormat::default().with_newline_delimited(false)),
            Self::Parquet => Arc::new(ParquetFormat::default()),
        }
    }
}

/// What stands most often between the names of the first line, in doubt a comma.
fn separator(line: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut is_quoted = false;
        let outside = line.iter().filter(|byte| {
            is_quoted ^= **byte == b'"';
            !is_quoted && **byte == separator
        });
        outside.count()
    };
    let others = [b';', b'\t'].map(|separator| (count(separator), separator));
    others.into_iter().fold((count(b','), b','), |most, other| if other.0 > most.0 { other } else { most }).1
}

/// A table over an open file.
///
/// # Errors
/// When the file is not what its name says.
pub(super) async fn table(
    file: OpenFile,
    format: FileFormat,
    context: &SessionContext,
) -> Result<Arc<dyn TableProvider>> {
    let location = file.location().to_string();
    let url = Url::parse(&format!("keytrail-file://{location}/{location}")).expect("made of letters and digits");
    context.register_object_store(&url, Arc::new(file));
    let url = ListingTableUrl::try_new(url, None)?;
    let options = ListingOptions::new(format.engine_format()).with_file_extension("");
    let schema = options.infer_schema(&context.state(), &url).await?;
    let schema = match format {
        FileFormat::Cells(_) => texts(&schema),
        FileFormat::JsonLines | FileFormat::JsonArray | FileFormat::Parquet => schema,
    };
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The columns as texts. Spreadsheets put a mark in front of the first name, which is no part of it.
fn texts(schema: &Schema) -> SchemaRef {
    let text = |field: &Arc<Field>| Field::new(field.name().trim_start_matches('\u{feff}'), DataType::Utf8, true);
    Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_separated_by_what_the_first_line_has_most_of() {
        for (line, expected) in [
            ("a,b", b','),
            ("a;b", b';'),
            ("a\tb\tc", b'\t'),
            ("name;\"amount, EUR\";\"x, y, z\"", b';'),
            ("\"a;b\",c", b','),
            ("a", b','),
            ("", b','),
            ("a;b,c", b','),
        ] {
            assert_eq!(separator(line.as_bytes()), expected, "{line}");
        }
        let with = |format: FileFormat, line: &str| format.with_first_line(line.as_bytes());
        assert_eq!(with(FileFormat::Cells(b'\t'), "a;b;c"), FileFormat::Cells(b'\t'), "the ending says so");
        assert_eq!(with(FileFormat::JsonLines, " \n[1]"), FileFormat::JsonArray);
        assert_eq!(with(FileFormat::JsonLines, "{}"), FileFormat::JsonLines);
    }
}
