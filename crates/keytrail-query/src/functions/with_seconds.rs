//! `with_seconds(text)`: a time that is written without seconds, with them; any other text as it is. Plans call it, statements need not.

use std::borrow::Cow;

use datafusion::logical_expr::ScalarUDF;

use super::text::{Compute, TextFunction};

/// The function's name.
pub(crate) const NAME: &str = "with_seconds";

/// The function.
pub(crate) fn with_seconds() -> ScalarUDF {
    let function = TextFunction::new(NAME, &[1], Compute::Text(|texts| Ok(texts[0].map(completed))));
    ScalarUDF::new_from_impl(function)
}

/// `2026-01-01 10:00Z` as `2026-01-01 10:00:00Z`.
pub(crate) fn completed(text: &str) -> Cow<'_, str> {
    let Some((time, rest)) = text.split_at_checked(16) else { return Cow::Borrowed(text) };
    let is_shaped = time.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b' ' | b'T' | b't'),
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    // Nothing, or a zone.
    let is_all = !rest.starts_with(':') && !rest.starts_with(|c: char| c.is_ascii_digit());
    if is_shaped && is_all { Cow::Owned(format!("{time}:00{rest}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_added_where_there_are_none() {
        for (text, expected) in [
            ("2026-01-01 10:00", "2026-01-01 10:00:00"),
            ("2026-01-01T10:00Z", "2026-01-01T10:00:00Z"),
            ("2026-01-01 10:00+01:00", "2026-01-01 10:00:00+01:00"),
            ("2026-01-01 10:00:05", "2026-01-01 10:00:05"),
            ("2026-01-01", "2026-01-01"),
            ("2026-01-01 10", "2026-01-01 10"),
            ("at some point in é", "at some point in é"),
        ] {
            assert_eq!(completed(text), expected);
        }
    }
}
