//! `keytrail export --rejects FOLDER`: the bytes of what was rejected, a file each, and a table that says where they are from and why.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fs_err as fs;
use keytrail_events::compression::{is_gzip, is_zstd};

use crate::args::ExportArguments;
use crate::errors::{CliError, Exit};
use crate::excerpt::Origin;
use crate::output::{self, DataWriter};
use crate::progress::count_text;
use crate::render::{Format, renderer};
use crate::session;

/// The table of the files, beside them.
const INDEX: &str = "rejects.csv";
/// What the table tells of each; the bytes are not among it.
const COLUMNS: [&str; 6] = ["log_file_path", "log_file_version", "record_index", "byte_offset", "raw_length", "reason"];
const RAW_BYTES: &str = "raw_bytes";
const RAW_LENGTH: usize = 4;
/// Characters of a log file's name that its rejects' names have.
const NAME_CHARACTERS: usize = 100;

/// Writes what was rejected into a folder.
pub(super) async fn run(arguments: &ExportArguments, folder: &Path) -> Result<Exit, CliError> {
    let session = session::over_lake(&arguments.lake, &arguments.engine).await?;
    let condition = arguments.condition.as_deref();
    let in_condition = |error| CliError::in_statement(&session, error, condition.unwrap_or_default(), &Origin::Typed);
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
    let schema = index_schema(&result.schema);
    let mut rows = renderer(Format::Csv.raw(), &schema, &mut index)?;
    while let Some(batch) = result.next().await.map_err(in_condition)? {
        let files = written.write(&batch, folder).map_err(failed)?;
        let described = batch.columns()[..COLUMNS.len()].iter().cloned();
        let columns = std::iter::once(Arc::new(files) as ArrayRef).chain(described).collect();
        rows.write_batch(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    rows.finish()?;
    index.finish()?;
    written.note(folder);
    Ok(Exit::Done)
}

fn index_schema(rows: &SchemaRef) -> SchemaRef {
    let file = Arc::new(Field::new("file", DataType::Utf8, false));
    let described = rows.fields()[..COLUMNS.len()].iter().cloned();
    Arc::new(Schema::new(std::iter::once(file).chain(described).collect::<Vec<_>>()))
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
    fn write(&mut self, batch: &RecordBatch, folder: &Path) -> std::io::Result<StringArray> {
        let paths = batch.column(0);
        let records = batch.column(2).as_primitive::<Int64Type>();
        let lengths = batch.column(RAW_LENGTH).as_primitive::<Int64Type>();
        let bytes = batch.column(COLUMNS.len());
        let mut names = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            self.files += 1;
            let record = records.is_valid(row).then(|| records.value(row));
            let raw = binary(bytes, row);
            let name = file_name(self.files, unpacked_name(text(paths, row), raw), record);
            let is_cut = lengths.is_valid(row) && usize::try_from(lengths.value(row)).is_ok_and(|all| all > raw.len());
            self.cut += u64::from(is_cut);
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
    use super::*;

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
