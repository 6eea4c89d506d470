//! What the logs cover and where they are blind, and the verdict on each key that follows, counted in plain loops.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DurationRound as _, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use super::contexts::{keys_in, sighted_keys};
use super::kms::{KeyRole, KmsEvent, is_cryptographic, is_write, member, text_at};
use super::ledgers::{AliasInterval, LifeEvent};
use super::rhythms::{Rhythm, Silence};
use super::views::{Row, Span, Time, ViewTable, some, table, time_cell};
use super::{Event, Oracle};

/// Account and region.
type Place = (Option<String>, Option<String>);
/// Account, region and the start of an hour.
type Hour = (Option<String>, Option<String>, Option<Time>);

/// A row of `trail_coverage`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HourRow {
    file_count: Option<u64>,
    record_count: u64,
    management_count: u64,
    kms_read_count: u64,
    /// Who made the KMS reads.
    callers: BTreeSet<String>,
    kms_write_count: u64,
    kms_management_count: u64,
    other_read_count: u64,
    other_write_count: u64,
    span: Span,
}

impl Row for (Hour, HourRow) {
    const VIEW: &'static str = "trail_coverage";
    const COLUMNS: &'static [&'static str] = &[
        "recipient_account_id",
        "aws_region",
        "event_hour",
        "file_count",
        "record_count",
        "management_count",
        "kms_read_count",
        "kms_caller_count",
        "kms_write_count",
        "kms_management_count",
        "other_read_count",
        "other_write_count",
        "first_event_time",
        "last_event_time",
    ];
    fn cells(&self) -> Vec<Option<String>> {
        let ((account, region, hour), row) = self;
        let mut cells = vec![account.clone(), region.clone(), time_cell(*hour)];
        cells.push(row.file_count.and_then(|count| some(&count)));
        let counts = [
            row.record_count,
            row.management_count,
            row.kms_read_count,
            row.callers.len() as u64,
            row.kms_write_count,
            row.kms_management_count,
            row.other_read_count,
            row.other_write_count,
        ];
        cells.extend(counts.map(|count| some(&count)));
        cells.extend([time_cell(row.span.first), time_cell(row.span.last)]);
        cells
    }
}

/// A row of `trail_gaps`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GapRow {
    place: Place,
    start: Time,
    /// None = nothing comes after it.
    end: Option<Time>,
    hours: i64,
}

impl Row for GapRow {
    const VIEW: &'static str = "trail_gaps";
    const COLUMNS: &'static [&'static str] =
        &["recipient_account_id", "aws_region", "gap_start_time", "gap_end_time", "gap_hours"];
    fn cells(&self) -> Vec<Option<String>> {
        let (start, end) = (time_cell(Some(self.start)), time_cell(self.end));
        vec![self.place.0.clone(), self.place.1.clone(), start, end, some(&self.hours)]
    }
}

/// A row of `trail_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChangeRow {
    account: Option<String>,
    event_id: String,
    time: Option<Time>,
    event_name: String,
    trail_name: Option<String>,
    effect: Option<&'static str>,
}

impl Row for ChangeRow {
    const VIEW: &'static str = "trail_changes";
    const COLUMNS: &'static [&'static str] =
        &["recipient_account_id", "event_id", "event_time", "event_name", "trail_name", "kms_effect"];
    fn cells(&self) -> Vec<Option<String>> {
        let effect = self.effect.and_then(some);
        let (account, trail) = (self.account.clone(), self.trail_name.clone());
        vec![account, some(&self.event_id), time_cell(self.time), some(&self.event_name), trail, effect]
    }
}

/// A row of `kms_blind_spots`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SpotRow {
    place: Place,
    kind: &'static str,
    from: Option<Time>,
    to: Option<Time>,
    event_id: Option<String>,
}

impl Row for SpotRow {
    const VIEW: &'static str = "kms_blind_spots";
    const COLUMNS: &'static [&'static str] = &["account_id", "aws_region", "kind", "from_time", "to_time", "event_id"];
    fn cells(&self) -> Vec<Option<String>> {
        let times = [time_cell(self.from), time_cell(self.to)];
        let mut cells = vec![self.place.0.clone(), self.place.1.clone(), some(self.kind)];
        cells.extend(times);
        cells.push(self.event_id.clone());
        cells
    }
}

/// A row of `kms_key_verdicts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerdictRow {
    pub(super) key_arn: String,
    pub(super) verdict: &'static str,
    pub(super) reasons: String,
    use_event_count: u64,
    probe_count: u64,
    unmet_count: u64,
    denied_count: u64,
    unattributed_use_count: u64,
    unattributed_failure_count: u64,
    covered_day_count: u64,
}

impl Row for VerdictRow {
    const VIEW: &'static str = "kms_key_verdicts";
    const COLUMNS: &'static [&'static str] = &[
        "key_arn",
        "verdict",
        "reasons",
        "use_event_count",
        "probe_count",
        "unmet_count",
        "denied_count",
        "unattributed_use_count",
        "unattributed_failure_count",
        "covered_day_count",
    ];
    fn cells(&self) -> Vec<Option<String>> {
        let mut cells = vec![some(&self.key_arn), some(self.verdict), some(&self.reasons)];
        let counts = [
            self.use_event_count,
            self.probe_count,
            self.unmet_count,
            self.denied_count,
            self.unattributed_use_count,
            self.unattributed_failure_count,
            self.covered_day_count,
        ];
        cells.extend(counts.map(|count| some(&count)));
        cells
    }
}

/// The views of coverage and verdict.
pub(super) fn views(oracle: &Oracle) -> Vec<ViewTable> {
    let hours: Vec<_> = hours(oracle).into_iter().collect();
    let spots = blind_spots(oracle);
    vec![
        table(&hours),
        table(&gaps(oracle)),
        silence_table(oracle),
        table(&changes(oracle)),
        table(&spots),
        spot_table(
            "kms_read_silences",
            &["write_only", "kms_writes_only", "no_kms_calls", "kms_calls_stopped"],
            &spots,
        ),
        spot_table("kms_logging_losses", &["logging_stopped", "kms_excluded", "kms_partial"], &spots),
        rhythm_table(oracle),
        table(&verdicts(oracle)),
        unresolved_table(oracle),
        proof_table(oracle),
    ]
}

fn region_of(event: &Event) -> Option<String> {
    text_at(&event.value, &["awsRegion"]).map(str::to_owned)
}

fn place_of(event: &Event) -> Place {
    (event.recipient_account_id.clone(), region_of(event))
}

pub(super) fn hour_of(time: Time) -> Time {
    time.duration_trunc(TimeDelta::hours(1)).expect("a time in the range of a log")
}

fn is_kms(event: &Event) -> bool {
    text_at(&event.value, &["eventSource"]).is_some_and(|source| source.starts_with("kms."))
}

fn name_of(event: &Event) -> &str {
    text_at(&event.value, &["eventName"]).unwrap_or_default()
}

/// A member that is true or false; some logs write it as text.
fn flag(value: &Value, name: &str) -> Option<bool> {
    match member(value, name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn is_kms_read(event: &Event) -> bool {
    is_kms(event) && !is_write(name_of(event))
}

/// Who called: a role by its name, else a principal by its id, else an AWS service.
fn caller(event: &Event) -> Option<&str> {
    let identity = |path: &[&str]| text_at(&event.value, path);
    identity(&["userIdentity", "sessionContext", "sessionIssuer", "userName"])
        .or_else(|| identity(&["userIdentity", "principalId"]))
        .or_else(|| identity(&["userIdentity", "invokedBy"]))
}

fn is_other_read(event: &Event) -> bool {
    is_other_management(event) && flag(&event.value, "readOnly") == Some(true)
}

/// Whether a trail that holds it would hold a KMS call, too.
fn is_management(event: &Event) -> bool {
    is_kms(event) || is_other_management(event)
}

/// Whether a caller changed a key: not KMS itself.
fn is_kms_management(event: &Event) -> bool {
    const BY_KMS: [&str; 4] = ["DeleteExpiredKeyMaterial", "DeleteKey", "RotateKey", "SynchronizeMultiRegionKey"];
    is_kms(event) && is_write(name_of(event)) && !BY_KMS.contains(&name_of(event))
}

fn is_other_management(event: &Event) -> bool {
    let category = text_at(&event.value, &["eventCategory"]);
    !is_kms(event)
        && flag(&event.value, "managementEvent") != Some(false)
        && category.is_none_or(|category| category == "Management")
}

fn hours(oracle: &Oracle) -> BTreeMap<Hour, HourRow> {
    let windows = Windows::of(oracle);
    let mut hours: BTreeMap<Hour, HourRow> = BTreeMap::new();
    for event in &oracle.events {
        let (account, region) = place_of(event);
        let row = hours.entry((account, region, event.event_time.map(hour_of))).or_default();
        row.record_count += 1;
        row.management_count += u64::from(windows.covers(event));
        row.kms_management_count += u64::from(is_kms_management(event));
        row.kms_read_count += u64::from(is_kms_read(event));
        row.callers.extend(caller(event).filter(|_| is_kms_read(event)).map(str::to_owned));
        row.kms_write_count += u64::from(is_kms(event) && !is_kms_read(event));
        row.other_read_count += u64::from(is_other_read(event));
        row.other_write_count += u64::from(is_other_management(event) && !is_other_read(event));
        if windows.covers(event) {
            row.span.add(event.event_time);
        }
    }
    for hour in oracle.log_files.iter().map(|path| delivery_hour(path)).filter(|hour| hour.0.is_some()) {
        let row = hours.entry(hour).or_default();
        row.file_count = Some(row.file_count.unwrap_or(0) + 1);
    }
    hours
}

/// From the first to the last hour in which a log file was delivered, for each place; none where any log file's name does not tell.
struct Windows(BTreeMap<Place, (Time, Time)>);

impl Windows {
    fn of(oracle: &Oracle) -> Self {
        let hours: Vec<Hour> = oracle.log_files.iter().map(|path| delivery_hour(path)).collect();
        let mut windows = BTreeMap::new();
        if hours.iter().any(|hour| hour.2.is_none()) {
            return Self(windows);
        }
        for (account, region, hour) in hours {
            let Some(hour) = hour else { continue };
            let (first, last) = windows.entry((account, region)).or_insert((hour, hour));
            (*first, *last) = (hour.min(*first), hour.max(*last));
        }
        Self(windows)
    }

    /// Whether it is a management event that was not delivered late, before the first log files or after the last.
    fn covers(&self, event: &Event) -> bool {
        let is_within = match (self.0.get(&place_of(event)), event.event_time.map(hour_of)) {
            (Some((first, last)), Some(hour)) => hour >= *first - TimeDelta::hours(2) && hour <= *last,
            _ => true,
        };
        is_management(event) && is_within
    }
}

/// Account, region and hour of delivery by a file's name, `account_CloudTrail_region_20260131T0105Z_unique.json.gz`.
fn delivery_hour(path: &str) -> Hour {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.split('_').collect::<Vec<_>>()[..] {
        [account, "CloudTrail", region, stamp, _] => {
            let time = NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%MZ").ok();
            (Some(account.to_owned()), Some(region.to_owned()), time.map(|time| hour_of(time.and_utc())))
        }
        _ => (None, None, None),
    }
}

/// The management events of each account and region that name both, in order of time.
fn by_place(oracle: &Oracle) -> BTreeMap<Place, Vec<&Event>> {
    let mut places: BTreeMap<Place, Vec<&Event>> = BTreeMap::new();
    let windows = Windows::of(oracle);
    for event in oracle.events.iter().filter(|event| windows.covers(event)) {
        places.entry(place_of(event)).or_default().push(event);
    }
    for events in places.values_mut() {
        events.sort_by_key(|event| event.event_time);
    }
    places
}

fn is_whole(place: &Place) -> bool {
    place.0.is_some() && place.1.is_some()
}

/// First and last management event of an account that names itself.
fn span_of(places: &BTreeMap<Place, Vec<&Event>>, account: &Option<String>) -> Option<(Time, Time)> {
    let of_account = places.iter().filter(|(place, _)| place.0 == *account).flat_map(|(_, events)| events);
    let times = || of_account.clone().filter_map(|event| event.event_time);
    times().min().zip(times().max())
}

fn gaps(oracle: &Oracle) -> Vec<GapRow> {
    let places = by_place(oracle);
    let mut gaps = Vec::new();
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        let Some(span) = span_of(&places, &place.0) else { continue };
        let times: Vec<Time> = events.iter().filter_map(|event| event.event_time).collect();
        let rhythm = Rhythm::of(&times, span, false);
        for silence in &rhythm.silences {
            let Some(start) = silence.start else { continue };
            let length = silence.end.unwrap_or(span.1) - start;
            let is_day = length >= TimeDelta::hours(24) && !rhythm.is_usual(silence);
            let is_odd = silence.end.is_some()
                && silence.hours() < 24.0
                && rhythm.is_long_enough()
                && rhythm.is_beyond_chance(silence);
            if is_day || is_odd {
                gaps.push(GapRow { place: place.clone(), start, end: silence.end, hours: length.num_hours() });
            }
        }
    }
    gaps
}

/// What `trail_gaps` begins with: all of it, where no digests tell more.
fn silence_table(oracle: &Oracle) -> ViewTable {
    let columns = &["recipient_account_id", "aws_region", "gap_start_time", "gap_end_time"];
    let rows = gaps(oracle).iter().map(|gap| gap.cells()[..columns.len()].to_vec()).collect();
    ViewTable { view: "trail_silences", columns, rows }
}

/// Blind spots of some kinds: those that a view of its own finds.
fn spot_table(view: &'static str, kinds: &[&str], spots: &[SpotRow]) -> ViewTable {
    let columns = &["account_id", "aws_region", "kind", "from_time", "to_time"];
    let found = spots.iter().filter(|spot| kinds.contains(&spot.kind));
    let mut rows: Vec<_> = found.map(|spot| spot.cells()[..columns.len()].to_vec()).collect();
    rows.sort();
    ViewTable { view, columns, rows }
}

fn rhythm_table(oracle: &Oracle) -> ViewTable {
    let columns = &["traffic", "recipient_account_id", "aws_region", "from_hour", "until_hour", "is_usual"];
    let places = by_place(oracle);
    let mut rows = Vec::new();
    let mut add = |traffic: &str, place: &Place, rhythm: &Rhythm| {
        rows.extend(rhythm.silences.iter().map(|silence| {
            let of_place = [some(traffic), place.0.clone(), place.1.clone()];
            let times = [Some(silence.from), Some(silence.until)].map(time_cell);
            [&of_place[..], &times[..], &[some(&rhythm.is_usual(silence))]].concat()
        }));
    };
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        let times: Vec<Time> = events.iter().filter_map(|event| event.event_time).collect();
        if let Some(span) = span_of(&places, &place.0) {
            add("management", place, &Rhythm::of(&times, span, false));
        }
    }
    for account in places.keys().filter_map(|place| place.0.clone()).collect::<BTreeSet<_>>() {
        let account = Some(account);
        if let Some(span) = span_of(&places, &account) {
            add("kms_reads", &(account.clone(), None), &Rhythm::of(&read_times(&places, &account), span, true));
        }
    }
    rows.sort();
    ViewTable { view: "trail_rhythms", columns, rows }
}

/// When an account's KMS was read, in whatever region, in order.
fn read_times(places: &BTreeMap<Place, Vec<&Event>>, account: &Option<String>) -> Vec<Time> {
    let of_account = places.iter().filter(|(place, _)| place.0 == *account);
    let reads = of_account.flat_map(|(_, events)| events).filter(|event| is_kms_read(event));
    let mut times: Vec<Time> = reads.filter_map(|event| event.event_time).collect();
    times.sort();
    times
}

fn changes(oracle: &Oracle) -> Vec<ChangeRow> {
    let names = ["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "PutEventSelectors"];
    let is_change = |event: &&Event| {
        text_at(&event.value, &["eventSource"]) == Some("cloudtrail.amazonaws.com")
            && names.contains(&name_of(event))
            && text_at(&event.value, &["errorCode"]).is_none()
    };
    let row = |event: &Event| {
        let at = |path: &[&str]| text_at(&event.value, path);
        let trail = at(&["requestParameters", "trailName"])
            .or_else(|| at(&["requestParameters", "name"]))
            .or_else(|| at(&["responseElements", "trailARN"]))
            .or_else(|| at(&["responseElements", "name"]));
        ChangeRow {
            account: event.recipient_account_id.clone(),
            event_id: event.event_id.clone(),
            time: event.event_time,
            event_name: name_of(event).to_owned(),
            trail_name: trail.map(|trail| trail.rsplit(":trail/").next().unwrap_or(trail).to_owned()),
            effect: effect(event),
        }
    };
    oracle.events.iter().filter(is_change).map(row).collect()
}

/// By the texts of the request: enough for the selectors that trails of the tests have.
fn effect(event: &Event) -> Option<&'static str> {
    let request = member(&event.value, "requestParameters").map(Value::to_string).unwrap_or_default();
    match name_of(event) {
        "StopLogging" | "DeleteTrail" => Some("stopped"),
        "StartLogging" => Some("started"),
        "UpdateTrail" if request.contains("s3BucketName") => Some("unknown"),
        "PutEventSelectors" if request.contains("\"eventName\"") => Some("partial"),
        "PutEventSelectors" if request.contains("kms.amazonaws.com") => Some("excluded"),
        "PutEventSelectors" if request.contains("WriteOnly") => Some("reads_excluded"),
        "PutEventSelectors" => Some("logged"),
        _ => None,
    }
}

fn place_of_key(key: &str) -> Place {
    let parts: Vec<&str> = key.split(':').collect();
    (parts.get(4).map(|part| (*part).to_owned()), parts.get(3).map(|part| (*part).to_owned()))
}

/// The keys that any event names.
fn keys(oracle: &Oracle, events: &[KmsEvent]) -> BTreeSet<String> {
    let touched = events.iter().flat_map(|event| &event.touches).filter_map(|touch| touch.key_arn.clone());
    touched.chain(sighted_keys(oracle).into_iter().map(|(_, key)| key)).collect()
}

/// Those, and the keys that only data events, failures of other services and aliases tell of.
fn judged_keys(oracle: &Oracle, events: &[KmsEvent]) -> BTreeSet<String> {
    let mut keys = keys(oracle, events);
    keys.extend(proofs(oracle).into_iter().map(|proof| proof.key_arn));
    keys.extend(unresolved_calls(oracle, events).into_iter().filter_map(|call| call.stood_for));
    keys
}

/// A cryptographic call whose record does not name a key that it needed.
struct Unresolved<'e> {
    event: &'e KmsEvent,
    alias: Option<String>,
    /// Account and region of the key.
    place: Place,
    /// The key that the alias stood for.
    stood_for: Option<String>,
}

/// Cryptographic calls whose record does not name a key that they needed, but for GenerateRandom, which needs none.
fn unresolved_calls<'e>(oracle: &Oracle, events: &'e [KmsEvent]) -> Vec<Unresolved<'e>> {
    let intervals = oracle.alias_intervals();
    let mut calls = Vec::new();
    for event in
        events.iter().filter(|event| is_cryptographic(&event.event_name) && event.event_name != "GenerateRandom")
    {
        let has_source = event.touches.iter().any(|touch| touch.role == KeyRole::Source);
        let lacks_key = event.touches.iter().any(|touch| touch.key_arn.is_none());
        let lacks_source = event.event_name == "ReEncrypt" && !has_source;
        let sides = [(lacks_key, &event.alias_arn), (lacks_source, &event.source_alias_arn)];
        let mut rows: BTreeMap<(Place, Option<String>), Option<String>> = BTreeMap::new();
        for alias_arn in sides.into_iter().filter(|(is_lacking, _)| *is_lacking).map(|(_, alias)| alias.as_deref()) {
            let alias = alias_arn.map(|arn| arn.splitn(6, ':').last().unwrap_or_default().to_owned());
            let place = match alias_arn.map(|arn| arn.split(':').collect::<Vec<_>>()) {
                Some(parts) => (parts.get(4).map(ToString::to_string), parts.get(3).map(ToString::to_string)),
                None => (event.recipient_account_id.clone(), event.aws_region.clone()),
            };
            for key in keys_of_alias(&intervals, alias_arn, event) {
                let known = rows.entry((place.clone(), key)).or_insert_with(|| alias.clone());
                *known = [known.take(), alias.clone()].into_iter().flatten().min();
            }
        }
        let call = |((place, stood_for), alias)| Unresolved { event, alias, place, stood_for };
        calls.extend(rows.into_iter().map(call));
    }
    calls
}

/// The keys that an alias may have stood for in a call; `None` where that may have been another.
fn keys_of_alias(intervals: &[AliasInterval], alias_arn: Option<&str>, event: &KmsEvent) -> BTreeSet<Option<String>> {
    let stood = |interval: &&AliasInterval| {
        let begin = interval.possible_from;
        let until = interval.valid_to.map(|end| end + TimeDelta::minutes(5));
        let is_within = |time| begin.is_none_or(|begin| time >= begin) && until.is_none_or(|until| time < until);
        Some(interval.alias_arn.as_str()) == alias_arn && event.event_time.is_none_or(is_within)
    };
    let stood: Vec<_> = intervals.iter().filter(stood).collect();
    let is_before = |interval: &&AliasInterval| event.event_time.is_none_or(|time| time < interval.valid_from);
    let mut keys: BTreeSet<_> = stood.iter().map(|interval| Some(interval.key_arn.clone())).collect();
    if keys.is_empty() || (event.error_code.is_none() && stood.iter().any(is_before)) {
        keys.insert(None);
    }
    keys
}

fn unresolved_table(oracle: &Oracle) -> ViewTable {
    let row = |Unresolved { event, alias, place, stood_for }: Unresolved<'_>| {
        let (account, id) = (event.recipient_account_id.clone(), some(&event.event_id));
        vec![account, id, some(event.outcome), alias, place.0, place.1, stood_for]
    };
    let mut rows: Vec<_> = unresolved_calls(oracle, &oracle.kms()).into_iter().map(row).collect();
    rows.sort();
    let columns =
        &["recipient_account_id", "event_id", "outcome", "alias_name", "key_account_id", "key_region", "key_arn"];
    ViewTable { view: "kms_unresolved_calls", columns, rows }
}

/// A record of another service that tells of a key.
struct Proof {
    key_arn: String,
    proof: &'static str,
    event_source: String,
    event_name: String,
    time: Option<Time>,
}

impl Proof {
    fn is_refusal(&self) -> bool {
        !["protects", "encrypted"].contains(&self.proof)
    }
}

/// Calls in the generated trails by which a service makes something with a key.
const MADE_WITH_KEY: [&str; 9] = [
    "RunInstances",
    "CreateVolume",
    "CopySnapshot",
    "CreateDBInstance",
    "CreateDBCluster",
    "CreateSecret",
    "PutParameter",
    "CreateFileSystem",
    "CreateTable",
];

/// Data events that name a key, calls that made something with one, and calls that KMS refused to a service.
fn proofs(oracle: &Oracle) -> Vec<Proof> {
    let mut proofs = Vec::new();
    for event in oracle.events.iter().filter(|event| !is_kms(event)) {
        let error_code = text_at(&event.value, &["errorCode"]);
        let proof = match error_code.map(|code| code.strip_prefix("KMS.").unwrap_or_default()) {
            None if flag(&event.value, "managementEvent") == Some(false) => "protects",
            None if MADE_WITH_KEY.contains(&name_of(event)) => "encrypted",
            Some("DisabledException" | "KMSInvalidStateException") => "blocked",
            Some("NotFoundException") => "not_found",
            _ => continue,
        };
        let message = text_at(&event.value, &["errorMessage"]).unwrap_or_default();
        let named = message.split(' ').next().map(str::to_owned).filter(|word| word.contains(":key/"));
        let keys = named.map_or_else(|| keys_in(event), |key| BTreeSet::from([key]));
        let text = |name: &str| text_at(&event.value, &[name]).unwrap_or_default().to_owned();
        let proof_of = |key_arn: String| Proof {
            key_arn,
            proof,
            event_source: text("eventSource"),
            event_name: text("eventName"),
            time: event.event_time,
        };
        proofs.extend(keys.into_iter().map(proof_of));
    }
    proofs
}

fn proof_table(oracle: &Oracle) -> ViewTable {
    let mut groups: BTreeMap<[String; 4], (u64, Span)> = BTreeMap::new();
    for proof in proofs(oracle) {
        let group = [proof.key_arn, proof.proof.to_owned(), proof.event_source, proof.event_name];
        let (count, span) = groups.entry(group).or_default();
        *count += 1;
        span.add(proof.time);
    }
    let row = |(group, (count, span)): ([String; 4], (u64, Span))| {
        let cells = [some(&count), time_cell(span.first), time_cell(span.last)];
        group.into_iter().map(Some).chain(cells).collect()
    };
    let columns =
        &["key_arn", "proof", "event_source", "event_name", "event_count", "first_seen_time", "last_seen_time"];
    ViewTable { view: "key_evidence", columns, rows: groups.into_iter().map(row).collect() }
}

fn blind_spots(oracle: &Oracle) -> Vec<SpotRow> {
    let places = by_place(oracle);
    let mut spots: Vec<SpotRow> = gaps(oracle)
        .into_iter()
        .map(|gap| SpotRow { place: gap.place, kind: "gap", from: Some(gap.start), to: gap.end, event_id: None })
        .collect();
    let of_keys: BTreeSet<Place> = keys(oracle, &oracle.kms()).iter().map(|key| place_of_key(key)).collect();
    for place in of_keys.into_iter().filter(|place| !places.contains_key(place)) {
        spots.push(SpotRow { place, kind: "no_logs", from: None, to: None, event_id: None });
    }
    let of_accounts = stopped_calls(&places);
    let is_new =
        |stop: &SpotRow| !of_accounts.iter().any(|known| (&known.place, known.from) == (&stop.place, stop.from));
    spots.extend(stopped_callers(&places).into_iter().filter(is_new));
    spots.extend(of_accounts);
    let changes = changes(oracle);
    let mut trails: Vec<LostTrail<'_>> = Vec::new();
    let mut read_days: BTreeMap<&Option<String>, BTreeSet<NaiveDate>> = BTreeMap::new();
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        read_days.entry(&place.0).or_default().extend(days_with_reads(events));
    }
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        spots.extend(silent_spans(place, events, &read_days[&place.0]));
        let (lost, of_place) = lost_spans(&changes, place, events);
        spots.extend(lost);
        trails.extend(of_place);
    }
    let mut of_changes: Vec<LostTrail<'_>> = Vec::new();
    for trail in trails {
        match of_changes.iter_mut().find(|known| known.change.event_id == trail.change.event_id) {
            Some(known) => known.until = known.until.max(trail.until),
            None => of_changes.push(trail),
        }
    }
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        spots.extend(member_spans(&of_changes, place, events));
    }
    spots
}

/// Places with events while no region of their account has a KMS read, for longer than chance or habit explain.
fn stopped_calls(places: &BTreeMap<Place, Vec<&Event>>) -> Vec<SpotRow> {
    let mut spots = Vec::new();
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        let Some(span) = span_of(places, &place.0) else { continue };
        let rhythm = Rhythm::of(&read_times(places, &place.0), span, true);
        let is_odd = |silence: &&Silence| {
            let is_unusual = match silence.hours() < 24.0 {
                true => silence.start.is_some(),
                false => !rhythm.is_usual(silence),
            };
            is_unusual && rhythm.is_long_enough() && rhythm.is_beyond_chance(silence)
        };
        for silence in rhythm.silences.iter().filter(is_odd) {
            let is_within = |time: Time| hour_of(time) >= silence.from && hour_of(time) < silence.until;
            if events.iter().filter_map(|event| event.event_time).any(is_within) {
                spots.push(SpotRow {
                    place: place.clone(),
                    kind: "kms_calls_stopped",
                    from: Some(silence.from),
                    to: Some(silence.until),
                    event_id: None,
                });
            }
        }
    }
    spots
}

/// Regions whose KMS reads end for a day or more after a day on which several callers had some in nearly every hour.
fn stopped_callers(places: &BTreeMap<Place, Vec<&Event>>) -> Vec<SpotRow> {
    let hour = TimeDelta::hours(1);
    let mut spots = Vec::new();
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        let timed = || events.iter().filter_map(|event| event.event_time.map(|time| (hour_of(time), *event)));
        let mut callers: BTreeMap<Time, BTreeSet<&str>> = BTreeMap::new();
        for (time, event) in timed().filter(|(_, event)| is_kms_read(event)) {
            callers.entry(time).or_default().extend(caller(event));
        }
        let Some(last) = timed().map(|(time, _)| time).max() else { continue };
        let nexts = callers.keys().skip(1).copied().chain([last + hour]);
        let stops: Vec<_> = callers
            .keys()
            .map(|time| *time + hour)
            .zip(nexts)
            .filter(|(from, until)| {
                let day = callers.range(*from - TimeDelta::hours(24)..*from);
                let is_busy = day.filter(|(_, callers)| callers.len() >= 3).count() >= 18;
                is_busy
                    && *until - *from >= TimeDelta::hours(24)
                    && timed().any(|(time, _)| time >= *from && time < *until)
            })
            .collect();
        // Three of them are the rhythm of the place.
        for (from, until) in stops.iter().filter(|_| stops.len() < 3) {
            let (from, to) = (Some(*from), Some(*until));
            spots.push(SpotRow { place: place.clone(), kind: "kms_calls_stopped", from, to, event_id: None });
        }
    }
    spots
}

fn days_of<'e>(events: &[&'e Event]) -> BTreeMap<NaiveDate, Vec<&'e Event>> {
    let mut days: BTreeMap<NaiveDate, Vec<&Event>> = BTreeMap::new();
    for event in events {
        if let Some(time) = event.event_time {
            days.entry(time.date_naive()).or_default().push(event);
        }
    }
    days
}

/// Whether a day's events show that KMS reads are logged: a trail of writes lets pass what is marked as one.
fn has_read(day: &[&Event]) -> bool {
    let is_marked_write = |event: &&Event| flag(&event.value, "readOnly") == Some(false);
    let has_other_read = day.iter().any(|event| is_other_read(event));
    day.iter().any(|event| is_kms_read(event) && (has_other_read || !is_marked_write(event)))
}

fn days_with_reads(events: &[&Event]) -> Vec<NaiveDate> {
    days_of(events).into_iter().filter(|(_, day)| has_read(day)).map(|(date, _)| date).collect()
}

/// Each is a call of KMS, too.
fn is_secret_read(event: &Event) -> bool {
    name_of(event) == "GetSecretValue" && text_at(&event.value, &["errorCode"]).is_none()
}

/// Days of traffic without a KMS read, one after the other: at least 7, or all that there are, and mostly days on which no other region
/// of the account (`read_days`) has any.
fn silent_spans(place: &Place, events: &[&Event], read_days: &BTreeSet<NaiveDate>) -> Vec<SpotRow> {
    let days = days_of(events);
    let mut spans: Vec<Vec<&Event>> = Vec::new();
    let mut span_days: Vec<Vec<NaiveDate>> = Vec::new();
    let mut is_silent = false;
    for (date, day) in &days {
        let has_read = has_read(day);
        if !has_read && !is_silent {
            spans.push(Vec::new());
            span_days.push(Vec::new());
        }
        is_silent = !has_read;
        if let (true, Some(span), Some(dates)) = (is_silent, spans.last_mut(), span_days.last_mut()) {
            span.extend(day);
            dates.push(*date);
        }
    }
    let is_blind = |span: &[&Event], dates: &[NaiveDate]| {
        let elsewhere = dates.iter().filter(|date| read_days.contains(date)).count();
        let is_long = dates.len() >= 7 || dates.len() == days.len();
        span.iter().filter(|event| is_secret_read(event)).count() >= 3
            || (is_long
                && (elsewhere * 2 < dates.len()
                    || !span.iter().any(|event| is_other_read(event))
                    || span.iter().filter(|event| is_kms_management(event)).count() >= 3))
    };
    spans
        .into_iter()
        .zip(span_days)
        .filter(|(span, dates)| is_blind(span, dates))
        .map(|(span, _)| {
            let has_kms_write = span.iter().any(|event| is_kms(event) && !is_kms_read(event));
            let kind = match (span.iter().any(|event| is_other_read(event)), has_kms_write) {
                (false, _) => "write_only",
                (true, true) => "kms_writes_only",
                (true, false) => "no_kms_calls",
            };
            let from = span.iter().filter_map(|event| event.event_time).min();
            let to = span.iter().filter_map(|event| event.event_time).max();
            SpotRow { place: place.clone(), kind, from, to, event_id: None }
        })
        .collect()
}

/// A trail whose selectors took the KMS reads of its account away.
struct LostTrail<'c> {
    change: &'c ChangeRow,
    until: Option<Time>,
}

/// When a change of a trail is taken back: by the next start of any trail of the account, or by the trail's next selectors or its end.
fn taken_back(change: &ChangeRow, changes: &[ChangeRow]) -> Option<Time> {
    let is_stop = change.effect == Some("stopped");
    let ends = |next: &&ChangeRow| match is_stop {
        true => next.effect == Some("started"),
        false => {
            next.trail_name == change.trail_name
                && ["PutEventSelectors", "DeleteTrail"].contains(&next.event_name.as_str())
        }
    };
    changes
        .iter()
        .filter(|next| next.account == change.account && next.effect.is_some_and(|effect| effect != "unknown"))
        .filter(|next| (next.time, &next.event_id) > (change.time, &change.event_id))
        .filter(ends)
        .filter_map(|next| next.time)
        .min()
}

/// Whether what comes back at `resumed` was away for a day, or until the change was taken back.
fn is_away(from: Time, until: Option<Time>, resumed: Option<Time>) -> bool {
    let Some(resumed) = resumed else { return true };
    resumed >= from + TimeDelta::hours(25) || until.is_some_and(|until| resumed >= until - TimeDelta::hours(1))
}

fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    [one, other].into_iter().flatten().min()
}

/// Changes of the account's trails after which the place logs no KMS read, or after a stop nothing at all.
fn lost_spans<'c>(changes: &'c [ChangeRow], place: &Place, events: &[&Event]) -> (Vec<SpotRow>, Vec<LostTrail<'c>>) {
    let (mut spots, mut trails) = (Vec::new(), Vec::new());
    for change in changes.iter().filter(|change| change.account == place.0) {
        let is_stop = change.effect == Some("stopped");
        let kind = match change.effect {
            Some("stopped") => "logging_stopped",
            Some("unknown") if change.event_name == "UpdateTrail" => "logging_stopped",
            Some("excluded" | "reads_excluded" | "unknown") => "kms_excluded",
            Some("partial") => "kms_partial",
            _ => continue,
        };
        let (Some(from), until) = (change.time, taken_back(change, changes)) else { continue };
        let is_meant = |event: &&&Event| is_stop || is_kms_read(event);
        let hours = events.iter().filter(is_meant).filter_map(|event| event.event_time).map(hour_of);
        let resumed = hours.filter(|hour| *hour >= from + TimeDelta::hours(1)).min();
        let last = events.iter().filter_map(|event| event.event_time).max();
        let is_untold =
            change.effect == Some("unknown") && resumed.is_none() && last < Some(from + TimeDelta::hours(25));
        if kind != "kms_partial" && (is_untold || !is_away(from, until, resumed)) {
            continue;
        }
        let to = if kind == "kms_partial" { until } else { earlier(resumed, until) };
        let event_id = Some(change.event_id.clone());
        spots.push(SpotRow { place: place.clone(), kind, from: Some(from), to, event_id });
        // Where the logs do not tell that it was taken back, the account's own reads do.
        if !is_stop && kind != "kms_partial" {
            trails.push(LostTrail { change, until: until.or(to) });
        }
    }
    (spots, trails)
}

/// Places of other accounts whose KMS reads of the day before stop with a trail: members of its organization.
fn member_spans(trails: &[LostTrail<'_>], place: &Place, events: &[&Event]) -> Vec<SpotRow> {
    let hours: BTreeSet<Time> =
        events.iter().filter(|event| is_kms_read(event)).filter_map(|event| event.event_time).map(hour_of).collect();
    let mut spots = Vec::new();
    for trail in trails.iter().filter(|trail| trail.change.account != place.0) {
        let Some(from) = trail.change.time else { continue };
        let is_before =
            hours.iter().any(|hour| *hour > from - TimeDelta::hours(25) && *hour < from + TimeDelta::hours(1));
        let resumed = hours.iter().copied().find(|hour| *hour >= from + TimeDelta::hours(1));
        let is_silent = resumed.is_none_or(|resumed| {
            resumed >= from + TimeDelta::hours(25)
                && trail.until.is_some_and(|until| resumed >= until - TimeDelta::hours(1))
        });
        if !is_before || !is_silent {
            continue;
        }
        let event_id = Some(trail.change.event_id.clone());
        let to = trail.until;
        spots.push(SpotRow { place: place.clone(), kind: "kms_excluded", from: Some(from), to, event_id });
    }
    spots
}

/// The kinds of blind spots of a place, sorted; `no_logs` where nothing is covered.
pub(super) fn kinds_of_place(oracle: &Oracle, account_id: &str, region: &str) -> Vec<String> {
    let place = (Some(account_id.to_owned()), Some(region.to_owned()));
    if !by_place(oracle).contains_key(&place) {
        return vec!["no_logs".to_owned()];
    }
    let kinds: BTreeSet<&str> =
        blind_spots(oracle).into_iter().filter(|spot| spot.place == place).map(|spot| spot.kind).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

/// What the logs show of one key by itself.
struct Seen {
    key_arn: String,
    uses: u64,
    probes: u64,
    denied: u64,
    unmet: u64,
    outcomes: BTreeSet<&'static str>,
    last_use: Option<Time>,
    last_blocked: Option<Time>,
    /// Kinds of blind spots, a use without a key, and signs of use.
    holes: Vec<String>,
    unattributed_uses: u64,
    unattributed_failures: u64,
    covered_days: u64,
}

/// Calls that need the key, and are no cryptographic ones.
pub(super) const REFUSED_BESIDE: [&str; 3] = ["CreateGrant", "GetPublicKey", "ReplicateKey"];
const UNMET: [&str; 4] = ["blocked", "not_found", "transient", "verify_failed"];

pub(super) fn verdicts(oracle: &Oracle) -> Vec<VerdictRow> {
    let events = oracle.kms();
    let evidence = Evidence {
        unresolved: unresolved_calls(oracle, &events),
        proofs: proofs(oracle),
        spots: blind_spots(oracle),
        places: by_place(oracle),
        lives: oracle.key_lives(),
        events: &events,
    };
    let seen: Vec<Seen> = judged_keys(oracle, &events).into_iter().map(|key| evidence.seen(key)).collect();
    seen.iter().map(|of_key| verdict(of_key, &seen)).collect()
}

/// What is no use, and nothing that a key without one would have.
const SIGNS: [&str; 4] = ["other_key_blocked", "unknown_failure", "unknown_operation", "unopened_ciphertext"];

/// What a failure that was no refusal shows.
fn of_failure(event: &KmsEvent) -> &'static str {
    match event.error_code.as_deref().unwrap_or_default() {
        "InvalidCiphertextException" => "unopened_ciphertext",
        "IncorrectKeyException" | "InvalidKeyUsageException" | "ValidationException" => "failed",
        _ => "unknown_failure",
    }
}

/// The outcome of each call with a key that says anything about its use, with its event.
fn calls<'e>(key: &str, events: &'e [KmsEvent], unresolved: &[Unresolved<'e>]) -> Vec<(&'static str, &'e KmsEvent)> {
    let mut calls = Vec::new();
    for event in events {
        let roles: Vec<KeyRole> = event
            .touches
            .iter()
            .filter(|touch| touch.key_arn.as_deref() == Some(key))
            .map(|touch| touch.role)
            .collect();
        let is_cryptographic = roles.iter().any(|role| *role != KeyRole::Target);
        let is_other_key = ["blocked", "not_found", "transient"].contains(&event.outcome)
            && !event.message.contains(key)
            && event
                .touches
                .iter()
                .filter_map(|touch| touch.key_arn.as_ref())
                .any(|other| event.message.contains(other));
        match event.outcome {
            _ if roles.is_empty() => {}
            _ if is_other_key => calls.push(("other_key_blocked", event)),
            "failed" if is_cryptographic => calls.push((of_failure(event), event)),
            outcome if is_cryptographic => calls.push((outcome, event)),
            outcome @ ("blocked" | "not_found" | "transient")
                if REFUSED_BESIDE.contains(&event.event_name.as_str()) =>
            {
                calls.push((outcome, event));
            }
            "succeeded" if event.event_name == "EncryptStream" => calls.push(("unknown_operation", event)),
            _ => {}
        }
    }
    let by_alias = unresolved.iter().filter(|call| call.stood_for.as_deref() == Some(key));
    calls.extend(by_alias.map(|call| (call.event.outcome, call.event)));
    calls
}

fn is_success(event: &KmsEvent) -> bool {
    event.error_code.is_none()
}

/// What all keys are judged by.
struct Evidence<'e> {
    events: &'e [KmsEvent],
    unresolved: Vec<Unresolved<'e>>,
    proofs: Vec<Proof>,
    spots: Vec<SpotRow>,
    places: BTreeMap<Place, Vec<&'e Event>>,
    lives: BTreeMap<String, Vec<LifeEvent>>,
}

impl Evidence<'_> {
    fn seen(&self, key: String) -> Seen {
        let calls = calls(&key, self.events, &self.unresolved);
        let place = place_of_key(&key);
        let last = |is_meant: &dyn Fn(&str, &KmsEvent) -> bool| {
            let meant = calls.iter().filter(|(outcome, event)| is_meant(outcome, event));
            meant.filter_map(|(_, event)| event.event_time).max()
        };
        let count = |is_meant: &dyn Fn(&str, &KmsEvent) -> bool| {
            calls.iter().filter(|(outcome, event)| is_meant(outcome, event)).count() as u64
        };
        let refused: Vec<&Proof> =
            self.proofs.iter().filter(|proof| proof.key_arn == key && proof.is_refusal()).collect();
        let outcomes = calls.iter().map(|(outcome, _)| *outcome).filter(|outcome| UNMET.contains(outcome));
        let in_service = refused.iter().map(|proof| match proof.proof {
            "blocked" => "blocked_in_service",
            _ => "not_found_in_service",
        });
        let covered = self.places.get(&place).map(Vec::as_slice).unwrap_or_default();
        let days: BTreeSet<_> =
            covered.iter().filter_map(|event| event.event_time).map(|time| time.date_naive()).collect();
        let is_blocked = |outcome: &str, _: &KmsEvent| ["blocked", "not_found"].contains(&outcome);
        Seen {
            uses: count(&|_, event| event.is_use()),
            probes: count(&|outcome, event| event.is_use() && outcome == "probe"),
            denied: count(&|outcome, _| outcome == "denied"),
            unmet: count(&|outcome, _| UNMET.contains(&outcome)) + refused.len() as u64,
            outcomes: outcomes.chain(in_service).collect(),
            last_use: last(&|_, event| event.is_use()),
            last_blocked: last(&is_blocked).max(refused.iter().filter_map(|proof| proof.time).max()),
            holes: self.holes(&key, &place, &calls),
            unattributed_uses: self.nameless(&place, is_success),
            unattributed_failures: self.nameless(&place, |event| !is_success(event)),
            covered_days: days.len() as u64,
            key_arn: key,
        }
    }

    /// Calls that may be of a place and name neither a key nor an alias that is known.
    fn nameless_calls<'s>(&'s self, place: &'s Place) -> impl Iterator<Item = &'s KmsEvent> {
        let may_be_of = |call: &&Unresolved<'_>| {
            call.stood_for.is_none()
                && [(&call.place.0, &place.0), (&call.place.1, &place.1)]
                    .iter()
                    .all(|(named, of_key)| named.is_none() || named == of_key)
        };
        self.unresolved.iter().filter(may_be_of).map(|call| call.event)
    }

    fn nameless(&self, place: &Place, is_meant: impl Fn(&KmsEvent) -> bool) -> u64 {
        self.nameless_calls(place).filter(|event| is_meant(event)).count() as u64
    }

    /// When the first and the last of them came; none where a time is not known.
    fn span_of_nameless(&self, place: &Place) -> (Option<Time>, Option<Time>) {
        let times: Option<Vec<Time>> = self.nameless_calls(place).map(|event| event.event_time).collect();
        let times = times.unwrap_or_default();
        (times.iter().min().copied(), times.iter().max().copied())
    }

    /// Kinds of blind spots that end after the key was made, a use that names no key, and signs that the key is needed.
    fn holes(&self, key: &str, place: &Place, calls: &[(&'static str, &KmsEvent)]) -> Vec<String> {
        let creation = self.lives.get(key).and_then(|life| {
            life.iter().find(|event| event.lifecycle_event == "created").and_then(|event| event.event_time)
        });
        let deletion = self.lives.get(key).and_then(|life| {
            let of_life = |event: &&LifeEvent| ["created", "deleted"].contains(&event.lifecycle_event);
            life.iter().rfind(of_life).filter(|event| event.lifecycle_event == "deleted")?.event_time
        });
        let is_of_life = |spot: &&SpotRow| {
            (spot.to.is_none() || creation.is_none() || spot.to > creation)
                && (spot.from.is_none() || deletion.is_none() || spot.from < deletion)
        };
        let spots = self.spots.iter().filter(|spot| spot.place == *place).filter(is_of_life);
        let kinds: BTreeSet<&str> = match self.places.contains_key(place) {
            true => spots.map(|spot| spot.kind).collect(),
            false => BTreeSet::from(["no_logs"]),
        };
        let signs: BTreeSet<&str> =
            calls.iter().map(|(outcome, _)| *outcome).filter(|outcome| SIGNS.contains(outcome)).collect();
        let proves = |word: &str| self.proofs.iter().any(|proof| proof.key_arn == key && proof.proof == word);
        let (first, last) = self.span_of_nameless(place);
        let is_later = |one: Option<Time>, other: Option<Time>| one.zip(other).is_some_and(|(one, other)| one > other);
        let lived_then = !is_later(creation, last) && !is_later(first, deletion);
        let nameless = (lived_then && self.nameless(place, is_success) > 0).then_some("unattributed_use");
        let is_throttled = |event: &KmsEvent| event.error_code.as_deref().is_some_and(|code| code.contains("Throttl"));
        let tried_again = |event: &KmsEvent| {
            let is_later = |use_: &&KmsEvent| use_.is_use() && use_.event_time >= event.event_time;
            event.principal.is_some()
                && self.events.iter().filter(is_later).any(|use_| use_.principal == event.principal)
        };
        let is_demand = |event: &KmsEvent| UNMET.contains(&event.outcome) && event.outcome != "not_found";
        let is_unmet = |event: &KmsEvent| is_demand(event) && !(is_throttled(event) && tried_again(event));
        let demand = lived_then && self.nameless(place, is_unmet) > 0;
        let demand = demand.then_some("unattributed_demand");
        let data = [("protects", "protects_objects"), ("encrypted", "encrypted_resource")];
        let data = data.into_iter().filter(|(word, _)| proves(word)).map(|(_, reason)| reason);
        kinds.into_iter().chain(nameless).chain(demand).chain(signs).chain(data).map(str::to_owned).collect()
    }
}

/// A key's own uses and failures first, then those of its set, then what is missing.
fn verdict(key: &Seen, all: &[Seen]) -> VerdictRow {
    let id = |seen: &Seen| seen.key_arn.rsplit('/').next().unwrap_or_default().to_owned();
    let is_sibling = |other: &&Seen| {
        id(key).starts_with("mrk-")
            && id(other) == id(key)
            && place_of_key(&other.key_arn).0 == place_of_key(&key.key_arn).0
    };
    let family: Vec<&Seen> = all.iter().filter(is_sibling).collect();
    let is_family_used = family.iter().any(|member| member.uses > 0);
    let family_use = family.iter().filter_map(|member| member.last_use).max();
    let family_blocked = family.iter().filter_map(|member| member.last_blocked).max();
    // What the key's own calls came to goes before what services tell of it.
    let (own, in_service): (Vec<&str>, Vec<&str>) =
        key.outcomes.iter().copied().partition(|outcome| !outcome.ends_with("_in_service"));
    let outcomes = [own, in_service].concat().join(",");
    let has_other_holes = family.iter().any(|member| member.key_arn != key.key_arn && !member.holes.is_empty());
    let mut holes = key.holes.clone();
    holes.extend(has_other_holes.then(|| "multi_region_sibling_incomplete".to_owned()));
    let word = |word: &str| word.to_owned();
    let (verdict, reasons) = match () {
        () if key.last_blocked.is_some() && key.last_use < key.last_blocked => ("blocked_demand", outcomes),
        () if key.uses > 0 && key.uses <= key.probes => ("in_use", word("only_probes")),
        () if key.uses > 0 => ("in_use", word("use")),
        () if family_blocked.is_some() && family_use < family_blocked => {
            ("blocked_demand", if key.unmet > 0 { outcomes } else { word("multi_region_sibling_blocked") })
        }
        () if is_family_used => ("in_use", word("multi_region_sibling_used")),
        () if key.unmet > 0 => ("blocked_demand", outcomes),
        () if family.iter().any(|member| member.unmet > 0) => ("blocked_demand", word("multi_region_sibling_blocked")),
        () if !holes.is_empty() => ("incomplete", holes.join(",")),
        () => ("no_use_found", String::new()),
    };
    VerdictRow {
        key_arn: key.key_arn.clone(),
        verdict,
        reasons,
        use_event_count: key.uses,
        probe_count: key.probes,
        unmet_count: key.unmet,
        denied_count: key.denied,
        unattributed_use_count: key.unattributed_uses,
        unattributed_failure_count: key.unattributed_failures,
        covered_day_count: key.covered_days,
    }
}
