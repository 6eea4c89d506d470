//! `interval '1 day 04:05:06'`: a part of an interval that is written as a time of day, written out: `1 day 4 hours 5 minutes 6 seconds`.

/// An interval without such parts; none where it has none.
pub(crate) fn written_out(interval: &str) -> Option<String> {
    if !interval.contains(':') {
        return None;
    }
    let words =
        interval.split_whitespace().map(|word| if word.contains(':') { clock(word) } else { Some(word.to_owned()) });
    Some(words.collect::<Option<Vec<_>>>()?.join(" "))
}

/// `-04:05:06.7` as `-4 hours -5 minutes -6.7 seconds`.
fn clock(word: &str) -> Option<String> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let mut parts = digits.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let is_whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_sixtieth = |part: &str| is_whole(part) && part.len() <= 2 && part.parse::<u8>().is_ok_and(|part| part < 60);
    let (whole_seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let is_clock = is_whole(hours) && is_sixtieth(minutes) && is_sixtieth(whole_seconds) && is_whole(fraction);
    (is_clock && parts.next().is_none())
        .then(|| format!("{sign}{hours} hours {sign}{minutes} minutes {sign}{seconds} seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_hours_minutes_and_seconds() {
        for (interval, expected) in [
            ("04:05:06", Some("04 hours 05 minutes 06 seconds")),
            ("1 year 3 days -04:05", Some("1 year 3 days -04 hours -05 minutes -0 seconds")),
            ("100:00:00.5", Some("100 hours 00 minutes 00.5 seconds")),
            ("1 day", None),
            ("04:65:00", None),
            ("04:05:06:07", None),
            ("a:b", None),
        ] {
            assert_eq!(written_out(interval).as_deref(), expected, "{interval}");
        }
    }
}
