//! The rows of the views about marks, last uses, ciphertexts, contexts and what they protect, and of those about who and via what.
//!
//! Plain loops as in `views`, straight to texts. What a context protects and what its values have in common is told for the
//! contexts of generated trails alone, each by hand: no table of rules, no general pattern.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::Oracle;
use super::coverage::REFUSED_BESIDE;
use super::kms::{KeyRole, KmsEvent, Touch, member, text_at};
use super::views::ViewTable;

type Time = DateTime<Utc>;
type Cell = Option<String>;

/// A touched key with its event and the record behind it.
#[derive(Clone, Copy)]
struct Use<'o> {
    event: &'o KmsEvent,
    touch: &'o Touch,
    record: &'o Value,
    /// The source side of a ReEncrypt whose destination is the same key.
    is_second_side: bool,
}

/// Earliest and latest of some times.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    first: Option<Time>,
    last: Option<Time>,
}

impl Span {
    fn add(&mut self, time: Option<Time>) {
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = [self.last, time].into_iter().flatten().max();
    }

    fn cells(self) -> [Cell; 2] {
        [time_cell(self.first), time_cell(self.last)]
    }
}

fn time_cell(time: Option<Time>) -> Cell {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[expect(clippy::needless_pass_by_value, reason = "it maps options of texts and numbers")]
fn some(value: impl ToString) -> Cell {
    Some(value.to_string())
}

/// A list as the engine shows it; none = no element.
fn list_cell(values: &BTreeSet<String>) -> Cell {
    (!values.is_empty()).then(|| format!("[{}]", values.iter().cloned().collect::<Vec<_>>().join(", ")))
}

fn table(view: &'static str, columns: &'static [&'static str], rows: impl IntoIterator<Item = Vec<Cell>>) -> ViewTable {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort();
    ViewTable { view, columns, rows }
}

impl<'o> Use<'o> {
    fn is_cryptographic(self) -> bool {
        self.touch.role != KeyRole::Target
    }

    fn is_success(self) -> bool {
        self.event.error_code.is_none()
    }

    fn key(self) -> Cell {
        self.touch.key_arn.clone()
    }

    /// A call that opens: the other ones close.
    fn is_opening(self) -> bool {
        ["Decrypt", "Decapsulate"].contains(&self.event.event_name.as_str()) || self.touch.role == KeyRole::Source
    }

    fn text(self, path: &[&str]) -> Option<&'o str> {
        text_at(self.record, path)
    }

    fn context(self, name: &str) -> Option<&'o str> {
        let pairs = self.touch.context.as_ref()?;
        pairs.iter().find(|(other, _)| other == name)?.1.as_deref()
    }

    /// Whether the operation takes a context at all.
    fn takes_context(self) -> bool {
        let name = self.event.event_name.as_str();
        name == "Encrypt" || name == "Decrypt" || name == "ReEncrypt" || name.starts_with("GenerateDataKey")
    }

    /// The record does not tell whether there was a context.
    fn is_context_unknown(self) -> bool {
        let member_name = match self.touch.role {
            KeyRole::Source => "sourceEncryptionContext",
            KeyRole::Destination => "destinationEncryptionContext",
            _ => "encryptionContext",
        };
        let Some(Value::Object(request)) = self.record.get("requestParameters") else { return true };
        let is_omitted = request.get("omitted") == Some(&Value::Bool(true));
        match request.get(member_name) {
            Some(context) => !context.is_object(),
            None => request.is_empty() || is_omitted,
        }
    }

    /// Names of the context, sorted; none = the record does not tell.
    fn signature(self) -> Cell {
        if self.takes_context() && self.is_context_unknown() {
            return None;
        }
        let pairs = self.touch.context.iter().flatten();
        let names: BTreeSet<_> = pairs.map(|(name, _)| name.as_str()).collect();
        Some(names.into_iter().collect::<Vec<_>>().join(","))
    }

    fn mark(self) -> Option<&'static str> {
        let is_data_key = self.event.event_name.starts_with("GenerateDataKey");
        let of_trail = is_data_key && self.context("aws:cloudtrail:arn").is_some();
        let log = self.context("aws:s3:arn").unwrap_or_default();
        let agent = self.text(&["userAgent"]).unwrap_or_default();
        let caller = self.event.invoked_by.as_deref().or_else(|| self.text(&["sourceIPAddress"])).unwrap_or_default();
        let is_read = !self.is_cryptographic()
            && ["Describe", "Get", "List"].iter().any(|start| self.event.event_name.starts_with(start))
            && self.event.event_name != "GetPublicKey";
        let is_probe = self.context("SecretVersionId") == Some("RequestToValidateKeyAccess");
        match () {
            () if is_probe && self.touch.role == KeyRole::Used => Some("key_access_probe"),
            () if of_trail && log.contains("/AWSLogs/") && !log.ends_with(".gz") => Some("trail_config_check"),
            () if of_trail && caller.starts_with("cloudtrail.") => Some("trail_log_encryption"),
            () if self.event.outcome == "probe" => Some("dry_run"),
            () if is_read && (agent.starts_with("Mozilla/") || agent == "signin.amazonaws.com") => {
                Some("console_browsing")
            }
            () => None,
        }
    }

    /// Account of the key, of the caller, of the copy's recipient.
    fn accounts(self) -> (Option<&'o str>, Option<&'o str>, Option<&'o str>) {
        let key = self.touch.key_arn.as_deref().and_then(|arn| arn.split(':').nth(4));
        (key, self.text(&["userIdentity", "accountId"]), self.event.recipient_account_id.as_deref())
    }

    fn is_cross_account(self) -> Option<bool> {
        let (key, caller, recipient) = self.accounts();
        let differs = |account: Option<&str>| account.is_some() && account != key;
        key.map(|_| differs(caller) || differs(recipient))
    }

    fn side(self) -> Option<&'static str> {
        match self.accounts() {
            (Some(key), caller, Some(recipient)) if key != recipient => {
                caller.is_none_or(|caller| caller == recipient).then_some("caller")
            }
            (Some(key), Some(caller), _) if key == caller => Some("both"),
            (Some(key), _, Some(recipient)) if key == recipient => Some("owner"),
            _ => None,
        }
    }

    /// Of the two keys of a ReEncrypt the message names the one that stood in the way.
    fn is_for_other_key(self) -> bool {
        let is_named = |key: &str| self.event.message.contains(key);
        let mut keys = self.event.touches.iter().filter_map(|touch| touch.key_arn.as_deref());
        !self.touch.key_arn.as_deref().is_some_and(is_named) && keys.any(is_named)
    }

    /// A failed call whose caller wanted the key.
    fn is_demand(self) -> bool {
        match self.event.outcome {
            "verify_failed" => true,
            "blocked" | "not_found" | "transient" => {
                let is_beside = REFUSED_BESIDE.contains(&self.event.event_name.as_str());
                (self.is_cryptographic() || is_beside) && !self.is_for_other_key()
            }
            _ => false,
        }
    }

    /// The message tells why a key cannot be used.
    fn blocked_reason(self, deletions: &BTreeMap<&str, Time>) -> &'static str {
        let message = self.text(&["errorMessage"]).unwrap_or_default();
        let deleted = self.touch.key_arn.as_deref().and_then(|key| deletions.get(key)).copied();
        match self.event.outcome {
            "not_found" if deleted.is_some() && deleted <= self.event.event_time => "deleted",
            "not_found" => "not_found",
            _ if message.contains("pending deletion") => "pending_deletion",
            _ if message.contains("pending import") => "pending_import",
            _ if message.contains("unavailable") => "unavailable",
            _ if message.contains("disabled") => "disabled",
            _ => "blocked",
        }
    }

    /// What a context of a generated trail protects.
    fn protected(self) -> Option<Protected> {
        Protected::by(|name| self.context(name))
    }
}

/// An AWS resource behind a context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Protected {
    service: Option<String>,
    kind: &'static str,
    resource: Option<String>,
    is_call_per_object: Option<bool>,
    is_latent: bool,
}

impl Protected {
    fn new(service: &str, kind: &'static str, resource: Option<&str>, is_call_per_object: Option<bool>) -> Self {
        let service = (!service.is_empty()).then(|| format!("{service}.amazonaws.com"));
        Self { service, kind, resource: resource.map(str::to_owned), is_call_per_object, is_latent: false }
    }

    fn by<'c>(get: impl Fn(&str) -> Option<&'c str>) -> Option<Self> {
        let s3 = get("aws:s3:arn");
        let is_object = s3.is_some_and(|arn| arn.split(":::").nth(1).is_some_and(|path| path.contains('/')));
        let (name, is_latent) = (get("aws:ebs:id").unwrap_or_default(), true);
        Some(match () {
            () if get("aws:cloudtrail:arn").is_some() => {
                Protected::new("cloudtrail", "trail", get("aws:cloudtrail:arn"), Some(true))
            }
            () if get("aws:ecr:arn").is_some() => Protected::new("ecr", "repository", get("aws:ecr:arn"), Some(true)),
            () if get("aws:s3express:arn").is_some() => {
                let inner = get("aws:s3express:arn").and_then(|arn| arn.rsplit_once("/arn:").map(|(_, inner)| inner));
                let arn = format!("arn:{}", inner.unwrap_or_default());
                Protected::new("s3express", "directory_bucket", Some(&arn), Some(false))
            }
            () if is_object => Protected::new("s3", "object", s3, Some(true)),
            () if s3.is_some() => Protected::new("s3", "bucket", s3, Some(false)),
            () if get("aws:rds:db-id").is_some() => {
                Protected { is_latent, ..Protected::new("rds", "database", get("aws:rds:db-id"), Some(false)) }
            }
            () if name.starts_with("snap-") => {
                Protected { is_latent, ..Protected::new("ec2", "snapshot", Some(name), Some(false)) }
            }
            () if name.starts_with("vol-") => {
                Protected { is_latent, ..Protected::new("ec2", "volume", Some(name), Some(false)) }
            }
            () if get("aws:elasticfilesystem:filesystem:id").is_some() => {
                let id = get("aws:elasticfilesystem:filesystem:id");
                Protected { is_latent, ..Protected::new("elasticfilesystem", "file_system", id, Some(false)) }
            }
            () if get("aws:dynamodb:tableName").is_some() => {
                Protected::new("dynamodb", "table", get("aws:dynamodb:tableName"), Some(false))
            }
            () if get("aws:cassandra:tableName").is_some() => {
                let names =
                    ["aws:cassandra:keyspaceName", "aws:cassandra:tableName"].map(|name| get(name).unwrap_or_default());
                Protected::new("cassandra", "table", Some(&names.join(".")), Some(false))
            }
            () if get("SecretARN").is_some() => {
                Protected::new("secretsmanager", "secret", get("SecretARN"), Some(true))
            }
            () if get("PARAMETER_ARN").is_some() => {
                Protected::new("ssm", "parameter", get("PARAMETER_ARN"), Some(true))
            }
            () if get("aws:lambda:FunctionArn").is_some() => {
                Protected::new("lambda", "function", get("aws:lambda:FunctionArn"), Some(false))
            }
            () if get("aws:logs:arn").is_some() => {
                Protected::new("logs", "log_group", get("aws:logs:arn"), Some(false))
            }
            () if get("aws:sqs:arn").is_some() => Protected::new("sqs", "queue", get("aws:sqs:arn"), Some(false)),
            () if get("aws:acm:arn").is_some() => Protected::new("acm", "certificate", get("aws:acm:arn"), None),
            () if get("branch-key-id").is_some() => Protected::new("", "branch_key", get("branch-key-id"), Some(false)),
            () if get("aws-crypto-public-key").is_some() => Protected::new("", "client_encrypted_message", None, None),
            () if get("aws:novel:arn").is_some() => Protected::new("novel", "shelf", get("aws:novel:arn"), None),
            () => return None,
        })
    }
}

/// What the values of a generated trail have in common, name by name.
fn pattern_of(name: &str, value: &str) -> String {
    let before = |text: &str| value.split(text).next().unwrap_or_default().to_owned();
    match name {
        "aws-crypto-public-key" | "create-time" | "aws:dynamodb:subscriberId" | "aws:cassandra:subscriberId" => {
            "*".to_owned()
        }
        "hierarchy-version" | "branch-key-id" => "*".to_owned(),
        "SecretVersionId" if value == "RequestToValidateKeyAccess" => value.to_owned(),
        "SecretVersionId" => "*".to_owned(),
        "SecretARN" => format!("{}*", &value[..value.len() - 6]),
        "PARAMETER_ARN" => format!("{}*/config", &value[..value.len() - "07/config".len()]),
        "aws:s3:arn" if value.contains("/AWSLogs/") => format!("{}/AWSLogs/*", before("/AWSLogs/")),
        "aws:s3:arn" if value.contains("/dt=") => format!("{}/*", before("/dt=")),
        "aws:s3:arn" if value.contains("starport") => format!("{}/*", before("/")),
        "aws:ebs:id" | "aws:rds:db-id" | "tenant" | "aws:elasticfilesystem:filesystem:id" => {
            format!("{}-*", before("-"))
        }
        "aws:acm:arn" => format!("{}/*", before("/")),
        "kms-arn" => match before("/key/mrk-") {
            prefix if prefix.len() < value.len() => format!("{prefix}/key/mrk-*"),
            _ => format!("{}:key/*", before(":key/")),
        },
        "type" => "branch:version:*".to_owned(),
        _ => value.to_owned(),
    }
}

/// What is counted of calls by side.
#[derive(Debug, Clone, Default)]
struct Sides {
    closed: u64,
    opened: u64,
    failed: u64,
    closed_span: Span,
    opened_span: Span,
    span: Span,
    /// Of the closed ones, data keys.
    data_keys: u64,
    values: BTreeSet<String>,
    is_call_per_object: BTreeSet<Option<bool>>,
}

impl Sides {
    fn add(&mut self, found: Use<'_>) {
        let time = found.event.event_time;
        self.span.add(time);
        match (found.is_success(), found.is_opening()) {
            (true, true) => {
                self.opened += 1;
                self.opened_span.add(time);
            }
            (true, false) => {
                self.closed += 1;
                self.closed_span.add(time);
            }
            (false, _) => self.failed += 1,
        }
    }
}

/// The latest event of a group, by time and id, and how many there are.
#[derive(Debug, Clone, Default)]
struct Attempts {
    count: u64,
    span: Span,
    last: Option<(Option<Time>, String)>,
}

impl Attempts {
    fn add(&mut self, time: Option<Time>, event_id: &str) {
        self.count += 1;
        self.span.add(time);
        self.last = self.last.take().max(Some((time, event_id.to_owned())));
    }

    fn cells(&self) -> Vec<Cell> {
        let [first, last] = self.span.cells();
        vec![some(self.count), first, last, self.last.as_ref().map(|(_, id)| id.clone())]
    }
}

/// All events of KMS with the records behind them.
pub(super) struct Records<'o> {
    events: Vec<(KmsEvent, &'o Value)>,
    oracle: &'o Oracle,
}

impl<'o> Records<'o> {
    pub(super) fn of(oracle: &'o Oracle) -> Self {
        let events = oracle.events.iter().filter_map(|event| Some((KmsEvent::of(event)?, &event.value)));
        Self { events: events.collect(), oracle }
    }

    fn uses(&self) -> impl Iterator<Item = Use<'_>> {
        self.events.iter().flat_map(|(event, record)| {
            event.touches.iter().enumerate().map(move |(index, touch)| {
                let is_second_side = index > 0 && touch.key_arn == event.touches[0].key_arn;
                Use { event, touch, record, is_second_side }
            })
        })
    }

    /// Cryptographic calls, each key of a call once.
    fn calls(&self) -> impl Iterator<Item = Use<'_>> {
        self.uses().filter(|found| found.is_cryptographic() && !found.is_second_side)
    }

    /// All tables of this file.
    pub(super) fn views(&self) -> Vec<ViewTable> {
        vec![
            self.marks(),
            self.last_uses(),
            self.ciphertexts(),
            self.signatures(),
            self.patterns(),
            self.resources(),
            self.materials(),
            self.cross_account(),
            self.blocked(),
            self.denied(),
            self.principals(),
            self.services(),
            self.mentions(),
            self.sightings(),
            self.dependencies(),
        ]
    }

    fn marks(&self) -> ViewTable {
        let columns = &[
            "recipient_account_id",
            "event_id",
            "key_role",
            "use_mark",
            "is_demand",
            "is_attested",
            "is_cross_account",
            "account_side",
        ];
        let row = |found: Use<'_>| {
            let is_attested =
                member(found.record, "additionalEventData").is_some_and(|data| data.get("recipient").is_some());
            vec![
                found.event.recipient_account_id.clone(),
                some(&found.event.event_id),
                some(found.touch.role.as_str()),
                found.mark().and_then(some),
                some(found.is_demand()),
                some(is_attested),
                found.is_cross_account().and_then(some),
                found.side().and_then(some),
            ]
        };
        table("kms_events", columns, self.uses().map(row))
    }

    fn last_uses(&self) -> ViewTable {
        let columns = &["key_arn", "operation", "last_used_time", "event_id", "request_id", "principal_arn"];
        let mut latest: BTreeMap<&str, Use<'_>> = BTreeMap::new();
        let order = |found: Use<'_>| {
            let (key, _, recipient) = found.accounts();
            (found.event.event_time, recipient.map(|recipient| Some(recipient) == key), found.event.event_id.clone())
        };
        for found in self.uses().filter(|found| found.is_cryptographic() && found.is_success()) {
            let Some(key) = found.touch.key_arn.as_deref() else { continue };
            let known = latest.entry(key).or_insert(found);
            if order(found) > order(*known) {
                *known = found;
            }
        }
        let row = |(key, found): (&str, Use<'_>)| {
            vec![
                some(key),
                some(&found.event.event_name),
                time_cell(found.event.event_time),
                some(&found.event.event_id),
                found.text(&["requestID"]).and_then(some),
                found.event.principal_arn.clone(),
            ]
        };
        table("kms_key_last_use", columns, latest.into_iter().map(row))
    }

    fn ciphertexts(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "context_signature",
            "event_month",
            "ciphertext_created_count",
            "data_key_created_count",
            "opened_count",
            "is_call_per_object",
            "first_created_time",
            "last_created_time",
            "first_opened_time",
            "last_opened_time",
        ];
        let mut groups: BTreeMap<(Cell, Cell, String), Sides> = BTreeMap::new();
        for found in self.uses().filter(|found| found.event.outcome == "used" && found.touch.key_arn.is_some()) {
            let name = found.event.event_name.as_str();
            if !(found.takes_context() || ["Encapsulate", "Decapsulate"].contains(&name)) {
                continue;
            }
            let month = found.event.event_time.map_or("unknown".to_owned(), |time| time.format("%Y-%m").to_string());
            let sides = groups.entry((found.key(), found.signature(), month)).or_default();
            sides.data_keys += u64::from(name.starts_with("GenerateDataKey"));
            sides.is_call_per_object.insert(found.protected().and_then(|protected| protected.is_call_per_object));
            sides.add(found);
        }
        let row = |((key, signature, month), sides): (_, Sides)| {
            let is_call_per_object = match &sides.is_call_per_object {
                found if found.contains(&Some(false)) => Some(false),
                found if found.contains(&None) => None,
                _ => Some(true),
            };
            let [first_created, last_created] = sides.closed_span.cells();
            let [first_opened, last_opened] = sides.opened_span.cells();
            vec![
                key,
                signature,
                Some(month),
                some(sides.closed - sides.data_keys),
                some(sides.data_keys),
                some(sides.opened),
                is_call_per_object.and_then(some),
                first_created,
                last_created,
                first_opened,
                last_opened,
            ]
        };
        table("kms_ciphertexts", columns, groups.into_iter().map(row))
    }

    fn signatures(&self) -> ViewTable {
        let columns =
            &["key_arn", "context_signature", "encrypt_count", "decrypt_count", "first_seen_time", "last_seen_time"];
        let mut groups: BTreeMap<(Cell, Cell), Sides> = BTreeMap::new();
        for found in self.uses().filter(|found| found.is_cryptographic() && found.takes_context()) {
            groups.entry((found.key(), found.signature())).or_default().add(found);
        }
        let row = |((key, signature), sides): ((Cell, Cell), Sides)| {
            let [first, last] = sides.span.cells();
            vec![key, signature, some(sides.closed), some(sides.opened), first, last]
        };
        table("kms_context_signatures", columns, groups.into_iter().map(row))
    }

    fn patterns(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "context_key",
            "value_pattern",
            "value_count",
            "encrypt_count",
            "decrypt_count",
            "first_seen_time",
            "last_seen_time",
        ];
        let contexts = || {
            let uses = self.uses().filter(|found| found.is_cryptographic());
            uses.flat_map(|found| found.touch.context.iter().flatten().map(move |pair| (found, pair)))
        };
        let mut patterns: BTreeMap<(Cell, &str), BTreeSet<Cell>> = BTreeMap::new();
        for (found, (name, value)) in contexts() {
            let pattern = value.as_deref().map(|value| pattern_of(name, value));
            patterns.entry((found.key(), name)).or_default().insert(pattern);
        }
        let mut groups: BTreeMap<(Cell, String, Cell), Sides> = BTreeMap::new();
        for (found, (name, value)) in contexts() {
            let is_many = patterns[&(found.key(), name.as_str())].len() > 20 && !name.starts_with("aws:");
            let pattern = value.as_deref().map(|value| pattern_of(name, value));
            let pattern = pattern.map(|text| if is_many && !text.starts_with("arn:") { "*".to_owned() } else { text });
            let sides = groups.entry((found.key(), name.clone(), pattern)).or_default();
            sides.add(found);
            sides.values.extend(value.clone());
        }
        let row = |((key, name, pattern), sides): ((Cell, String, Cell), Sides)| {
            let [first, last] = sides.span.cells();
            let counts = [sides.values.len() as u64, sides.closed, sides.opened].map(some);
            [vec![key, Some(name), pattern], counts.to_vec(), vec![first, last]].concat()
        };
        table("kms_context_patterns", columns, groups.into_iter().map(row))
    }

    fn resources(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "service",
            "resource_kind",
            "resource",
            "is_call_per_object",
            "is_latent",
            "encrypt_count",
            "decrypt_count",
            "failed_count",
            "live_grant_count",
            "first_encrypt_time",
            "last_encrypt_time",
            "first_decrypt_time",
            "last_decrypt_time",
            "is_written_never_read",
        ];
        let mut groups: BTreeMap<(Cell, Protected), Sides> = BTreeMap::new();
        let mut grants: BTreeMap<(Cell, Protected), u64> = BTreeMap::new();
        for grant in self.oracle.grant_lives().iter().filter(|grant| grant.grant_state == "live") {
            let context = grant.request.pointer("/constraints/encryptionContextSubset");
            let protected = Protected::by(|name| context.and_then(|context| text_at(context, &[name])));
            if let (Some(key), Some(protected)) = (&grant.key_arn, protected) {
                let group = (Some(key.clone()), protected);
                groups.entry(group.clone()).or_default();
                *grants.entry(group).or_default() += 1;
            }
        }
        for found in self.uses() {
            let is_counted =
                found.is_cryptographic() && found.touch.key_arn.is_some() && found.event.outcome != "probe";
            let is_counted = is_counted && found.mark() != Some("key_access_probe");
            if let (true, Some(protected)) = (is_counted, found.protected()) {
                groups.entry((found.key(), protected)).or_default().add(found);
            }
        }
        let row = |((key, protected), sides): ((Cell, Protected), Sides)| {
            let granted = grants.get(&(key.clone(), protected.clone())).copied().unwrap_or_default();
            let is_read = sides.opened_span.last.is_some() && sides.opened_span.last >= sides.closed_span.first;
            let [first_closed, last_closed] = sides.closed_span.cells();
            let [first_opened, last_opened] = sides.opened_span.cells();
            vec![
                key,
                protected.service,
                some(protected.kind),
                protected.resource,
                protected.is_call_per_object.and_then(some),
                some(protected.is_latent),
                some(sides.closed),
                some(sides.opened),
                some(sides.failed),
                some(granted),
                first_closed,
                last_closed,
                first_opened,
                last_opened,
                some(sides.closed > 0 && !is_read),
            ]
        };
        table("kms_protected_resources", columns, groups.into_iter().map(row))
    }

    fn materials(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "key_material_id",
            "is_current",
            "is_needed_after_rotation",
            "encrypt_count",
            "decrypt_count",
            "first_encrypt_time",
            "last_encrypt_time",
            "first_decrypt_time",
            "last_decrypt_time",
        ];
        let mut keys: BTreeMap<String, BTreeMap<String, Sides>> = BTreeMap::new();
        let is_of_text = |found: &Use<'_>| {
            let name = found.event.event_name.as_str();
            ["Encrypt", "Decrypt", "ReEncrypt"].contains(&name) || name.starts_with("GenerateDataKey")
        };
        for found in self.uses().filter(|found| is_of_text(found) && found.is_success()) {
            let name = match found.touch.role {
                KeyRole::Source => "sourceKeyMaterialId",
                KeyRole::Destination => "destinationKeyMaterialId",
                _ => "keyMaterialId",
            };
            if let (Some(key), Some(material)) = (found.key(), found.text(&["additionalEventData", name])) {
                keys.entry(key).or_default().entry(material.to_owned()).or_default().add(found);
            }
        }
        let mut rows = Vec::new();
        for (key, materials) in keys {
            let latest = materials.values().filter_map(|sides| sides.closed_span.last).max();
            let is_current = |sides: &Sides| latest.is_some() && sides.closed_span.last == latest;
            let since =
                materials.values().filter(|sides| is_current(sides)).filter_map(|sides| sides.closed_span.first).min();
            for (material, sides) in &materials {
                let is_late = since.is_some() && sides.opened_span.last >= since;
                let [first_closed, last_closed] = sides.closed_span.cells();
                let [first_opened, last_opened] = sides.opened_span.cells();
                rows.push(vec![
                    some(&key),
                    some(material),
                    some(is_current(sides)),
                    some(!is_current(sides) && is_late),
                    some(sides.closed),
                    some(sides.opened),
                    first_closed,
                    last_closed,
                    first_opened,
                    last_opened,
                ]);
            }
        }
        table("kms_key_materials", columns, rows)
    }

    fn cross_account(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "key_account_id",
            "caller_account_id",
            "use_event_count",
            "use_count",
            "failed_count",
            "is_seen_by_owner",
            "is_seen_by_caller",
            "principals",
            "first_seen_time",
            "last_seen_time",
        ];
        let mut groups: BTreeMap<(Cell, Cell), Vec<Use<'_>>> = BTreeMap::new();
        for found in self.calls().filter(|found| found.is_cross_account() == Some(true)) {
            let (_, caller, recipient) = found.accounts();
            groups.entry((found.key(), caller.or(recipient).and_then(some))).or_default().push(found);
        }
        let row = |((key, caller), calls): ((Cell, Cell), Vec<Use<'_>>)| {
            let mut span = Span::default();
            calls.iter().for_each(|found| span.add(found.event.event_time));
            let uses: Vec<_> = calls.iter().filter(|found| found.is_success()).collect();
            let distinct: BTreeSet<_> = uses.iter().map(|found| super::views::call_of(found.event)).collect();
            let principals: BTreeSet<_> = calls.iter().filter_map(|found| foreign_principal(*found)).collect();
            let has_side = |side| calls.iter().any(|found| found.side() == Some(side));
            let [first, last] = span.cells();
            vec![
                key.clone(),
                key.as_deref().and_then(|arn| arn.split(':').nth(4)).and_then(some),
                caller,
                some(uses.len()),
                some(distinct.len()),
                some(calls.len() - uses.len()),
                some(has_side("owner")),
                some(has_side("caller")),
                list_cell(&principals),
                first,
                last,
            ]
        };
        table("kms_cross_account", columns, groups.into_iter().map(row))
    }

    fn blocked(&self) -> ViewTable {
        let deletions: BTreeMap<&str, Time> = self
            .uses()
            .filter(|found| found.event.event_name == "DeleteKey" && found.is_success())
            .filter_map(|found| Some((found.touch.key_arn.as_deref()?, found.event.event_time?)))
            .collect();
        self.attempts("kms_blocked_attempts", &["blocked", "not_found"], |found| found.blocked_reason(&deletions))
    }

    fn denied(&self) -> ViewTable {
        self.attempts("kms_denied_attempts", &["denied"], |found| {
            let message = found.text(&["errorMessage"]).unwrap_or_default();
            match message {
                _ if message.contains("explicit deny") => "explicit_deny",
                _ if message.contains("because no ") => "not_allowed",
                _ => "unstated",
            }
        })
    }

    fn attempts(&self, view: &'static str, outcomes: &[&str], reason: impl Fn(Use<'_>) -> &'static str) -> ViewTable {
        let columns = &[
            "key_arn",
            "reason",
            "principal",
            "service",
            "event_count",
            "first_seen_time",
            "last_seen_time",
            "last_event_id",
        ];
        let mut groups: BTreeMap<[Cell; 4], Attempts> = BTreeMap::new();
        for found in self.uses().filter(|found| outcomes.contains(&found.event.outcome) && !found.is_second_side) {
            let event = found.event;
            let is_wanted = match view {
                "kms_blocked_attempts" => found.is_demand(),
                _ => found.is_cryptographic() || event.event_name == "CreateGrant",
            };
            if is_wanted {
                let group = [found.key(), some(reason(found)), event.principal.clone(), event.invoked_by.clone()];
                groups.entry(group).or_default().add(event.event_time, &event.event_id);
            }
        }
        table(view, columns, groups.into_iter().map(|(group, attempts)| [group.to_vec(), attempts.cells()].concat()))
    }

    fn principals(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "principal",
            "principal_type",
            "use_event_count",
            "failed_count",
            "first_seen_time",
            "last_seen_time",
            "instance_ids",
            "workload_arns",
            "on_behalf_of_user_ids",
        ];
        let mut groups: BTreeMap<(Cell, Cell), Vec<Use<'_>>> = BTreeMap::new();
        for found in self.calls().filter(|found| found.touch.key_arn.is_some()) {
            groups.entry((found.key(), found.event.principal.clone())).or_default().push(found);
        }
        let row = |((key, principal), calls): ((Cell, Cell), Vec<Use<'_>>)| {
            let of = |path: &[&str]| calls.iter().filter_map(|found| found.text(path)).map(str::to_owned).collect();
            let sessions = calls.iter().filter_map(|found| session_of(*found));
            let instances = sessions.filter(|session| session.starts_with("i-")).collect();
            [
                vec![key, principal, calls.iter().filter_map(|found| found.event.principal_type.clone()).max()],
                counts_of(&calls),
                vec![
                    list_cell(&instances),
                    list_cell(&of(&["userIdentity", "inScopeOf", "credentialsIssuedTo"])),
                    list_cell(&of(&["userIdentity", "onBehalfOf", "userId"])),
                ],
            ]
            .concat()
        };
        table("kms_key_principals", columns, groups.into_iter().map(row))
    }

    fn services(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "service",
            "context_service",
            "use_event_count",
            "failed_count",
            "first_seen_time",
            "last_seen_time",
        ];
        let mut groups: BTreeMap<[Cell; 3], Vec<Use<'_>>> = BTreeMap::new();
        for found in self.calls().filter(|found| found.touch.key_arn.is_some()) {
            let is_service = |text: &&str| text.ends_with(".amazonaws.com") || *text == "AWS Internal";
            let address = || found.text(&["sourceIPAddress"]).filter(is_service);
            let service = found.event.invoked_by.clone().or_else(|| address().map(str::to_owned));
            let is_nameless = matches!(service.as_deref(), None | Some("AWS Internal"));
            let by_context = found.protected().and_then(|protected| protected.service).filter(|_| is_nameless);
            if service.is_some() || by_context.is_some() {
                groups.entry([found.key(), service, by_context]).or_default().push(found);
            }
        }
        let row = |(group, calls): ([Cell; 3], Vec<Use<'_>>)| [group.to_vec(), counts_of(&calls)].concat();
        table("kms_key_services", columns, groups.into_iter().map(row))
    }

    fn mentions(&self) -> ViewTable {
        let columns = &["recipient_account_id", "event_id", "key_arn", "alias_arn", "resource"];
        let row = |named: NamedKey<'_>| {
            let NamedKey { event, key, alias_arn, resource } = named;
            vec![event.recipient_account_id.clone(), some(&event.event_id), key, alias_arn, resource]
        };
        table("key_mentions", columns, named_keys(self.oracle).into_iter().map(row))
    }

    fn sightings(&self) -> ViewTable {
        let columns = &["key_arn", "first_seen_time", "last_seen_time"];
        let mut spans: BTreeMap<String, Span> = BTreeMap::new();
        for (event, key) in sighted_keys(self.oracle) {
            spans.entry(key).or_default().add(event.event_time);
        }
        let row = |(key, span): (String, Span)| [vec![Some(key)], span.cells().to_vec()].concat();
        table("named_keys", columns, spans.into_iter().map(row))
    }

    fn dependencies(&self) -> ViewTable {
        let columns = &[
            "key_arn",
            "alias_arn",
            "event_source",
            "event_name",
            "resource",
            "event_count",
            "first_seen_time",
            "last_seen_time",
            "last_event_id",
        ];
        let mut groups: BTreeMap<[Cell; 5], Attempts> = BTreeMap::new();
        for NamedKey { event, key, alias_arn, resource } in named_keys(self.oracle) {
            let text = |name: &str| text_at(&event.value, &[name]).and_then(some);
            let group = [key, alias_arn, text("eventSource"), text("eventName"), resource];
            groups.entry(group).or_default().add(event.event_time, &event.event_id);
        }
        let row = |(group, attempts): ([Cell; 5], Attempts)| [group.to_vec(), attempts.cells()].concat();
        table("kms_configuration_dependencies", columns, groups.into_iter().map(row))
    }
}

fn counts_of(calls: &[Use<'_>]) -> Vec<Cell> {
    let mut span = Span::default();
    calls.iter().for_each(|found| span.add(found.event.event_time));
    let failed = calls.iter().filter(|found| !found.is_success()).count();
    let [first, last] = span.cells();
    vec![some(calls.len() - failed), some(failed), first, last]
}

/// A key that a change of another service names.
pub(super) struct NamedKey<'o> {
    event: &'o super::Event,
    /// None = an alias that stood for none then, as far as the logs tell.
    key: Cell,
    /// The alias that is named in its place.
    alias_arn: Cell,
    resource: Cell,
}

/// Every key that a record of another service names, with the record.
pub(super) fn sighted_keys(oracle: &Oracle) -> Vec<(&super::Event, String)> {
    let is_other = |event: &&super::Event| {
        !text_at(&event.value, &["eventSource"]).is_some_and(|source| source.starts_with("kms."))
    };
    let others = oracle.events.iter().filter(is_other);
    others.flat_map(|event| keys_in(event).into_iter().map(move |key| (event, key))).collect()
}

/// The changes of other services that name keys.
pub(super) fn named_keys(oracle: &Oracle) -> Vec<NamedKey<'_>> {
    let is_change = |event: &&super::Event| {
        let text = |name: &str| text_at(&event.value, &[name]);
        let flag = |name: &str| member(&event.value, name).map(|flag| flag.to_string().trim_matches('"') == "true");
        !text("eventSource").is_some_and(|source| source.starts_with("kms."))
            && text("errorCode").is_none()
            && flag("readOnly") != Some(true)
            && flag("managementEvent") != Some(false)
    };
    let aliases = oracle.alias_intervals();
    let mut named = Vec::new();
    for event in oracle.events.iter().filter(is_change) {
        let resource = || changed_resource(&event.value);
        let of_key = |key| NamedKey { event, key: Some(key), alias_arn: None, resource: resource() };
        named.extend(keys_in(event).into_iter().map(of_key));
        for alias_arn in aliases_in(event) {
            for key in stood_for(&aliases, &alias_arn, event.event_time) {
                named.push(NamedKey { event, key, alias_arn: Some(alias_arn.clone()), resource: resource() });
            }
        }
    }
    named
}

/// The keys of an alias at a moment and now; one that was first observed later may have stood for it before. None of them is known = none.
fn stood_for(aliases: &[super::ledgers::AliasInterval], alias_arn: &str, time: Option<Time>) -> Vec<Cell> {
    let mut keys = Vec::new();
    for interval in aliases.iter().filter(|interval| interval.alias_arn == alias_arn) {
        let is_then = time.is_none_or(|time| {
            interval.possible_from.is_none_or(|begin| begin <= time) && interval.valid_to.is_none_or(|end| time < end)
        });
        if is_then || interval.valid_to.is_none() {
            keys.push(some(&interval.key_arn));
        }
    }
    if keys.is_empty() { vec![None] } else { keys }
}

/// The aliases that the parameters of a call name in the place of a key, as ARNs.
fn aliases_in(event: &super::Event) -> BTreeSet<String> {
    let region = text_at(&event.value, &["awsRegion"]).unwrap_or_default();
    let account = event.recipient_account_id.as_deref().unwrap_or_default();
    let reference = text_at(&event.value, &["requestParameters", "kmsKeyId"]);
    let alias = reference.filter(|reference| reference.starts_with("alias/"));
    alias.map(|alias| format!("arn:aws:kms:{region}:{account}:{alias}")).into_iter().collect()
}

/// The keys that a record names.
pub(super) fn keys_in(event: &super::Event) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for name in [
        "requestParameters",
        "responseElements",
        "resources",
        "additionalEventData",
        "serviceEventDetails",
        "errorMessage",
    ] {
        collect_keys(event, "", &event.value[name], &mut keys);
    }
    keys
}

/// Role or ARN from the caller's copy, the unique id from the owner's.
fn foreign_principal(found: Use<'_>) -> Cell {
    let identity = |path: &[&str]| found.text(&[&["userIdentity"][..], path].concat());
    let id = identity(&["principalId"]).map(|id| id.split(':').next().unwrap_or_default());
    identity(&["sessionContext", "sessionIssuer", "arn"])
        .or_else(|| identity(&["arn"]))
        .or(id)
        .or(found.event.invoked_by.as_deref())
        .and_then(some)
}

/// The session's name in an assumed-role ARN.
fn session_of(found: Use<'_>) -> Cell {
    let arn = found.text(&["userIdentity", "arn"]).filter(|arn| arn.contains(":assumed-role/"))?;
    arn.rsplit('/').next().map(str::to_owned)
}

fn collect_keys(event: &super::Event, name: &str, value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| collect_keys(event, name, value, keys)),
        Value::Array(elements) => elements.iter().for_each(|value| collect_keys(event, name, value, keys)),
        Value::String(text) if text.contains(":key/") => {
            let words = text.split(['"', ' ', ',', '[', ']', '\\', '\'']);
            keys.extend(
                words
                    .map(|word| word.trim_end_matches(['.', ':']))
                    .filter(|word| word.starts_with("arn:aws:kms:") && word.contains(":key/"))
                    .map(str::to_owned),
            );
        }
        Value::String(text) if name.to_lowercase().contains("kms") => {
            let region = text_at(&event.value, &["awsRegion"]).unwrap_or_default();
            let caller = text_at(&event.value, &["userIdentity", "accountId"]);
            let account = event.recipient_account_id.as_deref().or(caller);
            let is_id = text.len() == 36 && (text.starts_with("mrk-") || text.matches('-').count() == 4);
            if let (true, Some(account)) = (is_id, account) {
                keys.insert(format!("arn:aws:kms:{region}:{account}:key/{text}"));
            }
        }
        _ => {}
    }
}

/// What the changes of a generated trail are about, call by call.
fn changed_resource(record: &Value) -> Cell {
    let at = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    match text_at(record, &["eventName"])? {
        "RunInstances" => at("/responseElements/instancesSet/items/0/instanceId"),
        "CreateVolume" => at("/responseElements/volumeId"),
        "CreateSecret" => at("/responseElements/aRN"),
        "PutBucketEncryption" => at("/requestParameters/bucketName"),
        "PutRolePolicy" => at("/requestParameters/roleName"),
        name if name.starts_with("UpdateFunctionCode") => at("/responseElements/functionArn"),
        _ => None,
    }
}
