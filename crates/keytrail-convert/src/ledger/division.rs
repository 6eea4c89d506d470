//! How many rows an entry of the ledger counts where a log file was read more than once.
//!
//! A row says from which log file and record it is, not from which version of the file. As long as each file is read once, the run that
//! writes its rows knows their number. It does not where the lake has rows of the file already: an entry of another version may count
//! them, or a run that was killed before its entry may have left them, or another run may be about to enter them. So nobody remembers
//! who wrote what. The entry takes what is there and not counted:
//!
//! ```text
//! rows of the entry = min(its records that are rows at their places, rows of that path in the lake - rows that its other entries count)
//! ```
//! It is computed from the version of the ledger on which the entry is committed, and from rows that were committed before that. Whoever
//! adds rows enters their file later; so, in whatever order runs enter, repeat or die, each row is counted once when the last
//! version has been entered. The alternatives, a version in each row or a list of intentions beside the tables, cost every row or every
//! commit something for a case that is rare.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use keytrail_lake::{Bound, DataFile, Lake, LakeError, ScalarStat};
use rustc_hash::FxHashSet;

use super::{EntryId, EntryKey, EntryTracker, Retried, each_entry_of, entry_id};
use crate::accounting::FileAccount;
use crate::reading::read_columns;
use crate::source::LogFile;
use crate::spec::{EVENTS, LOG_FILES};

/// The statistics of times may be cut to milliseconds.
const SLACK_MICROS: i64 = 1_000_000;

/// Sets the rows and duplicates of entries that are about to be committed on the tracker's version of the ledger; false when it has a newer
/// one.
///
/// # Errors
/// The lake cannot be read.
pub(crate) async fn divide_rows(
    lake: &Lake,
    tracker: &EntryTracker,
    retried: &Retried,
    entries: &mut [(Arc<LogFile>, FileAccount)],
) -> Result<bool, LakeError> {
    let is_shared = |(file, account): &(Arc<LogFile>, FileAccount)| {
        account.held_row_count > 0
            || file.was_read_before()
            || retried.contains_key(&file.entry_id())
            || tracker.has_entered_path(file)
    };
    let mut shared: Vec<_> = entries.iter_mut().filter(|entry| is_shared(entry)).collect();
    if shared.is_empty() {
        return Ok(true);
    }
    let ledger = lake.table(LOG_FILES).snapshot().await?;
    if ledger.version() != tracker.version {
        return Ok(false);
    }
    let own: FxHashSet<EntryId> = shared.iter().map(|entry| entry.key()).collect();
    let mut counted: HashMap<&str, u64> = shared.iter().map(|(file, _)| (file.path.as_str(), 0)).collect();
    each_entry_of(lake, &ledger, |path, version, counts| {
        if let Some(rows) = counted.get_mut(path)
            && !own.contains(&entry_id(path, version))
        {
            *rows += counts.rows;
        }
    })
    .await?;
    let files: Vec<Arc<LogFile>> = shared.iter().map(|(file, _)| Arc::clone(file)).collect();
    let held = rows_of(lake, &files).await?;
    let left: Vec<u64> =
        files.iter().map(|file| held[file.path.as_str()].saturating_sub(counted[file.path.as_str()])).collect();
    for ((_, account), left) in shared.iter_mut().zip(left) {
        account.count_rows(left);
    }
    Ok(true)
}

/// How many rows the lake has of each of these log files, of whatever version.
async fn rows_of<'f>(lake: &Lake, files: &'f [Arc<LogFile>]) -> Result<HashMap<&'f str, u64>, LakeError> {
    let mut rows: HashMap<&str, u64> = files.iter().map(|file| (file.path.as_str(), 0)).collect();
    let table = lake.table(EVENTS);
    let snapshot = table.snapshot().await?;
    let may_hold = |data_file: &&Arc<DataFile>| may_hold(data_file, files);
    let data_files: Vec<_> = snapshot.files().iter().filter(may_hold).cloned().collect();
    read_columns(table, &data_files, &["log_file_path"], |batch| {
        let paths = batch.column(0).as_string::<i32>();
        for row in (0..paths.len()).filter(|row| paths.is_valid(*row)) {
            if let Some(count) = rows.get_mut(paths.value(row)) {
                *count += 1;
            }
        }
    })
    .await?;
    Ok(rows)
}

/// Whether rows of one of these log files may be in a data file: all rows of a log file have the delivery time that its path tells.
fn may_hold(data_file: &DataFile, files: &[Arc<LogFile>]) -> bool {
    let Some(statistics) = data_file.statistics.column("delivery_time") else { return true };
    let time = |bound: Option<&Bound>| match bound.map(|bound| &bound.value) {
        Some(ScalarStat::Time(time)) => Some(*time),
        _ => None,
    };
    let (first, last) = (time(statistics.min.as_ref()), time(statistics.max.as_ref()));
    files.iter().any(|file| match file.delivery_time {
        None => statistics.null_count != Some(0),
        Some(time) => {
            statistics.null_count != Some(data_file.row_count)
                && first.is_none_or(|first| first.saturating_sub(SLACK_MICROS) <= time)
                && last.is_none_or(|last| time <= last.saturating_add(SLACK_MICROS))
        }
    })
}
