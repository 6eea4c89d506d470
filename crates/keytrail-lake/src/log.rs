//! A table's Delta log: whether it is there, its creation, its newest state, a commit attempt, checkpoints.
//!
//! The log library sees a store of its own root, so that no folder or bucket name reaches its URL handling. What a
//! commit means, and what to do when it fails, is in [`crate::commit`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::schema::{StructField, StructType};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, MetadataExt, TombstoneView, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode, checkpoints};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::prefix::PrefixStore;
use serde::de::IgnoredAny;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use crate::commit::transaction;
use crate::error::LakeError;
use crate::snapshot::{DataFile, Snapshot};
use crate::storage::Storage;
use crate::table::TableSpec;

/// The table property that holds the version of the lake's shape.
const FORMAT_VERSION: &str = "keytrail.formatVersion";
/// A reader replays at most this many commits after a checkpoint.
const CHECKPOINT_INTERVAL: u64 = 50;
/// What a table of keytrail asks of its readers and writers; a higher protocol means features it does not know.
const READER_VERSION: i32 = 1;
const WRITER_VERSION: i32 = 2;

/// The log of one table, and the newest state of it that this process has seen.
pub(crate) struct TableLog {
    log_store: LogStoreRef,
    storage: Storage,
    spec: TableSpec,
    format_version: u32,
    seen: Mutex<Seen>,
}

/// The newest state seen; what only this process does to a table goes one at a time while this is held.
#[derive(Default)]
pub(crate) struct Seen {
    state: Option<DeltaTableState>,
    files: HashMap<String, Arc<DataFile>>,
}

impl TableLog {
    pub(crate) fn new(storage: &Storage, spec: &TableSpec, format_version: u32) -> Result<Self, LakeError> {
        let root = Arc::new(PrefixStore::new(storage.store(), storage.prefix().clone()));
        let url = Url::parse("keytrail:///").map_err(|error| LakeError::corrupt(storage, error))?;
        let log_store = default_logstore(Arc::clone(&root) as _, root, &url, &StorageConfig::default());
        Ok(Self { log_store, storage: storage.clone(), spec: spec.clone(), format_version, seen: Mutex::default() })
    }

    pub(crate) async fn exists(&self) -> Result<bool, LakeError> {
        self.log_store.is_delta_table_location().await.map_err(|error| self.error(error))
    }

    /// Writes version 0; that another writer did it first is fine.
    pub(crate) async fn create(&self) -> Result<(), LakeError> {
        let columns = self.delta_schema()?;
        let created = CreateBuilder::new()
            .with_log_store(Arc::clone(&self.log_store))
            .with_table_name(self.spec.name)
            .with_columns(columns.fields().cloned())
            .with_partition_columns(self.spec.partition_columns.iter().copied())
            .with_configuration(self.properties())
            .with_raise_if_key_not_exists(false)
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        match created {
            Ok(_table) => Ok(()),
            // An error may hide a creation that came through, here or at another writer: what counts is the log.
            Err(error) => match self.exists().await {
                Ok(true) => self.storage.settle("_delta_log").await,
                _ => Err(self.error(error)),
            },
        }
    }

    fn properties(&self) -> Vec<(String, Option<String>)> {
        let mut properties = vec![
            (FORMAT_VERSION.to_owned(), Some(self.format_version.to_string())),
            ("delta.checkpointInterval".to_owned(), Some(CHECKPOINT_INTERVAL.to_string())),
        ];
        if !self.spec.statistics_columns.is_empty() {
            let columns = self.spec.statistics_columns.join(",");
            properties.push(("delta.dataSkippingStatsColumns".to_owned(), Some(columns)));
        }
        properties
    }

    fn delta_schema(&self) -> Result<StructType, LakeError> {
        self.spec.schema.as_ref().try_into_kernel().map_err(|error| LakeError::Unsupported {
            place: self.storage.to_string(),
            reason: format!("a column type that Delta does not have: {error}"),
        })
    }

    /// Loads the log and refuses what is not this version's.
    pub(crate) async fn verify(&self) -> Result<(), LakeError> {
        self.lock().await.refresh().await.map(|_state| ())
    }

    /// The newest state, as a snapshot.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        self.lock().await.snapshot().await
    }

    /// Waits for whatever this process does to the table's log, then holds it.
    pub(crate) async fn lock(&self) -> LockedLog<'_> {
        LockedLog { log: self, seen: self.seen.lock().await }
    }

    /// The removed files that the log still remembers: the path, and when it was removed, in milliseconds since the epoch.
    pub(crate) async fn removed_files(&self) -> Result<Vec<(String, i64)>, LakeError> {
        let state = self.lock().await.refresh().await?.clone();
        let tombstones = state.all_tombstones(self.log_store.as_ref());
        let removed = |file: TombstoneView| (file.path().into_owned(), file.deletion_timestamp().unwrap_or(0));
        tombstones.map_ok(removed).try_collect().await.map_err(|error| self.error(error))
    }

    fn error(&self, error: DeltaTableError) -> LakeError {
        LakeError::log(&self.storage, error)
    }

    /// Of a log that makes no sense, which file does not: the library names none.
    async fn with_place(&self, error: LakeError) -> LakeError {
        let LakeError::Corrupt { path, source } = error else { return error };
        match self.broken_commit().await {
            Some(commit) => LakeError::Corrupt { path: self.storage.name_of(&commit), source },
            None => LakeError::Corrupt { path, source },
        }
    }

    /// Refuses a newest commit without a byte, as a copy that was cut short leaves it: the library reads it as one that changes nothing. On
    /// disk only, as objects are there whole or not at all.
    async fn refuse_empty_commit(&self, version: u64) -> Result<(), LakeError> {
        if !self.storage.is_local() {
            return Ok(());
        }
        let commit = format!("_delta_log/{version:020}.json");
        match self.log_store.object_store(None).head(&commit.as_str().into()).await {
            Ok(object) if object.size == 0 => Err(LakeError::corrupt(&self.storage.name_of(&commit), "it is empty")),
            // An older commit may be gone, when a checkpoint has what it said.
            _ => Ok(()),
        }
    }

    /// The first commit that is not lines of JSON, below the table's root.
    async fn broken_commit(&self) -> Option<String> {
        let store = self.log_store.object_store(None);
        let mut listed: Vec<_> = store.list(Some(&"_delta_log".into())).try_collect().await.ok()?;
        listed.retain(|file| file.location.extension() == Some("json"));
        listed.sort_unstable_by(|left, right| left.location.cmp(&right.location));
        for file in listed {
            let bytes = store.get(&file.location).await.ok()?.bytes().await.ok()?;
            let mut lines = serde_json::Deserializer::from_slice(&bytes).into_iter::<IgnoredAny>();
            if bytes.is_empty() || lines.any(|line| line.is_err()) {
                return Some(file.location.to_string());
            }
        }
        None
    }

    /// Refuses a table that is not keytrail's, of a newer format, or with other columns; an earlier format may lack the later ones.
    fn verify_state(&self, state: &DeltaTableState) -> Result<(), LakeError> {
        let protocol = state.protocol();
        let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
        if reader > READER_VERSION || writer > WRITER_VERSION {
            return Err(
                self.newer(format!("Delta protocol {reader}/{writer}"), format!("{READER_VERSION}/{WRITER_VERSION}"))
            );
        }
        let Some(found) = state.metadata().configuration().get(FORMAT_VERSION) else {
            return Err(LakeError::NotALake {
                place: self.storage.to_string(),
                reason: "a Delta table of another program".to_owned(),
            });
        };
        if found.parse::<u32>().is_ok_and(|found| found <= self.format_version) {
            return self.verify_columns(state);
        }
        Err(self.newer(format!("format {found}"), format!("format {}", self.format_version)))
    }

    fn newer(&self, found: String, known: String) -> LakeError {
        LakeError::NewerFormat { place: self.storage.to_string(), found, known }
    }

    fn verify_columns(&self, state: &DeltaTableState) -> Result<(), LakeError> {
        let (expected, found) = (self.delta_schema()?, state.schema());
        let column = |field: &StructField| format!("{} {}", field.name(), field.data_type());
        let columns = |schema: &StructType| -> Vec<String> { schema.fields().map(column).collect() };
        let required = expected.fields().filter(|field| !self.is_later(field.name()) || found.contains(field.name()));
        let (required, expected, found) = (required.map(column), columns(&expected), columns(&found));
        let partition_columns = state.metadata().partition_columns();
        let difference = if let Some(missing) = required.into_iter().find(|column| !found.contains(column)) {
            format!("missing {missing}")
        } else if let Some(unknown) = found.iter().find(|column| !expected.contains(column)) {
            format!("unknown {unknown}")
        } else if partition_columns != self.spec.partition_columns {
            format!("partitioned by {partition_columns:?}")
        } else {
            return Ok(());
        };
        Err(LakeError::SchemaMismatch { place: self.storage.to_string(), difference })
    }

    fn is_later(&self, column: &str) -> bool {
        self.spec.later_columns.contains(&column)
    }

    /// What brings a table of this state to this format; none where it has all columns.
    fn upgrade(&self, state: &DeltaTableState) -> Result<Option<Upgrade>, LakeError> {
        let (schema, found) = (self.delta_schema()?, state.schema());
        let lacked: Vec<StructField> = schema.fields().filter(|field| !found.contains(field.name())).cloned().collect();
        if lacked.is_empty() {
            return Ok(None);
        }
        let metadata = state.metadata().clone().with_schema(&schema);
        let metadata = self
            .properties()
            .into_iter()
            .fold(metadata, |metadata, (name, value)| metadata?.add_config_key(name, value.unwrap_or_default()));
        Ok(Some(Upgrade {
            metadata: Action::Metadata(metadata.map_err(|error| self.error(error.into()))?),
            operation: DeltaOperation::AddColumn { fields: lacked },
            transaction: transaction(FORMAT_VERSION, i64::from(self.format_version)),
        }))
    }
}

/// A commit that adds columns.
pub(crate) struct Upgrade {
    pub(crate) metadata: Action,
    pub(crate) operation: DeltaOperation,
    pub(crate) transaction: Transaction,
}

impl fmt::Debug for TableLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableLog").field("storage", &self.storage).finish_non_exhaustive()
    }
}

/// The log while nobody else in this process reads or writes it.
pub(crate) struct LockedLog<'log> {
    log: &'log TableLog,
    seen: MutexGuard<'log, Seen>,
}

impl LockedLog<'_> {
    /// Follows the log to its newest version.
    pub(crate) async fn refresh(&mut self) -> Result<&DeltaTableState, LakeError> {
        let mut table = DeltaTable::new(Arc::clone(&self.log.log_store));
        table.state = self.seen.state.take();
        if let Err(error) = table.update_state().await {
            return Err(self.log.with_place(self.log.error(error)).await);
        }
        let state = table.state.ok_or_else(|| self.log.error(DeltaTableError::NotInitialized))?;
        self.log.verify_state(&state)?;
        self.log.refuse_empty_commit(state.version()).await?;
        Ok(self.seen.state.insert(state))
    }

    /// Follows the log to its newest version; what brings the table to this format, where it is of an earlier one.
    pub(crate) async fn upgrade(&mut self) -> Result<Option<Upgrade>, LakeError> {
        let log = self.log;
        log.upgrade(self.refresh().await?)
    }

    /// Follows the log to its newest version and reads the file list.
    pub(crate) async fn snapshot(&mut self) -> Result<Snapshot, LakeError> {
        let state = self.refresh().await?.clone();
        let log = self.log;
        let store = Arc::clone(&log.log_store);
        let schema = SchemaRef::clone(&log.spec.schema);
        let snapshot = Snapshot::try_new(state, store, schema, &log.storage, &self.seen.files)?;
        self.seen.files = snapshot.files().iter().map(|file| (file.path.clone(), Arc::clone(file))).collect();
        Ok(snapshot)
    }

    /// Tries to write the next version, once; an error does not tell that it is not there.
    pub(crate) async fn attempt(
        &mut self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        transaction: Transaction,
        info: HashMap<String, serde_json::Value>,
    ) -> Result<u64, DeltaTableError> {
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false))
            .with_application_transaction(transaction);
        let state = self.seen.state.as_ref().ok_or(DeltaTableError::NotInitialized)?;
        let prepared = CommitBuilder::from(properties)
            .with_actions(actions)
            .with_app_metadata(info)
            .build(Some(state as &dyn TableReference), Arc::clone(&self.log.log_store), operation)
            .into_prepared_commit_future()
            .await?;
        let committed = prepared.await?;
        Ok(committed.version)
    }

    /// Writes a checkpoint when one is due, and drops log files that the retention period lets go.
    ///
    /// Failing costs readers time and nothing else, the next one is due soon: so it is no error of the commit.
    pub(crate) async fn checkpoint_if_due(&mut self, version: u64) {
        if !(version + 1).is_multiple_of(CHECKPOINT_INTERVAL) || self.refresh().await.is_err() {
            return;
        }
        let mut table = DeltaTable::new(Arc::clone(&self.log.log_store));
        table.state = self.seen.state.clone();
        if checkpoints::create_checkpoint(&table, None).await.is_ok() {
            let _cleaned_up = checkpoints::cleanup_metadata(&table, None).await;
        }
    }

    /// The table's storage.
    pub(crate) fn storage(&self) -> &Storage {
        &self.log.storage
    }
}
