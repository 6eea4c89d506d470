//! The way of the bytes: workers take log files in order, decode and deduplicate them into partition buffers, and sort and encode the
//! buffers; the committer puts and commits.
//!
//! ```text
//! epoch 0: files 0‥n   ┌ worker ┐ buffers ─▶ write tasks ─▶ committer ─▶ commit
//! epoch 1: files n+1‥m └ worker ┘   (a worker prefers write tasks, which bounds memory)
//! ```
//! An epoch is what one commit holds. Workers leave it when they take a file of a later one; the last to leave writes what is buffered,
//! while others go on: no worker waits at a commit.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use futures::StreamExt;
use keytrail_events::schema::{EVENT_GROUP, EVENT_MONTH, sort_columns};
use keytrail_events::{
    EventBatchBuilder, EventPartition, EventRecord, Field, FileDecoder, FileOutcome, Lineage, RecordSink, Reject,
    event_id, kms,
};
use keytrail_lake::{DataFile, Lake, PartitionValues, Table};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::accounting::{ConvertSummary, FileAccount};
use crate::buffers::{Buffer, Buffers, sorted_chunks};
use crate::committer::{Committer, CompleteEpoch, Message};
use crate::config::ConvertOptions;
use crate::dedupe::{Deduplicator, Seen};
use crate::error::ConvertError;
use crate::ledger::{Ledger, MAX_RAW_BYTES, RejectRow, RunStamp, committed_rejects};
use crate::progress::{ConvertProgress, StopSignal};
use crate::reading::{live_files, read_columns};
use crate::source::{DeliveryRange, LogFile, list};
use crate::spec::EVENTS;

/// The most log files between two commits; their ledger rows wait in memory.
const MAX_EPOCH_FILES: usize = 20_000;
/// A worker hands its rows over when they take this much.
const WORKER_BYTES: usize = 8 << 20;
/// Objects that are fetched ahead of the workers.
const FETCH_AHEAD: usize = 16;

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
    let ledger = Ledger::load(lake).await?;
    let range = DeliveryRange { since: options.since, until: options.until };
    let listed = list(&options.sources, &range, &options.storage).await?;
    let (known, files): (Vec<_>, Vec<_>) = listed.into_iter().partition(|file| ledger.holds(file));
    progress.planned(files.len() as u64, files.iter().map(|file| file.size_bytes).sum());
    let summary = ConvertSummary { known_log_files: known.len() as u64, ..ConvertSummary::default() };
    if files.is_empty() {
        return Ok(summary);
    }
    let stamp = RunStamp { run_id: options.run_id.clone(), time: options.started.timestamp_micros() };
    let (sender, mut receiver) = mpsc::channel(options.workers * 2);
    let shared = Shared::new(lake, options, files, &ledger, sender, Arc::clone(&progress), stop).await?;
    let mut committer = Committer { lake, stamp, progress, summary };
    run(shared, options.workers.max(1), &mut committer, &mut receiver).await
}

async fn run(
    shared: Shared,
    workers: usize,
    committer: &mut Committer<'_>,
    receiver: &mut mpsc::Receiver<Message>,
) -> Result<ConvertSummary, ConvertError> {
    let shared = Arc::new(shared);
    let stop = Arc::clone(&shared.stop);
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
    drop(shared);
    let committed = committer.run(receiver).await;
    // Without a receiver no worker can go on; with a failed commit none should.
    receiver.close();
    while let Some(worker) = tasks.join_next().await {
        let worked = worker.map_err(|error| ConvertError::Internal(error.to_string()))?;
        if committed.is_ok() {
            worked?;
        }
    }
    committed?;
    let summary = std::mem::take(&mut committer.summary);
    if stop.is_stopped() { Err(ConvertError::Stopped(Box::new(summary))) } else { Ok(summary) }
}

/// What all workers share.
struct Shared {
    files: FileQueue,
    /// The epoch of each file.
    epoch_of: Vec<u32>,
    epochs: Vec<Mutex<Epoch>>,
    writes: Mutex<Writes>,
    writes_changed: Condvar,
    buffered: AtomicUsize,
    buffer_bytes: usize,
    seen: Deduplicator,
    committed: CommittedRows,
    table: Table,
    sender: mpsc::Sender<Message>,
    progress: Arc<dyn ConvertProgress>,
    stop: Arc<StopSignal>,
    has_failed: AtomicBool,
}

/// Write tasks, and how many workers may still add some.
#[derive(Default)]
struct Writes {
    tasks: VecDeque<WriteTask>,
    decoding: usize,
}

struct WriteTask {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    async fn new(
        lake: &Lake,
        options: &ConvertOptions,
        files: Vec<LogFile>,
        ledger: &Ledger,
        sender: mpsc::Sender<Message>,
        progress: Arc<dyn ConvertProgress>,
        stop: Arc<StopSignal>,
    ) -> Result<Self, ConvertError> {
        let workers = options.workers.max(1);
        let epoch_of = plan_epochs(&files, options.epoch_bytes);
        let epoch_count = epoch_of.last().map_or(0, |last| *last as usize + 1);
        let epochs = (0..epoch_count).map(|_| Mutex::new(Epoch { inside: workers, ..Epoch::default() })).collect();
        Ok(Self {
            files: FileQueue::new(files),
            epoch_of,
            epochs,
            writes: Mutex::new(Writes { decoding: workers, ..Writes::default() }),
            writes_changed: Condvar::new(),
            buffered: AtomicUsize::new(0),
            buffer_bytes: options.buffer_bytes,
            seen: Deduplicator::default(),
            committed: CommittedRows::new(lake, ledger).await?,
            table: lake.table(EVENTS).clone(),
            sender,
            progress,
            stop,
            has_failed: AtomicBool::new(false),
        })
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.writes_changed.notify_all();
    }

    fn is_ending(&self) -> bool {
        self.stop.is_stopped() || self.has_failed.load(Ordering::Relaxed)
    }

    fn add_write(&self, task: WriteTask) {
        lock(&self.writes).tasks.push_back(task);
        self.writes_changed.notify_one();
    }

    fn take_write(&self) -> Option<WriteTask> {
        lock(&self.writes).tasks.pop_front()
    }

    /// The next write task, waiting for workers that may still add one; `None` when none can come.
    fn await_write(&self) -> Option<WriteTask> {
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

    fn stop_decoding(&self) {
        lock(&self.writes).decoding -= 1;
        self.writes_changed.notify_all();
    }

    /// Adds rows to an epoch; when too much is buffered, its largest partition becomes a write task.
    fn buffer(&self, number: u32, partition: &EventPartition, batch: RecordBatch) {
        let mut epoch = lock(&self.epochs[number as usize]);
        let bytes = epoch.buffers.push(partition, batch);
        let is_full = self.buffered.fetch_add(bytes, Ordering::Relaxed) + bytes > self.buffer_bytes;
        if is_full && let Some((partition, buffer)) = epoch.buffers.take_largest() {
            epoch.open_writes += 1;
            drop(epoch);
            self.add_write(WriteTask { epoch: number, partition, buffer });
        }
    }

    /// A worker adds nothing more to an epoch; the last one has all that is buffered written.
    fn leave(&self, number: u32) -> Result<(), ConvertError> {
        let mut epoch = lock(&self.epochs[number as usize]);
        epoch.inside -= 1;
        if epoch.inside > 0 {
            return Ok(());
        }
        let rest = epoch.buffers.take_all();
        epoch.open_writes += rest.len();
        let complete = epoch.complete(number);
        drop(epoch);
        rest.into_iter().for_each(|(partition, buffer)| self.add_write(WriteTask { epoch: number, partition, buffer }));
        self.send_complete(complete)
    }

    fn write(&self, task: WriteTask) -> Result<(), ConvertError> {
        let WriteTask { epoch: number, partition, buffer } = task;
        let encoded = self.encode(&partition, &buffer.batches)?;
        let bytes = buffer.bytes;
        drop(buffer);
        self.buffered.fetch_sub(bytes, Ordering::Relaxed);
        self.send(Message::Encoded(number, encoded))?;
        let mut epoch = lock(&self.epochs[number as usize]);
        epoch.open_writes -= 1;
        let complete = epoch.complete(number);
        drop(epoch);
        self.send_complete(complete)
    }

    fn encode(
        &self,
        partition: &EventPartition,
        batches: &[RecordBatch],
    ) -> Result<keytrail_lake::EncodedFile, ConvertError> {
        let chunks = sorted_chunks(batches, sort_columns(partition.event_group)).map_err(|source| {
            ConvertError::Encode { partition: format!("{}/{}", partition.event_group, partition.event_month), source }
        })?;
        Ok(self.table.encode(&partition_values(partition), chunks)?)
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

fn partition_values(partition: &EventPartition) -> PartitionValues {
    PartitionValues::from([
        (EVENT_GROUP.to_owned(), partition.event_group.to_owned()),
        (EVENT_MONTH.to_owned(), partition.event_month.clone()),
    ])
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

/// A log file's bytes, or why they could not be read.
type Fetched = (usize, Arc<LogFile>, Result<Bytes, String>);

/// Hands log files to workers in order.
enum FileQueue {
    /// Workers read the files themselves.
    Near { files: Vec<Arc<LogFile>>, next: AtomicUsize },
    /// A task fetches ahead.
    Far { fetched: Mutex<mpsc::Receiver<Fetched>>, _fetching: JoinSet<()> },
}

impl FileQueue {
    fn new(files: Vec<LogFile>) -> Self {
        let files: Vec<_> = files.into_iter().map(Arc::new).collect();
        if files.iter().all(|file| file.is_near()) {
            return Self::Near { files, next: AtomicUsize::new(0) };
        }
        let (sender, receiver) = mpsc::channel(FETCH_AHEAD);
        let mut fetching = JoinSet::new();
        fetching.spawn(async move {
            let fetches = files.into_iter().enumerate().map(|(index, file)| async move {
                let bytes = file.fetch().await;
                (index, file, bytes)
            });
            let mut fetched = futures::stream::iter(fetches).buffered(FETCH_AHEAD);
            while let Some(file) = fetched.next().await {
                if sender.send(file).await.is_err() {
                    return;
                }
            }
        });
        Self::Far { fetched: Mutex::new(receiver), _fetching: fetching }
    }

    fn next(&self) -> Option<Fetched> {
        match self {
            Self::Far { fetched, .. } => lock(fetched).blocking_recv(),
            Self::Near { files, next } => {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let file = files.get(index)?;
                Some((index, Arc::clone(file), file.read_now()))
            }
        }
    }
}

/// The rows that the lake held before this run, told to the deduplicator partition by partition as records touch them.
struct CommittedRows {
    table: Table,
    files: Vec<Arc<DataFile>>,
    rejects: HashSet<(String, String)>,
    told: Mutex<HashMap<EventPartition, Arc<Mutex<bool>>>>,
    runtime: Handle,
}

impl CommittedRows {
    async fn new(lake: &Lake, ledger: &Ledger) -> Result<Self, ConvertError> {
        let table = lake.table(EVENTS).clone();
        let files = live_files(&table).await?;
        let rejects = committed_rejects(lake, ledger).await?;
        Ok(Self { table, files, rejects, told: Mutex::default(), runtime: Handle::current() })
    }

    fn tell(&self, partition: &EventPartition, seen: &Deduplicator) -> Result<(), ConvertError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let told = Arc::clone(lock(&self.told).entry(partition.clone()).or_default());
        let mut is_told = lock(&told);
        if !*is_told {
            self.read(partition, seen)?;
            *is_told = true;
        }
        Ok(())
    }

    fn read(&self, partition: &EventPartition, seen: &Deduplicator) -> Result<(), ConvertError> {
        const COLUMNS: [&str; 4] = ["recipient_account_id", "event_id", "log_file_path", "record_index"];
        let values = partition_values(partition);
        let batches = self.runtime.block_on(read_columns(&self.table, &COLUMNS, |file| file.partition == values))?;
        for batch in batches {
            let [accounts, ids, paths] = [0, 1, 2].map(|column| batch.column(column).as_string::<i32>());
            let indices = batch.column(3).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let account = accounts.is_valid(row).then(|| accounts.value(row));
                seen.note_committed(account, ids.value(row), paths.value(row), indices.value(row).cast_unsigned());
            }
        }
        Ok(())
    }
}

/// One thread's part.
struct Worker<'s> {
    shared: &'s Shared,
    decoder: FileDecoder,
    builders: BTreeMap<EventPartition, EventBatchBuilder>,
    /// Partitions whose committed rows the deduplicator knows.
    told: HashSet<EventPartition>,
    epoch: u32,
}

impl<'s> Worker<'s> {
    fn new(shared: &'s Shared) -> Self {
        Self { shared, decoder: FileDecoder::new(), builders: BTreeMap::new(), told: HashSet::new(), epoch: 0 }
    }

    fn run(mut self) -> Result<(), ConvertError> {
        while !self.shared.is_ending() {
            if let Some(task) = self.shared.take_write() {
                self.shared.write(task)?;
                continue;
            }
            let Some((index, file, bytes)) = self.shared.files.next() else { break };
            self.enter(self.shared.epoch_of[index])?;
            self.decode(&file, &bytes)?;
        }
        self.enter(u32::try_from(self.shared.epochs.len()).unwrap_or(u32::MAX))?;
        self.shared.stop_decoding();
        while let Some(task) = self.shared.await_write() {
            self.shared.write(task)?;
        }
        Ok(())
    }

    /// Leaves every epoch before `epoch`.
    fn enter(&mut self, epoch: u32) -> Result<(), ConvertError> {
        if epoch > self.epoch {
            self.hand_over();
        }
        while self.epoch < epoch {
            self.shared.leave(self.epoch)?;
            self.epoch += 1;
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        for (partition, builder) in &mut self.builders {
            if builder.row_count() > 0 {
                self.shared.buffer(self.epoch, partition, builder.finish());
            }
        }
        self.builders.clear();
    }

    fn decode(&mut self, file: &Arc<LogFile>, bytes: &Result<Bytes, String>) -> Result<(), ConvertError> {
        let mut sink = FileSink::new(self.shared, file, &mut self.builders, &mut self.told);
        let outcome = match bytes {
            Ok(bytes) => self.decoder.decode(bytes, &mut sink),
            Err(reason) => sink.unreadable(reason),
        };
        let (account, rejects) = sink.finish(outcome)?;
        self.shared.progress.log_file_read(file.size_bytes, account.outcome.record_count);
        let mut epoch = lock(&self.shared.epochs[self.epoch as usize]);
        epoch.accounts.push((Arc::clone(file), account));
        epoch.rejects.extend(rejects);
        drop(epoch);
        if self.builders.values().map(EventBatchBuilder::size_bytes).sum::<usize>() > WORKER_BYTES {
            self.hand_over();
        }
        Ok(())
    }
}

/// Takes one file's records: deduplicates, builds rows, counts.
struct FileSink<'w> {
    shared: &'w Shared,
    file: &'w LogFile,
    builders: &'w mut BTreeMap<EventPartition, EventBatchBuilder>,
    told: &'w mut HashSet<EventPartition>,
    names: (Arc<str>, Arc<str>),
    account: FileAccount,
    rejects: Vec<RejectRow>,
    are_rejects_committed: bool,
    failure: Option<ConvertError>,
}

impl<'w> FileSink<'w> {
    fn new(
        shared: &'w Shared,
        file: &'w LogFile,
        builders: &'w mut BTreeMap<EventPartition, EventBatchBuilder>,
        told: &'w mut HashSet<EventPartition>,
    ) -> Self {
        let are_rejects_committed = shared.committed.rejects.contains(&(file.path.clone(), file.version.clone()));
        let names = (Arc::from(file.path.as_str()), Arc::from(file.version.as_str()));
        let account = FileAccount {
            outcome: FileOutcome::unreadable(0),
            row_count: 0,
            duplicate_count: 0,
            kms_read_count: 0,
            kms_write_count: 0,
            first_event_time: None,
            last_event_time: None,
            unread_reason: None,
        };
        Self { shared, file, builders, told, names, account, rejects: Vec::new(), are_rejects_committed, failure: None }
    }

    /// The file's bytes could not be had at all: this run counts it as rejected, the ledger leaves it out, so that the next run
    /// reads it again. Expired credentials must not turn into files that count as read.
    fn unreadable(&mut self, reason: &str) -> FileOutcome {
        self.account.unread_reason = Some(reason.to_owned());
        FileOutcome::unreadable(1)
    }

    fn finish(mut self, outcome: FileOutcome) -> Result<(FileAccount, Vec<RejectRow>), ConvertError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.account.outcome = outcome;
        debug_assert!(self.account.is_balanced(), "{:?}", self.account);
        Ok((self.account, self.rejects))
    }

    fn count(&mut self, record: &EventRecord<'_>, is_kms: bool) {
        if is_kms {
            match is_kms_read(record) {
                true => self.account.kms_read_count += 1,
                false => self.account.kms_write_count += 1,
            }
        }
        if let Some(time) = record.event_time() {
            let account = &mut self.account;
            account.first_event_time = Some(account.first_event_time.map_or(time, |first| first.min(time)));
            account.last_event_time = Some(account.last_event_time.map_or(time, |last| last.max(time)));
        }
    }

    fn take(&mut self, index: u64, record: &EventRecord<'_>) -> Result<(), ConvertError> {
        let partition = EventPartition::of(record);
        self.count(record, partition.event_group == "kms");
        if !self.told.contains(&partition) {
            self.shared.committed.tell(&partition, &self.shared.seen)?;
            self.told.insert(partition.clone());
        }
        match self.shared.seen.note(
            record.text_of(Field::RecipientAccountId),
            &event_id(record),
            &self.file.path,
            index,
        ) {
            Seen::Duplicate => self.account.duplicate_count += 1,
            Seen::Committed => self.account.row_count += 1,
            Seen::New => {
                let lineage = Lineage {
                    log_file_path: &self.file.path,
                    record_index: index,
                    delivery_time: self.file.delivery_time,
                };
                self.builders.entry(partition).or_default().append(record, &lineage);
                self.account.row_count += 1;
            }
        }
        Ok(())
    }
}

/// Whether a KMS event is one that a write-only trail would not hold: by its operation, as `readOnly` is not constant in real logs.
fn is_kms_read(record: &EventRecord<'_>) -> bool {
    let operation = kms::operation(record.text_of(Field::EventName).unwrap_or(""));
    operation.is_none_or(|operation| operation.access == kms::Access::Read)
}

impl RecordSink for FileSink<'_> {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        if self.failure.is_none() {
            self.failure = self.take(index, record).err();
        }
    }

    fn reject(&mut self, reject: Reject<'_>) {
        if self.are_rejects_committed {
            return;
        }
        self.rejects.push(RejectRow {
            file: Arc::clone(&self.names.0),
            version: Arc::clone(&self.names.1),
            record_index: reject.record_index,
            byte_offset: reject.byte_offset,
            reason: reject.reason,
            raw: reject.raw[..reject.raw.len().min(MAX_RAW_BYTES)].to_vec(),
            raw_length: reject.raw.len() as u64,
        });
    }
}
