//! Epochs: the log files between two commits, their rows until they are written, and the write tasks.
//!
//! ```text
//! epoch 0: files 0‥n   ┌ worker ┐ buffers ─▶ write tasks ─▶ committer ─▶ commit
//! epoch 1: files n+1‥m └ worker ┘   (a worker prefers write tasks, which bounds memory)
//! ```
//! Workers leave an epoch when they take a file of a later one; the last to leave writes what is buffered, while others go on: no worker
//! waits at a commit. It decodes nothing and commits nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use keytrail_events::{EventPartition, EventRows};
use keytrail_lake::Table;
use tokio::sync::mpsc;

use crate::accounting::FileAccount;
use crate::buffers::{Buffer, BufferedBytes, Buffers};
use crate::committer::{CompleteEpoch, Message};
use crate::config::ConvertOptions;
use crate::encoding::encode_rows;
use crate::error::ConvertError;
use crate::ledger::RejectRow;
use crate::lock::lock;
use crate::progress::StopSignal;
use crate::source::LogFile;

/// The most log files between two commits; their ledger rows wait in memory.
const MAX_EPOCH_FILES: usize = 20_000;

/// The epochs of an attempt, which its workers share.
pub(crate) struct Epochs {
    /// The epoch of each file.
    plan: Vec<u32>,
    epochs: Vec<Mutex<Epoch>>,
    writes: Mutex<Writes>,
    writes_changed: Condvar,
    buffered: BufferedBytes,
    output: Output,
    has_failed: AtomicBool,
}

/// Where encoded files and complete epochs go.
pub(crate) struct Output {
    pub(crate) table: Table,
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) stop: Arc<StopSignal>,
}

impl Output {
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

impl Epochs {
    /// The epochs of these files, to be worked on by so many workers.
    pub(crate) fn new(files: &[LogFile], options: &ConvertOptions, output: Output) -> Self {
        let workers = options.workers.max(1);
        let plan = plan_epochs(files, options.epoch_bytes);
        let epoch_count = plan.last().map_or(0, |last| *last as usize + 1);
        let epochs = (0..epoch_count).map(|_| Mutex::new(Epoch { inside: workers, ..Epoch::default() })).collect();
        Self {
            plan,
            epochs,
            writes: Mutex::new(Writes { decoding: workers, ..Writes::default() }),
            writes_changed: Condvar::new(),
            buffered: BufferedBytes::new(options.buffer_bytes),
            output,
            has_failed: AtomicBool::new(false),
        }
    }

    /// The epoch of the log file of a number.
    pub(crate) fn epoch_of(&self, number: usize) -> u32 {
        self.plan[number]
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.epochs.len()).unwrap_or(u32::MAX)
    }

    /// Enters what became of a log file.
    pub(crate) fn account(&self, epoch: u32, file: Arc<LogFile>, account: FileAccount, rejects: Vec<RejectRow>) {
        let mut epoch = lock(&self.epochs[epoch as usize]);
        epoch.accounts.push((file, account));
        epoch.rejects.extend(rejects);
    }

    /// Ends the work: no worker waits for another any more.
    pub(crate) fn fail(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.writes_changed.notify_all();
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.output.stop.is_ending() || self.has_failed.load(Ordering::Relaxed)
    }

    fn add_write(&self, task: WriteTask) {
        lock(&self.writes).tasks.push_back(task);
        self.writes_changed.notify_one();
    }

    /// The next write task, if one waits.
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

    /// A worker adds no write tasks any more but by leaving its epoch.
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
        self.output.send_complete(complete)
    }

    /// Encodes the rows of a write task and hands them over.
    pub(crate) fn write(&self, task: WriteTask) -> Result<(), ConvertError> {
        let WriteTask { epoch: number, partition, buffer: Buffer { parts, bytes } } = task;
        let encoded = encode_rows(&self.output.table, &partition, parts)?;
        self.buffered.end_write(bytes);
        self.output.send(Message::Encoded(number, encoded))?;
        let mut epoch = lock(&self.epochs[number as usize]);
        epoch.open_writes -= 1;
        let complete = epoch.complete(number);
        drop(epoch);
        self.output.send_complete(complete)
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
