//! Numbers of values that come again and again: what was found for a value is found again by its bits, without a look at a text.

/// The numbers that were asked for last, each in the one place that the bits of its value have. A value whose place another one took is
/// looked up anew.
pub(crate) struct Recent<V> {
    last: (V, u32),
    values: Vec<V>,
    numbers: Vec<u32>,
}

/// Bits that tell values apart.
pub(crate) trait Bits: Copy + Default + PartialEq {
    fn bits(self) -> u64;
}

/// The view of a text: its length and bytes, or of a long one the first bytes and where it lies.
impl Bits for u128 {
    #[allow(clippy::cast_possible_truncation, reason = "both halves are taken")]
    fn bits(self) -> u64 {
        (self >> 64) as u64 ^ self as u64
    }
}

impl Bits for (u32, u32) {
    fn bits(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.1)
    }
}

impl<V> Recent<V> {
    /// As many places as the few texts of a batch hardly share, and as fit in a processor's first cache.
    const PLACE_BITS: u32 = 9;
    /// No number.
    pub(crate) const NONE: u32 = u32::MAX;
}

impl<V: Bits> Recent<V> {
    pub(crate) fn new() -> Self {
        let places = 1 << Self::PLACE_BITS;
        Self { last: (V::default(), Self::NONE), values: vec![V::default(); places], numbers: vec![Self::NONE; places] }
    }

    /// The number of a value: that of the last time, or what `look_up` finds.
    #[inline]
    pub(crate) fn number<E>(&mut self, value: V, look_up: impl FnOnce() -> Result<u32, E>) -> Result<u32, E> {
        // Rows that are sorted have it from the one before.
        if self.last.0 != value || self.last.1 == Self::NONE {
            // Fibonacci hashing: the upper bits of the product depend on all bits.
            let place = value.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::PLACE_BITS);
            let place = usize::try_from(place).unwrap_or_default();
            if self.values[place] != value || self.numbers[place] == Self::NONE {
                self.numbers[place] = look_up()?;
                self.values[place] = value;
            }
            self.last = (value, self.numbers[place]);
        }
        Ok(self.last.1)
    }
}
