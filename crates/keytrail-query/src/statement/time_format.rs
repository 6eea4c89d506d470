//! Formats of `to_char`: the engine knows those of strftime, and gives any other text back as it is. Formats of `to_timestamp`: where one has a
//! part of a time of day only, such as an hour, the engine reads the day and forgets the rest.
//!
//! It formats nothing: see [`crate::statement::read_only`], which refuses such a statement.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

/// The function's names.
const NAMES: [&str; 2] = ["to_char", "date_format"];
/// Functions that read a time by formats, which follow the text.
const READING: [&str; 6] = [
    "to_timestamp",
    "to_timestamp_seconds",
    "to_timestamp_millis",
    "to_timestamp_micros",
    "to_timestamp_nanos",
    "to_unixtime",
];
/// Formats of durations, which are words.
const DURATION_FORMATS: [&str; 2] = ["iso8601", "pretty"];
/// What PostgreSQL and Oracle write, longer words first, and the same here.
const FIELDS: [(&str, &str); 7] =
    [("YYYY", "%Y"), ("HH24", "%H"), ("MM", "%m"), ("DD", "%d"), ("HH", "%H"), ("MI", "%M"), ("SS", "%S")];

/// The format of a call of `to_char`, written out, that no field of a time is in.
pub(crate) fn without_fields(function: &Function) -> Option<&str> {
    let name = function.name.0.last()?.as_ident()?.value.to_ascii_lowercase();
    let FunctionArguments::List(arguments) = &function.args else { return None };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(format)))] = arguments.args.as_slice() else {
        return None;
    };
    let Value::SingleQuotedString(format) = &format.value else { return None };
    let is_of_duration = DURATION_FORMATS.iter().any(|known| known.eq_ignore_ascii_case(format));
    let has_letter = format.contains(char::is_alphabetic);
    (NAMES.contains(&name.as_str()) && has_letter && !format.contains('%') && !is_of_duration).then_some(format)
}

/// The format of a call of `to_timestamp`, written out, that has a part of a time of day and not all that makes one.
pub(crate) fn with_half_a_time(function: &Function) -> Option<&str> {
    let name = function.name.0.last()?.as_ident()?.value.to_ascii_lowercase();
    let FunctionArguments::List(arguments) = &function.args else { return None };
    if !READING.contains(&name.as_str()) {
        return None;
    }
    let formats = arguments.args.iter().skip(1).filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::SingleQuotedString(format) => Some(format.as_str()),
            _ => None,
        },
        _ => None,
    });
    formats.into_iter().find(|format| has_half_a_time(format))
}

/// Whether a format has some of a time of day, and not its hour and minute.
fn has_half_a_time(format: &str) -> bool {
    let fields = fields(format);
    let has = |known: &str| fields.chars().any(|field| known.contains(field));
    let has_hour = has("HkTXRrc+") || (has("Il") && has("pP"));
    let has_minute = has("MTXRrc+");
    let has_second = has("STXrc+");
    let is_time = has_hour && has_minute && (has_second || !has("f"));
    // `%s` is a time by itself.
    has("HkIlMSfpP") && !is_time && !has("s")
}

/// The letters of a format's fields; what stands between `%` and a letter tells how it is written (`%-H`, `%3f`, `%.f`).
fn fields(format: &str) -> String {
    let mut fields = String::new();
    let mut rest = format.chars();
    while rest.any(|c| c == '%') {
        fields.extend(rest.by_ref().find(|c| c.is_alphabetic() || matches!(c, '%' | '+')));
    }
    fields
}

/// What to write instead of such a format.
pub(crate) fn advice(format: &str) -> String {
    let written = FIELDS.iter().fold(format.to_owned(), |text, (field, ours)| text.replace(field, ours));
    let rest = FIELDS.iter().fold(format.to_owned(), |text, (field, _)| text.replace(field, ""));
    let example = if rest.contains(char::is_alphabetic) { "%Y-%m-%d %H:%M:%S" } else { &written };
    format!("formats are those of strftime, such as `'{example}'`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for whole in
            ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%F %T", "%I:%M %p", "%-d.%-m.%Y %-H:%M:%S%.f", "%+", "%s", "100%% %F", "%c"]
        {
            assert!(!has_half_a_time(whole), "{whole}");
        }
        for half in ["%Y-%m-%d %H", "%d %b %Y %k", "%F %I:%M", "%F %M:%S", "%F %p", "%F %H:%M%.3f", "%F %-H"] {
            assert!(has_half_a_time(half), "{half}");
        }
    }

    #[test]
    fn fields_are_written_as_strftime_has_them() {
        for (format, expected) in [
            ("YYYY-MM", "%Y-%m"),
            ("YYYY-MM-DD HH24:MI:SS", "%Y-%m-%d %H:%M:%S"),
            ("yyyy-MM-dd", "%Y-%m-%d %H:%M:%S"),
            ("Mon YYYY", "%Y-%m-%d %H:%M:%S"),
            ("day", "%Y-%m-%d %H:%M:%S"),
        ] {
            assert_eq!(advice(format), format!("formats are those of strftime, such as `'{expected}'`"), "{format}");
        }
    }
}
