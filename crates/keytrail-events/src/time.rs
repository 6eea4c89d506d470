//! Moments as CloudTrail writes them, to and from microseconds since the epoch.
//!
//! It reads `YYYY-MM-DDTHH:MM:SSZ` fast and tolerates fractions, offsets and the basic form; it knows no clock.

use chrono::{DateTime, NaiveDateTime};

use crate::text_sink::TextSink;

/// Moments from 1700 up to 2200: engines count nanoseconds, of which 64 bits hold the years 1678 to 2262, and add days to them.
const MOMENTS: std::ops::Range<i64> = -8_520_336_000 * MICROS_PER_SECOND..7_258_118_400 * MICROS_PER_SECOND;

/// Microseconds since the epoch, UTC, of an ISO 8601 moment, extended or basic, its offset with or without a colon, or of one as query
/// engines write it, `2023-07-10 12:00:00.000`, with or without `UTC`. `None` for anything else, and for a moment outside the years 1700 to
/// 2199, over which one statement after another would fail.
pub fn parse_time(text: &str) -> Option<i64> {
    parse_canonical(text.as_bytes()).or_else(|| parse_tolerant(text)).filter(|micros| MOMENTS.contains(micros))
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
    let (year, month, day) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_of(i64::from(year), month, day)?;
    let seconds = days * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second);
    Some(seconds * MICROS_PER_SECOND)
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 1 March of year 0 to the epoch. Years that begin in March have their leap day at the end.
const DAYS_TO_EPOCH: i64 = 719_468;
const DAYS_OF_400_YEARS: i64 = 146_097;

/// Days since the epoch; `None` where there is no such day.
fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > month_days {
        return None;
    }
    let year = if month > 2 { year } else { year - 1 };
    let months_since_march = i64::from((month + 9) % 12);
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * months_since_march + 2) / 5 + i64::from(day) - 1;
    Some(year * 365 + leap_days + day_of_year - DAYS_TO_EPOCH)
}

/// Year, month and day of a count of days since the epoch.
fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days + DAYS_TO_EPOCH;
    let era_day = days.rem_euclid(DAYS_OF_400_YEARS);
    let era_year = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let day_of_year = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    let year = days.div_euclid(DAYS_OF_400_YEARS) * 400 + era_year + i64::from(month < 3);
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    (year, small(month), small(day))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}

fn parse_tolerant(text: &str) -> Option<i64> {
    // `%z` takes an offset with a colon and without one.
    let with_offset = |format: &str| Some(DateTime::parse_from_str(text, format).ok()?.timestamp_micros());
    let in_utc =
        |text: &str, format: &str| Some(NaiveDateTime::parse_from_str(text, format).ok()?.and_utc().timestamp_micros());
    let plain = text.strip_suffix("UTC").unwrap_or(text).trim_end();
    let rfc_3339 = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.timestamp_micros());
    rfc_3339
        .or_else(|| with_offset("%Y-%m-%dT%H:%M:%S%.f%z"))
        .or_else(|| with_offset("%Y-%m-%d %H:%M:%S%.f%z"))
        .or_else(|| in_utc(text, "%Y%m%dT%H%M%SZ"))
        .or_else(|| in_utc(plain, "%Y-%m-%d %H:%M:%S%.f"))
}

/// The same for what the console writes: also `July 10, 2023, 14:00:00 (UTC+02:00)`.
pub(crate) fn parse_exported_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let console = || {
        let moment = DateTime::parse_from_str(text, "%B %d, %Y, %H:%M:%S (UTC%:z)").ok()?;
        Some(moment.timestamp_micros())
    };
    parse_time(text).or_else(console)
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
pub fn push_time(out: &mut impl TextSink, micros: i64) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_PER_DAY));
    let second = u32::try_from(seconds.rem_euclid(SECONDS_PER_DAY)).unwrap_or_default();
    let mut text = *b"0000-00-00T00:00:00Z";
    for (place, value) in [
        (0..4, u32::try_from(year.unsigned_abs()).unwrap_or_default()),
        (5..7, month),
        (8..10, day),
        (11..13, second / 3600),
        (14..16, second / 60 % 60),
        (17..19, second % 60),
    ] {
        put_digits(&mut text[place], value);
    }
    out.push_str(std::str::from_utf8(&text).expect("digits and punctuation"));
}

/// Fills `place` with the last decimal digits of `value`. `chrono`'s format strings take ten times as long.
fn put_digits(place: &mut [u8], mut value: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

/// The month of a moment as `YYYY-MM`, UTC.
pub fn month_of(micros: i64) -> String {
    let (year, month, _) = date_of(micros.div_euclid(MICROS_PER_SECOND * SECONDS_PER_DAY));
    if !(0..10_000).contains(&year) {
        let moment = DateTime::from_timestamp_micros(micros);
        return moment.map_or_else(|| "unknown".to_owned(), |moment| moment.format("%Y-%m").to_string());
    }
    let mut text = *b"0000-00";
    put_digits(&mut text[..4], u32::try_from(year).unwrap_or_default());
    put_digits(&mut text[5..], month);
    String::from_utf8_lossy(&text).into_owned()
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
            ("2023-07-10T14:00:00+0200", Some(1_688_990_400_000_000)),
            ("2023-07-10T14:00:00.5+0200", Some(1_688_990_400_500_000)),
            ("2023-07-10T12:00:00", None),
            ("20230710T120000Z", Some(1_688_990_400_000_000)),
            ("2023-07-10 12:00:00", Some(1_688_990_400_000_000)),
            ("2023-07-10 12:00:00.500", Some(1_688_990_400_500_000)),
            ("2023-07-10 12:00:00.500 UTC", Some(1_688_990_400_500_000)),
            ("2023-07-10 12:00:00Z", Some(1_688_990_400_000_000)),
            ("2023-07-10 14:00:00+0200", Some(1_688_990_400_000_000)),
            ("2023-07-10 12:00:00 CET", None),
            ("2023-07-10 12:00", None),
            ("10/07/2023 12:00:00", None),
            ("1688990400", None),
            ("2023-02-30T12:00:00Z", None),
            ("1699-12-31T23:59:59Z", None),
            ("1700-01-01T00:00:00Z", Some(-8_520_336_000_000_000)),
            ("2199-12-31T23:59:59Z", Some(7_258_118_399_000_000)),
            ("2200-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59.5Z", None),
            ("Aug 10, 2022, 10:38:27 PM", None),
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

    proptest::proptest! {
        #[test]
        fn the_calendar_is_that_of_chrono(seconds in -62_167_219_200_i64..253_402_300_800) {
            let mut out = String::new();
            push_time(&mut out, seconds * MICROS_PER_SECOND);
            let theirs = DateTime::from_timestamp(seconds, 0).expect("a moment");
            proptest::prop_assert_eq!(&out, &theirs.format("%Y-%m-%dT%H:%M:%SZ").to_string());
            proptest::prop_assert_eq!(parse_canonical(out.as_bytes()), Some(seconds * MICROS_PER_SECOND));
            proptest::prop_assert_eq!(month_of(seconds * MICROS_PER_SECOND), theirs.format("%Y-%m").to_string());
        }

        #[test]
        fn a_day_that_there_is_not_is_no_time(year in 0_i32..10_000, month in 0_u32..14, day in 0_u32..33, hour in 0_u32..26) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:59:59Z");
            let theirs = chrono::NaiveDate::from_ymd_opt(year, month, day).and_then(|date| date.and_hms_opt(hour, 59, 59));
            let theirs = theirs.map(|moment| moment.and_utc().timestamp_micros());
            proptest::prop_assert_eq!(parse_canonical(text.as_bytes()), theirs, "{}", text);
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
        assert_eq!(month_of(i64::MAX), "unknown");
        let year_12000 = 316_516_896_000_000_000;
        assert_eq!(month_of(year_12000), "+12000-01");
    }
}
