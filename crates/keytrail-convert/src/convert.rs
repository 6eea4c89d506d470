//! A conversion from end to end: what is to be read, attempts to read it until none is overtaken by another writer, and the run's entry.
//!
//! ```text
//! list ─▶ attempt: minus the ledger ─▶ workers (decode, deduplicate, encode) ─▶ committer ─▶ done
//!            ▲                                                                      │
//!            └──────────────── another writer committed some of the same rows ──────┘
//! ```
//! The work of one thread is [`crate::worker`], what is between two commits [`crate::epochs`].

use std::borrow::Cow;
use std::sync::Arc;

use keytrail_lake::Lake;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::accounting::ConvertSummary;
use crate::committer::{AttemptState, Committer, Followed, Halt, Message};
use crate::config::{ConvertInput, ConvertOptions};
use crate::dedupe::Deduplicator;
use crate::epochs::{Epochs, Output};
use crate::error::ConvertError;
use crate::held::LakeRows;
use crate::ledger::{
    HeldBefore, Ledger, Retried, RunStamp, enter_leftovers, entries_with_rejects, refuse_lost_rows, superseded_rejects,
};
use crate::lock::lock;
use crate::mended::{drop_rejects, replaced_entries, uncounted_rejects};
use crate::progress::{ConvertProgress, StopSignal};
use crate::queue::FileQueue;
use crate::runs::{RunStatus, begin_run, end_run, has_unfinished_run};
use crate::source::{Listing, LogFile, list, list_again};
use crate::spec::EVENTS;
use crate::supplanting::{SupplantedPartitions, supplant};
use crate::worker::{Input, Shared, Worker};

/// What a known row takes in the deduplicator, free places of its tables included.
const BYTES_PER_SEEN_ROW: usize = 70;

/// Converts every log file of the sources that the lake does not hold yet.
///
/// # Errors
/// A source cannot be listed, or the lake cannot be read or written; [`ConvertError::Stopped`] when `stop` was asked for. What was
/// committed before stays, and a later run goes on from there. Input that cannot be read is no error: it is counted as rejected.
pub async fn convert(
    lake: &Lake,
    options: &ConvertOptions,
    progress: Arc<dyn ConvertProgress>,
    stop: Arc<StopSignal>,
) -> Result<ConvertSummary, ConvertError> {
    let mut summary = ConvertSummary::default();
    let (mut current, mut retried) = (Vec::new(), Retried::default());
    let listing = match &options.input {
        ConvertInput::Sources => Cow::Owned(list_wanted(options).await?),
        ConvertInput::Listed(listing) => Cow::Borrowed(listing),
        ConvertInput::Rejected => {
            let entries = entries_with_rejects(lake).await?;
            current = list_rejected(entries.keys(), options, &mut summary).await?;
            current.retain(|file| options.shard.is_none_or(|shard| shard.holds(file)));
            retried = entries.into_values().flatten().collect();
            let (ledger, _) = Ledger::load(lake, &retried).await?;
            // What took the place of a log file with rejects and was read well is not read again.
            let log_files = current.iter().filter(|file| ledger.wants(file)).cloned().collect();
            Cow::Owned(Listing { log_files, ..Listing::default() })
        }
    };
    summary.left_out.clone_from(&listing.left_out);
    let stamp = RunStamp { run_id: options.run_id.clone(), time: options.started.timestamp_micros() };
    let supplanted = SupplantedPartitions::default();
    let mut committer =
        Committer { lake, stamp, progress, summary, retried, has_begun: false, sequence: 0, supplanted };
    let before = HeldBefore::of(lake).await?;
    let mut outcome = convert_all(options, &listing.log_files, &mut committer, &stop).await;
    if outcome.is_ok() && !stop.is_ending() {
        outcome = match options.input {
            ConvertInput::Rejected => mend(options, &current, &mut committer).await,
            ConvertInput::Sources | ConvertInput::Listed(_) => Ok(()),
        };
        if outcome.is_ok() {
            outcome = take_leftovers(options, &before, &mut committer).await;
        }
    }
    let Committer { summary, has_begun, .. } = committer;
    let status = match outcome {
        Ok(()) if stop.is_ending() => RunStatus::Stopped,
        Ok(()) => RunStatus::Complete,
        Err(_) => RunStatus::Failed,
    };
    let entered = end_run(lake, options, &summary, status, has_begun).await;
    outcome?;
    entered?;
    if status == RunStatus::Stopped { Err(ConvertError::Stopped(Box::new(summary))) } else { Ok(summary) }
}

/// The log files of the sources that are asked for.
///
/// # Errors
/// A source does not exist or cannot be listed.
pub async fn list_wanted(options: &ConvertOptions) -> Result<Listing, ConvertError> {
    let mut listed = list(&options.sources, &options.range, &options.storage).await?;
    listed.log_files.retain(|file| options.shard.is_none_or(|shard| shard.holds(file)));
    Ok(listed)
}

/// What the paths of log files with rejects lead to now; those that lead to nothing are counted as unread.
async fn list_rejected<'p>(
    paths: impl Iterator<Item = &'p String>,
    options: &ConvertOptions,
    summary: &mut ConvertSummary,
) -> Result<Vec<LogFile>, ConvertError> {
    let mut found = Vec::new();
    for path in paths {
        match list_again(path, &options.storage).await {
            Ok(Some(files)) if !files.is_empty() => found.extend(files),
            Ok(None) => {
                let reason = "it came through a pipe: give it again to `keytrail convert -`";
                summary.unread_log_files.push((path.clone(), reason.to_owned()));
            }
            Ok(_) => summary.unread_log_files.push((path.clone(), "it is not there any more".to_owned())),
            Err(error) => summary.unread_log_files.push((path.clone(), error.to_string())),
        }
    }
    Ok(found)
}

/// Drops the rejects of log files that were replaced and read since; `current` is what a retry found in their places.
async fn mend(
    options: &ConvertOptions,
    current: &[LogFile],
    committer: &mut Committer<'_>,
) -> Result<(), ConvertError> {
    let mut replaced = replaced_entries(committer.lake, current).await?;
    replaced.extend(uncounted_rejects(committer.lake).await?);
    if replaced.is_empty() {
        return Ok(());
    }
    if !committer.has_begun {
        begin_run(committer.lake, options).await?;
        committer.has_begun = true;
    }
    Ok(drop_rejects(committer.lake, &committer.stamp, &replaced).await?)
}

/// Enters what runs that ended early left of log files that nobody will read again.
async fn take_leftovers(
    options: &ConvertOptions,
    before: &HeldBefore,
    committer: &mut Committer<'_>,
) -> Result<(), ConvertError> {
    let lake = committer.lake;
    if has_unfinished_run(lake, Some(&options.run_id)).await? {
        let Committer { stamp, has_begun, summary, .. } = committer;
        summary.noted_log_files += enter_leftovers(lake, options, stamp, before, has_begun).await?;
    }
    Ok(())
}

/// Attempts until none is overtaken: each that is finds the other writer's work done, so there is an end.
async fn convert_all(
    options: &ConvertOptions,
    listed: &[LogFile],
    committer: &mut Committer<'_>,
    stop: &Arc<StopSignal>,
) -> Result<(), ConvertError> {
    while attempt(options, listed, committer, stop).await? == AttemptOutcome::Overtaken {}
    if lock(&committer.supplanted).is_empty() {
        return Ok(());
    }
    Ok(supplant(committer.lake, &committer.stamp).await?)
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum AttemptOutcome {
    /// All files are committed, or a stop was asked for.
    Done,
    /// Another writer has committed some of the same rows.
    Overtaken,
}

/// Converts what the ledger does not hold now.
async fn attempt(
    options: &ConvertOptions,
    listed: &[LogFile],
    committer: &mut Committer<'_>,
    stop: &Arc<StopSignal>,
) -> Result<AttemptOutcome, ConvertError> {
    let lake = committer.lake;
    let (ledger, log_files) = Ledger::load(lake, &committer.retried).await?;
    let mut files: Vec<LogFile> = listed.iter().filter(|file| ledger.wants(file)).cloned().collect();
    if committer.sequence == 0 {
        committer.summary.known_log_files = (listed.len() - files.len()) as u64;
    }
    let snapshot = lake.table(EVENTS).snapshot().await?;
    refuse_lost_rows(lake, &snapshot).await?;
    // What a run that was killed has left to do.
    let awaiting = snapshot.files().iter().filter(|file| file.awaits_edit);
    lock(&committer.supplanted).extend(awaiting.map(|file| file.partition.clone()));
    committer.progress.planned(files.len() as u64, files.iter().map(|file| file.size_bytes).sum());
    if files.is_empty() || stop.is_ending() {
        return Ok(AttemptOutcome::Done);
    }
    if !committer.has_begun {
        begin_run(lake, options).await?;
        committer.has_begun = true;
    }
    let is_changed = |file: &&mut LogFile| ledger.holds_path(file) && !ledger.holds(file);
    files.iter_mut().filter(is_changed).for_each(LogFile::mark_read_before);
    let rejects = superseded_rejects(lake, &ledger).await?;
    drop(ledger);
    let held = Arc::new(LakeRows::new(lake.table(EVENTS).clone(), snapshot.files()));
    let followed = Followed {
        events_version: snapshot.version(),
        data_files: snapshot.files().iter().map(|file| file.path.clone()).collect(),
        log_files,
        rejects,
    };
    let seen = Arc::new(Deduplicator::over(Box::new(Arc::clone(&held))));
    let (sender, mut receiver) = mpsc::channel(options.workers * 2);
    let output = Output { table: lake.table(EVENTS).clone(), sender, stop: Arc::clone(stop) };
    let epochs = Epochs::new(&files, options, output);
    let max_file_bytes = options.max_file_bytes;
    let input = Input { files: FileQueue::new(files), seen: Arc::clone(&seen), max_file_bytes };
    let (progress, supplanted) = (Arc::clone(&committer.progress), Arc::clone(&committer.supplanted));
    let shared = Shared { input, epochs, progress, supplanted };
    let mut state = AttemptState { followed, seen, held, max_seen_rows: options.seen_bytes / BYTES_PER_SEEN_ROW };
    run(shared, options.workers.max(1), committer, &mut state, &mut receiver).await
}

async fn run(
    shared: Shared,
    workers: usize,
    committer: &mut Committer<'_>,
    state: &mut AttemptState,
    receiver: &mut mpsc::Receiver<Message>,
) -> Result<AttemptOutcome, ConvertError> {
    let shared = Arc::new(shared);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let shared = Arc::clone(&shared);
        tasks.spawn_blocking(move || {
            let result = Worker::new(&shared).run();
            if result.is_err() {
                shared.epochs.fail();
            }
            result
        });
    }
    // The messages end when the last worker has gone, and with it what they share.
    let workers = Arc::downgrade(&shared);
    drop(shared);
    let committed = committer.run(state, receiver).await;
    // Without a receiver no worker can go on; with a failed commit none should.
    receiver.close();
    if let (Err(_), Some(shared)) = (&committed, workers.upgrade()) {
        shared.epochs.fail();
    }
    while let Some(worker) = tasks.join_next().await {
        let worked = worker.map_err(|error| ConvertError::Internal(error.to_string()))?;
        if committed.is_ok() {
            worked?;
        }
    }
    match committed {
        Ok(()) => Ok(AttemptOutcome::Done),
        Err(Halt::Overtaken) => Ok(AttemptOutcome::Overtaken),
        Err(Halt::Failed(error)) => Err(error),
    }
}
