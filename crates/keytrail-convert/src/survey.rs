//! What a conversion would read, without a lake being written: log files per kind with counts and bytes, and what it would ask of S3.
//!
//! Files on disk are read and decoded; objects on S3 are only listed, as reading them is what the estimate is to come before: their kind
//! is then told by their keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keytrail_events::{EventRecord, FileDecoder, RecordSink, Reject};
use keytrail_lake::Lake;
use tokio::task::JoinSet;

use crate::config::ConvertOptions;
use crate::convert::list_wanted;
use crate::epochs::epoch_count;
use crate::error::ConvertError;
use crate::ledger::{Ledger, Retried};
use crate::progress::ConvertProgress;
use crate::source::{Listing, LogFile};

/// What is known of the log files of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCount {
    /// Log files.
    pub log_files: u64,
    /// Their size as delivered.
    pub bytes: u64,
    /// Event records in them; `None` where they were not read.
    pub records: Option<u64>,
    /// Records and files that could not be taken; `None` where they were not read.
    pub rejected: Option<u64>,
}

/// Requests to S3 that a conversion would make at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestEstimate {
    /// Pages of listings, of 1,000 objects each.
    pub lists: u64,
    /// Objects to read.
    pub gets: u64,
    /// Commits to the lake, each a few requests.
    pub commits: u64,
}

/// What a conversion would read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// New log files per kind, by its word in the ledger; of objects that were not read, the folder that their key names.
    pub kinds: BTreeMap<String, KindCount>,
    /// Log files that the lake holds already.
    pub known_log_files: u64,
    /// What would be left out: see [`Listing`].
    pub left_out: BTreeMap<String, u64>,
    /// What S3 would be asked; `None` without sources there.
    pub requests: Option<RequestEstimate>,
}

impl Survey {
    /// New log files of all kinds.
    pub fn total(&self) -> KindCount {
        self.kinds.values().fold(KindCount::default(), |total, kind| total.plus(*kind))
    }
}

impl KindCount {
    fn plus(self, other: Self) -> Self {
        let sum = |left: Option<u64>, right: Option<u64>| match (left, right) {
            (Some(left), Some(right)) => Some(left + right),
            (known, None) | (None, known) => known,
        };
        Self {
            log_files: self.log_files + other.log_files,
            bytes: self.bytes + other.bytes,
            records: sum(self.records, other.records),
            rejected: sum(self.rejected, other.rejected),
        }
    }
}

/// Looks at the sources of a conversion; `lake` is where it would go, `None` when there is none yet.
///
/// # Errors
/// A source cannot be listed, or the lake's ledger cannot be read.
pub async fn survey(
    options: &ConvertOptions,
    lake: Option<&Lake>,
    progress: Arc<dyn ConvertProgress>,
) -> Result<Survey, ConvertError> {
    let Listing { log_files: listed, left_out } = list_wanted(options).await?;
    let listed_count = listed.len() as u64;
    let new: Vec<LogFile> = match lake {
        Some(lake) => {
            let (ledger, _) = Ledger::load(lake, &Retried::default()).await?;
            listed.into_iter().filter(|file| !ledger.holds(file)).collect()
        }
        None => listed,
    };
    let mut survey = Survey { known_log_files: listed_count - new.len() as u64, left_out, ..Survey::default() };
    progress.planned(new.len() as u64, new.iter().map(|file| file.size_bytes).sum());
    let commits = u64::from(epoch_count(&new, options.epoch_bytes));
    let (near, far): (Vec<_>, Vec<_>) = new.into_iter().partition(LogFile::is_near);
    if !far.is_empty() {
        let (lists, gets) = ((far.len() as u64).div_ceil(1000), far.len() as u64);
        survey.requests = Some(RequestEstimate { lists, gets, commits });
    }
    for file in &far {
        let kind = file.told_by_path().kind.unwrap_or("no trail folder").to_owned();
        survey.add(kind, KindCount { log_files: 1, bytes: file.size_bytes, ..KindCount::default() });
    }
    for (kind, count) in read_all(near, options, progress).await? {
        survey.add(kind, count);
    }
    Ok(survey)
}

impl Survey {
    fn add(&mut self, kind: String, count: KindCount) {
        let sum = self.kinds.entry(kind).or_default();
        *sum = sum.plus(count);
    }
}

async fn read_all(
    files: Vec<LogFile>,
    options: &ConvertOptions,
    progress: Arc<dyn ConvertProgress>,
) -> Result<Vec<(String, KindCount)>, ConvertError> {
    let (files, next) = (Arc::new(files), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..options.workers.max(1) {
        let mut decoder = FileDecoder::with_max_file_bytes(options.max_file_bytes);
        let (files, next, progress) = (Arc::clone(&files), Arc::clone(&next), Arc::clone(&progress));
        tasks.spawn_blocking(move || {
            let mut counts: BTreeMap<&'static str, KindCount> = BTreeMap::new();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (kind, count) = read_one(&mut decoder, file);
                progress.log_file_read(file.size_bytes, count.records.unwrap_or(0));
                let sum = counts.entry(kind).or_default();
                *sum = sum.plus(count);
            }
            counts
        });
    }
    let mut all = Vec::new();
    while let Some(counts) = tasks.join_next().await {
        let counts = counts.map_err(|error| ConvertError::Internal(error.to_string()))?;
        all.extend(counts.into_iter().map(|(kind, count)| (kind.to_owned(), count)));
    }
    Ok(all)
}

fn read_one(decoder: &mut FileDecoder, file: &LogFile) -> (&'static str, KindCount) {
    let of = |records, rejected| KindCount {
        log_files: 1,
        bytes: file.size_bytes,
        records: Some(records),
        rejected: Some(rejected),
    };
    match file.read_now() {
        Ok(bytes) => {
            let outcome = file.decode(decoder, &bytes, &mut Nothing);
            (outcome.kind.as_str(), of(outcome.record_count, outcome.rejected_count))
        }
        Err(_unreadable) => ("unreadable", of(0, 1)),
    }
}

/// Takes nothing: the decoder counts.
struct Nothing;

impl RecordSink for Nothing {
    fn record(&mut self, _index: u64, _record: &EventRecord<'_>) {}

    fn reject(&mut self, _reject: Reject<'_>) {}
}
