//! The members that matter to KMS facts, each JSON member of the record read in one pass.
//!
//! It reads and tells types apart; what follows from the values is decided elsewhere.

use std::borrow::Cow;

use super::arn;
use super::context::Context;
use super::operations::OperationClass;
use crate::json::{self, Scanner, SyntaxError};

/// What stands in place of a value that AWS does not log.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// What the caller asked for; a text is `None` where it is not there, `null`, empty, hidden or of another type.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    /// What the caller typed as key; of ReEncrypt the destination key.
    pub(super) key_id: Option<Cow<'a, str>>,
    /// Of ReEncrypt, what the caller typed as source key.
    pub(super) source_key_id: Option<Cow<'a, str>>,
    pub(super) alias_name: Option<Cow<'a, str>>,
    pub(super) grant_id: Option<Cow<'a, str>>,
    /// The algorithm under any of the names that operations give it; of ReEncrypt the destination's.
    pub(super) algorithm: Option<Cow<'a, str>>,
    /// The encryption context; of ReEncrypt the destination's.
    pub(super) context: Option<Context<'a>>,
    /// Of ReEncrypt, the source's encryption context.
    pub(super) source_context: Option<Context<'a>>,
    /// `dryRun` is true.
    pub(super) is_dry_run: bool,
    /// The parameters are an object with members, not marked as omitted: what is missing in them was not given.
    pub(super) is_complete: bool,
}

/// Names in requestParameters, those of most calls first.
const REQUEST_NAMES: [&str; 18] = [
    "encryptionContext",
    "keyId",
    "encryptionAlgorithm",
    "signingAlgorithm",
    "macAlgorithm",
    "keyAgreementAlgorithm",
    "encapsulationAlgorithm",
    "destinationEncryptionAlgorithm",
    "sourceEncryptionAlgorithm",
    "sourceEncryptionContext",
    "sourceKeyId",
    "destinationEncryptionContext",
    "destinationKeyId",
    "targetKeyId",
    "aliasName",
    "grantId",
    "dryRun",
    "omitted",
];

impl<'a> Request<'a> {
    /// Reads requestParameters.
    pub(super) fn read(member: Option<&'a str>, class: OperationClass) -> Self {
        let named = NamedValues::read(member, &REQUEST_NAMES);
        let [
            context,
            key_id,
            algorithms @ ..,
            from_context,
            from_key_id,
            to_context,
            to_key_id,
            target,
            alias,
            grant,
            dry_run,
            omitted,
        ] = named.values;
        let is_pair = class == OperationClass::ReEncrypt;
        let (key_id, context) = if is_pair { (to_key_id, to_context) } else { (key_id.or(target), context) };
        let (source_key_id, source_context) = if is_pair { (from_key_id, from_context) } else { (None, None) };
        let algorithms: [_; 7] = algorithms;
        Self {
            key_id: key_id.and_then(known_text),
            source_key_id: source_key_id.and_then(known_text),
            alias_name: alias.and_then(known_text),
            grant_id: grant.and_then(known_text),
            algorithm: algorithms.into_iter().flatten().find_map(known_text),
            context: context.map(Context::read),
            source_context: source_context.map(Context::read),
            is_dry_run: dry_run.is_some_and(is_true),
            is_complete: named.member_count > 0 && !omitted.is_some_and(is_true),
        }
    }
}

/// What responseElements tells.
#[derive(Debug, Default)]
pub(super) struct Response<'a> {
    /// The key's ARN in `keyId` or `keyMetadata.arn`; a bare id is no ARN.
    pub(super) key_arn: Option<Cow<'a, str>>,
    pub(super) grant_id: Option<Cow<'a, str>>,
}

impl<'a> Response<'a> {
    /// Reads responseElements.
    pub(super) fn read(member: Option<&'a str>) -> Self {
        let [key_id, metadata, grant_id] = NamedValues::read(member, &["keyId", "keyMetadata", "grantId"]).values;
        let [metadata_arn] = NamedValues::read(metadata, &["arn"]).values;
        Self {
            key_arn: [key_id, metadata_arn]
                .into_iter()
                .flatten()
                .filter_map(known_text)
                .find(|text| arn::is_key_arn(text)),
            grant_id: grant_id.and_then(known_text),
        }
    }
}

/// What additionalEventData tells.
#[derive(Debug, Default)]
pub(super) struct Additional<'a> {
    pub(super) grant_id: Option<Cow<'a, str>>,
    /// Key material; of ReEncrypt the destination's.
    pub(super) key_material_id: Option<Cow<'a, str>>,
    pub(super) source_key_material_id: Option<Cow<'a, str>>,
}

impl<'a> Additional<'a> {
    /// Reads additionalEventData.
    pub(super) fn read(member: Option<&'a str>) -> Self {
        let names = ["keyMaterialId", "destinationKeyMaterialId", "sourceKeyMaterialId", "grantId"];
        let [own, destination, source, grant_id] = NamedValues::read(member, &names).values;
        Self {
            grant_id: grant_id.and_then(known_text),
            key_material_id: destination.or(own).and_then(known_text),
            source_key_material_id: source.and_then(known_text),
        }
    }
}

/// `keyId` of serviceEventDetails.
pub(super) fn service_event_key_id(member: Option<&str>) -> Option<Cow<'_, str>> {
    let [key_id] = NamedValues::read(member, &["keyId"]).values;
    key_id.and_then(known_text)
}

/// The exact texts of an object's members of some names, in the order of the names; `None` = not there, or no object.
struct NamedValues<'a, const N: usize> {
    values: [Option<&'a str>; N],
    /// All members, whatever their names.
    member_count: usize,
}

impl<'a, const N: usize> NamedValues<'a, N> {
    /// The last of a name wins; a name that differs in case counts where the exact one is not there.
    fn read(member: Option<&'a str>, names: &[&str; N]) -> Self {
        let mut found = Self { values: [None; N], member_count: 0 };
        let mut is_exact = [false; N];
        for (key, value) in member.map(json::members).into_iter().flatten() {
            let key = json::unescape(key);
            if let Some(place) = names.iter().position(|name| *name == key) {
                found.values[place] = Some(value);
                is_exact[place] = true;
            } else if let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(&key))
                && !is_exact[place]
            {
                found.values[place] = Some(value);
            }
            found.member_count += 1;
        }
        found
    }
}

/// The text of a value; `None` = no text, an empty one, or one that hides the value.
fn known_text(value: &str) -> Option<Cow<'_, str>> {
    json::string_value(value).filter(|text| !text.is_empty() && text != HIDDEN)
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "\"true\"")
}

/// The texts that name something in `resources`, in order: each entry's ARN, or the entry itself where it is plain text.
/// Where all of it is one text, as in the event history's CSV, the words of that text.
pub(super) fn resource_arns(resources: Option<&str>) -> impl Iterator<Item = Cow<'_, str>> {
    let text = resources.unwrap_or_default();
    let words = json::string_value(text).unwrap_or_default();
    let is_between =
        |character: char| character.is_whitespace() || matches!(character, ',' | ';' | '"' | '[' | ']' | '(' | ')');
    let words: Vec<_> = words
        .split(is_between)
        .filter(|word| word.starts_with("arn:"))
        .map(|word| Cow::Owned(word.to_owned()))
        .collect();
    words.into_iter().chain(listed_arns(text))
}

fn listed_arns(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut scanner = Scanner::new(text.as_bytes());
    let is_array = scanner.peek() == Some(b'[');
    scanner.advance();
    let mut is_first = true;
    std::iter::from_fn(move || {
        while is_array && scanner.next_element(&mut is_first).ok()? {
            if let Some(arn) = resource_arn(text, &mut scanner).ok()? {
                return Some(arn);
            }
        }
        None
    })
}

fn resource_arn<'a>(text: &'a str, scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, SyntaxError> {
    if scanner.peek() != Some(b'{') {
        return Ok(known_text(&text[scanner.value()?]));
    }
    scanner.advance();
    let mut is_first = true;
    let mut found = None;
    while let Some(key) = scanner.next_key(&mut is_first)? {
        let value = &text[scanner.value()?];
        let key = &text[key.range];
        if key == "ARN" || (key.eq_ignore_ascii_case("arn") && found.is_none()) {
            found = known_text(value);
        } else if key.eq_ignore_ascii_case("resourceName") && found.is_none() {
            found = known_text(value).filter(|name| name.starts_with("arn:"));
        } else if key.eq_ignore_ascii_case("arnPrefix") && found.is_none() {
            // A prefix may well be a whole ARN; one that is cut is nobody's key.
            found = known_text(value).filter(|prefix| arn::is_whole_key_arn(prefix));
        }
    }
    Ok(found)
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
            assert_eq!(Request::read(Some(member), OperationClass::Encrypt).key_id.as_deref(), expected, "{member}");
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
            assert_eq!(Request::read(member, OperationClass::Encrypt).is_complete, expected, "{member:?}");
        }
    }

    #[test]
    fn dry_run_is_read_as_boolean_and_as_text() {
        let is_dry_run = |member| Request::read(Some(member), OperationClass::Decrypt).is_dry_run;
        assert!(is_dry_run(r#"{"dryRun":true}"#));
        assert!(is_dry_run(r#"{"DryRun":"true"}"#));
        assert!(!is_dry_run(r#"{"dryRun":false}"#));
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
            r#"[{"resourceType":"AWS::KMS::Key","resourceName":"KEY"}]"#,
            r#""AWS::KMS::Key KEY""#,
            r#""key, KEY; 1234""#,
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
