//! A small seeded generator of random numbers (SplitMix64) and of the identifiers AWS makes from them.
//!
//! Not for secrets, and not a general crate: it exists so that a trail depends on its seed only.

#![expect(clippy::cast_possible_truncation, reason = "random bits are cut to the width that is asked for")]

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A stream of random numbers that follows from its seed.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

/// Spreads the bits of a number (the SplitMix64 finaliser).
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Random {
    /// The stream of one thing (an event, a file, a key): independent of all others with another stream or index.
    pub(crate) fn of(seed: u64, stream: u64, index: u64) -> Self {
        Self {
            state: mix(mix(seed ^ GOLDEN).wrapping_add(mix(stream.wrapping_mul(GOLDEN))) ^ index.wrapping_mul(GOLDEN)),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number from 0 to `bound` exclusive; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of seconds from 0 to `bound` exclusive; 0 when `bound` is not positive.
    pub(crate) fn seconds(&mut self, bound: i64) -> i64 {
        self.below(bound.max(0).cast_unsigned()).cast_signed()
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// A number from 0 to 1 exclusive.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An index that prefers the low numbers, as the use of real resources does.
    pub(crate) fn skewed(&mut self, length: usize) -> usize {
        let unit = self.unit();
        ((unit * unit * length as f64) as usize).min(length.saturating_sub(1))
    }

    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.index(items.len())]
    }

    pub(crate) fn pick_skewed<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.skewed(items.len())]
    }

    /// A factor around 1 with a long tail upwards: the sizes of log files are spread that way.
    pub(crate) fn log_normal(&mut self, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (sigma * normal - sigma * sigma / 2.0).exp()
    }

    fn push_from(&mut self, out: &mut String, alphabet: &[u8], length: usize) {
        for _ in 0..length {
            out.push(char::from(alphabet[self.below(alphabet.len() as u64) as usize]));
        }
    }

    /// Lower-case hex digits, sixteen per random number.
    pub(crate) fn push_hex(&mut self, out: &mut String, length: usize) {
        let mut left = length;
        while left > 0 {
            let mut bits = self.next();
            let count = left.min(16);
            for _ in 0..count {
                out.push(char::from(HEX[(bits & 15) as usize]));
                bits >>= 4;
            }
            left -= count;
        }
    }

    /// A version 4 UUID, lower case.
    pub(crate) fn push_uuid(&mut self, out: &mut String) {
        let mut text = [b'-'; 36];
        let (mut high, mut low) = (self.next(), self.next());
        for (position, slot) in text.iter_mut().enumerate() {
            if matches!(position, 8 | 13 | 18 | 23) {
                continue;
            }
            let bits = if position < 18 { &mut high } else { &mut low };
            *slot = HEX[(*bits & 15) as usize];
            *bits >>= 4;
        }
        text[14] = b'4';
        text[19] = b"89ab"[(self.next() & 3) as usize];
        out.extend(text.map(char::from));
    }

    pub(crate) fn uuid(&mut self) -> String {
        let mut text = String::with_capacity(36);
        self.push_uuid(&mut text);
        text
    }

    pub(crate) fn hex(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        self.push_hex(&mut text, length);
        text
    }

    /// The random part of an IAM identifier, such as the end of `AROA…`.
    pub(crate) fn push_base32(&mut self, out: &mut String, length: usize) {
        self.push_from(out, BASE32, length);
    }

    pub(crate) fn base32(&mut self, prefix: &str, length: usize) -> String {
        let mut text = String::from(prefix);
        self.push_base32(&mut text, length);
        text
    }

    /// The random part of a log file's name, or of a token.
    pub(crate) fn push_alphanumeric(&mut self, out: &mut String, length: usize) {
        self.push_from(out, ALPHANUMERIC, length);
    }

    pub(crate) fn alphanumeric(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        self.push_alphanumeric(&mut text, length);
        text
    }

    pub(crate) fn digits(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        self.push_from(&mut text, b"0123456789", length);
        text
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for upper in (1..items.len()).rev() {
            items.swap(upper, self.index(upper + 1));
        }
    }
}

/// A choice with a weight.
pub(crate) type Weighted<T> = (u32, T);

/// Picks one of the choices in proportion to the weights.
pub(crate) fn pick_weighted<T: Copy>(random: &mut Random, choices: &[Weighted<T>]) -> T {
    let total: u64 = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let mut ticket = random.below(total);
    for (weight, choice) in choices {
        if ticket < u64::from(*weight) {
            return *choice;
        }
        ticket -= u64::from(*weight);
    }
    choices[0].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_shape() {
        let mut random = Random::of(1, 2, 3);
        let id = random.uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert_eq!(random.hex(64).len(), 64);
        assert!(random.base32("AROA", 17).starts_with("AROA"));
    }

    #[test]
    fn streams_repeat_and_differ() {
        assert_eq!(Random::of(1, 2, 3).next(), Random::of(1, 2, 3).next());
        assert_ne!(Random::of(1, 2, 3).next(), Random::of(1, 2, 4).next());
        assert_ne!(Random::of(1, 2, 3).next(), Random::of(1, 3, 3).next());
        assert_ne!(Random::of(2, 2, 3).next(), Random::of(1, 2, 3).next());
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::of(9, 0, 0);
        let hits = (0..10_000).filter(|_| pick_weighted(&mut random, &[(1, false), (3, true)])).count();
        assert!((7_000..8_000).contains(&hits), "{hits}");
    }
}
