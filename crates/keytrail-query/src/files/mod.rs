//! Files beside the lake that a session may read as tables: attached ones by a name, others by their path under folders
//! that were allowed. Which they are is settled when the session is made, and nothing widens it afterwards.
//!
//! ```text
//! from owners             ─▶ attached: owners = …/owners.csv ─┐
//! from 'extra/owners.csv' ─▶ canonical path, under a folder? ─┴─▶ opened once ─▶ a store of one file ─▶ scan
//! ```
//! A path is followed to its end before it is judged, so that no link leads out; from then on the open file is read,
//! whatever its path becomes. It writes nothing and reads no address on a network; a folder is listed only to tell which file of it a
//! misspelt path may have meant.

mod cells;
mod format;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::context::SessionContext;

use crate::diagnosis::similar;
use crate::error::QueryError;

use format::FileFormat;
use store::OpenFile;

/// What a session may read beside its tables.
#[derive(Debug, Default)]
pub(crate) struct FileTables {
    /// Canonical paths of folders.
    folders: Vec<PathBuf>,
    /// Files by the names that they were given.
    attached: BTreeMap<String, PathBuf>,
}

impl FileTables {
    /// Files under `folders`, and the files `attached` by a name.
    ///
    /// # Errors
    /// [`QueryError::AllowFolder`], [`QueryError::Attach`], and [`QueryError::ReadFile`] for a file that cannot be opened.
    pub(crate) fn try_new(folders: &[PathBuf], attached: &[(String, PathBuf)]) -> Result<Self, QueryError> {
        let mut tables =
            Self { folders: folders.iter().map(|path| folder(path)).collect::<Result<_, _>>()?, ..Self::default() };
        for (name, path) in attached {
            let wrong = |reason: &str| QueryError::Attach { name: name.clone(), reason: reason.to_owned() };
            if !is_table_name(name) {
                return Err(wrong("a table's name is made of a-z, 0-9 and _"));
            }
            if FileFormat::of_path(path).is_none() {
                return Err(wrong(&format!("the file's name must end with one of {}", FileFormat::endings())));
            }
            // Opened only to be told now: a query that first names it may come hours later.
            OpenFile::open(path).map_err(|source| QueryError::ReadFile { path: path.clone(), source })?;
            if tables.attached.insert(name.clone(), path.clone()).is_some() {
                return Err(wrong("the name is given twice"));
            }
        }
        Ok(tables)
    }

    /// Names of attached files, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.attached.keys().map(String::as_str)
    }

    /// Whether a statement may name files by their path.
    pub(crate) fn allows_paths(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The table of a name or a path; none for what names no file.
    ///
    /// # Errors
    /// When the file may not be read, is not there, or is not what its name says.
    pub(crate) async fn open(
        &self,
        name: &str,
        context: &SessionContext,
    ) -> Result<Option<Arc<dyn TableProvider>>, QueryError> {
        let path = match self.attached.get(name) {
            Some(path) => path.clone(),
            None if names_a_file(name) => self.allowed(name)?,
            None => return Ok(None),
        };
        let read_error = |source| QueryError::ReadFile { path: path.clone(), source };
        let by_name = FileFormat::of_path(&path).ok_or_else(|| unknown_ending(name))?;
        let file = OpenFile::open(&path).map_err(read_error)?;
        let format = match by_name {
            FileFormat::JsonLines | FileFormat::Cells(_) => {
                by_name.with_first_line(&file.first_line().map_err(read_error)?)
            }
            FileFormat::JsonArray | FileFormat::Parquet => by_name,
        };
        let bad = |source| QueryError::BadFile { path: path.clone(), source: Box::new(source) };
        let shown = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Some(format::table(file, shown, format, context).await.map_err(bad)?))
    }

    /// The canonical path of a file under one of the folders.
    fn allowed(&self, name: &str) -> Result<PathBuf, QueryError> {
        if !self.allows_paths() {
            return Err(QueryError::NotReadOnly { what: format!("reading a file: '{name}'") });
        }
        let from_folders = self.folders.iter().map(|folder| folder.join(name));
        let paths = std::iter::once(PathBuf::from(name)).chain(from_folders);
        let mut canonical = paths.filter_map(|path| fs_err::canonicalize(path).ok());
        let is_inside = |path: &PathBuf| self.folders.iter().any(|folder| path.starts_with(folder)) && path.is_file();
        // Whether a file exists elsewhere is nobody's business: absent and forbidden are told alike.
        canonical.find(is_inside).ok_or_else(|| QueryError::FileNotAllowed { file: name.to_owned() })
    }

    /// Files that may be read and whose names are like that of a path, in the same folder.
    pub(crate) fn similar(&self, path: &str) -> Vec<String> {
        let wrong = Path::new(path);
        let Some(name) = wrong.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
        let parent = wrong.parent().unwrap_or(Path::new(""));
        let from_folders = self.folders.iter().map(|folder| folder.join(parent));
        let places = std::iter::once(Path::new(".").join(parent)).chain(from_folders);
        let places = places.filter_map(|place| fs_err::canonicalize(place).ok());
        let is_inside = |path: &PathBuf| self.folders.iter().any(|folder| path.starts_with(folder));
        let files: BTreeSet<String> =
            places.filter(is_inside).flat_map(|place| readable_files(&place, &is_inside)).collect();
        let meant = similar(name, files.iter().map(String::as_str));
        meant.into_iter().map(|name| parent.join(name).display().to_string()).collect()
    }
}

/// Names of the files of a folder that can be tables, and lead nowhere else.
fn readable_files(folder: &Path, is_inside: &impl Fn(&PathBuf) -> bool) -> Vec<String> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let is_readable = |path: &Path| {
        let canonical = fs_err::canonicalize(path).ok().filter(is_inside);
        FileFormat::of_path(path).is_some() && canonical.is_some_and(|path| path.is_file())
    };
    let readable = entries.filter(|entry| is_readable(&entry.path()));
    readable.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn folder(path: &Path) -> Result<PathBuf, QueryError> {
    let error = |source| QueryError::AllowFolder { path: path.to_owned(), source };
    let canonical = fs_err::canonicalize(path).map_err(error)?;
    if !canonical.is_dir() {
        return Err(error(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
    }
    Ok(canonical)
}

fn unknown_ending(name: &str) -> QueryError {
    QueryError::Unsupported {
        what: format!("a file of this kind: '{name}'"),
        instead: Some(format!("the name must end with one of {}", FileFormat::endings())),
    }
}

/// Whether a relation's name can only be meant as a file's.
pub(crate) fn names_a_file(name: &str) -> bool {
    name.contains(['/', '\\'])
        || FileFormat::of_path(Path::new(name)).is_some()
        || OTHER_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Endings of files that other engines read, which are told as files too.
const OTHER_ENDINGS: [&str; 7] = [".arrow", ".avro", ".gz", ".zst", ".db", ".xlsx", ".txt"];

fn is_table_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    starts_well && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
