//! The KMS keys that calls of other services name: volumes, databases, secrets, buckets, trails, policies.
//!
//! Found are key ARNs anywhere in a text, a policy's text too, an alias's ARN that is a whole value, and a bare key id or an alias's name under
//! a member that speaks of a key: by its name (`kmsKeyId`, `KMSMasterKeyID`, …), as `keyId` (Systems Manager, Kinesis), as the `id` of an
//! `encryptionKey` (CodePipeline), or as an `attributeValue` where an attribute speaks of one (SNS). Which key an alias stood for is a question
//! to the table: that takes a moment in time. What they are named for is the resource that the call made or changed.

use std::collections::BTreeSet;

use super::arn::{self, Arn};
use crate::json::{self, MemberNames};
use crate::path::is_region;

/// Where a call was made: a bare key id is of that place.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallPlace<'a> {
    /// awsRegion.
    pub region: Option<&'a str>,
    /// The account that the call was made in.
    pub account_id: Option<&'a str>,
}

/// ARNs of the KMS keys, and of the aliases, that JSON texts of a call name, sorted, each once.
pub fn mentioned_keys<'t>(texts: impl IntoIterator<Item = &'t str>, place: CallPlace<'_>) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for text in texts.into_iter().filter(|text| speaks_of_key(text)) {
        json::for_each_string(text, &mut |names, value| add_keys(names, value, place, &mut keys));
    }
    keys
}

/// ARNs of the KMS keys that a message for people names.
pub(crate) fn keys_in_message(message: &str) -> impl Iterator<Item = String> {
    let message = if speaks_of_key(message) { message } else { "" };
    keys_in(message)
}

/// The key ARNs within a text, as AWS writes them; whoever wrote it may have made up a place, or an id in capitals.
fn keys_in(text: &str) -> impl Iterator<Item = String> {
    let is_placed =
        |arn: &&str| Arn::parse(arn).is_some_and(|arn| is_region(arn.region) && arn::is_account_id(arn.account));
    arn::key_arns_in(text).filter(is_placed).map(str::to_ascii_lowercase)
}

fn add_keys(names: MemberNames<'_>, value: &str, place: CallPlace<'_>, keys: &mut BTreeSet<String>) {
    let is_alias_name = || value.strip_prefix("alias/").is_some_and(arn::is_alias_suffix);
    match (place.region, place.account_id) {
        _ if arn::is_whole_alias_arn(value) => _ = keys.insert(value.to_owned()),
        (Some(region), Some(account_id))
            if (arn::is_key_id(value) || is_alias_name())
                && holds_key_id(names)
                && [region, account_id].into_iter().all(is_part_of_arn) =>
        {
            keys.insert(match arn::is_key_id(value) {
                true => arn::key_arn(region, account_id, &value.to_ascii_lowercase()),
                false => arn::alias_arn(region, account_id, value),
            });
        }
        _ => keys.extend(keys_in(value)),
    }
}

/// Whether a key id in a text that speaks of keys is one of a KMS key, by where it stands.
fn holds_key_id(names: MemberNames<'_>) -> bool {
    let is = |word: &str| names.name.eq_ignore_ascii_case(word);
    speaks_of_key(names.name) || is("keyId") || is("attributeValue") || (is("id") && speaks_of_key(names.outer))
}

fn is_part_of_arn(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether `kms`, `masterkey` or `encryptionkey` stands in the text, or a member `keyId`, in any case: without one, no member of a JSON text names a key, as
/// long as its letters are not escaped, and no known writer does that. They are looked for by the letter that is rarest of theirs, as
/// nearly every text has none of them.
fn speaks_of_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_with = |end: usize, word: &[u8]| {
        bytes[..end].len() >= word.len() && bytes[end - word.len()..end].eq_ignore_ascii_case(word)
    };
    memchr::memchr2_iter(b'k', b'K', bytes).any(|at| match bytes.get(at + 1..at + 3) {
        Some(rest) if rest.eq_ignore_ascii_case(b"ms") => true,
        Some(rest) if rest.eq_ignore_ascii_case(b"ey") => {
            let is_key_id = || {
                ends_with(at, b"\"") && bytes[at + 3..].get(..3).is_some_and(|end| end.eq_ignore_ascii_case(b"id\""))
            };
            ends_with(at, b"master") || ends_with(at, b"encryption") || is_key_id()
        }
        _ => false,
    })
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

/// The best name of what a call made or changed, an ARN, an id or a name: in `resources`, else in the answer, else in the parameters;
/// `None` where nothing looks like one.
pub fn resource_of_call(texts: [Option<&str>; 3]) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for (order, text) in texts.into_iter().enumerate() {
        let Some(text) = text else { continue };
        json::for_each_string(text, &mut |names, value| {
            let rank = rank(names.name, value).map(|rank| rank + order);
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
        let place = CallPlace { region: Some("us-east-1"), account_id: Some("111122223333") };
        mentioned_keys([text], place).into_iter().map(|key| key.replace(KEY, "KEY")).collect()
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
            (r#"{"name":"p","type":"SecureString","keyId":"KEY"}"#, vec![own]),
            (r#"{"artifactStore":{"encryptionKey":{"id":"KEY","type":"KMS"}}}"#, vec![own]),
            (r#"{"attributeName":"KmsMasterKeyId","attributeValue":"KEY"}"#, vec![own]),
            (r#"{"encryptionKey":{"a":{"id":"KEY"}},"accessKeyId":"KEY","id":"KEY"}"#, vec![]),
            (r#"{"attributeName":"Policy","attributeValue":"KEY"}"#, vec![]),
            (r#"{"clientToken":"KEY","kmsNote":"none"}"#, vec![]),
            (r#"{"kmsKeyId":"alias/app"}"#, vec!["arn:aws:kms:us-east-1:111122223333:alias/app"]),
            (r#"{"note":"alias/app","kmsNote":"alias/a b"}"#, vec![]),
            (
                r#"{"x":"arn:aws:kms:eu-west-1:111122223333:alias/team/app_1"}"#,
                vec!["arn:aws:kms:eu-west-1:111122223333:alias/team/app_1"],
            ),
            (r#"{"policy":"{\"Resource\":\"arn:aws:kms:us-east-1:111122223333:alias/app\"}"}"#, vec![]),
            (r#"{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:alias/*"}"#, vec![]),
            (r#"{"kmsKeyId":"arn:aws:kms:us-east-1:111122223333:key/*"}"#, vec![]),
            (r#"{"x":"arn:aws:kms:us-east-1:123:key/KEY and arn:aws:kms::111122223333:key/KEY"}"#, vec![]),
            (r#"{"x":"arn:aws:kms:us-east-1:111122223333:key/1234ABCD-12AB-34CD-56EF-1234567890AB"}"#, vec![own]),
            ("null", vec![]),
            (r#""HIDDEN_DUE_TO_SECURITY_REASONS""#, vec![]),
        ];
        for (text, expected) in cases {
            let text = text.replace("KEY\"", &format!("{KEY}\"")).replace("/KEY", &format!("/{KEY}"));
            assert_eq!(keys(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_bare_id_needs_a_place() {
        let text = format!(r#"{{"kmsKeyId":"{KEY}","masterKeyArn":"arn:aws:kms:us-east-1:111122223333:key/{KEY}"}}"#);
        let named = mentioned_keys([text.as_str()], CallPlace::default());
        assert_eq!(Vec::from_iter(named), [format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}")]);
        let bare = format!(r#"{{"kmsKeyId":"{KEY}"}}"#);
        for (region, account_id) in [("us-east-1", "1111 2222"), ("us:east", "1"), ("", "1"), ("us-east-1", "")] {
            let place = CallPlace { region: Some(region), account_id: Some(account_id) };
            assert!(mentioned_keys([bare.as_str()], place).is_empty(), "{region} {account_id}");
        }
    }

    #[test]
    fn words_are_known_in_any_case_and_place() {
        for text in [
            "kms",
            "xKmS",
            "aws:KMS:",
            "MasterKey",
            "masterKEY",
            "storageEncryptionKeyArn",
            "kkms",
            "keykms",
            "\"keyId\"",
            "\"KeyID\"",
        ] {
            assert!(speaks_of_key(text), "{text}");
        }
        for text in [
            "",
            "k",
            "K",
            "km",
            "ke",
            "key",
            "asterkey",
            "ncryptionKey",
            "bucket",
            "token",
            "master key",
            "\"accessKeyId\"",
            "\"keyIds\"",
            "\"keyI",
        ] {
            assert!(!speaks_of_key(text), "{text}");
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
                r#"{"kmsKeyArn":"arn:aws:kms:us-east-1:111122223333:key/k","roleArn":"arn:aws:iam::1:role/r"}"#,
                "null",
                None,
            ),
            ("null", "null", "null", None),
        ];
        for (resources, parameters, response, expected) in cases {
            let found = resource_of_call([Some(resources), Some(response), Some(parameters)]);
            assert_eq!(found.as_deref(), expected, "{parameters}");
        }
    }
}
