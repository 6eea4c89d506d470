//! `key_id(key_arn)`: the id in a KMS key's ARN, `mrk-…` for a multi-Region key; null for anything else.

use std::borrow::Cow;

use keytrail_events::kms::arn::key_id_of;

use super::text::{Compute, TextFunction};

pub(super) fn key_id() -> TextFunction {
    TextFunction::new("key_id", &[1], Compute::Text(|texts| Ok(texts[0].and_then(key_id_of).map(Cow::Borrowed))))
        .documented("key_id(key_arn)", "The id in the ARN of a KMS key; null for anything else.")
}
