//! A log file's bytes into event records: what the file is, which records it holds, and what of it could not be taken.
//!
//! Content decides, never a file's name, which tells only whether plain text stands in a log file's place. What is read, each around or
//! inside the others:
//!
//! ```text
//! gzip, zstd            unpack      members one after the other, also gzip in gzip; gzip in base64
//! zip, tar              archives    entries one after the other, record indexes run on
//! UTF-8, UTF-16, BOM    text        JSON, CSV or log lines
//! JSON                  document    {"Records":[event]} · event · [event] · event⏎event · back to back · "JSON in a string"
//! objects               wrappers    lookup-events, CloudWatch Logs, Insights, EventBridge, SQS, Lake, Splunk, Elastic, …
//! CSV, Lake rows        tables      event history, CloudTrail Lake, Athena: rows become record texts
//! ```
//! Digest, Insight, NetworkActivity and Aggregated files, notifications and control messages are recognised and counted, never taken for
//! API events. A record that cannot be read costs itself, not its file: reading goes on where its end can be told.
//!
//! Strictness, so that a lake is evidence:
//! - JSON is RFC 8259, nested at most [`crate::json::MAX_DEPTH`] deep; everything else is rejected with its bytes. A lone surrogate escape is JSON and is
//!   kept as it stands; in columns of text it becomes U+FFFD. A raw NUL or other control character in a string is not JSON; `\u0000` is.
//! - A byte order mark is skipped. UTF-16 with its mark is read; unpaired units become U+FFFD and are noted. A record with bytes that are
//!   not UTF-8 is rejected, its neighbours are taken.
//! - Of a damaged gzip member nothing is taken, of the members before it everything; of a cut one everything before the cut. Bytes
//!   after the last member are rejected, but for zeros, which are a note. Header bytes that no content depends on (time stamp, system, "is text") are not looked at.
//!   Zip entries have a checksum too; tar and plain text have none, what is changed in them shows only where it breaks the JSON.
//! - Limits: [`MAX_FILE_BYTES`] produced in total by unpacking, [`MAX_WRAPPERS`] packings and wrappers around a record, [`MAX_REJECTS`] rejects.
//!
//! Byte offsets of rejects count from the beginning of the text that holds the record: the unpacked file, an archive's entry, or the string
//! that the record came in. Nothing is written anywhere, and no path is built from a name in an archive.

mod archives;
mod damage;
mod document;
mod reading;
mod tables;
mod text;
mod unpack;
mod wrappers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::record::{EventRecord, RecordKind};
use reading::Reading;
use unpack::Unpacker;

/// The most that one log file may unpack to, over all members, entries and wrappers; AWS's own limit is 50 MB.
pub const MAX_FILE_BYTES: usize = 1 << 30;
/// How many packings, archives and wrapping values may stand around a record.
pub const MAX_WRAPPERS: u32 = 8;
/// The most rejects that one file may cause one by one; what cannot be taken after them is counted in one more, and reading goes on.
pub const MAX_REJECTS: u64 = 100_000;

/// What a log file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFileKind {
    /// API events (also none: `{"Records":[]}`).
    Events,
    /// An hourly integrity digest.
    Digest,
    /// Insights events.
    Insight,
    /// VPC endpoint events.
    NetworkActivity,
    /// Five-minute summaries of data events.
    Aggregated,
    /// Notifications that tell where log files are.
    Notification,
    /// Messages by which CloudWatch Logs tests a destination.
    ControlMessage,
    /// The signature of a CloudTrail Lake query's result files.
    QuerySignature,
    /// Amazon Security Lake's OCSF records.
    SecurityLake,
    /// No bytes at all.
    Empty,
    /// Text that is no log at all, such as a README beside the log files.
    Prose,
    /// Nothing that CloudTrail writes.
    Unknown,
}

impl LogFileKind {
    /// The word in the `log_files` table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Digest => "digest",
            Self::Insight => "insight",
            Self::NetworkActivity => "network_activity",
            Self::Aggregated => "aggregated",
            Self::Notification => "notification",
            Self::ControlMessage => "control_message",
            Self::QuerySignature => "query_signature",
            Self::SecurityLake => "security_lake",
            Self::Empty => "empty",
            Self::Prose => "prose",
            Self::Unknown => "unknown",
        }
    }

    /// What a file is whose records are of `kind`.
    fn of_records(kind: RecordKind) -> Self {
        match kind {
            RecordKind::ApiEvent => Self::Events,
            RecordKind::Insight => Self::Insight,
            RecordKind::NetworkActivity => Self::NetworkActivity,
            RecordKind::Aggregated => Self::Aggregated,
            RecordKind::S3Notification => Self::Notification,
        }
    }
}

/// A record or file that could not be taken.
#[derive(Debug)]
pub struct Reject<'a> {
    /// Position among the file's records, from 0; `None` when it is the file, or an archive's entry, as a whole.
    pub record_index: Option<u64>,
    /// Where it begins in the text that holds it.
    pub byte_offset: u64,
    /// Why.
    pub reason: String,
    /// Its bytes, as far as they could be told.
    pub raw: &'a [u8],
}

/// Takes what a file holds, in the file's order.
pub trait RecordSink {
    /// An API event at `index` of the file's records.
    fn record(&mut self, index: u64, record: &EventRecord<'_>);
    /// Something that could not be taken.
    fn reject(&mut self, reject: Reject<'_>);
    /// An integrity digest's content, which names the log files of an hour.
    fn digest(&mut self, _content: &str) {}
}

/// What was found in one file. `record_count` = records given to the sink + rejects given to the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOutcome {
    /// What the file is.
    pub kind: LogFileKind,
    /// Records read, taken or rejected; other kinds are not in it.
    pub record_count: u64,
    /// Rejects among them.
    pub rejected_count: u64,
    /// Records taken whose `eventTime` is absent or not understood: no period holds them.
    pub undated_count: u64,
    /// Records of other kinds, which are no API events.
    pub ignored: BTreeMap<RecordKind, u64>,
    /// Size after unpacking.
    pub uncompressed_bytes: u64,
    /// It says of itself that it is not all there is: a query that has not ended, a page that another one follows. `notes` has why.
    pub is_part: bool,
    /// Oddities that did not stop the reading, such as bytes after the gzip data.
    pub notes: Vec<String>,
}

impl FileOutcome {
    /// A file whose bytes could not be read: `rejected_count` rejects were given to the sink, and nothing else.
    pub fn unreadable(rejected_count: u64) -> Self {
        Self {
            kind: LogFileKind::Unknown,
            record_count: rejected_count,
            rejected_count,
            undated_count: 0,
            ignored: BTreeMap::new(),
            uncompressed_bytes: 0,
            is_part: false,
            notes: Vec::new(),
        }
    }
}

/// Decodes log files one after the other; keeps its buffers between them.
#[derive(Debug)]
pub struct FileDecoder {
    unpacker: Unpacker,
}

impl Default for FileDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FileDecoder {
    /// A decoder with the default cap, [`MAX_FILE_BYTES`].
    pub fn new() -> Self {
        Self::with_max_file_bytes(MAX_FILE_BYTES)
    }

    /// A decoder that refuses files which unpack to more than `max_bytes`.
    pub fn with_max_file_bytes(max_bytes: usize) -> Self {
        Self { unpacker: Unpacker::new(max_bytes) }
    }

    /// Gives every record of the file to `sink`.
    pub fn decode(&mut self, bytes: &[u8], sink: &mut dyn RecordSink) -> FileOutcome {
        self.decode_named(None, bytes, sink)
    }

    /// The same for a file whose path is known: text that is no log is a reject only where the name is that of a log file.
    pub fn decode_named(&mut self, path: Option<&str>, bytes: &[u8], sink: &mut dyn RecordSink) -> FileOutcome {
        self.unpacker.begin_file();
        let mut reading = Reading::new(sink, &mut self.unpacker, path);
        reading.content(bytes, 0);
        reading.finish()
    }

    /// The same for a file that its user gave by name, or through a pipe: text in it that is no log is a reject whatever it is called.
    pub fn decode_asked_for(&mut self, path: &str, bytes: &[u8], sink: &mut dyn RecordSink) -> FileOutcome {
        self.unpacker.begin_file();
        let mut reading = Reading::new(sink, &mut self.unpacker, Some(path)).asked_for();
        reading.content(bytes, 0);
        reading.finish()
    }
}
