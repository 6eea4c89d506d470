//! Values on the command line: times, spans of time, sizes, parameters and attached files, from their texts.
//!
//! Each error says what is expected; clap puts the argument and the value in front of it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use keytrail_query::{ParameterType, similar};

use crate::hints::did_you_mean;

/// A date (midnight UTC) or an RFC 3339 time.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    if is_shaped_like_a_date(text) {
        return Err("no such day; dates are written 2024-01-31, year first".to_owned());
    }
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|_unclear| {
        let zone = if lacks_a_zone(text) { "; the zone is missing: Z is UTC" } else { "" };
        format!("expected a date (2024-01-31) or a time (2024-01-31T06:00:00Z){zone}")
    })
}

/// Whether a time is right up to its zone.
fn lacks_a_zone(text: &str) -> bool {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .any(|format| NaiveDateTime::parse_from_str(text, format).is_ok())
}

/// Three numbers with dashes between.
fn is_shaped_like_a_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `NAME=VALUE` or `NAME:TYPE=VALUE`; the name keeps its type.
pub(crate) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE or NAME:TYPE=VALUE")?;
    let name = name.trim_start_matches(['$', ':']);
    let (bare, type_name) = name.split_once(':').map_or((name, None), |(bare, type_name)| (bare, Some(type_name)));
    if bare.is_empty() || !bare.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(format!("a parameter's name is made of letters, digits and _, not `{bare}`"));
    }
    match type_name.filter(|name| ParameterType::parse(name).is_none()) {
        None => Ok((name.to_owned(), value.to_owned())),
        Some(unknown) => Err(no_such_type(unknown)),
    }
}

fn no_such_type(unknown: &str) -> String {
    let meant = did_you_mean(&similar(unknown, ParameterType::NAMES)).map(|meant| format!("; {meant}"));
    format!("no such type: `{unknown}`; types are {}{}", ParameterType::NAMES.join(", "), meant.unwrap_or_default())
}

/// `NAME=FILE`
pub(crate) fn parse_attachment(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected NAME=FILE, such as owners=owners.csv".to_owned()),
    }
}

/// A whole number of days, weeks or years (of 365 days).
pub(crate) fn parse_days(text: &str) -> Result<TimeDelta, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "d" => 1,
        "w" => 7,
        "y" => 365,
        "" => return Err("expected days such as 400d, weeks (w) or years (y): the unit is missing".to_owned()),
        unit => return Err(format!("expected days such as 400d, weeks (w) or years (y), not the unit `{unit}`")),
    };
    let count: i64 = number.parse().map_err(|error| format!("expected days such as 400d: {error}"))?;
    let days = count.checked_mul(factor).and_then(TimeDelta::try_days);
    days.ok_or_else(|| "out of range".to_owned())
}

/// A whole number of minutes, hours, days or weeks.
pub(crate) fn parse_age(text: &str) -> Result<TimeDelta, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let minutes = match unit.trim() {
        "m" | "min" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        "" => return Err("expected an age such as 12h, 7d or 2w: the unit is missing".to_owned()),
        unit => return Err(format!("expected an age such as 12h, 7d or 2w, not the unit `{unit}`")),
    };
    let count: i64 = number.parse().map_err(|error| format!("expected an age such as 12h, 7d or 2w: {error}"))?;
    let age = count.checked_mul(minutes).and_then(TimeDelta::try_minutes).filter(|age| *age <= MAX_AGE);
    age.ok_or_else(|| "out of range".to_owned())
}

/// Log files are younger.
const MAX_AGE: TimeDelta = TimeDelta::days(100 * 365);

/// A whole number of seconds, minutes or hours.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        unit => return Err(format!("expected a time such as 90s, 30m or 2h, not the unit `{unit}`")),
    };
    let count: u64 = number.parse().map_err(|error| format!("expected a time such as 90s or 2h: {error}"))?;
    let seconds = count.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(|| "out of range".to_owned())?;
    Ok(Duration::from_secs(seconds))
}

/// A whole number of bytes with an optional unit, decimal (kB, MB, GB) or binary (KiB, MiB, GiB).
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(format!("expected a size such as 512MiB or 2GB, not the unit `{}`", unit.trim())),
    };
    let count: usize = number.parse().map_err(|error| format!("expected a number such as 512MiB: {error}"))?;
    count.checked_mul(factor).filter(|bytes| *bytes > 0).ok_or_else(|| "out of range".to_owned())
}

/// A memory limit below this is a mistake, most often a unit that was forgotten.
const MIN_MEMORY: usize = 1 << 20;

/// A size that work can be done in.
pub(crate) fn parse_memory(text: &str) -> Result<usize, String> {
    match parse_bytes(text)? {
        bytes if bytes < MIN_MEMORY => {
            Err(format!("{bytes} bytes are too few; expected 1MiB at least, such as 512MiB or 2GB"))
        }
        bytes => Ok(bytes),
    }
}

/// A number of threads, from 1.
pub(crate) fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_unclear| "expected a number of threads, from 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_threads_are_enough_to_work_with() {
        assert_eq!(parse_memory("16MiB"), Ok(16 << 20));
        assert_eq!(parse_threads("2").map(NonZeroUsize::get), Ok(2));
        for wrong in ["10", "1000kB", "0", "x"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "two", ""] {
            assert!(parse_threads(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_have_units() {
        assert_eq!(parse_age("0m"), Ok(TimeDelta::zero()));
        assert_eq!(parse_age("12h"), Ok(TimeDelta::hours(12)));
        assert_eq!(parse_age("7d"), parse_age("1w"));
        for wrong in ["", "7", "d", "-1d", "7y", "1.5d", "99999999999w"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(parse_bytes("1024"), Ok(1024));
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("2 GB"), Ok(2_000_000_000));
        for wrong in ["", "MiB", "12parsecs", "0", "99999999999999999999", "18446744073709551615k"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "h", "0", "1d", "99999999999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn windows_are_days() {
        for (text, days) in [("400d", 400), ("2w", 14), ("1y", 365)] {
            assert_eq!(parse_days(text), Ok(TimeDelta::days(days)), "{text}");
        }
        for wrong in ["", "d", "400", "1h", "99999999999999999d"] {
            assert!(parse_days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_utc() {
        for (text, expected) in [
            ("2024-01-31", "2024-01-31T00:00:00+00:00"),
            ("2024-01-31T06:00:00Z", "2024-01-31T06:00:00+00:00"),
            ("2024-01-31T06:00:00+02:00", "2024-01-31T04:00:00+00:00"),
        ] {
            assert_eq!(parse_time(text).map(|time| time.to_rfc3339()), Ok(expected.to_owned()));
        }
        for wrong in ["yesterday", "2024-02-30", "31-01-2024", "2024-01-31T25:00:00Z", ""] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        let expected = "expected a date (2024-01-31) or a time (2024-01-31T06:00:00Z)";
        let zone = "; the zone is missing: Z is UTC";
        for (text, added) in [("2024", ""), ("2024-01", ""), ("2024-01-31T06:00:00", zone), ("2024-01-31 06:00", zone)]
        {
            assert_eq!(parse_time(text).expect_err(text), format!("{expected}{added}"), "{text}");
        }
    }

    #[test]
    fn parameters_have_a_name() {
        assert_eq!(parse_parameter("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_parameter("$a="), Ok(("a".to_owned(), String::new())));
        assert_eq!(parse_parameter("n:int=5"), Ok(("n:int".to_owned(), "5".to_owned())));
        assert!(parse_parameter("=b").is_err());
        assert!(parse_parameter("ab").is_err());
        assert!(parse_parameter("a b=c").is_err());
        assert_eq!(
            parse_parameter("n:itn=5").expect_err("no type"),
            "no such type: `itn`; types are int, float, bool, date, timestamp, interval, text; did you mean `int`?"
        );
    }

    #[test]
    fn attachments_have_a_name_and_a_file() {
        assert_eq!(parse_attachment("a=b=c.csv"), Ok(("a".to_owned(), "b=c.csv".into())));
        for wrong in ["a", "=b", "a="] {
            assert!(parse_attachment(wrong).is_err(), "{wrong}");
        }
    }
}
