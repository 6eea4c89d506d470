//! Compaction: the small files of a partition become few large ones with the same rows in the same order.
//!
//! The old files leave the log and the new ones enter it in one commit, so a reader sees either. Data files are not
//! deleted: readers of an older version may still need them. Two compactions at once, or appends in between, neither
//! lose nor double a row: see [`crate::commit`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::commit::{Commit, CommitOperation, TransactionId};
use crate::edit::Edit;
use crate::encoder::FileEncoder;
use crate::error::LakeError;
use crate::merge::SortedMerge;
use crate::partition::PartitionValues;
use crate::reader::read_rows;
use crate::snapshot::{DataFile, Snapshot};
use crate::table::Table;
use crate::upload::SummedUpload;
use crate::writer::{Effort, FileLayout, NewFile};

/// A merge reads at most this many files at once; more are merged in several rounds.
const FAN_IN: usize = 64;
/// A merge holds at most about this many compressed bytes of its inputs.
const BYTES_IN_FLIGHT: u64 = 192 * 1024 * 1024;
/// What one input holds at most of that: a row group.
const ROW_GROUP_BYTES: u64 = 32 * 1024 * 1024;
/// A round that lost to another compaction is planned anew; that one made progress, so this is far away.
const MAX_ROUNDS: usize = 1000;

/// What files a compaction makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactOptions {
    /// Size that files are meant to have; files of at least half of it are left alone.
    pub target_file_bytes: u64,
    /// Fewer small files than this are left alone too; at least two.
    pub min_files: usize,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { target_file_bytes: 128 * 1024 * 1024, min_files: 2 }
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactSummary {
    /// Small files that are not live any more.
    pub files_removed: u64,
    /// Files that hold their rows now.
    pub files_added: u64,
    /// Rows in them.
    pub row_count: u64,
    /// Bytes of the small files.
    pub bytes_removed: u64,
    /// Bytes of the files that hold their rows now.
    pub bytes_added: u64,
    /// Merges that were given up because another writer was faster with the same files.
    pub conflicts: u64,
}

/// Merges the small files of every partition until none is left that another could join.
///
/// # Errors
///
/// [`LakeError::Corrupt`] for a file that cannot be read or is not in order, [`LakeError::Storage`]; what was
/// committed before stays.
pub async fn compact(table: &Table, options: &CompactOptions) -> Result<CompactSummary, LakeError> {
    let mut summary = CompactSummary::default();
    for _round in 0..MAX_ROUNDS {
        let groups = plan(&table.snapshot().await?, options);
        if groups.is_empty() {
            break;
        }
        // The merged files have the columns of this format, whatever the merged ones had.
        table.upgrade().await?;
        for group in groups {
            match merge_group(table, options, &group).await {
                Ok(added) => summary.count(&group, &added),
                Err(LakeError::Conflict { .. }) => summary.conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(summary)
}

impl CompactSummary {
    fn count(&mut self, removed: &[Arc<DataFile>], added: &[DataFile]) {
        self.files_removed += removed.len() as u64;
        self.files_added += added.len() as u64;
        self.row_count += added.iter().map(|file| file.row_count).sum::<u64>();
        self.bytes_removed += removed.iter().map(|file| file.size_bytes).sum::<u64>();
        self.bytes_added += added.iter().map(|file| file.size_bytes).sum::<u64>();
    }
}

/// How many files a compaction would merge.
pub fn mergeable_files(snapshot: &Snapshot, options: &CompactOptions) -> usize {
    plan(snapshot, options).iter().map(Vec::len).sum()
}

/// The files that are merged with each other; each group is of one partition.
pub(crate) fn plan(snapshot: &Snapshot, options: &CompactOptions) -> Vec<Vec<Arc<DataFile>>> {
    let mut partitions: BTreeMap<&PartitionValues, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in snapshot.files().iter().filter(|file| file.size_bytes < options.target_file_bytes / 2) {
        partitions.entry(&file.partition).or_default().push(Arc::clone(file));
    }
    let min_files = options.min_files.max(2);
    partitions.into_values().flat_map(group).filter(|group| group.len() >= min_files).collect()
}

/// Splits files into groups that one merge can hold, the smallest files first so that equals meet.
fn group(mut files: Vec<Arc<DataFile>>) -> Vec<Vec<Arc<DataFile>>> {
    files.sort_by_key(|file| file.size_bytes);
    let mut groups: Vec<Vec<Arc<DataFile>>> = Vec::new();
    let mut in_flight = 0;
    for file in files {
        let held = file.size_bytes.min(ROW_GROUP_BYTES);
        match groups.last_mut() {
            Some(group) if group.len() < FAN_IN && in_flight + held <= BYTES_IN_FLIGHT => {
                in_flight += held;
                group.push(file);
            }
            _ => {
                in_flight = held;
                groups.push(vec![file]);
            }
        }
    }
    groups
}

/// Merges a group into new files and commits them in its place.
pub(crate) async fn merge_group(
    table: &Table,
    options: &CompactOptions,
    group: &[Arc<DataFile>],
) -> Result<Vec<DataFile>, LakeError> {
    let mut adds = write_merged(table, options, group, &Ok).await?;
    let awaits_edit = group.iter().any(|file| file.awaits_edit);
    adds.iter_mut().for_each(|file| file.awaits_edit = awaits_edit);
    let (rows_in, rows_out) = (row_count(group.iter().map(Arc::as_ref)), row_count(&adds));
    if rows_in != rows_out {
        let reason = format!("the log tells {rows_in} rows of the files to merge, they hold {rows_out}");
        return Err(LakeError::corrupt(table.storage(), reason));
    }
    let commit = Commit {
        adds: adds.clone(),
        removes: group.to_vec(),
        // Chosen anew at each attempt of the commit.
        transaction: TransactionId { app_id: String::new(), version: 0 },
        operation: CommitOperation::Compact,
        base_version: None,
        info: BTreeMap::new(),
    };
    table.commit(commit).await?;
    Ok(adds)
}

fn row_count<'file>(files: impl IntoIterator<Item = &'file DataFile>) -> u64 {
    files.into_iter().map(|file| file.row_count).sum()
}

/// Writes the rows of a group, sorted and then edited, into as many files as the target size asks for, split evenly.
pub(crate) async fn write_merged(
    table: &Table,
    options: &CompactOptions,
    group: &[Arc<DataFile>],
    edit: Edit<'_>,
) -> Result<Vec<DataFile>, LakeError> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let total_bytes: u64 = group.iter().map(|file| file.size_bytes).sum();
    let file_count = ((total_bytes + options.target_file_bytes / 2) / options.target_file_bytes.max(1)).max(1);
    let rows_per_file = row_count(group.iter().map(Arc::as_ref)).div_ceil(file_count).max(1);
    let mut merge = start_merge(table, group, &first.partition).await?;
    let mut files = Vec::new();
    while let Some(first_batch) = merge.next_batch().await? {
        let mut file = MergedFile::try_new(table, &first.partition)?;
        match file.fill(first_batch, &mut merge, rows_per_file, edit).await {
            Ok(()) => files.push(file.finish().await?),
            Err(error) => {
                file.upload.abort().await;
                return Err(error);
            }
        }
    }
    Ok(files)
}

async fn start_merge(
    table: &Table,
    group: &[Arc<DataFile>],
    partition: &PartitionValues,
) -> Result<SortedMerge, LakeError> {
    let mut inputs = Vec::with_capacity(group.len());
    for file in group {
        inputs.push(read_rows(table, file).await?);
    }
    let sort_columns = (table.spec().sort_columns)(partition);
    SortedMerge::try_new(table.storage().to_string(), table.file_schema(), sort_columns, inputs).await
}

/// A new data file while its rows stream into the store.
struct MergedFile {
    file: NewFile,
    encoder: FileEncoder,
    upload: SummedUpload,
    name: String,
}

impl MergedFile {
    fn try_new(table: &Table, partition: &PartitionValues) -> Result<Self, LakeError> {
        let file = NewFile::try_new(table, partition)?;
        let name = table.storage().name_of(file.path());
        let path = table.storage().path_of(file.path())?;
        let schema = SchemaRef::clone(table.file_schema());
        let upload = SummedUpload::new(table.storage().store(), path);
        let failed = |error| LakeError::parquet(&name, error);
        let layout = FileLayout::try_new(table.spec(), &schema, partition, Effort::Thorough).map_err(failed)?;
        let encoder = FileEncoder::try_new(schema, layout).map_err(failed)?;
        Ok(Self { file, encoder, upload, name })
    }

    /// Takes batches until the file has enough rows or there are no more.
    async fn fill(
        &mut self,
        first: RecordBatch,
        merge: &mut SortedMerge,
        row_count: u64,
        edit: Edit<'_>,
    ) -> Result<(), LakeError> {
        let mut next = Some(first);
        while let Some(batch) = next {
            let batch = edit(batch).map_err(|error| LakeError::invalid_rows(&self.name, &error))?;
            self.write(&batch).await?;
            next = if self.file.row_count() < row_count { merge.next_batch().await? } else { None };
        }
        Ok(())
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        // A merge of sorted files is sorted; that it is not says that a file was not.
        self.file.accept(batch).map_err(|error| LakeError::corrupt(&self.name, error))?;
        self.encoder.write(batch).map_err(|error| LakeError::parquet(&self.name, error))?;
        let bytes = self.encoder.take_bytes();
        self.upload.push(bytes).await.map_err(|error| LakeError::storage(&self.name, error))
    }

    async fn finish(self) -> Result<DataFile, LakeError> {
        let Self { file, encoder, mut upload, name } = self;
        let (rest, tail) = match encoder.finish() {
            Ok(end) => end,
            Err(error) => {
                upload.abort().await;
                return Err(LakeError::parquet(&name, error));
            }
        };
        upload.push(rest).await.map_err(|error| LakeError::storage(&name, error))?;
        let (size_bytes, sha256) = upload.finish().await.map_err(|error| LakeError::storage(&name, error))?;
        file.finish(size_bytes, sha256, tail)
    }
}
