//! The one schema: the columns of the `events` table, in order, each with its meaning.
//!
//! Every other list of columns (the batch builder, the Delta table, `\d events`, the docs) is derived from [`COLUMNS`].
//! It does not say how a value is found: see [`crate::record`] and [`crate::kms`].

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The type of a column; nothing else occurs, so that every Delta reader understands the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// True or false.
    Boolean,
    /// Microseconds since the epoch, UTC.
    Time,
    /// A signed 64-bit integer.
    Integer,
    /// 32 bits of a hash, as a signed integer.
    Hash,
    /// A map of text to text, keys sorted.
    TextMap,
}

impl ColumnType {
    /// The Arrow type that stores this column.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Integer => DataType::Int64,
            Self::Hash => DataType::Int32,
            Self::TextMap => DataType::Map(
                Arc::new(Field::new(
                    "key_value",
                    DataType::Struct(Fields::from(vec![
                        Field::new("key", DataType::Utf8, false),
                        Field::new("value", DataType::Utf8, true),
                    ])),
                    false,
                )),
                false,
            ),
        }
    }
}

/// What a column is about; groups the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnGroup {
    /// Members of the record's top level, under AWS's names in snake case.
    Envelope,
    /// Who made the call, from `userIdentity`.
    Identity,
    /// JSON members as their exact text.
    Json,
    /// What the record says about KMS keys, computed once at conversion; null for other services.
    Kms,
    /// The KMS keys that a record of another service names, found once at conversion; null for KMS itself.
    Mentions,
    /// Where the record was read.
    Lineage,
    /// What gives the record's exact bytes back.
    Losslessness,
}

/// One column of the `events` table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The column's name.
    pub name: &'static str,
    /// The column's type.
    pub column_type: ColumnType,
    /// What the column is about.
    pub group: ColumnGroup,
    /// What the column means, and what null means.
    pub summary: &'static str,
}

/// How often a column's values come again, which decides how rows are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// Nearly every value is its own, or there are hardly any: one value per row.
    Rare,
    /// Few values in many rows: each stands once.
    Often,
    /// The value follows from the record's `userIdentity`: it stands once for each of those.
    WithIdentity,
}

/// The columns of text whose values hardly come again.
const RARELY_REPEATED: [&str; 6] =
    ["event_id", "request_id", "shared_event_id", "unknown_fields", "amends_event_id", "raw_record"];

impl Column {
    /// How often its values come again.
    pub fn repetition(&self) -> Repetition {
        let is_of_identity = self.group == ColumnGroup::Identity || self.name == USER_IDENTITY;
        match self.column_type {
            _ if is_of_identity => Repetition::WithIdentity,
            ColumnType::Text if !RARELY_REPEATED.contains(&self.name) => Repetition::Often,
            _ => Repetition::Rare,
        }
    }
}

const fn text(group: ColumnGroup, name: &'static str, summary: &'static str) -> Column {
    Column { name, column_type: ColumnType::Text, group, summary }
}

const fn typed(group: ColumnGroup, column_type: ColumnType, name: &'static str, summary: &'static str) -> Column {
    Column { name, column_type, group, summary }
}

use ColumnGroup::{Envelope, Identity, Json, Kms, Lineage, Losslessness, Mentions};
use ColumnType::{Boolean, Hash, Integer, TextMap, Time};

/// The columns of `events`, in order, without the partition columns.
pub const COLUMNS: &[Column] = &[
    text(
        Envelope,
        "event_id",
        "eventID; `sha256:` and a hash of the record's text where the record has none (eventVersion 1.0); never null",
    ),
    typed(
        Envelope,
        Time,
        "event_time",
        "eventTime, UTC, one second resolution; null where the record has no readable one",
    ),
    text(Envelope, "event_source", "eventSource, such as `kms.amazonaws.com`"),
    text(Envelope, "event_name", "eventName, the operation"),
    text(Envelope, "event_version", "eventVersion; compare as integers, 1.10 is after 1.09"),
    text(Envelope, "event_type", "eventType: AwsApiCall, AwsServiceEvent, AwsConsoleAction, AwsConsoleSignIn"),
    text(Envelope, "event_category", "eventCategory: Management or Data; null before eventVersion 1.07"),
    text(Envelope, "aws_region", "awsRegion, the region the request was made to"),
    text(Envelope, "source_ip_address", "sourceIPAddress: an address, a service's DNS name or `AWS Internal`"),
    text(Envelope, "user_agent", "userAgent; written by the caller, at most 1 KB"),
    text(Envelope, "error_code", "errorCode; null = the call succeeded"),
    text(Envelope, "error_message", "errorMessage; null = none given"),
    text(Envelope, "request_id", "requestID; null on service events"),
    typed(Envelope, Boolean, "read_only", "readOnly, also where it is written as text; null = absent"),
    typed(Envelope, Boolean, "management_event", "managementEvent, also where it is written as text; null = absent"),
    text(Envelope, "recipient_account_id", "recipientAccountId, the account this copy was delivered to"),
    text(
        Envelope,
        "shared_event_id",
        "sharedEventID, common to the copies that several accounts received; present in single copies too",
    ),
    text(Envelope, "vpc_endpoint_id", "vpcEndpointId"),
    text(Envelope, "vpc_endpoint_account_id", "vpcEndpointAccountId"),
    text(Envelope, "api_version", "apiVersion"),
    text(
        Envelope,
        "session_credential_from_console",
        "sessionCredentialFromConsole, `true` when the credential came from the console",
    ),
    text(Envelope, "annotation", "annotation, a user's note in CloudTrail Lake"),
    text(Identity, "principal_type", "userIdentity.type; null where AWS left it out"),
    text(Identity, "principal_id", "userIdentity.principalId; `AROA…:session` for assumed roles"),
    text(
        Identity,
        "principal_arn",
        "userIdentity.arn; null for AWS services and on the owner's copy of a cross-account call",
    ),
    text(Identity, "principal_account_id", "userIdentity.accountId"),
    text(Identity, "access_key_id", "userIdentity.accessKeyId"),
    text(Identity, "user_name", "userIdentity.userName"),
    text(Identity, "identity_provider", "userIdentity.identityProvider"),
    text(Identity, "credential_id", "userIdentity.credentialId"),
    text(
        Identity,
        "invoked_by",
        "userIdentity.invokedBy, the AWS service that made the call; null = no service in between",
    ),
    text(Identity, "role_arn", "sessionContext.sessionIssuer.arn, the role behind a session"),
    text(Identity, "role_session_name", "the session part of an assumed-role ARN, else of principalId"),
    text(Identity, "session_issuer_type", "sessionContext.sessionIssuer.type"),
    text(Identity, "session_issuer_account_id", "sessionContext.sessionIssuer.accountId"),
    text(Identity, "session_issuer_user_name", "sessionContext.sessionIssuer.userName, the role's name"),
    typed(
        Identity,
        Time,
        "session_creation_time",
        "sessionContext.attributes.creationDate, UTC; null where absent or unreadable",
    ),
    typed(Identity, Boolean, "mfa_authenticated", "sessionContext.attributes.mfaAuthenticated"),
    text(Identity, "source_identity", "sourceIdentity, wherever in sessionContext it stands"),
    text(Identity, "ec2_role_delivery", "ec2RoleDelivery: version of the instance metadata service"),
    text(Identity, "federated_provider", "sessionContext.webIdFederationData.federatedProvider"),
    text(Identity, "on_behalf_of_user_id", "onBehalfOf.userId, an Identity Center user"),
    text(
        Identity,
        "in_scope_of_source_arn",
        "inScopeOf.sourceArn: the Lambda function or ECS task the credentials were issued to",
    ),
    text(
        Identity,
        "invoked_by_delegate_account_id",
        "invokedByDelegate.accountId, a product provider acting by delegation",
    ),
    text(Json, USER_IDENTITY, "userIdentity, exact text"),
    text(Json, "request_parameters", "requestParameters, exact text; `null` is text too, SQL null = absent"),
    text(Json, "response_elements", "responseElements, exact text"),
    text(Json, "additional_event_data", "additionalEventData, exact text"),
    text(Json, "service_event_details", "serviceEventDetails, exact text"),
    text(Json, "resources", "resources, exact text"),
    text(Json, "tls_details", "tlsDetails, exact text"),
    text(Json, "addendum", "addendum, exact text: why the record was late or what it amends"),
    text(Json, "event_context", "eventContext, exact text; CloudTrail Lake only"),
    text(
        Json,
        "unknown_fields",
        "members this version has no column for, as one JSON object in record order; null = none",
    ),
    text(
        Kms,
        "operation_class",
        "class of the KMS operation: encrypt, decrypt, re_encrypt, generate_data_key, sign, verify, mac, derive, encapsulate, decapsulate, random, public_key, management, metadata, service, unknown; null = not a KMS event",
    ),
    text(
        Kms,
        "outcome",
        "used, succeeded (not a cryptographic call), blocked, not_found, denied, probe, verify_failed, failed, transient; null = not a KMS event",
    ),
    text(
        Kms,
        "key_arn",
        "ARN of the key the call touched (ReEncrypt: the destination key); null = none or not resolvable",
    ),
    text(
        Kms,
        "source_key_arn",
        "ReEncrypt: ARN of the key that opened the old ciphertext; null otherwise or not resolvable",
    ),
    text(Kms, "requested_key_ref", "what the caller typed: key id, key ARN, alias name or alias ARN; null = left out"),
    text(Kms, "source_requested_key_ref", "ReEncrypt: what the caller typed as source key"),
    text(
        Kms,
        "key_resolution",
        "where key_arn was found: resources, response, request_arn, request_id, service_event, error_message, alias (an unresolved alias), none",
    ),
    typed(
        Kms,
        TextMap,
        "encryption_context",
        "encryption context (ReEncrypt: destination), keys sorted; null = none recorded, see context_state",
    ),
    typed(Kms, TextMap, "source_encryption_context", "ReEncrypt: source encryption context, keys sorted"),
    text(
        Kms,
        "context_state",
        "present, empty, absent or unknown (parameters withheld, or not carried by this detail_level); null = the operation takes none",
    ),
    text(Kms, "source_context_state", "the same for ReEncrypt's source side"),
    text(Kms, "grant_id", "grant created, retired, revoked or named"),
    text(Kms, "key_material_id", "additionalEventData.keyMaterialId (ReEncrypt: destination), 64 hex digits"),
    text(Kms, "source_key_material_id", "ReEncrypt: additionalEventData.sourceKeyMaterialId"),
    text(Kms, "alias_name", "alias named by CreateAlias, UpdateAlias, DeleteAlias or typed as the key"),
    text(Kms, "algorithm", "encryption, signing, MAC, key-agreement or encapsulation algorithm of the call"),
    text(
        Mentions,
        MENTIONED_KEY_ARNS,
        "ARNs of the KMS keys, and of aliases, that the record names in its parameters, answer, resources, additional data, details or error message, sorted, a space between two; empty = it names none; null = a KMS event, or a row of a lake of format 1 (then key_mentions(…) finds them)",
    ),
    text(
        Mentions,
        MENTIONING_RESOURCE,
        "the best name of what a call that names keys made or changed: an ARN, an id or a name; null = nothing looks like one, or mentioned_key_arns is empty or null",
    ),
    text(Lineage, "log_file_path", "log file the record was read from"),
    typed(Lineage, Integer, "record_index", "position of the record in that file, from 0"),
    typed(
        Lineage,
        Time,
        "delivery_time",
        "delivery time by the log file's name, UTC, minute resolution; null where the name tells none",
    ),
    text(
        Lineage,
        "detail_level",
        "how much of the event the record carries: full (its own text as AWS wrote it), reencoded (whole, serialised again by EventBridge, Athena, Elastic), flattened (CloudTrail Lake rows: nested values as strings), summary (event history CSV: no request parameters); never null",
    ),
    text(
        Lineage,
        "amends_event_id",
        "event id that this record amends: addendum.originalEventID of an UPDATED_DATA addendum, or its own id where another record under that id counts, as it tells more or was delivered later; null = none",
    ),
    typed(
        Losslessness,
        Hash,
        "body_hash",
        "32-bit hash of the record's body, equal for compact and indented text: tells a repeated delivery from another record under the same id; never null",
    ),
    text(Losslessness, "record_layout", "order of the record's members; with the columns it gives the exact text back"),
    text(Losslessness, "raw_record", "the record's exact text where the columns cannot give it back; null = they can"),
];

/// The column with the text that those of [`ColumnGroup::Identity`] are drawn from.
pub const USER_IDENTITY: &str = "user_identity";
/// The column with the keys that other services' records name.
pub const MENTIONED_KEY_ARNS: &str = "mentioned_key_arns";
/// The column with what they name them for.
pub const MENTIONING_RESOURCE: &str = "mentioning_resource";
/// The partition column that splits KMS events from all others: `kms` or `other`.
pub const EVENT_GROUP: &str = "event_group";
/// The partition column with the month of `event_time`: `YYYY-MM`, or `unknown` without an event time.
pub const EVENT_MONTH: &str = "event_month";
/// The partition columns of `events`, in path order.
pub const PARTITION_COLUMNS: [&str; 2] = [EVENT_GROUP, EVENT_MONTH];

static FILE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(column_fields())));

static TABLE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = column_fields();
    fields.extend(PARTITION_COLUMNS.map(|name| Field::new(name, DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
});

/// The columns that every row has a value in.
const REQUIRED_COLUMNS: [&str; 3] = ["event_id", "detail_level", "body_hash"];

fn column_fields() -> Vec<Field> {
    let is_nullable = |column: &Column| !REQUIRED_COLUMNS.contains(&column.name);
    COLUMNS.iter().map(|column| Field::new(column.name, column.column_type.arrow(), is_nullable(column))).collect()
}

/// The schema of a record batch and of a data file: [`COLUMNS`] without the partition columns.
pub fn file_schema() -> SchemaRef {
    Arc::clone(&FILE_SCHEMA)
}

/// The schema of the `events` table: [`COLUMNS`] and the partition columns.
pub fn table_schema() -> SchemaRef {
    Arc::clone(&TABLE_SCHEMA)
}

/// The columns that rows of a group are sorted by within a data file, all ascending, nulls first.
pub fn sort_columns(event_group: EventGroup) -> &'static [&'static str] {
    match event_group {
        EventGroup::Kms => &["key_arn", "event_time"],
        EventGroup::Other => &["event_source", "event_name", "event_time"],
    }
}

/// Whose events a partition of `events` holds; they are sorted for different questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventGroup {
    /// Events of KMS.
    Kms,
    /// Events of all other services.
    Other,
}

impl EventGroup {
    /// Every group there is.
    pub const ALL: [Self; 2] = [Self::Kms, Self::Other];

    /// The group of an event, by whether KMS made it.
    pub fn of(is_kms: bool) -> Self {
        if is_kms { Self::Kms } else { Self::Other }
    }

    /// The word in [`EVENT_GROUP`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Other => "other",
        }
    }

    /// The group of a word; `None` = there is no such group.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_documented() {
        let mut names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
        assert!(COLUMNS.iter().all(|column| !column.summary.is_empty()));
    }
}
