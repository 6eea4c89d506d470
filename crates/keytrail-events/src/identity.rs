//! `userIdentity` flat: who made the call, as the columns of the identity group.
//!
//! It reads every kind that AWS documents (user guide, CloudTrail userIdentity element) and fails on none: what is absent or of another
//! type is null. It does not judge who a principal is.

use std::borrow::Cow;

use crate::account::whole_account_id;
use crate::json::{Scanner, string_value};
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
        Nested::of(user_identity).members(|name, nested| identity.take(name, nested));
        identity.role_session_name = identity.session_name();
        for account_id in [
            &mut identity.principal_account_id,
            &mut identity.session_issuer_account_id,
            &mut identity.invoked_by_delegate_account_id,
        ] {
            *account_id = account_id.take().map(whole_account_id);
        }
        identity
    }

    fn take(&mut self, name: &str, nested: &mut Nested<'a>) -> Option<()> {
        let slot = match name {
            "type" => &mut self.principal_type,
            "principalId" => &mut self.principal_id,
            "arn" => &mut self.principal_arn,
            "accountId" => &mut self.principal_account_id,
            "accessKeyId" => &mut self.access_key_id,
            "userName" => &mut self.user_name,
            "identityProvider" => &mut self.identity_provider,
            "credentialId" => &mut self.credential_id,
            "invokedBy" => &mut self.invoked_by,
            "sessionContext" => return nested.members(|name, nested| self.take_of_session(name, nested)),
            "onBehalfOf" => return nested.member("userId", &mut self.on_behalf_of_user_id),
            "inScopeOf" => return nested.member("sourceArn", &mut self.in_scope_of_source_arn),
            "invokedByDelegate" => return nested.member("accountId", &mut self.invoked_by_delegate_account_id),
            _ => return nested.other(name, |usual, nested| self.take(usual, nested)),
        };
        *slot = scalar(nested.value()?);
        Some(())
    }

    fn take_of_session(&mut self, name: &str, nested: &mut Nested<'a>) -> Option<()> {
        match name {
            "sessionIssuer" => nested.members(|name, nested| self.take_of_issuer(name, nested)),
            "attributes" => nested.members(|name, nested| self.take_attribute(name, nested)),
            "webIdFederationData" => nested.member("federatedProvider", &mut self.federated_provider),
            "creationDate" | "mfaAuthenticated" | "sourceIdentity" | "ec2RoleDelivery" => {
                self.take_attribute(name, nested)
            }
            _ => nested.other(name, |usual, nested| self.take_of_session(usual, nested)),
        }
    }

    fn take_of_issuer(&mut self, name: &str, nested: &mut Nested<'a>) -> Option<()> {
        let slot = match name {
            "type" => &mut self.session_issuer_type,
            "arn" => &mut self.role_arn,
            "accountId" => &mut self.session_issuer_account_id,
            "userName" => &mut self.session_issuer_user_name,
            _ => return nested.other(name, |usual, nested| self.take_of_issuer(usual, nested)),
        };
        *slot = scalar(nested.value()?);
        Some(())
    }

    /// `sourceIdentity` and `ec2RoleDelivery` were seen both beside and inside `attributes`.
    fn take_attribute(&mut self, name: &str, nested: &mut Nested<'a>) -> Option<()> {
        match name {
            "creationDate" => {
                self.session_creation_time = scalar(nested.value()?).and_then(|text| parse_time(&text));
            }
            "mfaAuthenticated" => self.mfa_authenticated = scalar(nested.value()?).and_then(|text| text.parse().ok()),
            "sourceIdentity" => self.source_identity = scalar(nested.value()?),
            "ec2RoleDelivery" => self.ec2_role_delivery = scalar(nested.value()?),
            _ => return nested.other(name, |usual, nested| self.take_attribute(usual, nested)),
        }
        Some(())
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

/// The name that AWS mostly uses for one in other letters; `None` where there is none, or it is the same.
fn usual_case(name: &str) -> Option<&'static str> {
    let is_other = |known: &&str| *known != name && known.eq_ignore_ascii_case(name);
    MIXED_CASE_NAMES.into_iter().find(is_other)
}

/// Reads an object and the objects inside it in one pass. `None` = the text is no JSON from here on, and tells nothing more.
struct Nested<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Nested<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, scanner: Scanner::new(text.as_bytes()) }
    }

    /// The value that stands here.
    fn value(&mut self) -> Option<&'a str> {
        self.scanner.value().ok().map(|range| &self.text[range])
    }

    /// Has each member of the object that stands here taken; a value of another type is passed over.
    fn members(&mut self, mut take: impl FnMut(&'a str, &mut Self) -> Option<()>) -> Option<()> {
        if self.scanner.peek() != Some(b'{') {
            return self.value().map(|_| ());
        }
        self.scanner.advance();
        let mut is_first = true;
        while let Some(name) = self.scanner.next_key(&mut is_first).ok()? {
            let name = &self.text[name.range];
            take(name, self)?;
        }
        Some(())
    }

    /// Reads one member of the object that stands here, the first of its name in any case of letters.
    fn member(&mut self, wanted: &str, slot: &mut Text<'a>) -> Option<()> {
        *slot = None;
        let mut is_found = false;
        self.members(|name, nested| {
            let value = nested.value()?;
            if !is_found && name.eq_ignore_ascii_case(wanted) {
                is_found = true;
                *slot = scalar(value);
            }
            Some(())
        })
    }

    /// Has a member taken under its usual name; passes over one that has none.
    fn other(&mut self, name: &str, take: impl FnOnce(&'static str, &mut Self) -> Option<()>) -> Option<()> {
        match usual_case(name) {
            Some(usual) => take(usual, self),
            None => self.value().map(|_| ()),
        }
    }
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
    fn accounts_get_the_zeros_that_they_lost() {
        let identity = Identity::of(
            r#"{"accountId":11122223333,"sessionContext":{"sessionIssuer":{"accountId":"11122223333"}},"principalId":"11122223333"}"#,
        );
        assert_eq!(identity.principal_account_id.as_deref(), Some("011122223333"));
        assert_eq!(identity.session_issuer_account_id.as_deref(), Some("011122223333"));
        assert_eq!(identity.principal_id.as_deref(), Some("11122223333"));
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
