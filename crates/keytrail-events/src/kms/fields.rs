//! The members that matter to KMS facts, read in one pass over a JSON member of the record.
//!
//! The same names stand in requestParameters, responseElements, additionalEventData and serviceEventDetails, so one reader serves
//! all four. It reads; what follows from the values is decided elsewhere.

use std::borrow::Cow;

use super::arn;
use super::context::Context;
use super::operations::OperationClass;
use crate::json::{self, Scanner};

/// What stands in place of a value that AWS does not log.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The known members of one JSON member of a record; `None` = not there, `null`, hidden, or of another type.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) key_id: Option<Cow<'a, str>>,
    pub(super) source_key_id: Option<Cow<'a, str>>,
    pub(super) destination_key_id: Option<Cow<'a, str>>,
    pub(super) target_key_id: Option<Cow<'a, str>>,
    /// `keyMetadata.arn`, the key that CreateKey made or DescribeKey described.
    pub(super) key_metadata_arn: Option<Cow<'a, str>>,
    pub(super) alias_name: Option<Cow<'a, str>>,
    pub(super) grant_id: Option<Cow<'a, str>>,
    pub(super) key_material_id: Option<Cow<'a, str>>,
    pub(super) source_key_material_id: Option<Cow<'a, str>>,
    pub(super) destination_key_material_id: Option<Cow<'a, str>>,
    /// The algorithm under any of the names that operations give it; for ReEncrypt the destination's.
    pub(super) algorithm: Option<Cow<'a, str>>,
    pub(super) source_algorithm: Option<Cow<'a, str>>,
    pub(super) context: Option<Context<'a>>,
    pub(super) source_context: Option<Context<'a>>,
    pub(super) destination_context: Option<Context<'a>>,
    /// `dryRun` is true.
    pub(super) is_dry_run: bool,
    /// It is an object with members, and not marked as omitted: what is missing in it was not given.
    pub(super) is_complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    KeyId,
    SourceKeyId,
    DestinationKeyId,
    TargetKeyId,
    KeyMetadata,
    AliasName,
    GrantId,
    KeyMaterialId,
    SourceKeyMaterialId,
    DestinationKeyMaterialId,
    Algorithm,
    SourceAlgorithm,
    Context,
    SourceContext,
    DestinationContext,
    DryRun,
    Omitted,
}

/// Field names; those that most events carry come first.
const NAMES: [(&str, Field); 21] = [
    ("encryptionContext", Field::Context),
    ("keyId", Field::KeyId),
    ("encryptionAlgorithm", Field::Algorithm),
    ("keyMaterialId", Field::KeyMaterialId),
    ("signingAlgorithm", Field::Algorithm),
    ("macAlgorithm", Field::Algorithm),
    ("keyAgreementAlgorithm", Field::Algorithm),
    ("encapsulationAlgorithm", Field::Algorithm),
    ("destinationEncryptionAlgorithm", Field::Algorithm),
    ("sourceEncryptionAlgorithm", Field::SourceAlgorithm),
    ("sourceKeyId", Field::SourceKeyId),
    ("destinationKeyId", Field::DestinationKeyId),
    ("sourceEncryptionContext", Field::SourceContext),
    ("destinationEncryptionContext", Field::DestinationContext),
    ("sourceKeyMaterialId", Field::SourceKeyMaterialId),
    ("destinationKeyMaterialId", Field::DestinationKeyMaterialId),
    ("grantId", Field::GrantId),
    ("aliasName", Field::AliasName),
    ("targetKeyId", Field::TargetKeyId),
    ("keyMetadata", Field::KeyMetadata),
    ("dryRun", Field::DryRun),
];

/// The marker that CloudTrail leaves where it left parameters out for their size.
const OMITTED: &str = "omitted";

/// How a key of the log matched a known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Letter for letter.
    Exact,
    /// But for the case of letters; yields to an exact one in the same object.
    OtherCase,
}

impl Field {
    fn named(key: &str) -> Option<(Self, Spelling)> {
        if let Some((_, field)) = NAMES.iter().find(|(name, _)| *name == key) {
            return Some((*field, Spelling::Exact));
        }
        if key.eq_ignore_ascii_case(OMITTED) {
            return Some((Self::Omitted, Spelling::Exact));
        }
        let (_, field) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        Some((*field, Spelling::OtherCase))
    }
}

impl<'a> Fields<'a> {
    /// Reads a JSON member of a record; one that is no object gives no field.
    pub(super) fn read(member: Option<&'a str>) -> Self {
        let mut fields = Self::default();
        let mut is_omitted = false;
        for (key, value) in member.map(json::members).into_iter().flatten() {
            fields.is_complete = true;
            match Field::named(&json::unescape(key)) {
                Some((Field::Omitted, _)) => is_omitted = is_true(value),
                Some((field, spelling)) => fields.put(field, spelling, value),
                None => {}
            }
        }
        fields.is_complete &= !is_omitted;
        fields
    }

    /// Reads requestParameters: of ReEncrypt the destination's members count as the call's own, other operations have no source.
    pub(super) fn read_request(member: Option<&'a str>, class: OperationClass) -> Self {
        let fields = Self::read(member);
        if class == OperationClass::ReEncrypt {
            let (key_id, context) = (fields.destination_key_id, fields.destination_context);
            Self { key_id, context, destination_key_id: None, destination_context: None, ..fields }
        } else {
            let key_id = fields.key_id.or(fields.target_key_id);
            Self { key_id, target_key_id: None, source_key_id: None, source_context: None, ..fields }
        }
    }

    fn put(&mut self, field: Field, spelling: Spelling, value: &'a str) {
        let slot = match field {
            Field::KeyId => &mut self.key_id,
            Field::SourceKeyId => &mut self.source_key_id,
            Field::DestinationKeyId => &mut self.destination_key_id,
            Field::TargetKeyId => &mut self.target_key_id,
            Field::AliasName => &mut self.alias_name,
            Field::GrantId => &mut self.grant_id,
            Field::KeyMaterialId => &mut self.key_material_id,
            Field::SourceKeyMaterialId => &mut self.source_key_material_id,
            Field::DestinationKeyMaterialId => &mut self.destination_key_material_id,
            Field::Algorithm => &mut self.algorithm,
            Field::SourceAlgorithm => &mut self.source_algorithm,
            Field::KeyMetadata => return fill(&mut self.key_metadata_arn, spelling, || metadata_arn(value)),
            Field::Context => return fill(&mut self.context, spelling, || Some(Context::read(value))),
            Field::SourceContext => return fill(&mut self.source_context, spelling, || Some(Context::read(value))),
            Field::DestinationContext => {
                return fill(&mut self.destination_context, spelling, || Some(Context::read(value)));
            }
            Field::DryRun => return self.is_dry_run = is_true(value),
            Field::Omitted => return,
        };
        fill(slot, spelling, || known_text(value));
    }
}

/// Fills a slot: the last of an exact name wins, another spelling only takes an empty place.
fn fill<T>(slot: &mut Option<T>, spelling: Spelling, value: impl FnOnce() -> Option<T>) {
    if spelling == Spelling::Exact || slot.is_none() {
        *slot = value();
    }
}

/// The text of a value; `None` = no text, an empty one, or one that hides the value.
fn known_text(value: &str) -> Option<Cow<'_, str>> {
    json::string_value(value).filter(|text| !text.is_empty() && text != HIDDEN)
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "\"true\"")
}

fn metadata_arn(value: &str) -> Option<Cow<'_, str>> {
    let (_, arn) = json::members(value).find(|(key, _)| key.eq_ignore_ascii_case("arn"))?;
    known_text(arn)
}

/// The texts that name something in `resources`, in order: each entry's ARN, or the entry itself where it is plain text.
pub(super) fn resource_arns(resources: Option<&str>) -> impl Iterator<Item = Cow<'_, str>> {
    resources.map(elements).into_iter().flatten().filter_map(resource_arn)
}

/// The exact texts of an array's elements; nothing where the value is no array.
fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut scanner = Scanner::new(value.as_bytes());
    let is_array = scanner.peek() == Some(b'[');
    scanner.advance();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let has_next = is_array && scanner.next_element(&mut is_first).ok()?;
        value.get(has_next.then(|| scanner.value().ok())??)
    })
}

fn resource_arn(entry: &str) -> Option<Cow<'_, str>> {
    let mut found = known_text(entry);
    for (key, value) in json::members(entry) {
        if key == "ARN" || (key.eq_ignore_ascii_case("arn") && found.is_none()) {
            found = known_text(value);
        } else if key.eq_ignore_ascii_case("arnPrefix") && found.is_none() {
            // A prefix may well be a whole ARN; one that is cut is nobody's key.
            found = known_text(value).filter(|prefix| arn::is_whole_key_arn(prefix));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_other_spellings() {
        // Domain §2.3.4; duplicates of the exact name: the last wins.
        let cases = [
            (r#"{"keyId":"a","KeyId":"b"}"#, Some("a")),
            (r#"{"KEYID":"b","keyId":"a"}"#, Some("a")),
            (r#"{"KeyId":"b"}"#, Some("b")),
            (r#"{"keyId":"a","keyId":"c"}"#, Some("c")),
            (r#"{"keyId":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#, None),
            (r#"{"keyId":""}"#, None),
            (r#"{"keyId":null}"#, None),
            (r#"{"keyId":12}"#, None),
            (r#"{"key\u0049d":"d"}"#, Some("d")),
        ];
        for (member, expected) in cases {
            assert_eq!(Fields::read(Some(member)).key_id.as_deref(), expected, "{member}");
        }
    }

    #[test]
    fn parameters_are_complete_only_when_they_are_all_there() {
        // Domain checklist 21, §2.1 requestParameters.
        let cases = [
            (None, false),
            (Some("null"), false),
            (Some("{}"), false),
            (Some("\"text\""), false),
            (Some(r#"{"omitted":true,"originalSize":120000}"#), false),
            (Some(r#"{"omitted":"true"}"#), false),
            (Some(r#"{"omitted":false,"keyId":"a"}"#), true),
            (Some(r#"{"keyId":"a"}"#), true),
        ];
        for (member, expected) in cases {
            assert_eq!(Fields::read(member).is_complete, expected, "{member:?}");
        }
    }

    #[test]
    fn dry_run_is_read_as_boolean_and_as_text() {
        assert!(Fields::read(Some(r#"{"dryRun":true}"#)).is_dry_run);
        assert!(Fields::read(Some(r#"{"DryRun":"true"}"#)).is_dry_run);
        assert!(!Fields::read(Some(r#"{"dryRun":false}"#)).is_dry_run);
    }

    #[test]
    fn resources_are_read_in_every_form() {
        // Domain checklist 20.
        let key = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let entry = |text: &str| vec![text.replace("KEY", key)];
        let forms = [
            r#"[{"ARN":"KEY","accountId":"111122223333","type":"AWS::KMS::Key"}]"#,
            r#"[{"accountId":"111122223333","arn":"KEY"}]"#,
            r#"["KEY"]"#,
            r#"[null,{},{"ARN":null},[1],{"ARNPrefix":"KEY"}]"#,
            r#"[{"arn":"x","ARN":"KEY"}]"#,
            r#"[{"ARN":"KEY","arn":"x"}]"#,
        ];
        for form in forms.iter().flat_map(|form| entry(form)) {
            assert_eq!(resource_arns(Some(&form)).collect::<Vec<_>>(), [key], "{form}");
        }
        let without = [None, Some("null"), Some("[]"), Some(r#""HIDDEN_DUE_TO_SECURITY_REASONS""#)];
        for resources in without {
            assert_eq!(resource_arns(resources).count(), 0);
        }
        let cut = r#"[{"ARNPrefix":"arn:aws:kms:us-west-2:111122223333:key/"}]"#;
        assert_eq!(resource_arns(Some(cut)).count(), 0);
    }
}
