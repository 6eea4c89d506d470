//! What a JSON document of the AWS CLI holds, told by its members, and which key each item is about.
//!
//! The shapes are those that `aws kms`, `aws iam` and `aws cloudtrail` print (AWS CLI reference; domain §8.1). Policies and tags do
//! not name their key: a member beside them, or the path of the file, must.

use keytrail_events::kms::arn::{Arn, is_account_id, is_key_id, key_arn, key_id_of};
use serde_json::{Map, Value};

/// How deep wrappers around an output are looked into.
const MAX_WRAPPERS: usize = 4;

/// A list in an output, and what its items are: the words of the column `item_kind`.
const LISTS: [(&str, &str); 11] = [
    ("Keys", "key"),
    ("Aliases", "alias"),
    ("Grants", "grant"),
    ("Rotations", "key_rotation"),
    ("Tags", "key_tag"),
    ("UserDetailList", "iam_user"),
    ("GroupDetailList", "iam_group"),
    ("RoleDetailList", "iam_role"),
    ("Policies", "iam_policy"),
    ("trailList", "trail"),
    ("ResourceTagList", "trail_tags"),
];

/// The member of an item whose output says that more follow: it is no end of a list.
const TRUNCATED: &str = "Truncated";

/// One thing that an output tells of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The word of the column `item_kind`.
    pub(super) kind: &'static str,
    /// The item as AWS printed it; with `Truncated` from its output where that says that more follow.
    pub(super) value: Value,
    /// The key, as far as the item tells.
    pub(super) key: KeyHint,
}

/// What is known of the key that an item is about, and of its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyHint {
    pub(super) arn: Option<String>,
    pub(super) id: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) region: Option<String>,
}

impl KeyHint {
    /// From the folders and the name of a file, such as `111122223333/eu-west-1/get-key-policy/1234abcd-….json`.
    pub(super) fn of_path(path: &str) -> Self {
        let mut hint = Self::default();
        let parts = path.split(['/', '\\', '_', ' ']).map(|part| part.strip_suffix(".json").unwrap_or(part));
        for part in parts {
            if is_account_id(part) {
                hint.account_id = Some(part.to_owned());
            } else if is_region(part) {
                hint.region = Some(part.to_owned());
            } else if let Some(id) = key_id_in(part) {
                hint.id = Some(id.to_owned());
            }
        }
        hint
    }

    /// What the members of an object tell, before what is known already.
    fn of_members(&self, value: &Value) -> Self {
        let mut hint = self.clone();
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        for name in ["KeyArn", "Arn", "KeyId", "TargetKeyId"] {
            match text(name) {
                Some(arn) if key_id_of(arn).is_some() => hint.set_arn(arn),
                Some(id) if key_id_in(id) == Some(id) => hint.id = Some(id.to_owned()),
                _ => {}
            }
        }
        for name in ["AliasArn", "TrailARN", "Arn"] {
            if let Some((account_id, region)) = text(name).and_then(place_of_arn) {
                hint.account_id = Some(account_id.to_owned());
                if !region.is_empty() {
                    hint.region = Some(region.to_owned());
                }
            }
        }
        hint
    }

    fn set_arn(&mut self, arn: &str) {
        if let Some((account_id, region)) = place_of_arn(arn) {
            self.account_id = Some(account_id.to_owned());
            self.region = Some(region.to_owned());
        }
        self.id = key_id_of(arn).map(str::to_owned);
        self.arn = Some(arn.to_owned());
    }

    /// Completes a key of which only the id is known. `told` is the ARN that another item of the import has for that id: an account and
    /// region that are known here outweigh it, as members of a multi-Region set share their id; but it knows its partition.
    pub(super) fn complete(&mut self, told: Option<String>) {
        if self.arn.is_some() {
            return;
        }
        let place = self.account_id.as_deref().zip(self.region.as_deref());
        let is_there = |arn: &String| place.is_none() || place_of_arn(arn) == place;
        let guess = || place.zip(self.id.as_deref()).map(|((account_id, region), id)| key_arn(region, account_id, id));
        self.arn = told.filter(is_there).or_else(guess);
    }
}

/// Account and region of an ARN; the region of IAM's is empty.
fn place_of_arn(arn: &str) -> Option<(&str, &str)> {
    Arn::parse(arn).map(|arn| (arn.account, arn.region)).filter(|(account_id, _)| !account_id.is_empty())
}

/// `eu-west-1`, `us-gov-east-1`: letters, and a number at the end.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, .., number] = parts[..] else { return false };
    parts.len() >= 3
        && parts.len() <= 4
        && matches!(area.len(), 2 | 4)
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && area.bytes().all(|byte| byte.is_ascii_lowercase())
        && matches!(number.len(), 1 | 2)
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A key id in a name: a UUID, or `mrk-` and 32 hexadecimal digits.
fn key_id_in(text: &str) -> Option<&str> {
    const LENGTH: usize = 36;
    let mut candidates = text.char_indices().filter_map(|(start, _)| text.get(start..start + LENGTH));
    candidates.find(|candidate| is_key_id(candidate))
}

/// The items of a document; `known` is what the file's path tells. An error names what was found instead.
pub(super) fn items(document: &Value, known: &KeyHint) -> Result<Vec<Item>, String> {
    if document.get("Records").is_some_and(Value::is_array) {
        return Err("event records, as a trail's log files hold them: they are for `convert`".to_owned());
    }
    let mut items = Vec::new();
    collect(document, known, MAX_WRAPPERS, &mut items)?;
    Ok(items)
}

fn collect(value: &Value, known: &KeyHint, depth: usize, items: &mut Vec<Item>) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| collect(value, known, depth, items)),
        Value::Object(_) if take(value, known, items) => Ok(()),
        Value::Object(members) if depth > 0 => {
            let hint = known.of_members(value);
            let inner: Vec<_> = members.values().filter(|member| member.is_object() || member.is_array()).collect();
            if inner.is_empty() {
                return Err(unknown(value));
            }
            let taken = inner.into_iter().try_for_each(|member| collect(member, &hint, depth - 1, items));
            // What is wrong with a list of numbers is the name it stands under.
            taken.map_err(|reason| if reason.starts_with(NO_OBJECT) { unknown(value) } else { reason })
        }
        _ => Err(unknown(value)),
    }
}

const NO_OBJECT: &str = "expected an output of the AWS CLI, which is a JSON object";

fn unknown(value: &Value) -> String {
    match value.as_object() {
        Some(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).take(8).collect();
            format!("an object with the members {} is no output of the AWS CLI that keytrail knows", names.join(", "))
        }
        None => format!("{NO_OBJECT}, not {}", shortened(value)),
    }
}

/// A value by its first characters.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Takes what an output or a bare item holds; false where it is neither.
fn take(value: &Value, known: &KeyHint, items: &mut Vec<Item>) -> bool {
    let hint = known.of_members(value);
    let before = items.len();
    let mut is_known = false;
    for (name, kind) in LISTS {
        let Some(list) = value.get(name).and_then(Value::as_array) else { continue };
        is_known = true;
        let more_follows = more_follows(value);
        // That a key has no grant is news, where the file's name tells of which.
        if list.is_empty() && kind == "grant" && !more_follows && hint.id.is_some() {
            items.push(new_item(NO_GRANTS, &Value::Object(Map::new()), &hint));
        }
        items.extend(list.iter().map(|item| {
            let mut item = new_item(kind, item, &hint);
            if let Some(members) = item.value.as_object_mut().filter(|_| more_follows) {
                members.insert(TRUNCATED.to_owned(), Value::Bool(true));
            }
            item
        }));
    }
    if let Some(metadata) = value.get("KeyMetadata") {
        is_known = true;
        items.push(new_item("key_metadata", metadata, &hint));
    }
    if let Some(trail) = value.get("Trail").filter(|trail| trail.is_object()) {
        is_known = true;
        items.push(new_item("trail", trail, &hint));
    }
    is_known || items.len() > before || take_whole(value, &hint, items)
}

/// The kind of an empty list of a key's grants.
const NO_GRANTS: &str = "grant_none";

/// Whether an output is a page, and says that it is not the last.
fn more_follows(output: &Value) -> bool {
    let is_true = |name: &str| output.get(name).and_then(Value::as_bool) == Some(true);
    let is_token = |name: &str| output.get(name).is_some_and(Value::is_string);
    is_true(TRUNCATED) || is_true("IsTruncated") || is_token("NextToken") || is_token("NextMarker")
}

/// Outputs and items that are one object.
fn take_whole(value: &Value, hint: &KeyHint, items: &mut Vec<Item>) -> bool {
    let has = |name: &str| value.get(name).is_some();
    let kind = match () {
        () if has("KeyLastUsage") => "key_last_usage",
        () if has("Policy") && !has("GrantId") => "key_policy",
        () if has("KeyRotationEnabled") => "key_rotation_status",
        () if has("EventSelectors") || has("AdvancedEventSelectors") => "event_selectors",
        () if has("IsLogging") => "trail_status",
        // Bare items, as `--query` and `jq` leave them.
        () if has("Statement") => "key_policy",
        () if has("GrantId") => "grant",
        () if has("AliasName") => "alias",
        () if has("KeyManager") && has("KeyId") => "key_metadata",
        () if has("KeyArn") && has("KeyId") => "key",
        () => return false,
    };
    items.push(new_item(kind, value, hint));
    true
}

fn new_item(kind: &'static str, value: &Value, known: &KeyHint) -> Item {
    let mut key = known.of_members(value);
    // An alias's own ARN tells the place, its target the key; IAM and trails are about no one key.
    if kind.starts_with("iam_") || kind.starts_with("trail") || kind == "event_selectors" {
        key = KeyHint { arn: None, id: None, ..key };
    }
    Item { kind, value: value.clone(), key }
}

impl Item {
    /// Whether its output says that more follow.
    pub(super) fn is_of_truncated_list(&self) -> bool {
        self.value.get(TRUNCATED) == Some(&Value::Bool(true))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn kinds(document: &Value) -> Vec<&'static str> {
        items(document, &KeyHint::default()).expect("known").iter().map(|item| item.kind).collect()
    }

    #[test]
    fn outputs_are_told_by_their_members() {
        for (document, expected) in [
            (json!({"Keys": [{"KeyId": ID, "KeyArn": ARN}], "Truncated": false}), vec!["key"]),
            (json!({"Keys": []}), vec![]),
            (json!({"KeyMetadata": {"KeyId": ID, "Arn": ARN, "KeyManager": "CUSTOMER"}}), vec!["key_metadata"]),
            (json!({"Aliases": [{"AliasName": "alias/a"}, {"AliasName": "alias/b"}]}), vec!["alias", "alias"]),
            (json!({"Policy": "{}", "PolicyName": "default"}), vec!["key_policy"]),
            (json!({"Version": "2012-10-17", "Statement": []}), vec!["key_policy"]),
            (json!({"Grants": [{"GrantId": "g", "KeyId": ARN}]}), vec!["grant"]),
            (json!({"Grants": []}), vec![]),
            (json!({"KeyId": ID, "Grants": []}), vec!["grant_none"]),
            (json!({"KeyId": ID, "Grants": [], "NextMarker": "m"}), vec![]),
            (json!({"KeyId": ID, "KeyLastUsage": {}, "TrackingStartDate": 1}), vec!["key_last_usage"]),
            (json!({"Rotations": [{"KeyId": ID}]}), vec!["key_rotation"]),
            (json!({"Tags": [{"TagKey": "a", "TagValue": "b"}]}), vec!["key_tag"]),
            (
                json!({"UserDetailList": [{}], "RoleDetailList": [{}, {}], "GroupDetailList": [], "Policies": []}),
                vec!["iam_user", "iam_role", "iam_role"],
            ),
            (json!({"trailList": [{"TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/t"}]}), vec!["trail"]),
            (json!({"TrailARN": "t", "EventSelectors": []}), vec!["event_selectors"]),
            (
                json!([{"KeyMetadata": {"Arn": ARN}}, {"KeyMetadata": {"Arn": ARN}}]),
                vec!["key_metadata", "key_metadata"],
            ),
            (json!({"region": {"output": {"Keys": [{"KeyArn": ARN, "KeyId": ID}]}}}), vec!["key"]),
        ] {
            assert_eq!(kinds(&document), expected, "{document}");
        }
    }

    #[test]
    fn what_is_unknown_is_named() {
        for document in [json!({"Records": 1, "Other": "x"}), json!("text"), json!([1])] {
            let error = items(&document, &KeyHint::default()).unwrap_err();
            assert!(error.contains("AWS CLI"), "{error}");
        }
    }

    #[test]
    fn keys_are_found_in_items_wrappers_and_paths() {
        let policy = json!({"Policy": "{}", "PolicyName": "default"});
        let path = KeyHint::of_path(&format!("out/111122223333/eu-west-1/get-key-policy/{ID}.json"));
        let wrapped = json!({"KeyId": ARN, "Output": policy});
        let tags = json!({"KeyArn": ARN, "Tags": [{"TagKey": "a", "TagValue": "b"}]});
        let alias = json!({"Aliases": [{"AliasName": "alias/a", "AliasArn": "arn:aws:kms:eu-west-1:111122223333:alias/a", "TargetKeyId": ID}]});
        for (document, known) in
            [(&policy, path), (&wrapped, KeyHint::default()), (&tags, KeyHint::default()), (&alias, KeyHint::default())]
        {
            let mut item = items(document, &known).expect("known").remove(0);
            item.key.complete(None);
            assert_eq!(item.key.arn.as_deref(), Some(ARN), "{document}");
        }
    }

    #[test]
    fn an_id_with_a_place_is_a_key_of_its_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            let mut key = KeyHint::of_path(&format!("111122223333/{region}/list-grants/{ID}.json"));
            key.complete(None);
            assert_eq!(key.arn, Some(format!("arn:{partition}:kms:{region}:111122223333:key/{ID}")));
        }
    }

    #[test]
    fn another_item_tells_the_arn_but_not_the_place() {
        let of_path = |path: &str| KeyHint::of_path(&format!("{path}/{ID}.json"));
        let new = format!("arn:aws-new:kms:eu-west-1:111122223333:key/{ID}");
        let elsewhere = format!("arn:aws:kms:us-east-1:111122223333:key/{ID}");
        for (mut key, told, expected) in [
            (of_path("policies"), &elsewhere, elsewhere.as_str()),
            (of_path("111122223333/eu-west-1"), &elsewhere, ARN),
            (of_path("111122223333/eu-west-1"), &new, new.as_str()),
        ] {
            key.complete(Some(told.clone()));
            assert_eq!(key.arn.as_deref(), Some(expected));
        }
    }

    #[test]
    fn paths_tell_places_and_keys() {
        let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
        let hint = KeyHint::of_path(&format!("us-gov-west-1/policy_{mrk}.json"));
        assert_eq!((hint.region.as_deref(), hint.id.as_deref()), (Some("us-gov-west-1"), Some(mrk)));
        assert_eq!(KeyHint::of_path("list-keys.json"), KeyHint::default());
        for no_region in ["get-key-policy", "a-b-1", "us-east", "list-keys-1x"] {
            assert!(!is_region(no_region), "{no_region}");
        }
    }
}
