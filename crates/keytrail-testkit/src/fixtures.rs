//! Small records and files made by hand: one per kind of identity, per KMS operation, per oddity, per container shape.
//!
//! Each says what a correct reader finds in it. Trails of any size come from [`crate::trail`]; nothing here is random.

use std::io::Write as _;

use flate2::{Compression, GzBuilder, write::GzEncoder};

use crate::oracle::FileKind;

/// The account of all fixtures.
pub const ACCOUNT_ID: &str = "111122223333";
/// The region of all fixtures.
pub const REGION: &str = "us-east-1";
/// The key of all fixtures; ReEncrypt: the source key.
pub const KEY_ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// The other key: ReEncrypt's destination.
pub const OTHER_KEY_ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";
/// An alias of the key.
pub const ALIAS_ARN: &str = "arn:aws:kms:us-east-1:111122223333:alias/example";
/// The event time of all fixtures that have one.
pub const EVENT_TIME: &str = "2026-03-04T05:06:07Z";

/// A record under construction: members in order, each with its JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    members: Vec<(String, String)>,
}

/// A complete KMS record of an operation: by a role, successful, on [`KEY_ARN`], without parameters.
pub fn record(event_name: &str) -> Record {
    let quoted = |text: &str| format!("\"{text}\"");
    let members = [
        ("eventVersion", quoted("1.11")),
        ("userIdentity", IDENTITIES[0].1.to_owned()),
        ("eventTime", quoted(EVENT_TIME)),
        ("eventSource", quoted("kms.amazonaws.com")),
        ("eventName", quoted(event_name)),
        ("awsRegion", quoted(REGION)),
        ("sourceIPAddress", quoted("192.0.2.10")),
        ("userAgent", quoted("aws-sdk-java/2.30.22")),
        ("requestParameters", "null".to_owned()),
        ("responseElements", "null".to_owned()),
        ("requestID", quoted("6c1dbf4e-2f3f-4a7c-9d6e-0f5f3a1b2c3d")),
        ("eventID", quoted(&format!("00000000-0000-4000-8000-{:012x}", checksum(event_name)))),
        ("readOnly", "true".to_owned()),
        ("resources", resources(&[KEY_ARN])),
        ("eventType", quoted("AwsApiCall")),
        ("managementEvent", "true".to_owned()),
        ("recipientAccountId", quoted(ACCOUNT_ID)),
        ("eventCategory", quoted("Management")),
    ];
    Record { members: members.map(|(name, json)| (name.to_owned(), json)).to_vec() }
}

/// Sets the ids of different operations apart.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| (sum * 131 + u64::from(byte)) & 0xffff_ffff_ffff)
}

/// The `resources` member for some ARNs of the account.
pub fn resources(arns: &[&str]) -> String {
    let items: Vec<_> = arns
        .iter()
        .map(|arn| format!(r#"{{"accountId":"{ACCOUNT_ID}","type":"AWS::KMS::Key","ARN":"{arn}"}}"#))
        .collect();
    format!("[{}]", items.join(","))
}

impl Record {
    /// Sets a member to a JSON text; a new one is added at the end.
    #[must_use]
    pub fn with(mut self, name: &str, json: &str) -> Self {
        match self.members.iter_mut().find(|(member, _)| member == name) {
            Some((_, value)) => json.clone_into(value),
            None => self.members.push((name.to_owned(), json.to_owned())),
        }
        self
    }

    /// Sets a member to a text that needs no escape.
    #[must_use]
    pub fn with_text(self, name: &str, text: &str) -> Self {
        let json = format!("\"{text}\"");
        self.with(name, &json)
    }

    /// Removes a member.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.members.retain(|(member, _)| member != name);
        self
    }

    /// Adds a member even where there is one of that name.
    #[must_use]
    pub fn with_again(mut self, name: &str, json: &str) -> Self {
        self.members.push((name.to_owned(), json.to_owned()));
        self
    }

    /// The members in the opposite order.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.members.reverse();
        self
    }

    /// The record's minified text.
    pub fn text(&self) -> String {
        let members: Vec<_> = self.members.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The record's text on several lines, with spaces.
    pub fn pretty_text(&self) -> String {
        let members: Vec<_> = self.members.iter().map(|(name, json)| format!("  \"{name}\" : {json}")).collect();
        format!("{{\n{}\n}}", members.join(",\n"))
    }
}

/// The kinds of `userIdentity`: a name, and the member's text. The first is a plain role session.
pub const IDENTITIES: [(&str, &str); 16] = [
    (
        "role",
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE1:app","arn":"arn:aws:sts::111122223333:assumed-role/App/app","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE1","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE1","arn":"arn:aws:iam::111122223333:role/App","accountId":"111122223333","userName":"App"},"webIdFederationData":{},"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"false"}}}"#,
    ),
    (
        "sso",
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE2:jo@example.com","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/jo@example.com","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE2","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE2","arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef","accountId":"111122223333","userName":"AWSReservedSSO_Admin_0123456789abcdef"},"attributes":{"creationDate":"20260304T050000Z","mfaAuthenticated":"true"},"sourceIdentity":"jo@example.com"},"onBehalfOf":{"userId":"94482488-3041-7026-18f3-be45837cd0e4","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-9067642ac7"}}"#,
    ),
    (
        "instance role",
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE3:i-0123456789abcdef0","arn":"arn:aws:sts::111122223333:assumed-role/Node/i-0123456789abcdef0","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE3","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE3","arn":"arn:aws:iam::111122223333:role/Node","accountId":"111122223333","userName":"Node"},"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"},"invokedBy":"s3.amazonaws.com"}"#,
    ),
    (
        "ec2 infrastructure",
        r#"{"type":"AssumedRole","principalId":"111122223333:aws:ec2-infrastructure:i-0123456789abcdef0","arn":"arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0123456789abcdef0","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"111122223333:aws:ec2-infrastructure","arn":"arn:aws:iam::111122223333:role/aws:ec2-infrastructure","accountId":"111122223333","userName":"aws:ec2-infrastructure"},"attributes":{"mfaAuthenticated":"false"}},"invokedBy":"ec2.amazonaws.com"}"#,
    ),
    (
        "function role in scope of its function",
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE4:checkout","arn":"arn:aws:sts::111122223333:assumed-role/Checkout/checkout","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE4","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE4","arn":"arn:aws:iam::111122223333:role/Checkout","accountId":"111122223333","userName":"Checkout"},"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"false"}},"inScopeOf":{"sourceArn":"arn:aws:lambda:us-east-1:111122223333:function:checkout","sourceAccount":"111122223333","issuerType":"AWS::Lambda::Function","credentialsIssuedTo":"arn:aws:lambda:us-east-1:111122223333:function:checkout"}}"#,
    ),
    (
        "user",
        r#"{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/alice","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE","userName":"alice"}"#,
    ),
    (
        "root",
        r#"{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":"","sessionContext":{"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"true"}}}"#,
    ),
    (
        "federated user",
        r#"{"type":"FederatedUser","principalId":"111122223333:bob","arn":"arn:aws:sts::111122223333:federated-user/bob","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE5","sessionContext":{"sessionIssuer":{"type":"IAMUser","principalId":"AIDAEXAMPLE6","arn":"arn:aws:iam::111122223333:user/broker","accountId":"111122223333","userName":"broker"},"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"false"}}}"#,
    ),
    (
        "web identity",
        r#"{"type":"WebIdentityUser","principalId":"accounts.google.com:app:user","userName":"user","identityProvider":"accounts.google.com"}"#,
    ),
    ("saml", r#"{"type":"SAMLUser","principalId":"idp:jo","userName":"jo","identityProvider":"idp"}"#),
    ("account", r#"{"type":"AWSAccount","principalId":"AROAFOREIGN:session","accountId":"999988887777"}"#),
    ("service", r#"{"type":"AWSService","invokedBy":"cloudtrail.amazonaws.com"}"#),
    (
        "identity center user",
        r#"{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"94482488-3041-7026-18f3-be45837cd0e4","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-9067642ac7"},"credentialId":"160b6b0f3b3c"}"#,
    ),
    ("no type", r#"{"accountId":"111122223333","invokedBy":"AWS Internal"}"#),
    (
        "delegate",
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE7:x","arn":"arn:aws:sts::111122223333:assumed-role/Partner/x","accountId":"111122223333","invokedByDelegate":{"accountId":"999988887777"},"sessionContext":{"attributes":{"creationDate":"2026-03-04T05:00:00Z","mfaAuthenticated":"false","sourceIdentity":"deep"}}}"#,
    ),
    ("null", "null"),
];

/// One record for each kind of identity, by its name.
pub fn identity_records() -> Vec<(&'static str, Record)> {
    IDENTITIES.iter().map(|(name, json)| (*name, record("Decrypt").with("userIdentity", json))).collect()
}

/// A KMS operation: its name, its request parameters, its response elements.
type OperationParts = (&'static str, &'static str, &'static str);

const REFERENCE: &str = r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#;

/// The cryptographic operations on one key.
const CRYPTOGRAPHIC: [OperationParts; 13] = [
    (
        "Encrypt",
        r#"{"keyId":"alias/example","encryptionContext":{"Department":"Engineering"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        "null",
    ),
    (
        "Decrypt",
        r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/key"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        "null",
    ),
    (
        "GenerateDataKey",
        r#"{"keyId":"alias/example","keySpec":"AES_256","encryptionContext":{"a":"1","b":"2"}}"#,
        "null",
    ),
    (
        "GenerateDataKeyWithoutPlaintext",
        r#"{"keyId":"alias/example","numberOfBytes":64,"encryptionContext":{"aws:ebs:id":"vol-0123456789abcdef0"}}"#,
        "null",
    ),
    ("GenerateDataKeyPair", r#"{"keyId":"alias/example","keyPairSpec":"RSA_3072","encryptionContext":{}}"#, "null"),
    ("GenerateDataKeyPairWithoutPlaintext", r#"{"keyId":"alias/example","keyPairSpec":"ECC_NIST_P256"}"#, "null"),
    ("Sign", r#"{"keyId":"alias/example","messageType":"RAW","signingAlgorithm":"RSASSA_PKCS1_V1_5_SHA_256"}"#, "null"),
    ("Verify", r#"{"keyId":"alias/example","messageType":"DIGEST","signingAlgorithm":"ECDSA_SHA_256"}"#, "null"),
    ("GenerateMac", r#"{"keyId":"alias/example","macAlgorithm":"HMAC_SHA_512"}"#, "null"),
    ("VerifyMac", r#"{"keyId":"alias/example","macAlgorithm":"HMAC_SHA_384"}"#, "null"),
    ("DeriveSharedSecret", r#"{"keyId":"alias/example","keyAgreementAlgorithm":"ECDH"}"#, "null"),
    ("Encapsulate", r#"{"keyId":"alias/example","encapsulationAlgorithm":"ML_KEM"}"#, "null"),
    ("Decapsulate", r#"{"keyId":"alias/example","encapsulationAlgorithm":"ML_KEM"}"#, "null"),
];

/// Reads of metadata that name a key.
const METADATA: [OperationParts; 10] = [
    ("GetPublicKey", REFERENCE, "null"),
    ("DescribeKey", REFERENCE, "null"),
    ("GetKeyPolicy", r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","policyName":"default"}"#, "null"),
    ("GetKeyRotationStatus", REFERENCE, "null"),
    ("GetKeyLastUsage", REFERENCE, "null"),
    (
        "GetParametersForImport",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","wrappingAlgorithm":"RSAES_OAEP_SHA_256","wrappingKeySpec":"RSA_2048"}"#,
        "null",
    ),
    ("ListGrants", REFERENCE, "null"),
    ("ListKeyPolicies", REFERENCE, "null"),
    ("ListResourceTags", REFERENCE, "null"),
    ("ListKeyRotations", REFERENCE, "null"),
];

/// Management calls that name a key.
const MANAGEMENT: [OperationParts; 22] = [
    (
        "CreateKey",
        r#"{"description":"","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","origin":"AWS_KMS","policy":"{\n  \"Version\" : \"2012-10-17\"\n}"}"#,
        r#"{"keyMetadata":{"aWSAccountId":"111122223333","keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","arn":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","creationDate":"Mar 4, 2026, 5:06:07 AM","enabled":true,"keyState":"Enabled"}}"#,
    ),
    (
        "ReplicateKey",
        r#"{"keyId":"mrk-1234abcd12ab34cd56ef1234567890ab","replicaRegion":"us-west-2"}"#,
        r#"{"replicaKeyMetadata":{"arn":"arn:aws:kms:us-west-2:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"},"replicaPolicy":"{}"}"#,
    ),
    ("UpdatePrimaryRegion", r#"{"keyId":"mrk-1234abcd12ab34cd56ef1234567890ab","primaryRegion":"us-west-2"}"#, "null"),
    ("EnableKey", REFERENCE, "null"),
    (
        "DisableKey",
        REFERENCE,
        r#"{"keyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}"#,
    ),
    ("EnableKeyRotation", r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","rotationPeriodInDays":90}"#, "null"),
    ("DisableKeyRotation", REFERENCE, "null"),
    ("RotateKeyOnDemand", REFERENCE, REFERENCE),
    (
        "ScheduleKeyDeletion",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","pendingWindowInDays":7}"#,
        r#"{"keyId":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","keyState":"PendingDeletion","deletionDate":"Mar 11, 2026, 12:00:00 AM","pendingWindowInDays":7}"#,
    ),
    ("CancelKeyDeletion", REFERENCE, "null"),
    (
        "ImportKeyMaterial",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","expirationModel":"KEY_MATERIAL_EXPIRES","validTo":"May 21, 2026, 5:47:45 AM"}"#,
        "null",
    ),
    ("DeleteImportedKeyMaterial", REFERENCE, "null"),
    (
        "PutKeyPolicy",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","policyName":"default","policy":"{\"Version\":\"2012-10-17\"}"}"#,
        "null",
    ),
    (
        "CreateGrant",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","constraints":{"encryptionContextSubset":{"aws:ebs:id":"vol-0123456789abcdef0"}},"granteePrincipal":"111122223333:aws:ec2-infrastructure:i-0123456789abcdef0","operations":["Decrypt"]}"#,
        r#"{"grantId":"f020fe75197b93991dc8491d6f19dd3cebb24ee62277a05914386724f3d48758"}"#,
    ),
    (
        "RevokeGrant",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","grantId":"f020fe75197b93991dc8491d6f19dd3cebb24ee62277a05914386724f3d48758"}"#,
        "null",
    ),
    ("RetireGrant", "null", "null"),
    ("CreateAlias", r#"{"aliasName":"alias/example","targetKeyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#, "null"),
    ("UpdateAlias", r#"{"aliasName":"alias/example","targetKeyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#, "null"),
    ("DeleteAlias", r#"{"aliasName":"alias/example"}"#, "null"),
    (
        "TagResource",
        r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","tags":[{"tagKey":"owner","tagValue":"me"}]}"#,
        "null",
    ),
    ("UntagResource", r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","tagKeys":["owner"]}"#, "null"),
    ("UpdateKeyDescription", r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","description":"new"}"#, "null"),
];

/// Calls that name no key at all, and whether they only read.
const WITHOUT_KEY: [(&str, &str, bool); 10] = [
    ("GenerateRandom", r#"{"numberOfBytes":32}"#, true),
    ("ListKeys", "null", true),
    ("ListAliases", r#"{"limit":100}"#, true),
    ("ListRetirableGrants", r#"{"retiringPrincipal":"arn:aws:iam::111122223333:role/App"}"#, true),
    ("DescribeCustomKeyStores", r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#, true),
    ("CreateCustomKeyStore", r#"{"customKeyStoreName":"store","clusterId":"cluster-1a23b4cdefg"}"#, false),
    ("UpdateCustomKeyStore", r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#, false),
    ("DeleteCustomKeyStore", r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#, false),
    ("ConnectCustomKeyStore", r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#, false),
    ("DisconnectCustomKeyStore", r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#, false),
];

/// What KMS does by itself.
const BY_KMS: [&str; 4] = ["RotateKey", "DeleteKey", "DeleteExpiredKeyMaterial", "SynchronizeMultiRegionKey"];

/// One successful call of a KMS operation, and what a correct reader finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationFixture {
    /// The operation.
    pub event_name: &'static str,
    /// The record.
    pub record: Record,
    /// The key that the call touched (ReEncrypt: the destination); none = no key.
    pub key_arn: Option<&'static str>,
    /// ReEncrypt: the source key.
    pub source_key_arn: Option<&'static str>,
    /// Whether it is a cryptographic operation.
    pub is_cryptographic: bool,
    /// Whether it changes keys or their surroundings.
    pub is_write: bool,
}

/// One record for each of the 60 KMS event names.
pub fn operations() -> Vec<OperationFixture> {
    let mut fixtures = vec![re_encrypt()];
    fixtures.extend(CRYPTOGRAPHIC.map(|parts| on_key(parts, true, false)));
    fixtures.extend(METADATA.map(|parts| on_key(parts, false, false)));
    fixtures.extend(MANAGEMENT.map(|parts| on_key(parts, false, true)));
    fixtures.extend(WITHOUT_KEY.map(|(event_name, request, reads)| without_key(event_name, request, reads)));
    fixtures.extend(BY_KMS.map(by_kms));
    fixtures
}

fn on_key((event_name, request, response): OperationParts, is_cryptographic: bool, is_write: bool) -> OperationFixture {
    let arns: &[&str] = match event_name {
        "CreateAlias" => &[KEY_ARN, ALIAS_ARN],
        "UpdateAlias" | "DeleteAlias" => &[ALIAS_ARN, KEY_ARN],
        _ => &[KEY_ARN],
    };
    let mut record = record(event_name)
        .with("requestParameters", request)
        .with("responseElements", response)
        .with("resources", &resources(arns));
    record = record.with("readOnly", if is_write { "false" } else { "true" });
    if event_name == "RetireGrant" {
        record = record.with(
            "additionalEventData",
            r#"{"grantId":"f020fe75197b93991dc8491d6f19dd3cebb24ee62277a05914386724f3d48758"}"#,
        );
    }
    OperationFixture { event_name, record, key_arn: Some(KEY_ARN), source_key_arn: None, is_cryptographic, is_write }
}

fn without_key(event_name: &'static str, request: &str, reads: bool) -> OperationFixture {
    let mut record =
        record(event_name).with("requestParameters", request).with("readOnly", if reads { "true" } else { "false" });
    record = if event_name == "GenerateRandom" { record.with("resources", "[]") } else { record.without("resources") };
    OperationFixture {
        event_name,
        record,
        key_arn: None,
        source_key_arn: None,
        is_cryptographic: event_name == "GenerateRandom",
        is_write: !reads,
    }
}

fn by_kms(event_name: &'static str) -> OperationFixture {
    let details = r#"{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab","rotationType":"AUTOMATIC"}"#;
    let mut record = record(event_name)
        .with("userIdentity", IDENTITIES[13].1)
        .with("readOnly", "false")
        .with_text("eventType", "AwsServiceEvent")
        .without("requestID");
    if event_name != "SynchronizeMultiRegionKey" {
        record = record.with("serviceEventDetails", details);
    }
    OperationFixture {
        event_name,
        record,
        key_arn: Some(KEY_ARN),
        source_key_arn: None,
        is_cryptographic: false,
        is_write: true,
    }
}

fn re_encrypt() -> OperationFixture {
    let request = r#"{"sourceEncryptionAlgorithm":"SYMMETRIC_DEFAULT","sourceEncryptionContext":{"Project":"Alpha","Department":"Engineering"},"destinationKeyId":"0987dcba-09fe-87dc-65ba-ab0987654321","destinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT","destinationEncryptionContext":{"Level":"3A"}}"#;
    let record =
        record("ReEncrypt").with("requestParameters", request).with("resources", &resources(&[KEY_ARN, OTHER_KEY_ARN]));
    OperationFixture {
        event_name: "ReEncrypt",
        record,
        key_arn: Some(OTHER_KEY_ARN),
        source_key_arn: Some(KEY_ARN),
        is_cryptographic: true,
        is_write: false,
    }
}

/// One record for each type oddity of real logs, by its name. All are valid JSON and API events.
pub fn oddities() -> Vec<(&'static str, String)> {
    let plain = || record("Decrypt").with("requestParameters", CRYPTOGRAPHIC[1].1);
    let hidden = "\"HIDDEN_DUE_TO_SECURITY_REASONS\"";
    vec![
        ("request parameters withheld", plain().with("requestParameters", hidden).text()),
        ("encryption context withheld", plain().with("requestParameters", &format!("{{\"encryptionContext\":{hidden}}}")).text()),
        ("request parameters omitted", plain().with("requestParameters", r#"{"omitted":true,"originalSize":104201,"reason":"too large"}"#).text()),
        ("request parameters empty", plain().with("requestParameters", "{}").text()),
        ("encryption context empty", plain().with("requestParameters", r#"{"encryptionContext":{}}"#).text()),
        ("encryption context null", plain().with("requestParameters", r#"{"encryptionContext":null}"#).text()),
        ("encryption context with other types", plain().with("requestParameters", r#"{"encryptionContext":{"n":1.50,"b":true,"z":null,"o":{"a":[1]}}}"#).text()),
        ("booleans as text", plain().with("readOnly", "\"true\"").with("managementEvent", "\"true\"").text()),
        ("read only left out", plain().without("readOnly").text()),
        ("java date with narrow space", record("ScheduleKeyDeletion").with("responseElements", "{\"deletionDate\":\"Mar 11, 2026, 12:00:00\u{202f}AM\"}").text()),
        ("nonsense date", record("ScheduleKeyDeletion").with("responseElements", r#"{"deletionDate":"Mar 11, 2026 18:58:30 PM"}"#).text()),
        ("json in strings", record("PutKeyPolicy").with("requestParameters", r#"{"keyId":"alias/example","policy":"{\n  \"Statement\" : [ {\n    \"Sid\" : \"\\\"quoted\\\"\"\n  } ]\n}"}"#).text()),
        ("other letter case", plain().with("requestParameters", r#"{"KeyId":"alias/example","EncryptionContext":{"a":"1"}}"#).text()),
        ("keys that differ by case", record("CreateTags").with_text("eventSource", "ec2.amazonaws.com").with("requestParameters", r#"{"tag":1,"Tag":[{"Value":true}]}"#).text()),
        ("resources with arn", plain().with("resources", &format!(r#"[{{"accountId":"{ACCOUNT_ID}","arn":"{KEY_ARN}","type":"AWS::KMS::Key"}}]"#)).text()),
        ("resources without type", plain().with("resources", &format!(r#"[{{"ARN":"{KEY_ARN}","accountId":"{ACCOUNT_ID}"}}]"#)).text()),
        ("resources as texts", plain().with("resources", &format!("[\"{KEY_ARN}\"]")).text()),
        ("resources with prefix", plain().with("resources", r#"[{"type":"AWS::S3::Object","ARNPrefix":"arn:aws:s3:::bucket/"}]"#).text()),
        ("resources null", plain().with("resources", "null").text()),
        ("resources left out", plain().without("resources").text()),
        ("member order", plain().reversed().text()),
        ("pretty", plain().pretty_text()),
        ("escapes", plain().text().replace('/', "\\/").replace("us-east", "\\u0075s\\u002deast")),
        ("unicode", plain().with_text("userAgent", "büro 日本 🔑 \u{202e}").text()),
        ("control characters", plain().with_text("userAgent", "a\\u001b[31mred\\u0007\\t\\\"").text()),
        ("formula", plain().with_text("userAgent", "=HYPERLINK(\\\"http://example.com\\\")").text()),
        ("repeated member", plain().with_again("userAgent", "\"second\"").text()),
        ("unknown members", plain().with("newMember", r#"{"exact":123456789012345678901234567890,"n":[1,2.50,1.0E5,-0]}"#).with("another", "[]").text()),
        ("fraction of a second", plain().with_text("eventTime", "2026-03-04T05:06:07.250Z").text()),
        ("offset", plain().with_text("eventTime", "2026-03-04T07:06:07+02:00").text()),
        ("unreadable time", plain().with_text("eventTime", "yesterday").text()),
        ("no time", plain().without("eventTime").text()),
        ("event version 1.0", plain().with_text("eventVersion", "1.0").without("eventID").without("recipientAccountId").without("requestID").without("eventCategory").text()),
        ("event version 1.12", plain().with_text("eventVersion", "1.12").text()),
        ("user identity as text", plain().with("userIdentity", "\"alice\"").text()),
        ("service event details as text", record("RotateKey").with("serviceEventDetails", "\"rotated\"").text()),
        ("leading zeros", plain().with_text("recipientAccountId", "001122223333").text()),
        ("other partition", plain().with_text("awsRegion", "cn-north-1").with("resources", r#"[{"ARN":"arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}]"#).text()),
    ]
}

/// A file, and what a correct reader finds in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFixture {
    /// What is special about it.
    pub name: &'static str,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What the file holds.
    pub kind: FileKind,
    /// Exact texts of its API events, in order.
    pub records: Vec<String>,
}

/// One file for each shape that is read, and for each kind that is recognised and left.
pub fn containers() -> Vec<ContainerFixture> {
    let (one, two) = (record("Decrypt").text(), record("Encrypt").text());
    let file = format!("{{\"Records\":[{one},{two}]}}");
    let both = vec![one.clone(), two.clone()];
    let fixture = |name, bytes: Vec<u8>, records: &[String]| ContainerFixture {
        name,
        bytes,
        kind: FileKind::Events,
        records: records.to_vec(),
    };
    let mut fixtures = vec![
        fixture("log file", gzip(file.as_bytes()), &both),
        fixture("log file, not compressed", file.clone().into_bytes(), &both),
        fixture("log file, compressed twice", gzip(&gzip(file.as_bytes())), &both),
        fixture("log file with byte order mark", format!("\u{feff}{file}").into_bytes(), &both),
        fixture(
            "log file, pretty",
            format!("{{\n  \"Records\" : [\n    {one},\r\n    {two}\n  ]\n}}\n").into_bytes(),
            &both,
        ),
        fixture("empty log file", gzip(b"{\"Records\":[]}"), &[]),
        fixture("array", format!("[{one}, {two}]").into_bytes(), &both),
        fixture("bare event", one.clone().into_bytes(), &both[..1]),
        fixture("bare event, pretty", record("Decrypt").pretty_text().into_bytes(), &[record("Decrypt").pretty_text()]),
        fixture("lines", format!("{one}\n{two}\n").into_bytes(), &both),
        fixture("lines, compressed", gzip(format!("{one}\r\n{two}").as_bytes()), &both),
        fixture("back to back", format!("{one}{two}").into_bytes(), &both),
    ];
    fixtures.extend(other_kinds(&one));
    fixtures
}

fn other_kinds(record: &str) -> Vec<ContainerFixture> {
    let digest = r#"{"awsAccountId":"111122223333","digestStartTime":"2026-03-04T05:00:00Z","digestEndTime":"2026-03-04T06:00:00Z","digestS3Bucket":"b","digestS3Object":"AWSLogs/x","newestEventTime":null,"oldestEventTime":null,"previousDigestSignature":null,"logFiles":[]}"#;
    let insight = r#"{"Records":[{"eventVersion":"1.08","eventTime":"2026-03-04T05:06:07Z","awsRegion":"us-east-1","eventID":"i-1","eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333","sharedEventID":"s","insightDetails":{"state":"Start","eventSource":"kms.amazonaws.com","eventName":"Decrypt","insightType":"ApiCallRateInsight"},"eventCategory":"Insight"}]}"#;
    let network = format!(
        "{{\"Records\":[{}]}}",
        record.replace("\"Management\"", "\"NetworkActivity\"").replace("AwsApiCall", "AwsVpceEvent")
    );
    let aggregated = r#"[{"eventVersion":"1.0","accountId":"111122223333","eventId":"a-1","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","awsRegion":"us-east-1","eventSource":"s3.amazonaws.com","timeWindow":{"windowStart":"2026-03-04 05:00:00","windowEnd":"2026-03-04 05:05:00","windowSize":"PT5M"},"summary":{}}]"#;
    let notification = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-03-04T05:06:07.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"AWSLogs/x"}}}]}"#;
    let fixture =
        |name, text: &str, kind| ContainerFixture { name, bytes: gzip(text.as_bytes()), kind, records: Vec::new() };
    vec![
        fixture("digest", digest, FileKind::Digest),
        fixture("insight", insight, FileKind::Insight),
        fixture("network activity", &network, FileKind::NetworkActivity),
        fixture("aggregated", aggregated, FileKind::Aggregated),
        fixture("notification", notification, FileKind::Notification),
        fixture("something else", r#"{"hello":"world"}"#, FileKind::Unknown),
    ]
}

/// A log file with these record texts, compressed.
pub fn log_file<S: AsRef<str>>(records: &[S]) -> Vec<u8> {
    let texts: Vec<&str> = records.iter().map(AsRef::as_ref).collect();
    gzip(format!("{{\"Records\":[{}]}}", texts.join(",")).as_bytes())
}

/// The object key of a log file, as a trail of one account writes it; `stamp` = `YYYYMMDDTHHMMZ`.
///
/// # Panics
/// When the stamp is shorter than a date.
pub fn log_file_key(account_id: &str, region: &str, stamp: &str, unique: &str) -> String {
    let (year, month, day) = (&stamp[..4], &stamp[4..6], &stamp[6..8]);
    format!(
        "AWSLogs/{account_id}/CloudTrail/{region}/{year}/{month}/{day}/{account_id}_CloudTrail_{region}_{stamp}_{unique}.json.gz"
    )
}

/// One gzip member; equal bytes give equal members.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder: GzEncoder<Vec<u8>> = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::oracle::{KeyRole, Oracle, read_file};

    fn oracle_of(text: &str) -> Oracle {
        Oracle::read_files([("a.json.gz".to_owned(), log_file(&[text]))])
    }

    #[test]
    fn every_record_is_an_event_of_its_own() {
        let records: Vec<String> = identity_records().into_iter().map(|(_, record)| record.text()).collect();
        let operations: Vec<String> = operations().into_iter().map(|fixture| fixture.record.text()).collect();
        let oddities: Vec<String> = oddities().into_iter().map(|(_, text)| text).collect();
        for text in records.iter().chain(&operations).chain(&oddities) {
            let oracle = oracle_of(text);
            assert_eq!((oracle.events.len(), oracle.summary.unreadable_files), (1, 0), "{text}");
            assert_eq!(&oracle.events[0].text, text);
        }
        assert_eq!(oddities.iter().collect::<BTreeSet<_>>().len(), oddities.len(), "two oddities are the same");
    }

    #[test]
    fn operations_say_what_they_touch() {
        let fixtures = operations();
        assert_eq!(fixtures.iter().map(|fixture| fixture.event_name).collect::<BTreeSet<_>>().len(), 60);
        for fixture in fixtures {
            let event = oracle_of(&fixture.record.text()).kms().remove(0);
            let key = |is_source: bool| {
                let touch = event.touches.iter().find(|touch| (touch.role == KeyRole::Source) == is_source);
                touch.and_then(|touch| touch.key_arn.as_deref())
            };
            assert_eq!((key(false), key(true)), (fixture.key_arn, fixture.source_key_arn), "{}", fixture.event_name);
            assert_eq!(event.is_use(), fixture.is_cryptographic, "{}", fixture.event_name);
            let coverage = oracle_of(&fixture.record.text()).log_file_coverage().remove(0);
            assert_eq!(coverage.kms_write_count == 1, fixture.is_write, "{}", fixture.event_name);
        }
    }

    #[test]
    fn containers_hold_what_they_say() {
        for fixture in containers() {
            let (kind, records) = read_file(&fixture.bytes).unwrap();
            assert_eq!(kind, fixture.kind, "{}", fixture.name);
            assert_eq!(
                records.into_iter().map(|record| record.text).collect::<Vec<_>>(),
                fixture.records,
                "{}",
                fixture.name
            );
        }
    }

    #[test]
    fn keys_of_log_files_are_those_of_a_trail() {
        let key = log_file_key(ACCOUNT_ID, REGION, "20260304T0510Z", "AbCdEfGhIjKlMnOp");
        assert_eq!(
            key,
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/04/111122223333_CloudTrail_us-east-1_20260304T0510Z_AbCdEfGhIjKlMnOp.json.gz"
        );
    }
}
