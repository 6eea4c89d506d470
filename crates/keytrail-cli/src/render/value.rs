//! One value of a record batch as text and as JSON: times in ISO 8601, spans of time in words, maps as JSON objects, numbers as they are.
//!
//! It shortens and escapes nothing that the JSON format does not ask for; what a null looks like is up to each format.

use std::borrow::Cow;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, DurationFormat, FormatOptions};
use arrow_schema::{ArrowError, DataType, TimeUnit, UnionMode};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::escape::push_json_string;

/// The text of a value; `None` for null.
///
/// # Errors
/// When the array holds a value that its type forbids.
pub(crate) fn text(array: &dyn Array, row: usize) -> Result<Option<Cow<'_, str>>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let text = match array.data_type() {
        DataType::Null => return Ok(None),
        DataType::Utf8 => Cow::Borrowed(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cow::Borrowed(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Cow::Borrowed(array.as_string_view().value(row)),
        DataType::Dictionary(_, _) => {
            return text(array.as_any_dictionary().values().as_ref(), dictionary_key(array, row));
        }
        DataType::Union(_, _) => {
            let (member, index) = union_member(array, row);
            return Ok(text(member.as_ref(), index)?.map(|text| Cow::Owned(text.into_owned())));
        }
        data_type if is_nested(data_type) => {
            let mut json = String::new();
            push_json(&mut json, array, row)?;
            Cow::Owned(json)
        }
        _ => Cow::Owned(scalar_text(array, row)?),
    };
    Ok(Some(text))
}

/// Appends the JSON of a value: numbers and booleans bare, everything else that is not nested as a string.
///
/// # Errors
/// When the array holds a value that its type forbids.
pub(crate) fn push_json(json: &mut String, array: &dyn Array, row: usize) -> Result<(), ArrowError> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        json.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Map(_, _) => push_json_map(json, array, row),
        DataType::Struct(_) => push_json_struct(json, array, row),
        DataType::List(_) => push_json_list(json, &array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => push_json_list(json, &array.as_list::<i64>().value(row)),
        DataType::ListView(_) => push_json_list(json, &array.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => push_json_list(json, &array.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(_, _) => push_json_list(json, &array.as_fixed_size_list().value(row)),
        DataType::Dictionary(_, _) => {
            push_json(json, array.as_any_dictionary().values().as_ref(), dictionary_key(array, row))
        }
        DataType::Union(_, _) => {
            let (member, index) = union_member(array, row);
            push_json(json, member.as_ref(), index)
        }
        data_type if is_bare_in_json(data_type) && is_finite(array, row) => {
            json.push_str(&scalar_text(array, row)?);
            Ok(())
        }
        _ => {
            push_json_string(json, &text(array, row)?.unwrap_or_default());
            Ok(())
        }
    }
}

fn push_json_map(json: &mut String, array: &dyn Array, row: usize) -> Result<(), ArrowError> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    json.push('{');
    for entry in 0..entries.len() {
        push_comma(json, entry);
        push_json_string(json, &text(keys, entry)?.unwrap_or_default());
        json.push(':');
        push_json(json, values, entry)?;
    }
    json.push('}');
    Ok(())
}

fn push_json_struct(json: &mut String, array: &dyn Array, row: usize) -> Result<(), ArrowError> {
    let members = array.as_struct();
    json.push('{');
    for (index, (field, values)) in members.fields().iter().zip(members.columns()).enumerate() {
        push_comma(json, index);
        push_json_string(json, field.name());
        json.push(':');
        push_json(json, values, row)?;
    }
    json.push('}');
    Ok(())
}

fn push_json_list(json: &mut String, values: &ArrayRef) -> Result<(), ArrowError> {
    json.push('[');
    for index in 0..values.len() {
        push_comma(json, index);
        push_json(json, values, index)?;
    }
    json.push(']');
    Ok(())
}

fn push_comma(json: &mut String, index: usize) {
    if index > 0 {
        json.push(',');
    }
}

/// The place of a row's value among those of its dictionary.
fn dictionary_key(array: &dyn Array, row: usize) -> usize {
    // Of a slice of one row, as it turns every key of the array into a number.
    array.slice(row, 1).as_any_dictionary().normalized_keys()[0]
}

/// The array that holds a union's value and the position in it.
fn union_member(array: &dyn Array, row: usize) -> (&ArrayRef, usize) {
    let union = array.as_union();
    let index = match union.data_type() {
        DataType::Union(_, UnionMode::Dense) => union.value_offset(row),
        _ => row,
    };
    (union.child(union.type_id(row)), index)
}

/// True for a type that is shown as a JSON object or array.
fn is_nested(data_type: &DataType) -> bool {
    data_type.is_nested() && !matches!(data_type, DataType::Union(_, _))
}

fn is_bare_in_json(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

/// JSON has no NaN and no infinity: they are written as strings.
fn is_finite(array: &dyn Array, row: usize) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).is_finite(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).is_finite(),
        _ => true,
    }
}

fn scalar_text(array: &dyn Array, row: usize) -> Result<String, ArrowError> {
    match array.data_type() {
        DataType::Timestamp(unit, zone) if zone.as_deref().is_none_or(is_utc) => {
            Ok(time_text(array, row, *unit, zone.is_some()))
        }
        DataType::Int32 => Ok(array.as_primitive::<Int32Type>().value(row).to_string()),
        DataType::Int64 => Ok(array.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Duration(_) | DataType::Interval(_) => {
            let options = FormatOptions::new().with_duration_format(DurationFormat::Pretty);
            Ok(whole_seconds(ArrayFormatter::try_new(array, &options)?.value(row).try_to_string()?))
        }
        _ => Ok(ArrayFormatter::try_new(array, &FormatOptions::new())?.value(row).try_to_string()?),
    }
}

/// `1 hours 0.000000 secs` without its zeros.
fn whole_seconds(span: String) -> String {
    let zeros = |seconds: &str| seconds.trim_end_matches('0').strip_suffix('.').map(str::to_owned);
    match span.strip_suffix(" secs").and_then(zeros) {
        Some(whole) => whole + " secs",
        None => span,
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Z" | "+00:00" | "Etc/UTC" | "GMT")
}

/// ISO 8601: `Z` when the column says UTC, nothing when it names no zone; fractions only where there are any.
fn time_text(array: &dyn Array, row: usize, unit: TimeUnit, has_zone: bool) -> String {
    let (value, time) = match unit {
        TimeUnit::Second => {
            let value = array.as_primitive::<TimestampSecondType>().value(row);
            (value, DateTime::from_timestamp(value, 0))
        }
        TimeUnit::Millisecond => {
            let value = array.as_primitive::<TimestampMillisecondType>().value(row);
            (value, DateTime::from_timestamp_millis(value))
        }
        TimeUnit::Microsecond => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (value, DateTime::from_timestamp_micros(value))
        }
        TimeUnit::Nanosecond => {
            let value = array.as_primitive::<TimestampNanosecondType>().value(row);
            (value, Some(DateTime::from_timestamp_nanos(value)))
        }
    };
    // A count outside the calendar is shown as the number that it is rather than as a wrong date.
    time.map_or_else(|| format!("{value} {unit:?}s since 1970"), |time| iso_8601(time, has_zone))
}

/// ISO 8601 in UTC, with `Z` when `has_zone`.
pub(crate) fn iso_8601(time: DateTime<Utc>, has_zone: bool) -> String {
    let mut text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if !has_zone {
        text.truncate(text.len() - 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{MapBuilder, StringBuilder};
    use arrow_array::{
        BooleanArray, DurationMicrosecondArray, Float64Array, Int64Array, NullArray, StringArray, StringViewArray,
        TimestampMicrosecondArray, TimestampNanosecondArray,
    };

    use super::*;

    fn shown(array: &dyn Array) -> String {
        text(array, 0).expect("a value").map_or_else(|| "<null>".to_owned(), Cow::into_owned)
    }

    fn json_of(array: &dyn Array) -> String {
        let mut json = String::new();
        push_json(&mut json, array, 0).expect("a value");
        json
    }

    fn map_of(entries: &[(&str, Option<&str>)]) -> ArrayRef {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in entries {
            builder.keys().append_value(key);
            builder.values().append_option(*value);
        }
        builder.append(true).expect("as many keys as values");
        Arc::new(builder.finish())
    }

    #[test]
    fn values_have_one_text_and_one_json() {
        let utc = |micros| TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
        let cases: Vec<(ArrayRef, &str, &str)> = vec![
            (Arc::new(StringArray::from(vec!["a\"b"])), "a\"b", r#""a\"b""#),
            (Arc::new(StringViewArray::from(vec!["x"])), "x", r#""x""#),
            (Arc::new(StringArray::from(vec![None::<&str>])), "<null>", "null"),
            (Arc::new(NullArray::new(1)), "<null>", "null"),
            (Arc::new(Int64Array::from(vec![i64::MIN])), "-9223372036854775808", "-9223372036854775808"),
            (Arc::new(BooleanArray::from(vec![true])), "true", "true"),
            (Arc::new(Float64Array::from(vec![1.5])), "1.5", "1.5"),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "NaN", r#""NaN""#),
            (Arc::new(utc(1_700_000_000_000_000)), "2023-11-14T22:13:20Z", r#""2023-11-14T22:13:20Z""#),
            (Arc::new(utc(1_700_000_000_000_001)), "2023-11-14T22:13:20.000001Z", r#""2023-11-14T22:13:20.000001Z""#),
            (
                Arc::new(DurationMicrosecondArray::from(vec![90_000_000])),
                "0 days 0 hours 1 mins 30 secs",
                r#""0 days 0 hours 1 mins 30 secs""#,
            ),
            (
                Arc::new(DurationMicrosecondArray::from(vec![-1_500_000])),
                "0 days 0 hours 0 mins -1.500000 secs",
                r#""0 days 0 hours 0 mins -1.500000 secs""#,
            ),
            (Arc::new(TimestampNanosecondArray::from(vec![0])), "1970-01-01T00:00:00", r#""1970-01-01T00:00:00""#),
            (map_of(&[("a", Some("1")), ("b\n", None)]), r#"{"a":"1","b\n":null}"#, r#"{"a":"1","b\n":null}"#),
            (map_of(&[]), "{}", "{}"),
        ];
        for (array, expected_text, expected_json) in cases {
            assert_eq!(shown(array.as_ref()), expected_text);
            assert_eq!(json_of(array.as_ref()), expected_json);
        }
    }

    #[test]
    fn a_time_outside_the_calendar_is_not_a_wrong_date() {
        let array = TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC");
        assert!(shown(&array).contains("9223372036854775807") || shown(&array).starts_with('+'));
    }
}
