//! Objects that are no records themselves but hold some, or tell what the file is.
//!
//! Two tables: lists that are read element by element wherever they stand among an object's members ([`find_list`]), and members whose value
//! is a record, or JSON, or packed bytes with records in them ([`INNER`]).

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::LogFileKind;
use super::document::{Document, holds_object};
use super::reading::Reading;
use crate::json::{self, Scanner, SyntaxError};
use crate::record::{DetailLevel, EventRecord, Field, RecordKind};

/// A list within an object that is read element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Records, or objects with a record in them.
    Records,
    /// Rows of a query's result: arrays of cells.
    Rows,
}

impl List {
    /// The list of this name, if its value, which `scanner` stands before, is one: then the scanner moves behind its opening bracket.
    fn enter(name: &[u8], scanner: &mut Scanner<'_>) -> Option<Self> {
        let list = Self::of(name).filter(|_| scanner.peek() == Some(b'['))?;
        scanner.advance();
        Some(list)
    }

    fn of(name: &[u8]) -> Option<Self> {
        match name {
            // Trail log files and Lambda events; lookup-events; filter-log-events; subscriptions; Elastic; Firehose transformations.
            b"Records" | b"Events" | b"events" | b"logEvents" | b"hits" | b"records" => Some(Self::Records),
            // Logs Insights; CloudTrail Lake.
            b"results" | b"QueryResultRows" => Some(Self::Rows),
            _ => None,
        }
    }
}

/// A member of a container that is passed over: the places of its name and of its value.
pub(super) struct PassedMember {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// Members of a container that are passed over.
pub(super) type Passed = Vec<PassedMember>;

/// Where the object at `scanner` holds one of the lists, which one, a scanner behind its opening bracket, and what was passed over.
/// An object with a field of event records is one and is not searched.
pub(super) fn find_list<'d>(bytes: &'d [u8], scanner: &Scanner<'_>) -> Option<(List, Scanner<'d>, Passed)> {
    let mut passed = Passed::new();
    let mut inside = Scanner::at(bytes, scanner.position());
    inside.advance();
    let mut is_first = true;
    while let Some(key) = inside.next_key(&mut is_first).ok()? {
        let name = &bytes[key.range.clone()];
        if Field::is_json_name(name) {
            return None;
        }
        if let Some(list) = List::enter(name, &mut inside) {
            return Some((list, inside, passed));
        }
        passed.push(PassedMember { name: key.range, value: inside.value().ok()? });
    }
    None
}

/// Moves to the next list among the members that are left of an object, behind its opening bracket; `None` at the object's end.
pub(super) fn next_list(
    bytes: &[u8],
    scanner: &mut Scanner<'_>,
    is_first: &mut bool,
    passed: &mut Passed,
) -> Result<Option<List>, SyntaxError> {
    while let Some(key) = scanner.next_key(is_first)? {
        if let Some(list) = List::enter(&bytes[key.range.clone()], scanner) {
            return Ok(Some(list));
        }
        passed.push(PassedMember { name: key.range, value: scanner.value()? });
    }
    Ok(None)
}

/// What a wrapping member's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    /// JSON that somebody read and wrote again, or a string with the record's own text.
    Json,
    /// An object with base64 in `data`.
    Data,
    /// Base64 of bytes, mostly packed ones.
    Base64,
    /// Base64 of packed bytes or of an object, under a name that others use too.
    StreamData,
    /// A record in Splunk's event, or Elastic's with the record's own text in `original`; both are a record or nothing.
    Event,
    /// Messages of a queue.
    Messages,
}

/// Members that hold records, the first that is there counts.
const INNER: [(&str, Inner); 17] = [
    ("event", Inner::Event),
    ("CloudTrailEvent", Inner::Json),
    ("eventJson", Inner::Json),
    ("detail", Inner::Json),
    ("message", Inner::Json),
    ("@message", Inner::Json),
    ("_raw", Inner::Json),
    ("_source", Inner::Json),
    ("result", Inner::Json),
    ("hits", Inner::Json),
    ("Records", Inner::Json),
    ("Events", Inner::Json),
    ("awslogs", Inner::Data),
    ("kinesis", Inner::Data),
    ("data", Inner::Base64),
    ("Data", Inner::StreamData),
    ("Messages", Inner::Messages),
];

impl Inner {
    /// Whether a member of the name, which others use too, has such a value.
    fn may_be(self, raw: &str) -> bool {
        match self {
            Self::Json | Self::Data => true,
            Self::Base64 => raw.starts_with('"'),
            Self::StreamData => ["\"H4sI", "\"eyJ"].iter().any(|beginning| raw.starts_with(beginning)),
            Self::Event => record_of_event(raw).is_some(),
            Self::Messages => json::elements(raw).any(|message| {
                let has = |name: &str| json::members(message).any(|(found, _)| found == name);
                has("ReceiptHandle") || has("MessageId") && has("Body")
            }),
        }
    }
}

/// The record in a member `event`: its own text, the event itself, or that in its `original`.
fn record_of_event(raw: &str) -> Option<&str> {
    let value = |name: &str| json::members(raw).find(|(found, _)| *found == name).map(|(_, raw)| raw);
    let is_text = |raw: &str| json::string_value(raw).is_some_and(|text| text.trim_start().starts_with('{'));
    match value("original") {
        Some(original) => is_text(original).then_some(original),
        None if value("eventSource").is_some() => Some(raw),
        None => is_text(raw).then_some(raw),
    }
}

/// An object's members, as far as they are no fields of event records.
struct Members<'m>(Vec<json::RawMember<'m>>);

impl<'m> Members<'m> {
    fn of(record: &'m EventRecord<'_>) -> Self {
        Self(json::members(record.unknown_fields().unwrap_or("")).collect())
    }

    fn value(&self, name: &str) -> Option<&'m str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, raw)| *raw)
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// What the object is, where it is something known that holds no records.
    fn other_kind(&self) -> Option<LogFileKind> {
        let is_ocsf = self.has("class_uid") && self.value("metadata").is_some_and(|raw| raw.contains("\"product\""));
        match () {
            () if self.has("digestStartTime") && self.has("logFiles") => Some(LogFileKind::Digest),
            () if self.has("hashSignature") && self.has("files") => Some(LogFileKind::QuerySignature),
            () if is_ocsf => Some(LogFileKind::SecurityLake),
            () if self.is_notification() => Some(LogFileKind::Notification),
            () if self.is_control_message() => Some(LogFileKind::ControlMessage),
            () => None,
        }
    }

    /// SNS envelopes, CloudTrail's own message in them, what S3 sends as a test, and queue messages with any of it.
    fn is_notification(&self) -> bool {
        let is_envelope = self.has("Message") && self.value("Type") == Some("\"Notification\"");
        let is_test = self.value("Event") == Some("\"s3:TestEvent\"");
        is_envelope || is_test || self.has("s3ObjectKey") || self.has("Sns") || self.is_queued()
    }

    /// A queue's message, as Lambda or the AWS CLI writes it.
    fn is_queued(&self) -> bool {
        let has = |id: &str, body: &str| self.has(id) && self.has(body);
        self.has("receiptHandle") || self.has("ReceiptHandle") || has("MessageId", "Body") || has("messageId", "body")
    }

    /// What a queue's message carries.
    fn queued_text(&self) -> Option<Cow<'m, str>> {
        json::string_value(self.value("body").or(self.value("Body")).filter(|_| self.is_queued())?)
    }

    /// What a notification carries, where that is an event and not the name of a log file.
    fn notified_event(&self) -> Option<Cow<'m, str>> {
        let sent = match self.value("Sns") {
            Some(sns) => json::members(sns).find(|(name, _)| *name == "Message").map(|(_, raw)| raw),
            None if self.is_notification() => self.value("Message"),
            None => None,
        };
        let text = json::string_value(sent?)?;
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        (has("eventSource") && has("eventName") && !(has("\"aws:s3\"") || has("\"aws:s3\\\"")) && !has("\"s3ObjectKey"))
            .then_some(text)
    }

    fn is_control_message(&self) -> bool {
        let is_control = self.value("messageType") == Some("\"CONTROL_MESSAGE\"");
        is_control || self.value("message").is_some_and(|raw| raw.starts_with("\"CWL CONTROL MESSAGE"))
    }

    /// The values of the first of the wrapping members that is there; a repeated name has several.
    fn inner(&self) -> Option<(Vec<&'m str>, Inner)> {
        INNER.iter().find_map(|(name, inner)| {
            let of_name = self.0.iter().filter(|(found, raw)| found == name && inner.may_be(raw));
            let values: Vec<_> = of_name.map(|(_, raw)| *raw).collect();
            (!values.is_empty()).then_some((values, *inner))
        })
    }
}

impl Reading<'_> {
    /// Looks for records inside an object that is none itself; false where there is nothing known in it.
    pub(super) fn unwrapped(&mut self, document: &Document<'_>, start: usize, record: &EventRecord<'_>) -> bool {
        let members = Members::of(record);
        if let Some(text) = members.queued_text() {
            if holds_object(&text) {
                self.inner_text(&text, document.depth + 1, DetailLevel::Full);
            } else {
                let reason = "a queue's message whose body is no JSON of an object";
                self.reject(start, reason.to_owned(), record.text().as_bytes());
            }
            return true;
        }
        if let Some(event) = members.notified_event() {
            self.inner_text(&event, document.depth + 1, DetailLevel::Full);
            return true;
        }
        if let Some(kind) = members.other_kind() {
            self.other(kind, start, record);
            return true;
        }
        if let Some(reason) = foreign_event(&members) {
            self.reject(start, reason, record.text().as_bytes());
            return true;
        }
        if let Some(result) = members.value("ResultSet").filter(|result| result.contains("\"VarCharValue\"")) {
            if !self.athena_result(document, start, result) {
                let reason = "a query's result without the columns `eventsource` and `eventname`, or `eventjson`";
                self.reject(start, reason.to_owned(), record.text().as_bytes());
            }
            return true;
        }
        if let Some((values, inner)) = members.inner() {
            self.note_search(&members);
            values.into_iter().for_each(|raw| self.inner_value(document, start, raw, inner));
            return true;
        }
        self.renamed_record(document, record)
    }

    /// A search of Elastic that did not reach everything says so beside its hits.
    fn note_search(&mut self, members: &Members<'_>) {
        if members.value("timed_out") == Some("true") {
            self.note_part("the search timed out (`timed_out`)");
        }
        let shards = members.value("_shards").filter(|_| members.has("hits")).unwrap_or("");
        let failed = json::members(shards).find(|(name, _)| *name == "failed").map(|(_, raw)| raw);
        if let Some(failed) = failed.filter(|failed| *failed != "0") {
            self.note_part(&format!("shards of the search failed: {failed}"));
        }
    }

    fn other(&mut self, kind: LogFileKind, start: usize, record: &EventRecord<'_>) {
        self.count_other(kind);
        if kind == LogFileKind::Digest {
            self.sink.digest(record.text());
        }
        if kind == LogFileKind::SecurityLake {
            let reason = "an OCSF record of Amazon Security Lake: convert the trail's log files instead";
            self.reject(start, reason.to_owned(), record.text().as_bytes());
        }
    }

    fn inner_value(&mut self, document: &Document<'_>, start: usize, raw: &str, inner: Inner) {
        let depth = document.depth + 1;
        let raw = if inner == Inner::Event { record_of_event(raw).unwrap_or(raw) } else { raw };
        match (inner, json::string_value(raw)) {
            (Inner::Json | Inner::Event, Some(text)) => self.inner_text(&text, depth, DetailLevel::Full),
            (Inner::Json | Inner::Event | Inner::Messages, _) => self.inner_text(raw, depth, DetailLevel::Reencoded),
            (Inner::Data, _) => {
                let data = json::members(raw).find(|(name, _)| *name == "data").map_or("", |(_, raw)| raw);
                self.base64(start, json::string_value(data).as_deref().unwrap_or(""), depth);
            }
            (Inner::Base64 | Inner::StreamData, text) => self.base64(start, text.as_deref().unwrap_or(""), depth),
        }
    }

    fn base64(&mut self, start: usize, text: &str, depth: u32) {
        match STANDARD.decode(text) {
            Ok(bytes) if !bytes.is_empty() => self.content(&bytes, depth),
            _ => self.reject(start, "a log message whose `data` is not base64".to_owned(), text.as_bytes()),
        }
    }

    /// A record whose members have other letter cases, as Athena, Glue and Hive write them.
    fn renamed_record(&mut self, document: &Document<'_>, record: &EventRecord<'_>) -> bool {
        let Ok(mut renamed) = EventRecord::parse_any_case(record.text()) else { return false };
        match renamed.kind() {
            Ok(RecordKind::ApiEvent) => {
                renamed.lower_detail_level(document.detail_level);
                self.take(&renamed);
            }
            Ok(kind) => self.ignore(kind),
            Err(_) => return false,
        }
        true
    }
}

/// Why an EventBridge event that CloudTrail did not make is not taken.
fn foreign_event(members: &Members<'_>) -> Option<String> {
    let detail_type = json::string_value(members.value("detail-type")?)?;
    (!detail_type.ends_with("via CloudTrail"))
        .then(|| format!("an EventBridge event that CloudTrail did not make: {detail_type}"))
}
