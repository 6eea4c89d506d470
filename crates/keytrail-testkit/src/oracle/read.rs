//! Bytes to record texts: unpacks, recognises what a file is, takes the API events out of every shape that may hold them.
//!
//! Whole files in memory, serde_json only; a file with any syntax error is unreadable as a whole.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// API events, or an empty list of records.
    Events,
    /// An integrity digest.
    Digest,
    /// Insights events.
    Insight,
    /// VPC endpoint events.
    NetworkActivity,
    /// Summaries of data events.
    Aggregated,
    /// A notification about log files.
    Notification,
    /// Nothing of the above.
    Unknown,
}

/// One record that is an API event.
#[derive(Debug, Clone)]
pub struct RecordText {
    /// Position among the file's records, from 0.
    pub index: usize,
    /// The exact text.
    pub text: String,
    /// The text, parsed.
    pub value: Value,
}

/// Reads one file: its kind and its API events. None = no JSON.
pub fn read_file(bytes: &[u8]) -> Option<(FileKind, Vec<RecordText>)> {
    let text = unpack(bytes)?;
    let texts = record_texts(&text)?;
    let mut records = Vec::new();
    let mut kinds = Vec::new();
    for (index, text) in texts.into_iter().enumerate() {
        let value: Value = serde_json::from_str(&text).ok()?;
        let kind = kind_of(&value);
        kinds.push(kind);
        if kind == FileKind::Events {
            records.push(RecordText { index, text, value });
        }
    }
    let kind = if kinds.is_empty() || !records.is_empty() { FileKind::Events } else { kinds[0] };
    Some((kind, records))
}

fn unpack(bytes: &[u8]) -> Option<String> {
    let mut bytes = bytes.to_vec();
    while bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).ok()?;
        bytes = unpacked;
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// The texts of all records of a document, whatever their kind.
fn record_texts(text: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>() {
        add_records(document.ok()?.get(), &mut texts)?;
    }
    Some(texts)
}

fn add_records(text: &str, texts: &mut Vec<String>) -> Option<()> {
    if text.starts_with('[') {
        let elements: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
        return elements.iter().try_for_each(|element| add_records(element.get(), texts));
    }
    if text.starts_with('"') {
        let inner: String = serde_json::from_str(text).ok()?;
        return add_records(inner.trim(), texts);
    }
    if !text.starts_with('{') {
        texts.push(text.to_owned());
        return Some(());
    }
    match inner_document(text)? {
        Some(inner) => add_records(&inner, texts),
        None => {
            texts.push(text.to_owned());
            Some(())
        }
    }
}

/// What stands inside of an envelope; none = the object is no envelope.
fn inner_document(text: &str) -> Option<Option<String>> {
    let members: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    let is_event = members.contains_key("eventSource") && members.contains_key("eventName");
    let from_trail = members.get("detail-type").is_some_and(|text| text.get().ends_with("via CloudTrail\""));
    let name = match () {
        () if is_event => return Some(None),
        () if members.get("Records").is_some_and(|records| records.get().starts_with('[')) => "Records",
        () if members.get("Events").is_some_and(|events| events.get().starts_with('[')) => "Events",
        () if members.contains_key("CloudTrailEvent") => "CloudTrailEvent",
        () if from_trail => "detail",
        () if members.contains_key("_raw") => "_raw",
        () => return Some(None),
    };
    Some(members.get(name).map(|inner| inner.get().to_owned()))
}

fn kind_of(value: &Value) -> FileKind {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("eventCategory"), text("eventType")) {
        ("Insight", _) | (_, "AwsCloudTrailInsight") => return FileKind::Insight,
        ("NetworkActivity", _) | (_, "AwsVpceEvent" | "AwsVpceEvents") => return FileKind::NetworkActivity,
        ("Aggregated", _) | (_, "AwsAggregatedEvent") => return FileKind::Aggregated,
        _ => {}
    }
    if value.get("digestS3Object").is_some() || value.get("digestStartTime").is_some() {
        return FileKind::Digest;
    }
    if text("eventSource") == "aws:s3" || value.get("s3ObjectKey").is_some() {
        return FileKind::Notification;
    }
    if text("eventSource").is_empty() || text("eventName").is_empty() { FileKind::Unknown } else { FileKind::Events }
}
