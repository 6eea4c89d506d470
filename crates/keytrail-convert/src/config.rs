//! What a caller chooses about a conversion.

use chrono::{DateTime, Utc};
use keytrail_events::container::MAX_FILE_BYTES;
use keytrail_lake::StorageOptions;

use crate::shard::Shard;
use crate::source::{DeliveryRange, Listing, Source};

/// Which log files a conversion reads.
#[derive(Debug, Clone, Default)]
pub enum ConvertInput {
    /// Those of the sources, listed when the conversion begins.
    #[default]
    Sources,
    /// Those that [`list_wanted`](crate::list_wanted) gave to a caller who had to look first.
    Listed(Listing),
    /// Those with rejects in the lake, once more, instead of the sources'; what can be read now becomes rows.
    Rejected,
}

/// How to convert. Nothing is read from the environment or the clock.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Where the logs are.
    pub sources: Vec<Source>,
    /// Which log files are read.
    pub input: ConvertInput,
    /// Takes files that were delivered in this period. Files whose path tells no date are always taken.
    pub range: DeliveryRange,
    /// Takes only this part of the log files; `None` = all.
    pub shard: Option<Shard>,
    /// Log files that unpack to more bytes than this are rejected.
    pub max_file_bytes: usize,
    /// Threads that decode and encode.
    pub workers: usize,
    /// How to reach S3 sources.
    pub storage: StorageOptions,
    /// Memory for rows that wait to be written, in bytes; the process needs some 300 MiB more.
    pub buffer_bytes: usize,
    /// Memory for the identities of rows, by which repeated deliveries are known, in bytes; hours that are being worked on may exceed it.
    pub seen_bytes: usize,
    /// Log files are committed at the latest when this many of their bytes were read since the last commit.
    pub epoch_bytes: u64,
    /// This run's id in the ledger.
    pub run_id: String,
    /// The moment the run began, for the ledger.
    pub started: DateTime<Utc>,
    /// Tells the moment a run ends, for the log of runs.
    pub clock: fn() -> DateTime<Utc>,
}

impl ConvertOptions {
    /// Rows that wait to be written take this much by default: files of some 40,000 rows. Every file costs every later query, so less
    /// makes slower lakes; more costs memory twice, for rows that wait and for rows that are being written.
    pub const DEFAULT_BUFFER_BYTES: usize = 128 << 20;
    /// A worker hands the rows of a partition over when they take this much.
    pub const PART_BYTES: usize = 4 << 20;
    /// A worker hands all its rows over when they take this much.
    pub const WORKER_BYTES: usize = 16 << 20;
    /// Identities of some 900,000 rows by default, at the end of an epoch; those of an epoch come on top.
    pub const DEFAULT_SEEN_BYTES: usize = 48 << 20;
    /// A commit every 256 MiB of log files by default, some million events.
    pub const DEFAULT_EPOCH_BYTES: u64 = 256 << 20;

    /// Shares a limit out: what is known of rows, rows that wait, and the rest for the writers and the log files being read.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.buffer_bytes = bytes / 4;
        self.seen_bytes = bytes / 32 * 3;
    }

    /// Defaults for `sources`, with as many workers as there are cores.
    #[expect(clippy::disallowed_methods, reason = "the clock that a caller who names no other wants")]
    pub fn new(sources: Vec<Source>, run_id: String, started: DateTime<Utc>) -> Self {
        Self {
            sources,
            input: ConvertInput::Sources,
            range: DeliveryRange::default(),
            shard: None,
            max_file_bytes: MAX_FILE_BYTES,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            storage: StorageOptions::default(),
            buffer_bytes: Self::DEFAULT_BUFFER_BYTES,
            seen_bytes: Self::DEFAULT_SEEN_BYTES,
            epoch_bytes: Self::DEFAULT_EPOCH_BYTES,
            run_id,
            started,
            clock: Utc::now,
        }
    }
}
