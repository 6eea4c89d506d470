//! `principal_role(arn)`: the role behind an assumed-role session, without the session; any other text unchanged.
//!
//! A session's ARN does not tell the path of its role: `role_arn` of `events` does, where the record names it.

use std::borrow::Cow;

use keytrail_events::kms::arn::Arn;

use super::text::{Compute, TextFunction};

pub(super) fn principal_role() -> TextFunction {
    TextFunction::new("principal_role", &[1], Compute::Text(|texts| Ok(texts[0].map(role))))
        .documented("principal_role(arn)", "The role behind an assumed-role session's ARN; any other text unchanged.")
}

fn role(arn: &str) -> Cow<'_, str> {
    role_of(arn).map_or(Cow::Borrowed(arn), Cow::Owned)
}

fn role_of(arn: &str) -> Option<String> {
    let Arn { partition, service, account, resource, .. } = Arn::parse(arn)?;
    let session = resource.strip_prefix("assumed-role/").filter(|_| service == "sts")?;
    let (role, _) = session.rsplit_once('/')?;
    Some(format!("arn:{partition}:iam::{account}:role/{role}"))
}
