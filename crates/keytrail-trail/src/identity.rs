//! Writes `userIdentity` for every kind of principal.
//!
//! Who calls what is decided elsewhere.

use super::json::JsonText;
use super::random::{Random, mix};
use super::world::{Principal, PrincipalKind, World};

/// Session credentials live this long, in seconds.
const SESSION_LENGTH: i64 = 3_600;

/// The credentials that a principal holds at a moment: the same for everything it does within a session.
struct Session {
    access_key: String,
    created: i64,
}

fn session_at(principal: &Principal, time: i64) -> Session {
    let number = time.div_euclid(SESSION_LENGTH);
    let mut random = Random::of(principal.seed, 7, number.cast_unsigned());
    let created = number * SESSION_LENGTH - random.seconds(900);
    Session { access_key: random.base32("ASIA", 16), created }
}

/// Writes the identity of a principal; `via` names the service that calls for it.
pub(crate) fn write_principal(
    out: &mut JsonText,
    world: &World,
    account: usize,
    principal: &Principal,
    time: i64,
    via: Option<&str>,
) {
    out.clear();
    out.open();
    match principal.kind {
        PrincipalKind::User => write_user(out, world, account, principal),
        PrincipalKind::Root => write_root(out, world, account, principal, time),
        PrincipalKind::Federated => write_federated(out, world, account, principal, time),
        PrincipalKind::IdentityCenter => write_identity_center(out, world, account, principal),
        _ => write_role(out, world, account, principal, time),
    }
    if let Some(service) = via {
        out.text("invokedBy", service);
    }
    write_scope(out, world, account, principal);
    out.close();
}

fn write_user(out: &mut JsonText, world: &World, account: usize, principal: &Principal) {
    let account = world.account_id(account);
    let mut random = Random::of(principal.seed, 8, 0);
    out.text("type", "IAMUser").text("principalId", &principal.id);
    out.text_of("arn", &["arn:", world.partition, ":iam::", account, ":user/", &principal.name])
        .text("accountId", account);
    out.text("accessKeyId", &random.base32("AKIA", 16)).text("userName", &principal.name);
}

fn write_root(out: &mut JsonText, world: &World, account: usize, principal: &Principal, time: i64) {
    let account = world.account_id(account);
    let session = session_at(principal, time);
    out.text("type", "Root").text("principalId", account);
    out.text_of("arn", &["arn:", world.partition, ":iam::", account, ":root"]).text("accountId", account);
    out.text("accessKeyId", &session.access_key).member("sessionContext").open();
    write_attributes(out, session.created, true);
    out.close();
}

fn write_federated(out: &mut JsonText, world: &World, account: usize, principal: &Principal, time: i64) {
    let account = world.account_id(account);
    let session = session_at(principal, time);
    out.text("type", "FederatedUser").text_of("principalId", &[account, ":", &principal.name]);
    out.text_of("arn", &["arn:", world.partition, ":sts::", account, ":federated-user/", &principal.name])
        .text("accountId", account);
    out.text("accessKeyId", &session.access_key).member("sessionContext").open().member("sessionIssuer").open();
    out.text("type", "IAMUser")
        .text("principalId", "AIDAEXAMPLEFEDERATION")
        .text_of("arn", &["arn:", world.partition, ":iam::", account, ":user/broker"]);
    out.text("accountId", account).text("userName", "broker").close();
    write_attributes(out, session.created, false);
    out.close();
}

fn write_identity_center(out: &mut JsonText, world: &World, account: usize, principal: &Principal) {
    let mut random = Random::of(principal.seed, 9, 0);
    out.text("type", "IdentityCenterUser").text("accountId", world.account_id(account));
    out.member("onBehalfOf").open().text("userId", &random.uuid());
    out.text_of(
        "identityStoreArn",
        &["arn:", world.partition, ":identitystore::", world.account_id(0), ":identitystore/d-9067642ac7"],
    )
    .close();
    out.text("credentialId", &random.hex(64));
}

fn write_role(out: &mut JsonText, world: &World, account: usize, principal: &Principal, time: i64) {
    let account = world.account_id(account);
    let session = session_at(principal, time);
    let sso = principal.kind == PrincipalKind::SsoRole;
    let path = if sso { "role/aws-reserved/sso.amazonaws.com/" } else { "role/" };
    out.text("type", "AssumedRole").text_of("principalId", &[&principal.id, ":", &principal.session]);
    out.text_of(
        "arn",
        &["arn:", world.partition, ":sts::", account, ":assumed-role/", &principal.name, "/", &principal.session],
    );
    out.text("accountId", account).text("accessKeyId", &session.access_key).member("sessionContext").open();
    out.member("sessionIssuer").open().text("type", "Role").text("principalId", &principal.id);
    out.text_of("arn", &["arn:", world.partition, ":iam::", account, ":", path, &principal.name]);
    out.text("accountId", account).text("userName", &principal.name).close();
    if mix(principal.seed) & 1 == 0 {
        out.raw("webIdFederationData", "{}");
    }
    write_attributes(out, session.created, sso);
    if principal.kind == PrincipalKind::InstanceRole {
        out.text("ec2RoleDelivery", "2.0");
    }
    if sso {
        out.text("sourceIdentity", &principal.session);
    }
    out.close();
}

fn write_attributes(out: &mut JsonText, created: i64, with_mfa: bool) {
    let mfa = if with_mfa { "true" } else { "false" };
    out.member("attributes").open().time("creationDate", created).text("mfaAuthenticated", mfa).close();
}

fn write_scope(out: &mut JsonText, world: &World, account: usize, principal: &Principal) {
    let id = world.account_id(account);
    match principal.kind {
        PrincipalKind::FunctionRole => {
            out.member("inScopeOf").open().text("issuerType", "AWS::Lambda::Function");
            out.text_of(
                "credentialsIssuedTo",
                &["arn:", world.partition, ":lambda:", &world.regions[0], ":", id, ":function:", &principal.session],
            )
            .close();
        }
        PrincipalKind::SsoRole => {
            let mut random = Random::of(principal.seed, 10, 0);
            out.member("onBehalfOf").open().text("userId", &random.uuid());
            out.text_of(
                "identityStoreArn",
                &["arn:", world.partition, ":identitystore::", world.account_id(0), ":identitystore/d-9067642ac7"],
            )
            .close();
        }
        _ => {}
    }
}

/// An AWS service that calls for itself; `account` is left out by most.
pub(crate) fn write_service(out: &mut JsonText, service: &str) {
    out.clear();
    out.open().text("type", "AWSService").text("invokedBy", service).close();
}

/// What a service event has: an account and `AWS Internal`, without a type.
pub(crate) fn write_untyped(out: &mut JsonText, account_id: &str) {
    out.clear();
    out.open().text("accountId", account_id).text("invokedBy", "AWS Internal").close();
}

/// What the owner of a key sees of a caller from another account.
pub(crate) fn write_foreign(out: &mut JsonText, principal_id: &str, account_id: &str, via: Option<&str>) {
    out.clear();
    out.open().text("type", "AWSAccount").text("principalId", principal_id).text("accountId", account_id);
    if let Some(service) = via {
        out.text("invokedBy", service);
    }
    out.close();
}

/// The infrastructure role that attaches an encrypted volume to an instance.
pub(crate) fn write_infrastructure(out: &mut JsonText, world: &World, account: usize, instance: &str) {
    let account = world.account_id(account);
    out.clear();
    out.open().text("type", "AssumedRole").text_of("principalId", &[account, ":aws:ec2-infrastructure:", instance]);
    out.text_of(
        "arn",
        &["arn:", world.partition, ":sts::", account, ":assumed-role/aws:ec2-infrastructure/", instance],
    )
    .text("accountId", account);
    out.member("sessionContext").open().member("sessionIssuer").open().text("type", "Role");
    out.text_of("principalId", &[account, ":aws:ec2-infrastructure"]);
    out.text_of("arn", &["arn:", world.partition, ":iam::", account, ":role/aws:ec2-infrastructure"])
        .text("accountId", account);
    out.text("userName", "aws:ec2-infrastructure")
        .close()
        .member("attributes")
        .open()
        .text("mfaAuthenticated", "false")
        .close();
    out.close().text("invokedBy", "ec2.amazonaws.com").close();
}

/// Somebody with a web identity token who assumes a role.
pub(crate) fn write_web_identity(out: &mut JsonText, provider: &str, subject: &str) {
    out.clear();
    out.open().text("type", "WebIdentityUser").text_of("principalId", &[provider, ":", subject]);
    out.text("userName", subject).text("identityProvider", provider).close();
}

/// Somebody with a SAML assertion who assumes a role.
pub(crate) fn write_saml(out: &mut JsonText, subject: &str) {
    out.clear();
    out.open().text_of("type", &["SAMLUser"]).text_of("principalId", &["https://idp.example.com/saml:", subject]);
    out.text("userName", subject).text("identityProvider", "https://idp.example.com/saml").close();
}
