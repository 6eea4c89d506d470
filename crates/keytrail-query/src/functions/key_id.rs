//! `key_id(key)`: the id in a KMS key's ARN, `mrk-…` for a multi-Region key; of a bare id itself; null for anything else.

use std::borrow::Cow;

use keytrail_events::kms::arn::{is_key_id, key_id_of};

use super::text::{Compute, TextFunction};

pub(super) fn key_id() -> TextFunction {
    TextFunction::new("key_id", &[1], Compute::Text(|texts| Ok(texts[0].and_then(id_of).map(Cow::Borrowed))))
        .documented("key_id(key)", "The id in the ARN of a KMS key, or a bare id itself; null for anything else.")
}

fn id_of(key: &str) -> Option<&str> {
    key_id_of(key).or_else(|| Some(key).filter(|id| is_key_id(id)))
}
