//! One thread's part: takes log files in order, decodes and deduplicates them into its builders, and writes when there is something to
//! write.

use std::sync::Arc;

use bytes::Bytes;
use keytrail_events::{
    EventPartition, EventRecord, Field, FileDecoder, FileOutcome, Lineage, LogFileKind, RecordSink, Reject, kms,
};

use crate::accounting::{FileAccount, MAX_TOLD_REJECTS};
use crate::config::ConvertOptions;
use crate::dedupe::{Deduplicator, Hour, HourSlot, Place, RecordIdentity, Seen};
use crate::encoding::partition_values;
use crate::epochs::Epochs;
use crate::error::ConvertError;
use crate::integrity::DigestEntry;
use crate::ledger::{MAX_RAW_BYTES, RejectRow};
use crate::lock::lock;
use crate::partition_builders::PartitionBuilders;
use crate::progress::ConvertProgress;
use crate::queue::FileQueue;
use crate::source::{LogFile, Unread};
use crate::supplanting::SupplantedPartitions;

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) input: Input,
    pub(crate) epochs: Epochs,
    pub(crate) progress: Arc<dyn ConvertProgress>,
    pub(crate) supplanted: SupplantedPartitions,
}

/// What is read, and what of it the lake has.
pub(crate) struct Input {
    pub(crate) files: FileQueue,
    pub(crate) seen: Arc<Deduplicator>,
    pub(crate) max_file_bytes: usize,
}

impl Shared {
    /// Takes note of a record that may have to count in the place of another row of its event.
    fn note_rival(&self, record: &EventRecord<'_>) {
        lock(&self.supplanted).insert(partition_values(&EventPartition::of(record)));
    }
}

/// One thread's part.
pub(crate) struct Worker<'s> {
    shared: &'s Shared,
    decoder: FileDecoder,
    desk: Desk,
    epoch: u32,
}

/// What a worker keeps from file to file.
#[derive(Default)]
struct Desk {
    builders: PartitionBuilders,
    slot: Option<HourSlot>,
}

impl<'s> Worker<'s> {
    pub(crate) fn new(shared: &'s Shared) -> Self {
        let decoder = FileDecoder::with_max_file_bytes(shared.input.max_file_bytes);
        Self { shared, decoder, desk: Desk::default(), epoch: 0 }
    }

    pub(crate) fn run(mut self) -> Result<(), ConvertError> {
        while !self.shared.epochs.is_ending() {
            if let Some(task) = self.shared.epochs.take_write() {
                self.shared.epochs.write(task)?;
                continue;
            }
            let Some((number, file, bytes)) = self.shared.input.files.next() else { break };
            self.enter(self.shared.epochs.epoch_of(number))?;
            self.decode(&file, &bytes)?;
        }
        self.enter(self.shared.epochs.count())?;
        self.shared.epochs.stop_decoding();
        while let Some(task) = self.shared.epochs.await_write() {
            self.shared.epochs.write(task)?;
        }
        Ok(())
    }

    /// Leaves every epoch before `epoch`.
    fn enter(&mut self, epoch: u32) -> Result<(), ConvertError> {
        if epoch > self.epoch {
            self.hand_over_from(0);
        }
        while self.epoch < epoch {
            self.shared.epochs.leave(self.epoch)?;
            self.epoch += 1;
        }
        Ok(())
    }

    /// Gives away the rows of partitions with so many bytes.
    fn hand_over_from(&mut self, min_bytes: usize) {
        for (partition, rows) in self.desk.builders.finish_large(min_bytes) {
            self.shared.epochs.buffer(self.epoch, partition, rows);
        }
    }

    fn decode(&mut self, file: &Arc<LogFile>, bytes: &Result<Bytes, Unread>) -> Result<(), ConvertError> {
        let mut sink = FileSink::new(self.shared, file, &mut self.desk, self.epoch);
        let outcome = match bytes {
            Ok(bytes) => file.decode(&mut self.decoder, bytes, &mut sink),
            Err(reason) => sink.unreadable(reason),
        };
        let (account, rejects) = sink.finish(outcome)?;
        self.shared.progress.log_file_read(file.size_bytes, account.outcome.record_count);
        self.shared.epochs.account(self.epoch, Arc::clone(file), account, rejects);
        let is_full = self.desk.builders.size_bytes() > ConvertOptions::WORKER_BYTES;
        self.hand_over_from(if is_full { 0 } else { ConvertOptions::PART_BYTES });
        Ok(())
    }
}

/// Takes one file's records: deduplicates, builds rows, counts.
struct FileSink<'w> {
    shared: &'w Shared,
    file: &'w LogFile,
    desk: &'w mut Desk,
    epoch: u32,
    names: (Arc<str>, Arc<str>),
    account: FileAccount,
    rejects: Vec<RejectRow>,
    /// `None` = a digest that lacks something.
    digests: Vec<Option<DigestEntry>>,
    failure: Option<ConvertError>,
}

impl<'w> FileSink<'w> {
    fn new(shared: &'w Shared, file: &'w LogFile, desk: &'w mut Desk, epoch: u32) -> Self {
        let names = (Arc::from(file.path.as_str()), Arc::from(file.version.as_str()));
        let (rejects, digests) = (Vec::new(), Vec::new());
        Self { shared, file, desk, epoch, names, account: FileAccount::default(), rejects, digests, failure: None }
    }

    /// The file's bytes could not be had at all: this run tells of it, the ledger leaves it out, so that the next run
    /// reads it again. Expired credentials must not turn into files that count as read. An archived object stays so for years: the
    /// ledger has it, as a reject, so that what the lake lacks can be asked for.
    fn unreadable(&mut self, unread: &Unread) -> FileOutcome {
        match unread {
            Unread::Failed(reason) => {
                self.account.unread_reason = Some(reason.clone());
                FileOutcome::unreadable(0)
            }
            Unread::Archived { .. } => {
                self.account.is_archived = true;
                self.reject(Reject { record_index: None, byte_offset: 0, reason: unread.to_string(), raw: &[] });
                FileOutcome::unreadable(1)
            }
        }
    }

    fn finish(mut self, mut outcome: FileOutcome) -> Result<(FileAccount, Vec<RejectRow>), ConvertError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.note_digest(&mut outcome);
        self.account.outcome = outcome;
        debug_assert!(self.account.is_balanced(), "{:?}", self.account);
        if !self.account.is_archived {
            // What is wrong with the file as a whole comes first.
            let (whole, single): (Vec<_>, Vec<_>) =
                self.rejects.iter().partition(|reject| reject.record_index.is_none());
            let told = whole.into_iter().chain(single).take(MAX_TOLD_REJECTS);
            self.account.reject_reasons = told.map(reason_of).collect();
        }
        Ok((self.account, self.rejects))
    }

    /// Takes what a file says that is one digest. Of one that lacks something, or of several in an archive, which have no one hour, it is
    /// noted that they tell nothing.
    fn note_digest(&mut self, outcome: &mut FileOutcome) {
        let mut digests = std::mem::take(&mut self.digests);
        if outcome.kind != LogFileKind::Digest {
            return;
        }
        let why = match (digests.pop(), digests.is_empty()) {
            (Some(Some(digest)), true) => {
                self.account.first_event_time = digest.first_event_time;
                self.account.last_event_time = digest.last_event_time;
                self.account.digest = Some(Box::new(digest));
                return;
            }
            (_, true) => "it lacks a member, or has one that cannot be read",
            (_, false) => "it is one of several in a file",
        };
        outcome.notes.push(format!("this digest tells nothing of what was delivered: {why}"));
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
        let is_kms = kms::is_kms_event(record.text_of(Field::EventSource));
        self.count(record, is_kms);
        let (hour, identity) = (Hour::of(record.event_time()), RecordIdentity::of(record));
        let place = Place::new(&self.file.path, index);
        let seen = self.shared.input.seen.note_in(&mut self.desk.slot, hour, &identity, place, self.epoch)?;
        match seen {
            Seen::Duplicate => {
                self.account.duplicate_count += 1;
                return Ok(());
            }
            Seen::Committed => self.account.held_row_count += 1,
            Seen::New | Seen::MoreDetailed | Seen::OtherBody => {
                let lineage = Lineage {
                    log_file_path: &self.file.path,
                    record_index: index,
                    delivery_time: self.file.delivery_time,
                    is_known_id: seen != Seen::New,
                };
                if seen != Seen::New {
                    self.shared.note_rival(record);
                }
                self.desk.builders.of(record, hour, is_kms).append(record, &lineage);
                self.account.conflict_count += u64::from(seen == Seen::OtherBody);
            }
        }
        // Which of them its ledger entry counts is known when that is committed.
        self.account.place_row_count += 1;
        self.account.row_count += 1;
        Ok(())
    }
}

/// Why a record, named by its place, or the whole file could not be taken.
fn reason_of(reject: &RejectRow) -> String {
    match reject.record_index {
        Some(index) => format!("record {index}: {}", reject.reason),
        None => reject.reason.clone(),
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

    fn digest(&mut self, content: &str) {
        self.digests.push(DigestEntry::parse(content));
    }
}
