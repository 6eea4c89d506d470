//! The folders of spill files, for a process that ends while statements still run: what they hold are rows of events.
//!
//! The engine removes a folder when the last that uses it is gone, which threads that nobody waits for never are.

use std::sync::{Arc, Mutex, Weak};

use datafusion::execution::runtime_env::RuntimeEnv;
use fs_err as fs;

use crate::locks::lock;

/// Tries to remove a folder into which a statement may be writing just then.
const TRIES: usize = 50;

/// The folders of sessions; clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct SpillFolders(Arc<Mutex<Vec<Weak<RuntimeEnv>>>>);

impl SpillFolders {
    pub(super) fn watch(&self, runtime: &Arc<RuntimeEnv>) {
        lock(&self.0).push(Arc::downgrade(runtime));
    }

    /// Removes all that are there, at the end of a process: statements that still run cannot spill any more, and fail.
    pub fn remove(&self) {
        for runtime in lock(&self.0).iter().filter_map(Weak::upgrade) {
            for folder in runtime.disk_manager.temp_dir_paths() {
                // A file that is made meanwhile is removed with the next try; where that is of no use, nothing is.
                let mut tries = (0..TRIES).map(|_| fs::remove_dir_all(&folder));
                tries.find(|_| !folder.exists());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;

    #[test]
    fn a_folder_that_is_in_use_is_removed_too() {
        let folders = SpillFolders::default();
        let runtime = RuntimeEnvBuilder::new().build_arc().unwrap();
        folders.watch(&runtime);
        folders.remove();
        let file = runtime.disk_manager.create_tmp_file("a test").unwrap();
        let made = runtime.disk_manager.temp_dir_paths();
        assert!(made.len() == 1 && made[0].exists(), "{made:?}");
        folders.clone().remove();
        assert!(!made[0].exists());
        drop(file);
    }
}
