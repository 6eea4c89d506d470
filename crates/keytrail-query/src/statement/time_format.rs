//! Formats of `to_char`: the engine knows those of strftime, and gives any other text back as it is.
//!
//! It formats nothing: see [`crate::statement::read_only`], which refuses such a statement.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

/// The function's names.
const NAMES: [&str; 2] = ["to_char", "date_format"];
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
