//! `arn_part(arn, part)`: the `partition`, `service`, `region`, `account` or `resource` of an ARN.
//!
//! Null where the text is no ARN, or where the ARN leaves that part empty (a bucket has neither region nor account).

use std::borrow::Cow;

use datafusion::common::{Result, exec_err};
use keytrail_events::kms::arn::Arn;

use super::text::{Compute, TextFunction, Texts};

pub(super) fn arn_part() -> TextFunction {
    TextFunction::new("arn_part", &[2], Compute::Text(compute)).documented(
        "arn_part(arn, part)",
        "The partition, service, region, account or resource of an ARN; null where it has none.",
    )
}

fn compute<'a>(texts: Texts<'_, 'a>) -> Result<Option<Cow<'a, str>>> {
    let pick: fn(Arn<'a>) -> &'a str = match texts[1] {
        Some("partition") => |arn| arn.partition,
        Some("service") => |arn| arn.service,
        Some("region") => |arn| arn.region,
        Some("account") => |arn| arn.account,
        Some("resource") => |arn| arn.resource,
        Some(other) => {
            return exec_err!("an ARN has partition, service, region, account and resource, but no such part: {other}");
        }
        None => return Ok(None),
    };
    Ok(texts[0].and_then(Arn::parse).map(pick).filter(|part| !part.is_empty()).map(Cow::Borrowed))
}
