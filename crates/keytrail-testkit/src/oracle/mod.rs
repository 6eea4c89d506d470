//! A naive, independent reader of CloudTrail log files, and the rows that every view must show.
//!
//! It shares no code with the rest of keytrail and keeps everything in memory: slow, simple, and easy to check by eye. It answers from
//! the facts about CloudTrail alone, so that a disagreement is a question to both sides.
//!
//! ```text
//! folder or bytes ─▶ read ─▶ Event (first of each id, by path) ─▶ kms: touched keys, outcome ─▶ views: rows
//! ```

mod contexts;
mod coverage;
mod inventory;
mod kms;
mod ledgers;
mod outcome;
mod read;
mod rhythms;
mod views;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use inventory::Inventory;
pub use kms::{KeyRole, KmsEvent, Touch};
pub use ledgers::{AliasInterval, GrantLife, LifeEvent};
pub use read::{FileKind, RecordText, read_file};
pub use views::{
    CoverageRow, EncryptionContextRow, FailedAttemptRow, KeyUsageDailyRow, KeyUsageRow, KmsEventRow, Row, ViewTable,
};

/// One distinct API event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The log file it was first read from, by path.
    pub log_file_path: String,
    /// Its position in that file, from 0.
    pub record_index: usize,
    /// The record's exact text.
    pub text: String,
    /// The record, parsed.
    pub value: Value,
    /// `eventID`; `sha256:` and the hash of the text where there is none.
    pub event_id: String,
    /// `recipientAccountId`.
    pub recipient_account_id: Option<String>,
    /// `eventTime`; none where it is missing or unreadable.
    pub event_time: Option<DateTime<Utc>>,
}

/// How many things were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OracleSummary {
    /// Files by kind.
    pub files: BTreeMap<FileKind, u64>,
    /// API event records read, repeated ones included.
    pub records: u64,
    /// Records that another record with the same id stood for.
    pub duplicates: u64,
    /// Files that are no JSON.
    pub unreadable_files: u64,
}

/// All distinct events of a set of log files.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// The distinct events, by path and position.
    pub events: Vec<Event>,
    /// Paths of the files of API events, sorted.
    pub log_files: Vec<String>,
    /// What was read.
    pub summary: OracleSummary,
}

impl Oracle {
    /// Reads every file below a folder; paths are taken relative to it, with `/`.
    ///
    /// # Errors
    /// When a folder or file cannot be read. A file that is no JSON is counted, not an error.
    pub fn read_folder(root: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        collect_files(root, &mut paths)?;
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push((name, fs_err::read(&path)?));
        }
        Ok(Self::read_files(files))
    }

    /// Reads files given as path and bytes, compressed or not, in the order of their paths.
    pub fn read_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort();
        let mut oracle = Self::default();
        let mut seen = HashSet::new();
        for (path, bytes) in files {
            oracle.add_file(&path, &bytes, &mut seen);
        }
        oracle
    }

    fn add_file(&mut self, path: &str, bytes: &[u8], seen: &mut HashSet<(Option<String>, String)>) {
        let Some((kind, records)) = read_file(bytes) else {
            self.summary.unreadable_files += 1;
            return;
        };
        *self.summary.files.entry(kind).or_default() += 1;
        if kind == FileKind::Events {
            self.log_files.push(path.to_owned());
        }
        for record in records {
            self.summary.records += 1;
            let event = new_event(path, record);
            if seen.insert((event.recipient_account_id.clone(), event.event_id.clone())) {
                self.events.push(event);
            } else {
                self.summary.duplicates += 1;
            }
        }
    }

    /// The distinct events of KMS, with the keys they touched.
    pub fn kms(&self) -> Vec<KmsEvent> {
        self.events.iter().filter_map(KmsEvent::of).collect()
    }
}

fn collect_files(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn new_event(path: &str, record: RecordText) -> Event {
    let text_of = |name: &str| record.value.get(name).and_then(Value::as_str).map(str::to_owned);
    let event_id = text_of("eventID").filter(|id| !id.is_empty()).unwrap_or_else(|| hash_id(&record.text));
    Event {
        log_file_path: path.to_owned(),
        record_index: record.index,
        event_id,
        recipient_account_id: text_of("recipientAccountId"),
        event_time: text_of("eventTime").as_deref().and_then(parse_time),
        text: record.text,
        value: record.value,
    }
}

fn hash_id(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold("sha256:".to_owned(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a string cannot fail");
        id
    })
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trails;
