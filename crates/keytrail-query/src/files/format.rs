//! What a file holds, told by its name, and the table over it.
//!
//! Cells of CSV and TSV are texts, whatever they look like: account ids begin with zeros, and a guess that makes numbers of them
//! loses those; see [`super::cells`]. JSON and Parquet have types of their own.
//!
//! What stands between the cells of a `.csv` is told by its first line: spreadsheets of half of Europe write `;`.

use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::file_format::FileFormat as EngineFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::context::SessionContext;
use url::Url;

use super::cells::{self, CellRules};
use super::store::OpenFile;

/// The kinds of files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// Cells, written by these rules; the first line names the columns.
    Cells(CellRules),
    /// One object per line.
    JsonLines,
    /// One array of objects.
    JsonArray,
    /// Apache Parquet.
    Parquet,
}

const ENDINGS: [(&str, FileFormat); 6] = [
    ("csv", FileFormat::Cells(CellRules::Quoted(b','))),
    ("tsv", FileFormat::Cells(CellRules::Escaped)),
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
            Self::Cells(CellRules::Quoted(_)) => Self::Cells(CellRules::Quoted(separator(line))),
            _ => self,
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
    name: String,
    format: FileFormat,
    context: &SessionContext,
) -> Result<Arc<dyn TableProvider>> {
    let engine_format: Arc<dyn EngineFormat> = match format {
        FileFormat::Cells(rules) => return cells::table(file.into_file(), name, rules),
        FileFormat::JsonLines => Arc::new(JsonFormat::default().with_newline_delimited(true)),
        FileFormat::JsonArray => Arc::new(JsonFormat::default().with_newline_delimited(false)),
        FileFormat::Parquet => Arc::new(ParquetFormat::default()),
    };
    let location = file.location().to_string();
    let url = Url::parse(&format!("keytrail-file://{location}/{location}")).expect("made of letters and digits");
    context.register_object_store(&url, Arc::new(file));
    let url = ListingTableUrl::try_new(url, None)?;
    let options = ListingOptions::new(engine_format).with_file_extension("");
    let schema = options.infer_schema(&context.state(), &url).await?;
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
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
        let escaped = FileFormat::Cells(CellRules::Escaped);
        assert_eq!(with(escaped, "a;b;c"), escaped, "the ending says so");
        assert_eq!(with(FileFormat::JsonLines, " \n[1]"), FileFormat::JsonArray);
        assert_eq!(with(FileFormat::JsonLines, "{}"), FileFormat::JsonLines);
    }
}
