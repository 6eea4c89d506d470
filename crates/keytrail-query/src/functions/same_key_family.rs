//! `same_key_family(a, b)`: whether two key ARNs are one key, or members of one multi-Region set.
//!
//! Members share their id, partition and account, and with them the key material: what one encrypted, any other opens.

use keytrail_events::kms::arn::{Arn, is_multi_region};

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
    let (Some(one), Some(other)) = (Arn::parse(one), Arn::parse(other)) else {
        return false;
    };
    one.key_id().is_some_and(is_multi_region)
        && one.key_id() == other.key_id()
        && one.partition == other.partition
        && one.account == other.account
}
