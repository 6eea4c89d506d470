//! `date '2026-01-01' - interval '1 hour'` is a time, as in PostgreSQL and DuckDB. To the engine it is a day, and the hour is dropped.
//!
//! Whole days and months that are written down keep it a day; whatever else is added makes it a time, also what is computed.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};

use super::Inputs;

/// Microseconds have all days that there are.
const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let is_date = |expr: &Expr| matches!(inputs.type_of(expr), Some(DataType::Date32 | DataType::Date64));
    let is_span = |expr: &Expr| {
        matches!(inputs.type_of(expr), Some(DataType::Interval(_) | DataType::Duration(_))) && !is_of_days(expr)
    };
    let (left, right, is_mended) = if is_date(&left) && is_span(&right) {
        (time(left), right, true)
    } else if op == Operator::Plus && is_span(&left) && is_date(&right) {
        (left, time(right), true)
    } else {
        (left, right, false)
    };
    Ok(Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), is_mended))
}

fn time(date: Box<Expr>) -> Box<Expr> {
    Box::new(Expr::Cast(Cast::new(date, TIME)))
}

/// Whether an interval is written down and has whole days.
fn is_of_days(span: &Expr) -> bool {
    const DAY_MILLISECONDS: i32 = 24 * 60 * 60 * 1_000;
    match span {
        Expr::Negative(span) => is_of_days(span),
        Expr::Literal(ScalarValue::IntervalMonthDayNano(span), _) => {
            span.is_none_or(|span| span.nanoseconds % (i64::from(DAY_MILLISECONDS) * 1_000_000) == 0)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(span), _) => {
            span.is_none_or(|span| span.milliseconds % DAY_MILLISECONDS == 0)
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => true,
        _ => false,
    }
}
