//! Intervals are compared by their lengths: a day has 24 hours, since all times are UTC, and a month 30 days, as in PostgreSQL and DuckDB.
//!
//! The engine compares months, then days, then the rest, so that 36 hours were less than a day, and every difference of two times was.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
};
use arrow_array::{ArrayRef, Decimal128Array};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, Sort, WindowFunctionDefinition};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{Inputs, calls, is_comparison};

/// Nanoseconds.
const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 24 * 60 * 60 * SECOND;
const MONTH: i128 = 30 * DAY;

static LENGTH: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(IntervalLength::new())));

pub(super) fn mend(mut expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    if is_comparison(&expr) {
        return match compares_lengths(&expr, inputs)? {
            true => expr.map_children(|part| Ok(Transformed::yes(length(part)))),
            false => Ok(Transformed::no(expr)),
        };
    }
    refuse_extremes(&expr, inputs)?;
    let keys = match &mut expr {
        Expr::AggregateFunction(AggregateFunction { params, .. }) => &mut params.order_by,
        Expr::WindowFunction(function) => &mut function.params.order_by,
        _ => return Ok(Transformed::no(expr)),
    };
    let mut is_changed = false;
    for key in keys {
        let Sort { expr: by, .. } = key;
        if is_interval(by, inputs) {
            *by = length(std::mem::take(by));
            is_changed = true;
        }
    }
    Ok(Transformed::new_transformed(expr, is_changed))
}

/// A sort key of a plan, which is its length where it is an interval.
#[allow(clippy::unnecessary_wraps, reason = "it is called where others can fail")]
pub(super) fn mend_key(key: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    Ok(match is_interval(&key, inputs) {
        true => Transformed::yes(length(key)),
        false => Transformed::no(key),
    })
}

/// Whether all that is compared has a length, and one of it is an interval: of durations the engine knows the lengths.
fn compares_lengths(expr: &Expr, inputs: &Inputs) -> Result<bool> {
    let (mut has_interval, mut has_other) = (false, false);
    expr.apply_children(|part| {
        match inputs.type_of(part) {
            Some(DataType::Interval(_)) => has_interval = true,
            Some(DataType::Duration(_)) => {}
            _ => has_other = true,
        }
        Ok(if has_other { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(has_interval && !has_other)
}

fn is_interval(expr: &Expr, inputs: &Inputs) -> bool {
    matches!(inputs.type_of(expr), Some(DataType::Interval(_)))
}

/// `max`, `greatest` and the like give an interval back, which has to be found by its length first.
fn refuse_extremes(expr: &Expr, inputs: &Inputs) -> Result<()> {
    let (name, args) = match expr {
        Expr::AggregateFunction(AggregateFunction { func, params }) => (func.name(), &params.args),
        Expr::WindowFunction(function) => match &function.fun {
            WindowFunctionDefinition::AggregateUDF(func) => (func.name(), &function.params.args),
            WindowFunctionDefinition::WindowUDF(_) => return Ok(()),
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) if calls(expr, &["greatest", "least"]) => {
            (func.name(), args)
        }
        _ => return Ok(()),
    };
    let is_extreme = matches!(name, "max" | "min" | "greatest" | "least");
    if is_extreme && args.iter().any(|arg| is_interval(arg, inputs)) {
        return plan_err!(
            "{name} takes no intervals; take their lengths in seconds, such as {name}(date_part('epoch', …))"
        );
    }
    Ok(())
}

fn length(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&LENGTH), vec![expr]))
}

/// The nanoseconds of an interval or a duration.
#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalLength {
    signature: Signature,
}

impl IntervalLength {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

/// Whole numbers of more than 64 bits, which the months of an interval need.
const LENGTH_TYPE: DataType = DataType::Decimal128(38, 0);

impl ScalarUDFImpl for IntervalLength {
    fn name(&self) -> &str {
        "interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(LENGTH_TYPE)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return exec_err!("an interval has one length") };
        Ok(match argument {
            ColumnarValue::Array(intervals) => ColumnarValue::Array(Arc::new(lengths(intervals)?)),
            ColumnarValue::Scalar(interval) => {
                let length = lengths(&interval.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&length, 0)?)
            }
        })
    }
}

/// The nanoseconds of intervals or durations.
///
/// # Errors
/// When they are neither.
pub(crate) fn lengths(intervals: &ArrayRef) -> Result<Decimal128Array> {
    fn of<T: ArrowPrimitiveType>(intervals: &ArrayRef, length: impl Fn(T::Native) -> i128) -> Decimal128Array {
        intervals.as_primitive::<T>().unary(length)
    }
    let lengths = match intervals.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => {
            of::<IntervalYearMonthType>(intervals, |months| i128::from(months) * MONTH)
        }
        DataType::Interval(IntervalUnit::DayTime) => of::<IntervalDayTimeType>(intervals, |interval| {
            i128::from(interval.days) * DAY + i128::from(interval.milliseconds) * (SECOND / 1_000)
        }),
        DataType::Interval(IntervalUnit::MonthDayNano) => of::<IntervalMonthDayNanoType>(intervals, |interval| {
            i128::from(interval.months) * MONTH + i128::from(interval.days) * DAY + i128::from(interval.nanoseconds)
        }),
        DataType::Duration(TimeUnit::Second) => {
            of::<DurationSecondType>(intervals, |seconds| i128::from(seconds) * SECOND)
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            of::<DurationMillisecondType>(intervals, |millis| i128::from(millis) * (SECOND / 1_000))
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            of::<DurationMicrosecondType>(intervals, |micros| i128::from(micros) * (SECOND / 1_000_000))
        }
        DataType::Duration(TimeUnit::Nanosecond) => of::<DurationNanosecondType>(intervals, i128::from),
        other => return exec_err!("{other} has no length"),
    };
    Ok(lengths.with_data_type(LENGTH_TYPE))
}
