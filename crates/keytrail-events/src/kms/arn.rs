//! ARNs and their parts, and the shapes in which a KMS key is named: key id, key ARN, alias name, alias ARN; building or finding a key ARN.
//!
//! Knows text only: which key a call touched is decided in `kms::resolution`.

use std::borrow::Cow;

/// The parts of an ARN, `arn:partition:service:region:account:resource`; a part that the ARN leaves out is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'t> {
    /// Such as `aws` or `aws-cn`.
    pub partition: &'t str,
    /// Such as `kms`.
    pub service: &'t str,
    /// Such as `eu-west-1`; empty for global resources.
    pub region: &'t str,
    /// The account's id; empty for an S3 bucket.
    pub account: &'t str,
    /// All that is left, such as `key/` and an id.
    pub resource: &'t str,
}

impl<'t> Arn<'t> {
    /// The parts of a text; `None` = it is no ARN.
    pub fn parse(text: &'t str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let [partition, service, region, account] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        Some(Self { partition, service, region, account, resource: parts.next()? })
    }

    /// The id of the KMS key that it is of; `None` = it is another resource's.
    pub fn key_id(self) -> Option<&'t str> {
        let id = self.resource.strip_prefix("key/").filter(|id| !id.is_empty());
        id.filter(|_| self.service == "kms")
    }
}

/// The key id in a key's ARN; `None` = the text is no such ARN. The id's own shape is not looked at: see [`is_key_id`].
pub fn key_id_of(key_arn: &str) -> Option<&str> {
    Arn::parse(key_arn)?.key_id()
}

/// Whether a key id is that of a multi-Region key, which the members of its set share.
pub fn is_multi_region(key_id: &str) -> bool {
    key_id.starts_with(MULTI_REGION)
}

const MULTI_REGION: &str = "mrk-";

/// What a key reference is, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyReference<'t> {
    /// `arn:…:kms:region:account:key/id`.
    KeyArn(ArnParts<'t>),
    /// `arn:…:kms:region:account:alias/name`.
    AliasArn(ArnParts<'t>),
    /// `alias/name`; always of the caller's own account and region.
    AliasName,
    /// A bare key id, a UUID or `mrk-` and 32 hex digits; always of the caller's own account and region.
    KeyId,
    /// Nothing that names a key.
    Other,
}

/// The parts of a KMS ARN that tell keys apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArnParts<'t> {
    pub(super) region: &'t str,
    pub(super) account: &'t str,
    /// The key id; for an alias the whole of `alias/name`.
    pub(super) name: &'t str,
}

impl<'t> KeyReference<'t> {
    /// The shape of a reference.
    pub(super) fn of(reference: &'t str) -> Self {
        if reference.starts_with("arn:") {
            return of_arn(reference).unwrap_or(Self::Other);
        }
        match reference.strip_prefix("alias/") {
            Some(name) if !name.is_empty() => Self::AliasName,
            _ if is_key_id(reference) => Self::KeyId,
            _ => Self::Other,
        }
    }

    /// Whether it names an alias.
    pub(super) fn is_alias(self) -> bool {
        matches!(self, Self::AliasArn(_) | Self::AliasName)
    }
}

fn of_arn(arn: &str) -> Option<KeyReference<'_>> {
    let Arn { region, account, resource, .. } = Arn::parse(arn).filter(|arn| arn.service == "kms")?;
    let (kind, id) = resource.split_once('/')?;
    match kind {
        _ if id.is_empty() => None,
        "key" => Some(KeyReference::KeyArn(ArnParts { region, account, name: id })),
        "alias" => Some(KeyReference::AliasArn(ArnParts { region, account, name: resource })),
        _ => None,
    }
}

/// Whether the text is a key ARN.
pub(super) fn is_key_arn(text: &str) -> bool {
    matches!(KeyReference::of(text), KeyReference::KeyArn(_))
}

/// Whether the text is a whole key ARN that ends with a well-formed key id, not a prefix of one.
pub(super) fn is_whole_key_arn(text: &str) -> bool {
    matches!(KeyReference::of(text), KeyReference::KeyArn(parts) if is_key_id(parts.name))
}

/// Whether the text is the ARN of one alias, and nothing else.
pub(super) fn is_whole_alias_arn(text: &str) -> bool {
    let name = Arn::parse(text).filter(|arn| arn.service == "kms").and_then(|arn| arn.resource.strip_prefix("alias/"));
    name.is_some_and(is_alias_suffix)
}

/// Whether the text may stand after `alias/` in an alias's name (API reference, CreateAlias).
pub(super) fn is_alias_suffix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-'))
}

/// Whether the text is a bare key id: a UUID, or `mrk-` and 32 hexadecimal digits.
pub fn is_key_id(text: &str) -> bool {
    match text.strip_prefix(MULTI_REGION) {
        Some(digits) => digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => is_uuid(text.as_bytes()),
    }
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether the text is an account id; other things stand in that place too (`anonymous`, a service's name).
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The partition that a region belongs to.
pub(super) fn partition(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    let found = BY_PREFIX.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}

/// The ARN of a bare key id in an account and region, whose partition follows from the region.
pub fn key_arn(region: &str, account: &str, key_id: &str) -> String {
    let partition = partition(region);
    format!("arn:{partition}:kms:{region}:{account}:key/{key_id}")
}

/// The ARN of an alias, whose name begins with `alias/`.
pub(super) fn alias_arn(region: &str, account: &str, alias_name: &str) -> String {
    let partition = partition(region);
    format!("arn:{partition}:kms:{region}:{account}:{alias_name}")
}

/// The first key ARN within a sentence such as an error message.
pub(super) fn find_key_arn(sentence: &str) -> Option<&str> {
    key_arns_in(sentence).next()
}

/// The key ARNs within a text, whatever stands around them. A caller may have written it: each character is looked at once.
pub(super) fn key_arns_in(text: &str) -> impl Iterator<Item = &str> {
    const COLONS: usize = 5;
    let is_end = |character: char| !(character.is_ascii_alphanumeric() || matches!(character, ':' | '/' | '-'));
    text.split(is_end).filter_map(|word| {
        // A key ARN ends with its word: so many colons from there on stands `arn`.
        let (first_colon, _) = word.rmatch_indices(':').nth(COLONS - 1)?;
        let arn = &word[first_colon.checked_sub("arn".len())?..];
        is_whole_key_arn(arn).then_some(arn)
    })
}

/// The alias name within an alias reference: of an ARN the part after the account, of a name all of it.
pub(super) fn alias_name_of<'a>(reference: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    match KeyReference::of(reference) {
        KeyReference::AliasName => Some(reference.clone()),
        KeyReference::AliasArn(parts) => Some(suffix(reference, parts.name.len())),
        _ => None,
    }
}

fn suffix<'a>(text: &Cow<'a, str>, length: usize) -> Cow<'a, str> {
    let start = text.len() - length;
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..]),
        Cow::Owned(text) => Cow::Owned(text[start..].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const MRK: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

    #[test]
    fn references_are_told_by_shape() {
        // Domain checklist 30, 31.
        let key = KeyReference::of("arn:aws-us-gov:kms:us-gov-west-1:012345678901:key/mrk-1");
        let parts = ArnParts { region: "us-gov-west-1", account: "012345678901", name: "mrk-1" };
        assert_eq!(key, KeyReference::KeyArn(parts));
        let alias = KeyReference::of("arn:aws:kms:eu-west-1:111122223333:alias/aws/s3");
        let parts = ArnParts { region: "eu-west-1", account: "111122223333", name: "alias/aws/s3" };
        assert_eq!(alias, KeyReference::AliasArn(parts));
        assert_eq!(KeyReference::of("alias/app/key/1"), KeyReference::AliasName);
        assert_eq!(KeyReference::of(UUID), KeyReference::KeyId);
        assert_eq!(KeyReference::of(MRK), KeyReference::KeyId);
        let others = [
            "",
            "alias/",
            "arn:aws:s3:::bucket/a:key/b",
            "arn:aws:kms:us-east-1:111122223333:key/",
            "arn:aws:kms",
            "1234abcd",
            "mrk-12",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
        ];
        for other in others {
            assert_eq!(KeyReference::of(other), KeyReference::Other, "{other}");
        }
    }

    #[test]
    fn arns_have_six_parts() {
        let bucket = Arn { partition: "aws", service: "s3", region: "", account: "", resource: "bucket/a:b" };
        let cases = [
            ("arn:aws:s3:::bucket/a:b", Some(bucket), None),
            ("arn:aws:kms:r:1:key/mrk-1", Arn::parse("arn:aws:kms:r:1:key/mrk-1"), Some("mrk-1")),
            ("arn:aws:kms:r:1:key/", Arn::parse("arn:aws:kms:r:1:key/"), None),
            ("arn:aws:kms:r:1", None, None),
            ("ARN:aws:kms:r:1:key/a", None, None),
            ("", None, None),
        ];
        for (text, arn, key_id) in cases {
            assert_eq!((Arn::parse(text), key_id_of(text)), (arn, key_id), "{text}");
        }
        assert!(is_multi_region(MRK) && !is_multi_region(UUID));
    }

    #[test]
    fn arns_are_built_for_each_partition() {
        // Domain checklist 13.
        let cases = [
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ];
        for (region, expected) in cases {
            let arn = key_arn(region, "012345678901", MRK);
            assert_eq!(arn, format!("arn:{expected}:kms:{region}:012345678901:key/{MRK}"));
            assert!(is_whole_key_arn(&arn));
        }
    }

    #[test]
    fn key_arns_are_found_in_messages() {
        // Domain checklist 40.
        let arn = format!("arn:aws:kms:us-west-2:111122223333:key/{UUID}");
        let messages = [
            format!("{arn} is disabled."),
            format!("{arn} is pending deletion (or pending replica deletion)."),
            format!(
                "User: arn:aws:sts::111122223333:assumed-role/R/S is not authorized to perform: kms:Decrypt on resource: {arn} because no identity-based policy allows the kms:Decrypt action"
            ),
            format!("Key '{arn}' does not exist"),
            format!("see {arn}."),
        ];
        for message in &messages {
            assert_eq!(find_key_arn(message), Some(arn.as_str()), "{message}");
        }
        assert_eq!(find_key_arn("Alias arn:aws:kms:us-west-2:111122223333:alias/a is not found."), None);
        assert_eq!(find_key_arn("arn:aws:kms:us-west-2:111122223333:key/1234 is cut"), None);
        assert_eq!(find_key_arn("é arn:"), None);
        assert_eq!(find_key_arn(&format!("arn:arn:xarn:aws:kms:r:1:key/{UUID}:")), None);
        let glued = format!("arn:arn:xarn:aws:kms:r:1:key/{UUID},{arn}.key/{UUID}");
        let expected = [format!("arn:aws:kms:r:1:key/{UUID}"), arn.clone()];
        assert_eq!(Vec::from_iter(key_arns_in(&glued)), expected);
    }

    #[test]
    fn alias_names_are_cut_from_arns() {
        let arn: Cow<'_, str> = "arn:aws:kms:us-west-2:111122223333:alias/a/b".into();
        assert!(matches!(alias_name_of(&arn), Some(Cow::Borrowed("alias/a/b"))));
        assert_eq!(alias_name_of(&Cow::Owned(arn.into_owned())).as_deref(), Some("alias/a/b"));
        assert_eq!(alias_name_of(&"alias/a".into()).as_deref(), Some("alias/a"));
        assert_eq!(alias_name_of(&UUID.into()), None);
    }
}
