//! KMS facts of an event record: the operation, its outcome, the keys it touched, the encryption contexts, grant, key material.
//!
//! A pure function of one record: [`KmsFacts::of`] never fails and reads no clock; what the record does not tell is `None`, `unknown`
//! or `none`. Facts that need other records (the target of an alias at that time, the key of a grant, a cross-account twin, a key
//! deleted before) are left to the tables.
//!
//! ```text
//! requestParameters ─┐                     ┌─▶ context     encryption contexts and their state
//! responseElements ──┼─▶ fields (by name) ─┼─▶ resolution  key ARNs, and where they were found
//! additionalEventData┘                     └─▶ outcome     used, blocked, denied, probe, …
//! resources[] ───────────▶ arn (by shape) ─────▶ resolution
//! ```
//! Of other services' records only the keys that they name are drawn, and for what: see [`mentioned_keys`].

pub mod arn;
mod context;
mod fields;
mod mentions;
mod operations;
mod outcome;
mod resolution;

use std::borrow::Cow;

pub use context::{ContextPairs, ContextState};
pub(crate) use mentions::keys_in_message;
pub use mentions::{CallPlace, mentioned_keys, resource_of_call};
pub use operations::{Access, OPERATIONS, Operation, OperationClass, operation};
pub use outcome::Outcome;
pub use resolution::KeyResolution;

use context::Context;
use fields::{Additional, Request, Response};
use resolution::ResolvedKeys;

/// Everything of a record that KMS facts are drawn from; JSON members as their exact, valid JSON text; `None` = absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct KmsInput<'a> {
    /// eventName.
    pub event_name: &'a str,
    /// eventType.
    pub event_type: Option<&'a str>,
    /// awsRegion.
    pub aws_region: Option<&'a str>,
    /// errorCode; `None` = the call succeeded.
    pub error_code: Option<&'a str>,
    /// errorMessage.
    pub error_message: Option<&'a str>,
    /// recipientAccountId.
    pub recipient_account_id: Option<&'a str>,
    /// userIdentity.accountId.
    pub principal_account_id: Option<&'a str>,
    /// userIdentity.invokedBy.
    pub invoked_by: Option<&'a str>,
    /// requestParameters as JSON text.
    pub request_parameters: Option<&'a str>,
    /// responseElements as JSON text.
    pub response_elements: Option<&'a str>,
    /// additionalEventData as JSON text.
    pub additional_event_data: Option<&'a str>,
    /// serviceEventDetails as JSON text.
    pub service_event_details: Option<&'a str>,
    /// resources as JSON text.
    pub resources: Option<&'a str>,
    /// The record is of a kind that leaves encryption contexts out: that there is none says nothing.
    pub lacks_context: bool,
}

/// The KMS columns of one row; each field is the column of the same name in [`crate::schema::COLUMNS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsFacts<'a> {
    /// Class of the operation.
    pub operation_class: OperationClass,
    /// What became of the call.
    pub outcome: Outcome,
    /// ARN of the key (ReEncrypt: the destination key), as the record spells it; `None` = none or not resolvable.
    pub key_arn: Option<Cow<'a, str>>,
    /// ReEncrypt: ARN of the source key; `None` = another operation or not resolvable.
    pub source_key_arn: Option<Cow<'a, str>>,
    /// What the caller typed as key; `None` = left out or withheld.
    pub requested_key_ref: Option<Cow<'a, str>>,
    /// ReEncrypt: what the caller typed as source key.
    pub source_requested_key_ref: Option<Cow<'a, str>>,
    /// Where `key_arn` was found.
    pub key_resolution: KeyResolution,
    /// Encryption context (ReEncrypt: the destination's), sorted by key; `None` = none recorded.
    pub encryption_context: Option<ContextPairs<'a>>,
    /// ReEncrypt: the source's encryption context, sorted by key.
    pub source_encryption_context: Option<ContextPairs<'a>>,
    /// What the record says about the context; `None` = the operation takes none.
    pub context_state: Option<ContextState>,
    /// The same for ReEncrypt's source side.
    pub source_context_state: Option<ContextState>,
    /// Grant created, retired, revoked or named.
    pub grant_id: Option<Cow<'a, str>>,
    /// Key material used (ReEncrypt: the destination's), 64 hex digits.
    pub key_material_id: Option<Cow<'a, str>>,
    /// ReEncrypt: the source's key material.
    pub source_key_material_id: Option<Cow<'a, str>>,
    /// Alias named by CreateAlias, UpdateAlias, DeleteAlias or typed as the key, always as `alias/…`.
    pub alias_name: Option<Cow<'a, str>>,
    /// Algorithm of the call (ReEncrypt: the destination's).
    pub algorithm: Option<Cow<'a, str>>,
}

/// Whether an event source is KMS: `kms.amazonaws.com`, its names in other partitions and regions, and `kms-fips.…`, in any case.
pub fn is_kms_event(event_source: Option<&str>) -> bool {
    let service = event_source.and_then(|source| source.split_once('.')).map(|(service, _)| service);
    service.is_some_and(|service| service.eq_ignore_ascii_case("kms") || service.eq_ignore_ascii_case("kms-fips"))
}

impl<'a> KmsFacts<'a> {
    /// Draws the facts from a record.
    pub fn of(input: &KmsInput<'a>) -> Self {
        let operation = operation(input.event_name);
        let class = operation.map_or(OperationClass::Unknown, |operation| operation.class);
        let is_pair = class == OperationClass::ReEncrypt;
        let request = Request::read(input.request_parameters, class);
        let response = Response::read(input.response_elements);
        let additional = Additional::read(input.additional_event_data);
        let outcome = outcome::outcome(operation, input, &request);
        let ResolvedKeys { key_arn, source_key_arn, resolution } =
            resolution::resolve(class, input, &request, &response);
        let takes_context = operation.map_or(request.context.is_some(), |operation| operation.takes_context);
        let is_complete = request.is_complete && !input.lacks_context;
        let (encryption_context, context_state) = context_columns(takes_context, request.context, is_complete);
        let (source_encryption_context, source_context_state) =
            context_columns(is_pair, request.source_context, is_complete);
        Self {
            operation_class: class,
            outcome,
            key_arn,
            source_key_arn,
            key_resolution: resolution,
            encryption_context,
            source_encryption_context,
            context_state,
            source_context_state,
            grant_id: response.grant_id.or(request.grant_id).or(additional.grant_id),
            key_material_id: additional.key_material_id,
            source_key_material_id: additional.source_key_material_id.filter(|_| is_pair),
            alias_name: request.alias_name.or_else(|| request.key_id.as_ref().and_then(arn::alias_name_of)),
            algorithm: request.algorithm,
            requested_key_ref: request.key_id,
            source_requested_key_ref: request.source_key_id,
        }
    }
}

fn context_columns<'a>(
    takes_context: bool,
    context: Option<Context<'a>>,
    is_request_complete: bool,
) -> (Option<ContextPairs<'a>>, Option<ContextState>) {
    if !takes_context {
        return (None, None);
    }
    let state = Context::state(context.as_ref(), is_request_complete);
    (context.and_then(Context::into_pairs), Some(state))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn facts<'a>(event_name: &'a str, request: &'a str, additional: &'a str) -> KmsFacts<'a> {
        KmsFacts::of(&KmsInput {
            event_name,
            aws_region: Some("us-west-2"),
            recipient_account_id: Some("111122223333"),
            request_parameters: Some(request),
            additional_event_data: Some(additional),
            ..KmsInput::default()
        })
    }

    #[test]
    fn kms_is_told_by_its_event_source() {
        assert!(is_kms_event(Some("kms.amazonaws.com")) && is_kms_event(Some("kms.amazonaws.com.cn")));
        assert!(is_kms_event(Some("KMS.amazonaws.com")) && is_kms_event(Some("kms-fips.eu-west-1.amazonaws.com")));
        assert!(!is_kms_event(Some("s3.amazonaws.com")) && !is_kms_event(Some("kmsx")) && !is_kms_event(None));
    }

    #[test]
    fn a_plain_decrypt_borrows_everything() {
        // Domain checklist 29, 47.
        let resources = format!(r#"[{{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"{KEY}"}}]"#);
        let found = KmsFacts::of(&KmsInput {
            event_name: "Decrypt",
            request_parameters: Some(
                r#"{"encryptionContext":{"b":"2","a":"1"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
            ),
            response_elements: Some("null"),
            additional_event_data: Some(r#"{"keyMaterialId":"00ff"}"#),
            resources: Some(&resources),
            ..KmsInput::default()
        });
        let expected = KmsFacts {
            operation_class: OperationClass::Decrypt,
            outcome: Outcome::Used,
            key_arn: Some(KEY.into()),
            source_key_arn: None,
            requested_key_ref: None,
            source_requested_key_ref: None,
            key_resolution: KeyResolution::Resources,
            encryption_context: Some(vec![("a".into(), Some("1".into())), ("b".into(), Some("2".into()))]),
            source_encryption_context: None,
            context_state: Some(ContextState::Present),
            source_context_state: None,
            grant_id: None,
            key_material_id: Some("00ff".into()),
            source_key_material_id: None,
            alias_name: None,
            algorithm: Some("SYMMETRIC_DEFAULT".into()),
        };
        assert_eq!(found, expected);
        assert!(matches!(found.key_arn, Some(Cow::Borrowed(_))));
    }

    #[test]
    fn re_encrypt_has_two_sides() {
        // Domain checklist 32.
        let request = r#"{"sourceEncryptionContext":{},"destinationEncryptionContext":{"Level":"3A"},"sourceKeyId":"alias/old","destinationKeyId":"alias/new",
            "sourceEncryptionAlgorithm":"RSAES_OAEP_SHA_256","destinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#;
        let found = facts("ReEncrypt", request, r#"{"sourceKeyMaterialId":"aa","destinationKeyMaterialId":"bb"}"#);
        assert_eq!(found.requested_key_ref.as_deref(), Some("alias/new"));
        assert_eq!(found.source_requested_key_ref.as_deref(), Some("alias/old"));
        assert_eq!(found.alias_name.as_deref(), Some("alias/new"));
        assert_eq!(found.algorithm.as_deref(), Some("SYMMETRIC_DEFAULT"));
        assert_eq!(found.key_material_id.as_deref(), Some("bb"));
        assert_eq!(found.source_key_material_id.as_deref(), Some("aa"));
        assert_eq!(found.context_state, Some(ContextState::Present));
        assert_eq!(found.source_context_state, Some(ContextState::Empty));
        assert_eq!(found.source_encryption_context, Some(Vec::new()));
        let single = facts("Decrypt", request, r#"{"sourceKeyMaterialId":"aa"}"#);
        assert_eq!((single.requested_key_ref, single.source_requested_key_ref), (None, None));
        assert_eq!((single.source_key_material_id, single.source_encryption_context), (None, None));
    }

    #[test]
    fn contexts_are_told_only_of_operations_that_take_one() {
        // Domain checklist 21, 22, 28.
        let with_context = r#"{"encryptionContext":{"a":"1"}}"#;
        let cases = [
            ("Encrypt", with_context, Some("present")),
            ("Encrypt", r#"{"keyId":"k"}"#, Some("absent")),
            ("Encrypt", r#"{"encryptionContext":{}}"#, Some("empty")),
            ("Encrypt", r#"{"encryptionContext":null}"#, Some("unknown")),
            ("Encrypt", r#"{"encryptionContext":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#, Some("unknown")),
            ("Encrypt", r#"{"omitted":true,"originalSize":1}"#, Some("unknown")),
            ("Encrypt", r#""text""#, Some("unknown")),
            ("Encrypt", "{}", Some("unknown")),
            ("Encrypt", "null", Some("unknown")),
            ("ReEncrypt", with_context, Some("absent")),
            ("Sign", with_context, None),
            ("CreateGrant", r#"{"constraints":{"encryptionContextEquals":{"a":"1"}}}"#, None),
            ("SomethingNew", with_context, Some("present")),
            ("SomethingNew", "null", None),
        ];
        for (event_name, request, expected) in cases {
            let found = facts(event_name, request, "null");
            assert_eq!(found.context_state.map(ContextState::as_str), expected, "{event_name} {request}");
            assert_eq!(found.encryption_context.is_some(), matches!(expected, Some("present" | "empty")));
            let has_source = event_name == "ReEncrypt";
            assert_eq!(found.source_context_state.is_some(), has_source);
        }
    }

    #[test]
    fn grants_aliases_and_algorithms_are_read_where_they_stand() {
        let grants = [
            ("CreateGrant", "null", r#"{"grantId":"r"}"#, "null", Some("r")),
            ("RevokeGrant", r#"{"grantId":"q"}"#, "null", "null", Some("q")),
            ("RetireGrant", "null", "null", r#"{"grantId":"a"}"#, Some("a")),
            ("Decrypt", "null", "null", "null", None),
        ];
        for (event_name, request, response, additional, expected) in grants {
            let found = KmsFacts::of(&KmsInput {
                event_name,
                request_parameters: Some(request),
                response_elements: Some(response),
                additional_event_data: Some(additional),
                ..KmsInput::default()
            });
            assert_eq!(found.grant_id.as_deref(), expected, "{event_name}");
        }
        let aliases = [
            ("DeleteAlias", r#"{"aliasName":"alias/a"}"#, Some("alias/a")),
            ("Encrypt", r#"{"keyId":"alias/aws/ssm"}"#, Some("alias/aws/ssm")),
            ("Encrypt", r#"{"keyId":"arn:aws:kms:us-west-2:1:alias/a/b"}"#, Some("alias/a/b")),
            ("Encrypt", r#"{"keyId":"arn:aws:kms:us-west-2:1:key/a"}"#, None),
        ];
        for (event_name, request, expected) in aliases {
            assert_eq!(facts(event_name, request, "null").alias_name.as_deref(), expected, "{request}");
        }
        let algorithms = [
            ("Sign", r#"{"signingAlgorithm":"ECDSA_SHA_256"}"#, "ECDSA_SHA_256"),
            ("GenerateMac", r#"{"macAlgorithm":"HMAC_SHA_512"}"#, "HMAC_SHA_512"),
            ("DeriveSharedSecret", r#"{"keyAgreementAlgorithm":"ECDH"}"#, "ECDH"),
            ("Decapsulate", r#"{"encapsulationAlgorithm":"ML_KEM"}"#, "ML_KEM"),
        ];
        for (event_name, request, expected) in algorithms {
            assert_eq!(facts(event_name, request, "null").algorithm.as_deref(), Some(expected), "{request}");
        }
    }

    #[test]
    fn lone_surrogates_and_deep_values_cost_nothing_but_themselves() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        let request = format!(r#"{{"x":{deep},"encryptionContext":{{"a\ud800":"\u003d\udc00"}},"keyId":"{KEY}"}}"#);
        let found = facts("Encrypt", &request, "null");
        assert_eq!(found.key_arn.as_deref(), Some(KEY));
        assert_eq!(found.encryption_context, Some(vec![("a\u{fffd}".into(), Some("=\u{fffd}".into()))]));
    }

    /// Texts as they stand in KMS events and next to them, so that generated members reach every branch.
    const WORDS: &[&str] = &[
        "keyId",
        "KeyId",
        "sourceKeyId",
        "destinationKeyId",
        "targetKeyId",
        "aliasName",
        "grantId",
        "ARN",
        "arn",
        "ARNPrefix",
        "encryptionContext",
        "sourceEncryptionContext",
        "destinationEncryptionContext",
        "keyMetadata",
        "dryRun",
        "omitted",
        "alias/a",
        "arn:aws:kms:us-west-2:111122223333:alias/é",
        KEY,
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "aws:s3:arn",
        "aws:cloudtrail:arn",
        "SecretVersionId",
        "RequestToValidateKeyAccess",
    ];

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![4 => proptest::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,12}"]
    }

    fn json_member() -> impl Strategy<Value = String> {
        let quoted = |text: &String| serde_json::to_string(text).expect("text is always JSON");
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("-1e9".to_owned()),
            word().prop_map(move |text| quoted(&text))
        ];
        scalar.prop_recursive(4, 40, 5, move |inner| {
            let pair = (word(), inner.clone()).prop_map(move |(key, value)| format!("{} : {value}", quoted(&key)));
            prop_oneof![
                2 => proptest::collection::vec(pair, 0..5).prop_map(|pairs| format!("{{{}}}", pairs.join(" ,"))),
                1 => proptest::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(", "))),
            ]
        })
    }

    fn optional_member() -> impl Strategy<Value = Option<String>> {
        let broken = "[{}\\[\\]:,\"\\\\ué0-9a ]{0,20}";
        proptest::option::of(prop_oneof![8 => json_member(), 1 => broken])
    }

    fn event_name() -> impl Strategy<Value = String> {
        let known: Vec<_> = OPERATIONS.iter().map(|operation| operation.name.to_owned()).collect();
        prop_oneof![2 => proptest::sample::select(known), 2 => Just("ReEncrypt".to_owned()), 1 => ".{0,8}"]
    }

    fn assert_consistent(found: &KmsFacts<'_>) {
        let is_found = !matches!(found.key_resolution, KeyResolution::Alias | KeyResolution::None);
        assert_eq!(found.key_arn.is_some(), is_found);
        for arn in [&found.key_arn, &found.source_key_arn].into_iter().flatten() {
            assert!(arn::is_key_arn(arn), "{arn}");
        }
        let sides = [
            (&found.encryption_context, found.context_state),
            (&found.source_encryption_context, found.source_context_state),
        ];
        for (pairs, state) in sides {
            let expected =
                pairs.as_ref().map(|pairs| if pairs.is_empty() { ContextState::Empty } else { ContextState::Present });
            assert_eq!(state.filter(|state| matches!(state, ContextState::Empty | ContextState::Present)), expected);
            assert!(pairs.iter().all(|pairs| pairs.is_sorted_by(|one, next| one.0 < next.0)));
        }
        if found.operation_class != OperationClass::ReEncrypt {
            assert!(found.source_key_arn.is_none() && found.source_context_state.is_none());
        }
    }

    proptest! {
        #[test]
        fn facts_of_anything_are_consistent(
            event_name in event_name(),
            members in proptest::array::uniform5(optional_member()),
            texts in proptest::array::uniform6(proptest::option::of(word())),
        ) {
            let [request, response, additional, details, resources] = &members;
            let [event_type, region, code, message, recipient, principal] = &texts;
            let found = KmsFacts::of(&KmsInput {
                event_name: &event_name,
                event_type: event_type.as_deref(),
                aws_region: region.as_deref(),
                error_code: code.as_deref(),
                error_message: message.as_deref(),
                recipient_account_id: recipient.as_deref(),
                principal_account_id: principal.as_deref(),
                invoked_by: None,
                request_parameters: request.as_deref(),
                response_elements: response.as_deref(),
                additional_event_data: additional.as_deref(),
                service_event_details: details.as_deref(),
                resources: resources.as_deref(),
                lacks_context: false,
            });
            assert_consistent(&found);
        }
    }
}
