//! The lake against the log files it was made of: every record's bytes, and the accounting of every file, computed anew.
//!
//! ```text
//! rows of the lake ─▶ text rebuilt ─▶ hash by place ┐
//! log files ─▶ records ─▶ text ─▶ hash by place ────┴▶ equal, differing, missing on either side
//!                            └▶ no row there: a duplicate ─▶ its id and body must be somewhere in the lake
//! ```
//! It reads and never writes. Log files are compared in several rounds when the lake has more rows than memory is given for, so that
//! memory does not grow with it; each log file is read once, the lake once per round. A log file of which the lake has several versions
//! is compared by the ids and bodies of its records alone, as its places are of more than one object.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use futures::TryStreamExt;
use keytrail_events::{EventRecord, FileDecoder, RecordSink, RecordTexts, Reject, record_text_columns};
use keytrail_lake::{DataFile, Lake, Table};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::task::JoinSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::accounting::LedgerCounts;
use crate::config::ConvertOptions;
use crate::convert::list_wanted;
use crate::dedupe::{Place, RecordIdentity};
use crate::error::ConvertError;
use crate::held::LakeRows;
use crate::ledger::{EntryId, LedgerEntries};
use crate::lock::lock;
use crate::progress::ConvertProgress;
use crate::queue::FileQueue;
use crate::source::LogFile;
use crate::spec::EVENTS;

/// What a row of the lake takes while it is compared, free places of the table included.
const BYTES_PER_ROW: usize = 40;
/// Findings beyond this many are counted, not told.
const MAX_FINDINGS: usize = 1000;

/// What a comparison saw.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct AgainstReport {
    /// Log files compared.
    pub log_files: u64,
    /// Log files of the source that the lake does not hold in this version.
    pub unconverted_log_files: u64,
    /// Records compared, byte for byte.
    pub records: u64,
    /// Records without a row at their place, whose equals were looked for in the whole lake.
    pub duplicates: u64,
    /// What differs, with the file and the record.
    pub findings: Vec<String>,
    /// Findings beyond those that are told.
    pub further_findings: u64,
}

impl AgainstReport {
    fn find(&mut self, finding: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.further_findings += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.log_files += other.log_files;
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.further_findings += other.further_findings;
        other.findings.into_iter().for_each(|finding| self.find(finding));
    }
}

/// Compares the lake with its sources; of `options` it takes what says which log files to read.
///
/// # Errors
/// A source cannot be listed, or the lake cannot be read.
pub async fn check_against(
    lake: &Lake,
    options: &ConvertOptions,
    progress: Arc<dyn ConvertProgress>,
) -> Result<AgainstReport, ConvertError> {
    let listed = list_wanted(options).await?.log_files;
    let wanted: FxHashSet<EntryId> = listed.iter().map(LogFile::entry_id).collect();
    let entries = Arc::new(LedgerEntries::load(lake, &wanted).await?);
    let (files, unconverted): (Vec<_>, Vec<_>) = listed.into_iter().partition(|file| entries.counts(file).is_some());
    progress.planned(files.len() as u64, files.iter().map(|file| file.size_bytes).sum());
    let mut report = AgainstReport { unconverted_log_files: unconverted.len() as u64, ..AgainstReport::default() };
    let table = lake.table(EVENTS);
    let snapshot = table.snapshot().await?;
    let rows_per_round = (options.seen_bytes / BYTES_PER_ROW).max(1) as u64;
    let rounds = snapshot.row_count().div_ceil(rows_per_round).max(1);
    let mut duplicates = Duplicates::default();
    for round in 0..rounds {
        let part: Vec<_> =
            files.iter().filter(|file| xxh3_64(file.path.as_bytes()) % rounds == round).cloned().collect();
        let by_place = part.iter().filter(|file| !entries.has_changed(file));
        let rows = read_texts(table, snapshot.files(), by_place).await?;
        let (found, more) = compare(part, rows, options, &entries, &progress).await?;
        report.merge(found);
        add(&mut duplicates, more);
    }
    report.duplicates = duplicates.values().map(|places| places.len() as u64).sum();
    find_lost_duplicates(table, snapshot.files(), duplicates, &mut report).await?;
    Ok(report)
}

/// The hash of a row's text, and whether a record of the log files was found equal to it.
struct RowText {
    hash: u64,
    is_found: bool,
}

type RowTexts = FxHashMap<Place, RowText>;

/// Records without a row at their place: their identity, and where they are.
type Duplicates = HashMap<(u128, u32), Vec<String>>;

fn add(all: &mut Duplicates, more: Duplicates) {
    more.into_iter().for_each(|(identity, places)| all.entry(identity).or_default().extend(places));
}

/// The texts of all rows that were read from these log files.
async fn read_texts<'f>(
    table: &Table,
    data_files: &[Arc<DataFile>],
    files: impl Iterator<Item = &'f LogFile>,
) -> Result<RowTexts, ConvertError> {
    let paths: FxHashSet<&str> = files.map(|file| file.path.as_str()).collect();
    let mut columns = record_text_columns();
    columns.extend(["log_file_path", "record_index"]);
    let mut texts = RowTexts::default();
    let mut text = String::new();
    for file in data_files {
        let mut batches = table.read_columns(file, &columns).await?;
        while let Some(batch) = batches.try_next().await? {
            let (names, indices) = (batch.column(columns.len() - 2), batch.column(columns.len() - 1));
            let (names, indices) = (names.as_string::<i32>(), indices.as_primitive::<Int64Type>());
            let records = RecordTexts::new(&batch)
                .ok_or_else(|| ConvertError::Internal("a column of the record's text is missing".to_owned()))?;
            for row in (0..batch.num_rows()).filter(|row| paths.contains(names.value(*row))) {
                text.clear();
                let hash = if records.push(&mut text, row) { xxh3_64(text.as_bytes()) } else { 0 };
                let place = Place::new(names.value(row), indices.value(row).cast_unsigned());
                texts.insert(place, RowText { hash, is_found: false });
            }
        }
    }
    Ok(texts)
}

/// Reads log files and compares their records with the rows at their places.
async fn compare(
    files: Vec<LogFile>,
    rows: RowTexts,
    options: &ConvertOptions,
    entries: &Arc<LedgerEntries>,
    progress: &Arc<dyn ConvertProgress>,
) -> Result<(AgainstReport, Duplicates), ConvertError> {
    let (queue, rows) = (Arc::new(FileQueue::new(files)), Arc::new(Mutex::new(rows)));
    let mut tasks = JoinSet::new();
    for _ in 0..options.workers.max(1) {
        let (queue, rows, entries) = (Arc::clone(&queue), Arc::clone(&rows), Arc::clone(entries));
        let (progress, max_bytes) = (Arc::clone(progress), options.max_file_bytes);
        tasks.spawn_blocking(move || {
            let mut comparison = Comparison { rows, report: AgainstReport::default(), duplicates: HashMap::new() };
            let mut decoder = FileDecoder::with_max_file_bytes(max_bytes);
            while let Some((_, file, bytes)) = queue.next() {
                match bytes {
                    Ok(bytes) => comparison.file(&mut decoder, &file, &bytes, &entries),
                    Err(reason) => comparison.report.find(format!("{}: cannot be read: {reason}", file.path)),
                }
                progress.log_file_read(file.size_bytes, 0);
            }
            (comparison.report, comparison.duplicates)
        });
    }
    let (mut report, mut duplicates) = (AgainstReport::default(), Duplicates::new());
    while let Some(done) = tasks.join_next().await {
        let (found, more) = done.map_err(|error| ConvertError::Internal(error.to_string()))?;
        report.merge(found);
        add(&mut duplicates, more);
    }
    let rows = lock(&rows);
    let lost = rows.values().filter(|row| !row.is_found).count();
    if lost > 0 {
        report.find(format!("{lost} rows of the lake have no equal record at their place in the log files"));
    }
    Ok((report, duplicates))
}

/// One worker's comparison.
struct Comparison {
    rows: Arc<Mutex<RowTexts>>,
    report: AgainstReport,
    duplicates: Duplicates,
}

impl Comparison {
    fn file(&mut self, decoder: &mut FileDecoder, file: &LogFile, bytes: &[u8], entries: &LedgerEntries) {
        let has_changed = entries.has_changed(file);
        let mut sink = ComparingSink { comparison: self, file, has_changed, found: LedgerCounts::default() };
        let mut outcome = file.decode(decoder, bytes, &mut sink);
        let expected = entries.counts(file);
        let is_without_records = outcome.record_count == outcome.rejected_count;
        if is_without_records && expected.is_some_and(|expected| expected.rejected != outcome.rejected_count) {
            // Text that is no log is a reject only where it was named, of which the ledger tells nothing.
            outcome = file.listed_otherwise().decode(decoder, bytes, &mut sink);
        }
        let mut found = sink.found;
        (found.records, found.rejected) = (outcome.record_count, outcome.rejected_count);
        self.report.log_files += 1;
        self.report.records += found.records;
        let Some(expected) = expected else {
            self.report.find(format!("{}: changed while the lake was compared with it", file.path));
            return;
        };
        if has_changed {
            // Which of the versions a row counts for, its place does not tell.
            (found.rows, found.duplicates) = (expected.rows, expected.duplicates);
        }
        if *expected != found {
            self.report.find(format!("{}: the ledger has {expected}, the file has {found}", file.path));
        }
    }
}

struct ComparingSink<'c> {
    comparison: &'c mut Comparison,
    file: &'c LogFile,
    has_changed: bool,
    found: LedgerCounts,
}

impl RecordSink for ComparingSink<'_> {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        let mut rows = lock(&self.comparison.rows);
        match rows.get_mut(&Place::new(&self.file.path, index)).filter(|_| !self.has_changed) {
            Some(row) => {
                row.is_found = row.hash == xxh3_64(record.text().as_bytes());
                self.found.rows += 1;
                if !row.is_found {
                    let finding = format!("{}: record {index} differs from its row in the lake", self.file.path);
                    self.comparison.report.find(finding);
                }
            }
            None => {
                self.found.duplicates += 1;
                let at = format!("{}: record {index}", self.file.path);
                let key = RecordIdentity::of(record).duplicate_key();
                self.comparison.duplicates.entry(key).or_default().push(at);
            }
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Tells duplicates whose record is nowhere in the lake.
async fn find_lost_duplicates(
    table: &Table,
    data_files: &[Arc<DataFile>],
    mut duplicates: Duplicates,
    report: &mut AgainstReport,
) -> Result<(), ConvertError> {
    let rows = LakeRows::new(table.clone(), &[]);
    for file in data_files {
        if duplicates.is_empty() {
            break;
        }
        for row in rows.rows_of(file).await? {
            duplicates.remove(&row.identity.exact_key());
            duplicates.remove(&row.identity.id_key());
        }
    }
    for place in duplicates.into_values().flatten() {
        report.find(format!("{place}: no row of its own, and no equal record in the lake"));
    }
    Ok(())
}
