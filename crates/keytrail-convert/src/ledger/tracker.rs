//! What comes into the ledger while a conversion runs, of this run and of others.

use std::collections::HashSet;
use std::sync::Arc;

use keytrail_lake::{DataFile, Lake};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_64;

use super::{EntryId, Retried, RunKey, entry_id, read_entries, run_key};
use crate::error::ConvertError;
use crate::source::LogFile;
use crate::spec::LOG_FILES;

/// Follows the ledger: which version was looked at, and what came since.
#[derive(Debug)]
pub(crate) struct EntryTracker {
    /// The version that was looked at.
    pub(crate) version: u64,
    data_files: HashSet<String>,
    /// Entries that came since the first look, of this run and of others, with older ones that were only written anew.
    since: FxHashMap<EntryId, RunKey>,
    paths_since: FxHashSet<u64>,
}

impl EntryTracker {
    /// Tells all entries there are: the hash of the path, the id and the run.
    pub(super) async fn begin(lake: &Lake, tell: impl FnMut(u64, EntryId, RunKey)) -> Result<Self, ConvertError> {
        let (data_files, since, paths_since) = Default::default();
        let mut tracker = Self { version: 0, data_files, since, paths_since };
        tracker.read(lake, tell).await?;
        Ok(tracker)
    }

    /// Looks at what came since the last look.
    pub(crate) async fn follow(&mut self, lake: &Lake) -> Result<(), ConvertError> {
        let (mut since, mut paths) = (std::mem::take(&mut self.since), std::mem::take(&mut self.paths_since));
        self.read(lake, |path, id, run| {
            since.insert(id, run);
            paths.insert(path);
        })
        .await?;
        (self.since, self.paths_since) = (since, paths);
        Ok(())
    }

    /// Whether an entry came since the first look; of one that is read again, whether it was replaced.
    pub(crate) fn has_entered(&self, id: EntryId, retried: &Retried) -> bool {
        self.since.get(&id).is_some_and(|run| retried.get(&id) != Some(run))
    }

    /// Whether an entry of this or another version of the log file may have come since the first look.
    pub(super) fn has_entered_path(&self, file: &LogFile) -> bool {
        self.paths_since.contains(&xxh3_64(file.path.as_bytes()))
    }

    async fn read(&mut self, lake: &Lake, mut tell: impl FnMut(u64, EntryId, RunKey)) -> Result<(), ConvertError> {
        let table = lake.table(LOG_FILES);
        let snapshot = table.snapshot().await?;
        let is_new = |file: &&Arc<DataFile>| !self.data_files.contains(&file.path);
        let files: Vec<_> = snapshot.files().iter().filter(is_new).cloned().collect();
        read_entries(table, &files, |path, version, run| {
            tell(xxh3_64(path.as_bytes()), entry_id(path, version), run_key(run));
        })
        .await?;
        self.data_files.extend(files.iter().map(|file| file.path.clone()));
        self.version = snapshot.version();
        Ok(())
    }
}
