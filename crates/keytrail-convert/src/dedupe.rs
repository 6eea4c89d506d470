//! Which event records were seen before, and from where.
//!
//! A record is known by its event id within its account; its body, as a hash, tells a repeated delivery from another record under the
//! same id. What is known is kept by the hour of the event, since equal records have equal times:
//!
//! ```text
//! hour first touched ──▶ rows of the lake in that hour are loaded ([`HeldRows`])
//! hour at rest, all of its rows committed ──▶ may be forgotten, but for a short hash of each id
//! touched again by a record whose hash is among them ──▶ loaded again; by another record, which is new ──▶ not
//! ```
//! A copy that tells less of an event than another one (a row of a table, a summary) is a duplicate as long as what it does tell is the same
//! ([`Facts`]); where it contradicts, it is another body under the same id.
//!
//! So memory follows the hours that a run works on, not the lake, and late log files, whose records are new, cost no reading of the lake. The place of a row (log file and position) makes a repeated run exact:
//! a record that the lake holds from this very place is no duplicate but the same row, committed by a run that ended before its ledger
//! entry.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use keytrail_events::{DetailLevel, EventRecord, Field, body_hash, event_id};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128, xxh3_128_with_seed};

use crate::error::ConvertError;
use crate::lock::lock;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
/// Short hashes that are kept for each row that may be known: a quarter of their memory.
const HASHES_PER_ROW: usize = 4;

/// The hour of an event, counted from the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// Where records without a readable time go.
    pub const UNKNOWN: Self = Self(i64::MIN);

    /// The last one there is.
    pub(crate) const LAST: Self = Self(i64::MAX);

    /// The hour of a time in microseconds since the epoch, UTC.
    pub fn of(event_time: Option<i64>) -> Self {
        event_time.map_or(Self::UNKNOWN, |time| Self(time.div_euclid(MICROS_PER_HOUR)))
    }

    /// The hour `count` hours later.
    pub(crate) fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// Hours from `earlier` to this one.
    pub(crate) fn hours_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64
    }
}

/// What makes two records the same, and what tells how much of the event a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordIdentity {
    event: u128,
    /// A hash of the account; 0 = the record names none.
    account: u16,
    body: u32,
    detail: DetailLevel,
    facts: Facts,
}

/// What poor copies of an event tell too: its name, source, region and error code, each as a short hash; 0 = not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts([u16; 4]);

impl Facts {
    /// The fields, in the order of [`Facts::of`].
    const FIELDS: [Field; 4] = [Field::EventName, Field::EventSource, Field::AwsRegion, Field::ErrorCode];

    /// What a row with these texts tells. Where nothing of an event is left out, no error code says that there was no error.
    pub(crate) fn of(name_source_region_error: [Option<&str>; 4], detail: DetailLevel) -> Self {
        let hash = |text: &str| u16::try_from(xxh3_64(text.as_bytes()) & 0xffff).map_or(u16::MAX, |hash| hash.max(1));
        let mut facts = name_source_region_error.map(|text| text.filter(|text| !text.is_empty()).map_or(0, hash));
        if facts[3] == 0 && detail <= DetailLevel::Reencoded {
            facts[3] = hash("");
        }
        Self(facts)
    }

    /// Whether both tell something, and not the same.
    fn contradict(self, other: Self) -> bool {
        self.0.into_iter().zip(other.0).any(|(one, other)| one != 0 && other != 0 && one != other)
    }
}

impl RecordIdentity {
    /// The identity of a record.
    pub fn of(record: &EventRecord<'_>) -> Self {
        let account = record.text_of(Field::RecipientAccountId);
        let detail = record.detail_level();
        let facts = Facts::of(Facts::FIELDS.map(|field| record.text_of(field)), detail);
        Self::new(account, &event_id(record), body_hash(record), detail).telling(facts)
    }

    /// The identity of a row with these columns.
    pub(crate) fn new(recipient_account_id: Option<&str>, event_id: &str, body: u32, detail: DetailLevel) -> Self {
        let account = recipient_account_id.map_or(0, |id| (xxh3_64(id.as_bytes()) & 0xffff).max(1));
        let account = u16::try_from(account).unwrap_or(u16::MAX);
        Self { event: xxh3_128(event_id.as_bytes()), account, body, detail, facts: Facts::default() }
    }

    /// The identity of a row that tells this, too.
    pub(crate) fn telling(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    /// The key of this very body under its id.
    pub(crate) fn exact_key(&self) -> (u128, u32) {
        (self.event, self.body)
    }

    /// The key of any record under this id.
    pub(crate) fn id_key(&self) -> (u128, u32) {
        (self.event, 0)
    }

    /// The key that some row of the lake must have where a record of this identity is a duplicate: one that carries less than the
    /// whole event is a duplicate of any body under its id.
    pub(crate) fn duplicate_key(&self) -> (u128, u32) {
        if self.detail == DetailLevel::Full { self.exact_key() } else { self.id_key() }
    }

    /// Where the row of another account's copy under the same id is kept.
    fn of_account(&self) -> u128 {
        xxh3_128_with_seed(&self.event.to_le_bytes(), u64::from(self.account))
    }

    /// Where another body under the same id is kept.
    fn of_body(&self) -> u128 {
        self.of_other(self.account, self.body)
    }

    /// Where a row of this event with another account and body is kept.
    fn of_other(&self, account: u16, body: u32) -> u128 {
        let of_account = Self { account, ..*self }.of_account();
        xxh3_128_with_seed(&of_account.to_le_bytes(), 1 << 32 | u64::from(body))
    }
}

/// Where a record was read: its log file and its position there, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(u64);

impl Place {
    /// The place of the record at `record_index` of a log file.
    pub fn new(log_file_path: &str, record_index: u64) -> Self {
        Self(xxh3_64_with_seed(log_file_path.as_bytes(), record_index))
    }
}

/// Whether a record was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Never: it becomes a row.
    New,
    /// Elsewhere, and it tells nothing more than what is held: a duplicate.
    Duplicate,
    /// The lake holds it from this very place: a row already.
    Committed,
    /// Its id is known with less detail (a summary was read first): a row that amends the other.
    MoreDetailed,
    /// Its id is known with another body, both as AWS wrote them, or one contradicts what the other tells: a row, and a finding.
    OtherBody,
}

/// A row that is known.
#[derive(Debug, Clone, Copy)]
struct Known {
    place: Place,
    body: u32,
    account: u16,
    detail: DetailLevel,
    facts: Facts,
    /// Of this run, as opposed to held by the lake before.
    is_of_this_run: bool,
}

/// A row that the lake holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldRow {
    pub(crate) hour: Hour,
    pub(crate) identity: RecordIdentity,
    pub(crate) place: Place,
}

/// The rows of an hour, and of hours after it that were read along.
#[derive(Debug, Default)]
pub(crate) struct HeldHours {
    /// How many hours from the one asked for were read whole; at least one.
    pub(crate) hour_count: i64,
    pub(crate) rows: Vec<HeldRow>,
}

/// Whether a run has touched an hour before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HourVisit {
    /// Never: no row of the hour is the run's own.
    First,
    /// The hour was forgotten, at least in part: rows of the run's own may be among those of the lake.
    Again,
}

/// What the lake holds, by the hour.
pub(crate) trait HeldRows: Send + Sync {
    /// The rows of `hour`.
    fn load(&self, hour: Hour, visit: HourVisit) -> Result<HeldHours, ConvertError>;
}

/// Where a row is kept among those of its hour. In halves, as a 128-bit number would be aligned at the cost of 8 bytes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(u64, u64);

impl From<u128> for Key {
    fn from(hash: u128) -> Self {
        Self((hash >> 64) as u64, (hash & 0xffff_ffff_ffff_ffff) as u64)
    }
}

/// The known rows of one hour. Under the id itself is the row that tells the most of its event.
#[derive(Debug, Default)]
struct HourRows {
    rows: FxHashMap<Key, Known>,
    /// The last epoch that added a row; none = nothing that the lake does not hold.
    last_epoch: Option<u32>,
    is_loaded: bool,
    /// Short hashes of ids that were known and are not held, sorted; none = all that is known is held.
    let_go: Option<Arc<[u32]>>,
    is_forgotten: bool,
}

/// One hour, as a worker keeps it from record to record.
#[derive(Debug, Clone)]
pub struct HourSlot {
    hour: Hour,
    rows: Arc<Mutex<HourRows>>,
}

#[derive(Debug, Default)]
struct Hours {
    resident: FxHashMap<Hour, Arc<Mutex<HourRows>>>,
    /// Hours that were resident and are not any more, with short hashes of the ids that were known, sorted; none = the lake must be asked.
    forgotten: BTreeMap<Hour, Option<Arc<[u32]>>>,
    /// Hashes in `forgotten`.
    hash_count: usize,
}

/// Remembers records; shared by all workers.
#[derive(Default)]
pub struct Deduplicator {
    hours: Mutex<Hours>,
    held: Option<Box<dyn HeldRows>>,
    /// Held while rows of the lake are loaded, so that an hour is loaded once.
    loading: Mutex<()>,
    row_count: AtomicUsize,
}

impl fmt::Debug for Deduplicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicator").field("row_count", &self.row_count).finish_non_exhaustive()
    }
}

impl Deduplicator {
    /// Knows the rows of a lake too.
    pub(crate) fn over(held: Box<dyn HeldRows>) -> Self {
        Self { held: Some(held), ..Self::default() }
    }

    /// Notes a record that is about to become a row of `epoch`. `slot` is what the caller keeps from one record to the next.
    pub(crate) fn note_in(
        &self,
        slot: &mut Option<HourSlot>,
        hour: Hour,
        identity: &RecordIdentity,
        place: Place,
        epoch: u32,
    ) -> Result<Seen, ConvertError> {
        loop {
            if slot.as_ref().is_none_or(|slot| slot.hour != hour) {
                *slot = Some(self.slot(hour)?);
            }
            let Some(current) = slot.as_ref() else { continue };
            let mut rows = lock(&current.rows);
            if rows.is_forgotten {
                drop(rows);
                *slot = None;
                continue;
            }
            if rows.may_have_let_go(identity) {
                drop(rows);
                self.complete(current)?;
                continue;
            }
            let before = rows.rows.len();
            let seen = rows.note(identity, place);
            if rows.rows.len() > before {
                rows.last_epoch = rows.last_epoch.max(Some(epoch));
                self.row_count.fetch_add(1, Ordering::Relaxed);
            }
            return Ok(seen);
        }
    }

    /// Notes a record where nothing is held but what was noted before. `slot` is what the caller keeps from one record to the next.
    pub fn note(&self, slot: &mut Option<HourSlot>, hour: Hour, identity: &RecordIdentity, place: Place) -> Seen {
        self.note_in(slot, hour, identity, place, 0).unwrap_or(Seen::New)
    }

    /// The hour, loaded, or with hashes of what it has let go.
    fn slot(&self, hour: Hour) -> Result<HourSlot, ConvertError> {
        let rows = lock(&self.hours).resident(hour);
        if !lock(&rows).is_loaded {
            self.load(hour)?;
        }
        Ok(HourSlot { hour, rows })
    }

    fn load(&self, hour: Hour) -> Result<(), ConvertError> {
        let _one_at_a_time = lock(&self.loading);
        let (rows, visit) = {
            let mut hours = lock(&self.hours);
            let is_forgotten = hours.forgotten.contains_key(&hour);
            (hours.resident(hour), if is_forgotten { HourVisit::Again } else { HourVisit::First })
        };
        if lock(&rows).is_loaded {
            return Ok(());
        }
        let held = match &self.held {
            Some(held) => held.load(hour, visit)?,
            None => HeldHours { hour_count: 1, rows: Vec::new() },
        };
        self.take(hour, &held);
        Ok(())
    }

    /// Holds again what an hour has let go.
    fn complete(&self, slot: &HourSlot) -> Result<(), ConvertError> {
        let _one_at_a_time = lock(&self.loading);
        if lock(&slot.rows).let_go.is_none() {
            return Ok(());
        }
        let held =
            self.held.as_ref().map(|held| held.load(slot.hour, HourVisit::Again)).transpose()?.unwrap_or_default();
        let mut rows = lock(&slot.rows);
        let of_hour = held.rows.iter().filter(|row| row.hour == slot.hour);
        let added = of_hour.filter(|row| rows.hold(&row.identity, row.place)).count();
        rows.let_go = None;
        if !rows.is_forgotten {
            self.row_count.fetch_add(added, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Adds loaded rows to their hours, unless those are loaded already.
    fn take(&self, first: Hour, held: &HeldHours) {
        let mut slots: FxHashMap<Hour, Arc<Mutex<HourRows>>> = FxHashMap::default();
        {
            let mut hours = lock(&self.hours);
            for offset in 0..held.hour_count.max(1) {
                let hour = first.plus(offset);
                // An hour read along has this run's own rows only when it was asked for.
                if offset == 0 || !hours.forgotten.contains_key(&hour) {
                    let rows = Arc::clone(hours.resident.entry(hour).or_default());
                    if !lock(&rows).is_loaded {
                        slots.insert(hour, rows);
                    }
                }
            }
        }
        let mut added = 0;
        for row in &held.rows {
            if let Some(rows) = slots.get(&row.hour) {
                added += usize::from(lock(rows).hold(&row.identity, row.place));
            }
        }
        self.row_count.fetch_add(added, Ordering::Relaxed);
        slots.values().for_each(|rows| lock(rows).is_loaded = true);
    }

    /// Forgets hours whose rows are all committed until at most `max_rows` are known, those first that were added to longest ago.
    pub(crate) fn forget(&self, committed_epoch: u32, max_rows: usize) {
        if self.row_count.load(Ordering::Relaxed) <= max_rows {
            return;
        }
        let mut hours = lock(&self.hours);
        let mut at_rest: Vec<(Option<u32>, Hour)> = hours
            .resident
            .iter()
            .map(|(hour, rows)| (lock(rows).last_epoch, *hour))
            .filter(|(epoch, _)| epoch.is_none_or(|epoch| epoch <= committed_epoch))
            .collect();
        at_rest.sort_unstable();
        for (_, hour) in at_rest {
            if self.row_count.load(Ordering::Relaxed) <= max_rows / 2 {
                break;
            }
            let Some(rows) = hours.resident.get(&hour).cloned() else { continue };
            let mut rows = lock(&rows);
            // A worker may have added since.
            if rows.is_loaded && rows.last_epoch.is_none_or(|epoch| epoch <= committed_epoch) {
                self.row_count.fetch_sub(rows.rows.len(), Ordering::Relaxed);
                rows.is_forgotten = true;
                hours.resident.remove(&hour);
                hours.forget(hour, rows.let_all_go());
            }
        }
        hours.limit_hashes(max_rows * HASHES_PER_ROW);
    }

    /// Learns of rows that another writer has committed; false when one of them is a row that this run holds and may not have
    /// committed yet. The caller has told [`HeldRows`] of them before, so that hours loaded later have them.
    pub(crate) fn learn(&self, rows: &[HeldRow], committed_epochs: u32) -> bool {
        let _no_loading = lock(&self.loading);
        let mut added = 0;
        let is_new_everywhere = rows.iter().all(|row| {
            let Some(hour) = lock(&self.hours).resident_or_unsure(row.hour) else { return true };
            let mut hour = lock(&hour);
            if !hour.is_loaded {
                return true;
            }
            let is_pending = hour.last_epoch.is_some_and(|epoch| epoch >= committed_epochs);
            if is_pending && hour.is_of_this_run(&row.identity) {
                return false;
            }
            added += usize::from(hour.hold(&row.identity, row.place));
            true
        });
        self.row_count.fetch_add(added, Ordering::Relaxed);
        is_new_everywhere
    }
}

impl Hours {
    /// The rows of an hour, to be loaded where nothing is known of it.
    fn resident(&mut self, hour: Hour) -> Arc<Mutex<HourRows>> {
        let Self { resident, forgotten, hash_count } = self;
        let rows = resident.entry(hour).or_insert_with(|| {
            let let_go = forgotten.get_mut(&hour).and_then(Option::take);
            *hash_count -= let_go.as_ref().map_or(0, |hashes| hashes.len());
            Arc::new(Mutex::new(HourRows { is_loaded: let_go.is_some(), let_go, ..HourRows::default() }))
        });
        Arc::clone(rows)
    }

    /// The rows of an hour that is resident; of another one, rows are added by somebody else, and the lake must be asked from now on.
    fn resident_or_unsure(&mut self, hour: Hour) -> Option<Arc<Mutex<HourRows>>> {
        let rows = self.resident.get(&hour).cloned();
        if rows.is_none() {
            self.forget_hashes(hour);
        }
        rows
    }

    fn forget(&mut self, hour: Hour, let_go: Arc<[u32]>) {
        self.hash_count += let_go.len();
        self.forgotten.insert(hour, Some(let_go));
    }

    fn forget_hashes(&mut self, hour: Hour) {
        let hashes = self.forgotten.get_mut(&hour).and_then(Option::take);
        self.hash_count -= hashes.map_or(0, |hashes| hashes.len());
    }

    /// Forgets hashes, those of the earliest hours first, until at most so many are left.
    fn limit_hashes(&mut self, max_hashes: usize) {
        let earliest: Vec<Hour> =
            self.forgotten.iter().filter(|(_, hashes)| hashes.is_some()).map(|(hour, _)| *hour).collect();
        for hour in earliest {
            if self.hash_count <= max_hashes {
                return;
            }
            self.forget_hashes(hour);
        }
    }
}

/// The short hash of an id. Among the thousands of an hour one that is not there seems to be there once in a million times; then the
/// lake is asked for nothing.
fn short_hash(event: Key) -> u32 {
    (event.0 >> 32) as u32
}

impl HourRows {
    /// Whether a record of this id may have been known before the hour was forgotten.
    fn may_have_let_go(&self, identity: &RecordIdentity) -> bool {
        let Some(hashes) = &self.let_go else { return false };
        let event = Key::from(identity.event);
        !self.rows.contains_key(&event) && hashes.binary_search(&short_hash(event)).is_ok()
    }

    /// Holds nothing any more; the hashes of all that was known.
    fn let_all_go(&mut self) -> Arc<[u32]> {
        let before = self.let_go.take();
        let mut hashes: Vec<u32> = before.iter().flat_map(|hashes| hashes.iter().copied()).collect();
        hashes.extend(std::mem::take(&mut self.rows).into_keys().map(short_hash));
        hashes.sort_unstable();
        hashes.dedup();
        hashes.into()
    }

    fn note(&mut self, identity: &RecordIdentity, place: Place) -> Seen {
        self.note_row(identity, place, true)
    }

    fn note_row(&mut self, identity: &RecordIdentity, place: Place, is_of_this_run: bool) -> Seen {
        let RecordIdentity { account, body, detail, facts, .. } = *identity;
        let row = Known { place, body, account, detail, facts, is_of_this_run };
        let seen_at = |known: &Known| if known.place == place { Seen::Committed } else { Seen::Duplicate };
        let mut slot = Key::from(identity.event);
        let Some(mut known) = self.occupied(slot, row) else { return Seen::New };
        if !known.is_of_account(account) {
            slot = Key::from(identity.of_account());
            match self.occupied(slot, row) {
                Some(of_account) => known = of_account,
                None => return Seen::New,
            }
        }
        if known.body == body {
            return seen_at(&known);
        }
        let own = Key::from(identity.of_body());
        if let Some(known) = self.rows.get(&own) {
            return seen_at(known);
        }
        let contradicts = known.facts.contradict(facts);
        // The levels ascend from all of an event to the least of it. What the lake holds is a row, whatever it tells.
        if detail > DetailLevel::Full && detail >= known.detail && !contradicts && is_of_this_run {
            return Seen::Duplicate;
        }
        if detail < known.detail {
            self.rows.insert(slot, row);
            self.rows.insert(Key::from(identity.of_other(known.account, known.body)), known);
        } else {
            self.rows.insert(own, row);
        }
        if detail < known.detail && !contradicts { Seen::MoreDetailed } else { Seen::OtherBody }
    }

    /// Notes a row that the lake holds; false where it was known.
    fn hold(&mut self, identity: &RecordIdentity, place: Place) -> bool {
        let before = self.rows.len();
        self.note_row(identity, place, false);
        self.rows.len() > before
    }

    /// What stands under a key; where nothing does, `row` from now on.
    fn occupied(&mut self, key: Key, row: Known) -> Option<Known> {
        match self.rows.entry(key) {
            Entry::Occupied(found) => Some(*found.get()),
            Entry::Vacant(free) => {
                free.insert(row);
                None
            }
        }
    }

    fn is_of_this_run(&self, identity: &RecordIdentity) -> bool {
        let keys = [identity.event, identity.of_account(), identity.of_body()];
        keys.into_iter().filter_map(|key| self.rows.get(&Key::from(key))).any(|known| known.is_of_this_run)
    }
}

impl Known {
    /// Whether it may be of this account: a record that names none may be of any.
    fn is_of_account(&self, account: u16) -> bool {
        self.account == account || self.account == 0 || account == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(account: Option<&str>, id: &str, body: u32, detail: DetailLevel) -> RecordIdentity {
        RecordIdentity::new(account, id, body, detail)
    }

    fn full(account: &str, id: &str, body: u32) -> RecordIdentity {
        identity(Some(account), id, body, DetailLevel::Full)
    }

    fn place(index: u64) -> Place {
        Place::new("file", index)
    }

    const HOUR: Hour = Hour(7);

    #[test]
    fn tells_new_repeated_and_changed_apart() {
        let seen = Deduplicator::default();
        for (who, index, expected) in [
            (full("1", "e", 1), 0, Seen::New),
            (full("1", "e", 1), 1, Seen::Duplicate),
            (full("1", "e", 1), 0, Seen::Committed),
            (full("2", "e", 1), 2, Seen::New),
            (full("2", "e", 1), 3, Seen::Duplicate),
            (full("1", "e", 9), 4, Seen::OtherBody),
            (full("1", "e", 9), 5, Seen::Duplicate),
            (full("1", "e", 9), 4, Seen::Committed),
            (full("1", "e", 1), 6, Seen::Duplicate),
        ] {
            assert_eq!(seen.note(&mut None, HOUR, &who, place(index)), expected, "{who:?} at {index}");
        }
    }

    #[test]
    fn less_detail_is_a_duplicate_and_more_detail_a_row() {
        let seen = Deduplicator::default();
        let summary = identity(None, "e", 1, DetailLevel::Summary);
        assert_eq!(seen.note(&mut None, HOUR, &summary, place(0)), Seen::New);
        assert_eq!(seen.note(&mut None, HOUR, &full("1", "e", 2), place(1)), Seen::MoreDetailed);
        assert_eq!(seen.note(&mut None, HOUR, &full("1", "e", 2), place(2)), Seen::Duplicate);
        assert_eq!(seen.note(&mut None, HOUR, &full("1", "f", 3), place(3)), Seen::New);
        let again = identity(None, "f", 4, DetailLevel::Summary);
        assert_eq!(seen.note(&mut None, HOUR, &again, place(4)), Seen::Duplicate);
    }

    #[test]
    fn a_poorer_copy_that_contradicts_is_another_body_in_any_order() {
        let telling = |who: RecordIdentity, error: Option<&str>| {
            let texts = [Some("Decrypt"), Some("kms.amazonaws.com"), None, error];
            who.telling(Facts::of(texts, who.detail))
        };
        let full = telling(full("1", "e", 1), None);
        let equal = telling(identity(None, "e", 2, DetailLevel::Summary), None);
        let denied = telling(identity(None, "e", 3, DetailLevel::Summary), Some("AccessDenied"));
        let renamed = equal.telling(Facts::of([Some("Encrypt"), None, None, None], DetailLevel::Summary));
        for order in [
            vec![(full, Seen::New), (equal, Seen::Duplicate), (denied, Seen::OtherBody)],
            vec![(equal, Seen::New), (full, Seen::MoreDetailed), (denied, Seen::OtherBody)],
            vec![(denied, Seen::New), (full, Seen::OtherBody), (equal, Seen::Duplicate), (denied, Seen::Committed)],
            vec![(renamed, Seen::New), (full, Seen::OtherBody)],
        ] {
            let seen = Deduplicator::default();
            for (who, expected) in &order {
                let place = place(u64::from(who.body));
                assert_eq!(seen.note(&mut None, HOUR, who, place), *expected, "{who:?} of {order:?}");
            }
        }
    }

    #[test]
    fn rows_of_the_lake_are_known_at_their_places_whatever_they_tell() {
        let mut rows = HourRows::default();
        let summary = identity(None, "e", 2, DetailLevel::Summary);
        assert!(rows.hold(&full("1", "e", 1), place(0)));
        assert!(rows.hold(&summary, place(1)), "read first, by a run that was killed");
        assert_eq!((rows.note(&summary, place(1)), rows.note(&summary, place(2))), (Seen::Committed, Seen::Duplicate));
    }

    /// A lake that holds one row in hour 7 and tells hours 7 and 8 together; it counts how often it is asked.
    struct OneRow(Arc<AtomicUsize>);

    impl HeldRows for OneRow {
        fn load(&self, hour: Hour, _visit: HourVisit) -> Result<HeldHours, ConvertError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let row = HeldRow { hour: HOUR, identity: full("1", "e", 1), place: place(0) };
            Ok(HeldHours { hour_count: 2, rows: if hour == HOUR { vec![row] } else { Vec::new() } })
        }
    }

    #[test]
    fn hours_are_loaded_once_forgotten_at_rest_and_loaded_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Deduplicator::over(Box::new(OneRow(Arc::clone(&asked))));
        let note = |slot: &mut Option<HourSlot>, hour, who, index, epoch| {
            seen.note_in(slot, hour, &who, place(index), epoch).expect("loaded")
        };
        let mut slot = None;
        assert_eq!(note(&mut slot, HOUR, full("1", "e", 1), 5, 0), Seen::Duplicate);
        assert_eq!(note(&mut slot, HOUR.plus(1), full("1", "g", 1), 6, 0), Seen::New);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "hour 8 was read along");
        assert_eq!(note(&mut slot, HOUR, full("1", "n", 1), 7, 1), Seen::New);
        seen.forget(0, 0);
        assert_eq!(seen.row_count.load(Ordering::Relaxed), 2, "hour 7 has a row of epoch 1, hour 8 went");
        seen.forget(1, 0);
        assert_eq!(seen.row_count.load(Ordering::Relaxed), 0);
        // The kept slot is stale; it is noticed.
        assert_eq!(note(&mut slot, HOUR, full("1", "e", 1), 0, 2), Seen::Committed);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    /// A lake of the rows of hour 7 that it was given; it counts how often it is asked.
    #[derive(Clone, Default)]
    struct Rows(Arc<Mutex<(usize, Vec<HeldRow>)>>);

    impl Rows {
        fn add(&self, id: &str, index: u64) {
            lock(&self.0).1.push(HeldRow { hour: HOUR, identity: full("1", id, 1), place: place(index) });
        }

        fn asked(&self) -> usize {
            lock(&self.0).0
        }
    }

    impl HeldRows for Rows {
        fn load(&self, _hour: Hour, visit: HourVisit) -> Result<HeldHours, ConvertError> {
            let mut lake = lock(&self.0);
            lake.0 += 1;
            Ok(HeldHours { hour_count: 1, rows: if visit == HourVisit::Again { lake.1.clone() } else { Vec::new() } })
        }
    }

    #[test]
    fn late_records_are_new_without_asking_the_lake_and_late_repetitions_are_found() {
        let lake = Rows::default();
        let seen = Deduplicator::over(Box::new(lake.clone()));
        let note = |id: &str, index, epoch| {
            seen.note_in(&mut None, HOUR, &full("1", id, 1), place(index), epoch).expect("loaded")
        };
        assert_eq!((note("a", 0, 0), note("b", 1, 0)), (Seen::New, Seen::New));
        lake.add("a", 0);
        lake.add("b", 1);
        seen.forget(0, 1);
        assert_eq!((note("late", 2, 1), note("late", 3, 1), lake.asked()), (Seen::New, Seen::Duplicate, 1));
        assert_eq!((note("late too", 8, 1), lake.asked()), (Seen::New, 1));
        lake.add("late", 2);
        lake.add("late too", 8);
        seen.forget(1, 1);
        assert_eq!((note("later", 4, 2), lake.asked()), (Seen::New, 1), "of both times");
        assert_eq!((note("a", 5, 2), lake.asked()), (Seen::Duplicate, 2));
        assert_eq!((note("late", 6, 2), note("later", 7, 2), lake.asked()), (Seen::Duplicate, Seen::Duplicate, 2));
        assert_eq!(seen.row_count.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn another_writers_rows_of_a_forgotten_hour_are_found() {
        let lake = Rows::default();
        let seen = Deduplicator::over(Box::new(lake.clone()));
        let note = |id: &str, index| seen.note_in(&mut None, HOUR, &full("1", id, 1), place(index), 0).expect("loaded");
        note("own", 0);
        lake.add("own", 0);
        seen.forget(0, 0);
        lake.add("theirs", 1);
        assert!(seen.learn(&[HeldRow { hour: HOUR, identity: full("1", "theirs", 1), place: place(1) }], 1));
        assert_eq!((note("theirs", 2), note("own", 3)), (Seen::Duplicate, Seen::Duplicate));
    }

    #[test]
    fn hashes_have_a_limit_too() {
        let lake = Rows::default();
        let seen = Deduplicator::over(Box::new(lake.clone()));
        for hour in 0..10 {
            for id in 0..10 {
                seen.note_in(&mut None, HOUR.plus(hour), &full("1", &format!("{hour}-{id}"), 1), place(id), 0)
                    .expect("loaded");
            }
        }
        seen.forget(0, 5);
        let hours = lock(&seen.hours);
        assert!(hours.hash_count <= 5 * HASHES_PER_ROW && hours.hash_count > 0, "{}", hours.hash_count);
        assert_eq!(hours.hash_count, hours.forgotten.values().flatten().map(|hashes| hashes.len()).sum::<usize>());
        assert_eq!(hours.forgotten.len(), 10);
    }

    #[test]
    fn another_writers_rows_are_learned_unless_this_run_has_them_pending() {
        let row = |id| HeldRow { hour: HOUR, identity: full("1", id, 1), place: place(9) };
        let seen = Deduplicator::over(Box::new(OneRow(Arc::default())));
        seen.note_in(&mut None, HOUR, &full("1", "own", 1), place(1), 3).expect("loaded");
        assert!(seen.learn(&[row("theirs"), row("e")], 3));
        assert_eq!(seen.note(&mut None, HOUR, &full("1", "theirs", 1), place(2)), Seen::Duplicate);
        assert!(!seen.learn(&[row("own")], 3));
        assert!(seen.learn(&[row("own")], 4), "epoch 3 is committed");
    }
}
