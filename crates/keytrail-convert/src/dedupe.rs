//! Which event records were seen before: one 128-bit hash of (`recipient_account_id`, `event_id`) and where it was first seen.
//!
//! The place makes a repeated run exact: a record that the lake holds from this very log file and position is no duplicate but the same
//! row, committed by a run that ended before its ledger entry. It reads no lake itself, see [`crate::pipeline`].

use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

const SHARD_COUNT: usize = 64;

/// Whether a record was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Never: it becomes a row.
    New,
    /// Elsewhere: a duplicate.
    Duplicate,
    /// The lake holds it from this very place: a row already.
    Committed,
}

/// Remembers records; shared by all workers.
#[derive(Debug)]
pub struct Deduplicator {
    shards: Vec<Mutex<FxHashMap<u128, u64>>>,
}

impl Default for Deduplicator {
    fn default() -> Self {
        Self { shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect() }
    }
}

impl Deduplicator {
    /// Notes a record that is about to become a row.
    pub fn note(
        &self,
        recipient_account_id: Option<&str>,
        event_id: &str,
        log_file_path: &str,
        record_index: u64,
    ) -> Seen {
        let place = place_of(log_file_path, record_index);
        match self.entry(identity_of(recipient_account_id, event_id), |entry| match entry {
            Entry::Occupied(found) => Some(*found.get()),
            Entry::Vacant(free) => {
                free.insert(place);
                None
            }
        }) {
            None => Seen::New,
            Some(first) if first == place => Seen::Committed,
            Some(_) => Seen::Duplicate,
        }
    }

    /// Notes a row that the lake holds.
    pub fn note_committed(
        &self,
        recipient_account_id: Option<&str>,
        event_id: &str,
        log_file_path: &str,
        record_index: u64,
    ) {
        let place = place_of(log_file_path, record_index);
        self.entry(identity_of(recipient_account_id, event_id), |entry| {
            entry.or_insert(place);
        });
    }

    fn entry<T>(&self, identity: u128, visit: impl FnOnce(Entry<'_, u128, u64>) -> T) -> T {
        let shard = usize::try_from(identity % SHARD_COUNT as u128).unwrap_or(0);
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        visit(shard.entry(identity))
    }
}

fn identity_of(recipient_account_id: Option<&str>, event_id: &str) -> u128 {
    let mut joined = Vec::with_capacity(64);
    joined.extend_from_slice(recipient_account_id.unwrap_or("").as_bytes());
    joined.push(0);
    joined.extend_from_slice(event_id.as_bytes());
    xxh3_128(&joined)
}

fn place_of(log_file_path: &str, record_index: u64) -> u64 {
    xxh3_64_with_seed(log_file_path.as_bytes(), record_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_new_duplicate_and_committed_apart() {
        let seen = Deduplicator::default();
        assert_eq!(seen.note(Some("1"), "e", "a", 0), Seen::New);
        assert_eq!(seen.note(Some("1"), "e", "b", 0), Seen::Duplicate);
        assert_eq!(seen.note(Some("1"), "e", "a", 1), Seen::Duplicate);
        assert_eq!(seen.note(Some("2"), "e", "b", 1), Seen::New, "another account's copy");
        assert_eq!(seen.note(None, "e", "b", 2), Seen::New);
        seen.note_committed(Some("1"), "f", "c", 7);
        assert_eq!(seen.note(Some("1"), "f", "c", 7), Seen::Committed);
        assert_eq!(seen.note(Some("1"), "f", "d", 7), Seen::Duplicate);
    }
}
