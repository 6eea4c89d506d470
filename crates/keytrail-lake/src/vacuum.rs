//! Vacuum: data files that the newest version of a table does not refer to are found, and deleted.
//!
//! ```text
//! newest version ─▶ listing ─▶ newest version again ─▶ not live, old enough, replaced long enough ago ─▶ delete_unused
//! ```
//! The log is read after the listing, too: what a commit in between refers to is live. A file that no commit knows may be one that a
//! running writer is about to commit; only its age tells it from one that a killed writer left, so the age is the caller's choice.
//! The log is not written to: its older versions stay, but refer to files that are gone.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use object_store::path::Path;

use crate::error::LakeError;
use crate::listing::list_data_files;
use crate::snapshot::Snapshot;
use crate::storage::local::StagedLeftover;
use crate::table::Table;

/// What a data file's name ends with; anything else that lies in the table is somebody's own.
const DATA_FILE_ENDING: &str = ".parquet";

/// A data file that no reader of the newest version needs; only [`list_unused`] tells which is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedFile {
    path: String,
    size_bytes: u64,
    place: Place,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the store.
    Object(Path),
    /// On disk, under a name that the store does not show.
    Staged(PathBuf),
}

impl UnusedFile {
    /// The path below the table's root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// The data files that the newest version does not refer to, were written by `before` and, if a commit has replaced them, were replaced
/// by then. The log remembers a week of replacements; of an older one only the time of writing counts. On disk, files that a killed writer
/// has not finished are among them.
///
/// # Errors
///
/// [`LakeError::Corrupt`] when a live file is not there: a replaced one may be what is left of its rows.
/// [`LakeError::Storage`], and every error of [`Table::snapshot`].
pub async fn list_unused(table: &Table, before: DateTime<Utc>) -> Result<Vec<UnusedFile>, LakeError> {
    let known = table.snapshot().await?;
    let listed = list_data_files(table).await?;
    let newest = table.snapshot().await?;
    let live = locations(table, &newest)?;
    let found: HashSet<&Path> = listed.iter().map(|(_, object)| &object.location).collect();
    // One that both versions refer to was there before the listing began.
    let lost = locations(table, &known)?.into_iter().find(|path| live.contains(path) && !found.contains(path));
    if let Some(lost) = lost {
        return Err(LakeError::corrupt(&lost, "a file that the log refers to is missing"));
    }
    let replaced: HashMap<String, i64> = table.log().removed_files().await?.into_iter().collect();
    let was_replaced = |path: &str| replaced.get(path).is_none_or(|time_ms| *time_ms <= before.timestamp_millis());
    let mut unused: Vec<UnusedFile> = listed
        .into_iter()
        .filter(|(path, object)| {
            let is_old = object.last_modified <= before && was_replaced(path);
            is_old && path.ends_with(DATA_FILE_ENDING) && !live.contains(&object.location)
        })
        .map(|(path, object)| UnusedFile { path, size_bytes: object.size, place: Place::Object(object.location) })
        .collect();
    unused.extend(list_unfinished(table, before).await?);
    unused.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(unused)
}

async fn list_unfinished(table: &Table, before: DateTime<Utc>) -> Result<impl Iterator<Item = UnusedFile>, LakeError> {
    let staged = table.storage().list_staged().await?.into_iter();
    let old = staged.filter(move |file| DateTime::<Utc>::from(file.modified) <= before);
    Ok(old.map(|StagedLeftover { path, size_bytes, .. }| UnusedFile {
        path: path.display().to_string(),
        size_bytes,
        place: Place::Staged(path),
    }))
}

/// Deletes files; one that somebody else has deleted meanwhile is fine.
///
/// # Errors
///
/// [`LakeError::Storage`]; what was deleted before stays deleted, and the call can be repeated.
pub async fn delete_unused(table: &Table, files: &[UnusedFile]) -> Result<(), LakeError> {
    let (mut objects, mut staged) = (Vec::new(), Vec::new());
    for file in files {
        match &file.place {
            Place::Object(path) => objects.push(Ok(path.clone())),
            Place::Staged(path) => staged.push(path),
        }
    }
    let mut deleted = table.storage().store().delete_stream(stream::iter(objects).boxed());
    while let Some(outcome) = deleted.next().await {
        expect_gone(table, outcome.map(|_path| ()))?;
    }
    for path in staged {
        expect_gone(table, table.storage().delete_staged(path).await)?;
    }
    Ok(())
}

fn expect_gone(table: &Table, outcome: Result<(), object_store::Error>) -> Result<(), LakeError> {
    match outcome {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(LakeError::storage(table.storage(), error)),
    }
}

/// Where the live files are in the store.
fn locations(table: &Table, snapshot: &Snapshot) -> Result<HashSet<Path>, LakeError> {
    snapshot.files().iter().map(|file| table.file_path(file)).collect()
}
