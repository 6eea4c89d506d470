//! Which key a call touched, and where the record says so.
//!
//! One record only: an alias stays unresolved here (`alias`), and a grant stays a grant; tables over many records settle those.
//!
//! | step | source | `key_resolution` |
//! |---|---|---|
//! | 1 | `resources[]`, by the shape of the ARN | `resources` |
//! | 2 | `responseElements.keyId`, `.keyMetadata.arn` | `response` |
//! | 3 | a key ARN among the request's parameters | `request_arn` |
//! | 4 | `serviceEventDetails.keyId`; a bare key id among the parameters | `service_event`, `request_id` |
//! | 5 | a key ARN in `errorMessage` | `error_message` |
//! | 6 | nothing but an alias | `alias` |

use std::borrow::Cow;

use super::KmsInput;
use super::arn::{self, ArnParts, KeyReference};
use super::fields::{self, Request, Response};
use super::operations::OperationClass;

/// Where a key's ARN was found; the words of the column `key_resolution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyResolution {
    /// In `resources[]`.
    Resources,
    /// In `responseElements`.
    Response,
    /// The caller typed the ARN.
    RequestArn,
    /// The caller typed a key id; the ARN is built with the caller's account and the region of the call.
    RequestId,
    /// In `serviceEventDetails`; a bare id is completed with the recipient's account and the region of the event.
    ServiceEvent,
    /// In the text of the error.
    ErrorMessage,
    /// Not found: the record names an alias only.
    Alias,
    /// Not found: the record names no key.
    None,
}

impl KeyResolution {
    /// The word in the column `key_resolution`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Response => "response",
            Self::RequestArn => "request_arn",
            Self::RequestId => "request_id",
            Self::ServiceEvent => "service_event",
            Self::ErrorMessage => "error_message",
            Self::Alias => "alias",
            Self::None => "none",
        }
    }
}

/// The keys that a call touched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResolvedKeys<'a> {
    /// The key; for ReEncrypt the destination key.
    pub(super) key_arn: Option<Cow<'a, str>>,
    /// For ReEncrypt the source key.
    pub(super) source_key_arn: Option<Cow<'a, str>>,
    /// Where `key_arn` was found.
    pub(super) resolution: KeyResolution,
}

type Found<'a> = Option<(Cow<'a, str>, KeyResolution)>;

/// Finds the keys that a call touched.
pub(super) fn resolve<'a>(
    class: OperationClass,
    input: &KmsInput<'a>,
    request: &Request<'a>,
    response: &Response<'a>,
) -> ResolvedKeys<'a> {
    let in_resources = resource_keys(input.resources);
    let (found, source_key_arn) = if class == OperationClass::ReEncrypt {
        resolve_pair(input, request, in_resources)
    } else {
        let by_resources = one_of(in_resources, input, request).map(|arn| (arn, KeyResolution::Resources));
        (by_resources.or_else(|| resolve_single(input, request, response)), None)
    };
    let (key_arn, resolution) = match found {
        Some((arn, resolution)) => (Some(arn), resolution),
        None if names_alias(request) => (None, KeyResolution::Alias),
        None => (None, KeyResolution::None),
    };
    ResolvedKeys {
        key_arn: key_arn.map(in_small_letters),
        source_key_arn: source_key_arn.map(in_small_letters),
        resolution,
    }
}

/// The ARN of a key whose id was typed in capitals, as spreadsheets write it, is the one that AWS writes.
fn in_small_letters(arn: Cow<'_, str>) -> Cow<'_, str> {
    if arn.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let small = arn.to_ascii_lowercase();
        if arn::is_whole_key_arn(&small) {
            return small.into();
        }
    }
    arn
}

/// The first two keys of `resources`; aliases stand there too and carry the type of a key, so only the ARN's shape counts.
fn resource_keys(resources: Option<&str>) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let mut keys = fields::resource_arns(resources).filter(|text| arn::is_key_arn(text));
    (keys.next(), keys.next())
}

/// Of two keys where one is expected: the one that the caller named, else the first.
fn one_of<'a>(
    (first, second): (Option<Cow<'a, str>>, Option<Cow<'a, str>>),
    input: &KmsInput<'a>,
    request: &Request<'a>,
) -> Option<Cow<'a, str>> {
    match second {
        Some(second) if relation(request.key_id.as_ref(), &second, input) == Relation::Same => Some(second),
        _ => first,
    }
}

fn resolve_single<'a>(input: &KmsInput<'a>, request: &Request<'a>, response: &Response<'a>) -> Found<'a> {
    let in_response = response.key_arn.clone().map(|arn| (arn, KeyResolution::Response));
    in_response
        .or_else(|| by_request_arn(request.key_id.as_ref()))
        .or_else(|| by_service_event(input))
        .or_else(|| by_request_id(input, request.key_id.as_ref()))
        .or_else(|| by_error_message(input))
}

/// The keys of ReEncrypt: destination (with its resolution) and source.
fn resolve_pair<'a>(
    input: &KmsInput<'a>,
    request: &Request<'a>,
    in_resources: (Option<Cow<'a, str>>, Option<Cow<'a, str>>),
) -> (Found<'a>, Option<Cow<'a, str>>) {
    let (mut destination, mut source) = match in_resources {
        (Some(first), Some(second)) => {
            let (source, destination) = in_order((first, second), input, request);
            (Some((destination, KeyResolution::Resources)), Some(source))
        }
        (Some(only), _) => by_role(only, KeyResolution::Resources, input, request),
        _ => (None, None),
    };
    let of_request = |reference| by_request_arn(reference).or_else(|| by_request_id(input, reference));
    destination = destination.or_else(|| of_request(request.key_id.as_ref()));
    source = source.or_else(|| of_request(request.source_key_id.as_ref()).map(|(arn, _)| arn));
    if destination.is_none() || source.is_none() {
        let (in_message, source_in_message) = match by_error_message(input) {
            Some((arn, resolution)) => by_role(arn, resolution, input, request),
            None => (None, None),
        };
        destination = destination.or(in_message);
        source = source.or(source_in_message);
    }
    (destination, source)
}

/// Source and destination of two keys: in this order, unless the destination that the caller named is the first and not the second.
fn in_order<'a>(
    (first, second): (Cow<'a, str>, Cow<'a, str>),
    input: &KmsInput<'a>,
    request: &Request<'a>,
) -> (Cow<'a, str>, Cow<'a, str>) {
    let is_destination = |key: &str| relation(request.key_id.as_ref(), key, input) == Relation::Same;
    if is_destination(&first) && !is_destination(&second) { (second, first) } else { (first, second) }
}

/// Gives a single key of ReEncrypt its role by what the caller named.
///
/// Where that leaves both roles open (two aliases, or none named) it counts as the destination: a touched key is never lost.
fn by_role<'a>(
    key: Cow<'a, str>,
    resolution: KeyResolution,
    input: &KmsInput<'a>,
    request: &Request<'a>,
) -> (Found<'a>, Option<Cow<'a, str>>) {
    use Relation::{Different, Open, Same};
    let as_source = relation(request.source_key_id.as_ref(), &key, input);
    let as_destination = relation(request.key_id.as_ref(), &key, input);
    match (as_source, as_destination) {
        (Same, Same) => (Some((key.clone(), resolution)), Some(key)),
        (Same, _) | (Open, Different) => (None, Some(key)),
        (_, Same) | (Different, Open) | (Open, Open) | (Different, Different) => (Some((key, resolution)), None),
    }
}

/// Whether a reference means a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Different,
    /// Cannot be told: nothing typed, or an alias.
    Open,
}

/// Compares what the caller typed with a key's ARN; an alias is told apart at least from the keys of other accounts.
fn relation(reference: Option<&Cow<'_, str>>, key: &str, input: &KmsInput<'_>) -> Relation {
    let (Some(reference), KeyReference::KeyArn(key_parts)) = (reference, KeyReference::of(key)) else {
        return Relation::Open;
    };
    let is_same = match KeyReference::of(reference) {
        KeyReference::KeyArn(_) => reference == key,
        KeyReference::KeyId => *reference == key_parts.name,
        KeyReference::AliasArn(parts) if !is_same_place(parts, key_parts) => false,
        KeyReference::AliasName if is_elsewhere(key_parts, input) => false,
        _ => return Relation::Open,
    };
    if is_same { Relation::Same } else { Relation::Different }
}

fn is_same_place(one: ArnParts<'_>, other: ArnParts<'_>) -> bool {
    one.account == other.account && one.region == other.region
}

/// Whether a key lies outside the caller's account, where an alias name cannot reach it.
fn is_elsewhere(key: ArnParts<'_>, input: &KmsInput<'_>) -> bool {
    let caller = input.principal_account_id.filter(|account| arn::is_account_id(account));
    caller.is_some_and(|account| account != key.account)
}

fn by_request_arn<'a>(reference: Option<&Cow<'a, str>>) -> Found<'a> {
    let arn = reference.filter(|text| arn::is_key_arn(text))?;
    Some((arn.clone(), KeyResolution::RequestArn))
}

fn by_request_id<'a>(input: &KmsInput<'a>, reference: Option<&Cow<'a, str>>) -> Found<'a> {
    let key_id = reference.filter(|text| arn::is_key_id(text))?;
    let arn = arn::key_arn(input.aws_region?, caller_account(input)?, key_id);
    Some((Cow::Owned(arn), KeyResolution::RequestId))
}

fn by_service_event<'a>(input: &KmsInput<'a>) -> Found<'a> {
    let key_id = fields::service_event_key_id(input.service_event_details)?;
    if arn::is_key_arn(&key_id) {
        return Some((key_id, KeyResolution::ServiceEvent));
    }
    let key_id = Some(key_id).filter(|text| arn::is_key_id(text))?;
    let account = input.recipient_account_id.filter(|account| arn::is_account_id(account))?;
    Some((Cow::Owned(arn::key_arn(input.aws_region?, account, &key_id)), KeyResolution::ServiceEvent))
}

fn by_error_message<'a>(input: &KmsInput<'a>) -> Found<'a> {
    let arn = arn::find_key_arn(input.error_message?)?;
    Some((Cow::Borrowed(arn), KeyResolution::ErrorMessage))
}

/// The account that a bare key id belongs to: the caller's.
///
/// A service event, and a call by a service that is logged without an account, has none: then the recipient, to whom the record came
/// as caller or as owner of the key, and either way the key is his.
fn caller_account<'a>(input: &KmsInput<'a>) -> Option<&'a str> {
    let is_service_event = input.event_type == Some("AwsServiceEvent");
    let caller = input.principal_account_id.filter(|_| !is_service_event);
    [caller, input.recipient_account_id, input.principal_account_id]
        .into_iter()
        .flatten()
        .find(|account| arn::is_account_id(account))
}

fn names_alias(request: &Request<'_>) -> bool {
    let is_alias = |reference: &Cow<'_, str>| KeyReference::of(reference).is_alias();
    request.alias_name.is_some() || request.key_id.as_ref().is_some_and(is_alias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::KmsFacts;

    const ONE: &str = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const TWO: &str = "arn:aws:kms:us-west-2:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";
    const FOREIGN: &str = "arn:aws:kms:us-west-2:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab";

    /// A call by account 111122223333 in us-west-2, to be filled in.
    const CALL: KmsInput<'static> = KmsInput {
        event_name: "Decrypt",
        event_type: Some("AwsApiCall"),
        aws_region: Some("us-west-2"),
        error_code: None,
        error_message: None,
        recipient_account_id: Some("111122223333"),
        principal_account_id: Some("111122223333"),
        invoked_by: None,
        request_parameters: None,
        response_elements: None,
        additional_event_data: None,
        service_event_details: None,
        resources: None,
        lacks_context: false,
    };

    /// Writes the key ARNs in the place of their names.
    fn filled(text: &str) -> String {
        let id = |arn: &str| arn.rsplit('/').next().expect("an id").to_owned();
        let text = text.replace("ONE_ID", &id(ONE)).replace("TWO_ID", &id(TWO)).replace("FOREIGN_ID", &id(FOREIGN));
        text.replace("ONE", ONE).replace("TWO", TWO).replace("FOREIGN", FOREIGN)
    }

    /// `key_resolution`, `key_arn` and `source_key_arn` of a record, with the key ARNs by their names.
    fn resolved(input: &KmsInput<'_>) -> String {
        let facts = KmsFacts::of(input);
        let arns = [facts.key_arn, facts.source_key_arn].into_iter().flatten();
        let words: Vec<_> = std::iter::once(facts.key_resolution.as_str().into()).chain(arns).collect();
        words.join(" ").replace(ONE, "ONE").replace(TWO, "TWO").replace(FOREIGN, "FOREIGN")
    }

    #[test]
    fn a_single_key_is_found_by_the_first_step_that_has_one() {
        // Event name, request, response, resources, error message; domain checklist 20, 29-31, 33, 40.
        let cases = [
            ("Decrypt", "{}", "null", r#"[{"ARN":"ONE","type":"AWS::KMS::Key"}]"#, "", "resources ONE"),
            ("Decrypt", r#"{"keyId":"TWO"}"#, "null", r#"[{"ARN":"ONE"}]"#, "", "resources ONE"),
            ("Decrypt", r#"{"keyId":"TWO"}"#, "null", r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources TWO"),
            ("Decrypt", r#"{"keyId":"alias/a"}"#, "null", r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources ONE"),
            ("Encrypt", r#"{"keyId":"alias/a"}"#, "null", r#"["ONE"]"#, "", "resources ONE"),
            ("Encrypt", r#"{"keyId":"FOREIGN"}"#, "null", r#"[{"arn":"FOREIGN"}]"#, "", "resources FOREIGN"),
            (
                "CreateAlias",
                "{}",
                "null",
                r#"[{"ARN":"ONE"},{"ARN":"arn:aws:kms:us-west-2:1:alias/a"}]"#,
                "",
                "resources ONE",
            ),
            (
                "UpdateAlias",
                "{}",
                "null",
                r#"[{"ARN":"arn:aws:kms:us-west-2:1:alias/key/a"},{"ARN":"ONE"}]"#,
                "",
                "resources ONE",
            ),
            ("CreateKey", "{}", r#"{"keyMetadata":{"keyId":"ONE_ID","arn":"ONE"}}"#, "null", "", "response ONE"),
            ("CreateGrant", r#"{"keyId":"TWO"}"#, r#"{"grantId":"g","keyId":"ONE"}"#, "[]", "", "response ONE"),
            ("RotateKeyOnDemand", r#"{"keyId":"ONE"}"#, r#"{"keyId":"ONE_ID"}"#, "[]", "", "request_arn ONE"),
            ("DescribeKey", r#"{"keyId":"ONE_ID"}"#, "null", "[]", "", "request_id ONE"),
            ("CreateAlias", r#"{"aliasName":"alias/a","targetKeyId":"ONE_ID"}"#, "null", "null", "", "request_id ONE"),
            ("Decrypt", "null", "null", "null", "ONE is disabled.", "error_message ONE"),
            ("Encrypt", r#"{"keyId":"alias/a"}"#, "null", "null", "ONE is pending deletion.", "error_message ONE"),
            ("Encrypt", r#"{"keyId":"alias/a"}"#, "null", "[]", "", "alias"),
            ("Encrypt", r#"{"keyId":"arn:aws:kms:us-west-2:444455556666:alias/a"}"#, "null", "[]", "", "alias"),
            (
                "DeleteAlias",
                r#"{"aliasName":"alias/a"}"#,
                "null",
                r#"[{"ARN":"arn:aws:kms:us-west-2:1:alias/a"}]"#,
                "",
                "alias",
            ),
            (
                "Decrypt",
                "null",
                "null",
                "null",
                "The ciphertext refers to a customer master key that does not exist",
                "none",
            ),
            ("Encrypt", r#"{"keyId":"nonsense"}"#, "null", "null", "Invalid keyId nonsense", "none"),
            ("GenerateRandom", "null", "null", "[]", "", "none"),
        ];
        for (event_name, request, response, resources, message, expected) in cases {
            let [request, response, resources, message] = [request, response, resources, message].map(filled);
            let input = KmsInput {
                event_name,
                request_parameters: Some(&request),
                response_elements: Some(&response),
                resources: Some(&resources),
                error_message: Some(message.as_str()).filter(|text| !text.is_empty()),
                ..CALL
            };
            assert_eq!(resolved(&input), expected, "{event_name} {request} {resources}");
        }
    }

    #[test]
    fn capitals_name_the_same_key() {
        let id = ONE.rsplit('/').next().expect("an id");
        for reference in [id.to_uppercase(), ONE.replace(id, &id.to_uppercase())] {
            let request = format!(r#"{{"keyId":"{reference}"}}"#);
            let call = KmsInput { request_parameters: Some(&request), error_code: Some("NotFoundException"), ..CALL };
            assert!(resolved(&call).ends_with(" ONE"), "{reference}");
        }
        let odd = r#"{"keyId":"arn:aws:kms:us-west-2:111122223333:key/Example"}"#;
        assert!(resolved(&KmsInput { request_parameters: Some(odd), ..CALL }).ends_with("key/Example"));
    }

    #[test]
    fn a_bare_id_belongs_to_the_caller() {
        // Domain §4 step 4, checklist 19, 23, 30.
        let request = filled(r#"{"keyId":"FOREIGN_ID"}"#);
        let call = KmsInput { request_parameters: Some(&request), ..CALL };
        let cases = [
            ("AwsApiCall", Some("444455556666"), Some("111122223333"), "request_id FOREIGN"),
            ("AwsApiCall", None, Some("444455556666"), "request_id FOREIGN"),
            ("AwsApiCall", Some("anonymous"), Some("444455556666"), "request_id FOREIGN"),
            ("AwsServiceEvent", Some("111122223333"), Some("444455556666"), "request_id FOREIGN"),
            ("AwsServiceEvent", Some("444455556666"), None, "request_id FOREIGN"),
            ("AwsApiCall", None, None, "none"),
        ];
        for (event_type, principal_account_id, recipient_account_id, expected) in cases {
            let event_type = Some(event_type);
            let input = KmsInput { event_type, principal_account_id, recipient_account_id, ..call };
            assert_eq!(resolved(&input), expected, "{event_type:?} {principal_account_id:?} {recipient_account_id:?}");
        }
        assert_eq!(resolved(&KmsInput { aws_region: None, ..call }), "none");
        let in_china = KmsInput { aws_region: Some("cn-north-1"), principal_account_id: Some("011122223333"), ..call };
        let expected = "request_id arn:aws-cn:kms:cn-north-1:011122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
        assert_eq!(resolved(&in_china), expected);
    }

    #[test]
    fn service_events_name_the_key_in_their_details() {
        // Domain checklist 34.
        let cases = [
            (r#"{"keyId":"ONE_ID","rotationType":"AUTOMATIC"}"#, "null", "service_event ONE"),
            (r#"{"keyId":"TWO"}"#, "null", "service_event TWO"),
            (r#"{"keyId":"TWO"}"#, r#"[{"ARN":"ONE"}]"#, "resources ONE"),
            (r#"{"keyId":"short"}"#, "null", "none"),
            (r#""text""#, "null", "none"),
        ];
        for (details, resources, expected) in cases {
            let [details, resources] = [details, resources].map(filled);
            let input = KmsInput {
                event_name: "RotateKey",
                event_type: Some("AwsServiceEvent"),
                principal_account_id: None,
                service_event_details: Some(&details),
                resources: Some(&resources),
                ..CALL
            };
            assert_eq!(resolved(&input), expected, "{details} {resources}");
        }
    }

    #[test]
    fn re_encrypt_gives_each_key_its_role() {
        // Request, resources, error message -> destination, source; domain checklist 32.
        let cases = [
            ("{}", r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources TWO ONE"),
            (r#"{"destinationKeyId":"TWO_ID"}"#, r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources TWO ONE"),
            (r#"{"destinationKeyId":"ONE"}"#, r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources ONE TWO"),
            (r#"{"destinationKeyId":"ONE"}"#, r#"[{"ARN":"ONE"},{"ARN":"ONE"}]"#, "", "resources ONE ONE"),
            (r#"{"destinationKeyId":"alias/a"}"#, r#"[{"ARN":"ONE"},{"ARN":"TWO"}]"#, "", "resources TWO ONE"),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"TWO"}"#, r#"[{"ARN":"TWO"}]"#, "", "resources TWO ONE"),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"TWO"}"#, r#"[{"ARN":"ONE"}]"#, "", "request_arn TWO ONE"),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"ONE_ID"}"#, r#"[{"ARN":"ONE"}]"#, "", "resources ONE ONE"),
            (r#"{"destinationKeyId":"TWO_ID"}"#, r#"[{"ARN":"TWO"}]"#, "", "resources TWO"),
            (r#"{"destinationKeyId":"TWO_ID"}"#, r#"[{"ARN":"ONE"}]"#, "", "request_id TWO ONE"),
            (r#"{"destinationKeyId":"alias/a"}"#, r#"[{"ARN":"FOREIGN"}]"#, "", "alias FOREIGN"),
            (
                r#"{"destinationKeyId":"arn:aws:kms:us-west-2:444455556666:alias/a"}"#,
                r#"[{"ARN":"ONE"}]"#,
                "",
                "alias ONE",
            ),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"alias/a"}"#, r#"[{"ARN":"TWO"}]"#, "", "resources TWO ONE"),
            (r#"{"destinationKeyId":"alias/a"}"#, r#"[{"ARN":"ONE"}]"#, "", "resources ONE"),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"TWO"}"#, "null", "", "request_arn TWO ONE"),
            (
                r#"{"sourceKeyId":"ONE","destinationKeyId":"alias/a"}"#,
                "null",
                "TWO is disabled.",
                "error_message TWO ONE",
            ),
            (r#"{"sourceKeyId":"ONE","destinationKeyId":"alias/a"}"#, "null", "ONE is disabled.", "alias ONE"),
            (r#"{"destinationKeyId":"TWO"}"#, "null", "ONE is disabled.", "request_arn TWO ONE"),
            ("null", "null", "", "none"),
        ];
        for (request, resources, message, expected) in cases {
            let [request, resources, message] = [request, resources, message].map(filled);
            let input = KmsInput {
                event_name: "ReEncrypt",
                request_parameters: Some(&request),
                resources: Some(&resources),
                error_message: Some(message.as_str()).filter(|text| !text.is_empty()),
                ..CALL
            };
            assert_eq!(resolved(&input), expected, "{request} {resources} {message}");
        }
    }
}
