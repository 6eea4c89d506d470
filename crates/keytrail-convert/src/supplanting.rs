//! Of several rows of one event one counts, whichever was read first: the one that tells the most, and of those the one delivered last.
//!
//! A summary (event history as CSV, some columns of a query) that is read before the event as AWS wrote it is a row without a mark, and the
//! event's own row amends it: rows that are written stay. So once a run has committed, the two change their marks. Views count rows
//! without one; a grant, an alias or a context that only the event's own row tells of would else be missing for good. So it is with an
//! event that was delivered again with another body: by the order of reading, which two threads may change, the answer must not.
//!
//! ```text
//! commit: files with such rows await an edit ─▶ end of the run: marks change, none awaits one
//!                                          └─▶ it was killed: at the end of the next run
//! ```

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::ArrowError;
use futures::TryStreamExt;
use keytrail_events::DetailLevel;
use keytrail_events::schema::EVENT_MONTH;
use keytrail_lake::{DataFile, Lake, LakeError, PartitionValues, Table, TransactionId};

use crate::ledger::RunStamp;
use crate::spec::EVENTS;

const TEXTS: [&str; 5] = ["recipient_account_id", "event_id", "detail_level", "amends_event_id", "log_file_path"];
const COLUMNS: [&str; 7] = {
    let [account, id, detail, amends, path] = TEXTS;
    [account, id, detail, amends, path, "record_index", "delivery_time"]
};

/// The partitions in which an event got a row after its first that may have to count in its place: their files await an edit.
pub(crate) type SupplantedPartitions = Arc<Mutex<BTreeSet<PartitionValues>>>;

/// Where files await it, makes the row count that is the best of each event with several.
///
/// # Errors
/// The lake cannot be read or written.
pub(crate) async fn supplant(lake: &Lake, stamp: &RunStamp) -> Result<(), LakeError> {
    let table = lake.table(EVENTS);
    for version in 0.. {
        let snapshot = table.snapshot().await?;
        let Some(waiting) = snapshot.files().iter().find(|file| file.awaits_edit) else { break };
        let month = waiting.partition.get(EVENT_MONTH);
        let of_month = snapshot.files().iter().filter(|file| file.partition.get(EVENT_MONTH) == month).cloned();
        let (files, elsewhere) = of_month.partition(|file| file.partition == waiting.partition);
        let (marks, files) = Marks::of(table, files, elsewhere).await?;
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

/// What changes among rows of some files.
struct Among {
    marks: Marks,
    files: Vec<Arc<DataFile>>,
    /// Of each event with a row that amends another one the row that counts is among them.
    is_whole: bool,
}

/// Which rows of events change their marks.
struct Marks {
    /// The row of each event that is to count.
    best: Best,
}

/// By an event's id and account, which is an empty text where the row does not tell it.
type Best = BTreeMap<(String, String), Rank>;

/// What decides which row of an event counts, the least of several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// From all of an event to the least of it.
    detail: DetailLevel,
    delivery_time: Reverse<Option<i64>>,
    log_file_path: String,
    record_index: i64,
}

impl Marks {
    /// The changes, and the files that hold rows of them or await an edit. A copy that tells another source, or no key, may be of another
    /// group, so a row that counts may be `elsewhere` in the month: that is read only where none is in the partition itself.
    async fn of(
        table: &Table,
        mut files: Vec<Arc<DataFile>>,
        elsewhere: Vec<Arc<DataFile>>,
    ) -> Result<(Self, Vec<Arc<DataFile>>), LakeError> {
        let among = Self::among(table, files.clone()).await?;
        if among.is_whole || elsewhere.is_empty() {
            return Ok((among.marks, among.files));
        }
        files.extend(elsewhere);
        let among = Self::among(table, files).await?;
        Ok((among.marks, among.files))
    }

    /// The same, of rows in these files.
    async fn among(table: &Table, files: Vec<Arc<DataFile>>) -> Result<Among, LakeError> {
        let mut best = Best::new();
        for file in &files {
            let mut batches = table.read_columns(file, &COLUMNS).await?;
            while let Some(batch) = batches.try_next().await? {
                for row in Rows::of(&batch).iter().filter(|row| row.amends == Some(row.event_id)) {
                    let rank = row.rank();
                    match best.entry((row.event_id.to_owned(), row.account.to_owned())) {
                        Entry::Vacant(free) => drop(free.insert(rank)),
                        Entry::Occupied(mut known) if rank < *known.get() => drop(known.insert(rank)),
                        Entry::Occupied(_) => {}
                    }
                }
            }
        }
        let (mut supplanted, mut counting) = (BTreeSet::new(), BTreeSet::new());
        let mut held_by_file = Vec::new();
        for file in files {
            let mut batches = table.read_columns(&file, &COLUMNS).await?;
            let mut held = BTreeSet::new();
            while let Some(batch) = batches.try_next().await? {
                for row in Rows::of(&batch).iter() {
                    let Some((event, rank)) = best_of(&best, row) else { continue };
                    held.insert(event.clone());
                    if row.amends.is_none() {
                        counting.insert(event.clone());
                        if *rank < row.rank() {
                            supplanted.insert(event.clone());
                        }
                    }
                }
            }
            held_by_file.push((file, held));
        }
        let is_whole = best.keys().all(|event| counting.contains(event));
        best.retain(|event, _| supplanted.contains(event));
        held_by_file.retain(|(file, held)| file.awaits_edit || !held.is_disjoint(&supplanted));
        let files = held_by_file.into_iter().map(|(file, _)| file).collect();
        Ok(Among { marks: Self { best }, files, is_whole })
    }

    /// The batch with other marks.
    fn changed(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let place = batch.schema().index_of("amends_event_id")?;
        let mark = |row: Row<'_>| match best_of(&self.best, row) {
            Some((_, best)) if *best == row.rank() => None,
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
fn best_of<'r>(best: &'r Best, row: Row<'_>) -> Option<(&'r (String, String), &'r Rank)> {
    let id = || row.event_id.to_owned();
    let of_event = best.range((id(), String::new())..).take_while(|((event_id, _), _)| event_id == row.event_id);
    of_event
        .filter(|((_, account), _)| account == row.account || account.is_empty() || row.account.is_empty())
        .min_by_key(|(_, rank)| *rank)
}

/// The columns of a batch that tell what counts.
struct Rows<'b> {
    texts: [&'b StringArray; 5],
    indices: &'b Int64Array,
    delivery_times: &'b TimestampMicrosecondArray,
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
    delivery_time: Option<i64>,
}

impl Row<'_> {
    fn rank(&self) -> Rank {
        Rank {
            detail: self.detail,
            delivery_time: Reverse(self.delivery_time),
            log_file_path: self.path.to_owned(),
            record_index: self.index,
        }
    }
}

impl<'b> Rows<'b> {
    fn of(batch: &'b RecordBatch) -> Self {
        let column = |name: &str| batch.column_by_name(name).expect("a column of events");
        Self {
            texts: TEXTS.map(|name| column(name).as_string::<i32>()),
            indices: column("record_index").as_primitive::<Int64Type>(),
            delivery_times: column("delivery_time").as_primitive::<TimestampMicrosecondType>(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Row<'b>> + use<'b> {
        let Self { texts, indices, delivery_times } = *self;
        (0..indices.len()).map(move |row| {
            let [account, id, detail, amends, path] = texts;
            Row {
                account: if account.is_valid(row) { account.value(row) } else { "" },
                event_id: id.value(row),
                detail: DetailLevel::from_name(detail.value(row)).unwrap_or(DetailLevel::Full),
                amends: amends.is_valid(row).then(|| amends.value(row)),
                path: path.value(row),
                index: indices.value(row),
                delivery_time: delivery_times.is_valid(row).then(|| delivery_times.value(row)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row<'_> = Row {
        account: "",
        event_id: "",
        detail: DetailLevel::Full,
        amends: None,
        path: "",
        index: 0,
        delivery_time: None,
    };

    #[test]
    fn rows_of_another_account_are_of_another_event() {
        let key = |id: &str, account: &str| (id.to_owned(), account.to_owned());
        let rank = |path| Row { path, ..ROW }.rank();
        let best = Best::from([
            (key("a", "1"), rank("a of 1")),
            (key("b", ""), rank("b of nobody")),
            (key("b", "2"), rank("b of 2")),
            (key("d", ""), Row { detail: DetailLevel::Summary, ..ROW }.rank()),
            (key("d", "1"), rank("d of 1")),
        ]);
        for (event_id, account, expected) in [
            ("a", "1", Some("a of 1")),
            ("a", "", Some("a of 1")),
            ("a", "2", None),
            ("b", "1", Some("b of nobody")),
            ("c", "1", None),
            ("d", "1", Some("d of 1")),
            ("d", "", Some("d of 1")),
            ("", "", None),
        ] {
            let row = Row { account, event_id, detail: DetailLevel::Summary, ..ROW };
            let found = best_of(&best, row).map(|(_, rank)| rank.log_file_path.as_str());
            assert_eq!(found, expected, "{event_id} of {account}");
        }
    }

    #[test]
    fn the_richest_row_counts_and_of_those_the_one_delivered_last() {
        let early = Row { delivery_time: Some(1), path: "a", ..ROW };
        let late = Row { delivery_time: Some(2), path: "b", ..ROW };
        let summary = Row { detail: DetailLevel::Summary, delivery_time: Some(3), ..ROW };
        let undated = Row { path: "0", ..ROW };
        let mut ranks = [summary, undated, early, late].map(|row| row.rank());
        ranks.sort();
        assert_eq!(ranks, [late, early, undated, summary].map(|row| row.rank()));
    }
}
