//! A table at one version: its live data files with what the log knows about each.
//!
//! It does not read data files and does not follow the log: see [`crate::Table::snapshot`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use deltalake_core::kernel::{Add, LogicalFileView};
use deltalake_core::logstore::LogStoreRef;
use deltalake_core::table::state::DeltaTableState;

use crate::block_sums::Tail;
use crate::error::LakeError;
use crate::partition::PartitionValues;
use crate::statistics::FileStatistics;
use crate::storage::Storage;

/// Under this name the log keeps a data file's checksum.
pub(crate) const SHA256_TAG: &str = "keytrail.sha256";
/// Under this name it keeps where the file's tail begins, and its checksum.
pub(crate) const TAIL_TAG: &str = "keytrail.tail";
/// Under this name it keeps that an edit is still to come.
pub(crate) const EDIT_TAG: &str = "keytrail.awaitsEdit";

/// A data file as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// The path below the table's root; percent signs in it belong to the name.
    pub path: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The count of rows.
    pub row_count: u64,
    /// The value of each partition column; a null is an empty text.
    pub partition: PartitionValues,
    /// What is known about its columns.
    pub statistics: FileStatistics,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// The SHA-256 of its bytes in hex; none = written by a version or a program that keeps none.
    pub sha256: Option<String>,
    /// What of the file is no rows, by which readers notice damage; none = written by a version or a program that keeps none.
    pub tail: Option<Tail>,
    /// Its writer means to change values of rows of its partition later ([`crate::Table::edit_files`]); where the writer ends before that,
    /// the next one does it. Of merged files the merged one has it.
    pub awaits_edit: bool,
}

/// A table at one version of its log.
#[derive(Clone)]
pub struct Snapshot {
    files: Vec<Arc<DataFile>>,
    schema: SchemaRef,
    state: DeltaTableState,
    log_store: LogStoreRef,
    name: String,
}

impl Snapshot {
    /// Reads the file list of a log state; files known from an earlier snapshot are shared, not parsed again.
    pub(crate) fn try_new(
        state: DeltaTableState,
        log_store: LogStoreRef,
        schema: SchemaRef,
        storage: &Storage,
        known: &HashMap<String, Arc<DataFile>>,
    ) -> Result<Self, LakeError> {
        let log_data = state.snapshot().try_log_data().map_err(|error| LakeError::log(storage, error))?;
        let mut files = log_data
            .iter()
            .map(|view| match known.get(view.path().as_ref()) {
                Some(file) => Ok(Arc::clone(file)),
                None => parse_file(&view, &schema, storage).map(Arc::new),
            })
            .collect::<Result<Vec<_>, _>>()?;
        // The log's order depends on checkpoints; a reader wants the same order for the same version.
        files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { files, schema, state, log_store, name: storage.to_string() })
    }

    /// The version of the log.
    pub fn version(&self) -> u64 {
        self.state.version()
    }

    /// The live data files, by path.
    pub fn files(&self) -> &[Arc<DataFile>] {
        &self.files
    }

    /// All columns of the table, the partition columns last.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The table's name, as messages show it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The rows of all live files together.
    pub fn row_count(&self) -> u64 {
        self.files.iter().map(|file| file.row_count).sum()
    }

    /// The bytes of all live files together.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// The live file of a path; none = not live.
    pub(crate) fn file(&self, path: &str) -> Option<&Arc<DataFile>> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(index)
    }

    /// The newest version that an application has committed under its id; none = never. Reads the log.
    ///
    /// # Errors
    ///
    /// [`LakeError::Storage`] and [`LakeError::Corrupt`] for a log that cannot be read.
    pub async fn transaction_version(&self, app_id: &str) -> Result<Option<i64>, LakeError> {
        let version = self.state.transaction_version(self.log_store.as_ref(), app_id).await;
        version.map_err(|error| LakeError::log(&self.name, error))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("name", &self.name)
            .field("version", &self.version())
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

fn parse_file(view: &LogicalFileView, schema: &SchemaRef, storage: &Storage) -> Result<DataFile, LakeError> {
    #[expect(deprecated, reason = "nothing else tells the tags, and the Arrow arrays it recommends are private")]
    let Add { path, size, partition_values, modification_time, stats, tags, deletion_vector, .. } = view.add_action();
    let name = || storage.name_of(&path);
    if deletion_vector.is_some() {
        let reason = "another engine deleted rows by a deletion vector".to_owned();
        return Err(LakeError::Unsupported { place: name(), reason });
    }
    if path.contains("://") || path.starts_with('/') {
        let reason = "the log names a file outside the table".to_owned();
        return Err(LakeError::Unsupported { place: name(), reason });
    }
    let (row_count, statistics) = match stats {
        Some(json) => FileStatistics::from_json(&json, schema).map_err(|error| LakeError::corrupt(&name(), error))?,
        None => (None, FileStatistics::default()),
    };
    let row_count = row_count.ok_or_else(|| LakeError::corrupt(&name(), "the log tells no row count"))?;
    let size_bytes = u64::try_from(size).map_err(|error| LakeError::corrupt(&name(), error))?;
    let partition = partition_values.into_iter().map(|(column, value)| (column, value.unwrap_or_default())).collect();
    let mut tags = tags.unwrap_or_default();
    let sha256 = tags.remove(SHA256_TAG).flatten();
    let tail = tags.remove(TAIL_TAG).flatten().map(|text| text.parse()).transpose();
    let tail = tail.map_err(|error: String| LakeError::corrupt(&name(), error))?;
    let awaits_edit = tags.contains_key(EDIT_TAG);
    let modified_ms = modification_time;
    Ok(DataFile { path, size_bytes, row_count, partition, statistics, modified_ms, sha256, tail, awaits_edit })
}
