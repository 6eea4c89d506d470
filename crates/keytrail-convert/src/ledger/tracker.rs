//! What comes into a table with entries of log files while a conversion runs, of this run and of others.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use keytrail_lake::{DataFile, Lake};
use rustc_hash::FxHashSet;

use super::{EntryId, entry_id};
use crate::error::ConvertError;
use crate::reading::read_columns;

/// Follows a table with entries of log files: which version was looked at, and what came since.
#[derive(Debug)]
pub(crate) struct EntryTracker {
    pub(crate) table: &'static str,
    /// The version that was looked at.
    pub(crate) version: u64,
    data_files: HashSet<String>,
    /// Entries that came since the first look, of this run and of others: what a later commit must not enter again.
    since: FxHashSet<EntryId>,
}

impl EntryTracker {
    /// Tells all entries there are.
    pub(super) async fn begin(
        lake: &Lake,
        table: &'static str,
        tell: impl FnMut(&str, &str),
    ) -> Result<Self, ConvertError> {
        let mut tracker = Self { table, version: 0, data_files: HashSet::new(), since: FxHashSet::default() };
        tracker.read(lake, tell).await?;
        Ok(tracker)
    }

    /// Looks at what came since the last look.
    pub(crate) async fn follow(&mut self, lake: &Lake) -> Result<(), ConvertError> {
        let mut since = std::mem::take(&mut self.since);
        self.read(lake, |path, version| {
            since.insert(entry_id(path, version));
        })
        .await?;
        self.since = since;
        Ok(())
    }

    /// Whether an entry came since the first look.
    pub(crate) fn has_entered(&self, id: EntryId) -> bool {
        self.since.contains(&id)
    }

    async fn read(&mut self, lake: &Lake, mut tell: impl FnMut(&str, &str)) -> Result<(), ConvertError> {
        let table = lake.table(self.table);
        let snapshot = table.snapshot().await?;
        let is_new = |file: &&Arc<DataFile>| !self.data_files.contains(&file.path);
        let files: Vec<_> = snapshot.files().iter().filter(is_new).cloned().collect();
        read_columns(table, &files, &["log_file_path", "log_file_version"], |batch| {
            let (paths, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            paths.iter().flatten().zip(versions.iter().flatten()).for_each(|(path, version)| tell(path, version));
        })
        .await?;
        self.data_files.extend(files.iter().map(|file| file.path.clone()));
        self.version = snapshot.version();
        Ok(())
    }
}
