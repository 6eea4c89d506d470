//! Rejects of a version of a log file whose place another one took: once the newer version was read, what could not be taken of the older
//! one is no open question any more.
//!
//! A retry alone drops them: whoever reads a changed object in passing keeps what the lake has of it, as evidence. The older version's
//! ledger entry stays, as its rows do; it counts its rejects no longer and says so in `notes`. That is committed first: rejects that no
//! entry counts are nothing to anybody, and the next retry drops those that a killed one left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use keytrail_lake::{Lake, LakeError, PartitionValues, TransactionId};
use rustc_hash::FxHashSet;

use crate::ledger::{EntryId, RunStamp, each_entry, entry_id, mark_entries, reject_runs, rejects_batch};
use crate::reading::read_columns;
use crate::source::LogFile;
use crate::spec::{LOG_FILES, REJECTS};

/// What tells an entry, and whether it counts rejects.
const ENTRY_COLUMNS: [&str; 3] = ["log_file_path", "log_file_version", "rejected_count"];

/// The entries with rejects whose log files are now of another version, which the ledger holds.
///
/// # Errors
/// The ledger cannot be read.
pub(crate) async fn replaced_entries(lake: &Lake, current: &[LogFile]) -> Result<FxHashSet<EntryId>, LakeError> {
    let current: HashMap<&str, EntryId> = current.iter().map(|file| (file.path.as_str(), file.entry_id())).collect();
    let (mut held, mut with_rejects) = (HashSet::new(), Vec::new());
    each_entry(lake, |path, version, counts| {
        let Some(&now) = current.get(path) else { return };
        let id = entry_id(path, version);
        if id == now {
            held.insert(id);
        } else if counts.rejected > 0 {
            with_rejects.push((id, now));
        }
    })
    .await?;
    with_rejects.retain(|(_, now)| held.contains(now));
    Ok(with_rejects.into_iter().map(|(id, _)| id).collect())
}

/// The entries that count no rejects, where the lake has some: a run that was killed has left them, or the ledger counts those of another
/// run. A run that is about to enter such an entry finds it replaced, and does not.
///
/// # Errors
/// The lake cannot be read.
pub(crate) async fn uncounted_rejects(lake: &Lake) -> Result<FxHashSet<EntryId>, LakeError> {
    let rejects = reject_runs(lake).await?;
    let mut found = FxHashSet::default();
    if !rejects.is_empty() {
        each_entry(lake, |path, version, counts| {
            let id = entry_id(path, version);
            if counts.rejected == 0 && rejects.contains_key(&id) {
                found.insert(id);
            }
        })
        .await?;
    }
    Ok(found)
}

/// Drops the rejects of these entries.
///
/// # Errors
/// The lake cannot be read or written.
pub(crate) async fn drop_rejects(lake: &Lake, stamp: &RunStamp, entries: &FxHashSet<EntryId>) -> Result<(), LakeError> {
    let transaction = |version| TransactionId { app_id: format!("keytrail.mended.{}", stamp.run_id), version };
    let info = BTreeMap::from([("keytrail.run_id".to_owned(), stamp.run_id.clone())]);
    let is_dropped = |batch: &RecordBatch| mark_entries(batch, |id, _| entries.contains(&id));
    let table = lake.table(LOG_FILES);
    let edit = |batch: RecordBatch| without_rejects(&batch, entries);
    for version in 0.. {
        let snapshot = table.snapshot().await?;
        let mut files = Vec::new();
        for file in snapshot.files() {
            let mut has_some = false;
            let see = |batch: &RecordBatch| {
                let counts = batch.column(2).as_primitive::<Int64Type>();
                has_some |=
                    is_dropped(batch).iter().zip(counts).any(|(mark, count)| mark == Some(true) && count > Some(0));
            };
            read_columns(table, std::slice::from_ref(file), &ENTRY_COLUMNS, see).await?;
            files.extend(has_some.then(|| Arc::clone(file)));
        }
        if files.is_empty() {
            break;
        }
        match table.edit_files(&files, &edit, transaction(version), snapshot.version(), info.clone()).await {
            Err(LakeError::Overtaken { .. } | LakeError::Conflict { .. }) => {}
            outcome => {
                outcome?;
                break;
            }
        }
    }
    let (table, rows) = (lake.table(REJECTS), [rejects_batch(&[], stamp)]);
    table.replace_rows(&PartitionValues::new(), &is_dropped, &rows, transaction(0), info).await?;
    Ok(())
}

/// Rows of the ledger, those of `entries` without the rejects that they count.
fn without_rejects(batch: &RecordBatch, entries: &FxHashSet<EntryId>) -> Result<RecordBatch, ArrowError> {
    let marks = mark_entries(batch, |id, _| entries.contains(&id));
    let schema = batch.schema();
    let place = |name: &str| schema.index_of(name);
    let (records, rejected, notes) = (place("record_count")?, place("rejected_count")?, place("notes")?);
    let numbers = |column: usize| batch.column(column).as_primitive::<Int64Type>();
    let (rejected_counts, old_notes) = (numbers(rejected), batch.column(notes).as_string::<i32>());
    let rows = 0..batch.num_rows();
    let is_dropped = |row: usize| marks.value(row) && rejected_counts.value(row) > 0;
    let taken = |row: usize| numbers(records).value(row) - if is_dropped(row) { rejected_counts.value(row) } else { 0 };
    let left = |row: usize| if is_dropped(row) { 0 } else { rejected_counts.value(row) };
    let note = |row: usize| {
        let old = old_notes.is_valid(row).then(|| old_notes.value(row));
        let new = format!("its rejects ({}) were dropped: a later version was read", rejected_counts.value(row));
        match (old, is_dropped(row)) {
            (old, false) => old.map(str::to_owned),
            (None, true) => Some(new),
            (Some(old), true) => Some(format!("{old}; {new}")),
        }
    };
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[records] = Arc::new(Int64Array::from_iter_values(rows.clone().map(taken)));
    columns[rejected] = Arc::new(Int64Array::from_iter_values(rows.clone().map(left)));
    columns[notes] = Arc::new(rows.map(note).collect::<StringArray>());
    RecordBatch::try_new(schema, columns)
}
