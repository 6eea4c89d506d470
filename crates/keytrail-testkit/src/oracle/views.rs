//! The rows of every view, counted in plain loops over the events.
//!
//! Rows are sorted; comparing them with an engine's result needs that result sorted the same way. No SQL anywhere.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use super::contexts::Records;
use super::coverage;
use super::kms::{KeyRole, KmsEvent, Touch, is_write, text_at};
use super::{Event, Oracle};

pub(super) type Time = DateTime<Utc>;

/// A row of a view: typed fields, and the same as texts.
pub trait Row {
    /// The view's name.
    const VIEW: &'static str;
    /// The names of the columns that [`Self::cells`] gives, in order.
    const COLUMNS: &'static [&'static str];
    /// The values as texts: times in RFC 3339 with `Z` and as many decimals as they need, dates `YYYY-MM-DD`, null = `None`.
    fn cells(&self) -> Vec<Option<String>>;
}

/// A view's rows as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewTable {
    /// The view's name.
    pub view: &'static str,
    /// The names of the columns.
    pub columns: &'static [&'static str],
    /// The rows, sorted.
    pub rows: Vec<Vec<Option<String>>>,
}

pub(super) fn table<R: Row>(rows: &[R]) -> ViewTable {
    let mut rows: Vec<_> = rows.iter().map(Row::cells).collect();
    rows.sort();
    ViewTable { view: R::VIEW, columns: R::COLUMNS, rows }
}

/// A row of `kms_events`: only what identifies it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct KmsEventRow {
    pub recipient_account_id: Option<String>,
    pub event_id: String,
    pub key_arn: Option<String>,
    pub key_role: &'static str,
    pub outcome: &'static str,
}

/// A row of `kms_key_usage`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct KeyUsageRow {
    pub key_arn: String,
    pub first_used_time: Option<Time>,
    pub last_used_time: Option<Time>,
    pub last_used_event_id: Option<String>,
    pub last_used_operation: Option<String>,
    pub last_used_principal_arn: Option<String>,
    pub use_event_count: u64,
    pub use_count: u64,
    pub decrypt_count: u64,
    pub ciphertext_created_count: u64,
    pub sign_mac_count: u64,
    pub failed_count: u64,
    pub principal_count: u64,
    pub service_count: u64,
}

/// A row of `kms_key_usage_daily`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct KeyUsageDailyRow {
    pub key_arn: String,
    pub event_date: Option<NaiveDate>,
    pub operation: String,
    pub use_event_count: u64,
    pub failed_count: u64,
}

/// A row of `kms_encryption_contexts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct EncryptionContextRow {
    pub key_arn: Option<String>,
    pub context_key: String,
    pub context_value: Option<String>,
    pub event_count: u64,
    pub first_seen_time: Option<Time>,
    pub last_seen_time: Option<Time>,
}

/// A row of `kms_failed_attempts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct FailedAttemptRow {
    pub key_arn: Option<String>,
    pub error_code: String,
    pub outcome: &'static str,
    pub event_count: u64,
    pub first_seen_time: Option<Time>,
    pub last_seen_time: Option<Time>,
}

/// A row of `log_file_coverage`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct CoverageRow {
    pub recipient_account_id: Option<String>,
    pub aws_region: Option<String>,
    pub event_date: Option<NaiveDate>,
    pub file_count: Option<u64>,
    pub record_count: u64,
    pub kms_read_count: u64,
    pub kms_write_count: u64,
    pub first_event_time: Option<Time>,
    pub last_event_time: Option<Time>,
}

pub(super) fn time_cell(time: Option<Time>) -> Option<String> {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

pub(super) fn some(value: &(impl ToString + ?Sized)) -> Option<String> {
    Some(value.to_string())
}

impl Row for KmsEventRow {
    const VIEW: &'static str = "kms_events";
    const COLUMNS: &'static [&'static str] = &["recipient_account_id", "event_id", "key_arn", "key_role", "outcome"];
    fn cells(&self) -> Vec<Option<String>> {
        vec![
            self.recipient_account_id.clone(),
            some(&self.event_id),
            self.key_arn.clone(),
            some(self.key_role),
            some(self.outcome),
        ]
    }
}

impl Row for KeyUsageRow {
    const VIEW: &'static str = "kms_key_usage";
    const COLUMNS: &'static [&'static str] = &[
        "key_arn",
        "first_used_time",
        "last_used_time",
        "last_used_event_id",
        "last_used_operation",
        "last_used_principal_arn",
        "use_event_count",
        "use_count",
        "decrypt_count",
        "ciphertext_created_count",
        "sign_mac_count",
        "failed_count",
        "principal_count",
        "service_count",
    ];
    fn cells(&self) -> Vec<Option<String>> {
        let mut cells = vec![some(&self.key_arn), time_cell(self.first_used_time), time_cell(self.last_used_time)];
        cells.extend([
            self.last_used_event_id.clone(),
            self.last_used_operation.clone(),
            self.last_used_principal_arn.clone(),
        ]);
        let counts = [
            self.use_event_count,
            self.use_count,
            self.decrypt_count,
            self.ciphertext_created_count,
            self.sign_mac_count,
            self.failed_count,
            self.principal_count,
            self.service_count,
        ];
        cells.extend(counts.map(|count| some(&count)));
        cells
    }
}

impl Row for KeyUsageDailyRow {
    const VIEW: &'static str = "kms_key_usage_daily";
    const COLUMNS: &'static [&'static str] = &["key_arn", "event_date", "operation", "use_event_count", "failed_count"];
    fn cells(&self) -> Vec<Option<String>> {
        vec![
            some(&self.key_arn),
            self.event_date.and_then(|date| some(&date)),
            some(&self.operation),
            some(&self.use_event_count),
            some(&self.failed_count),
        ]
    }
}

impl Row for EncryptionContextRow {
    const VIEW: &'static str = "kms_encryption_contexts";
    const COLUMNS: &'static [&'static str] =
        &["key_arn", "context_key", "context_value", "event_count", "first_seen_time", "last_seen_time"];
    fn cells(&self) -> Vec<Option<String>> {
        let mut cells = vec![self.key_arn.clone(), some(&self.context_key), self.context_value.clone()];
        cells.extend([some(&self.event_count), time_cell(self.first_seen_time), time_cell(self.last_seen_time)]);
        cells
    }
}

impl Row for FailedAttemptRow {
    const VIEW: &'static str = "kms_failed_attempts";
    const COLUMNS: &'static [&'static str] =
        &["key_arn", "error_code", "outcome", "event_count", "first_seen_time", "last_seen_time"];
    fn cells(&self) -> Vec<Option<String>> {
        let mut cells = vec![self.key_arn.clone(), some(&self.error_code), some(self.outcome)];
        cells.extend([some(&self.event_count), time_cell(self.first_seen_time), time_cell(self.last_seen_time)]);
        cells
    }
}

impl Row for CoverageRow {
    const VIEW: &'static str = "log_file_coverage";
    const COLUMNS: &'static [&'static str] = &[
        "recipient_account_id",
        "aws_region",
        "event_date",
        "file_count",
        "record_count",
        "kms_read_count",
        "kms_write_count",
        "first_event_time",
        "last_event_time",
    ];
    fn cells(&self) -> Vec<Option<String>> {
        let mut cells = vec![
            self.recipient_account_id.clone(),
            self.aws_region.clone(),
            self.event_date.and_then(|date| some(&date)),
        ];
        cells.push(self.file_count.and_then(|count| some(&count)));
        cells.extend([self.record_count, self.kms_read_count, self.kms_write_count].map(|count| some(&count)));
        cells.extend([time_cell(self.first_event_time), time_cell(self.last_event_time)]);
        cells
    }
}

/// Earliest and latest of some times; unknown times do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Option<Time>,
    pub(super) last: Option<Time>,
}

impl Span {
    pub(super) fn add(&mut self, time: Option<Time>) {
        if let Some(time) = time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
    }
}

/// What is counted about the cryptographic calls of one group.
#[derive(Debug, Clone, Default)]
struct Tally {
    use_event_count: u64,
    failed_count: u64,
    span: Span,
}

impl Tally {
    fn add(&mut self, event: &KmsEvent) {
        self.use_event_count += u64::from(event.is_use());
        self.failed_count += u64::from(event.is_failure());
        self.span.add(event.event_time);
    }

    fn event_count(&self) -> u64 {
        self.use_event_count + self.failed_count
    }
}

/// Key, name and value of a context pair.
type ContextPair = (Option<String>, String, Option<String>);
/// Account, region and day.
type CoverageGroup = (Option<String>, Option<String>, Option<NaiveDate>);

/// Each key that an event touched, once, with all its roles.
fn keys_of(event: &KmsEvent) -> BTreeMap<Option<&str>, Vec<&Touch>> {
    let mut keys: BTreeMap<Option<&str>, Vec<&Touch>> = BTreeMap::new();
    for touch in &event.touches {
        keys.entry(touch.key_arn.as_deref()).or_default().push(touch);
    }
    keys
}

/// What the copies of one call have in common; an event without a shared id stands for itself.
pub(super) fn call_of(event: &KmsEvent) -> String {
    match &event.shared_event_id {
        Some(shared) => format!("{shared} {} {:?}", event.event_name, event.event_time),
        None => format!("{:?} {}", event.recipient_account_id, event.event_id),
    }
}

impl Oracle {
    /// All views as texts.
    pub fn views(&self) -> Vec<ViewTable> {
        let mut views = vec![
            table(&self.kms_events()),
            table(&self.kms_key_usage()),
            table(&self.kms_key_usage_daily()),
            table(&self.kms_encryption_contexts()),
            table(&self.kms_failed_attempts()),
            table(&self.log_file_coverage()),
        ];
        views.extend(coverage::views(self));
        views.extend(self.ledgers());
        views.extend(Records::of(self).views());
        views
    }

    /// The rows of `kms_events`.
    pub fn kms_events(&self) -> Vec<KmsEventRow> {
        let rows_of = |event: KmsEvent| {
            let touches = event.touches.clone();
            touches.into_iter().map(move |touch| KmsEventRow {
                recipient_account_id: event.recipient_account_id.clone(),
                event_id: event.event_id.clone(),
                key_arn: touch.key_arn,
                key_role: touch.role.as_str(),
                outcome: event.outcome,
            })
        };
        let mut rows: Vec<_> = self.kms().into_iter().flat_map(rows_of).collect();
        rows.sort();
        rows
    }

    /// The rows of `kms_key_usage`: one per key that any event names.
    pub fn kms_key_usage(&self) -> Vec<KeyUsageRow> {
        let mut keys: BTreeMap<String, Vec<KmsEvent>> = BTreeMap::new();
        for event in self.kms() {
            for key in keys_of(&event).into_keys().flatten() {
                keys.entry(key.to_owned()).or_default().push(event.clone());
            }
        }
        keys.into_iter().map(|(key, events)| key_usage(&key, &events)).collect()
    }

    /// The rows of `kms_key_usage_daily`.
    pub fn kms_key_usage_daily(&self) -> Vec<KeyUsageDailyRow> {
        let groups = self.tally(|event, key| {
            let date = event.event_time.map(|time| time.date_naive());
            key.map(|key| (key, date, event.event_name.clone()))
        });
        let row = |((key_arn, event_date, operation), tally): (_, Tally)| KeyUsageDailyRow {
            key_arn,
            event_date,
            operation,
            use_event_count: tally.use_event_count,
            failed_count: tally.failed_count,
        };
        groups.into_iter().map(row).collect()
    }

    /// The rows of `kms_encryption_contexts`; an event that names a pair on both sides of one key counts once.
    pub fn kms_encryption_contexts(&self) -> Vec<EncryptionContextRow> {
        let mut groups: BTreeMap<ContextPair, Tally> = BTreeMap::new();
        for event in self.kms().iter().filter(|event| event.is_use() || event.is_failure()) {
            for (key, touches) in keys_of(event) {
                let pairs: BTreeSet<_> = touches.iter().filter_map(|touch| touch.context.as_ref()).flatten().collect();
                for (name, value) in pairs {
                    groups.entry((key.map(str::to_owned), name.clone(), value.clone())).or_default().add(event);
                }
            }
        }
        let row = |((key_arn, context_key, context_value), tally): (ContextPair, Tally)| EncryptionContextRow {
            key_arn,
            context_key,
            context_value,
            event_count: tally.event_count(),
            first_seen_time: tally.span.first,
            last_seen_time: tally.span.last,
        };
        groups.into_iter().map(row).collect()
    }

    /// The rows of `kms_failed_attempts`.
    pub fn kms_failed_attempts(&self) -> Vec<FailedAttemptRow> {
        let groups = self.tally(|event, key| Some((key, event.error_code.clone()?, event.outcome)));
        let row = |((key_arn, error_code, outcome), tally): (_, Tally)| FailedAttemptRow {
            key_arn,
            error_code,
            outcome,
            event_count: tally.event_count(),
            first_seen_time: tally.span.first,
            last_seen_time: tally.span.last,
        };
        groups.into_iter().map(row).collect()
    }

    /// Counts the cryptographic events by a group, once for each key that they touched; no group = not counted.
    fn tally<G: Ord>(&self, group: impl Fn(&KmsEvent, Option<String>) -> Option<G>) -> BTreeMap<G, Tally> {
        let mut groups: BTreeMap<G, Tally> = BTreeMap::new();
        for event in self.kms().iter().filter(|event| event.is_use() || event.is_failure()) {
            for key in keys_of(event).into_keys() {
                if let Some(group) = group(event, key.map(str::to_owned)) {
                    groups.entry(group).or_default().add(event);
                }
            }
        }
        groups
    }

    /// The rows of `log_file_coverage`.
    pub fn log_file_coverage(&self) -> Vec<CoverageRow> {
        let mut groups: BTreeMap<CoverageGroup, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            let region = text_at(&event.value, &["awsRegion"]).map(str::to_owned);
            let date = event.event_time.map(|time| time.date_naive());
            groups.entry((event.recipient_account_id.clone(), region, date)).or_default().push(event);
        }
        let mut deliveries: BTreeMap<CoverageGroup, u64> = BTreeMap::new();
        for path in &self.log_files {
            *deliveries.entry(delivery_of(path)).or_default() += 1;
        }
        let file_count = |group: &CoverageGroup| match group {
            (Some(_), Some(_), Some(_)) => deliveries.get(group).copied(),
            _ => None,
        };
        groups.into_iter().map(|(group, events)| coverage(file_count(&group), group, &events)).collect()
    }
}

fn key_usage(key: &str, events: &[KmsEvent]) -> KeyUsageRow {
    let uses: Vec<&KmsEvent> = events.iter().filter(|event| event.is_use()).collect();
    let mut span = Span::default();
    uses.iter().for_each(|event| span.add(event.event_time));
    let last = uses.iter().max_by_key(|event| (event.event_time, &event.event_id));
    let count = |is_counted: &dyn Fn(&KmsEvent) -> bool| uses.iter().filter(|event| is_counted(event)).count() as u64;
    KeyUsageRow {
        key_arn: key.to_owned(),
        first_used_time: span.first,
        last_used_time: span.last,
        last_used_event_id: last.map(|event| event.event_id.clone()),
        last_used_operation: last.map(|event| event.event_name.clone()),
        last_used_principal_arn: last.and_then(|event| event.principal_arn.clone()),
        use_event_count: uses.len() as u64,
        use_count: uses.iter().map(|event| call_of(event)).collect::<BTreeSet<_>>().len() as u64,
        decrypt_count: count(&|event| event.event_name == "Decrypt" || has_role(event, key, KeyRole::Source)),
        ciphertext_created_count: count(&|event| {
            creates_ciphertext(&event.event_name) || has_role(event, key, KeyRole::Destination)
        }),
        sign_mac_count: count(&|event| {
            ["Sign", "Verify", "GenerateMac", "VerifyMac"].contains(&event.event_name.as_str())
        }),
        failed_count: events.iter().filter(|event| event.is_failure()).count() as u64,
        principal_count: uses.iter().filter_map(|event| event.principal_arn.as_ref()).collect::<BTreeSet<_>>().len()
            as u64,
        service_count: uses.iter().filter_map(|event| event.invoked_by.as_ref()).collect::<BTreeSet<_>>().len() as u64,
    }
}

fn has_role(event: &KmsEvent, key: &str, role: KeyRole) -> bool {
    event.touches.iter().any(|touch| touch.role == role && touch.key_arn.as_deref() == Some(key))
}

fn creates_ciphertext(event_name: &str) -> bool {
    event_name == "Encrypt" || event_name == "Encapsulate" || event_name.starts_with("GenerateDataKey")
}

/// Account, region and day of delivery by a file's name, `account_CloudTrail_region_20260131T0105Z_unique.json.gz`.
fn delivery_of(path: &str) -> CoverageGroup {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.split('_').collect::<Vec<_>>()[..] {
        [account, "CloudTrail", region, stamp, _] => {
            let day = NaiveDate::parse_from_str(stamp.get(..8).unwrap_or_default(), "%Y%m%d").ok();
            (Some(account.to_owned()), Some(region.to_owned()), day)
        }
        _ => (None, None, None),
    }
}

fn coverage(file_count: Option<u64>, group: CoverageGroup, events: &[&Event]) -> CoverageRow {
    let mut span = Span::default();
    events.iter().for_each(|event| span.add(event.event_time));
    let kms: Vec<&str> = events
        .iter()
        .filter(|event| text_at(&event.value, &["eventSource"]).is_some_and(|source| source.starts_with("kms.")))
        .filter_map(|event| text_at(&event.value, &["eventName"]))
        .collect();
    let writes = kms.iter().filter(|name| is_write(name)).count();
    CoverageRow {
        recipient_account_id: group.0,
        aws_region: group.1,
        event_date: group.2,
        file_count,
        record_count: events.len() as u64,
        kms_read_count: (kms.len() - writes) as u64,
        kms_write_count: writes as u64,
        first_event_time: span.first,
        last_event_time: span.last,
    }
}
