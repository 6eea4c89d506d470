//! The check of a table's files against its log; it reads and never repairs.
//!
//! It knows nothing of what the rows mean; the accounting over them is the caller's work.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::error::LakeError;
use crate::reader::{read_footer, read_rows};
use crate::snapshot::DataFile;
use crate::table::Table;
use crate::writer::{OrderCheck, column_difference};

/// Files that are looked at together.
const FILES_IN_FLIGHT: usize = 8;

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckDepth {
    /// Size and footer of every file.
    #[default]
    Footers,
    /// Every row of every file too.
    Data,
}

/// Something that the check has seen, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFinding {
    /// The file's path below the table's root.
    pub path: String,
    /// What was seen.
    pub kind: FindingKind,
}

/// What a check can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The log has the file, the storage does not.
    Missing,
    /// The file has another size than the log says.
    WrongSize {
        /// Bytes by the log.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The file has another count of rows than the log says.
    WrongRowCount {
        /// Rows by the log.
        expected: u64,
        /// Rows of the file.
        found: u64,
    },
    /// The file's columns are not the table's.
    WrongColumns {
        /// The first difference.
        difference: String,
    },
    /// The footer or the data cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// A row belongs before the one ahead of it.
    OutOfOrder,
    /// A note: a compaction has put the rows elsewhere; the file stays for readers of older versions.
    Replaced,
    /// A note: no commit of the remembered past knows the file; a killed or still running writer left it.
    Unreferenced,
}

impl FindingKind {
    /// Whether this is worth knowing, but nothing is wrong.
    pub fn is_note(&self) -> bool {
        matches!(self, Self::Replaced | Self::Unreferenced)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::WrongSize { expected, found } => write!(f, "{found} bytes, the log says {expected}"),
            Self::WrongRowCount { expected, found } => write!(f, "{found} rows, the log says {expected}"),
            Self::WrongColumns { difference } => write!(f, "wrong columns: {difference}"),
            Self::Unreadable { reason } => write!(f, "unreadable: {reason}"),
            Self::OutOfOrder => f.write_str("rows are not in order"),
            Self::Replaced => f.write_str("replaced by a compaction, kept for older readers"),
            Self::Unreferenced => f.write_str("not in the log"),
        }
    }
}

/// Checks every live file's size and footer against the log, and lists files that are not live.
///
/// # Errors
///
/// [`LakeError::Storage`] when the storage cannot be read for other reasons than a missing file, and every error of
/// [`Table::snapshot`]. What is wrong with a file is a finding, not an error.
pub async fn check_files(table: &Table) -> Result<Vec<FileFinding>, LakeError> {
    check_files_with(table, CheckDepth::Footers).await
}

/// As [`check_files`], as closely as asked for.
///
/// # Errors
///
/// As [`check_files`].
pub async fn check_files_with(table: &Table, depth: CheckDepth) -> Result<Vec<FileFinding>, LakeError> {
    let snapshot = table.snapshot().await?;
    let live = snapshot.files().iter().map(|file| check_file(table, file, depth));
    let found: Vec<Option<FileFinding>> = stream::iter(live).buffered(FILES_IN_FLIGHT).try_collect().await?;
    let mut findings: Vec<FileFinding> = found.into_iter().flatten().collect();
    findings.extend(list_other_files(table, snapshot.files()).await?);
    Ok(findings)
}

async fn check_file(table: &Table, file: &Arc<DataFile>, depth: CheckDepth) -> Result<Option<FileFinding>, LakeError> {
    let found = match find_fault(table, file, depth).await {
        Ok(found) => found,
        // What cannot be decoded is the file's fault; a failing storage is not.
        Err(error @ LakeError::Corrupt { .. }) => Some(FindingKind::Unreadable { reason: reason_of(&error) }),
        Err(error) => return Err(error),
    };
    Ok(found.map(|kind| FileFinding { path: file.path.clone(), kind }))
}

fn reason_of(error: &LakeError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

async fn find_fault(table: &Table, file: &DataFile, depth: CheckDepth) -> Result<Option<FindingKind>, LakeError> {
    let found = match table.storage().store().head(&table.file_path(file)?).await {
        Ok(object) => object.size,
        Err(object_store::Error::NotFound { .. }) => return Ok(Some(FindingKind::Missing)),
        Err(error) => return Err(LakeError::storage(&table.storage().name_of(&file.path), error)),
    };
    if found != file.size_bytes {
        return Ok(Some(FindingKind::WrongSize { expected: file.size_bytes, found }));
    }
    let footer = read_footer(table, file).await?;
    if let Some(difference) = column_difference(table.file_schema(), &footer.schema) {
        return Ok(Some(FindingKind::WrongColumns { difference }));
    }
    if footer.row_count != file.row_count {
        return Ok(Some(FindingKind::WrongRowCount { expected: file.row_count, found: footer.row_count }));
    }
    match depth {
        CheckDepth::Footers => Ok(None),
        CheckDepth::Data => find_fault_in_rows(table, file).await,
    }
}

async fn find_fault_in_rows(table: &Table, file: &DataFile) -> Result<Option<FindingKind>, LakeError> {
    let mut order = OrderCheck::new((table.spec().sort_columns)(&file.partition));
    let mut batches = read_rows(table, file).await?;
    let mut found = 0;
    while let Some(batch) = batches.try_next().await? {
        let unsorted = order.first_unsorted(&batch);
        if unsorted.map_err(|error| LakeError::corrupt(&table.storage().name_of(&file.path), error))?.is_some() {
            return Ok(Some(FindingKind::OutOfOrder));
        }
        found += batch.num_rows() as u64;
    }
    let is_whole = found == file.row_count;
    Ok((!is_whole).then_some(FindingKind::WrongRowCount { expected: file.row_count, found }))
}

/// The data files below the table's root that are not live.
async fn list_other_files(table: &Table, live: &[Arc<DataFile>]) -> Result<Vec<FileFinding>, LakeError> {
    let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
    let removed: HashSet<String> = table.log().removed_paths().await?.into_iter().collect();
    let storage = table.storage();
    let listed = storage.store().list(Some(storage.prefix()));
    let objects: Vec<ObjectMeta> = listed.try_collect().await.map_err(|error| LakeError::storage(storage, error))?;
    let mut findings: Vec<FileFinding> = objects
        .iter()
        .filter_map(|object| data_file_name(storage.prefix(), &object.location))
        .filter(|path| !live.contains(path.as_str()))
        .map(|path| {
            let is_removed = removed.contains(&path);
            FileFinding { kind: if is_removed { FindingKind::Replaced } else { FindingKind::Unreferenced }, path }
        })
        .collect();
    findings.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(findings)
}

/// The path below the table's root; none for what belongs to the log and for hidden files.
fn data_file_name(root: &Path, location: &Path) -> Option<String> {
    let parts: Vec<_> = location.prefix_match(root)?.map(|part| part.as_ref().to_owned()).collect();
    let is_hidden = parts.iter().any(|part| part.starts_with(['_', '.']));
    (!is_hidden).then(|| parts.join("/"))
}
