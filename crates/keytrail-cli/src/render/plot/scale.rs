//! The scale of time, and how numbers and times stand beside a picture.

use chrono::DateTime;

use crate::progress::count_text;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 1970 began on a Thursday; weeks are to begin on Mondays.
const MONDAY: i64 = 4 * DAY;

/// Steps that people know, and their names.
const STEPS: [(i64, &str); 17] = [
    (60 * SECOND, "a minute"),
    (300 * SECOND, "5 minutes"),
    (900 * SECOND, "15 minutes"),
    (HOUR, "an hour"),
    (3 * HOUR, "3 hours"),
    (6 * HOUR, "6 hours"),
    (12 * HOUR, "12 hours"),
    (DAY, "a day"),
    (2 * DAY, "2 days"),
    (3 * DAY, "3 days"),
    (7 * DAY, "a week"),
    (14 * DAY, "2 weeks"),
    (28 * DAY, "4 weeks"),
    (56 * DAY, "8 weeks"),
    (91 * DAY, "13 weeks"),
    (182 * DAY, "26 weeks"),
    (364 * DAY, "52 weeks"),
];

/// Time cut into steps of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeScale {
    step: i64,
    first: i64,
    /// How many steps there are.
    pub(super) step_count: usize,
    /// The length of a step in words.
    pub(super) step_name: &'static str,
}

impl TimeScale {
    /// The smallest steps of which at most `most` cover the times.
    pub(super) fn covering(from: i64, to: i64, most: usize, is_daily: bool) -> Self {
        let smallest = if is_daily { DAY } else { 0 };
        let mut scales =
            STEPS.iter().filter(|(step, _)| *step >= smallest).map(|(step, name)| Self::of(from, to, *step, name));
        let century = Self::of(from, to, 5200 * 7 * DAY, "100 years");
        scales.find(|scale| scale.step_count <= most).unwrap_or(century)
    }

    fn of(from: i64, to: i64, step: i64, step_name: &'static str) -> Self {
        let first = (from - MONDAY).div_euclid(step);
        let count = (to - MONDAY).div_euclid(step) - first + 1;
        Self { step, first, step_count: usize::try_from(count).unwrap_or(1), step_name }
    }

    /// The step that a time falls in.
    pub(super) fn index(self, time: i64) -> usize {
        let index = (time - MONDAY).div_euclid(self.step) - self.first;
        usize::try_from(index).unwrap_or(0).min(self.step_count - 1)
    }

    /// The start of a step: a day, with the time of day where steps are shorter.
    pub(super) fn label(self, index: usize) -> String {
        let start = (self.first + index as i64) * self.step + MONDAY;
        let format = if self.step < DAY { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" };
        DateTime::from_timestamp_micros(start).map_or_else(String::new, |time| time.format(format).to_string())
    }
}

/// A number beside a picture: whole where it is whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole count")]
pub(super) fn amount_text(amount: f64) -> String {
    if amount.fract() == 0.0 && (0.0..9e15).contains(&amount) {
        return count_text(amount as u64);
    }
    if amount >= 1e15 { format!("{amount:.2e}") } else { format!("{amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_days_is_53_weeks() {
        // 2025-01-01, a Wednesday, and 2025-12-31.
        let (from, to) = (20_089 * DAY, 20_453 * DAY);
        let scale = TimeScale::covering(from, to, 70, true);
        assert_eq!((scale.step_count, scale.step_name), (53, "a week"));
        assert_eq!((scale.index(from), scale.index(to)), (0, 52));
        assert_eq!(scale.label(0), "2024-12-30");
        assert_eq!(TimeScale::covering(from, to, 365, true).step_name, "a day");
        assert_eq!(TimeScale::covering(from, from, 70, true).step_count, 1);
        assert_eq!(TimeScale::covering(from, from, 70, false).label(0), "2025-01-01 00:00");
    }

    #[test]
    fn times_before_1970_and_far_apart_have_a_place() {
        let scale = TimeScale::covering(-40_000 * DAY, 40_000 * DAY, 40, false);
        assert!(scale.step_count <= 40, "{scale:?}");
        assert_eq!(scale.index(-40_000 * DAY), 0);
    }

    #[test]
    fn amounts_are_whole_where_they_can_be() {
        for (amount, text) in [(0.0, "0"), (1234.0, "1,234"), (0.5, "0.50"), (1e20, "1.00e20")] {
            assert_eq!(amount_text(amount), text);
        }
    }
}
