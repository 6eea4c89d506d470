//! Constants of times before 1677 or after 2262, beside columns that hold microseconds.
//!
//! The engine takes every written time for nanoseconds, which have 64 bits for these years only, and failed over `event_time <
//! '9999-12-31'`. What such a constant is compared with tells that microseconds are enough, which it is made here.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Utc};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, lit};

use super::{Inputs, calls, is_comparison};

/// Functions that give one of their arguments.
const CHOOSING: [&str; 4] = ["coalesce", "greatest", "least", "nullif"];

pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    if !is_comparison(&expr) && !calls(&expr, &CHOOSING) {
        return Ok(Transformed::no(expr));
    }
    let mut has_far_time = false;
    expr.apply_children(|part| {
        has_far_time |= constant_time(part).is_some_and(|time| is_far(&time));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let zone = if has_far_time { zone_of_column(&expr, inputs)? } else { None };
    let Some(zone) = zone else { return Ok(Transformed::no(expr)) };
    // All of them: one type is found for the elements of a list.
    expr.map_children(|part| {
        Ok(match constant_time(&part) {
            Some(time) => {
                let micros = Some(time.timestamp_micros());
                Transformed::yes(lit(ScalarValue::TimestampMicrosecond(micros, zone.clone())))
            }
            None => Transformed::no(part),
        })
    })
}

/// Whether a time has no nanoseconds since 1970 in 64 bits.
pub(crate) fn is_far(time: &DateTime<Utc>) -> bool {
    time.timestamp_nanos_opt().is_none()
}

/// The zone of a part that is a time of microseconds or less; none where there is no such part.
#[allow(clippy::option_option, reason = "a time may have no zone")]
fn zone_of_column(expr: &Expr, inputs: &Inputs) -> Result<Option<Option<Arc<str>>>> {
    let mut found = None;
    expr.apply_children(|part| {
        let is_constant = constant_time(part).is_some();
        Ok(match inputs.type_of(part).filter(|_| !is_constant) {
            Some(DataType::Timestamp(unit, zone)) if unit != TimeUnit::Nanosecond => {
                found = Some(zone);
                TreeNodeRecursion::Stop
            }
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// The time that an expression writes down: `'2300-01-01'`, `timestamp '2300-01-01'`, `date '2300-01-01'`.
fn constant_time(expr: &Expr) -> Option<DateTime<Utc>> {
    match expr {
        Expr::Literal(ScalarValue::Date32(Some(days)), _) => DateTime::from_timestamp(i64::from(*days) * 86_400, 0),
        Expr::Literal(value, _) => written_time(value.try_as_str()??),
        Expr::Cast(Cast { expr, field }) if matches!(field.data_type(), DataType::Timestamp(..)) => constant_time(expr),
        Expr::Cast(Cast { expr, field }) if field.data_type() == &DataType::Date32 => {
            let time = constant_time(expr)?;
            Some(time.date_naive().and_hms_opt(0, 0, 0)?.and_utc())
        }
        _ => None,
    }
}

/// A time as the engine reads it.
pub(crate) fn written_time(text: &str) -> Option<DateTime<Utc>> {
    string_to_datetime(&Utc, text).ok()
}
