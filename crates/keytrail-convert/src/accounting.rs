//! The accounting: what was read and what became of it, per file and in total, and the check that a lake's tables add up.

use std::collections::BTreeMap;
use std::fmt;

use keytrail_events::{FileOutcome, LogFileKind};
use keytrail_lake::{Lake, Snapshot};
use rustc_hash::FxHashSet;

use crate::error::ConvertError;
use crate::integrity::DigestEntry;
use crate::ledger::{RowBalance, balance_rows, each_entry_of, entries_with_rejects, entry_id, reject_runs};
use crate::runs::has_unfinished_run;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES, REJECTS};

/// What one log file held and what became of it. `record_count = row_count + duplicate_count + rejected_count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileAccount {
    pub(crate) outcome: FileOutcome,
    /// Rows that its ledger entry counts.
    pub(crate) row_count: u64,
    /// Records that are rows of the lake at their places, whichever entry counts them.
    pub(crate) place_row_count: u64,
    /// Among those: what the lake had already, from a run that was interrupted, that read another version or that rejected other records.
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
            place_row_count: 0,
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

    /// Counts the records that are rows at their places as rows, as far as `left` rows are left to count, the others as duplicates.
    pub(crate) fn count_rows(&mut self, left: u64) {
        let taken = self.row_count + self.duplicate_count;
        self.row_count = self.place_row_count.min(left);
        self.duplicate_count = taken - self.row_count;
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
    /// Log files that say of themselves that they are a part of a result: what they lack was not converted.
    pub part_log_files: Vec<String>,
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
        self.part_log_files.extend(account.outcome.is_part.then(|| file.path.clone()));
        self.noted_log_files += u64::from(file.note().is_some() || !account.outcome.notes.is_empty());
        *self.kinds.entry(account.outcome.kind).or_default() += 1;
    }

    /// Adds a log file that is read again for its rejects: the rows that the lake has of it are those of an earlier run.
    pub(crate) fn add_again(&mut self, file: &LogFile, account: &FileAccount) {
        self.add(file, account);
        let new = account.place_row_count - account.held_row_count;
        self.rows = self.rows + new - account.row_count;
        self.duplicates = self.duplicates + account.row_count - new;
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
        self.part_log_files.extend_from_slice(&other.part_log_files);
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

/// What the check of a lake's accounts found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Each thing that does not add up; empty = a sound lake.
    pub findings: Vec<String>,
    /// Rows of log files that are not in the ledger yet, as a run goes on or was killed: a conversion of the same sources enters them, or,
    /// where their log files are gone, any conversion.
    pub unfinished: Option<String>,
}

/// How often the tables are read again because the ledger grew meanwhile.
const MAX_LOOKS: usize = 20;

/// Checks that the lake's tables add up: in every ledger row `records = rows + duplicates + rejected`, as many rejects as each counts, and
/// in total as many rows. Where it is not so, or a run ended early, rows that an entry counts and that are not there are told apart from rows
/// that none counts, log file by log file.
///
/// # Errors
/// A table cannot be read.
pub async fn check_accounting(lake: &Lake) -> Result<Accounts, ConvertError> {
    let mut accounts = Accounts::default();
    for _ in 0..MAX_LOOKS {
        let ledger = lake.table(LOG_FILES).snapshot().await?;
        accounts = check_accounts(lake, &ledger).await?;
        // Whoever commits does so in the ledger last: what was read after it belongs to it, as long as it is the newest.
        if lake.table(LOG_FILES).snapshot().await?.version() == ledger.version() {
            break;
        }
    }
    Ok(accounts)
}

async fn check_accounts(lake: &Lake, ledger: &Snapshot) -> Result<Accounts, ConvertError> {
    let mut findings = Vec::new();
    let (mut row_total, mut reject_total, mut reject_held) = (0_u64, 0_u64, 0_u64);
    let (mut entries, mut rejecting) = (FxHashSet::default(), FxHashSet::default());
    each_entry_of(lake, ledger, |path, version, counts| {
        if !entries.insert(entry_id(path, version)) {
            findings.push(format!("{path}: the ledger has two entries of one version"));
        }
        if !counts.is_balanced() {
            findings.push(format!("{path}: {}", counts.equation("are not")));
        }
        row_total = row_total.saturating_add(counts.rows);
        reject_total = reject_total.saturating_add(counts.rejected);
        if counts.rejected > 0 {
            rejecting.insert(entry_id(path, version));
        }
    })
    .await?;
    let (rejects, runs) = (reject_runs(lake).await?, entries_with_rejects(lake).await?);
    for (id, run) in runs.into_values().flatten().filter(|(id, _)| rejecting.contains(id)) {
        let of_runs = rejects.get(&id);
        let all = || of_runs.map_or(0, |of_runs| of_runs.values().sum());
        // Before the ledger told whose rejects count, there were no others.
        reject_held += of_runs.and_then(|of_runs| of_runs.get(&run).copied()).unwrap_or_else(all);
    }
    if reject_held != reject_total {
        findings.push(format!("table {REJECTS} holds {reject_held} rows, the ledger counts {reject_total}"));
    }
    let events = lake.table(EVENTS).snapshot().await?;
    let held = events.row_count();
    let mut unfinished = None;
    let has_unfinished = has_unfinished_run(lake, None).await?;
    // What such a run left may be as much as what is lost elsewhere.
    if held != row_total || has_unfinished {
        let RowBalance { missing, uncounted } = balance_rows(lake, ledger, events.files()).await?;
        let count: u64 = uncounted.values().sum();
        let of_files = uncounted
            .keys()
            .next()
            .map(|first| format!("{count} rows are of log files that are not in the ledger yet, such as `{first}`"));
        let totals = format!("table {EVENTS} holds {held} rows, the ledger counts {row_total}");
        if missing > 0 {
            findings.push(format!("{totals}: {missing} that it counts are not there"));
        }
        match of_files {
            Some(rows) if has_unfinished => {
                unfinished = Some(format!("{rows}: a run goes on, or ended early"));
            }
            Some(rows) => findings.push(format!("{totals}: {rows}, and no run ended early")),
            None => {}
        }
    }
    Ok(Accounts { findings, unfinished })
}
