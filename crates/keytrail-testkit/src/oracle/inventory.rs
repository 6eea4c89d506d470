//! Outputs of the AWS CLI that fit a trail, made up by rule, and the rows of the views that follow from both.
//!
//! Every third key of the logs is in the inventory, and two keys that no log knows. What is planted for a key goes by its number: keys
//! of AWS, keys that are only listed, a last use that the logs hold, one that they do not, one after their end, none at all; a policy
//! that delegates to IAM, a grant, an alias.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Oracle;
use super::coverage::{VerdictRow, kinds_of_place, verdicts};
use super::views::{ViewTable, some, time_cell};

type Time = DateTime<Utc>;
type Cells = Vec<Option<String>>;

/// An IAM role of every account that has keys, what its inline policy allows, and on which keys.
const ROLES: [(&str, &str, &str); 2] = [("reader", "kms:Decrypt", "*"), ("nobody", "s3:GetObject", "*")];

/// What the AWS CLI printed.
#[derive(Debug, Clone)]
pub struct Inventory {
    keys: Vec<Key>,
    /// When it was printed.
    pub snapshot_time: Time,
}

#[derive(Debug, Clone)]
struct Key {
    number: usize,
    arn: String,
    /// Time, event and operation of the use that KMS names.
    last_use: Option<(Time, String)>,
}

impl Key {
    fn part(&self, part: usize) -> &str {
        self.arn.split(':').nth(part).unwrap_or_default()
    }

    fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    fn is_described(&self) -> bool {
        self.number % 5 != 4
    }

    fn manager(&self) -> Option<&'static str> {
        self.is_described().then_some(if self.number % 7 == 6 { "AWS" } else { "CUSTOMER" })
    }

    fn has_policy(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    fn alias(&self) -> String {
        format!("alias/inventory-{}", self.number)
    }

    fn role(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}-{}", self.part(4), self.number)
    }

    fn policy(&self) -> Value {
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Delegate", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{}:root", self.part(4))},
             "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": self.role("app"), "Service": "logs.amazonaws.com"},
             "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"},
            {"Sid": "Not", "Effect": "Deny", "Principal": "*", "Action": "kms:ScheduleKeyDeletion", "Resource": "*"},
        ]})
    }
}

impl Inventory {
    /// The outputs that fit a trail that ends at `end`.
    pub fn planted(oracle: &Oracle, end: Time) -> Self {
        let usage = oracle.kms_key_usage();
        let unknown = ["eu-north-1", "us-east-1"]
            .map(|region| format!("arn:aws:kms:{region}:999900009999:key/99999999-0000-0000-0000-000000000000"));
        let arns = usage.iter().step_by(3).map(|row| row.key_arn.clone()).chain(unknown);
        let used: BTreeMap<_, _> = usage
            .iter()
            .filter_map(|row| Some((row.key_arn.clone(), (row.last_used_time?, row.last_used_event_id.clone()?))))
            .collect();
        let key = |(number, arn): (usize, String)| {
            let last_use = match number % 4 {
                0 => used.get(&arn).cloned(),
                1 => Some((
                    used.get(&arn).map_or(end - TimeDelta::days(30), |(time, _)| *time),
                    format!("gone-{number}"),
                )),
                2 => Some((end + TimeDelta::hours(2), format!("later-{number}"))),
                _ => None,
            };
            Key { number, arn, last_use }
        };
        Self { keys: arns.enumerate().map(key).collect(), snapshot_time: end + TimeDelta::days(1) }
    }

    /// Writes the outputs below a folder, as `scripts/collect-inventory` does.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for key in &self.keys {
            let place = folder.join(key.part(4)).join(key.part(3));
            let put = |command: &str, value: &Value| {
                let file = place.join(command).join(format!("{}.json", key.id()));
                fs_err::create_dir_all(place.join(command))?;
                fs_err::write(file, value.to_string())
            };
            put("list-keys", &json!({"Keys": [{"KeyId": key.id(), "KeyArn": key.arn}]}))?;
            put("get-key-last-usage", &self.last_usage(key))?;
            put("list-grants", &json!({"Grants": [self.grant(key)]}))?;
            put("list-aliases", &json!({"Aliases": [self.alias(key)]}))?;
            if key.has_policy() {
                put("get-key-policy", &json!({"Policy": key.policy().to_string(), "PolicyName": "default"}))?;
            }
            if let Some(manager) = key.manager() {
                put("describe-key", &self.metadata(key, manager))?;
            }
        }
        for account in self.accounts() {
            let trail = json!({"trailList": [{
                "TrailARN": trail_arn(account), "HomeRegion": "us-east-1", "IsMultiRegionTrail": true,
                "HasCustomEventSelectors": true,
            }]});
            let selectors = json!({"TrailARN": trail_arn(account), "EventSelectors": [
                {"ReadWriteType": "All", "IncludeManagementEvents": true},
            ]});
            fs_err::write(folder.join(account).join("describe-trails.json"), trail.to_string())?;
            fs_err::write(folder.join(account).join("get-event-selectors.json"), selectors.to_string())?;
            let roles: Vec<_> = ROLES.iter().map(|role| iam_role(account, role)).collect();
            let file = folder.join(account).join("get-account-authorization-details.json");
            fs_err::write(file, json!({"RoleDetailList": roles, "UserDetailList": []}).to_string())?;
        }
        Ok(())
    }

    fn accounts(&self) -> BTreeSet<&str> {
        self.keys.iter().map(|key| key.part(4)).collect()
    }

    fn metadata(&self, key: &Key, manager: &str) -> Value {
        json!({"KeyMetadata": {
            "AWSAccountId": key.part(4), "KeyId": key.id(), "Arn": key.arn, "KeyManager": manager, "KeyState": "Enabled",
            "CreationDate": self.created().to_rfc3339(), "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT",
            "Origin": "AWS_KMS", "Description": format!("key {}", key.number),
        }})
    }

    fn created(&self) -> Time {
        self.snapshot_time - TimeDelta::days(1_000)
    }

    fn last_usage(&self, key: &Key) -> Value {
        let last = match &key.last_use {
            Some((time, id)) => {
                json!({"Operation": "Decrypt", "Timestamp": time.to_rfc3339(), "CloudTrailEventId": id})
            }
            None => json!({}),
        };
        json!({"KeyId": key.arn, "TrackingStartDate": self.created().to_rfc3339(), "KeyLastUsage": last})
    }

    fn grant(&self, key: &Key) -> Value {
        json!({
            "KeyId": key.arn, "GrantId": format!("listed-{}", key.number), "CreationDate": self.created().to_rfc3339(),
            "GranteePrincipal": key.role("grantee"), "Operations": ["Encrypt", "Decrypt"],
        })
    }

    fn alias(&self, key: &Key) -> Value {
        json!({
            "AliasName": key.alias(), "AliasArn": format!("arn:aws:kms:{}:{}:{}", key.part(3), key.part(4), key.alias()),
            "TargetKeyId": key.id(), "LastUpdatedDate": self.created().to_rfc3339(),
        })
    }

    /// The rows of every view that reads imported outputs only, or both.
    pub fn views(&self, oracle: &Oracle) -> Vec<ViewTable> {
        let access = self.access(oracle);
        vec![
            view(
                "inventory_keys",
                &["key_arn", "key_manager", "key_state", "description", "creation_time"],
                self.key_rows(),
            ),
            view("inventory_aliases", &["alias_name", "key_arn", "updated_time"], self.alias_rows()),
            view("inventory_alias_history", &["alias_name", "key_arn", "updated_time"], self.alias_rows()),
            view("inventory_grants", &["key_arn", "grant_id", "grantee_principal", "operations"], self.grant_rows()),
            view("inventory_grant_lists", &["key_arn", "snapshot_time"], self.list_rows()),
            view(
                "inventory_last_usage",
                &["key_arn", "operation", "last_used_time", "cloudtrail_event_id"],
                self.usage_rows(),
            ),
            view(
                "inventory_key_policies",
                &["key_arn", "statement_index", "effect", "principal", "principal_kind", "is_account_delegation"],
                self.policy_rows(),
            ),
            view(
                "inventory_iam_statements",
                &["principal_arn", "policy_name", "actions", "resources"],
                self.iam_rows(),
            ),
            view("inventory_trails", &["account_id", "trail_arn", "is_multi_region", "kms_effect"], self.trail_rows()),
            view("kms_last_usage_check", &["key_arn", "finding"], self.finding_rows(oracle)),
            view("kms_unused_keys", &["key_arn", "verdict", "reasons"], self.unused_rows(oracle)),
            view(
                "kms_potential_vs_actual",
                &["key_arn", "principal", "finding", "tiers", "use_event_count"],
                comparison_rows(&access, &self.told_accounts(), oracle),
            ),
            view("kms_potential_access", &["key_arn", "tier", "principal", "via", "source"], access),
        ]
    }

    fn key_rows(&self) -> Vec<Cells> {
        let row = |key: &Key| {
            let told = |text: String| key.is_described().then_some(text);
            vec![
                some(&key.arn),
                key.manager().map(str::to_owned),
                told("Enabled".to_owned()),
                told(format!("key {}", key.number)),
                time_cell(key.is_described().then(|| self.created())),
            ]
        };
        self.keys.iter().map(row).collect()
    }

    fn alias_rows(&self) -> Vec<Cells> {
        self.keys.iter().map(|key| vec![Some(key.alias()), some(&key.arn), time_cell(Some(self.created()))]).collect()
    }

    fn grant_rows(&self) -> Vec<Cells> {
        let id = |key: &Key| some(&format!("listed-{}", key.number));
        let row = |key: &Key| vec![some(&key.arn), id(key), Some(key.role("grantee")), some("Decrypt,Encrypt")];
        self.keys.iter().map(row).collect()
    }

    fn list_rows(&self) -> Vec<Cells> {
        self.keys.iter().map(|key| vec![some(&key.arn), time_cell(Some(self.snapshot_time))]).collect()
    }

    fn usage_rows(&self) -> Vec<Cells> {
        let row = |key: &Key| {
            let (time, id) = key.last_use.clone().unzip();
            vec![some(&key.arn), time.and(some("Decrypt")), time_cell(time), id]
        };
        self.keys.iter().map(row).collect()
    }

    fn policy_rows(&self) -> Vec<Cells> {
        let of_key = |key: &Key| {
            let root = format!("arn:aws:iam::{}:root", key.part(4));
            let row = |index: usize, effect: &str, principal: &str, kind: &str| {
                let cells = [some(&key.arn), some(&index), some(effect), some(principal), some(kind)];
                cells.into_iter().chain([some(&(index == 0))]).collect::<Cells>()
            };
            [
                row(0, "Allow", &root, "account"),
                row(1, "Allow", &key.role("app"), "principal"),
                row(1, "Allow", "logs.amazonaws.com", "service"),
                row(2, "Deny", "*", "anyone"),
            ]
        };
        self.keys.iter().filter(|key| key.has_policy()).flat_map(of_key).collect()
    }

    fn iam_rows(&self) -> Vec<Cells> {
        let row = |account: &str, (role, action, resource): &(&str, &str, &str)| {
            vec![some(&format!("arn:aws:iam::{account}:role/{role}")), some("inline"), some(action), some(resource)]
        };
        self.accounts().iter().flat_map(|account| ROLES.iter().map(|role| row(account, role))).collect()
    }

    fn trail_rows(&self) -> Vec<Cells> {
        let row = |account: &str| cells([account, &trail_arn(account), "true", "logged"]);
        self.accounts().into_iter().map(row).collect()
    }

    /// Places with a use that KMS names and the logs lack.
    fn places_of_missing_uses(&self, oracle: &Oracle) -> BTreeSet<(String, String)> {
        let missing = self.keys.iter().zip(self.finding_rows(oracle)).filter(|(_, row)| row[1] == some("missing"));
        missing.map(|(key, _)| (key.part(4).to_owned(), key.part(3).to_owned())).collect()
    }

    /// What the logs say to the use that KMS names.
    fn finding_rows(&self, oracle: &Oracle) -> Vec<Cells> {
        let usage: BTreeMap<String, Option<Time>> =
            oracle.kms_key_usage().into_iter().map(|row| (row.key_arn, row.last_used_time)).collect();
        let row = |key: &Key| {
            let logged = usage.get(&key.arn).copied().flatten();
            let finding = match &key.last_use {
                None if key.is_described() => "never_used",
                None => "no_use_tracked",
                Some((time, _)) if logged > Some(*time) => "later_in_logs",
                Some((_, id)) if !id.starts_with("gone-") && !id.starts_with("later-") => "found",
                Some((time, _)) if covered(oracle, key).1.is_some_and(|covered| *time > covered) => "not_yet_covered",
                Some((time, _)) if covered(oracle, key).0.is_some_and(|covered| *time < covered) => "before_logs",
                Some(_) => "missing",
            };
            vec![some(&key.arn), some(finding)]
        };
        self.keys.iter().map(row).collect()
    }

    /// Customer keys without a use, with what is missing for the logs to show one.
    fn unused_rows(&self, oracle: &Oracle) -> Vec<Cells> {
        let verdicts: BTreeMap<String, VerdictRow> =
            verdicts(oracle).into_iter().map(|row| (row.key_arn.clone(), row)).collect();
        let with_missing_use = self.places_of_missing_uses(oracle);
        let row = |key: &Key| {
            let logged = verdicts.get(&key.arn);
            if logged.is_some_and(|row| ["in_use", "blocked_demand"].contains(&row.verdict)) {
                return None;
            }
            let mut reasons = match logged {
                Some(row) => row.reasons.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
                None => kinds_of_place(oracle, key.part(4), key.part(3)),
            };
            let (first, last) = covered(oracle, key);
            if first.is_some() && with_missing_use.contains(&(key.part(4).to_owned(), key.part(3).to_owned())) {
                let before = |kind: &&String| kind.as_str() < "missing_use" && !kind.starts_with("un");
                reasons.insert(reasons.iter().take_while(before).count(), "missing_use".to_owned());
            }
            let is_covered =
                |time: Time| first.is_some_and(|first| time >= first) && last.is_some_and(|last| time <= last);
            let proof = |time: Time| if is_covered(time) { "missing_event" } else { "tracked_use" };
            reasons.extend(key.last_use.as_ref().map(|(time, _)| proof(*time).to_owned()));
            let verdict = if reasons.is_empty() { "no_use_found" } else { "incomplete" };
            Some(vec![some(&key.arn), some(verdict), some(&reasons.join(","))])
        };
        self.keys.iter().filter(|key| key.manager() != Some("AWS")).filter_map(row).collect()
    }

    /// The accounts whose IAM policies are told.
    fn told_accounts(&self) -> BTreeSet<&str> {
        self.keys.iter().map(|key| key.part(4)).collect()
    }

    /// Who may be allowed to use each key: key, tier, principal, via, source.
    fn access(&self, oracle: &Oracle) -> Vec<Cells> {
        let with_policy: BTreeSet<&str> =
            self.keys.iter().filter(|key| key.has_policy()).map(|key| key.arn.as_str()).collect();
        let mut statements: Vec<Statement> = oracle.policies_in_force();
        statements.retain(|statement| !with_policy.contains(statement.key.as_str()));
        for cells in self.policy_rows() {
            let [Some(key), Some(index), Some(effect), Some(principal), Some(kind), _] = cells.as_slice() else {
                continue;
            };
            let via = if index == "0" { "Delegate".to_owned() } else { format!("statement {index}") };
            statements.push(Statement {
                key: key.clone(),
                is_allow: effect == "Allow",
                principal: principal.clone(),
                kind: kind.clone(),
                via,
                source: "inventory",
            });
        }
        statements.retain(|statement| statement.is_allow);
        let mut rows: Vec<Cells> = statements.iter().map(Statement::cells).collect();
        let delegated: BTreeSet<(&str, &str)> = statements
            .iter()
            .filter(|statement| statement.kind == "account")
            .map(|statement| (statement.key.as_str(), account_of(&statement.principal)))
            .collect();
        let accounts = self.told_accounts();
        for (key, account) in delegated.into_iter().filter(|(_, account)| accounts.contains(account)) {
            let reader = format!("arn:aws:iam::{account}:role/{}", ROLES[0].0);
            rows.push(cells([key, "account_delegation", &reader, "inline", "inventory"]));
        }
        // The lists are newer than the logs: what they do not hold has ended.
        let is_listed_key = |arn: &Option<String>| self.keys.iter().any(|key| Some(&key.arn) == arn.as_ref());
        rows.extend(
            oracle
                .live_grants()
                .into_iter()
                .filter(|(key, ..)| !is_listed_key(key))
                .map(|(key, grantee, id)| vec![key, some("grant"), grantee, Some(id), some("logs")]),
        );
        rows.extend(self.keys.iter().map(|key| {
            cells([&key.arn, "grant", &key.role("grantee"), &format!("listed-{}", key.number), "inventory"])
        }));
        rows
    }
}

/// The account of an ARN; anything else is one.
fn account_of(principal: &str) -> &str {
    principal.split(':').nth(4).unwrap_or(principal)
}

fn trail_arn(account: &str) -> String {
    format!("arn:aws:cloudtrail:us-east-1:{account}:trail/main")
}

/// A statement of a key policy in force, for one of its principals.
pub(super) struct Statement {
    pub(super) key: String,
    pub(super) is_allow: bool,
    pub(super) principal: String,
    pub(super) kind: String,
    pub(super) via: String,
    pub(super) source: &'static str,
}

impl Statement {
    fn cells(&self) -> Cells {
        let tier = match self.kind.as_str() {
            kind @ ("anyone" | "service") => kind,
            "account" => "account_delegation",
            _ => "named",
        };
        cells([&self.key, tier, &self.principal, &self.via, self.source])
    }
}

/// Who may and who did.
fn comparison_rows(access: &[Cells], told_accounts: &BTreeSet<&str>, oracle: &Oracle) -> Vec<Cells> {
    let mut tiers: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    // Everyone, or an account of which nobody told who in it is allowed.
    let mut unnamed: BTreeSet<(&str, Option<&str>, &str)> = BTreeSet::new();
    let keys: BTreeSet<&String> = access.iter().filter_map(|row| row[0].as_ref()).collect();
    for row in access {
        let [Some(key), Some(tier), Some(principal), ..] = row.as_slice() else { continue };
        let account = account_of(principal);
        let is_account = principal.ends_with(":root") || account == principal;
        match tier.as_str() {
            "anyone" => _ = unnamed.insert((key, None, tier)),
            "account_delegation" if is_account && !told_accounts.contains(account) => {
                unnamed.insert((key, Some(account), tier));
            }
            _ => {}
        }
        let is_one = principal.starts_with("arn:") && !principal.ends_with(":root");
        if is_one && ["named", "account_delegation", "grant"].contains(&tier.as_str()) {
            tiers.entry((key.clone(), principal.clone())).or_default().insert(tier.clone());
        }
    }
    let mut uses: BTreeMap<(String, String), String> = BTreeMap::new();
    let principals = oracle.views().into_iter().find(|view| view.view == "kms_key_principals");
    for row in principals.into_iter().flat_map(|view| view.rows) {
        let [Some(key), Some(principal), _, Some(count), ..] = row.as_slice() else { continue };
        if principal.starts_with("arn:") && count != "0" && keys.contains(key) {
            uses.insert((key.clone(), principal.clone()), count.clone());
        }
    }
    let all: BTreeSet<_> = tiers.keys().chain(uses.keys()).cloned().collect();
    let row = |pair: (String, String)| {
        let (tiers, count) = (tiers.get(&pair), uses.get(&pair));
        let lets_in = |account: &Option<&str>| account.is_none_or(|account| account == account_of(&pair.1));
        let let_in: BTreeSet<&str> = unnamed
            .iter()
            .filter(|(key, account, _)| *key == pair.0 && lets_in(account))
            .map(|(.., tier)| *tier)
            .collect();
        let (finding, tiers) = match (tiers, count) {
            (Some(tiers), Some(_)) => ("seen", tiers.iter().map(String::as_str).collect()),
            (Some(tiers), None) => ("never_seen", tiers.iter().map(String::as_str).collect()),
            (None, _) if let_in.is_empty() => ("no_longer_named", let_in),
            (None, _) => ("seen", let_in),
        };
        let tiers = Vec::from_iter(tiers).join(",");
        let count = count.cloned().unwrap_or("0".to_owned());
        cells([&pair.0, &pair.1, finding, &tiers, &count])
    };
    all.into_iter().map(row).collect()
}

/// The first and the last event of any service in a key's account and region.
fn covered(oracle: &Oracle, key: &Key) -> (Option<Time>, Option<Time>) {
    let events = oracle.events.iter().filter(|event| {
        event.recipient_account_id.as_deref() == Some(key.part(4))
            && event.value["awsRegion"].as_str() == Some(key.part(3))
    });
    let times: BTreeSet<Time> = events.filter_map(|event| event.event_time).collect();
    (times.first().copied(), times.last().copied())
}

fn iam_role(account: &str, (role, action, resource): &(&str, &str, &str)) -> Value {
    let statement = json!({"Effect": "Allow", "Action": action, "Resource": resource});
    json!({
        "RoleName": role, "Arn": format!("arn:aws:iam::{account}:role/{role}"), "Path": "/",
        "RolePolicyList": [{"PolicyName": "inline", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}],
        "AttachedManagedPolicies": [],
    })
}

fn cells<const N: usize>(texts: [&str; N]) -> Cells {
    texts.iter().map(|text| some(*text)).collect()
}

fn view(view: &'static str, columns: &'static [&'static str], mut rows: Vec<Cells>) -> ViewTable {
    rows.sort();
    ViewTable { view, columns, rows }
}
