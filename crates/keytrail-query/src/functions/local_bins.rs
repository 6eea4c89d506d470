//! Buckets of times with a zone other than UTC begin by the clocks of that zone: a day at its midnight, as `date_trunc` has it.
//!
//! The engine's `date_bin` cuts where UTC would and shows what it cut in the zone. Here it is given what the clocks show, and what it
//! gives is looked up again. What the clocks show twice is two buckets where they are of an hour or less, else the first of both; what
//! they pass over is the moment at which they do.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, TimeUnit};
use chrono::{DateTime, MappedLocalTime, Offset, TimeDelta, TimeZone};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

/// Microseconds.
const SECOND: i64 = 1_000_000;
const HOUR_NANOSECONDS: i64 = 60 * 60 * 1_000_000_000;

/// What clocks show, without a zone.
const SHOWN: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The engine's `date_bin`, for times of all zones.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateBin {
    engine: Arc<ScalarUDF>,
}

impl DateBin {
    pub(super) fn new() -> Self {
        Self { engine: date_bin() }
    }
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.engine.inner().return_type(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        binned(&self.engine, args)
    }
}

/// What `date_bin` gives for a width, a time and an origin, which may be left away.
///
/// # Errors
/// Those of `date_bin`.
pub(super) fn binned(date_bin: &ScalarUDF, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
    let zone = args.args.get(1).map(ColumnarValue::data_type);
    let Some(zone) = zone.as_ref().and_then(local_zone) else {
        return date_bin.inner().invoke_with_args(args);
    };
    let zone: Tz = zone.parse()?;
    let is_short = match &args.args[0] {
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(width))) => {
            width.months == 0 && width.days == 0 && width.nanoseconds <= HOUR_NANOSECONDS
        }
        _ => false,
    };
    let times = match &args.args[1] {
        ColumnarValue::Array(times) => cast(times, &utc())?,
        ColumnarValue::Scalar(time) => cast(&time.to_array()?, &utc())?,
    };
    let times = times.as_primitive::<TimestampMicrosecondType>();
    set(&mut args, 1, ColumnarValue::Array(Arc::new(shown_by_clocks(zone, times)?)));
    if let Some(ColumnarValue::Scalar(origin)) = args.args.get(2)
        && local_zone(&origin.data_type()).is_some()
    {
        let origin = cast(&origin.to_array()?, &utc())?;
        let shown = shown_by_clocks(zone, origin.as_primitive())?;
        let shown = cast(&shown, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
        set(&mut args, 2, ColumnarValue::Scalar(ScalarValue::try_from_array(&shown, 0)?));
    }
    let return_type = args.return_field.data_type().clone();
    args.return_field = Arc::new(Field::new(args.return_field.name(), SHOWN, true));
    let bins = date_bin.inner().invoke_with_args(args)?.into_array(times.len())?;
    let bins = bins.as_primitive::<TimestampMicrosecondType>();
    let moments = times.iter().zip(bins.iter()).map(|(time, bin)| match (time, bin) {
        (Some(time), Some(bin)) => moment(zone, bin, time, is_short).map(Some),
        _ => Ok(None),
    });
    let moments: TimestampMicrosecondArray = moments.collect::<Result<Vec<_>>>()?.into();
    let moments: ArrayRef = Arc::new(moments.with_timezone("UTC"));
    Ok(ColumnarValue::Array(cast(&moments, &return_type)?))
}

/// The zone of a time where it is not UTC.
fn local_zone(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Timestamp(_, Some(zone)) if !matches!(&**zone, "UTC" | "+00:00") => Some(zone),
        _ => None,
    }
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn set(args: &mut ScalarFunctionArgs, index: usize, value: ColumnarValue) {
    args.arg_fields[index] = Arc::new(Field::new(args.arg_fields[index].name(), value.data_type(), true));
    args.args[index] = value;
}

fn shown_by_clocks(zone: Tz, times: &TimestampMicrosecondArray) -> Result<TimestampMicrosecondArray> {
    times.try_unary(|time| {
        let at = DateTime::from_timestamp_micros(time).ok_or_else(|| exec_datafusion_err!("no such time: {time}"))?;
        let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        Ok(time + i64::from(offset.local_minus_utc()) * SECOND)
    })
}

/// The moment at which the clocks show the beginning of the bucket that a time falls into.
fn moment(zone: Tz, shown: i64, time: i64, is_short: bool) -> Result<i64> {
    let none = || exec_datafusion_err!("no such time: {shown}");
    let clocks = DateTime::from_timestamp_micros(shown).ok_or_else(none)?.naive_utc();
    Ok(match zone.from_local_datetime(&clocks) {
        MappedLocalTime::Single(at) => at.timestamp_micros(),
        MappedLocalTime::Ambiguous(first, second) => {
            let second = second.timestamp_micros();
            if is_short && second <= time { second } else { first.timestamp_micros() }
        }
        MappedLocalTime::None => {
            let before = clocks.checked_sub_signed(TimeDelta::days(1)).ok_or_else(none)?;
            let offset = zone.offset_from_utc_datetime(&before).fix();
            shown - i64::from(offset.local_minus_utc()) * SECOND
        }
    })
}
