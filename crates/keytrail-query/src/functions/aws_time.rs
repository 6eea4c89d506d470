//! `aws_time(text)`: the moment that a date in a request or response means, however AWS wrote it.
//!
//! `eventTime` needs no such thing; what stands inside `requestParameters` and `responseElements` does: ISO 8601, seconds
//! since the epoch, or the text of a Java date such as `Sep 12, 2023, 12:00:00 AM`, always UTC. Anything else is null.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Duration, NaiveDateTime};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use keytrail_events::time::parse_time;

use super::documentation;

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AwsTime {
    signature: Signature,
    documentation: Documentation,
}

impl AwsTime {
    pub(super) fn new() -> Self {
        let description = "The moment, UTC, that a date in a request or response means, however AWS wrote it; null for anything else.";
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation("aws_time(text)", description),
        }
    }
}

impl ScalarUDFImpl for AwsTime {
    fn name(&self) -> &str {
        "aws_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [_] => Ok(vec![DataType::Utf8]),
            _ => plan_err!("aws_time takes a text, got {} arguments", arg_types.len()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let moments = texts.as_string::<i32>().iter().map(|text| text.and_then(micros_of));
        let moments: TimestampMicrosecondArray = moments.collect();
        Ok(ColumnarValue::Array(Arc::new(moments.with_timezone("UTC")) as ArrayRef))
    }
}

/// Microseconds since the epoch.
fn micros_of(text: &str) -> Option<i64> {
    let text = text.trim();
    parse_time(text).or_else(|| of_python_text(text)).or_else(|| of_java_text(text)).or_else(|| of_epoch(text))
}

/// `2023-09-12 02:00:00.5+02:00`, as boto3's times print themselves.
fn of_python_text(text: &str) -> Option<i64> {
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z").ok().map(|moment| moment.timestamp_micros())
}

/// `Sep 12, 2023, 12:00:00 AM`, with or without the second comma, with any kind of space before AM or PM; also the
/// `18:58:30 PM` of an official sample, where the hour is one of 24.
fn of_java_text(text: &str) -> Option<i64> {
    let text = text.replace(['\u{202f}', '\u{a0}'], " ").to_ascii_uppercase();
    let (moment, half) = match (text.strip_suffix("AM"), text.strip_suffix("PM")) {
        (Some(moment), _) => (moment, Some(Half::Morning)),
        (_, Some(moment)) => (moment, Some(Half::Afternoon)),
        _ => (text.as_str(), None),
    };
    let moment = moment.trim_end();
    let parsed = ["%b %d, %Y, %H:%M:%S", "%b %d, %Y %H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(moment, format).ok())?;
    let hour = chrono::Timelike::hour(&parsed);
    let shifted = match half {
        Some(Half::Morning) if hour == 12 => parsed - Duration::hours(12),
        Some(Half::Afternoon) if hour < 12 => parsed + Duration::hours(12),
        _ => parsed,
    };
    Some(shifted.and_utc().timestamp_micros())
}

enum Half {
    Morning,
    Afternoon,
}

/// Seconds since the epoch, with a fraction or without.
fn of_epoch(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.len() < 9 || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    DateTime::from_timestamp(seconds.parse().ok()?, 0).map(|moment| moment.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_however_aws_wrote_them() {
        // Domain checklist 26.
        let cases = [
            ("2023-09-12T00:00:00Z", Some("2023-09-12T00:00:00Z")),
            ("2023-09-12T02:00:00+02:00", Some("2023-09-12T00:00:00Z")),
            ("2023-09-12 02:00:00.5+02:00", Some("2023-09-12T00:00:00Z")),
            ("Sep 12, 2023, 12:00:00 AM", Some("2023-09-12T00:00:00Z")),
            ("Sep 12, 2023 12:00:00 PM", Some("2023-09-12T12:00:00Z")),
            ("Aug 10, 2022, 10:38:27 PM", Some("2022-08-10T22:38:27Z")),
            ("Aug 10, 2022, 10:38:27\u{202f}PM", Some("2022-08-10T22:38:27Z")),
            ("Jan 1, 2021 8:00:00 AM", Some("2021-01-01T08:00:00Z")),
            ("Apr 12, 2021 18:58:30 PM", Some("2021-04-12T18:58:30Z")),
            ("1694476800", Some("2023-09-12T00:00:00Z")),
            ("1694476800.5", Some("2023-09-12T00:00:00Z")),
            ("12", None),
            ("", None),
            ("soon", None),
            ("HIDDEN_DUE_TO_SECURITY_REASONS", None),
        ];
        for (text, expected) in cases {
            let found = micros_of(text).and_then(DateTime::from_timestamp_micros);
            let found = found.map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
