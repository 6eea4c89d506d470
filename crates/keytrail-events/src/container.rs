//! A log file's bytes into event records: what the file is, which records it holds, and what of it could not be taken.
//!
//! Content decides, never a file's name. The shapes that are read:
//!
//! ```text
//! gzip (also gzip in gzip) ─▶ {"Records":[event, …]}            trail log file, event history download
//!                             {"Events":[{"CloudTrailEvent":"…"}]}   aws cloudtrail lookup-events
//!                             {"detail-type":"… via CloudTrail","detail":event}   EventBridge
//!                             {"_raw":…}                        log shippers
//!                             event · [event, …] · event⏎event  bare, array, JSON lines or back to back
//! ```
//! Digest, Insight, NetworkActivity and Aggregated files and S3 notifications are recognised and counted, never taken for API events.
//! A record that cannot be read costs itself, not its file: the scanner resumes after it where its end can be told.

use std::collections::BTreeMap;

use crate::compression::{Inflater, is_gzip};
use crate::json::{self, Scanner, SyntaxError};
use crate::record::{EventRecord, RecordError, RecordKind};

/// The most that one log file may unpack to; AWS's own limit is 50 MB.
pub const MAX_FILE_BYTES: usize = 1 << 30;
/// How often one packing or one string may hold another.
const MAX_WRAPPERS: u32 = 4;

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
    /// No bytes at all.
    Empty,
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
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }
}

/// A record or file that could not be taken.
#[derive(Debug)]
pub struct Reject<'a> {
    /// Position among the file's records, from 0; `None` when it is the file as a whole.
    pub record_index: Option<u64>,
    /// Where it begins in the unpacked file.
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
    /// Records of other kinds, which are no API events.
    pub ignored: BTreeMap<RecordKind, u64>,
    /// Size after unpacking.
    pub uncompressed_bytes: u64,
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
            ignored: BTreeMap::new(),
            uncompressed_bytes: 0,
            notes: Vec::new(),
        }
    }
}

/// Decodes log files one after the other; keeps its buffers between them.
#[derive(Debug)]
pub struct FileDecoder {
    inflater: Inflater,
    unpacked: Vec<u8>,
    packed: Vec<u8>,
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
        Self { inflater: Inflater::new(max_bytes), unpacked: Vec::new(), packed: Vec::new() }
    }

    /// Gives every record of the file to `sink`.
    pub fn decode(&mut self, bytes: &[u8], sink: &mut dyn RecordSink) -> FileOutcome {
        let mut reading = Reading::new(sink);
        if is_gzip(bytes) {
            let failure = self.unpack(bytes, &mut reading.outcome);
            reading.failure.clone_from(&failure);
            reading.file(&self.unpacked);
            if let Some(reason) = failure.filter(|_| reading.failure.is_some()) {
                reading.reject_file(0, reason, bytes);
            }
        } else {
            reading.file(bytes);
        }
        self.shrink();
        reading.finish()
    }

    /// Unpacks gzip, and gzip in gzip as CloudWatch subscriptions leave it; returns why it ended early.
    fn unpack(&mut self, bytes: &[u8], outcome: &mut FileOutcome) -> Option<String> {
        let mut inflated = self.inflater.inflate(bytes, &mut self.unpacked);
        for _ in 1..MAX_WRAPPERS {
            if inflated.failure.is_some() || !is_gzip(&self.unpacked) {
                break;
            }
            std::mem::swap(&mut self.packed, &mut self.unpacked);
            inflated = self.inflater.inflate(&self.packed, &mut self.unpacked);
        }
        if inflated.trailing_bytes > 0 {
            outcome
                .notes
                .push(format!("{} bytes after the gzip data: trail log files have none", inflated.trailing_bytes));
        }
        inflated.failure.map(|failure| failure.to_string())
    }

    /// Gives memory back that one large file took.
    fn shrink(&mut self) {
        const KEEP: usize = 16 << 20;
        for buffer in [&mut self.unpacked, &mut self.packed] {
            buffer.clear();
            buffer.shrink_to(KEEP);
        }
    }
}

/// One piece of JSON text: the file, or a string in it that holds JSON again.
#[derive(Clone, Copy)]
struct Document<'d> {
    bytes: &'d [u8],
    /// The bytes as text, when all of them are UTF-8.
    text: Option<&'d str>,
    /// How many strings this text was wrapped in.
    wrappers: u32,
}

impl<'d> Document<'d> {
    fn new(bytes: &'d [u8], wrappers: u32) -> Self {
        Self { bytes, text: simdutf8::basic::from_utf8(bytes).ok(), wrappers }
    }
}

struct Reading<'s> {
    sink: &'s mut dyn RecordSink,
    outcome: FileOutcome,
    digest_count: u64,
    notification_count: u64,
    has_container: bool,
    /// Why the file ended early, until a reject has told it.
    failure: Option<String>,
}

impl<'s> Reading<'s> {
    fn new(sink: &'s mut dyn RecordSink) -> Self {
        let outcome = FileOutcome::unreadable(0);
        Self { sink, outcome, digest_count: 0, notification_count: 0, has_container: false, failure: None }
    }

    fn file(&mut self, bytes: &[u8]) {
        self.outcome.uncompressed_bytes = bytes.len() as u64;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if self.failure.is_none() && !bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
            self.outcome.kind = LogFileKind::Empty;
            return;
        }
        self.document(Document::new(bytes, 0));
    }

    /// Reads values until the text ends: one as a rule, several in JSON lines and back-to-back objects.
    fn document(&mut self, document: Document<'_>) {
        let mut scanner = Scanner::new(document.bytes);
        while let Some(byte) = scanner.peek() {
            let start = scanner.position();
            let result = match byte {
                b'{' | b'[' | b'"' => self.value(document, &mut scanner),
                _ => Err(SyntaxError { offset: start, reason: "expected a JSON object or array" }),
            };
            if let Err(error) = result {
                let end = end_of_damage(document.bytes, start, error.offset);
                self.reject_syntax(document, start, end, error);
                scanner = Scanner::at(document.bytes, end);
            }
        }
    }

    fn value<'d>(&mut self, document: Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        match scanner.peek() {
            Some(b'[') => {
                scanner.advance();
                self.array(document, scanner)
            }
            Some(b'{') => self.object(document, scanner),
            _ => self.string_or_scalar(document, scanner),
        }
    }

    /// An array's elements; one that is no JSON is rejected and the next one read.
    fn array<'d>(&mut self, document: Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        self.has_container = true;
        let mut is_first = true;
        while scanner.next_element(&mut is_first)? {
            scanner.peek();
            let start = scanner.position();
            if let Err(error) = self.value(document, scanner) {
                let end = end_of_element(document.bytes, start).ok_or(error)?;
                self.reject_syntax(document, start, end, error);
                *scanner = Scanner::at(document.bytes, end);
            }
        }
        Ok(())
    }

    fn object<'d>(&mut self, document: Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        if let Some(mut inside) = list_of_records(document.bytes, scanner) {
            let result = self.list(document, &mut inside);
            *scanner = inside;
            return result;
        }
        let start = scanner.position();
        let Some(text) = document.text else {
            let range = scanner.value()?;
            self.untrusted_object(document, start, &document.bytes[range]);
            return Ok(());
        };
        let record = EventRecord::scan_from(text, scanner)?;
        self.parsed(document, start, &record);
        Ok(())
    }

    /// The elements of `Records` or `Events`, then the container's other members, which hold nothing of interest.
    fn list<'d>(&mut self, document: Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        self.array(document, scanner)?;
        let mut is_first = false;
        while scanner.next_key(&mut is_first)?.is_some() {
            scanner.value()?;
        }
        Ok(())
    }

    /// An object in a file that is not UTF-8 throughout: good records are taken, bad ones rejected.
    fn untrusted_object(&mut self, document: Document<'_>, start: usize, bytes: &[u8]) {
        match std::str::from_utf8(bytes)
            .map_err(|error| RecordError::Encoding(error.valid_up_to()))
            .and_then(EventRecord::parse)
        {
            Ok(record) => self.parsed(document, start, &record),
            Err(error) => self.reject(start, error.to_string(), bytes),
        }
    }

    fn parsed(&mut self, document: Document<'_>, start: usize, record: &EventRecord<'_>) {
        match record.kind() {
            Ok(RecordKind::ApiEvent) => {
                self.sink.record(self.outcome.record_count, record);
                self.outcome.record_count += 1;
            }
            Ok(kind) => *self.outcome.ignored.entry(kind).or_default() += 1,
            Err(RecordError::NotAnEvent(_)) if self.unwrapped(document, record) => {}
            Err(error) => self.reject(start, error.to_string(), record.text().as_bytes()),
        }
    }

    /// Looks for records inside an object that is none itself; false where there is nothing known in it.
    fn unwrapped(&mut self, document: Document<'_>, record: &EventRecord<'_>) -> bool {
        let Some(members) = record.unknown_fields() else { return false };
        let member = |wanted: &str| json::members(members).find(|(name, _)| *name == wanted).map(|(_, raw)| raw);
        if member("digestS3Object").is_some() && member("logFiles").is_some() {
            self.digest_count += 1;
            return true;
        }
        if member("s3ObjectKey").is_some()
            || (member("Message").is_some() && member("Type") == Some("\"Notification\""))
        {
            self.notification_count += 1;
            return true;
        }
        let detail = member("detail-type").and_then(|_| member("detail"));
        let inner = detail.or_else(|| ["CloudTrailEvent", "_raw", "Records", "Events"].into_iter().find_map(member));
        match inner {
            Some(raw) if document.wrappers < MAX_WRAPPERS => {
                self.wrapped(raw, document.wrappers + 1);
                true
            }
            _ => false,
        }
    }

    /// A member's raw value: JSON, or a string that holds JSON.
    fn wrapped(&mut self, raw: &str, wrappers: u32) {
        match json::string_value(raw) {
            Some(text) => self.document(Document::new(text.as_bytes(), wrappers)),
            None => self.document(Document::new(raw.as_bytes(), wrappers)),
        }
    }

    fn string_or_scalar<'d>(&mut self, document: Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        let start = scanner.position();
        let bytes = &document.bytes[scanner.value()?];
        let text = std::str::from_utf8(bytes).ok().and_then(json::string_value);
        match text.filter(|text| text.trim_start().starts_with('{') && document.wrappers < MAX_WRAPPERS) {
            Some(text) => self.document(Document::new(text.as_bytes(), document.wrappers + 1)),
            None => self.reject(start, RecordError::NotAnObject.to_string(), bytes),
        }
        Ok(())
    }

    fn reject_syntax(&mut self, document: Document<'_>, start: usize, end: usize, error: SyntaxError) {
        let is_cut = error.offset >= document.bytes.len();
        let reason = match self.failure.take_if(|_| is_cut) {
            Some(failure) => failure,
            None if !self.has_container && self.outcome.record_count == 0 => {
                format!("not a CloudTrail log file: {error}: {}", beginning_of(document.bytes))
            }
            None => format!("not valid JSON: {error}"),
        };
        self.reject(start, reason, &document.bytes[start..end]);
    }

    fn reject(&mut self, start: usize, reason: String, raw: &[u8]) {
        let record_index = Some(self.outcome.record_count);
        self.sink.reject(Reject { record_index, byte_offset: start as u64, reason, raw });
        self.outcome.record_count += 1;
        self.outcome.rejected_count += 1;
    }

    fn reject_file(&mut self, start: usize, reason: String, raw: &[u8]) {
        self.sink.reject(Reject { record_index: None, byte_offset: start as u64, reason, raw });
        self.outcome.record_count += 1;
        self.outcome.rejected_count += 1;
    }

    fn finish(self) -> FileOutcome {
        let mut outcome = self.outcome;
        let most_ignored = outcome.ignored.iter().max_by_key(|(_, count)| **count).map(|(kind, _)| *kind);
        let is_read = outcome.record_count > outcome.rejected_count;
        outcome.kind = match most_ignored {
            _ if outcome.kind == LogFileKind::Empty => LogFileKind::Empty,
            _ if is_read => LogFileKind::Events,
            Some(RecordKind::Insight) => LogFileKind::Insight,
            Some(RecordKind::NetworkActivity) => LogFileKind::NetworkActivity,
            Some(RecordKind::Aggregated) => LogFileKind::Aggregated,
            Some(RecordKind::S3Notification) => LogFileKind::Notification,
            Some(RecordKind::ApiEvent) | None if self.digest_count > 0 => LogFileKind::Digest,
            _ if self.notification_count > 0 => LogFileKind::Notification,
            _ if outcome.record_count > 0 => LogFileKind::Unknown,
            _ => LogFileKind::Events,
        };
        outcome
    }
}

/// Where the object at `scanner` begins with `"Records":[` or `"Events":[`, a scanner behind that bracket.
fn list_of_records<'d>(bytes: &'d [u8], scanner: &Scanner<'_>) -> Option<Scanner<'d>> {
    let mut inside = Scanner::at(bytes, scanner.position());
    inside.advance();
    let key = inside.next_key(&mut true).ok()??;
    let is_list = matches!(&bytes[key.range], b"Records" | b"Events") && inside.peek() == Some(b'[');
    is_list.then(|| {
        inside.advance();
        inside
    })
}

/// Where a damaged array element ends: its brackets balance and a comma or the array's end follows.
fn end_of_element(bytes: &[u8], start: usize) -> Option<usize> {
    let end = end_of_brackets(bytes, start)?;
    let follows = Scanner::at(bytes, end).peek();
    matches!(follows, Some(b',' | b']')).then_some(end)
}

/// Where reading goes on after a damaged value of a document: behind its brackets, else on the next line, else nowhere.
fn end_of_damage(bytes: &[u8], start: usize, error_offset: usize) -> usize {
    let is_value = |end: &usize| *end > error_offset && matches!(Scanner::at(bytes, *end).peek(), Some(b'{' | b'['));
    end_of_brackets(bytes, start)
        .filter(is_value)
        .or_else(|| next_line_with_object(bytes, start))
        .unwrap_or(bytes.len())
}

/// The next line after `start` that begins with `{`: JSON lines go on there, while lines of one indented object do not look so.
fn next_line_with_object(bytes: &[u8], start: usize) -> Option<usize> {
    memchr::memmem::find(&bytes[start..], b"\n{").map(|at| start + at + 1)
}

/// The end of the value at `start` by its brackets alone, whatever stands between them.
fn end_of_brackets(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut position = start;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'"' => position = end_of_string(bytes, position)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            b',' if depth == 0 => return Some(position),
            _ => {}
        }
        position += 1;
    }
    None
}

/// The closing quote of the string that opens at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut position = start + 1;
    loop {
        position += memchr::memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes[position] == b'"' {
            return Some(position);
        }
        position += 2;
    }
}

/// The first bytes of a file that is none of ours, for a message.
fn beginning_of(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(100)];
    format!("begins with `{}`", start.escape_ascii())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[derive(Default)]
    struct Collected {
        records: Vec<(u64, String)>,
        rejects: Vec<(Option<u64>, String, Vec<u8>)>,
    }

    impl RecordSink for Collected {
        fn record(&mut self, index: u64, record: &EventRecord<'_>) {
            self.records.push((index, record.text().to_owned()));
        }

        fn reject(&mut self, reject: Reject<'_>) {
            self.rejects.push((reject.record_index, reject.reason, reject.raw.to_vec()));
        }
    }

    fn decode(bytes: &[u8]) -> (FileOutcome, Collected) {
        let mut collected = Collected::default();
        let outcome = FileDecoder::with_max_file_bytes(1 << 20).decode(bytes, &mut collected);
        assert_eq!(outcome.record_count, (collected.records.len() + collected.rejects.len()) as u64);
        assert_eq!(outcome.rejected_count, collected.rejects.len() as u64);
        (outcome, collected)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    const EVENT: &str =
        r#"{"eventVersion":"1.08","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventID":"e"}"#;

    #[test]
    fn every_shape_gives_the_record_back() {
        let quoted = {
            let mut out = String::new();
            json::push_quoted(&mut out, EVENT);
            out
        };
        let shapes = [
            format!(r#"{{"Records":[{EVENT}]}}"#),
            format!("\u{feff}{{ \"Records\" : [ {EVENT} ] , \"more\": 1 }}\r\n"),
            EVENT.to_owned(),
            format!("[{EVENT}]"),
            format!(r#"{{"Events":[{{"EventId":"e","CloudTrailEvent":{quoted}}}],"NextToken":"t"}}"#),
            format!("[{quoted}]"),
            format!(
                r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","source":"aws.kms","detail":{EVENT}}}"#
            ),
            format!(r#"[{{"_raw":{quoted}}}]"#),
            format!(r#"[{{"_raw":{{"Records":[{EVENT}]}}}}]"#),
        ];
        for shape in &shapes {
            for bytes in [shape.clone().into_bytes(), gzip(shape.as_bytes()), gzip(&gzip(shape.as_bytes()))] {
                let (outcome, collected) = decode(&bytes);
                assert_eq!(collected.records, [(0, EVENT.to_owned())], "{shape}: {:?}", collected.rejects);
                assert_eq!(outcome.kind, LogFileKind::Events);
            }
        }
    }

    #[test]
    fn several_values_follow_each_other() {
        for separator in ["\n", "", "\t", "\r\n\r\n"] {
            let (_, collected) = decode([EVENT, EVENT, ""].join(separator).as_bytes());
            assert_eq!(collected.records.len(), 2, "{separator:?}");
        }
        let (_, collected) = decode(&[gzip(EVENT.as_bytes()), gzip(EVENT.as_bytes())].concat());
        assert_eq!(collected.records.len(), 2);
    }

    #[test]
    fn other_kinds_are_counted_and_not_taken() {
        for (text, kind) in [
            (r#"{"Records":[]}"#, LogFileKind::Events),
            ("", LogFileKind::Empty),
            (" \n", LogFileKind::Empty),
            (
                r#"{"awsAccountId":"1","digestStartTime":"","digestEndTime":"","digestS3Object":"x","logFiles":[]}"#,
                LogFileKind::Digest,
            ),
            (r#"{"Records":[{"eventCategory":"Insight","eventType":"AwsCloudTrailInsight"}]}"#, LogFileKind::Insight),
            (
                r#"{"Records":[{"eventCategory":"NetworkActivity","eventSource":"kms.amazonaws.com","eventName":"Decrypt"}]}"#,
                LogFileKind::NetworkActivity,
            ),
            (r#"[{"eventCategory":"Aggregated","eventType":"AwsAggregatedEvent"}]"#, LogFileKind::Aggregated),
            (
                r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#,
                LogFileKind::Notification,
            ),
            (r#"{"s3Bucket":"b","s3ObjectKey":["k"]}"#, LogFileKind::Notification),
        ] {
            let (outcome, collected) = decode(text.as_bytes());
            assert_eq!((outcome.kind, outcome.record_count), (kind, 0), "{text}: {:?}", collected.rejects);
        }
    }

    #[test]
    fn one_bad_record_costs_itself_only() {
        for bad in [
            r#"{"a":01}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":1,}"#,
            "7",
            "nul",
            r#"{"eventVersion":"2.0","eventSource":"x","eventName":"y"}"#,
            r#"{"a":1}"#,
            &"[".repeat(300).replace('[', "[["),
        ] {
            let text = format!(r#"{{"Records":[{EVENT},{bad},{EVENT}]}}"#);
            let (outcome, collected) = decode(text.as_bytes());
            if bad.starts_with("[[") {
                continue;
            }
            assert_eq!(collected.records.len(), 2, "{bad}: {:?}", collected.rejects);
            assert_eq!(collected.rejects[0].2, bad.as_bytes(), "{bad}");
            assert_eq!((outcome.record_count, outcome.rejected_count, collected.rejects[0].0), (3, 1, Some(1)));
        }
    }

    #[test]
    fn bad_utf8_costs_one_record() {
        let text =
            [format!(r#"{{"Records":[{EVENT},{{"a":""#).as_bytes(), b"\xff", format!(r#""}},{EVENT}]}}"#).as_bytes()]
                .concat();
        let (_, collected) = decode(&text);
        assert_eq!(collected.records.len(), 2);
        assert_eq!(collected.rejects[0].1, "not UTF-8 at byte 6 of the record");
    }

    #[test]
    fn a_cut_file_keeps_what_came_before() {
        let text = format!(r#"{{"Records":[{EVENT},{EVENT}]}}"#);
        for length in 1..text.len() {
            let (_, collected) = decode(&text.as_bytes()[..length]);
            assert_eq!(collected.rejects.len(), 1, "cut at {length}: {:?}", collected.rejects);
        }
        let packed = gzip(text.as_bytes());
        for length in 4..packed.len() {
            let (_, collected) = decode(&packed[..length]);
            assert!(!collected.rejects.is_empty(), "cut at {length}");
            assert!(collected.rejects[0].1.contains("cut short"), "{:?}", collected.rejects[0].1);
        }
    }

    #[test]
    fn a_damaged_file_is_rejected_whole() {
        let mut packed = gzip(format!(r#"{{"Records":[{EVENT}]}}"#).as_bytes());
        let crc = packed.len() - 8;
        packed[crc] ^= 1;
        let (outcome, collected) = decode(&packed);
        assert_eq!((collected.records.len(), outcome.kind), (0, LogFileKind::Unknown));
        assert_eq!((collected.rejects[0].0, collected.rejects[0].2.as_slice()), (None, packed.as_slice()));
    }

    #[test]
    fn what_is_no_log_file_says_so() {
        let (outcome, collected) = decode(b"Dear reader");
        assert_eq!(outcome.kind, LogFileKind::Unknown);
        assert_eq!(
            collected.rejects[0].1,
            "not a CloudTrail log file: expected a JSON object or array at byte 0: begins with `Dear reader`"
        );
        let (outcome, _) = decode(br#"{"detail-type":"GuardDuty Finding","detail":{"severity":1}}"#);
        assert_eq!(outcome.kind, LogFileKind::Unknown);
    }

    #[test]
    fn a_bad_line_costs_one_line() {
        let text = format!("{EVENT}\n{{\"a\":\n{EVENT}\n");
        let (_, collected) = decode(text.as_bytes());
        assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1));
    }
}
