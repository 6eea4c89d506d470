//! Silences between the events of a place, and how far chance or the place's own rhythm explains them, as `trail_rhythms` has it.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::coverage::hour_of;
use super::views::Time;

/// Hours in a row without an event.
pub(super) struct Silence {
    /// The first silent hour.
    pub from: Time,
    /// The hour after the last one.
    pub until: Time,
    /// The last event before it; `None` = it began with the account's logs.
    pub start: Option<Time>,
    /// The first event after it; `None` = there is none.
    pub end: Option<Time>,
}

impl Silence {
    pub(super) fn hours(&self) -> f64 {
        (self.until - self.from).num_hours() as f64
    }

    fn is_short(&self) -> bool {
        self.hours() < 24.0
    }

    /// Its middle, in whole hours since a Thursday.
    fn week_hour(&self) -> i64 {
        (self.from.timestamp() + self.until.timestamp()).div_euclid(7200).rem_euclid(168)
    }
}

/// When a place has events, and when it has none.
pub(super) struct Rhythm {
    hour_count: f64,
    pub silences: Vec<Silence>,
}

impl Rhythm {
    /// Of a place's times in order, in an account whose logs reach over the span; the silence before the first time counts where asked for.
    pub(super) fn of(times: &[Time], span: (Time, Time), has_beginning: bool) -> Self {
        let hour = TimeDelta::hours(1);
        let mut silences = Vec::new();
        let hours: BTreeSet<Time> = times.iter().copied().map(hour_of).collect();
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            if has_beginning {
                silences.push(Silence {
                    from: hour_of(span.0),
                    until: hour_of(*first),
                    start: None,
                    end: Some(*first),
                });
            }
            silences.extend(times.windows(2).map(|pair| Silence {
                from: hour_of(pair[0]) + hour,
                until: hour_of(pair[1]),
                start: Some(pair[0]),
                end: Some(pair[1]),
            }));
            silences.push(Silence {
                from: hour_of(*last) + hour,
                until: hour_of(span.1) + hour,
                start: Some(*last),
                end: None,
            });
        }
        silences.retain(|silence| silence.until > silence.from);
        Self { hour_count: hours.len() as f64, silences }
    }

    fn silent_hours(&self, is_meant: impl Fn(&Silence) -> bool) -> f64 {
        self.silences.iter().filter(|silence| is_meant(silence)).map(Silence::hours).sum()
    }

    fn reach_hours(&self) -> f64 {
        self.hour_count + self.silent_hours(|_| true)
    }

    pub(super) fn is_long_enough(&self) -> bool {
        self.reach_hours() >= 336.0
    }

    /// Whether silences as long come by chance less than once in a million windows.
    pub(super) fn is_beyond_chance(&self, silence: &Silence) -> bool {
        let silent = match silence.is_short() {
            true => self.silent_hours(Silence::is_short),
            false => self.silent_hours(|_| true) - silence.hours(),
        };
        let share = (silent + 1.0) / (self.hour_count + silent + 1.0);
        share.powf(silence.hours()) * (self.hour_count + silent) < 1e-6
    }

    pub(super) fn is_usual(&self, silence: &Silence) -> bool {
        self.is_long_enough() && (self.is_near_median(silence) || self.is_weekly(silence))
    }

    fn is_near_median(&self, silence: &Silence) -> bool {
        let mut lengths: Vec<f64> = self.silences.iter().map(Silence::hours).collect();
        lengths.sort_by(f64::total_cmp);
        let middle = lengths.len() / 2;
        let median = match lengths.len() % 2 {
            1 => lengths[middle],
            _ => f64::midpoint(lengths[middle - 1], lengths[middle]),
        };
        lengths.len() >= 10
            && lengths.len() as f64 * 0.5_f64.powf(silence.hours() / median) > 0.05
            && !self.is_beyond_nights(silence)
    }

    /// Whether it is too long for the silences of less than a day, where the logs have two weeks of such hours.
    fn is_beyond_nights(&self, silence: &Silence) -> bool {
        let short = self.silent_hours(Silence::is_short);
        let all = self.hour_count + short;
        all >= 336.0 && ((short + 1.0) / (all + 1.0)).powf(silence.hours()) * all < 1e-6
    }

    fn is_weekly(&self, silence: &Silence) -> bool {
        let is_near = |other: &&Silence| !other.is_short() && (other.week_hour() - silence.week_hour()).abs() <= 6;
        let alike: Vec<f64> = self.silences.iter().filter(is_near).map(Silence::hours).collect();
        let nights = self.silences.iter().filter(|silence| (6.0..=23.0).contains(&silence.hours())).count() as f64;
        let weeks = self.reach_hours() / 168.0;
        !silence.is_short()
            && alike.len() >= 4
            && alike.len() as f64 >= 0.75 * weeks
            && nights >= 2.0 * weeks
            && silence.hours() <= 1.25 * alike.iter().sum::<f64>() / alike.len() as f64
    }
}
