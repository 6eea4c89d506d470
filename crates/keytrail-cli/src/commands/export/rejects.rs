//! `keytrail export --rejects FOLDER`: the bytes of what was rejected, a file each, and a table that says where they are from and why.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use fs_err as fs;
use keytrail_events::compression::{is_gzip, is_zstd};
use keytrail_query::QueryError;

use crate::args::ExportArguments;
use crate::errors::{CliError, Exit};
use crate::excerpt::Origin;
use crate::output::{self, DataWriter};
use crate::progress::count_text;
use crate::render::{Format, renderer};
use crate::session::{self, SqlSession};

/// The table of the files, beside them.
const INDEX: &str = "rejects.csv";
/// What the table tells of each; the bytes are not among it.
const COLUMNS: [&str; 6] = ["log_file_path", "log_file_version", "record_index", "byte_offset", "raw_length", "reason"];
const RAW_BYTES: &str = "raw_bytes";
/// Characters of a log file's name that its rejects' names have.
const NAME_CHARACTERS: usize = 100;

/// Writes what was rejected into a folder.
pub(super) async fn run(arguments: &ExportArguments, folder: &Path) -> Result<Exit, CliError> {
    let over_lake = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let session = &over_lake.session;
    let condition = arguments.condition.as_deref();
    let in_condition =
        |error: QueryError| over_lake.locate(error.into(), condition.unwrap_or_default(), &Origin::Typed);
    let columns = [&COLUMNS[..], &[RAW_BYTES]].concat();
    let mut result = session.rows_where("rejects", condition, &columns).await.map_err(in_condition)?;
    let failed = |error| CliError::input_output(format!("cannot write into `{}`", folder.display()), &error);
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(CliError::usage(format!("`{}` is not empty", folder.display()))
            .with_hint("name a folder that is empty or not there yet"));
    }
    let mut written = Written::default();
    let mut index = DataWriter::file(&folder.join(INDEX))?;
    let described = positions(&result.schema)?;
    let schema = index_schema(&result.schema.project(&described)?);
    let mut rows = renderer(Format::Csv.raw(), &schema, &mut index)?;
    while let Some(batch) = result.next().await.map_err(in_condition)? {
        let rejects = Rejects::new(&batch).ok_or_else(|| super::damaged("a column is missing"))?;
        let files: ArrayRef = Arc::new(written.write(&rejects, folder).map_err(failed)?);
        let columns = std::iter::once(files).chain(batch.project(&described)?.columns().iter().cloned()).collect();
        rows.write_batch(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    rows.finish()?;
    index.finish()?;
    written.note(folder);
    Ok(Exit::Done)
}

/// Where the columns of the table stand among those of the rows.
fn positions(rows: &Schema) -> Result<Vec<usize>, ArrowError> {
    COLUMNS.iter().map(|name| rows.index_of(name)).collect()
}

fn index_schema(described: &Schema) -> SchemaRef {
    let file = Arc::new(Field::new("file", DataType::Utf8, false));
    Arc::new(Schema::new(std::iter::once(file).chain(described.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// The columns that files are made of.
struct Rejects<'b> {
    log_file_path: &'b ArrayRef,
    /// Null = the whole log file.
    record_index: &'b Int64Array,
    raw_length: &'b Int64Array,
    raw_bytes: &'b ArrayRef,
}

impl<'b> Rejects<'b> {
    /// None where a column is missing.
    fn new(batch: &'b RecordBatch) -> Option<Self> {
        let count = |name| batch.column_by_name(name)?.as_primitive_opt();
        Some(Self {
            log_file_path: batch.column_by_name("log_file_path")?,
            record_index: count("record_index")?,
            raw_length: count("raw_length")?,
            raw_bytes: batch.column_by_name(RAW_BYTES)?,
        })
    }

    fn record(&self, row: usize) -> Option<i64> {
        self.record_index.is_valid(row).then(|| self.record_index.value(row))
    }

    /// The bytes that the lake keeps.
    fn raw(&self, row: usize) -> &'b [u8] {
        binary(self.raw_bytes, row)
    }

    fn is_cut(&self, row: usize) -> bool {
        let whole = self.raw_length.is_valid(row).then(|| self.raw_length.value(row));
        whole.is_some_and(|whole| usize::try_from(whole).is_ok_and(|whole| whole > self.raw(row).len()))
    }
}

/// What is in the folder.
#[derive(Default)]
struct Written {
    files: u64,
    /// Files of which the lake has the beginning only.
    cut: u64,
}

impl Written {
    /// A file for each row; their names.
    fn write(&mut self, rejects: &Rejects<'_>, folder: &Path) -> std::io::Result<StringArray> {
        let mut names = Vec::with_capacity(rejects.raw_bytes.len());
        for row in 0..rejects.raw_bytes.len() {
            self.files += 1;
            self.cut += u64::from(rejects.is_cut(row));
            let raw = rejects.raw(row);
            let log_file = unpacked_name(text(rejects.log_file_path, row), raw);
            let name = file_name(self.files, log_file, rejects.record(row));
            fs::write(folder.join(&name), raw)?;
            names.push(name);
        }
        Ok(StringArray::from_iter_values(names))
    }

    fn note(&self, folder: &Path) {
        output::note(format!("files written to `{}`: {}, and {INDEX}", folder.display(), count_text(self.files)));
        if self.cut > 0 {
            output::note(format!("{} of them are beginnings: the lake keeps 1 MiB of each", count_text(self.cut)));
        }
    }
}

/// The log file's name without the ending of a packing that the bytes do not have: the lake keeps what was unpacked.
fn unpacked_name<'p>(log_file_path: &'p str, raw: &[u8]) -> &'p str {
    let packed = [(".gz", is_gzip(raw)), (".zst", is_zstd(raw))];
    let unpacked = packed.iter().filter(|(_, is_packed)| !is_packed);
    unpacked.fold(log_file_path, |name, (ending, _)| name.strip_suffix(ending).unwrap_or(name))
}

/// A name that says which log file and record the bytes are of, and that no log file can steer.
fn file_name(number: u64, log_file_path: &str, record: Option<i64>) -> String {
    let name = log_file_path.rsplit('/').next().unwrap_or_default();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let name: String = name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
    let name = &name[name.len().saturating_sub(NAME_CHARACTERS)..];
    match record {
        Some(record) => format!("{number:06}-{name}.record-{record}"),
        None => format!("{number:06}-{name}"),
    }
}

fn text(column: &ArrayRef, row: usize) -> &str {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().value(row),
        _ => column.as_string::<i32>().value(row),
    }
}

fn binary(column: &ArrayRef, row: usize) -> &[u8] {
    match column.data_type() {
        _ if column.is_null(row) => &[],
        DataType::BinaryView => column.as_binary_view().value(row),
        _ => column.as_binary::<i32>().value(row),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::BinaryArray;

    use super::*;

    #[test]
    fn columns_are_told_by_their_names() {
        let columns: [(&str, ArrayRef); 7] = [
            ("raw_length", Arc::new(Int64Array::from(vec![9]))),
            ("raw_bytes", Arc::new(BinaryArray::from(vec![&b"{"[..]]))),
            ("reason", Arc::new(StringArray::from(vec!["cut short"]))),
            ("record_index", Arc::new(Int64Array::from(vec![7]))),
            ("byte_offset", Arc::new(Int64Array::from(vec![3]))),
            ("log_file_version", Arc::new(StringArray::from(vec!["v"]))),
            ("log_file_path", Arc::new(StringArray::from(vec!["a/b.json"]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let folder = tempfile::tempdir().expect("a folder");
        let mut written = Written::default();
        let names = written.write(&Rejects::new(&batch).expect("all columns"), folder.path()).expect("written");
        assert_eq!((names.value(0), written.cut), ("000001-b.json.record-7", 1));
        assert_eq!(fs::read(folder.path().join(names.value(0))).expect("a file"), b"{");
        assert_eq!(positions(&batch.schema()).expect("all columns"), [6, 5, 3, 4, 0, 2]);
        assert!(Rejects::new(&batch.project(&[0, 1, 2]).expect("some columns")).is_none());
    }

    #[test]
    fn names_tell_how_the_bytes_are_packed() {
        for (path, raw, expected) in [
            ("a/b.json.gz", &b"{\"a\":1}"[..], "a/b.json"),
            ("a/b.json.gz", &[0x1f, 0x8b, 0x08, 0x00], "a/b.json.gz"),
            ("a/b.json.zst", b"{", "a/b.json"),
            ("a/b.json", b"{", "a/b.json"),
        ] {
            assert_eq!(unpacked_name(path, raw), expected);
        }
    }

    #[test]
    fn names_are_plain_and_not_too_long() {
        for (path, record, expected) in [
            ("s3://b/AWSLogs/1/a.json.gz", Some(7), "000003-a.json.gz.record-7"),
            ("a/../..", None, "000003-.."),
            ("a/b c\u{1b}[2J\u{202e}é", None, "000003-b_c__2J__"),
            ("", None, "000003-"),
        ] {
            assert_eq!(file_name(3, path, record), expected, "{path:?}");
        }
        assert_eq!(file_name(3, &"x".repeat(500), None).len(), 107);
    }
}
