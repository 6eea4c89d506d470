//! What the user can add in files beside his views: rules about encryption contexts, and principals that are observers.
//!
//! The rules that are compiled in are `sql/rules/context_rules.csv`. The functions that answer by them are in [`crate::functions`].

pub(crate) mod context_rules;
pub(crate) mod glob;
pub(crate) mod observers;

use std::path::{Path, PathBuf};

use crate::error::QueryError;

/// Path and text of a file beside the user's views; none where there is no folder or no such file in it.
pub(crate) fn user_file(views_dir: Option<&Path>, name: &str) -> Result<Option<(PathBuf, String)>, QueryError> {
    let Some(path) = views_dir.map(|folder| folder.join(name)).filter(|path| path.exists()) else {
        return Ok(None);
    };
    match fs_err::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(source) => Err(QueryError::ReadFile { path, source }),
    }
}
