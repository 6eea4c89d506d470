//! JSON files beside the logs: what the AWS CLI printed, one document in a file or several after each other.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::ConvertError;

/// The documents of files, and of the `.json` files in folders, each with its file.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Value)>, ConvertError> {
    let mut documents = Vec::new();
    for path in paths {
        for file in files(path).map_err(|error| unread(path, &error))? {
            let text = fs_err::read_to_string(&file).map_err(|error| unread(&file, &error))?;
            for document in serde_json::Deserializer::from_str(&text).into_iter() {
                let document = document
                    .map_err(|error| ConvertError::NotTaken { path: file.clone(), reason: error.to_string() })?;
                documents.push((file.clone(), document));
            }
        }
    }
    Ok(documents)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !fs_err::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        fs_err::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|file| file.extension().is_some_and(|it| it == "json")).collect();
    files.sort();
    Ok(files)
}

fn unread(path: &Path, error: &std::io::Error) -> ConvertError {
    match error.kind() {
        ErrorKind::NotFound => ConvertError::NoSuchSource(path.to_owned()),
        _ => ConvertError::NotTaken { path: path.to_owned(), reason: error.to_string() },
    }
}
