//! What a KMS event says about keys: the operation, the keys it touched and in which role, its contexts.
//!
//! One record at a time; aliases and grants stay unresolved here, as they do in the tables.

use super::Event;
use super::outcome::outcome_of;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What a key was to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRole {
    /// The key of a cryptographic call.
    Used,
    /// ReEncrypt: the key that opened the ciphertext.
    Source,
    /// ReEncrypt: the key that closed it again.
    Destination,
    /// The key that was managed or described.
    Target,
}

impl KeyRole {
    /// The word in the column `key_role`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Target => "target",
        }
    }
}

/// One key touched by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// What the key was to the call.
    pub role: KeyRole,
    /// The key's ARN; none = the record does not tell.
    pub key_arn: Option<String>,
    /// The pairs of the encryption context of this side; none = none recorded.
    pub context: Option<Vec<(String, Option<String>)>>,
}

/// A KMS event with what it says about keys.
#[derive(Debug, Clone)]
pub struct KmsEvent {
    /// The event's id.
    pub event_id: String,
    /// The account the record was delivered to.
    pub recipient_account_id: Option<String>,
    /// When the call was made.
    pub event_time: Option<DateTime<Utc>>,
    /// The operation.
    pub event_name: String,
    /// `awsRegion`.
    pub aws_region: Option<String>,
    /// The log file of the record.
    pub log_file_path: String,
    /// None = the call succeeded.
    pub error_code: Option<String>,
    /// `errorMessage`; empty = none.
    pub message: String,
    /// What became of the call.
    pub outcome: &'static str,
    /// ARN of the alias that the caller named, an alias name taken for one of his account.
    pub alias_arn: Option<String>,
    /// The same for what a ReEncrypt opened.
    pub source_alias_arn: Option<String>,
    /// `sharedEventID`.
    pub shared_event_id: Option<String>,
    /// `userIdentity.arn`.
    pub principal_arn: Option<String>,
    /// `userIdentity.type`.
    pub principal_type: Option<String>,
    /// Role, principal, service or bare id: who it was.
    pub principal: Option<String>,
    /// `userIdentity.invokedBy`.
    pub invoked_by: Option<String>,
    /// The keys; ReEncrypt has its destination first.
    pub touches: Vec<Touch>,
}

const CRYPTOGRAPHIC: [&str; 15] = [
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "Sign",
    "Verify",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
    "GenerateRandom",
];

const WITH_CONTEXT: [&str; 6] = [
    "Encrypt",
    "Decrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
];

/// Management writes, and what KMS itself does to keys.
const WRITES: [&str; 31] = [
    "CreateKey",
    "ReplicateKey",
    "UpdatePrimaryRegion",
    "EnableKey",
    "DisableKey",
    "EnableKeyRotation",
    "DisableKeyRotation",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "CancelKeyDeletion",
    "ImportKeyMaterial",
    "DeleteImportedKeyMaterial",
    "PutKeyPolicy",
    "CreateGrant",
    "RevokeGrant",
    "RetireGrant",
    "CreateAlias",
    "UpdateAlias",
    "DeleteAlias",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
    "CreateCustomKeyStore",
    "UpdateCustomKeyStore",
    "DeleteCustomKeyStore",
    "ConnectCustomKeyStore",
    "DisconnectCustomKeyStore",
    "RotateKey",
    "DeleteKey",
    "DeleteExpiredKeyMaterial",
    "SynchronizeMultiRegionKey",
];

/// Whether a KMS operation is a cryptographic one.
pub(super) fn is_cryptographic(event_name: &str) -> bool {
    CRYPTOGRAPHIC.contains(&event_name)
}

/// Whether a KMS operation changes keys: management, or done by KMS itself.
pub(super) fn is_write(event_name: &str) -> bool {
    WRITES.contains(&event_name)
}

/// A member of an object by its name, in any case.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

pub(super) fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter()
        .try_fold(value, |value, name| member(value, name))
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn is_key_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.contains(":kms:") && text.contains(":key/")
}

fn is_bare_id(text: &str) -> bool {
    !text.starts_with("arn:") && !text.starts_with("alias/") && !text.is_empty()
}

impl KmsEvent {
    /// None for the events of other services.
    pub fn of(event: &Event) -> Option<Self> {
        let value = &event.value;
        if !text_at(value, &["eventSource"])?.starts_with("kms.") {
            return None;
        }
        let owned = |path: &[&str]| text_at(value, path).map(str::to_owned);
        let member = |path: &[&str]| text_at(value, path).filter(|text| !text.is_empty()).map(str::to_owned);
        let named: &[&[&str]] = match text_at(value, &["userIdentity", "type"]) {
            Some("FederatedUser") => &[&["userIdentity", "arn"]],
            Some("AWSAccount") => {
                &[&["userIdentity", "arn"], &["userIdentity", "principalId"], &["userIdentity", "accountId"]]
            }
            _ => &[],
        };
        let others: [&[&str]; 6] = [
            &["userIdentity", "sessionContext", "sessionIssuer", "arn"],
            &["userIdentity", "arn"],
            &["userIdentity", "invokedBy"],
            &["userIdentity", "principalId"],
            &["userIdentity", "onBehalfOf", "userId"],
            &["userIdentity", "userName"],
        ];
        let principal = named.iter().chain(&others).find_map(|path| member(path));
        Some(Self {
            event_id: event.event_id.clone(),
            recipient_account_id: event.recipient_account_id.clone(),
            event_time: event.event_time,
            event_name: owned(&["eventName"])?,
            aws_region: owned(&["awsRegion"]),
            log_file_path: event.log_file_path.clone(),
            error_code: owned(&["errorCode"]),
            message: owned(&["errorMessage"]).unwrap_or_default(),
            outcome: outcome_of(value),
            alias_arn: named_alias(value, &["keyId", "destinationKeyId"]),
            source_alias_arn: named_alias(value, &["sourceKeyId"]),
            shared_event_id: owned(&["sharedEventID"]),
            principal_arn: owned(&["userIdentity", "arn"]),
            principal_type: owned(&["userIdentity", "type"]),
            principal: principal.map(|principal| without_session(&principal)),
            invoked_by: owned(&["userIdentity", "invokedBy"]),
            touches: touches(value),
        })
    }

    /// Whether the call succeeded with a cryptographic operation.
    pub fn is_use(&self) -> bool {
        is_cryptographic(&self.event_name) && self.error_code.is_none()
    }

    /// Whether a cryptographic operation failed.
    pub fn is_failure(&self) -> bool {
        is_cryptographic(&self.event_name) && self.error_code.is_some()
    }
}

fn touches(value: &Value) -> Vec<Touch> {
    let name = text_at(value, &["eventName"]).unwrap_or_default();
    if name == "ReEncrypt" {
        return touches_of_pair(value);
    }
    let role = if is_cryptographic(name) { KeyRole::Used } else { KeyRole::Target };
    let context = if WITH_CONTEXT.contains(&name) { context_at(value, "encryptionContext") } else { None };
    vec![Touch { role, key_arn: single_key(value), context }]
}

/// Destination always, source where its key is known.
fn touches_of_pair(value: &Value) -> Vec<Touch> {
    let (source, destination) = pair_of_keys(value);
    let mut touches = vec![Touch {
        role: KeyRole::Destination,
        key_arn: destination,
        context: context_at(value, "destinationEncryptionContext"),
    }];
    if source.is_some() {
        touches.push(Touch {
            role: KeyRole::Source,
            key_arn: source,
            context: context_at(value, "sourceEncryptionContext"),
        });
    }
    touches
}

/// The key ARNs of `resources`, in order.
fn resource_keys(value: &Value) -> Vec<String> {
    let Some(Value::Array(items)) = member(value, "resources") else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| item.as_str().or_else(|| text_at(item, &["ARN"])))
        .filter(|arn| is_key_arn(arn))
        .map(str::to_owned)
        .collect()
}

fn single_key(value: &Value) -> Option<String> {
    let arn_at = |path: &[&str]| text_at(value, path).filter(|text| is_key_arn(text)).map(str::to_owned);
    resource_keys(value)
        .first()
        .cloned()
        .or_else(|| arn_at(&["responseElements", "keyId"]))
        .or_else(|| arn_at(&["responseElements", "keyMetadata", "arn"]))
        .or_else(|| arn_at(&["requestParameters", "keyId"]))
        .or_else(|| arn_at(&["requestParameters", "targetKeyId"]))
        .or_else(|| arn_at(&["serviceEventDetails", "keyId"]))
        .or_else(|| built_from_id(value, &["serviceEventDetails", "keyId"], recipient(value)))
        .or_else(|| built_from_id(value, &["requestParameters", "keyId"], caller(value)))
        .or_else(|| built_from_id(value, &["requestParameters", "targetKeyId"], caller(value)))
        .or_else(|| key_in_message(value))
}

fn recipient(value: &Value) -> Option<&str> {
    text_at(value, &["recipientAccountId"]).or_else(|| text_at(value, &["userIdentity", "accountId"]))
}

fn caller(value: &Value) -> Option<&str> {
    text_at(value, &["userIdentity", "accountId"]).or_else(|| text_at(value, &["recipientAccountId"]))
}

/// Of a ReEncrypt that of its destination.
fn named_alias(value: &Value, parameters: &[&str]) -> Option<String> {
    let named = parameters.iter().find_map(|name| text_at(value, &["requestParameters", name]))?;
    if named.contains(":alias/") {
        return Some(named.to_owned());
    }
    let (region, account) = (text_at(value, &["awsRegion"])?, caller(value)?);
    named.starts_with("alias/").then(|| format!("arn:{}:kms:{region}:{account}:{named}", partition_of(region)))
}

fn partition_of(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ if region.starts_with("us-isof-") => "aws-iso-f",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ if region.starts_with("eu-isoe-") => "aws-iso-e",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

fn built_from_id(value: &Value, path: &[&str], account: Option<&str>) -> Option<String> {
    let id = text_at(value, path).filter(|text| is_bare_id(text) && !text.contains("HIDDEN_DUE_TO"))?;
    let (region, account) = (text_at(value, &["awsRegion"])?, account?);
    let partition = partition_of(region);
    let id = id.strip_prefix("key/").unwrap_or(id);
    Some(format!("arn:{partition}:kms:{region}:{account}:key/{id}"))
}

/// A key ARN in the text of the error, without the punctuation after it.
fn key_in_message(value: &Value) -> Option<String> {
    let message = text_at(value, &["errorMessage"])?;
    message
        .split([' ', '\'', '"', ',', '(', ')'])
        .map(|word| word.trim_end_matches(['.', ':', ';']))
        .find(|word| is_key_arn(word))
        .map(str::to_owned)
}

/// Source and destination key of a ReEncrypt.
fn pair_of_keys(value: &Value) -> (Option<String>, Option<String>) {
    let keys = resource_keys(value);
    if let [source, destination, ..] = keys.as_slice() {
        return (Some(source.clone()), Some(destination.clone()));
    }
    let named = |name: &str| {
        let arn = text_at(value, &["requestParameters", name]).filter(|text| is_key_arn(text)).map(str::to_owned);
        arn.or_else(|| built_from_id(value, &["requestParameters", name], caller(value)))
    };
    let (mut source, mut destination) = (named("sourceKeyId"), named("destinationKeyId"));
    if let Some(key) = keys.into_iter().next().or_else(|| key_in_message(value)) {
        match (is_same_key(&source, &key), is_same_key(&destination, &key)) {
            (_, true) => destination = Some(key),
            (true, false) => source = Some(key),
            // The other side is known to be another key, so this one is the side that is left.
            (false, false) if destination.is_some() && source.is_none() => source = Some(key),
            (false, false) if source.is_some() && destination.is_none() => destination = Some(key),
            (false, false) => {}
        }
    }
    (source, destination)
}

/// An id may have been completed with the wrong account or region: the last part decides.
fn is_same_key(named: &Option<String>, key: &str) -> bool {
    let id_of = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    named.as_deref().is_some_and(|named| named == key || id_of(named) == id_of(key))
}

fn context_at(value: &Value, name: &str) -> Option<Vec<(String, Option<String>)>> {
    let pairs = member(member(value, "requestParameters")?, name)?.as_object()?;
    Some(pairs.iter().map(|(key, value)| (key.clone(), text_of(value))).collect())
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The role of a session's ARN or id, else the text as it is.
fn without_session(principal: &str) -> String {
    let arn: Vec<&str> = principal.split(':').collect();
    match (arn.as_slice(), arn.last().map(|resource| resource.split('/').collect::<Vec<_>>()).as_deref()) {
        ([role_id, _], _) if role_id.starts_with("AROA") => (*role_id).to_owned(),
        (["arn", partition, "sts", _, account, _], Some(["assumed-role", role, _])) => {
            format!("arn:{partition}:iam::{account}:role/{role}")
        }
        _ => principal.to_owned(),
    }
}
