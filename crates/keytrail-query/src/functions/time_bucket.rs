//! `time_bucket(width, time)`: the start of the bucket that a time falls into.
//!
//! The engine's `date_bin` with the customary origin: weeks start on a Monday, months and years on their first day.

use std::sync::Arc;

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{documentation, local_bins};

/// Nanoseconds from the epoch to 2000-01-03, a Monday.
const MONDAY_ORIGIN: i64 = 946_857_600_000_000_000;
/// Nanoseconds from the epoch to 2000-01-01.
const MONTH_ORIGIN: i64 = 946_684_800_000_000_000;

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
    documentation: Documentation,
    bin: Arc<ScalarUDF>,
}

impl TimeBucket {
    pub(super) fn new() -> Self {
        let description = "The start of the bucket of a width, such as interval '15 minutes', that a time falls into; weeks start on a Monday.";
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            bin: date_bin(),
            documentation: documentation("time_bucket(width, time)", description),
        }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [_, time] = arg_types else {
            return plan_err!("time_bucket takes a width and a time, got {} arguments", arg_types.len());
        };
        let time = match time {
            DataType::Timestamp(..) => time.clone(),
            _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano), time])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[1].clone())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let origin = ColumnarValue::Scalar(origin(&args)?);
        args.arg_fields.push(Arc::new(arrow_schema::Field::new("origin", origin.data_type(), false)));
        args.args.push(origin);
        local_bins::binned(&self.bin, args)
    }
}

/// The origin for the width, by the clocks of the time's own zone.
fn origin(args: &ScalarFunctionArgs) -> Result<ScalarValue> {
    let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(width))) = &args.args[0] else {
        return exec_err!("the width of time_bucket is an interval that is the same for all rows");
    };
    let nanoseconds = if width.months == 0 { MONDAY_ORIGIN } else { MONTH_ORIGIN };
    // `date_bin` looks at the values only.
    Ok(ScalarValue::TimestampNanosecond(Some(nanoseconds), None))
}
