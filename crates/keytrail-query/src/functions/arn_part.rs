//! `arn_part(arn, part)`: the `partition`, `service`, `region`, `account` or `resource` of an ARN.
//!
//! Null where the text is no ARN, or where the ARN leaves that part empty (a bucket has neither region nor account).

use std::borrow::Cow;

use datafusion::common::{Result, exec_err};

use super::text::{Compute, TextFunction, Texts};

pub(super) fn arn_part() -> TextFunction {
    TextFunction::new("arn_part", &[2], Compute::Text(compute)).documented(
        "arn_part(arn, part)",
        "The partition, service, region, account or resource of an ARN; null where it has none.",
    )
}

fn compute<'a>(texts: Texts<'_, 'a>) -> Result<Option<Cow<'a, str>>> {
    let index = match texts[1] {
        Some("partition") => 1,
        Some("service") => 2,
        Some("region") => 3,
        Some("account") => 4,
        Some("resource") => 5,
        Some(other) => {
            return exec_err!("an ARN has partition, service, region, account and resource, but no such part: {other}");
        }
        None => return Ok(None),
    };
    Ok(texts[0].and_then(parts).map(|parts| parts[index]).filter(|part| !part.is_empty()).map(Cow::Borrowed))
}

/// The six parts of an ARN, `arn` first; none = no ARN.
pub(super) fn parts(text: &str) -> Option<[&str; 6]> {
    let mut parts = [""; 6];
    let mut found = text.splitn(6, ':');
    for part in &mut parts {
        *part = found.next()?;
    }
    (parts[0] == "arn").then_some(parts)
}
