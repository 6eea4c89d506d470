//! Bounds of texts that are too long to be told whole.
//!
//! What a bound is for, and how long it may be, its users say: [`crate::statistics`] and [`crate::keyed_bounds`].

/// The longest beginning of at most `limit` bytes.
pub(crate) fn lower_bound(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A short text of at most `limit` bytes that is not below the given one; none when its last character cannot grow.
pub(crate) fn upper_bound(text: &str, limit: usize) -> Option<String> {
    if text.len() <= limit {
        return Some(text.to_owned());
    }
    // One character less than fits, so that a successor of more bytes still fits.
    let mut cut = lower_bound(text, limit - 1).to_owned();
    let last = cut.pop()?;
    let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32)?;
    cut.push(next);
    Some(cut)
}
