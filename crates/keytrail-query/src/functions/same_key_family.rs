//! `same_key_family(a, b)`: whether two key ARNs are one key, or members of one multi-Region set.
//!
//! Members share their id, partition and account, and with them the key material: what one encrypted, any other opens.

use super::arn_part::parts;
use super::key_id::id;
use super::text::{Compute, TextFunction};

pub(super) fn same_key_family() -> TextFunction {
    let compute = Compute::Truth(|texts| Some(is_same_family(texts[0]?, texts[1]?)));
    TextFunction::new("same_key_family", &[2], compute).documented(
        "same_key_family(key_arn, key_arn)",
        "Whether two key ARNs are one key or members of one multi-Region set.",
    )
}

fn is_same_family(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (Some(one_parts), Some(other_parts)) = (parts(one), parts(other)) else {
        return false;
    };
    let is_multi_region = id(one).is_some_and(|key_id| key_id.starts_with("mrk-"));
    is_multi_region && id(one) == id(other) && one_parts[1] == other_parts[1] && one_parts[4] == other_parts[4]
}
