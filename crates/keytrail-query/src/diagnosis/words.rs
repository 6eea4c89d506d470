//! The engine's names of types in the words of SQL, wherever they stand in a message.

use crate::prompt::describe::sql_type;

/// Types that stand alone.
const PLAIN: [&str; 18] = [
    "Utf8",
    "Utf8View",
    "LargeUtf8",
    "Boolean",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float32",
    "Float64",
    "Date32",
    "BinaryView",
    "Decimal128",
    "Decimal256",
];
/// Types that are told with what they are made of.
const MADE: [&str; 9] =
    ["Timestamp", "Map", "Dictionary", "Decimal128", "Decimal256", "Interval", "Duration", "List", "Struct"];

/// A message in the words of SQL.
pub(super) fn in_sql(message: &str) -> String {
    let mut told = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let is_inside = told.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length.max(first.len_utf8()));
        let parts = behind.strip_prefix('(').and_then(in_brackets);
        rest = match parts {
            Some((parts, behind)) if !is_inside && MADE.contains(&word) => {
                told.push_str(&made(word, parts));
                behind
            }
            _ if !is_inside && PLAIN.contains(&word) => {
                told.push_str(plain(word));
                behind
            }
            _ => {
                told.push_str(word);
                behind
            }
        };
    }
    told
}

fn plain(word: &str) -> &str {
    match word {
        "UInt8" | "UInt16" | "UInt32" | "UInt64" => "unsigned number",
        "Decimal128" | "Decimal256" => "decimal",
        word => sql_type(word),
    }
}

fn made(word: &str, parts: &str) -> String {
    match word {
        "Timestamp" => "timestamp".to_owned(),
        "Map" => "map".to_owned(),
        "Interval" | "Duration" => "interval".to_owned(),
        "List" => "list".to_owned(),
        "Struct" => "struct".to_owned(),
        "Dictionary" => parts.split_once(", ").map_or_else(|| "text".to_owned(), |(_, values)| in_sql(values)),
        _ => format!("decimal({})", parts.replace(' ', "")),
    }
}

/// What stands in brackets, the first of which is taken, and what follows them.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_as_sql_has_them() {
        for (message, expected) in [
            ("cast Utf8View to Int64", "cast text to bigint"),
            ("`avg(Timestamp(µs, \"UTC\"), Float64)`", "`avg(timestamp, double)`"),
            ("Map(\"key_value\": non-null Struct(\"key\": Utf8), unsorted) = é", "map = é"),
            ("Dictionary(Int32, Utf8) and Decimal128(38, 0)", "text and decimal(38,0)"),
            ("a Decimal128 of precision 5", "a decimal of precision 5"),
            ("MyUtf8 is Utf8s, Map, Timestamp(", "MyUtf8 is Utf8s, Map, Timestamp("),
        ] {
            assert_eq!(in_sql(message), expected);
        }
    }
}
