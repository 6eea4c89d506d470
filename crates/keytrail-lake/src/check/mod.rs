//! The check of a table's files against its log; it reads and never repairs.
//!
//! ```text
//! log ─▶ live files ─▶ size, place ─▶ footer ─▶ (data) checksum of every byte ─▶ every row: order, statistics
//!   └──▶ listing ────▶ files that are not live
//! ```
//! Bytes that are not those that were written are not decoded: a decoder trusts lengths that a flipped bit may have made huge.
//! It knows nothing of what the rows mean; the accounting over them is the caller's work.

mod data;
mod finding;

use std::collections::HashSet;
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use tokio::task::JoinSet;

use crate::error::LakeError;
use crate::listing::list_data_files;
use crate::partition::is_in_its_folder;
use crate::reader::read_footer;
use crate::snapshot::DataFile;
use crate::table::Table;
use crate::writer::column_difference;

pub use finding::{FileFinding, FindingKind};

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckDepth {
    /// Size, place and footer of every file.
    #[default]
    Footers,
    /// Every byte and every row of every file too.
    Data,
}

impl CheckDepth {
    /// Files that are looked at together; a file whose rows are read takes a row group of memory.
    fn files_in_flight(self) -> usize {
        match self {
            Self::Footers => 8,
            Self::Data => 4,
        }
    }
}

/// A live file that was looked at, and what was seen: nothing for a sound one.
#[derive(Debug, Clone)]
pub struct CheckedFile {
    /// The file.
    pub file: Arc<DataFile>,
    /// What was seen.
    pub findings: Vec<FindingKind>,
}

/// Checks every live file's size and footer against the log, and lists files that are not live.
///
/// # Errors
///
/// [`LakeError::Storage`] when the storage cannot be read for other reasons than a file's own, and every error of
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
    let live = table.snapshot().await?.files().to_vec();
    let checked: Vec<CheckedFile> = check_live_files(table, live.clone(), depth).try_collect().await?;
    let found = checked.into_iter().flat_map(|CheckedFile { file, findings }| {
        findings.into_iter().map(move |kind| FileFinding { path: file.path.clone(), kind })
    });
    Ok(found.chain(list_other_files(table, &live).await?).collect())
}

/// Checks live files, several at a time; they come out in the order in which they went in.
///
/// The stream's errors are those of [`check_files`].
pub fn check_live_files(
    table: &Table,
    files: Vec<Arc<DataFile>>,
    depth: CheckDepth,
) -> impl Stream<Item = Result<CheckedFile, LakeError>> + use<> {
    let table = table.clone();
    stream::iter(files)
        .map(move |file| {
            let table = table.clone();
            async move {
                let findings = check_file(&table, &file, depth).await?;
                Ok(CheckedFile { file, findings })
            }
        })
        .buffered(depth.files_in_flight())
}

/// Looks at one file in a task of its own: a decoder that panics over damaged bytes is a finding, not the end.
async fn check_file(table: &Table, file: &Arc<DataFile>, depth: CheckDepth) -> Result<Vec<FindingKind>, LakeError> {
    let mut task = JoinSet::new();
    let (own_table, own_file) = (table.clone(), Arc::clone(file));
    task.spawn(async move { find_fault(&own_table, &own_file, depth).await });
    let fault = match task.join_next().await {
        Some(Ok(Ok(fault))) => fault,
        Some(Ok(Err(error))) => Some(FindingKind::of_file(table, error)?),
        Some(Err(error)) => Some(FindingKind::Unreadable { reason: error.to_string() }),
        None => None,
    };
    let is_unproven = depth == CheckDepth::Data && file.sha256.is_none();
    Ok(fault.into_iter().chain(is_unproven.then_some(FindingKind::NoChecksum)).collect())
}

/// What is wrong with the bytes of one live file: by its size and the log's checksum, or where the log has none, by reading every row.
///
/// # Errors
///
/// [`LakeError::Storage`] when the file cannot be read.
pub async fn check_bytes(table: &Table, file: &Arc<DataFile>) -> Result<Option<FindingKind>, LakeError> {
    if file.sha256.is_none() {
        let findings = check_file(table, file, CheckDepth::Data).await?;
        return Ok(findings.into_iter().find(|finding| !finding.is_note()));
    }
    match find_wrong_size(table, file).await? {
        Some(wrong) => Ok(Some(wrong)),
        None => data::find_wrong_checksum(table, file).await,
    }
}

async fn find_wrong_size(table: &Table, file: &DataFile) -> Result<Option<FindingKind>, LakeError> {
    let found = match table.storage().store().head(&table.file_path(file)?).await {
        Ok(object) => object.size,
        Err(object_store::Error::NotFound { .. }) => return Ok(Some(FindingKind::Missing)),
        Err(error) => return Err(LakeError::storage(&table.storage().name_of(&file.path), error)),
    };
    Ok((found != file.size_bytes).then_some(FindingKind::WrongSize { expected: file.size_bytes, found }))
}

async fn find_fault(table: &Table, file: &DataFile, depth: CheckDepth) -> Result<Option<FindingKind>, LakeError> {
    if let Some(wrong) = find_wrong_size(table, file).await? {
        return Ok(Some(wrong));
    }
    // Other programs write their folders in ways of their own.
    if file.sha256.is_some() && !is_in_its_folder(table.spec().partition_columns, &file.partition, &file.path) {
        return Ok(Some(FindingKind::WrongPartition { partition: file.partition.clone() }));
    }
    if depth == CheckDepth::Data
        && let Some(wrong) = data::find_wrong_checksum(table, file).await?
    {
        return Ok(Some(wrong));
    }
    let footer = read_footer(table, file).await?;
    if let Some(difference) = column_difference(&table.spec().file_schema_of(&footer.schema), &footer.schema) {
        return Ok(Some(FindingKind::WrongColumns { difference }));
    }
    if footer.row_count != file.row_count {
        return Ok(Some(FindingKind::WrongRowCount { expected: file.row_count, found: footer.row_count }));
    }
    match depth {
        CheckDepth::Footers => Ok(None),
        CheckDepth::Data => data::find_fault_in_rows(table, file, &footer.schema).await,
    }
}

/// The data files below the table's root that are not live: notes, each of them.
///
/// # Errors
///
/// [`LakeError::Storage`] when the table cannot be listed.
pub async fn list_other_files(table: &Table, live: &[Arc<DataFile>]) -> Result<Vec<FileFinding>, LakeError> {
    let live: HashSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
    let removed: HashSet<String> = table.log().removed_files().await?.into_iter().map(|(path, _)| path).collect();
    let mut findings: Vec<FileFinding> = list_data_files(table)
        .await?
        .into_iter()
        .filter(|(path, _)| !live.contains(path.as_str()))
        .map(|(path, _)| {
            let is_removed = removed.contains(&path);
            FileFinding { kind: if is_removed { FindingKind::Replaced } else { FindingKind::Unreferenced }, path }
        })
        .collect();
    findings.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(findings)
}
