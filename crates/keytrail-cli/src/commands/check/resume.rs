//! The notes of a check that may be interrupted: which files it has looked at, and what it has seen of each.
//!
//! ```text
//! {"keytrail_check":1,"lake":"/logs/lake","read_data":true}
//! {"findings":[],"notes":[],"path":"…/part-….parquet","size_bytes":4711,"table":"events"}
//! ```
//! One line per file, written when the file is done. A data file never changes under its name, so that a line stays true of what was
//! read; what rots afterwards the next check finds, as the notes go with the end of theirs.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use keytrail_lake::{CheckDepth, DataFile, Lake, Table};
use serde_json::{Value, json};

use crate::errors::CliError;

/// What was seen of one file, as it is told.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What is wrong.
    pub(super) findings: Vec<String>,
    /// What is worth knowing.
    pub(super) notes: Vec<String>,
}

/// A file of a table, by the table's name, its own path and its size.
type Name = (String, String, u64);

/// The notes; without a file to keep them in it remembers nothing.
pub(super) struct Resume {
    kept: Option<(fs::File, PathBuf)>,
    done: HashMap<Name, Checked>,
}

impl Resume {
    /// Opens or begins the notes of a check.
    ///
    /// # Errors
    /// When the file lies in the lake, is of another check or of something else, or cannot be read or written.
    pub(super) fn open(path: Option<&Path>, lake: &Lake, depth: CheckDepth) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(Self { kept: None, done: HashMap::new() }) };
        refuse_inside(path, lake)?;
        let failed = |error| CliError::input_output(format!("cannot keep notes in `{}`", path.display()), &error);
        let options = &mut fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let header = header(lake, depth);
        // A line that a kill cut short is not a line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let done = match text[..whole].lines().next() {
            // Nothing yet, or the beginning of a first line; anything else is somebody's file.
            None if header.starts_with(&text) => HashMap::new(),
            Some(first) if first == header => text[..whole].lines().skip(1).filter_map(parse).collect(),
            _other => {
                return Err(CliError::usage(format!("not the notes of this check: `{}`", path.display()))
                    .with_hint("name another file, or delete this one to begin anew"));
            }
        };
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::Start(whole as u64)).map_err(failed)?;
        if whole == 0 {
            file.write_all(format!("{header}\n").as_bytes()).map_err(failed)?;
        }
        Ok(Self { kept: Some((file, path.to_owned())), done })
    }

    /// Whether the file was checked before the interruption.
    pub(super) fn holds(&self, table: &Table, file: &DataFile) -> bool {
        self.done.contains_key(&name(table, file))
    }

    /// What was seen of a file that [`Self::holds`]; nothing of others.
    pub(super) fn checked(&self, table: &Table, file: &DataFile) -> &Checked {
        static NOTHING: Checked = Checked { findings: Vec::new(), notes: Vec::new() };
        self.done.get(&name(table, file)).unwrap_or(&NOTHING)
    }

    /// Notes a file as checked.
    ///
    /// # Errors
    /// When the notes cannot be written.
    pub(super) fn note(&mut self, table: &Table, file: &DataFile, seen: &Checked) -> Result<(), CliError> {
        let Some((kept, path)) = &mut self.kept else { return Ok(()) };
        let line = json!({
            "table": table.spec().name,
            "path": file.path,
            "size_bytes": file.size_bytes,
            "findings": seen.findings,
            "notes": seen.notes,
        });
        let failed = |error| CliError::input_output(format!("cannot keep notes in `{}`", path.display()), &error);
        kept.write_all(format!("{line}\n").as_bytes()).map_err(failed)
    }

    /// Deletes the notes: the check is done.
    ///
    /// # Errors
    /// When they cannot be deleted.
    pub(super) fn finish(self) -> Result<(), CliError> {
        let Some((_file, path)) = self.kept else { return Ok(()) };
        fs::remove_file(&path)
            .map_err(|error| CliError::input_output(format!("cannot delete the notes `{}`", path.display()), &error))
    }
}

/// A check writes nothing into a lake.
fn refuse_inside(path: &Path, lake: &Lake) -> Result<(), CliError> {
    let Some(root) = lake.location().as_local_path() else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), fs::canonicalize(root)) {
        (Ok(folder), Ok(root)) if folder.starts_with(&root) => {
            Err(CliError::usage(format!("a check writes nothing into the lake: `{}`", path.display())))
        }
        _ => Ok(()),
    }
}

fn header(lake: &Lake, depth: CheckDepth) -> String {
    json!({
        "keytrail_check": 1,
        "lake": lake.location().to_string(),
        "read_data": depth == CheckDepth::Data,
    })
    .to_string()
}

fn name(table: &Table, file: &DataFile) -> Name {
    (table.spec().name.to_owned(), file.path.clone(), file.size_bytes)
}

/// A line of the notes; a line that is none is forgotten, and its file is checked again.
fn parse(line: &str) -> Option<(Name, Checked)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| line.get(name)?.as_str().map(str::to_owned);
    let texts = |name: &str| -> Option<Vec<String>> {
        line.get(name)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let name = (text("table")?, text("path")?, line.get("size_bytes")?.as_u64()?);
    Some((name, Checked { findings: texts("findings")?, notes: texts("notes")? }))
}
