//! Trail logs into a keytrail lake: find, fetch, decode, deduplicate, sort, write, commit — and the accounting of all of it.
//!
//! ```text
//! source::list ─▶ minus the ledger ─▶ epochs of log files
//!        workers: fetch ─▶ decode ─▶ deduplicate ─▶ partition buffers ─▶ sort, encode
//!        committer:                                    put ─▶ commit events ─▶ rejects ─▶ log_files
//! ```
//! Conversion never drops input in silence: *records read = rows + duplicates + rejected*, per file and in total; each rejection has a
//! reason. This crate knows no SQL and no terminal.

#![warn(missing_docs)]

mod accounting;
mod against;
mod buffers;
mod committer;
mod config;
mod convert;
mod dedupe;
mod encoding;
mod epochs;
mod error;
mod held;
pub mod integrity;
pub mod inventory;
mod ledger;
mod lock;
mod meanings;
mod mended;
mod partition_builders;
mod progress;
mod queue;
pub mod raw;
mod reading;
mod runs;
mod shard;
mod sorted_rows;
pub mod source;
mod spec;
mod supplanting;
mod survey;
mod worker;

pub use accounting::{Accounts, ConvertSummary, check_accounting};
pub use against::{AgainstReport, check_against};
pub use config::{ConvertInput, ConvertOptions};
pub use convert::{convert, list_wanted};
pub use dedupe::{Deduplicator, Hour, HourSlot, Place, RecordIdentity, Seen};
pub use encoding::encode_rows;
pub use error::ConvertError;
pub use ledger::refuse_lost_rows;
pub use meanings::column_meaning;
pub use progress::{ConvertProgress, NoProgress, StopSignal};
pub use shard::{InvalidShard, Shard};
pub use source::{Listing, LogFile, Source};
pub use spec::{EVENTS, FORMAT_VERSION, INVENTORY, LOG_FILES, REJECTS, RUNS, inventory_schema, lake_spec, runs_schema};
pub use survey::{KindCount, RequestEstimate, Survey, survey};
