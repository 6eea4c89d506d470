//! Writes JSON text straight into a buffer: fast, minified, members in the order of the calls.
//!
//! It escapes only where it is asked to: the generator knows which of its values can hold a quote.

use std::fmt::Write as _;

/// JSON text under construction. Commas follow from the last byte written.
#[derive(Debug, Default, Clone)]
pub(crate) struct JsonText {
    text: String,
}

impl JsonText {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The buffer itself, for what writes without JSON structure.
    pub(crate) fn buffer(&mut self) -> &mut String {
        &mut self.text
    }

    /// Replaces everything by ready JSON text.
    pub(crate) fn set(&mut self, json: &str) {
        self.text.clear();
        self.text.push_str(json);
    }

    fn comma(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }

    /// Starts a member: comma, name, colon.
    pub(crate) fn member(&mut self, name: &str) -> &mut Self {
        self.comma();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        self
    }

    /// Opens an object, as an element or after [`Self::member`].
    pub(crate) fn open(&mut self) -> &mut Self {
        self.comma();
        self.text.push('{');
        self
    }

    pub(crate) fn close(&mut self) -> &mut Self {
        self.text.push('}');
        self
    }

    pub(crate) fn open_list(&mut self) -> &mut Self {
        self.comma();
        self.text.push('[');
        self
    }

    pub(crate) fn close_list(&mut self) -> &mut Self {
        self.text.push(']');
        self
    }

    /// A text member whose value needs no escape.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.text_of(name, &[value])
    }

    /// A text member made of parts that need no escape.
    pub(crate) fn text_of(&mut self, name: &str, parts: &[&str]) -> &mut Self {
        self.member(name);
        self.text.push('"');
        for part in parts {
            self.text.push_str(part);
        }
        self.text.push('"');
        self
    }

    /// A text element of a list; needs no escape.
    pub(crate) fn element(&mut self, value: &str) -> &mut Self {
        self.comma();
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
        self
    }

    /// A text member whose value may hold anything.
    pub(crate) fn escaped(&mut self, name: &str, value: &str) -> &mut Self {
        self.member(name);
        push_escaped(&mut self.text, value);
        self
    }

    /// A member with ready JSON text as its value.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.member(name);
        self.text.push_str(json);
        self
    }

    /// A member that holds a moment as CloudTrail writes it.
    pub(crate) fn time(&mut self, name: &str, seconds: i64) -> &mut Self {
        self.member(name);
        self.text.push('"');
        push_time(&mut self.text, seconds);
        self.text.push('"');
        self
    }
}

/// Appends a JSON string literal.
pub(crate) fn push_escaped(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                write!(out, "\\u{:04x}", control as u32).expect("writing to a string cannot fail")
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A moment, taken apart, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

/// Takes seconds since the epoch apart (proleptic Gregorian calendar).
pub(crate) fn civil(seconds: i64) -> Civil {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

/// Appends a number with at least `width` digits.
pub(crate) fn push_padded(out: &mut String, value: i64, width: u32) {
    let mut divisor = 10_i64.pow(width - 1);
    while value / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        let digit = u8::try_from(value / divisor % 10).unwrap_or(0);
        out.push(char::from(b'0' + digit));
        divisor /= 10;
    }
}

fn push_joined(out: &mut String, parts: [i64; 3], separator: char) {
    push_padded(out, parts[0], 2);
    out.push(separator);
    push_padded(out, parts[1], 2);
    out.push(separator);
    push_padded(out, parts[2], 2);
}

/// Appends `YYYY-MM-DDTHH:MM:SS`, UTC, without the `Z`.
pub(crate) fn push_time_without_zone(out: &mut String, seconds: i64) {
    let moment = civil(seconds);
    push_joined(out, [moment.year, moment.month, moment.day], '-');
    out.push('T');
    push_joined(out, [moment.hour, moment.minute, moment.second], ':');
}

/// Appends `YYYY-MM-DDTHH:MM:SSZ`.
pub(crate) fn push_time(out: &mut String, seconds: i64) {
    push_time_without_zone(out, seconds);
    out.push('Z');
}

/// The text of [`push_time`].
pub(crate) fn time_text(seconds: i64) -> String {
    let mut text = String::with_capacity(20);
    push_time(&mut text, seconds);
    text
}

/// A date as KMS responses write it: `Aug 10, 2022, 10:38:27 PM`.
pub(crate) fn java_time_text(seconds: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let moment = civil(seconds);
    let name = usize::try_from(moment.month - 1).map_or("Jan", |month| MONTHS[month]);
    let half = if moment.hour < 12 { "AM" } else { "PM" };
    let hour = if moment.hour % 12 == 0 { 12 } else { moment.hour % 12 };
    format!("{name} {}, {}, {hour}:{:02}:{:02} {half}", moment.day, moment.year, moment.minute, moment.second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn times_equal_those_of_chrono() {
        for seconds in (-2_000_000_000..4_000_000_000_i64).step_by(9_876_543) {
            let expected = DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            assert_eq!(time_text(seconds), expected);
        }
    }

    #[test]
    fn members_are_separated() {
        let mut json = JsonText::default();
        json.open().text("a", "b").member("list").open_list().element("x").element("y").close_list();
        json.member("inner").open().close().escaped("odd", "a\"b\u{1}").close();
        assert_eq!(json.as_str(), r#"{"a":"b","list":["x","y"],"inner":{},"odd":"a\"b\u0001"}"#);
    }

    #[test]
    fn java_times_have_twelve_hours() {
        assert_eq!(java_time_text(0), "Jan 1, 1970, 12:00:00 AM");
        assert_eq!(java_time_text(1_660_171_107), "Aug 10, 2022, 10:38:27 PM");
    }
}
