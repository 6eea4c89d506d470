//! The state of reading one file: what is counted, what is told to the sink, and when it is enough.
//!
//! Every reader of a shape is an `impl Reading` in a module of its own; this one has only what they share.

use std::collections::BTreeMap;

use super::unpack::{Packing, Unpacker};
use super::{FileOutcome, LogFileKind, MAX_REJECTS, MAX_WRAPPERS, RecordSink, Reject};
use crate::json;
use crate::path::has_log_name;
use crate::record::{EventRecord, Field, RecordKind};

/// The most notes that one file leaves.
const MAX_NOTES: usize = 20;
/// How long a tar archive without entries is: two blocks, which most writers fill up to twenty.
const EMPTY_TAR_BYTES: [usize; 2] = [1024, 10_240];
/// How much of a time that is not understood a note shows.
const SHOWN_TIME_CHARS: usize = 40;

pub(super) struct Reading<'s> {
    pub(super) sink: &'s mut dyn RecordSink,
    pub(super) unpacker: &'s mut Unpacker,
    pub(super) outcome: FileOutcome,
    /// What was found beside records, by kind.
    others: BTreeMap<LogFileKind, u64>,
    /// The names of the archive entries that are being read, outermost first, each with its `/`.
    place: String,
    /// The name of the file, or of the archive's entry that is being read; `None` = not told.
    name: Option<String>,
    /// Some text was none of a log.
    has_prose: bool,
    /// Some text was more than white space.
    has_text: bool,
    /// Why the file ended early, until a reject has told it.
    pub(super) failure: Option<String>,
    is_over: bool,
    /// The first `eventTime` that is not understood, as it stands.
    strange_time: Option<String>,
    /// What could not be taken beyond [`MAX_REJECTS`].
    further: Option<Further>,
    /// Whoever named the file takes it for a log file.
    is_asked_for: bool,
    /// The member by which the last page of a result says that another one follows it.
    pub(super) more_follows: Option<&'static str>,
}

/// Rejects that are counted only: how many, and where the first was.
struct Further {
    count: u64,
    byte_offset: u64,
    reason: String,
}

impl<'s> Reading<'s> {
    pub(super) fn new(sink: &'s mut dyn RecordSink, unpacker: &'s mut Unpacker, name: Option<&str>) -> Self {
        Self {
            sink,
            unpacker,
            outcome: FileOutcome::unreadable(0),
            others: BTreeMap::new(),
            place: String::new(),
            name: name.map(str::to_owned),
            has_prose: false,
            has_text: false,
            failure: None,
            is_over: false,
            strange_time: None,
            further: None,
            is_asked_for: false,
            more_follows: None,
        }
    }

    /// Takes the file for a log file whatever its name; an archive's entries have names of their own.
    pub(super) fn asked_for(self) -> Self {
        Self { is_asked_for: true, ..self }
    }

    /// Reads bytes of any kind, packed or not.
    pub(super) fn content(&mut self, bytes: &[u8], depth: u32) {
        let packing = Packing::of(bytes);
        match packing {
            None if self.is_empty_tar(bytes) => self.outcome.uncompressed_bytes += bytes.len() as u64,
            None => self.text(bytes, depth),
            Some(_) if depth >= MAX_WRAPPERS => {
                self.reject_whole(format!("packed more than {MAX_WRAPPERS} times"), bytes)
            }
            Some(Packing::Zip) => self.zip(bytes, depth),
            Some(Packing::Tar) => self.tar(bytes, depth),
            Some(packing) => self.compressed(packing, bytes, depth),
        }
    }

    /// Reads an archive's entry under its name.
    pub(super) fn within(&mut self, name: &str, read: impl FnOnce(&mut Self)) {
        let length = self.place.len();
        self.place.push_str(name);
        self.place.push('/');
        let outer = self.name.replace(name.to_owned());
        read(self);
        self.name = outer;
        self.place.truncate(length);
    }

    /// Whether what is read is named, and not as log files are: a README, a list of checksums. Under a log file's name text may be an error
    /// message in place of a download.
    pub(super) fn is_beside_logs(&self) -> bool {
        let is_expected = self.is_asked_for && self.place.is_empty();
        !is_expected && self.name.as_deref().is_some_and(|name| !has_log_name(name))
    }

    /// Leaves a text alone that is none of a log.
    pub(super) fn pass_over(&mut self) {
        self.has_prose = true;
        if !self.place.is_empty() {
            self.note("text that is no log".to_owned());
        }
    }

    /// Whether a tar archive without entries, which is nothing but zeros, stands where its name tells of one.
    fn is_empty_tar(&self, bytes: &[u8]) -> bool {
        let is_tar = |name: &str| [".tar", ".tgz"].iter().any(|ending| name.to_ascii_lowercase().contains(ending));
        self.name.as_deref().is_some_and(is_tar)
            && EMPTY_TAR_BYTES.contains(&bytes.len())
            && bytes.iter().all(|byte| *byte == 0)
    }

    /// Gives an API event to the sink.
    pub(super) fn take(&mut self, record: &EventRecord<'_>) {
        if record.event_time().is_none() {
            self.outcome.undated_count += 1;
            self.strange_time = self.strange_time.take().or_else(|| time_as_written(record));
        }
        self.sink.record(self.outcome.record_count, record);
        self.outcome.record_count += 1;
    }

    /// Counts a record of another kind.
    pub(super) fn ignore(&mut self, kind: RecordKind) {
        *self.outcome.ignored.entry(kind).or_default() += 1;
    }

    /// Counts something that is no record, and says so once where the user has a step to take.
    pub(super) fn count_other(&mut self, kind: LogFileKind) {
        let count = self.others.entry(kind).or_default();
        *count += 1;
        if *count == 1 && kind == LogFileKind::Notification {
            self.note("notifications hold no events: convert the log files that they name".to_owned());
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if self.outcome.notes.len() < MAX_NOTES {
            let note = self.placed(note);
            self.outcome.notes.push(note);
        }
    }

    /// Notes that what is read says of itself that it is not all there is.
    pub(super) fn note_part(&mut self, why: &str) {
        self.outcome.is_part = true;
        self.note(format!("this is a part of a result only: {why}"));
    }

    pub(super) fn mark_text(&mut self) {
        self.has_text = true;
    }

    pub(super) fn reject(&mut self, start: usize, reason: String, raw: &[u8]) {
        let record_index = Some(self.outcome.record_count);
        self.tell(record_index, start, reason, raw);
    }

    /// Rejects the file, or the archive's entry that is being read.
    pub(super) fn reject_whole(&mut self, reason: String, raw: &[u8]) {
        self.tell(None, 0, reason, raw);
    }

    fn tell(&mut self, record_index: Option<u64>, start: usize, reason: String, raw: &[u8]) {
        let reason = self.placed(reason);
        let byte_offset = start as u64;
        if self.outcome.rejected_count >= MAX_REJECTS {
            self.further.get_or_insert(Further { count: 0, byte_offset, reason }).count += 1;
            return;
        }
        self.sink.reject(Reject { record_index, byte_offset, reason, raw });
        self.outcome.record_count += 1;
        self.outcome.rejected_count += 1;
    }

    /// What could not be taken after the last reject that is told, as one reject without bytes.
    fn tell_further(&mut self) {
        let Some(Further { count, byte_offset, reason }) = self.further.take() else { return };
        let reason = format!(
            "{count} more after the first {MAX_REJECTS} could not be taken, and are not kept; the first, at byte {byte_offset}: {reason}"
        );
        self.sink.reject(Reject { record_index: None, byte_offset, reason, raw: &[] });
        self.outcome.record_count += 1;
        self.outcome.rejected_count += 1;
    }

    fn placed(&self, text: String) -> String {
        match self.place.strip_suffix('/') {
            Some(place) => format!("entry `{place}`: {text}"),
            None => text,
        }
    }

    /// Nothing more of the file is to be read.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn finish(mut self) -> FileOutcome {
        if let Some(name) = self.more_follows.take() {
            self.note_part(&format!("its last page has a `{name}`, and the page after that is not in it"));
        }
        self.tell_further();
        self.outcome.kind = self.kind();
        if self.outcome.undated_count > 0 {
            let first = self.strange_time.map_or_else(String::new, |time| format!(", the first `{time}`"));
            let count = self.outcome.undated_count;
            self.outcome
                .notes
                .push(format!("records with an event time that is absent or not understood: {count}{first}"));
        }
        self.outcome
    }

    fn kind(&self) -> LogFileKind {
        let ignored = self.outcome.ignored.iter().map(|(kind, count)| (LogFileKind::of_records(*kind), *count));
        let others = self.others.iter().map(|(kind, count)| (*kind, *count));
        let most = ignored.chain(others).max_by_key(|(_, count)| *count);
        match most {
            _ if self.outcome.record_count > self.outcome.rejected_count => LogFileKind::Events,
            Some((kind, _)) => kind,
            None if self.outcome.record_count > 0 => LogFileKind::Unknown,
            None if self.has_prose => LogFileKind::Prose,
            None if self.has_text => LogFileKind::Events,
            None => LogFileKind::Empty,
        }
    }
}

/// The beginning of a record's `eventTime`, without its quotes; `None` where there is none.
fn time_as_written(record: &EventRecord<'_>) -> Option<String> {
    let is_time = |name: &str| Field::from_any_case(name) == Some(Field::EventTime);
    let (_, raw) = json::members(record.text()).find(|(name, _)| is_time(name))?;
    let text = json::string_value(raw).unwrap_or(raw.into());
    Some(text.chars().take(SHOWN_TIME_CHARS).flat_map(char::escape_debug).collect())
}
