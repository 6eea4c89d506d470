//! The view catalogue: every file under `sql/views/`, compiled in, and a user's own from a folder.
//!
//! A view's header (`-- view:`, `-- summary:`, `-- grain:`, `-- reads:`, `-- notes:`, `-- column:`, `-- kept:`) is parsed here and
//! nowhere else. It does not plan the SQL: the session does, when a statement first names the view.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use keytrail_convert::{EVENTS, INVENTORY, LOG_FILES, REJECTS, RUNS};

use crate::error::QueryError;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sql_files.rs"));
}

/// What a view's header says about one of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNote {
    /// The column's name.
    pub name: String,
    /// What the column means, and what null means.
    pub meaning: String,
}

/// A view: its header and its SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefinition {
    /// The view's name, which is its file's name too.
    pub name: String,
    /// The folder under `sql/views/`, such as `kms`; empty for a user's own view.
    pub area: String,
    /// What the view answers, in a line.
    pub summary: String,
    /// The columns that identify a row; empty where the header does not tell (only in a user's own view).
    pub grain: Vec<String>,
    /// The tables and views that it reads.
    pub reads: Vec<String>,
    /// What to know before believing the numbers.
    pub notes: Vec<String>,
    /// Meanings of columns; columns that mean what they mean in the relation read are left out.
    pub columns: Vec<ColumnNote>,
    /// Whether the rows are computed once and kept until the data changes: for small results that other views read many times.
    pub is_kept: bool,
    /// The file's text: a query, the header included as comments.
    pub sql: String,
}

static CATALOGUE: LazyLock<Vec<ViewDefinition>> = LazyLock::new(|| {
    let parsed = embedded::VIEW_FILES.iter().map(|(path, sql)| parse_view(Path::new(path), sql));
    parsed.collect::<Result<_, _>>().expect("compiled-in view headers are checked by this crate's tests")
});

/// The views that are compiled in, by name of file.
pub fn view_catalogue() -> &'static [ViewDefinition] {
    &CATALOGUE
}

/// The text of a compiled-in report, such as `key/usage.sql`: the path below `sql/reports/`.
///
/// # Panics
/// When there is no such report: they are named in code only.
pub fn report_sql(path: &str) -> &'static str {
    let found = embedded::REPORT_FILES.iter().find(|(file, _)| *file == path);
    found.map(|(_, sql)| *sql).expect("reports are named in code only, and every name is run by a test")
}

/// The compiled-in reports of a folder such as `key/`: the name of the file without its ending, and its text.
pub(crate) fn report_files(folder: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let name = move |file: &'static str| file.strip_prefix(folder)?.strip_suffix(".sql");
    embedded::REPORT_FILES.iter().filter_map(move |(file, sql)| Some((name(file)?, *sql)))
}

/// The compiled-in views and those of `views_dir`, by name.
///
/// # Errors
/// When the folder cannot be read, a file is no view, or a name is taken.
pub(crate) fn load_views(views_dir: Option<&Path>) -> Result<BTreeMap<String, ViewDefinition>, QueryError> {
    let mut views: BTreeMap<_, _> = view_catalogue().iter().map(|view| (view.name.clone(), view.clone())).collect();
    for path in views_dir.map(list_sql_files).transpose()?.unwrap_or_default() {
        let view = read_view(&path)?;
        if views.contains_key(&view.name) || RESERVED.contains(&view.name.as_str()) {
            return Err(QueryError::ViewFile { path, reason: format!("the name is taken: {}", view.name) });
        }
        views.insert(view.name.clone(), view);
    }
    Ok(views)
}

/// Names of tables, which no view may take.
pub(crate) const RESERVED: [&str; 5] = [EVENTS, LOG_FILES, REJECTS, RUNS, INVENTORY];

fn list_sql_files(folder: &Path) -> Result<Vec<PathBuf>, QueryError> {
    let read_error = |source| QueryError::ReadFile { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_view(path: &Path) -> Result<ViewDefinition, QueryError> {
    let sql = fs_err::read_to_string(path).map_err(|source| QueryError::ReadFile { path: path.to_owned(), source })?;
    let file_name = path.file_name().map(Path::new).unwrap_or(path);
    parse_view(file_name, &sql).map_err(|reason| QueryError::ViewFile { path: path.to_owned(), reason })
}

/// Reads a view from the text of its file; the error is what is wrong with it.
fn parse_view(path: &Path, sql: &str) -> Result<ViewDefinition, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("the file name is not UTF-8")?;
    let area = path.parent().and_then(Path::to_str).unwrap_or_default();
    let header = Header::parse(sql)?;
    let name = header.single("view")?.ok_or("the header has no `-- view:` line")?;
    if name != stem {
        return Err(format!("the header names another view: {name}"));
    }
    if !is_view_name(&name) {
        return Err(format!("a view's name is made of a-z, 0-9 and _: {name}"));
    }
    Ok(ViewDefinition {
        name,
        area: area.to_owned(),
        summary: header.single("summary")?.ok_or("the header has no `-- summary:` line")?,
        grain: header.list("grain"),
        reads: header.list("reads"),
        notes: header.all("notes"),
        columns: header.columns()?,
        is_kept: header.single("kept")?.is_some(),
        sql: sql.to_owned(),
    })
}

fn is_view_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    starts_well && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The `-- name: value` lines that a file starts with.
struct Header {
    lines: Vec<(String, String)>,
}

impl Header {
    const NAMES: [&'static str; 7] = ["view", "summary", "grain", "reads", "notes", "column", "kept"];

    fn parse(sql: &str) -> Result<Self, String> {
        let comments = sql.lines().map_while(|line| line.strip_prefix("--"));
        let mut lines = Vec::new();
        for comment in comments {
            let (name, value) = comment.split_once(':').ok_or_else(|| format!("not a header line:{comment}"))?;
            let name = name.trim();
            if !Self::NAMES.contains(&name) {
                return Err(format!("unknown header line: {name}"));
            }
            lines.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { lines })
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.lines.iter().filter(|(line, _)| line == name).map(|(_, value)| value.clone()).collect()
    }

    fn single(&self, name: &str) -> Result<Option<String>, String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(format!("the header has more than one line `{name}`"));
        }
        Ok(values.pop())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let values = self.all(name);
        values.iter().flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
    }

    fn columns(&self) -> Result<Vec<ColumnNote>, String> {
        let note = |value: String| {
            let (name, meaning) = value.split_once(':').ok_or_else(|| format!("not `column: meaning`: {value}"))?;
            Ok(ColumnNote { name: name.trim().to_owned(), meaning: meaning.trim().to_owned() })
        };
        self.all("column").into_iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_in_views_have_complete_headers() {
        assert!(view_catalogue().len() >= 8);
        for view in view_catalogue() {
            assert!(!view.grain.is_empty(), "{} has no grain", view.name);
            assert!(!view.reads.is_empty(), "{} has no reads", view.name);
            assert!(!view.area.is_empty(), "{} stands in no folder", view.name);
        }
    }

    #[test]
    fn only_base_views_read_tables() {
        for view in view_catalogue().iter().filter(|view| view.area != "base") {
            let table = view.reads.iter().find(|name| RESERVED.contains(&name.as_str()));
            assert_eq!(table, None, "{} reads a table", view.name);
        }
    }

    #[test]
    fn bad_headers_are_refused() {
        let cases = [
            ("select 1", "no `-- view:`"),
            ("-- view: other\n-- summary: s\nselect 1", "names another view"),
            ("-- view: mine\nselect 1", "no `-- summary:`"),
            ("-- view: mine\n-- view: mine\n-- summary: s\nselect 1", "more than one line"),
            ("-- viev: mine\nselect 1", "unknown header line"),
            ("-- just words\nselect 1", "not a header line"),
            ("-- view: mine\n-- summary: s\n-- column: no meaning\nselect 1", "not `column: meaning`"),
        ];
        for (sql, expected) in cases {
            let error = parse_view(Path::new("mine.sql"), sql).unwrap_err();
            assert!(error.contains(expected), "{sql:?}: {error}");
        }
    }

    #[test]
    fn headers_are_read_in_full() {
        let sql = "-- view:    mine\n-- summary: what: and why\n-- grain:   a, b\n-- reads:   kms_events\n-- notes:   one\n-- notes:   two\n-- column:  a: the first\nselect 1\n-- view: later";
        let view = parse_view(Path::new("mine.sql"), sql).unwrap();
        assert_eq!(view.summary, "what: and why");
        assert_eq!(view.grain, ["a", "b"]);
        assert_eq!(view.notes, ["one", "two"]);
        assert_eq!(view.columns, [ColumnNote { name: "a".into(), meaning: "the first".into() }]);
    }

    #[test]
    fn a_user_view_may_not_take_a_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["kms_key_usage", "events"] {
            let path = folder.path().join(format!("{name}.sql"));
            fs_err::write(&path, format!("-- view: {name}\n-- summary: mine\nselect 1")).unwrap();
            let error = load_views(Some(folder.path())).unwrap_err();
            assert!(matches!(error, QueryError::ViewFile { .. }), "{error:?}");
            fs_err::remove_file(path).unwrap();
        }
    }
}
