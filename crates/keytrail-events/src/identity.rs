//! `userIdentity` flat: who made the call, as the columns of the identity group.
//!
//! It reads every kind that AWS documents (user guide, CloudTrail userIdentity element) and fails on none: what is absent or of another
//! type is null. It does not judge who a principal is.

use std::borrow::Cow;

use crate::json::{members, string_value};
use crate::time::parse_time;

type Text<'a> = Option<Cow<'a, str>>;

/// The identity columns of one record, under the names of the schema; null = absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the column of the same name; schema.rs says what it means")]
pub struct Identity<'a> {
    pub principal_type: Text<'a>,
    pub principal_id: Text<'a>,
    pub principal_arn: Text<'a>,
    pub principal_account_id: Text<'a>,
    pub access_key_id: Text<'a>,
    pub user_name: Text<'a>,
    pub identity_provider: Text<'a>,
    pub credential_id: Text<'a>,
    pub invoked_by: Text<'a>,
    pub role_arn: Text<'a>,
    pub role_session_name: Text<'a>,
    pub session_issuer_type: Text<'a>,
    pub session_issuer_account_id: Text<'a>,
    pub session_issuer_user_name: Text<'a>,
    pub session_creation_time: Option<i64>,
    pub mfa_authenticated: Option<bool>,
    pub source_identity: Text<'a>,
    pub ec2_role_delivery: Text<'a>,
    pub federated_provider: Text<'a>,
    pub on_behalf_of_user_id: Text<'a>,
    pub in_scope_of_source_arn: Text<'a>,
    pub invoked_by_delegate_account_id: Text<'a>,
}

impl<'a> Identity<'a> {
    /// Reads `userIdentity` from its exact text.
    pub fn of(user_identity: &'a str) -> Self {
        let mut identity = Self::default();
        for (name, raw) in members(user_identity) {
            identity.take(name, raw);
        }
        identity.role_session_name = identity.session_name();
        identity
    }

    fn take(&mut self, name: &str, raw: &'a str) {
        let slot = match usual_case(name) {
            "type" => &mut self.principal_type,
            "principalId" => &mut self.principal_id,
            "arn" => &mut self.principal_arn,
            "accountId" => &mut self.principal_account_id,
            "accessKeyId" => &mut self.access_key_id,
            "userName" => &mut self.user_name,
            "identityProvider" => &mut self.identity_provider,
            "credentialId" => &mut self.credential_id,
            "invokedBy" => &mut self.invoked_by,
            "sessionContext" => return self.take_session_context(raw),
            "onBehalfOf" => return self.on_behalf_of_user_id = member(raw, "userId"),
            "inScopeOf" => return self.in_scope_of_source_arn = member(raw, "sourceArn"),
            "invokedByDelegate" => return self.invoked_by_delegate_account_id = member(raw, "accountId"),
            _ => return,
        };
        *slot = scalar(raw);
    }

    fn take_session_context(&mut self, context: &'a str) {
        for (name, raw) in members(context) {
            match usual_case(name) {
                "sessionIssuer" => self.take_session_issuer(raw),
                "attributes" => members(raw).for_each(|(name, raw)| self.take_session_attribute(name, raw)),
                "webIdFederationData" => self.federated_provider = member(raw, "federatedProvider"),
                _ => self.take_session_attribute(name, raw),
            }
        }
    }

    fn take_session_issuer(&mut self, issuer: &'a str) {
        for (name, raw) in members(issuer) {
            match usual_case(name) {
                "type" => self.session_issuer_type = scalar(raw),
                "arn" => self.role_arn = scalar(raw),
                "accountId" => self.session_issuer_account_id = scalar(raw),
                "userName" => self.session_issuer_user_name = scalar(raw),
                _ => {}
            }
        }
    }

    /// `sourceIdentity` and `ec2RoleDelivery` were seen both beside and inside `attributes`.
    fn take_session_attribute(&mut self, name: &str, raw: &'a str) {
        match usual_case(name) {
            "creationDate" => self.session_creation_time = scalar(raw).and_then(|text| parse_time(&text)),
            "mfaAuthenticated" => self.mfa_authenticated = scalar(raw).and_then(|text| text.parse().ok()),
            "sourceIdentity" => self.source_identity = scalar(raw),
            "ec2RoleDelivery" => self.ec2_role_delivery = scalar(raw),
            _ => {}
        }
    }

    fn session_name(&self) -> Text<'a> {
        let from_arn = self.principal_arn.as_ref().and_then(|arn| {
            let (_, role_and_session) = arn.split_once(":assumed-role/")?;
            let (_, session) = role_and_session.rsplit_once('/')?;
            Some(session.to_owned())
        });
        let from_id = || {
            let is_role = self.principal_type.as_deref() == Some("AssumedRole");
            let (_, session) = self.principal_id.as_ref().filter(|_| is_role)?.split_once(':')?;
            Some(session.to_owned())
        };
        from_arn.or_else(from_id).map(Cow::Owned)
    }
}

/// The names that AWS writes with upper-case letters; tables and shippers write them in lower case, some services in other ones.
const MIXED_CASE_NAMES: [&str; 23] = [
    "principalId",
    "accountId",
    "accessKeyId",
    "userName",
    "identityProvider",
    "credentialId",
    "invokedBy",
    "sessionContext",
    "onBehalfOf",
    "inScopeOf",
    "invokedByDelegate",
    "sessionIssuer",
    "webIdFederationData",
    "creationDate",
    "mfaAuthenticated",
    "sourceIdentity",
    "ec2RoleDelivery",
    "federatedProvider",
    "userId",
    "sourceArn",
    "arn",
    "type",
    "attributes",
];

/// A member's name as AWS mostly writes it.
fn usual_case(name: &str) -> &str {
    let is_usual = |known: &&&str| **known == name;
    let is_same = |known: &&&str| known.eq_ignore_ascii_case(name);
    MIXED_CASE_NAMES.iter().find(is_usual).or_else(|| MIXED_CASE_NAMES.iter().find(is_same)).copied().unwrap_or(name)
}

/// A member of the object `raw`, where it is a string, number or boolean.
fn member<'a>(raw: &'a str, name: &str) -> Text<'a> {
    members(raw).find(|(found, _)| usual_case(found) == name).and_then(|(_, raw)| scalar(raw))
}

/// The text of a string, number or boolean; `None` for null, arrays and objects.
fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => string_value(raw),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_assumed_role() {
        let identity = Identity::of(
            r#"{"type":"AssumedRole","principalId":"AROA1:i-0a","arn":"arn:aws:sts::111122223333:assumed-role/app/i-0a","accountId":"011122223333","accessKeyId":"","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"arn:aws:iam::111122223333:role/app","accountId":"111122223333","userName":"app"},"webIdFederationData":{},"attributes":{"creationDate":"2023-07-10T12:00:00Z","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"},"invokedBy":"s3.amazonaws.com"}"#,
        );
        assert_eq!(identity.role_arn.as_deref(), Some("arn:aws:iam::111122223333:role/app"));
        assert_eq!(identity.role_session_name.as_deref(), Some("i-0a"));
        assert_eq!(identity.principal_account_id.as_deref(), Some("011122223333"));
        assert_eq!(identity.access_key_id.as_deref(), Some(""));
        assert_eq!(identity.mfa_authenticated, Some(false));
        assert_eq!(identity.ec2_role_delivery.as_deref(), Some("2.0"));
        assert_eq!(identity.session_creation_time, Some(1_688_990_400_000_000));
        assert_eq!(identity.invoked_by.as_deref(), Some("s3.amazonaws.com"));
        assert_eq!(identity.federated_provider, None);
    }

    #[test]
    fn survives_every_other_kind() {
        for (text, principal_type) in [
            ("null", None),
            (r#""HIDDEN_DUE_TO_SECURITY_REASONS""#, None),
            ("{}", None),
            (r#"{"accountId":"111122223333","invokedBy":"AWS Internal"}"#, None),
            (r#"{"type":"Root","sessionContext":null}"#, Some("Root")),
            (
                r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u-1","identityStoreArn":"a"},"credentialId":"c"}"#,
                Some("IdentityCenterUser"),
            ),
            (r#"{"type":"AWSAccount","principalId":"AIDA1:x","accountId":111122223333}"#, Some("AWSAccount")),
        ] {
            assert_eq!(Identity::of(text).principal_type.as_deref(), principal_type, "{text}");
        }
        let renamed = Identity::of(
            r#"{"type":"AssumedRole","principalid":"AROA1:s","ARN":"arn:aws:sts::1:assumed-role/r/s","sessioncontext":{"sessionissuer":{"arn":"arn:aws:iam::1:role/r"},"attributes":{"mfaauthenticated":"false"}}}"#,
        );
        assert_eq!(renamed.principal_id.as_deref(), Some("AROA1:s"));
        assert_eq!(renamed.role_arn.as_deref(), Some("arn:aws:iam::1:role/r"));
        assert_eq!((renamed.role_session_name.as_deref(), renamed.mfa_authenticated), (Some("s"), Some(false)));
        let basic = Identity::of(
            r#"{"sessionContext":{"attributes":{"creationDate":"20131102T010628Z","sourceIdentity":"bob"}}}"#,
        );
        assert_eq!((basic.session_creation_time.is_some(), basic.source_identity.as_deref()), (true, Some("bob")));
        assert_eq!(Identity::of(r#"{"type":"AWSAccount","principalId":"AIDA1:x"}"#).role_session_name, None);
    }
}
