//! Of several rows of one event the one that tells the most counts, whichever was read first.
//!
//! A summary (event history as CSV, some columns of a query) that is read before the event as AWS wrote it is a row without a mark, and the
//! event's own row amends it: rows that are written stay. So once a run has committed, the two change their marks. Views count rows
//! without one; a grant, an alias or a context that only the event's own row tells of would else be missing for good.
//!
//! ```text
//! commit: files with such rows await an edit ─▶ end of the run: marks change, none awaits one
//!                                          └─▶ it was killed: at the end of the next run
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use futures::TryStreamExt;
use keytrail_events::DetailLevel;
use keytrail_lake::{DataFile, Lake, LakeError, PartitionValues, Table, TransactionId};

use crate::ledger::RunStamp;
use crate::spec::EVENTS;

const COLUMNS: [&str; 6] =
    ["recipient_account_id", "event_id", "detail_level", "amends_event_id", "log_file_path", "record_index"];

/// The partitions in which an event's own row came after a poorer one: their files await an edit.
pub(crate) type SupplantedPartitions = Arc<Mutex<BTreeSet<PartitionValues>>>;

/// Where files await it, gives each event of which a row amends a poorer one the richest of its rows as the one that counts.
///
/// # Errors
/// The lake cannot be read or written.
pub(crate) async fn supplant(lake: &Lake, stamp: &RunStamp) -> Result<(), LakeError> {
    let table = lake.table(EVENTS);
    for version in 0.. {
        let snapshot = table.snapshot().await?;
        let Some(waiting) = snapshot.files().iter().find(|file| file.awaits_edit) else { break };
        let files = snapshot.files().iter().filter(|file| file.partition == waiting.partition).cloned().collect();
        let (marks, files) = Marks::of(table, files).await?;
        let edit = |batch: RecordBatch| marks.changed(&batch);
        let transaction = TransactionId { app_id: format!("keytrail.supplant.{}", stamp.run_id), version };
        let info = BTreeMap::from([("keytrail.run_id".to_owned(), stamp.run_id.clone())]);
        match table.edit_files(&files, &edit, transaction, snapshot.version(), info).await {
            // Another partition may have files that wait; or another writer came in between.
            Ok(_) | Err(LakeError::Overtaken { .. } | LakeError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Which rows of events change their marks.
struct Marks {
    /// The row of each event that is to count.
    richest: Richest,
}

/// By an event's id and account, which is an empty text where the row does not tell it.
type Richest = BTreeMap<(String, String), RowPlace>;

/// How much a row tells, and where it was read; the least of several is taken.
type RowPlace = (DetailLevel, String, i64);

impl Marks {
    /// The changes, and the files that hold rows of them or await an edit.
    async fn of(table: &Table, files: Vec<Arc<DataFile>>) -> Result<(Self, Vec<Arc<DataFile>>), LakeError> {
        let mut richest = Richest::new();
        for file in &files {
            let mut batches = table.read_columns(file, &COLUMNS).await?;
            while let Some(batch) = batches.try_next().await? {
                for row in Rows::of(&batch).iter().filter(|row| row.amends == Some(row.event_id)) {
                    let place = row.place();
                    match richest.entry((row.event_id.to_owned(), row.account.to_owned())) {
                        Entry::Vacant(free) => drop(free.insert(place)),
                        Entry::Occupied(mut known) if place < *known.get() => drop(known.insert(place)),
                        Entry::Occupied(_) => {}
                    }
                }
            }
        }
        let mut supplanted = BTreeSet::new();
        let mut held_by_file = Vec::new();
        for file in files {
            let mut batches = table.read_columns(&file, &COLUMNS).await?;
            let mut held = BTreeSet::new();
            while let Some(batch) = batches.try_next().await? {
                for row in Rows::of(&batch).iter() {
                    let Some((event, place)) = richest_of(&richest, row) else { continue };
                    held.insert(event.clone());
                    if row.amends.is_none() && place.0 < row.detail {
                        supplanted.insert(event.clone());
                    }
                }
            }
            held_by_file.push((file, held));
        }
        richest.retain(|event, _| supplanted.contains(event));
        held_by_file.retain(|(file, held)| file.awaits_edit || !held.is_disjoint(&supplanted));
        Ok((Self { richest }, held_by_file.into_iter().map(|(file, _)| file).collect()))
    }

    /// The batch with other marks.
    fn changed(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let place = batch.schema().index_of("amends_event_id")?;
        let mark = |row: Row<'_>| match richest_of(&self.richest, row) {
            Some((_, richest)) if *richest == row.place() => None,
            Some(_) if row.amends.is_none() => Some(row.event_id.to_owned()),
            _ => row.amends.map(str::to_owned),
        };
        let marks: StringArray = Rows::of(batch).iter().map(mark).collect();
        let mut columns = batch.columns().to_vec();
        columns[place] = Arc::new(marks) as ArrayRef;
        RecordBatch::try_new(batch.schema(), columns)
    }
}

/// The row that is to count of the event that a row is of: of its account, or where one of the two does not tell it.
fn richest_of<'r>(richest: &'r Richest, row: Row<'_>) -> Option<(&'r (String, String), &'r RowPlace)> {
    let id = || row.event_id.to_owned();
    let of_event = richest.range((id(), String::new())..).take_while(|((event_id, _), _)| event_id == row.event_id);
    let mut of_event =
        of_event.filter(|((_, account), _)| account == row.account || account.is_empty() || row.account.is_empty());
    of_event.next()
}

/// The columns of a batch that tell what counts.
struct Rows<'b> {
    texts: [&'b StringArray; 5],
    indices: &'b arrow_array::Int64Array,
}

#[derive(Clone, Copy)]
struct Row<'b> {
    /// Empty where it is not told.
    account: &'b str,
    event_id: &'b str,
    detail: DetailLevel,
    amends: Option<&'b str>,
    path: &'b str,
    index: i64,
}

impl Row<'_> {
    fn place(&self) -> RowPlace {
        (self.detail, self.path.to_owned(), self.index)
    }
}

impl<'b> Rows<'b> {
    fn of(batch: &'b RecordBatch) -> Self {
        let column = |name: &str| batch.column_by_name(name).expect("a column of events");
        let [account, id, detail, amends, path, index] = COLUMNS.map(column);
        let texts = [account, id, detail, amends, path].map(|column| column.as_string::<i32>());
        Self { texts, indices: index.as_primitive::<Int64Type>() }
    }

    fn iter(&self) -> impl Iterator<Item = Row<'b>> + use<'b> {
        let (texts, indices) = (self.texts, self.indices);
        (0..indices.len()).map(move |row| {
            let [account, id, detail, amends, path] = texts;
            Row {
                account: if account.is_valid(row) { account.value(row) } else { "" },
                event_id: id.value(row),
                detail: DetailLevel::from_name(detail.value(row)).unwrap_or(DetailLevel::Full),
                amends: amends.is_valid(row).then(|| amends.value(row)),
                path: path.value(row),
                index: indices.value(row),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_another_account_are_of_another_event() {
        let key = |id: &str, account: &str| (id.to_owned(), account.to_owned());
        let place = |path: &str| (DetailLevel::Full, path.to_owned(), 0);
        let richest = Richest::from([
            (key("a", "1"), place("a of 1")),
            (key("b", ""), place("b of nobody")),
            (key("b", "2"), place("b of 2")),
        ]);
        for (event_id, account, expected) in [
            ("a", "1", Some("a of 1")),
            ("a", "", Some("a of 1")),
            ("a", "2", None),
            ("b", "1", Some("b of nobody")),
            ("c", "1", None),
            ("", "", None),
        ] {
            let row = Row { account, event_id, detail: DetailLevel::Summary, amends: None, path: "", index: 0 };
            let found = richest_of(&richest, row).map(|(_, (_, path, _))| path.as_str());
            assert_eq!(found, expected, "{event_id} of {account}");
        }
    }
}
