//! What the logs cover and where they are blind, and the verdict on each key that follows, counted in plain loops.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DurationRound as _, NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use super::contexts::named_keys;
use super::kms::{KeyRole, KmsEvent, is_cryptographic, is_write, member, text_at};
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
    kms_read_count: u64,
    kms_write_count: u64,
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
        "kms_read_count",
        "kms_write_count",
        "other_read_count",
        "other_write_count",
        "first_event_time",
        "last_event_time",
    ];
    fn cells(&self) -> Vec<Option<String>> {
        let ((account, region, hour), row) = self;
        let mut cells = vec![account.clone(), region.clone(), time_cell(*hour)];
        cells.push(row.file_count.and_then(|count| some(&count)));
        let counts =
            [row.record_count, row.kms_read_count, row.kms_write_count, row.other_read_count, row.other_write_count];
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
    end: Time,
}

impl Row for GapRow {
    const VIEW: &'static str = "trail_gaps";
    const COLUMNS: &'static [&'static str] =
        &["recipient_account_id", "aws_region", "gap_start_time", "gap_end_time", "gap_hours"];
    fn cells(&self) -> Vec<Option<String>> {
        let hours = (self.end - self.start).num_hours();
        let (start, end) = (time_cell(Some(self.start)), time_cell(Some(self.end)));
        vec![self.place.0.clone(), self.place.1.clone(), start, end, some(&hours)]
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
    vec![
        table(&hours),
        table(&gaps(oracle)),
        table(&changes(oracle)),
        table(&blind_spots(oracle)),
        table(&verdicts(oracle)),
    ]
}

fn region_of(event: &Event) -> Option<String> {
    text_at(&event.value, &["awsRegion"]).map(str::to_owned)
}

fn place_of(event: &Event) -> Place {
    (event.recipient_account_id.clone(), region_of(event))
}

fn hour_of(time: Time) -> Time {
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

fn is_other_read(event: &Event) -> bool {
    is_other_management(event) && flag(&event.value, "readOnly") == Some(true)
}

fn is_other_management(event: &Event) -> bool {
    let category = text_at(&event.value, &["eventCategory"]);
    !is_kms(event)
        && flag(&event.value, "managementEvent") != Some(false)
        && category.is_none_or(|category| category == "Management")
}

fn hours(oracle: &Oracle) -> BTreeMap<Hour, HourRow> {
    let mut hours: BTreeMap<Hour, HourRow> = BTreeMap::new();
    for event in &oracle.events {
        let (account, region) = place_of(event);
        let row = hours.entry((account, region, event.event_time.map(hour_of))).or_default();
        row.record_count += 1;
        row.kms_read_count += u64::from(is_kms_read(event));
        row.kms_write_count += u64::from(is_kms(event) && !is_kms_read(event));
        row.other_read_count += u64::from(is_other_read(event));
        row.other_write_count += u64::from(is_other_management(event) && !is_other_read(event));
        row.span.add(event.event_time);
    }
    for hour in oracle.log_files.iter().map(|path| delivery_hour(path)).filter(|hour| hour.0.is_some()) {
        let row = hours.entry(hour).or_default();
        row.file_count = Some(row.file_count.unwrap_or(0) + 1);
    }
    hours
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

/// The events of each account and region that name both, in order of time.
fn by_place(oracle: &Oracle) -> BTreeMap<Place, Vec<&Event>> {
    let mut places: BTreeMap<Place, Vec<&Event>> = BTreeMap::new();
    for event in &oracle.events {
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

fn gaps(oracle: &Oracle) -> Vec<GapRow> {
    let mut gaps = Vec::new();
    for (place, events) in by_place(oracle).into_iter().filter(|(place, _)| is_whole(place)) {
        let times: Vec<Time> = events.iter().filter_map(|event| event.event_time).collect();
        for pair in times.windows(2).filter(|pair| pair[1] - pair[0] >= TimeDelta::hours(24)) {
            gaps.push(GapRow { place: place.clone(), start: pair[0], end: pair[1] });
        }
    }
    gaps
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
    touched.chain(named_keys(oracle).into_iter().map(|(_, key, _)| key)).collect()
}

fn blind_spots(oracle: &Oracle) -> Vec<SpotRow> {
    let places = by_place(oracle);
    let mut spots: Vec<SpotRow> = gaps(oracle)
        .into_iter()
        .map(|gap| SpotRow { place: gap.place, kind: "gap", from: Some(gap.start), to: Some(gap.end), event_id: None })
        .collect();
    let of_keys: BTreeSet<Place> = keys(oracle, &oracle.kms()).iter().map(|key| place_of_key(key)).collect();
    for place in of_keys.into_iter().filter(|place| !places.contains_key(place)) {
        spots.push(SpotRow { place, kind: "no_logs", from: None, to: None, event_id: None });
    }
    for (place, events) in places.iter().filter(|(place, _)| is_whole(place)) {
        spots.extend(silent_spans(place, events));
        spots.extend(lost_spans(&changes(oracle), place, events));
    }
    spots
}

/// Days of traffic without a KMS read, one after the other: at least 7, or all that there are.
fn silent_spans(place: &Place, events: &[&Event]) -> Vec<SpotRow> {
    let mut days: BTreeMap<NaiveDate, Vec<&Event>> = BTreeMap::new();
    for event in events {
        if let Some(time) = event.event_time {
            days.entry(time.date_naive()).or_default().push(event);
        }
    }
    let mut spans: Vec<Vec<&Event>> = Vec::new();
    let mut span_days = Vec::new();
    let mut is_silent = false;
    for day in days.values() {
        let has_read = day.iter().any(|event| is_kms_read(event));
        if !has_read && !is_silent {
            spans.push(Vec::new());
            span_days.push(0);
        }
        is_silent = !has_read;
        if let (true, Some(span), Some(count)) = (is_silent, spans.last_mut(), span_days.last_mut()) {
            span.extend(day);
            *count += 1;
        }
    }
    let is_long = |count: usize| count >= 7 || count == days.len();
    spans
        .into_iter()
        .zip(span_days)
        .filter(|(_, count)| is_long(*count))
        .map(|(span, _)| {
            let kind = match (span.iter().any(|event| is_other_read(event)), span.iter().any(|event| is_kms(event))) {
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

/// Changes of the account's trails after which the place logs no KMS read, until the next change of the same sort.
fn lost_spans(changes: &[ChangeRow], place: &Place, events: &[&Event]) -> Vec<SpotRow> {
    let is_selector = |change: &ChangeRow| change.event_name == "PutEventSelectors";
    let effective: Vec<&ChangeRow> = changes
        .iter()
        .filter(|change| change.account == place.0 && change.effect.is_some_and(|effect| effect != "unknown"))
        .collect();
    let last = events.iter().filter_map(|event| event.event_time).max();
    let mut spots = Vec::new();
    for change in &effective {
        let kind = match change.effect {
            Some("stopped") => "logging_stopped",
            Some("excluded" | "reads_excluded") => "kms_excluded",
            _ => continue,
        };
        let until = effective
            .iter()
            .filter(|next| next.trail_name == change.trail_name && is_selector(next) == is_selector(change))
            .filter(|next| (next.time, &next.event_id) > (change.time, &change.event_id))
            .filter_map(|next| next.time)
            .min();
        let end = until.or(last).map(|end| end - TimeDelta::hours(1));
        let is_within = |event: &&&Event| {
            let hour = event.event_time.map(hour_of);
            hour > change.time && hour.is_some() && hour < end
        };
        let within: Vec<_> = events.iter().filter(is_within).collect();
        let is_dark = !within.iter().any(|event| is_kms_read(event));
        if is_dark && (kind != "logging_stopped" || within.is_empty()) {
            let event_id = Some(change.event_id.clone());
            spots.push(SpotRow { place: place.clone(), kind, from: change.time, to: until, event_id });
        }
    }
    spots
}

/// A cryptographic call's roles towards a key: all but management.
fn calls<'e>(events: &'e [KmsEvent], key: &str) -> Vec<&'e KmsEvent> {
    let touches = |event: &&KmsEvent| {
        event.touches.iter().any(|touch| touch.key_arn.as_deref() == Some(key) && touch.role != KeyRole::Target)
    };
    events.iter().filter(touches).collect()
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

pub(super) fn verdicts(oracle: &Oracle) -> Vec<VerdictRow> {
    let events = oracle.kms();
    let spots = blind_spots(oracle);
    let places = by_place(oracle);
    let all = keys(oracle, &events);
    all.iter().map(|key| verdict(key, &all, &events, &spots, &places)).collect()
}

fn verdict(
    key: &str,
    all: &BTreeSet<String>,
    events: &[KmsEvent],
    spots: &[SpotRow],
    places: &BTreeMap<Place, Vec<&Event>>,
) -> VerdictRow {
    let calls = calls(events, key);
    let count = |outcomes: &[&str]| calls.iter().filter(|event| outcomes.contains(&event.outcome)).count() as u64;
    let last = |is_meant: &dyn Fn(&KmsEvent) -> bool| {
        calls.iter().filter(|event| is_meant(event)).filter_map(|event| event.event_time).max()
    };
    let uses = calls.iter().filter(|event| event.is_use()).count() as u64;
    let probes = calls.iter().filter(|event| event.is_use() && event.outcome == "probe").count() as u64;
    let unmet = ["blocked", "transient", "not_found", "verify_failed"];
    let (last_use, last_blocked) =
        (last(&KmsEvent::is_use), last(&|event| ["blocked", "not_found"].contains(&event.outcome)));
    let place = place_of_key(key);
    let mut kinds: Vec<&str> = spots.iter().filter(|spot| spot.place == place).map(|spot| spot.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let id = key.rsplit('/').next().unwrap_or_default();
    let is_sibling_used = id.starts_with("mrk-")
        && all.iter().any(|other| {
            other.ends_with(id)
                && place_of_key(other).0 == place.0
                && self::calls(events, other).iter().any(|event| event.is_use())
        });
    let outcomes: BTreeSet<&str> =
        calls.iter().map(|event| event.outcome).filter(|word| unmet.contains(word)).collect();
    let outcomes = outcomes.into_iter().collect::<Vec<_>>().join(",");
    let (verdict, reasons) = match () {
        () if last_blocked.is_some() && last_use < last_blocked => ("blocked_demand", outcomes),
        () if uses > 0 && uses <= probes => ("in_use", "only_probes".to_owned()),
        () if uses > 0 => ("in_use", "use".to_owned()),
        () if is_sibling_used => ("in_use", "multi_region_sibling_used".to_owned()),
        () if !outcomes.is_empty() => ("blocked_demand", outcomes),
        () if !kinds.is_empty() => ("incomplete", kinds.join(",")),
        () => ("no_use_found", String::new()),
    };
    let is_unattributed = |event: &&KmsEvent| {
        is_cryptographic(&event.event_name)
            && event.error_code.is_some()
            && (event.recipient_account_id.clone(), event.aws_region.clone()) == place
            && event.touches.iter().any(|touch| touch.key_arn.is_none())
    };
    let covered = places.get(&place).map(Vec::as_slice).unwrap_or_default();
    let days: BTreeSet<_> = covered.iter().filter_map(|event| event.event_time).map(|time| time.date_naive()).collect();
    VerdictRow {
        key_arn: key.to_owned(),
        verdict,
        reasons,
        use_event_count: uses,
        probe_count: probes,
        unmet_count: count(&unmet),
        denied_count: count(&["denied"]),
        unattributed_failure_count: events.iter().filter(is_unattributed).count() as u64,
        covered_day_count: days.len() as u64,
    }
}
