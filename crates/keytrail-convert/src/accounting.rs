//! The accounting: what was read and what became of it, per file and in total, and the check that a lake's tables add up.

use std::collections::BTreeMap;
use std::fmt;

use keytrail_events::{FileOutcome, LogFileKind};
use keytrail_lake::{Lake, LakeError};
use rustc_hash::FxHashSet;

use crate::error::ConvertError;
use crate::integrity::DigestEntry;
use crate::ledger::{each_entry, entry_id};
use crate::source::LogFile;
use crate::spec::{EVENTS, REJECTS};

/// What one log file held and what became of it. `record_count = row_count + duplicate_count + rejected_count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileAccount {
    pub(crate) outcome: FileOutcome,
    pub(crate) row_count: u64,
    /// Among the rows: those that the lake had of this file already, from a run that was interrupted or that rejected other records of it.
    pub(crate) held_row_count: u64,
    pub(crate) duplicate_count: u64,
    /// Among the rows: those whose id was known with another body.
    pub(crate) conflict_count: u64,
    pub(crate) kms_read_count: u64,
    pub(crate) kms_write_count: u64,
    /// Microseconds since the epoch, UTC, over all API events of the file, duplicates too, or of the log files that a digest names.
    pub(crate) first_event_time: Option<i64>,
    pub(crate) last_event_time: Option<i64>,
    /// What it says, where it is one integrity digest.
    pub(crate) digest: Option<Box<DigestEntry>>,
    /// Why the file's bytes could not be had; such a file has no ledger entry.
    pub(crate) unread_reason: Option<String>,
    /// S3 has archived it; a restore and `--retry-rejected` read it.
    pub(crate) is_archived: bool,
    /// Why its first rejects could not be taken, at most [`MAX_TOLD_REJECTS`]; the table `rejects` has all.
    pub(crate) reject_reasons: Vec<String>,
}

/// Rejects of a run that its summary tells with their reasons.
pub(crate) const MAX_TOLD_REJECTS: usize = 5;

impl Default for FileAccount {
    /// A file of which nothing was read yet.
    fn default() -> Self {
        Self {
            outcome: FileOutcome::unreadable(0),
            row_count: 0,
            held_row_count: 0,
            duplicate_count: 0,
            conflict_count: 0,
            kms_read_count: 0,
            kms_write_count: 0,
            first_event_time: None,
            last_event_time: None,
            digest: None,
            unread_reason: None,
            is_archived: false,
            reject_reasons: Vec::new(),
        }
    }
}

impl FileAccount {
    pub(crate) fn ignored_count(&self) -> u64 {
        self.outcome.ignored.values().sum()
    }

    pub(crate) fn is_balanced(&self) -> bool {
        self.outcome.record_count == self.row_count + self.duplicate_count + self.outcome.rejected_count
    }
}

/// What a conversion did. `records = rows + duplicates + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertSummary {
    /// What the listing left out: see [`Listing`](crate::Listing).
    pub left_out: BTreeMap<String, u64>,
    /// Log files read in this run.
    pub log_files: u64,
    /// Log files left alone because the lake holds them.
    pub known_log_files: u64,
    /// Event records read.
    pub records: u64,
    /// Records that became rows (in this run, or in one that ended before it could say so).
    pub rows: u64,
    /// Records that the lake or an earlier file of this run held already.
    pub duplicates: u64,
    /// Among the rows: records whose id was known with another body; both are kept.
    pub conflicts: u64,
    /// Records and files that could not be taken.
    pub rejected: u64,
    /// Bytes of the log files as delivered.
    pub bytes: u64,
    /// Bytes after unpacking.
    pub uncompressed_bytes: u64,
    /// Data files added to `events`.
    pub data_files: u64,
    /// Their size.
    pub data_file_bytes: u64,
    /// Log files per kind.
    pub kinds: BTreeMap<LogFileKind, u64>,
    /// Records that are no API events, and so neither rows nor rejects.
    pub ignored_records: u64,
    /// Records taken whose event time is absent or not understood, duplicates too: no period holds them.
    pub undated_records: u64,
    /// Log files that were read before as another version of the same object.
    pub changed_log_files: u64,
    /// Log files with an oddity in their ledger entry.
    pub noted_log_files: u64,
    /// Log files whose bytes could not be had, and why: counted nowhere else, not in the ledger either, read again by the next run.
    pub unread_log_files: Vec<(String, String)>,
    /// Log files that S3 has archived: rejected, and in the ledger as such.
    pub archived_log_files: Vec<String>,
    /// The first few rejects of log files that were read: the log file and the reason. The table `rejects` has all.
    pub first_rejects: Vec<(String, String)>,
}

impl ConvertSummary {
    pub(crate) fn add(&mut self, file: &LogFile, account: &FileAccount) {
        if let Some(reason) = &account.unread_reason {
            self.unread_log_files.push((file.path.clone(), reason.clone()));
            return;
        }
        self.log_files += 1;
        self.bytes += file.size_bytes;
        self.archived_log_files.extend(account.is_archived.then(|| file.path.clone()));
        self.tell_rejects(account.reject_reasons.iter().map(|reason| (file.path.clone(), reason.clone())));
        self.uncompressed_bytes += account.outcome.uncompressed_bytes;
        self.records += account.outcome.record_count;
        self.rows += account.row_count;
        self.duplicates += account.duplicate_count;
        self.conflicts += account.conflict_count;
        self.changed_log_files += u64::from(file.has_changed());
        self.rejected += account.outcome.rejected_count;
        self.ignored_records += account.ignored_count();
        self.undated_records += account.outcome.undated_count;
        self.noted_log_files += u64::from(file.note().is_some() || !account.outcome.notes.is_empty());
        *self.kinds.entry(account.outcome.kind).or_default() += 1;
    }

    /// Adds a log file that is read again for its rejects: the rows that the lake has of it are those of an earlier run.
    pub(crate) fn add_again(&mut self, file: &LogFile, account: &FileAccount) {
        self.add(file, account);
        self.rows -= account.held_row_count;
        self.duplicates += account.held_row_count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.log_files += other.log_files;
        self.known_log_files += other.known_log_files;
        self.records += other.records;
        self.rows += other.rows;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.changed_log_files += other.changed_log_files;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.uncompressed_bytes += other.uncompressed_bytes;
        self.data_files += other.data_files;
        self.data_file_bytes += other.data_file_bytes;
        self.ignored_records += other.ignored_records;
        self.undated_records += other.undated_records;
        self.noted_log_files += other.noted_log_files;
        self.unread_log_files.extend_from_slice(&other.unread_log_files);
        self.archived_log_files.extend_from_slice(&other.archived_log_files);
        self.tell_rejects(other.first_rejects.iter().cloned());
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
    }

    fn tell_rejects(&mut self, rejects: impl Iterator<Item = (String, String)>) {
        let room = MAX_TOLD_REJECTS.saturating_sub(self.first_rejects.len());
        self.first_rejects.extend(rejects.take(room));
    }

    /// Whether every record read is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.records == self.rows + self.duplicates + self.rejected
    }
}

/// The counts of a log file's ledger entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LedgerCounts {
    pub(crate) records: u64,
    pub(crate) rows: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
}

impl LedgerCounts {
    /// Whether every record read is accounted for.
    fn is_balanced(self) -> bool {
        let parts = self.rows.checked_add(self.duplicates).and_then(|parts| parts.checked_add(self.rejected));
        parts == Some(self.records)
    }

    /// The equation, with a word for whether it holds.
    fn equation(self, equals: &str) -> String {
        let Self { records, rows, duplicates, rejected } = self;
        format!("{records} records {equals} {rows} rows + {duplicates} duplicates + {rejected} rejected")
    }
}

impl fmt::Display for LedgerCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.equation("="))
    }
}

/// Checks that the lake's tables add up: in every ledger row `records = rows + duplicates + rejected`, and in total as many rows and
/// rejects as the ledger counts. Returns each thing that does not; an empty list is a sound lake.
///
/// # Errors
/// A table cannot be read.
pub async fn check_accounting(lake: &Lake) -> Result<Vec<String>, ConvertError> {
    let mut findings = Vec::new();
    let (mut row_total, mut reject_total) = (0_u64, 0_u64);
    let mut entries = FxHashSet::default();
    each_entry(lake, |path, version, counts| {
        if !entries.insert(entry_id(path, version)) {
            findings.push(format!("{path}: the ledger has two entries of one version"));
        }
        if !counts.is_balanced() {
            findings.push(format!("{path}: {}", counts.equation("are not")));
        }
        row_total = row_total.saturating_add(counts.rows);
        reject_total = reject_total.saturating_add(counts.rejected);
    })
    .await?;
    for (table, counted) in [(EVENTS, row_total), (REJECTS, reject_total)] {
        let held = row_count(lake, table).await?;
        if held != counted {
            findings.push(format!("table {table} holds {held} rows, the ledger counts {counted}"));
        }
    }
    Ok(findings)
}

async fn row_count(lake: &Lake, table: &str) -> Result<u64, LakeError> {
    Ok(lake.table(table).snapshot().await?.row_count())
}
