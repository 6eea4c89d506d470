//! Numbers of values that come again and again: what was found for a value is found again by its bits, without a look at a text.

use datafusion::arrow::buffer::NullBuffer;

/// The numbers that were asked for last, each in the one place that the bits of its value have. A value whose place another one took is
/// looked up anew.
pub(crate) struct Recent {
    values: Box<[u128; PLACES]>,
    numbers: Box<[u32; PLACES]>,
}

/// As many places as the few texts of a batch hardly share, and as fit in a processor's first cache.
const PLACE_BITS: u32 = 9;
const PLACES: usize = 1 << PLACE_BITS;
/// What no place has been taken by. As the view of a text it would be one of 4 GiB, and arrow's are at most 2.
const NONE: u128 = u128::MAX;

impl Recent {
    pub(crate) fn new() -> Self {
        Self { values: Box::new([NONE; PLACES]), numbers: Box::new([0; PLACES]) }
    }

    /// Views name their texts within one array only.
    pub(crate) fn forget(&mut self) {
        self.values.fill(NONE);
    }

    /// The number of each value, none of which is [`u128::MAX`]: that of the last time, or what `look_up` finds for its row.
    // On its own: within a large function the values that matter here are kept in memory.
    #[inline(never)]
    pub(crate) fn number(&mut self, values: &[u128], numbers: &mut Vec<u32>, mut look_up: impl FnMut(usize) -> u32) {
        numbers.clear();
        numbers.extend(values.iter().enumerate().map(|(row, value)| {
            // No comparison with the value before: where rows are not sorted, a processor guesses it wrong every other time.
            let place = place_of(*value);
            if self.values[place] != *value {
                self.numbers[place] = look_up(row);
                self.values[place] = *value;
            }
            self.numbers[place]
        }));
    }
}

/// Gives null rows their number: they have some value too, and so far what was found for that.
pub(crate) fn number_nulls(numbers: &mut [u32], nulls: Option<&NullBuffer>, null: u32) {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return };
    (!nulls.inner()).set_indices().for_each(|row| numbers[row] = null);
}

/// Fibonacci hashing: the upper bits of the product depend on all bits.
#[allow(clippy::cast_possible_truncation, reason = "both halves are taken, and a place has 9 bits")]
fn place_of(value: u128) -> usize {
    let bits = (value >> 64) as u64 ^ value as u64;
    (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACE_BITS)) as usize
}
