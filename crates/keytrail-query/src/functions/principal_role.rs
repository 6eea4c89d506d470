//! `principal_role(arn)`: the role behind an assumed-role session, without the session; any other text unchanged.
//!
//! A session's ARN does not tell the path of its role: `role_arn` of `events` does, where the record names it.

use std::borrow::Cow;

use super::arn_part::parts;
use super::text::{Compute, TextFunction};

pub(super) fn principal_role() -> TextFunction {
    TextFunction::new("principal_role", &[1], Compute::Text(|texts| Ok(texts[0].map(role))))
        .documented("principal_role(arn)", "The role behind an assumed-role session's ARN; any other text unchanged.")
}

fn role(arn: &str) -> Cow<'_, str> {
    role_of(arn).map_or(Cow::Borrowed(arn), Cow::Owned)
}

fn role_of(arn: &str) -> Option<String> {
    let [_, partition, service, _, account, resource] = parts(arn)?;
    let session = resource.strip_prefix("assumed-role/").filter(|_| service == "sts")?;
    let (role, _) = session.rsplit_once('/')?;
    Some(format!("arn:{partition}:iam::{account}:role/{role}"))
}
