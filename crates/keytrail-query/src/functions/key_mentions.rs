//! `key_mentions(parameters, response, region, account)`: ARNs of the KMS keys that the parameters and the answer of a
//! call name, sorted, each once; an empty list where they name none.
//!
//! Found are key ARNs anywhere in a text, a policy's text too, and a bare key id under a member whose name speaks of a
//! key (`kmsKeyId`, `KMSMasterKeyID`, …): it is of the given region and account. Aliases are not resolved.
//!
//! `call_resource(resources, parameters, response)`: the best name of what a call made or changed: an ARN, else an id or
//! a name, out of the answer before the parameters; null where nothing looks like one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use keytrail_events::json;

use super::documentation;
use super::key_id;
use super::text::{Argument, Compute, TextFunction};

/// The list of keys.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyMentions {
    signature: Signature,
    documentation: Documentation,
}

impl KeyMentions {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation(
                "key_mentions(request_parameters, response_elements, region, account)",
                "ARNs of the KMS keys that the parameters and the answer of a call name.",
            ),
        }
    }
}

impl ScalarUDFImpl for KeyMentions {
    fn name(&self) -> &str {
        "key_mentions"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types.len() {
            4 => Ok(vec![DataType::Utf8View; 4]),
            count => plan_err!("key_mentions takes parameters, response, region and account, got {count} arguments"),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for row in 0..args.number_rows {
            let place = Place { region: arguments[2].text(row), account: arguments[3].text(row) };
            let mut keys = BTreeSet::new();
            for text in arguments[..2].iter().filter_map(|argument| argument.text(row)).filter(|text| may_name(text)) {
                walk(text, "", &mut |name, value| place.add_keys(name, value, &mut keys));
            }
            keys.into_iter().for_each(|key| lists.values().append_value(key));
            lists.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}

/// What tells that a member holds a key.
const KEY_WORDS: [&str; 3] = ["kms", "masterkey", "encryptionkey"];

/// A cheap look before the text is walked: any of the words in it, in any case.
fn may_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut starts = bytes.iter().enumerate().filter(|(_, byte)| matches!(**byte | 0x20, b'k' | b'm' | b'e'));
    starts.any(|(start, _)| {
        let rest = &bytes[start..];
        KEY_WORDS
            .iter()
            .any(|word| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Where a bare key id belongs.
struct Place<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
}

impl Place<'_> {
    fn add_keys(&self, name: &str, value: &str, keys: &mut BTreeSet<String>) {
        if is_bare_id(value) {
            if let (true, Some(region), Some(account)) = (speaks_of_key(name), self.region, self.account) {
                keys.insert(format!("arn:{}:kms:{region}:{account}:key/{value}", partition(region)));
            }
            return;
        }
        keys.extend(arns_in(value).filter(|arn| key_id::id(arn).is_some_and(is_bare_id)).map(str::to_owned));
    }
}

fn speaks_of_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    KEY_WORDS.iter().any(|word| name.contains(word))
}

/// All that looks like an ARN within a text.
fn arns_in(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |character: char| !(character.is_ascii_alphanumeric() || matches!(character, ':' | '/' | '-'));
    text.match_indices("arn:").filter_map(move |(start, _)| text[start..].split(is_end).next())
}

fn is_bare_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix("mrk-") {
        Some(digits) => digits.len() == 32 && is_hex(digits),
        None => text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex),
    }
}

fn partition(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    BY_PREFIX.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// Shows every string of a JSON text with the name of the member that it stands under.
fn walk(json: &str, name: &str, see: &mut impl FnMut(&str, &str)) {
    match json.as_bytes().first() {
        Some(b'{') => json::members(json).for_each(|(name, value)| walk(value, &json::unescape(name), see)),
        Some(b'[') => json::elements(json).for_each(|element| walk(element, name, see)),
        Some(b'"') => see(name, &json::string_value(json).unwrap_or(Cow::Borrowed(json))),
        _ => {}
    }
}

pub(super) fn call_resource() -> TextFunction {
    let compute = Compute::Text(|texts| Ok(best_name(texts).map(Cow::Owned)));
    TextFunction::new("call_resource", &[3], compute).documented(
        "call_resource(resources, request_parameters, response_elements)",
        "The best name of what a call made or changed: an ARN, an id or a name.",
    )
}

/// Names of members that name the resource of a call, the most telling first, in lower case; an ARN under any name that ends so
/// comes before all of them.
const RESOURCE_NAMES: [&str; 27] = [
    "instanceid",
    "volumeid",
    "snapshotid",
    "imageid",
    "dbinstanceidentifier",
    "dbclusteridentifier",
    "filesystemid",
    "clusteridentifier",
    "replicationgroupid",
    "bucketname",
    "bucket",
    "functionname",
    "tablename",
    "secretid",
    "queueurl",
    "queuename",
    "streamname",
    "deliverystreamname",
    "loggroupname",
    "repositoryname",
    "domainname",
    "trailname",
    "clustername",
    "projectname",
    "name",
    "rolename",
    "username",
];

/// The best name in `resources`, then in the answer, then in the parameters.
fn best_name(texts: &[Option<&str>]) -> Option<String> {
    let [resources, parameters, response] = texts else { return None };
    let mut best: Option<(usize, String)> = None;
    for (order, text) in [resources, response, parameters].into_iter().enumerate() {
        let Some(text) = text else { continue };
        walk(text, "", &mut |name, value| {
            let rank = rank(name, value).map(|rank| rank + order);
            if let Some(rank) = rank.filter(|rank| best.as_ref().is_none_or(|(known, _)| rank < known)) {
                best = Some((rank, value.to_owned()));
            }
        });
    }
    best.map(|(_, value)| value)
}

/// How well a member names a resource, 0 best, in steps that leave room for three places; none = not at all.
fn rank(name: &str, value: &str) -> Option<usize> {
    const PLACES: usize = 3;
    let name = name.to_ascii_lowercase();
    let is_other_arn = |service: &str| ["kms", "iam", "sts"].contains(&service);
    if name.ends_with("arn") {
        let service = value.strip_prefix("arn:")?.split(':').nth(1)?;
        return (!is_other_arn(service)).then_some(0);
    }
    let place = RESOURCE_NAMES.iter().position(|known| *known == name)?;
    (!value.is_empty()).then_some((place + 1) * PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn keys(text: &str) -> Vec<String> {
        let place = Place { region: Some("us-east-1"), account: Some("111122223333") };
        let mut keys = BTreeSet::new();
        if may_name(text) {
            walk(text, "", &mut |name, value| place.add_keys(name, value, &mut keys));
        }
        keys.into_iter().map(|key| key.replace(KEY, "KEY")).collect()
    }

    #[test]
    fn keys_are_found_wherever_they_stand() {
        let own = "arn:aws:kms:us-east-1:111122223333:key/KEY";
        let cases = [
            (r#"{"kmsKeyId":"KEY"}"#, vec![own]),
            (
                r#"{"a":[{"ebs":{"KmsKeyId":"arn:aws:kms:eu-west-1:444455556666:key\/KEY"}}]}"#,
                vec!["arn:aws:kms:eu-west-1:444455556666:key/KEY"],
            ),
            (
                r#"{"Rule":{"ApplyServerSideEncryptionByDefault":{"KMSMasterKeyID":"KEY","SSEAlgorithm":"aws:kms"}}}"#,
                vec![own],
            ),
            (r#"{"policy":"{\"Resource\":\"arn:aws:kms:us-east-1:111122223333:key/KEY\"}"}"#, vec![own]),
            (
                r#"{"x":"arn:aws:kms:us-east-1:111122223333:key/KEY and arn:aws:kms:us-east-1:111122223333:key/KEY"}"#,
                vec![own],
            ),
            (r#"{"clientToken":"KEY","kmsNote":"none"}"#, vec![]),
            (r#"{"kmsKeyId":"alias/app"}"#, vec![]),
            (r#"{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:alias/app"}"#, vec![]),
            (r#"{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:key/*"}"#, vec![]),
            ("null", vec![]),
            (r#""HIDDEN_DUE_TO_SECURITY_REASONS""#, vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(
                keys(&text.replace("KEY\"", &format!("{KEY}\"")).replace("/KEY", &format!("/{KEY}"))),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn the_best_name_of_a_resource_is_taken() {
        let cases = [
            ("null", r#"{"size":1,"kmsKeyId":"k"}"#, r#"{"volumeId":"vol-1","status":"creating"}"#, Some("vol-1")),
            (
                "null",
                r#"{"name":"db"}"#,
                r#"{"ARN":"arn:aws:secretsmanager:us-east-1:1:secret:db","name":"db"}"#,
                Some("arn:aws:secretsmanager:us-east-1:1:secret:db"),
            ),
            ("null", r#"{"bucketName":"b","host":"h"}"#, "null", Some("b")),
            (
                r#"[{"ARN":"arn:aws:s3:::b","type":"AWS::S3::Bucket"}]"#,
                r#"{"bucketName":"b"}"#,
                "null",
                Some("arn:aws:s3:::b"),
            ),
            (
                "null",
                r#"{"kmsKeyArn":"arn:aws:kms:us-east-1:1:key/k","roleArn":"arn:aws:iam::1:role/r"}"#,
                "null",
                None,
            ),
            ("null", "null", "null", None),
        ];
        for (resources, parameters, response, expected) in cases {
            let found = best_name(&[Some(resources), Some(parameters), Some(response)]);
            assert_eq!(found.as_deref(), expected, "{parameters}");
        }
    }
}
