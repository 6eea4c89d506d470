//! A lake of Delta tables with sorted Parquet files, on a local folder or under an S3 prefix.
//!
//! Responsible for: object stores and their durability, the Delta log of each table, writing sorted data files with
//! statistics, commits that happen once, compaction, the check of files against the log and the deletion of those that it does not refer to.
//!
//! It does not know: JSON events, CloudTrail, SQL, the terminal. What a column means is its caller's business; the
//! shape of the tables comes in as a [`LakeSpec`].
//!
//! ```text
//! record batches ──Table::encode──▶ EncodedFile ──Table::put──▶ DataFile ──Table::commit──▶ visible
//!                  (CPU only)                    (durable)                 (atomic, once)
//!                                                                             │
//!                       Table::snapshot ◀── Delta log ◀───────────────────────┘
//! ```
//!
//! Invariants:
//! - A reader sees a commit whole or not at all.
//! - A commit is reported only after it is durable: local files and folders are synced before they count.
//! - A published file is never written to again, and no path is built from content beyond escaped partition values.

mod append;
mod block_sums;
mod check;
mod checksum;
mod clock;
mod commit;
mod compact;
mod edit;
mod encoder;
mod error;
mod footer;
mod hybrid;
mod interned_chunk;
mod keyed_bounds;
mod keyed_chunk;
mod lake;
mod listing;
mod location;
mod log;
mod merge;
mod partition;
mod reader;
mod snapshot;
mod statistics;
mod storage;
mod table;
#[cfg(test)]
mod tests;
mod text_bounds;
mod upgrade;
mod upload;
mod vacuum;
mod writer;

pub use block_sums::Tail;
pub use check::{
    CheckDepth, CheckedFile, FileFinding, FindingKind, check_bytes, check_files, check_files_with, check_live_files,
    list_other_files,
};
pub use commit::{Commit, CommitOperation, CommitOutcome, TransactionId};
pub use compact::{CompactOptions, CompactSummary, compact, mergeable_files};
pub use edit::Edit;
pub use error::LakeError;
pub use footer::{DamagedFile, DataFileFooter};
pub use lake::Lake;
pub use location::Location;
pub use partition::PartitionValues;
pub use snapshot::{DataFile, Snapshot};
pub use statistics::{Bound, ColumnStatistics, FileStatistics, ScalarStat};
pub use storage::{
    MAX_RETRIES, RETRY_BUDGET, RequestCounter, RequestCounts, StaticCredentials, Storage, StorageOptions, open_storage,
};
pub use table::{LakeSpec, Table, TableSpec};
pub use vacuum::{UnusedFile, delete_unused, list_unused};
pub use writer::EncodedFile;
