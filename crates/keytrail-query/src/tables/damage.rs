//! Which data file an answer failed over. The engine's decoder tells what it stumbled at, and not where; over some damage it panics.
//!
//! Of the files that were opened last the bytes are compared with what was written, until one is not the same. That happens after such a
//! failure only, and names nothing where all of them are sound: then the failure has another reason.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Mutex;

use arrow_schema::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use futures::FutureExt;
use keytrail_lake::{DamagedFile, LakeError, Table, check_bytes};
use object_store::path::Path;
use tokio::task::JoinError;

use crate::error::QueryError;
use crate::locks::lock;

/// Of so many files one is at fault: each partition of a plan's scans has one open, and one that it has just left.
const FILES_KEPT: usize = 256;
/// More is not read to find it: a second from a disk, some ten from S3.
const MAX_BYTES: u64 = 1 << 30;

/// The data files that a session's statements opened last, the newest at the end, each once.
#[derive(Debug, Default)]
pub(crate) struct OpenedFiles(Mutex<VecDeque<(Table, Path)>>);

impl OpenedFiles {
    /// Takes note of a file; `path` is the one in the store.
    pub(crate) fn note(&self, table: &Table, path: &Path) {
        let mut files = lock(&self.0);
        if let Some(place) = files.iter().position(|(_, known)| known == path) {
            files.remove(place);
        } else if files.len() == FILES_KEPT {
            files.pop_front();
        }
        files.push_back((table.clone(), path.clone()));
    }

    /// What a part of a statement comes to. Where it fails over a damaged file, by an error or by a panic, the error names the file.
    pub(crate) async fn named<T>(&self, part: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
        match AssertUnwindSafe(part).catch_unwind().await {
            Ok(Err(error)) if is_of_decoding(&error) => match damage_told(&error) {
                Some(damage) => Err(damage),
                None => Err(self.damage().await.unwrap_or(error)),
            },
            Ok(done) => done,
            Err(panic) => match self.damage().await {
                Some(error) => Err(error),
                None => resume_unwind(panic),
            },
        }
    }

    /// The newest file that is damaged; none where the store fails, too.
    pub(crate) async fn damage(&self) -> Option<QueryError> {
        let opened: Vec<_> = lock(&self.0).iter().rev().cloned().collect();
        let mut live = Vec::new();
        let mut bytes_read = 0;
        for (table, path) in &opened {
            let name = table.storage().to_string();
            let place = live.iter().position(|(known, _)| *known == name);
            let place = match place {
                Some(place) => place,
                None => {
                    live.push((name, table.snapshot().await.ok()?));
                    live.len() - 1
                }
            };
            let is_wanted = |found: Path| found == *path;
            let mut files = live[place].1.files().iter();
            let Some(file) = files.find(|file| table.file_path(file).is_ok_and(is_wanted)) else { continue };
            if bytes_read + file.size_bytes > MAX_BYTES {
                continue;
            }
            bytes_read += file.size_bytes;
            if let Some(finding) = check_bytes(table, file).await.ok()? {
                let path = table.storage().name_of(&file.path);
                return Some(LakeError::Corrupt { path, source: finding.to_string().into() }.into());
            }
        }
        None
    }
}

/// Whether the engine failed over what it read from files, and not over the store or a value.
fn is_of_decoding(error: &QueryError) -> bool {
    let QueryError::Engine(error) = error else { return false };
    let chain = || causes(error.as_ref());
    if chain().any(|error| error.is::<object_store::Error>() || error.is::<io::Error>()) {
        return false;
    }
    // A name that a flipped bit has changed is no name of a column.
    let lacks_column =
        matches!(error.find_root(), DataFusionError::Execution(what) if what.contains("physical schema"));
    let is_of_file = |error: &ArrowError| matches!(error, ArrowError::ParquetError(_) | ArrowError::ExternalError(_));
    lacks_column
        || chain().any(|error| {
            error.is::<ParquetError>()
                || error.is::<JoinError>()
                || error.downcast_ref::<ArrowError>().is_some_and(is_of_file)
        })
}

/// What the reader says of bytes that are not those that were written.
fn damage_told(error: &QueryError) -> Option<QueryError> {
    let QueryError::Engine(error) = error else { return None };
    let damaged = causes(error.as_ref()).find_map(|error| error.downcast_ref::<DamagedFile>())?;
    Some(LakeError::Corrupt { path: damaged.path.clone(), source: Box::new(damaged.clone()) }.into())
}

/// The error and what it came from.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_decoder_s_failures_make_files_be_looked_at() {
        let of = |error| is_of_decoding(&QueryError::running(error));
        let eof = || ParquetError::EOF("eof decoding byte array".to_owned());
        assert!(of(eof().into()));
        assert!(of(DataFusionError::ArrowError(Box::new(eof().into()), None)));
        assert!(of(DataFusionError::Execution(
            "Non-nullable column 'a' is missing from the physical schema".to_owned()
        )));
        let store = object_store::Error::Generic { store: "S3", source: "timeout".into() };
        assert!(!of(ParquetError::External(Box::new(store)).into()));
        assert!(!of(DataFusionError::Execution("Scalar subquery returned more than one row".to_owned())));
        assert!(!of(ArrowError::DivideByZero.into()));
        assert!(!of(DataFusionError::ResourcesExhausted("memory".to_owned())));
    }
}
