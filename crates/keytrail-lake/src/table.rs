//! One Delta table of the lake: its shape, its place, and the state of its log that this process has seen.
//!
//! Reading the log is in [`crate::log`], writing files in [`crate::writer`], commits in [`crate::commit`].

use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::LakeError;
use crate::log::TableLog;
use crate::partition::PartitionValues;
use crate::snapshot::{DataFile, Snapshot};
use crate::storage::Storage;
use crate::upload::put_object;
use crate::writer::EncodedFile;

/// The shape of one table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// The table's name, and its folder in the lake.
    pub name: &'static str,
    /// All columns; the partition columns are text and come last.
    pub schema: SchemaRef,
    /// The partition columns, in path order.
    pub partition_columns: &'static [&'static str],
    /// The columns that the rows of a partition's files are sorted by: ascending, nulls first.
    pub sort_columns: fn(&PartitionValues) -> &'static [&'static str],
    /// Columns with a bloom filter.
    pub bloom_filter_columns: &'static [&'static str],
    /// Columns with statistics, in the Delta log and in the files down to the page; the sort columns have them too.
    pub statistics_columns: &'static [&'static str],
    /// Text and hash columns of all but unique values, for which a dictionary costs time and saves nothing.
    pub plain_columns: &'static [&'static str],
    /// Columns that tables of an earlier format lack, and their data files for good: rows have null there.
    pub later_columns: &'static [&'static str],
    /// Text columns of long values that share their beginnings, in no order that the rows have: they are stored side by side.
    pub grouped_columns: &'static [&'static str],
}

impl TableSpec {
    /// The columns of a data file: all but the partition columns.
    pub fn file_schema(&self) -> SchemaRef {
        let is_stored = |name: &str| !self.partition_columns.contains(&name);
        let fields = self.schema.fields().iter().filter(|field| is_stored(field.name())).cloned();
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The columns of a data file in which `found` are: an earlier format's lacks the later ones.
    pub(crate) fn file_schema_of(&self, found: &Schema) -> SchemaRef {
        let is_there = |name: &str| !self.later_columns.contains(&name) || found.index_of(name).is_ok();
        let schema = self.file_schema();
        let fields = schema.fields().iter().filter(|field| is_there(field.name())).cloned();
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The columns with statistics in files of a partition.
    pub(crate) fn statistics_columns_of(&self, partition: &PartitionValues) -> Vec<&'static str> {
        let mut columns = self.statistics_columns.to_vec();
        columns.extend((self.sort_columns)(partition).iter().filter(|name| !self.statistics_columns.contains(name)));
        columns
    }
}

/// The shape of a whole lake.
#[derive(Debug, Clone)]
pub struct LakeSpec {
    /// Its tables.
    pub tables: Vec<TableSpec>,
    /// The version of the shape; a lake with a higher one is refused.
    pub format_version: u32,
}

/// A table of an open lake; cheap to clone, all clones share what they know of the log.
#[derive(Clone)]
pub struct Table {
    shared: Arc<Shared>,
}

struct Shared {
    spec: TableSpec,
    file_schema: SchemaRef,
    storage: Storage,
    log: TableLog,
}

impl Table {
    /// Creates the table, unless it `exists`; one of an earlier format is brought to this one.
    pub(crate) async fn create_or_open(self, exists: bool) -> Result<Self, LakeError> {
        if !exists {
            self.storage().require_conditional_put().await?;
            self.log().create().await?;
        }
        self.upgrade().await?;
        Ok(self)
    }

    /// Opens the table; writes nothing.
    pub(crate) async fn open(self) -> Result<Self, LakeError> {
        self.log().verify().await?;
        Ok(self)
    }

    /// Whether the table has a log.
    pub(crate) async fn exists(&self) -> Result<bool, LakeError> {
        self.log().exists().await
    }

    pub(crate) fn new(lake: &Storage, spec: &TableSpec, format_version: u32) -> Result<Self, LakeError> {
        let storage = lake.child(spec.name);
        let log = TableLog::new(&storage, spec, format_version)?;
        let file_schema = spec.file_schema();
        Ok(Self { shared: Arc::new(Shared { spec: spec.clone(), file_schema, storage, log }) })
    }

    /// The table's shape.
    pub fn spec(&self) -> &TableSpec {
        &self.shared.spec
    }

    /// The columns of a data file: all but the partition columns.
    pub fn file_schema(&self) -> &SchemaRef {
        &self.shared.file_schema
    }

    /// The table's root.
    pub fn storage(&self) -> &Storage {
        &self.shared.storage
    }

    pub(crate) fn log(&self) -> &TableLog {
        &self.shared.log
    }

    /// The path of a data file in the store of [`Self::storage`].
    ///
    /// # Errors
    ///
    /// [`LakeError::Corrupt`] when the log names a path that is none.
    pub fn file_path(&self, file: &DataFile) -> Result<Path, LakeError> {
        self.storage().path_of(&file.path)
    }

    /// The table as its log has it now.
    ///
    /// # Errors
    ///
    /// [`LakeError::Storage`] and [`LakeError::Corrupt`] for a log that cannot be read, [`LakeError::NewerFormat`]
    /// when a newer version has changed the table meanwhile.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        self.log().snapshot().await
    }

    /// Writes an encoded file; it is durable when this returns, and visible to nobody before a commit.
    ///
    /// # Errors
    ///
    /// [`LakeError::Storage`]; then no whole file is there, and the call can be repeated.
    pub async fn put(&self, file: EncodedFile) -> Result<DataFile, LakeError> {
        self.storage().require_conditional_put().await?;
        let (data_file, bytes) = file.into_parts();
        let path = self.file_path(&data_file)?;
        let name = self.storage().name_of(&data_file.path);
        put_object(&self.storage().store(), &path, bytes).await.map_err(|error| LakeError::storage(&name, error))?;
        Ok(data_file)
    }

    /// Deletes a file that was put and will not be committed. A file that stays is in nobody's way: the check tells of it.
    pub async fn discard(&self, file: &DataFile) {
        if let Ok(path) = self.file_path(file) {
            let _deleted = self.storage().store().delete(&path).await;
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("storage", self.storage()).finish_non_exhaustive()
    }
}
