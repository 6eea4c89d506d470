//! A part of a listing: log files split among conversions that run at once, on one machine or on many.
//!
//! Repeated deliveries of an event lie in log files of the same account and day, or nearly so; a shard therefore takes an account's day
//! whole, so that its conversions seldom meet. Where they do, the commits sort it out: the shards are for speed, not for correctness.

use std::num::NonZeroU32;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

use crate::source::LogFile;

/// One of several parts, from `1/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    index: u32,
    count: NonZeroU32,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected I/N with I from 1 to N, such as 2/8: `{0}`")]
pub struct InvalidShard(String);

impl FromStr for Shard {
    type Err = InvalidShard;

    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let parse = || {
            let (number, count) = text.split_once('/')?;
            let count: NonZeroU32 = count.parse().ok()?;
            let index = number.parse::<u32>().ok()?.checked_sub(1)?;
            (index < count.get()).then_some(Self { index, count })
        };
        parse().ok_or_else(|| InvalidShard(text.to_owned()))
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl Shard {
    /// Whether a log file belongs to this part; each file belongs to one.
    pub fn holds(&self, file: &LogFile) -> bool {
        let told = file.told_by_path();
        let key = match (told.account_id, file.delivery_date) {
            (Some(account), Some(day)) => format!("{account} {day}"),
            _ => file.path.clone(),
        };
        xxh3_64(key.as_bytes()) % u64::from(self.count.get()) == u64::from(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_one() {
        for text in ["1/1", "2/8", "8/8"] {
            assert_eq!(text.parse::<Shard>().map(|shard| shard.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_file_is_in_one_shard_and_a_day_of_an_account_stays_together() {
        let shards: Vec<Shard> = (1..=3).map(|index| format!("{index}/3").parse().expect("a shard")).collect();
        let shard_of = |path: &str| {
            let file = LogFile::for_test(path);
            let holding: Vec<usize> = (0..3).filter(|index| shards[*index].holds(&file)).collect();
            assert_eq!(holding.len(), 1, "{path}");
            holding[0]
        };
        let day = |day: u32, name: &str| {
            shard_of(&format!("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/01/{day:02}/{name}.json.gz"))
        };
        assert!((1..=28).all(|number| day(number, "a") == day(number, "b")));
        assert!((2..=28).any(|number| day(number, "a") != day(1, "a")), "the days are spread");
        assert!((0..30).any(|number| shard_of(&format!("{number}.json")) != shard_of("x.json")));
    }
}
