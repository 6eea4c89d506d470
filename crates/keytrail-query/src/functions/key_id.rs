//! `key_id(key_arn)`: the id in a KMS key's ARN, `mrk-…` for a multi-Region key; null for anything else.

use std::borrow::Cow;

use super::arn_part::parts;
use super::text::{Compute, TextFunction};

pub(super) fn key_id() -> TextFunction {
    TextFunction::new("key_id", &[1], Compute::Text(|texts| Ok(texts[0].and_then(id).map(Cow::Borrowed))))
        .documented("key_id(key_arn)", "The id in the ARN of a KMS key; null for anything else.")
}

/// The key id of a key ARN.
pub(super) fn id(key_arn: &str) -> Option<&str> {
    let parts = parts(key_arn).filter(|parts| parts[2] == "kms")?;
    parts[5].strip_prefix("key/").filter(|id| !id.is_empty())
}
