//! What a caller chooses about a conversion.

use chrono::{DateTime, Utc};
use keytrail_lake::StorageOptions;

use crate::source::Source;

/// How to convert. Nothing is read from the environment or the clock.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Where the logs are.
    pub sources: Vec<Source>,
    /// Takes files delivered at this moment or later; `None` = from the first. Files whose path tells no date are always taken.
    pub since: Option<DateTime<Utc>>,
    /// Takes files delivered before this moment; `None` = to the last.
    pub until: Option<DateTime<Utc>>,
    /// Threads that decode and encode.
    pub workers: usize,
    /// How to reach S3 sources.
    pub storage: StorageOptions,
    /// Memory for rows that wait to be written, in bytes; the process needs some 200 MiB more.
    pub buffer_bytes: usize,
    /// Log files are committed at the latest when this many of their bytes were read since the last commit.
    pub epoch_bytes: u64,
    /// This run's id in the ledger.
    pub run_id: String,
    /// The moment the run began, for the ledger.
    pub started: DateTime<Utc>,
}

impl ConvertOptions {
    /// Rows that wait to be written take this much by default: with it 1,000,000 events stay below 512 MiB in all.
    pub const DEFAULT_BUFFER_BYTES: usize = 160 << 20;
    /// A commit every 256 MiB of log files by default, some million events.
    pub const DEFAULT_EPOCH_BYTES: u64 = 256 << 20;

    /// Defaults for `sources`, with as many workers as there are cores.
    pub fn new(sources: Vec<Source>, run_id: String, started: DateTime<Utc>) -> Self {
        Self {
            sources,
            since: None,
            until: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            storage: StorageOptions::default(),
            buffer_bytes: Self::DEFAULT_BUFFER_BYTES,
            epoch_bytes: Self::DEFAULT_EPOCH_BYTES,
            run_id,
            started,
        }
    }
}
