//! The way of the bytes: workers take log files in order, decode and deduplicate them into partition buffers, and sort and encode the
//! buffers; the committer puts and commits.
//!
//! ```text
//! epoch 0: files 0‥n   ┌ worker ┐ buffers ─▶ write tasks ─▶ committer ─▶ commit
//! epoch 1: files n+1‥m └ worker ┘   (a worker prefers write tasks, which bounds memory)
//! ```
//! An epoch is what one commit holds. Workers leave it when they take a file of a later one; the last to leave writes what is buffered,
//! while others go on: no worker waits at a commit.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keytrail_events::{EventPartition, EventRecord, EventRows};
use keytrail_lake::{Lake, Location, Table};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::accounting::{ConvertSummary, FileAccount};
use crate::buffers::{Buffer, BufferedBytes, Buffers};
use crate::committer::{Attempt, Committer, CompleteEpoch, Followed, Halt, Message};
use crate::config::ConvertOptions;
use crate::dedupe::Deduplicator;
use crate::encoding::{encode_rows, partition_values};
use crate::error::ConvertError;
use crate::held::LakeRows;
use crate::ledger::{EntryId, Ledger, RejectRow, RunStamp, committed_rejects, paths_with_rejects, refuse_lost_rows};
use crate::progress::{ConvertProgress, StopSignal};
use crate::queue::FileQueue;
use crate::runs::{RunStatus, append_run};
use crate::source::{DeliveryRange, LogFile, Source, list};
use crate::spec::EVENTS;
use crate::supplanting::{SupplantedPartitions, supplant};
use crate::worker::Worker;

/// The most log files between two commits; their ledger rows wait in memory.
const MAX_EPOCH_FILES: usize = 20_000;
/// What a known row takes in the deduplicator, free places of its tables included.
const BYTES_PER_SEEN_ROW: usize = 56;

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
    let listed: Cow<'_, [LogFile]> = match (options.is_retry, &options.listed) {
        (true, _) => list_rejected(lake, options, &mut summary).await?.into(),
        (false, Some(listed)) => listed.into(),
        (false, None) => list_wanted(options).await?.into(),
    };
    let stamp = RunStamp { run_id: options.run_id.clone(), time: options.started.timestamp_micros() };
    let is_retry = options.is_retry;
    let supplanted = SupplantedPartitions::default();
    let mut committer = Committer { lake, stamp, progress, summary, is_retry, sequence: 0, supplanted };
    let outcome = convert_all(options, &listed, &mut committer, &stop).await;
    let summary = committer.summary;
    let status = match outcome {
        Ok(()) if stop.is_ending() => RunStatus::Stopped,
        Ok(()) => RunStatus::Complete,
        Err(_) => RunStatus::Failed,
    };
    let entered = append_run(lake, options, &summary, status).await;
    outcome?;
    entered?;
    if status == RunStatus::Stopped { Err(ConvertError::Stopped(Box::new(summary))) } else { Ok(summary) }
}

/// The log files of the sources that are asked for.
///
/// # Errors
/// A source does not exist or cannot be listed.
pub async fn list_wanted(options: &ConvertOptions) -> Result<Vec<LogFile>, ConvertError> {
    let range = DeliveryRange { since: options.since, until: options.until };
    let mut listed = list(&options.sources, &range, &options.storage).await?;
    listed.retain(|file| options.shard.is_none_or(|shard| shard.holds(file)));
    Ok(listed)
}

/// The log files with rejects in the ledger, as far as they are still there; those that are not are counted as unread.
async fn list_rejected(
    lake: &Lake,
    options: &ConvertOptions,
    summary: &mut ConvertSummary,
) -> Result<Vec<LogFile>, ConvertError> {
    let mut found = Vec::new();
    for path in paths_with_rejects(lake).await? {
        let place = Location::parse(&path).map_err(ConvertError::Lake);
        let listed = match place {
            Ok(place) => list(&[Source::Place(place)], &DeliveryRange::default(), &options.storage).await,
            Err(error) => Err(error),
        };
        match listed {
            Ok(files) if !files.is_empty() => found.extend(files),
            Ok(_) => summary.unread_log_files.push((path, "it is not there any more".to_owned())),
            Err(error) => summary.unread_log_files.push((path, error.to_string())),
        }
    }
    Ok(found)
}

/// Attempts until none is overtaken: each that is finds the other writer's work done, so there is an end.
async fn convert_all(
    options: &ConvertOptions,
    listed: &[LogFile],
    committer: &mut Committer<'_>,
    stop: &Arc<StopSignal>,
) -> Result<(), ConvertError> {
    while attempt(options, listed, committer, stop).await? == Attempted::Overtaken {}
    if lock(&committer.supplanted).is_empty() {
        return Ok(());
    }
    Ok(supplant(committer.lake, &committer.stamp).await?)
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempted {
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
) -> Result<Attempted, ConvertError> {
    let lake = committer.lake;
    let (ledger, log_files) = Ledger::load(lake).await?;
    let is_wanted = |file: &&LogFile| options.is_retry || !ledger.holds(file);
    let mut files: Vec<LogFile> = listed.iter().filter(is_wanted).cloned().collect();
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
        return Ok(Attempted::Done);
    }
    let is_changed = |file: &&mut LogFile| ledger.holds_path(file) && !ledger.holds(file);
    files.iter_mut().filter(is_changed).for_each(LogFile::mark_read_before);
    let (held_rejects, rejects) = committed_rejects(lake, &ledger).await?;
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
    let shared = Shared::new(committer, options, files, sender, Arc::clone(&seen), held_rejects, Arc::clone(stop));
    let mut attempt = Attempt { followed, seen, held, max_seen_rows: options.seen_bytes / BYTES_PER_SEEN_ROW };
    run(shared, options.workers.max(1), committer, &mut attempt, &mut receiver).await
}

async fn run(
    shared: Shared,
    workers: usize,
    committer: &mut Committer<'_>,
    attempt: &mut Attempt,
    receiver: &mut mpsc::Receiver<Message>,
) -> Result<Attempted, ConvertError> {
    let shared = Arc::new(shared);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let shared = Arc::clone(&shared);
        tasks.spawn_blocking(move || {
            let result = Worker::new(&shared).run();
            if result.is_err() {
                shared.fail();
            }
            result
        });
    }
    // The messages end when the last worker has gone, and with it what they share.
    let workers = Arc::downgrade(&shared);
    drop(shared);
    let committed = committer.run(attempt, receiver).await;
    // Without a receiver no worker can go on; with a failed commit none should.
    receiver.close();
    if let (Err(_), Some(shared)) = (&committed, workers.upgrade()) {
        shared.fail();
    }
    while let Some(worker) = tasks.join_next().await {
        let worked = worker.map_err(|error| ConvertError::Internal(error.to_string()))?;
        if committed.is_ok() {
            worked?;
        }
    }
    match committed {
        Ok(()) => Ok(Attempted::Done),
        Err(Halt::Overtaken) => Ok(Attempted::Overtaken),
        Err(Halt::Failed(error)) => Err(error),
    }
}

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) files: FileQueue,
    pub(crate) seen: Arc<Deduplicator>,
    pub(crate) progress: Arc<dyn ConvertProgress>,
    pub(crate) max_file_bytes: usize,
    /// The epoch of each file.
    epoch_of: Vec<u32>,
    epochs: Vec<Mutex<Epoch>>,
    writes: Mutex<Writes>,
    writes_changed: Condvar,
    buffered: BufferedBytes,
    supplanted: SupplantedPartitions,
    /// Rejects of log files that an interrupted run has written, but not the log files' ledger entries.
    held_rejects: HashSet<EntryId>,
    table: Table,
    sender: mpsc::Sender<Message>,
    stop: Arc<StopSignal>,
    has_failed: AtomicBool,
}

/// Write tasks, and how many workers may still add some.
#[derive(Default)]
struct Writes {
    tasks: VecDeque<WriteTask>,
    decoding: usize,
}

pub(crate) struct WriteTask {
    epoch: u32,
    partition: EventPartition,
    buffer: Buffer,
}

/// The log files between two commits.
#[derive(Default)]
struct Epoch {
    /// Workers that may still add rows.
    inside: usize,
    /// Write tasks not yet encoded.
    open_writes: usize,
    buffers: Buffers,
    accounts: Vec<(Arc<LogFile>, FileAccount)>,
    rejects: Vec<RejectRow>,
}

impl Epoch {
    fn complete(&mut self, number: u32) -> Option<CompleteEpoch> {
        (self.inside == 0 && self.open_writes == 0).then(|| CompleteEpoch {
            number,
            accounts: std::mem::take(&mut self.accounts),
            rejects: std::mem::take(&mut self.rejects),
        })
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(
        committer: &Committer<'_>,
        options: &ConvertOptions,
        files: Vec<LogFile>,
        sender: mpsc::Sender<Message>,
        seen: Arc<Deduplicator>,
        held_rejects: HashSet<EntryId>,
        stop: Arc<StopSignal>,
    ) -> Self {
        let workers = options.workers.max(1);
        let epoch_of = plan_epochs(&files, options.epoch_bytes);
        let epoch_count = epoch_of.last().map_or(0, |last| *last as usize + 1);
        let epochs = (0..epoch_count).map(|_| Mutex::new(Epoch { inside: workers, ..Epoch::default() })).collect();
        Self {
            files: FileQueue::new(files),
            seen,
            progress: Arc::clone(&committer.progress),
            max_file_bytes: options.max_file_bytes,
            epoch_of,
            epochs,
            writes: Mutex::new(Writes { decoding: workers, ..Writes::default() }),
            writes_changed: Condvar::new(),
            buffered: BufferedBytes::new(options.buffer_bytes),
            supplanted: Arc::clone(&committer.supplanted),
            held_rejects,
            table: committer.lake.table(EVENTS).clone(),
            sender,
            stop,
            has_failed: AtomicBool::new(false),
        }
    }

    /// The epoch of the log file of a number.
    pub(crate) fn epoch_of(&self, number: usize) -> u32 {
        self.epoch_of[number]
    }

    pub(crate) fn epoch_count(&self) -> u32 {
        u32::try_from(self.epochs.len()).unwrap_or(u32::MAX)
    }

    /// Whether the lake has the rejects of this log file already.
    pub(crate) fn holds_rejects(&self, id: EntryId) -> bool {
        self.held_rejects.contains(&id)
    }

    /// Takes note of a record that may have to count in the place of another row of its event.
    pub(crate) fn note_rival(&self, record: &EventRecord<'_>) {
        lock(&self.supplanted).insert(partition_values(&EventPartition::of(record)));
    }

    /// Enters what became of a log file.
    pub(crate) fn account(&self, epoch: u32, file: Arc<LogFile>, account: FileAccount, rejects: Vec<RejectRow>) {
        let mut epoch = lock(&self.epochs[epoch as usize]);
        epoch.accounts.push((file, account));
        epoch.rejects.extend(rejects);
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.writes_changed.notify_all();
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.stop.is_ending() || self.has_failed.load(Ordering::Relaxed)
    }

    fn add_write(&self, task: WriteTask) {
        lock(&self.writes).tasks.push_back(task);
        self.writes_changed.notify_one();
    }

    pub(crate) fn take_write(&self) -> Option<WriteTask> {
        lock(&self.writes).tasks.pop_front()
    }

    /// The next write task, waiting for workers that may still add one; `None` when none can come.
    pub(crate) fn await_write(&self) -> Option<WriteTask> {
        let mut writes = lock(&self.writes);
        loop {
            if self.has_failed.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = writes.tasks.pop_front() {
                return Some(task);
            }
            if writes.decoding == 0 {
                return None;
            }
            writes = self.writes_changed.wait(writes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn stop_decoding(&self) {
        lock(&self.writes).decoding -= 1;
        self.writes_changed.notify_all();
    }

    /// Adds rows to an epoch; when too much is buffered, its largest partition becomes a write task.
    pub(crate) fn buffer(&self, number: u32, partition: &EventPartition, rows: EventRows) {
        let mut epoch = lock(&self.epochs[number as usize]);
        self.buffered.add(epoch.buffers.push(partition, rows));
        let largest_bytes = epoch.buffers.largest_bytes();
        if self.buffered.is_to_be_written(largest_bytes)
            && let Some((partition, buffer)) = epoch.buffers.take_largest()
        {
            self.buffered.begin_write(buffer.bytes);
            epoch.open_writes += 1;
            drop(epoch);
            self.add_write(WriteTask { epoch: number, partition, buffer });
        }
    }

    /// A worker adds nothing more to an epoch; the last one has all that is buffered written.
    pub(crate) fn leave(&self, number: u32) -> Result<(), ConvertError> {
        let mut epoch = lock(&self.epochs[number as usize]);
        epoch.inside -= 1;
        if epoch.inside > 0 {
            return Ok(());
        }
        let rest = epoch.buffers.take_all();
        epoch.open_writes += rest.len();
        rest.values().for_each(|buffer| self.buffered.begin_write(buffer.bytes));
        let complete = epoch.complete(number);
        drop(epoch);
        rest.into_iter().for_each(|(partition, buffer)| self.add_write(WriteTask { epoch: number, partition, buffer }));
        self.send_complete(complete)
    }

    pub(crate) fn write(&self, task: WriteTask) -> Result<(), ConvertError> {
        let WriteTask { epoch: number, partition, buffer } = task;
        let encoded = encode_rows(&self.table, &partition, &buffer.parts)?;
        let bytes = buffer.bytes;
        drop(buffer);
        self.buffered.end_write(bytes);
        self.send(Message::Encoded(number, encoded))?;
        let mut epoch = lock(&self.epochs[number as usize]);
        epoch.open_writes -= 1;
        let complete = epoch.complete(number);
        drop(epoch);
        self.send_complete(complete)
    }

    /// An epoch that a stop cut short is not committed: it ends at the last commit.
    fn send_complete(&self, complete: Option<CompleteEpoch>) -> Result<(), ConvertError> {
        match complete {
            Some(epoch) if !self.stop.is_stopped() => self.send(Message::Complete(epoch)),
            _ => Ok(()),
        }
    }

    fn send(&self, message: Message) -> Result<(), ConvertError> {
        self.sender
            .blocking_send(message)
            .map_err(|_closed| ConvertError::Internal("the committer ended before the workers".to_owned()))
    }
}

/// How many commits a conversion of these files makes.
pub(crate) fn epoch_count(files: &[LogFile], epoch_bytes: u64) -> u32 {
    plan_epochs(files, epoch_bytes).last().map_or(0, |last| last + 1)
}

/// The epoch of each file: a new one begins when the bytes or files since the last commit reach their limit.
fn plan_epochs(files: &[LogFile], epoch_bytes: u64) -> Vec<u32> {
    let (mut epoch, mut bytes, mut count) = (0, 0, 0);
    files
        .iter()
        .map(|file| {
            if bytes >= epoch_bytes || count >= MAX_EPOCH_FILES {
                (epoch, bytes, count) = (epoch + 1, 0, 0);
            }
            bytes += file.size_bytes;
            count += 1;
            epoch
        })
        .collect()
}
