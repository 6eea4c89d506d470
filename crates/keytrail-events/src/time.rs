//! Moments as CloudTrail writes them, to and from microseconds since the epoch.
//!
//! It reads `YYYY-MM-DDTHH:MM:SSZ` fast and tolerates fractions, offsets and the basic form; it knows no clock.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike};

/// Microseconds since the epoch, UTC, of an ISO 8601 moment, extended or basic; `None` for anything else.
pub fn parse_time(text: &str) -> Option<i64> {
    parse_canonical(text.as_bytes()).or_else(|| parse_tolerant(text))
}

/// The form that CloudTrail uses for `eventTime`.
fn parse_canonical(text: &[u8]) -> Option<i64> {
    let text: &[u8; 20] = text.try_into().ok()?;
    let is_shaped = text[4] == b'-'
        && text[7] == b'-'
        && text[10] == b'T'
        && text[13] == b':'
        && text[16] == b':'
        && text[19] == b'Z';
    if !is_shaped {
        return None;
    }
    let year = number(&text[0..4])?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(&text[5..7])?, number(&text[8..10])?)?;
    let moment = date.and_hms_opt(number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?)?;
    Some(moment.and_utc().timestamp_micros())
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

fn parse_tolerant(text: &str) -> Option<i64> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp_micros());
    }
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|moment| moment.and_utc().timestamp_micros())
}

/// The same for what query results and the console write: also `2023-07-10 12:00:00.000`, with or without `UTC`, and
/// `July 10, 2023, 14:00:00 (UTC+02:00)`.
pub(crate) fn parse_exported_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let plain = text.strip_suffix("UTC").unwrap_or(text).trim_end();
    let query = || {
        NaiveDateTime::parse_from_str(plain, "%Y-%m-%d %H:%M:%S%.f")
            .ok()
            .map(|moment| moment.and_utc().timestamp_micros())
    };
    let console = || {
        let moment = DateTime::parse_from_str(text, "%B %d, %Y, %H:%M:%S (UTC%:z)").ok()?;
        Some(moment.timestamp_micros())
    };
    parse_time(text).or_else(query).or_else(console)
}

/// Appends the moment in CloudTrail's form, with parts of a second where there are any.
pub(crate) fn push_exact_time(out: &mut String, micros: i64) {
    push_time(out, micros);
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 && out.pop() == Some('Z') {
        out.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        out.push('Z');
    }
}

/// Appends the moment in CloudTrail's form, `YYYY-MM-DDTHH:MM:SSZ`; parts of a second are left out.
pub fn push_time(out: &mut String, micros: i64) {
    let Some(moment) = DateTime::from_timestamp_micros(micros) else { return };
    push_digits(out, moment.year().unsigned_abs(), 4);
    for (separator, value) in [
        ('-', moment.month()),
        ('-', moment.day()),
        ('T', moment.hour()),
        (':', moment.minute()),
        (':', moment.second()),
    ] {
        out.push(separator);
        push_digits(out, value, 2);
    }
    out.push('Z');
}

/// Appends the last `count` decimal digits of `value`. `chrono`'s format strings take ten times as long.
fn push_digits(out: &mut String, value: u32, count: u32) {
    for place in (0..count).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// The month of a moment as `YYYY-MM`, UTC.
pub fn month_of(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| "unknown".to_owned(), |moment| moment.format("%Y-%m").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cloudtrail_writes() {
        for (text, micros) in [
            ("2023-07-10T12:00:00Z", Some(1_688_990_400_000_000)),
            ("2023-07-10T12:00:00.5Z", Some(1_688_990_400_500_000)),
            ("2023-07-10T14:00:00+02:00", Some(1_688_990_400_000_000)),
            ("20230710T120000Z", Some(1_688_990_400_000_000)),
            ("2023-02-30T12:00:00Z", None),
            ("Aug 10, 2022, 10:38:27 PM", None),
            ("2023-07-10 12:00:00", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), micros, "{text}");
        }
    }

    #[test]
    fn reads_what_tables_hold() {
        for (text, expected) in [
            ("2023-07-10 12:00:00.000", Some("2023-07-10T12:00:00Z")),
            ("2023-07-10 12:00:00", Some("2023-07-10T12:00:00Z")),
            ("2023-07-10 12:00:00.250 UTC", Some("2023-07-10T12:00:00.25Z")),
            ("2023-07-10T14:00:00+02:00", Some("2023-07-10T12:00:00Z")),
            ("July 10, 2023, 14:00:00 (UTC+02:00)", Some("2023-07-10T12:00:00Z")),
            ("yesterday", None),
            ("", None),
        ] {
            let written = parse_exported_time(text).map(|micros| {
                let mut out = String::new();
                push_exact_time(&mut out, micros);
                assert_eq!(parse_time(&out), Some(micros));
                out
            });
            assert_eq!(written.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn writes_what_it_read() {
        for text in ["2023-07-10T12:00:00Z", "1999-12-31T23:59:59Z", "2028-02-29T00:00:01Z"] {
            let mut out = String::new();
            push_time(&mut out, parse_time(text).expect(text));
            assert_eq!(out, text);
        }
        assert_eq!(month_of(1_688_990_400_000_000), "2023-07");
    }
}
