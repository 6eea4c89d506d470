//! Which data file an answer failed over. The engine's decoder tells what it stumbled at, and not where; over some damage it panics.
//!
//! Of the files that were opened last the bytes are compared with what was written, until one is not the same. That happens after a
//! failure only, and names nothing where all of them are sound: then the failure has another reason.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::ArrowError;
use datafusion::common::DataFusionError;
use futures::{FutureExt, TryStreamExt};
use keytrail_lake::{CheckDepth, DataFile, LakeError, Table, check_live_files};
use object_store::path::Path;

use crate::error::QueryError;

/// Of so many files one is at fault: each partition of a plan has one open, and one that it has just left.
const FILES_KEPT: usize = 64;
/// More is not read to find it. On S3 that takes some seconds.
const MOST_BYTES: u64 = 256 << 20;

/// The data files that a session's statements opened last.
#[derive(Debug, Default)]
pub(crate) struct OpenedFiles(Mutex<VecDeque<(Table, Path)>>);

impl OpenedFiles {
    /// Takes note of a file; `path` is the one in the store.
    pub(crate) fn note(&self, table: &Table, path: &Path) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() == FILES_KEPT {
            files.pop_front();
        }
        files.push_back((table.clone(), path.clone()));
    }

    /// What a part of a statement comes to. Where it fails over a damaged file, by an error or by a panic, the error names the file.
    pub(crate) async fn named<T>(&self, part: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
        match AssertUnwindSafe(part).catch_unwind().await {
            Ok(Err(error)) if may_be_damage(&error) => Err(self.damage().await.unwrap_or(error)),
            Ok(done) => done,
            Err(panic) => match self.damage().await {
                Some(error) => Err(error),
                None => resume_unwind(panic),
            },
        }
    }

    /// The newest file that is damaged.
    pub(crate) async fn damage(&self) -> Option<QueryError> {
        let opened: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect();
        let mut left = MOST_BYTES;
        for (number, (table, path)) in opened.iter().enumerate() {
            let is_known = opened[..number].iter().any(|(_, known)| known == path);
            let Some(file) = (if is_known { None } else { live_file(table, path).await }) else { continue };
            left = left.checked_sub(file.size_bytes)?;
            if let Some(what) = fault(table, &file).await {
                let path = table.storage().name_of(&file.path);
                return Some(LakeError::Corrupt { path, source: what.into() }.into());
            }
        }
        None
    }
}

async fn live_file(table: &Table, path: &Path) -> Option<Arc<DataFile>> {
    let snapshot = table.snapshot().await.ok()?;
    snapshot.files().iter().find(|file| table.file_path(file).is_ok_and(|found| found == *path)).cloned()
}

async fn fault(table: &Table, file: &Arc<DataFile>) -> Option<String> {
    let checked =
        check_live_files(table, vec![Arc::clone(file)], CheckDepth::Data).try_collect::<Vec<_>>().await.ok()?;
    let mut findings = checked.into_iter().flat_map(|file| file.findings).filter(|finding| !finding.is_note());
    findings.next().map(|finding| finding.to_string())
}

/// Whether a failure while a statement ran can be a file's: not where a value was too large, no number, or divided by zero.
fn may_be_damage(error: &QueryError) -> bool {
    let QueryError::Engine(error) = error else { return false };
    let DataFusionError::ArrowError(error, _) = error.find_root() else { return true };
    !matches!(
        **error,
        ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
    )
}
