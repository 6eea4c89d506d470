//! What becomes of keys, aliases, grants and policies over time, walked event by event.
//!
//! The rows of the views that need state. Each walk is a loop over events in the order of their times with a variable for what
//! holds at that moment: no windows, no joins, nothing of the SQL that it is compared with.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use serde_json::Value;

use super::contexts::sighted_keys;
use super::inventory::Statement;
use super::kms::{KeyRole, KmsEvent, member, text_at};
use super::views::{ViewTable, some, time_cell};
use super::{Event, Oracle};

type Time = DateTime<Utc>;
type Cells = Vec<Option<String>>;

/// Calls may contradict a change for so long.
const SETTLING: Duration = Duration::minutes(5);
/// And what tells of a set's primary for so long.
const SETTLING_PRIMARY: Duration = Duration::hours(1);

/// One event in the life of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct LifeEvent {
    pub key_arn: String,
    pub event_time: Option<Time>,
    pub event_id: String,
    pub sequence_number: usize,
    pub event_name: String,
    pub lifecycle_event: &'static str,
    pub key_state_after: Option<String>,
    pub principal_arn: Option<String>,
    pub invoked_by: Option<String>,
    pub detail: Option<String>,
    pub deletion_time: Option<Time>,
    value: Value,
}

/// What an alias stood for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct AliasInterval {
    pub alias_arn: String,
    pub key_arn: String,
    pub valid_from: Time,
    pub possible_from: Option<Time>,
    pub valid_to: Option<Time>,
    pub source: &'static str,
    pub source_event_id: String,
    pub ended_event_id: Option<String>,
    pub last_seen_time: Time,
}

/// A grant from its creation to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the columns are documented in sql/views")]
pub struct GrantLife {
    pub key_arn: Option<String>,
    pub grant_id: String,
    pub created: Option<(Option<Time>, String)>,
    pub ended: Option<(Option<Time>, String)>,
    pub grant_state: &'static str,
    creator: Option<String>,
    service: Option<String>,
    pub(super) request: Value,
}

/// Whether it is no creation, time, whether the primary moved, event and primary key.
type Told = (bool, Option<Time>, bool, String, String);

/// A KMS event with its record.
struct Call<'o> {
    event: KmsEvent,
    value: &'o Value,
}

impl Call<'_> {
    fn is_success(&self) -> bool {
        self.event.error_code.is_none() && self.event.outcome == "succeeded"
    }

    fn key(&self) -> Option<&str> {
        self.event.touches.first().and_then(|touch| touch.key_arn.as_deref())
    }
}

/// What an operation means for its key, and which of several in one second is taken to be first.
fn lifecycle_word(event_name: &str) -> Option<(&'static str, u8)> {
    Some(match event_name {
        "CreateKey" => ("created", 0),
        "ReplicateKey" => ("replicated", 1),
        "ImportKeyMaterial" => ("material_imported", 2),
        "CancelKeyDeletion" => ("deletion_cancelled", 3),
        "EnableKey" => ("enabled", 4),
        "DisableKey" => ("disabled", 6),
        "DeleteImportedKeyMaterial" => ("material_deleted", 7),
        "ScheduleKeyDeletion" => ("deletion_scheduled", 8),
        "DeleteKey" => ("deleted", 9),
        "UpdatePrimaryRegion" => ("primary_changed", 5),
        "SynchronizeMultiRegionKey" => ("synchronized", 5),
        "DeleteExpiredKeyMaterial" => ("material_expired", 5),
        "EnableKeyRotation" => ("rotation_enabled", 5),
        "DisableKeyRotation" => ("rotation_disabled", 5),
        "RotateKeyOnDemand" => ("rotation_requested", 5),
        "RotateKey" => ("rotated", 5),
        "PutKeyPolicy" => ("policy_changed", 5),
        "UpdateKeyDescription" => ("description_changed", 5),
        "TagResource" => ("tagged", 5),
        "UntagResource" => ("untagged", 5),
        _ => return None,
    })
}

/// A part of a key ARN, from 0: partition is 1, region 3, account 4, `key/id` 5.
fn arn_part(arn: &str, part: usize) -> &str {
    arn.split(':').nth(part).unwrap_or_default()
}

fn key_id(arn: &str) -> &str {
    arn_part(arn, 5).split('/').nth(1).unwrap_or_default()
}

fn in_region(arn: &str, region: &str) -> String {
    let parts: Vec<&str> = arn.split(':').collect();
    [parts[0], parts[1], parts[2], region, parts[4], parts[5]].join(":")
}

fn family_of(arn: &str) -> Option<String> {
    key_id(arn).starts_with("mrk-").then(|| [arn_part(arn, 1), arn_part(arn, 4), key_id(arn)].join(":"))
}

/// A member of the request, or of the response below `path`, as text.
fn text(value: &Value, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(value, |value, name| value.get(name))?;
    match found {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn request(value: &Value, name: &str) -> Option<String> {
    text(value, &["requestParameters", name])
}

fn response(value: &Value, path: &[&str]) -> Option<String> {
    text(value.get("responseElements")?, path)
}

/// `Sep 12, 2023, 12:00:00 AM`
fn java_time(text: &str) -> Option<Time> {
    NaiveDateTime::parse_from_str(text, "%b %d, %Y, %I:%M:%S %p").ok().map(|time| time.and_utc())
}

fn joined(parts: &[Option<String>]) -> Option<String> {
    let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn window_of(value: &Value) -> String {
    request(value, "pendingWindowInDays")
        .or_else(|| response(value, &["pendingWindowInDays"]))
        .unwrap_or_else(|| "30".to_owned())
}

fn detail_of(word: &str, value: &Value) -> Option<String> {
    match word {
        "created" => joined(
            &["keySpec", "keyUsage", "origin"]
                .map(|name| response(value, &["keyMetadata", name]).or_else(|| request(value, name))),
        ),
        "replicated" => request(value, "replicaRegion"),
        "primary_changed" => request(value, "primaryRegion"),
        "material_imported" => joined(&[
            request(value, "expirationModel"),
            request(value, "validTo").map(|date| format!("valid to {date}")),
        ]),
        "rotation_enabled" => request(value, "rotationPeriodInDays").map(|days| format!("every {days} days")),
        "rotated" => text(value, &["serviceEventDetails", "rotationType"]),
        "description_changed" => request(value, "description"),
        "tagged" => request(value, "tags"),
        "untagged" => request(value, "tagKeys"),
        "deletion_scheduled" => {
            joined(&[response(value, &["deletionDate"]), Some(format!("after {} days", window_of(value)))])
        }
        _ => None,
    }
}

fn deletion_time_of(event: &KmsEvent, value: &Value) -> Option<Time> {
    if response(value, &["keyState"]).as_deref() == Some("PendingReplicaDeletion") {
        return None;
    }
    let told = response(value, &["deletionDate"]).as_deref().and_then(java_time);
    told.or_else(|| Some(event.event_time? + Duration::days(window_of(value).parse().ok()?)))
}

/// The state that an event leads to from the state before it; none = it stays.
fn next_state(word: &str, before: Option<&str>, value: &Value) -> Option<String> {
    let is_dying = matches!(before, Some("PendingDeletion" | "PendingReplicaDeletion" | "Deleted"));
    let state = match word {
        "created" => {
            let told = response(value, &["keyMetadata", "keyState"]);
            let is_pending = match told {
                Some(state) => state == "PendingImport",
                None => request(value, "origin").as_deref() == Some("EXTERNAL"),
            };
            if is_pending { "PendingImport" } else { "Enabled" }
        }
        "enabled" => "Enabled",
        "disabled" | "deletion_cancelled" => "Disabled",
        "deleted" => "Deleted",
        "deletion_scheduled" => {
            return response(value, &["keyState"]).or_else(|| Some("PendingDeletion".to_owned()));
        }
        "material_imported" if !is_dying && before != Some("Disabled") => "Enabled",
        "material_deleted" | "material_expired" if !is_dying => "PendingImport",
        _ => return None,
    };
    Some(state.to_owned())
}

/// The primary key of the set, by what the creation of a member tells.
fn primary_at_creation(value: &Value, key: &str) -> Option<String> {
    let of_set = |path: &[&str]| response(value, &[&["keyMetadata", "multiRegionConfiguration"], path].concat());
    let is_alone = request(value, "multiRegion").as_deref() == Some("true")
        && of_set(&["multiRegionKeyType"]).as_deref() != Some("REPLICA");
    of_set(&["primaryKey", "arn"]).or_else(|| is_alone.then(|| key.to_owned()))
}

impl Oracle {
    /// The views that need state, as texts.
    pub(super) fn ledgers(&self) -> Vec<ViewTable> {
        let keys = self.key_cells();
        vec![
            view(
                "kms_key_lifecycle",
                LIFECYCLE,
                self.key_lives().into_values().flatten().map(lifecycle_cells).collect(),
            ),
            view("kms_mrk_families", FAMILIES, self.family_cells(&keys)),
            view("kms_keys", KEYS, keys),
            view("kms_aliases", ALIASES, self.alias_intervals().into_iter().map(alias_cells).collect()),
            view("kms_grants", GRANTS, self.grant_lives().iter().map(grant_cells).collect()),
            view("kms_key_policies", POLICIES, self.policy_cells()),
        ]
    }

    fn calls<'o>(&'o self) -> Vec<Call<'o>> {
        let call = |event: &'o Event| Some(Call { event: KmsEvent::of(event)?, value: &event.value });
        self.events.iter().filter_map(call).collect()
    }

    /// The lives of all keys, each in order.
    pub fn key_lives(&self) -> BTreeMap<String, Vec<LifeEvent>> {
        let mut lives: BTreeMap<String, Vec<(u8, LifeEvent)>> = BTreeMap::new();
        for call in self.calls().iter().filter(|call| call.is_success()) {
            let (Some((word, rank)), Some(key)) = (lifecycle_word(&call.event.event_name), call.key()) else {
                continue;
            };
            let mut add = |key: String, word: &'static str, rank: u8, detail: Option<String>| {
                let life = new_life_event(call, key.clone(), word, detail);
                lives.entry(key).or_default().push((rank, life));
            };
            add(key.to_owned(), word, rank, detail_of(word, call.value));
            if word == "replicated" {
                let region = request(call.value, "replicaRegion");
                let replica = response(call.value, &["replicaKeyMetadata", "arn"])
                    .or_else(|| region.map(|region| in_region(key, &region)));
                if let Some(replica) = replica {
                    add(replica, "created", 0, Some(format!("replica of {key}")));
                }
            }
        }
        for life in lives.values_mut() {
            // Of a replica's two creations the one that tells of its primary counts.
            let is_replica =
                |event: &LifeEvent| event.lifecycle_event == "created" && event.event_name == "ReplicateKey";
            if life.iter().any(|(_, event)| is_replica(event)) {
                life.retain(|(_, event)| event.event_name != "CreateKey");
            }
        }
        lives.into_iter().map(|(key, life)| (key, in_order(life))).collect()
    }

    /// The latest event that tells the primary key of each family.
    fn primaries(&self) -> BTreeMap<String, (String, String)> {
        let mut primaries: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        for call in self.calls().iter().filter(|call| call.is_success()) {
            let Some(key) = call.key() else { continue };
            let Some(family) = family_of(key) else { continue };
            let is_move = call.event.event_name == "UpdatePrimaryRegion";
            let primary = match call.event.event_name.as_str() {
                "CreateKey" => primary_at_creation(call.value, key),
                "ReplicateKey" | "SynchronizeMultiRegionKey" => Some(key.to_owned()),
                "UpdatePrimaryRegion" => request(call.value, "primaryRegion").map(|region| in_region(key, &region)),
                _ => None,
            };
            if let Some(primary) = primary {
                let is_later = call.event.event_name != "CreateKey";
                // What is synchronised meanwhile is told of the primary of before.
                let settled = call.event.event_time.map(|time| if is_move { time + SETTLING_PRIMARY } else { time });
                let told = (is_later, settled, is_move, call.event.event_id.clone(), primary);
                primaries.entry(family).or_default().push(told);
            }
        }
        let latest = |told: Vec<Told>| told.into_iter().max().map(|(.., event_id, key)| (key, event_id));
        primaries.into_iter().filter_map(|(family, told)| Some((family, latest(told)?))).collect()
    }

    /// Every key that any event names.
    fn key_cells(&self) -> Vec<Cells> {
        let (lives, primaries) = (self.key_lives(), self.primaries());
        let mut seen: BTreeMap<String, Sightings> = BTreeMap::new();
        for call in &self.calls() {
            for touch in &call.event.touches {
                let Some(key) = &touch.key_arn else { continue };
                seen.entry(key.clone()).or_default().add(call, key, touch.role);
            }
        }
        for (event, key) in sighted_keys(self) {
            seen.entry(key).or_default().see(event.event_time);
        }
        for (key, life) in &lives {
            let sightings = seen.entry(key.clone()).or_default();
            life.iter().for_each(|event| sightings.see(event.event_time));
        }
        let none = Vec::new();
        let row = |(key, sightings): (&String, &Sightings)| {
            let primary = family_of(key).and_then(|family| primaries.get(&family).cloned());
            let life = lives.get(key).unwrap_or(&none);
            let is_of_set = |other: &&String| family_of(key).is_some() && family_of(other) == family_of(key);
            let mut of_set: Vec<&[LifeEvent]> = lives.keys().filter(is_of_set).map(|other| &lives[other][..]).collect();
            if of_set.is_empty() {
                of_set.push(life);
            }
            key_row(key, sightings, life, &of_set, primary)
        };
        seen.iter().map(row).collect()
    }

    fn family_cells(&self, keys: &[Cells]) -> Vec<Cells> {
        let usage: BTreeMap<String, _> =
            self.kms_key_usage().into_iter().map(|row| (row.key_arn.clone(), row)).collect();
        let mut families: BTreeMap<String, Vec<&Cells>> = BTreeMap::new();
        for key in keys {
            if let Some(family) = key[0].as_deref().and_then(family_of) {
                families.entry(family).or_default().push(key);
            }
        }
        let column = |name: &str| KEYS.iter().position(|column| *column == name).unwrap_or_default();
        let (primary, region, deleted) = (column("primary_key_arn"), column("aws_region"), column("deleted_time"));
        let row = |(family, members): (String, Vec<&Cells>)| {
            let arns: Vec<&str> = members.iter().filter_map(|key| key[0].as_deref()).collect();
            let regions: BTreeSet<&str> = members.iter().filter_map(|key| key[region].as_deref()).collect();
            let used: Vec<_> = arns.iter().filter_map(|arn| usage.get(*arn)).collect();
            let last = used
                .iter()
                .filter(|row| row.last_used_time.is_some())
                .max_by_key(|row| (row.last_used_time, &row.last_used_event_id));
            vec![
                some(&family),
                some(&members.len()),
                members.iter().filter_map(|key| key[primary].clone()).next(),
                some(&arns.join(",")),
                some(&regions.into_iter().collect::<Vec<_>>().join(",")),
                time_cell(used.iter().filter_map(|row| row.first_used_time).min()),
                time_cell(last.and_then(|row| row.last_used_time)),
                last.map(|row| row.key_arn.clone()),
                last.and_then(|row| row.last_used_event_id.clone()),
                some(&used.iter().map(|row| row.use_event_count).sum::<u64>()),
                some(&used.iter().map(|row| row.failed_count).sum::<u64>()),
                some(&members.iter().filter(|key| key[deleted].is_none()).count()),
            ]
        };
        families.into_iter().map(row).collect()
    }

    /// When each key was destroyed.
    fn deletions(&self) -> BTreeMap<String, (Option<Time>, String)> {
        let mut deletions = BTreeMap::new();
        for call in self.calls().iter().filter(|call| call.is_success() && call.event.event_name == "DeleteKey") {
            if let Some(key) = call.key() {
                deletions.insert(key.to_owned(), (call.event.event_time, call.event.event_id.clone()));
            }
        }
        deletions
    }

    /// What every alias stood for, in order.
    pub fn alias_intervals(&self) -> Vec<AliasInterval> {
        let mut mentions: BTreeMap<String, Vec<Mention>> = BTreeMap::new();
        for call in self.calls().iter().filter(|call| call.event.error_code.is_none()) {
            for (alias_arn, mention) in mentions_of(call) {
                mentions.entry(alias_arn).or_default().push(mention);
            }
        }
        let deletions = self.deletions();
        let mut intervals: Vec<_> =
            mentions.into_iter().flat_map(|(alias_arn, mentions)| intervals_of(&alias_arn, mentions)).collect();
        for interval in &mut intervals {
            let Some((Some(time), event_id)) = deletions.get(&interval.key_arn) else { continue };
            if *time > interval.valid_from && interval.valid_to.is_none_or(|end| *time < end) {
                interval.valid_to = Some(*time);
                interval.ended_event_id = Some(event_id.clone());
            }
        }
        intervals
    }

    /// Every grant that an event tells of.
    pub fn grant_lives(&self) -> Vec<GrantLife> {
        let mut calls = self.calls();
        calls.sort_by_key(|call| {
            (call.event.event_time, call.event.principal_arn.is_none(), call.event.event_id.clone())
        });
        let mut grants: BTreeMap<String, GrantLife> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.is_success()) {
            let id = match call.event.event_name.as_str() {
                "CreateGrant" => response(call.value, &["grantId"]),
                "RevokeGrant" | "RetireGrant" => {
                    request(call.value, "grantId").or_else(|| text(call.value, &["additionalEventData", "grantId"]))
                }
                _ => None,
            };
            let Some(id) = id else { continue };
            let grant = grants.entry(id.clone()).or_insert_with(|| GrantLife {
                grant_id: id,
                grant_state: "live",
                ..GrantLife::default()
            });
            grant.key_arn = grant.key_arn.take().max(call.key().map(str::to_owned));
            let moment = Some((call.event.event_time, call.event.event_id.clone()));
            if call.event.event_name == "CreateGrant" && grant.created.is_none() {
                grant.created = moment;
                grant.creator.clone_from(&call.event.principal_arn);
                grant.service.clone_from(&call.event.invoked_by);
                grant.request = call.value["requestParameters"].clone();
            } else if call.event.event_name != "CreateGrant" && grant.ended.is_none() {
                grant.ended = moment;
                grant.grant_state = if call.event.event_name == "RetireGrant" { "retired" } else { "revoked" };
            }
        }
        let deletions = self.deletions();
        let mut grants: Vec<_> = grants.into_values().collect();
        for grant in grants.iter_mut().filter(|grant| grant.ended.is_none()) {
            if let Some(deletion) = grant.key_arn.as_ref().and_then(|key| deletions.get(key)) {
                grant.ended = Some(deletion.clone());
                grant.grant_state = "key_deleted";
            }
        }
        grants
    }

    /// Grants that nothing in the logs has ended: key, grantee, id.
    pub(super) fn live_grants(&self) -> Vec<(Option<String>, Option<String>, String)> {
        let lives = self.grant_lives().into_iter().filter(|grant| grant.grant_state == "live");
        let asked = |grant: &GrantLife, name: &str| text(&grant.request, &[name]);
        let grantee =
            |grant: &GrantLife| asked(grant, "granteePrincipal").or_else(|| asked(grant, "granteeServicePrincipal"));
        lives.map(|grant| (grant.key_arn.clone(), grantee(&grant), grant.grant_id)).collect()
    }

    /// The statements of the policies in force at the end of the logs.
    pub(super) fn policies_in_force(&self) -> Vec<Statement> {
        let column = |name: &str| POLICIES.iter().position(|column| *column == name).unwrap_or_default();
        let statement = |cells: Cells| {
            let cell = |name: &str| cells[column(name)].clone();
            let index = cell("statement_index")?;
            Some(Statement {
                key: cell("key_arn")?,
                is_allow: cell("effect")? == "Allow",
                principal: cell("principal")?,
                kind: cell("principal_kind").unwrap_or_default(),
                via: cell("statement_id").unwrap_or_else(|| format!("statement {index}")),
                source: "logs",
            })
        };
        let in_force = self.policy_cells().into_iter().filter(|cells| cells[column("valid_to")].is_none());
        in_force.filter_map(statement).collect()
    }

    fn policy_cells(&self) -> Vec<Cells> {
        let mut rows = Vec::new();
        for (key, life) in self.key_lives() {
            let settings: Vec<_> = life
                .iter()
                .filter(|event| ["created", "policy_changed", "deleted"].contains(&event.lifecycle_event))
                .collect();
            for (index, event) in settings.iter().enumerate().filter(|(_, event)| event.lifecycle_event != "deleted") {
                let valid_to = settings.get(index + 1).and_then(|next| next.event_time);
                if valid_to.is_some() && valid_to <= event.event_time {
                    continue;
                }
                rows.extend(policy_rows(&key, event, valid_to));
            }
        }
        rows
    }
}

fn view(view: &'static str, columns: &'static [&'static str], mut rows: Vec<Cells>) -> ViewTable {
    rows.sort();
    ViewTable { view, columns, rows }
}

fn new_life_event(call: &Call<'_>, key_arn: String, word: &'static str, detail: Option<String>) -> LifeEvent {
    let is_scheduled = word == "deletion_scheduled";
    LifeEvent {
        key_arn,
        event_time: call.event.event_time,
        event_id: call.event.event_id.clone(),
        sequence_number: 0,
        event_name: call.event.event_name.clone(),
        lifecycle_event: word,
        key_state_after: None,
        principal_arn: call.event.principal_arn.clone(),
        invoked_by: call.event.invoked_by.clone(),
        detail,
        deletion_time: if is_scheduled { deletion_time_of(&call.event, call.value) } else { None },
        value: call.value.clone(),
    }
}

/// Sorts a life, numbers it and walks through its states.
fn in_order(mut life: Vec<(u8, LifeEvent)>) -> Vec<LifeEvent> {
    life.sort_by_key(|(rank, event)| (event.event_time, *rank, event.event_id.clone()));
    let mut life: Vec<_> = life.into_iter().map(|(_, event)| event).collect();
    let mut state: Option<String> = None;
    for (index, event) in life.iter_mut().enumerate() {
        event.sequence_number = index + 1;
        event.key_state_after = match (event.lifecycle_event, event.event_name.as_str()) {
            ("created", "ReplicateKey") => Some(replica_state(&event.value)),
            (word, _) => next_state(word, state.as_deref(), &event.value),
        };
        state = event.key_state_after.clone().or(state);
    }
    life
}

/// A replica is being created for some seconds; then it is as its primary.
fn replica_state(value: &Value) -> String {
    let told = response(value, &["replicaKeyMetadata", "origin"])
        .or_else(|| response(value, &["replicaKeyMetadata", "keyState"]));
    let is_pending = matches!(told.as_deref(), Some("EXTERNAL" | "PendingImport"));
    if is_pending { "PendingImport" } else { "Enabled" }.to_owned()
}

const LIFECYCLE: &[&str] = &[
    "key_arn",
    "event_time",
    "event_id",
    "sequence_number",
    "event_name",
    "lifecycle_event",
    "key_state_after",
    "principal_arn",
    "invoked_by",
    "detail",
    "rotation_type",
    "deletion_time",
];

fn lifecycle_cells(event: LifeEvent) -> Cells {
    vec![
        Some(event.key_arn),
        time_cell(event.event_time),
        Some(event.event_id),
        some(&event.sequence_number),
        Some(event.event_name),
        some(event.lifecycle_event),
        event.key_state_after,
        event.principal_arn,
        event.invoked_by,
        event.detail,
        text(&event.value, &["serviceEventDetails", "rotationType"]),
        time_cell(event.deletion_time),
    ]
}

/// What calls show of one key.
#[derive(Debug, Default)]
struct Sightings {
    first: Option<Time>,
    last: Option<Time>,
    has_aws_alias: bool,
    /// State, time and event of everything that proves a state.
    proofs: Vec<(Option<Time>, String, &'static str)>,
}

impl Sightings {
    fn see(&mut self, time: Option<Time>) {
        if let Some(time) = time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
    }

    fn add(&mut self, call: &Call<'_>, key: &str, role: KeyRole) {
        self.see(call.event.event_time);
        if role != KeyRole::Source && call.event.error_code.is_none() {
            let named = ["aliasName", "keyId", "destinationKeyId"].map(|name| request(call.value, name));
            self.has_aws_alias |= named
                .into_iter()
                .flatten()
                .any(|name| alias_in(&name).is_some_and(|alias| alias.starts_with("alias/aws/")));
        }
        if let Some(state) = proven_state(call, key, role) {
            self.proofs.push((call.event.event_time, call.event.event_id.clone(), state));
        }
    }
}

fn proven_state(call: &Call<'_>, key: &str, role: KeyRole) -> Option<&'static str> {
    if call.event.error_code.is_none() {
        return (role != KeyRole::Target).then_some("Enabled");
    }
    let message = text_at(call.value, &["errorMessage"])?;
    if call.event.outcome != "blocked" || !message.contains(key) {
        return None;
    }
    let words = [
        ("is disabled", "Disabled"),
        ("is pending deletion", "PendingDeletion"),
        ("is pending replica deletion", "PendingReplicaDeletion"),
        ("is pending import", "PendingImport"),
        ("is unavailable", "Unavailable"),
    ];
    words.into_iter().find(|(words, _)| message.contains(words)).map(|(_, state)| state)
}

const KEYS: &[&str] = &[
    "key_arn",
    "key_id",
    "account_id",
    "aws_region",
    "multi_region_role",
    "primary_key_arn",
    "primary_event_id",
    "key_manager",
    "key_spec",
    "key_usage",
    "origin",
    "description",
    "description_event_id",
    "creation_time",
    "created_by_principal_arn",
    "created_event_id",
    "key_state",
    "key_state_since_time",
    "key_state_event_id",
    "key_state_source",
    "deletion_time",
    "deletion_event_id",
    "deleted_time",
    "rotation_enabled",
    "rotation_event_id",
    "last_rotated_time",
    "last_rotated_event_id",
    "policy_event_id",
    "first_seen_time",
    "last_seen_time",
];

const FAMILIES: &[&str] = &[
    "family_id",
    "key_count",
    "primary_key_arn",
    "key_arns",
    "aws_regions",
    "first_used_time",
    "last_used_time",
    "last_used_key_arn",
    "last_used_event_id",
    "use_event_count",
    "failed_count",
    "not_deleted_key_count",
];

/// State, since when, by which event, how it is known.
type State = (String, Option<Time>, String, &'static str);

fn key_row(
    key: &str,
    sightings: &Sightings,
    life: &[LifeEvent],
    of_set: &[&[LifeEvent]],
    primary: Option<(String, String)>,
) -> Cells {
    let is = |event: &&LifeEvent, words: &[&str]| words.contains(&event.lifecycle_event);
    let last = |words: &[&str]| life.iter().rfind(|event| is(event, words));
    let created = life.iter().find(|event| event.lifecycle_event == "created");
    let metadata = |name: &str| {
        let created = created?;
        let of_replica = || response(&created.value, &["replicaKeyMetadata", name]);
        let of_request = || request(&created.value, name).filter(|_| created.event_name == "CreateKey");
        response(&created.value, &["keyMetadata", name]).or_else(of_replica).or_else(of_request)
    };
    let role = family_of(key).map(|_| match &primary {
        None => "member",
        Some((arn, _)) if arn == key => "primary",
        Some(_) => "replica",
    });
    let is_customers =
        life.iter().any(|event| !is(&event, &["created", "rotated", "rotation_enabled", "synchronized"]));
    let manager = created
        .and_then(|event| {
            response(&event.value, &["keyMetadata", "keyManager"])
                .or_else(|| response(&event.value, &["replicaKeyMetadata", "keyManager"]))
        })
        .or_else(|| is_customers.then(|| "CUSTOMER".to_owned()))
        .or_else(|| sightings.has_aws_alias.then(|| "AWS".to_owned()));
    let described = last(&["created", "description_changed"]);
    let description = described.and_then(|event| {
        request(&event.value, "description").or_else(|| response(&event.value, &["replicaKeyMetadata", "description"]))
    });
    let state = state_of(life, &sightings.proofs);
    let deleted = last(&["deleted"]);
    let is_dying = deleted.is_some()
        || state
            .as_ref()
            .is_some_and(|(state, ..)| ["PendingDeletion", "PendingReplicaDeletion"].contains(&state.as_str()));
    let scheduled = last(&["deletion_scheduled"]).filter(|_| is_dying);
    // The members of a set are rotated as one, and a replica's creation tells nothing of it.
    let tells_rotation = |event: &&LifeEvent| {
        let kind = response(&event.value, &["keyMetadata", "multiRegionConfiguration", "multiRegionKeyType"]);
        let is_of_replica = event.event_name == "ReplicateKey" || kind.as_deref() == Some("REPLICA");
        is(event, &["rotation_enabled", "rotation_disabled"])
            || (event.lifecycle_event == "created" && !is_of_replica)
            || (event.lifecycle_event == "rotated" && event.detail.as_deref() == Some("AUTOMATIC"))
    };
    let latest_of_set = |is_meant: &dyn Fn(&&LifeEvent) -> bool| {
        of_set.iter().filter_map(|life| life.iter().rfind(is_meant)).max_by_key(|event| event.event_time)
    };
    let rotation = latest_of_set(&tells_rotation);
    let rotated = latest_of_set(&|event| event.lifecycle_event == "rotated");
    let id_of = |event: Option<&LifeEvent>| event.map(|event| event.event_id.clone());
    let time_of = |event: Option<&LifeEvent>| time_cell(event.and_then(|event| event.event_time));
    let mut cells = vec![some(key), some(key_id(key)), some(arn_part(key, 4)), some(arn_part(key, 3))];
    cells.extend([role.map(str::to_owned), primary.as_ref().map(|(arn, _)| arn.clone()), primary.map(|(_, id)| id)]);
    cells.extend([manager, metadata("keySpec"), metadata("keyUsage"), metadata("origin")]);
    cells.extend([description.clone(), id_of(described).filter(|_| description.is_some())]);
    cells.extend([time_of(created), created.and_then(|event| event.principal_arn.clone()), id_of(created)]);
    match state {
        Some((state, since, event_id, source)) => {
            cells.extend([Some(state), time_cell(since), Some(event_id), some(source)]);
        }
        None => cells.extend([None, None, None, None]),
    }
    cells.extend([time_cell(scheduled.and_then(|event| event.deletion_time)), id_of(scheduled), time_of(deleted)]);
    cells.extend([
        rotation.and_then(|event| some(&["rotation_enabled", "rotated"].contains(&event.lifecycle_event))),
        id_of(rotation),
    ]);
    cells.extend([time_of(rotated), id_of(rotated), id_of(last(&["created", "policy_changed"]))]);
    cells.extend([time_cell(sightings.first), time_cell(sightings.last)]);
    cells
}

/// The state by the last event that sets it, unless later calls prove another one.
fn state_of(life: &[LifeEvent], proofs: &[(Option<Time>, String, &'static str)]) -> Option<State> {
    let set = life.iter().rfind(|event| event.key_state_after.is_some());
    let by_event = set.map(|event| {
        let state = event.key_state_after.clone().unwrap_or_default();
        (state, event.event_time, event.event_id.clone(), "event")
    });
    let mut proofs = proofs.to_vec();
    proofs.sort();
    // Of two states proven in one second the greater word is taken, as anything must be.
    let latest = proofs.iter().map(|(time, _, state)| (*time, *state)).max();
    let Some((latest_time, state)) = latest else { return by_event };
    let settled = by_event.as_ref().and_then(|(_, time, ..)| Some((*time)? + SETTLING));
    let contradicts = match &by_event {
        None => true,
        Some((set, ..)) if set == state || set == "Deleted" => false,
        Some((set, ..)) if set == "PendingReplicaDeletion" && state == "PendingDeletion" => false,
        Some(_) => latest_time > settled,
    };
    if !contradicts {
        return by_event;
    }
    let same: Vec<_> = proofs.iter().filter(|(_, _, proven)| *proven == state).collect();
    let (first, last) = (same.first()?, same.last()?);
    let other = proofs.iter().filter(|(_, _, proven)| *proven != state).map(|(time, ..)| *time).max().flatten();
    let is_first_conclusive =
        other.is_none_or(|other| first.0 > Some(other)) && settled.is_none_or(|settled| first.0 > Some(settled));
    let (time, event_id, _) = if is_first_conclusive { first } else { last };
    Some((state.to_owned(), *time, event_id.clone(), "observed"))
}

/// An event that shows what an alias stands for.
#[derive(Debug, Clone)]
struct Mention {
    time: Time,
    rank: i8,
    event_id: String,
    /// None = for nothing any more.
    key_arn: Option<String>,
}

/// An alias event, not a call that names the alias.
const OBSERVATION: i8 = 3;
/// What a deletion shows of the time before it.
const UNTIL_DELETED: i8 = -1;

/// `alias/…` of an alias name or alias ARN.
fn alias_in(reference: &str) -> Option<&str> {
    if reference.starts_with("alias/") {
        return Some(reference);
    }
    let start = reference.find(":alias/").filter(|_| reference.starts_with("arn:"))?;
    Some(&reference[start + 1..])
}

fn mentions_of(call: &Call<'_>) -> Vec<(String, Mention)> {
    let Some(time) = call.event.event_time else { return Vec::new() };
    let event_id = call.event.event_id.clone();
    let alias_arn = |key: &str, alias: &str| {
        format!("arn:{}:kms:{}:{}:{alias}", arn_part(key, 1), arn_part(key, 3), arn_part(key, 4))
    };
    let rank = match call.event.event_name.as_str() {
        "DeleteAlias" => 0,
        "CreateAlias" => 1,
        "UpdateAlias" => 2,
        _ => OBSERVATION,
    };
    if rank < OBSERVATION {
        let (Some(alias), Some(key)) = (request(call.value, "aliasName"), call.key()) else { return Vec::new() };
        let mention =
            |rank, key_arn| (alias_arn(key, &alias), Mention { time, rank, event_id: event_id.clone(), key_arn });
        return match rank {
            0 => vec![mention(UNTIL_DELETED, Some(key.to_owned())), mention(rank, None)],
            _ => vec![mention(rank, Some(key.to_owned()))],
        };
    }
    let mut mentions = Vec::new();
    for touch in &call.event.touches {
        let member = match touch.role {
            KeyRole::Source => "sourceKeyId",
            KeyRole::Destination => "destinationKeyId",
            KeyRole::Used | KeyRole::Target => "keyId",
        };
        let reference = request(call.value, member);
        if let (Some(key), Some(alias)) = (&touch.key_arn, reference.as_deref().and_then(alias_in)) {
            let mention = Mention { time, rank, event_id: event_id.clone(), key_arn: Some(key.clone()) };
            mentions.push((alias_arn(key, alias), mention));
        }
    }
    mentions
}

fn intervals_of(alias_arn: &str, mut mentions: Vec<Mention>) -> Vec<AliasInterval> {
    mentions.sort_by_key(|mention| (mention.time, mention.rank, mention.event_id.clone()));
    let mut intervals: Vec<AliasInterval> = Vec::new();
    let mut open: Option<AliasInterval> = None;
    let (mut changed, mut last): (Option<Time>, Option<Time>) = (None, None);
    for mention in mentions {
        let is_change = (0..OBSERVATION).contains(&mention.rank);
        if is_change {
            changed = Some(mention.time);
        } else if changed.is_some_and(|changed| mention.time <= changed + SETTLING) {
            continue;
        }
        let seen_until = last.replace(mention.time);
        if let Some(interval) = open.as_mut().filter(|interval| Some(&interval.key_arn) == mention.key_arn.as_ref()) {
            interval.last_seen_time = mention.time;
            continue;
        }
        if let Some(mut ended) = open.take() {
            ended.valid_to = Some(mention.time);
            ended.ended_event_id = Some(mention.event_id.clone());
            intervals.push(ended);
        }
        open = mention.key_arn.map(|key_arn| AliasInterval {
            alias_arn: alias_arn.to_owned(),
            key_arn,
            valid_from: mention.time,
            possible_from: if is_change { Some(mention.time) } else { seen_until },
            valid_to: None,
            source: if is_change { "event" } else { "observed" },
            source_event_id: mention.event_id,
            ended_event_id: None,
            last_seen_time: mention.time,
        });
    }
    intervals.extend(open);
    intervals.retain(|interval| {
        let is_told_by_its_deletion = interval.ended_event_id.as_ref() == Some(&interval.source_event_id);
        is_told_by_its_deletion || interval.valid_to.is_none_or(|end| end > interval.valid_from)
    });
    intervals
}

const ALIASES: &[&str] = &[
    "alias_arn",
    "alias_name",
    "account_id",
    "aws_region",
    "key_arn",
    "valid_from",
    "possible_from",
    "valid_to",
    "source",
    "source_event_id",
    "ended_event_id",
    "last_seen_time",
];

fn alias_cells(interval: AliasInterval) -> Cells {
    vec![
        some(&interval.alias_arn),
        some(arn_part(&interval.alias_arn, 5)),
        some(arn_part(&interval.alias_arn, 4)),
        some(arn_part(&interval.alias_arn, 3)),
        some(&interval.key_arn),
        time_cell(Some(interval.valid_from)),
        time_cell(interval.possible_from),
        time_cell(interval.valid_to),
        some(interval.source),
        some(&interval.source_event_id),
        interval.ended_event_id,
        time_cell(Some(interval.last_seen_time)),
    ]
}

const GRANTS: &[&str] = &[
    "key_arn",
    "grant_id",
    "grant_name",
    "created_time",
    "created_event_id",
    "created_by_principal_arn",
    "created_by_service",
    "grantee_principal",
    "retiring_principal",
    "operations",
    "constraints",
    "ended_time",
    "ended_event_id",
    "grant_state",
    "is_created_before_window",
];

fn grant_cells(grant: &GrantLife) -> Cells {
    let asked = |name: &str| text(&grant.request, &[name]);
    let operations: Option<BTreeSet<&str>> = grant
        .request
        .get("operations")
        .and_then(Value::as_array)
        .map(|operations| operations.iter().filter_map(Value::as_str).collect());
    let (created, ended) = (grant.created.clone(), grant.ended.clone());
    vec![
        grant.key_arn.clone(),
        some(&grant.grant_id),
        asked("name"),
        time_cell(created.as_ref().and_then(|(time, _)| *time)),
        created.as_ref().map(|(_, event_id)| event_id.clone()),
        grant.creator.clone(),
        grant.service.clone(),
        asked("granteePrincipal").or_else(|| asked("granteeServicePrincipal")),
        asked("retiringPrincipal").or_else(|| asked("retiringServicePrincipal")),
        operations.map(|operations| operations.into_iter().collect::<Vec<_>>().join(",")),
        asked("constraints"),
        time_cell(ended.as_ref().and_then(|(time, _)| *time)),
        ended.map(|(_, event_id)| event_id),
        some(grant.grant_state),
        some(&created.is_none()),
    ]
}

const POLICIES: &[&str] = &[
    "key_arn",
    "valid_from",
    "valid_to",
    "source",
    "source_event_id",
    "statement_index",
    "statement_id",
    "effect",
    "principal",
    "principal_kind",
    "principal_account_id",
    "is_principal_negated",
    "is_cross_account",
    "actions",
    "is_action_negated",
    "conditions",
    "is_account_delegation",
    "policy_text",
];

fn policy_rows(key: &str, event: &LifeEvent, valid_to: Option<Time>) -> Vec<Cells> {
    let of_replica = response(&event.value, &["replicaPolicy"]).filter(|_| event.event_name == "ReplicateKey");
    let written = of_replica.or_else(|| request(&event.value, "policy"));
    let is_told = event.value["requestParameters"]
        .as_object()
        .is_some_and(|request| !request.is_empty() && !request.contains_key("omitted"));
    let is_default = written.is_none() && event.lifecycle_event == "created" && is_told;
    let source = match &written {
        Some(_) => "event",
        None if is_default => "default",
        None => "unknown",
    };
    let statements = if is_default {
        vec![default_statement(key)]
    } else {
        written.as_deref().map(statements_of).unwrap_or_default()
    };
    let head = [some(key), time_cell(event.event_time), time_cell(valid_to), some(source), some(&event.event_id)];
    let with_head = |cells: Cells| head.iter().cloned().chain(cells).collect::<Cells>();
    if statements.is_empty() {
        let mut cells = vec![None; 11];
        cells.extend([some(&false), written]);
        return vec![with_head(cells)];
    }
    let rows = statements.iter().enumerate().flat_map(|(index, statement)| statement_cells(key, index, statement));
    rows.map(with_head).collect()
}

fn default_statement(key: &str) -> Value {
    serde_json::json!({
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": format!("arn:{}:iam::{}:root", arn_part(key, 1), arn_part(key, 4))},
        "Action": "kms:*",
        "Resource": "*",
    })
}

fn statements_of(policy: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    member(&policy, "Statement").map(list_of).unwrap_or_default()
}

fn list_of(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn statement_cells(key: &str, index: usize, statement: &Value) -> Vec<Cells> {
    let named = |name: &str| text(statement, &[name]);
    let is_principal_negated = statement.get("Principal").is_none();
    let principals = statement.get("Principal").or_else(|| statement.get("NotPrincipal"));
    let actions = statement.get("Action").or_else(|| statement.get("NotAction")).map(list_of).unwrap_or_default();
    let actions: Vec<&str> = actions.iter().filter_map(Value::as_str).collect();
    let pairs: Vec<(String, String)> = match principals {
        Some(Value::String(everyone)) => vec![("AWS".to_owned(), everyone.clone())],
        Some(Value::Object(kinds)) => kinds
            .iter()
            .flat_map(|(kind, names)| {
                list_of(names).into_iter().filter_map(|name| Some((kind.clone(), name.as_str()?.to_owned())))
            })
            .collect(),
        _ => Vec::new(),
    };
    let row = |(kind, name): (String, String)| {
        let account = name.split(':').find(|part| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit()));
        let kind = match kind.as_str() {
            "Service" => "service",
            "Federated" => "federated",
            _ if name == "*" => "anyone",
            _ if name.ends_with(":root") || account == Some(name.as_str()) => "account",
            _ => "principal",
        };
        let is_own = account == Some(arn_part(key, 4));
        let is_delegation =
            named("Effect").as_deref() == Some("Allow") && kind == "account" && is_own && !is_principal_negated;
        vec![
            some(&index),
            named("Sid"),
            named("Effect"),
            some(&name),
            some(kind),
            account.map(str::to_owned),
            some(&is_principal_negated),
            account.and_then(|_| some(&!is_own)),
            some(&actions.join(",")),
            some(&statement.get("Action").is_none()),
            named("Condition"),
            some(&is_delegation),
            None,
        ]
    };
    pairs.into_iter().map(row).collect()
}
