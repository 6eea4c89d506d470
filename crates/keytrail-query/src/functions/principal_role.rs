//! `principal_role(principal)`: the role behind an assumed-role session, by the session's ARN or its principal id; any other text unchanged.
//!
//! A session's ARN does not tell the path of its role: `role_arn` of `events` does, where the record names it. What the owner of a key
//! sees of another account's session is its id alone, `AROA…:session`.

use std::borrow::Cow;

use keytrail_events::kms::arn::Arn;

use super::text::{Compute, TextFunction};

pub(super) fn principal_role() -> TextFunction {
    TextFunction::new("principal_role", &[1], Compute::Text(|texts| Ok(texts[0].map(role)))).documented(
        "principal_role(principal)",
        "The role behind an assumed-role session, by its ARN or its id (`AROA…:session`); any other text unchanged.",
    )
}

fn role(principal: &str) -> Cow<'_, str> {
    match principal.split_once(':') {
        Some((role_id, _)) if role_id.starts_with("AROA") => Cow::Borrowed(role_id),
        _ => role_of(principal).map_or(Cow::Borrowed(principal), Cow::Owned),
    }
}

fn role_of(arn: &str) -> Option<String> {
    let Arn { partition, service, account, resource, .. } = Arn::parse(arn)?;
    let session = resource.strip_prefix("assumed-role/").filter(|_| service == "sts")?;
    let (role, _) = session.rsplit_once('/')?;
    Some(format!("arn:{partition}:iam::{account}:role/{role}"))
}
