//! Texts that stand once: each different text has a small number, its key.
//!
//! It decides nothing about which texts are worth it: see [`crate::columns`].

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, StringArray};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// The key of what is not there; it never stands for a text.
pub const NULL_KEY: u32 = 0;

/// Gives each different text a key, from 1 on in the order of their coming.
#[derive(Debug)]
pub struct TextInterner {
    /// The texts by their keys; an empty one stands in the place of [`NULL_KEY`].
    texts: StringBuilder,
    places: HashTable<Place>,
    /// The key of the text that came last: texts of neighbouring records are mostly the same.
    last: u32,
}

/// A known text: half of its hash, so that the table grows without reading the texts again.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u32,
    key: u32,
}

impl Place {
    fn spread(self) -> u64 {
        spread(self.hash)
    }
}

/// The table takes the low bits of a hash for the place and the high ones to tell neighbours apart; both must differ.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Default for TextInterner {
    fn default() -> Self {
        Self::new()
    }
}

impl TextInterner {
    /// Knows no text.
    pub fn new() -> Self {
        Self::with_capacity(0, 0)
    }

    /// Knows no text, and has room for `count` of them with `bytes` together.
    pub fn with_capacity(count: usize, bytes: usize) -> Self {
        let mut texts = StringBuilder::with_capacity(count + 1, bytes);
        texts.append_value("");
        Self { texts, places: HashTable::with_capacity(count), last: NULL_KEY }
    }

    /// The key of a text, a new one where it was not known.
    #[inline]
    pub fn key_of(&mut self, text: &str) -> u32 {
        if self.last == NULL_KEY || text_at(&self.texts, self.last) != text.as_bytes() {
            self.last = self.find_or_add(text);
        }
        self.last
    }

    fn find_or_add(&mut self, text: &str) -> u32 {
        let hash = (xxh3_64(text.as_bytes()) >> 32) as u32;
        let texts = &self.texts;
        let is_same = |place: &Place| place.hash == hash && text_at(texts, place.key) == text.as_bytes();
        if let Some(place) = self.places.find(spread(hash), is_same) {
            return place.key;
        }
        let key = u32::try_from(self.texts.offsets_slice().len() - 1).expect("fewer texts than an array can hold");
        self.texts.append_value(text);
        let place = Place { hash, key };
        self.places.insert_unique(place.spread(), place, |place| place.spread());
        key
    }

    /// One more than the largest key.
    pub fn key_count(&self) -> usize {
        self.texts.offsets_slice().len() - 1
    }

    /// Bytes of all texts together.
    pub fn text_bytes(&self) -> usize {
        self.texts.values_slice().len()
    }

    /// The texts by their keys.
    pub fn into_texts(mut self) -> StringArray {
        self.texts.finish()
    }

    /// The texts by their keys; the interner knows none afterwards, and has room for as many.
    pub fn finish(&mut self) -> StringArray {
        let texts = self.texts.finish();
        // The next texts will be about as many.
        self.texts = StringBuilder::with_capacity(room_after(texts.len()), room_after(texts.value_data().len()));
        self.texts.append_value("");
        self.places.clear();
        self.last = NULL_KEY;
        texts
    }
}

/// Room for the next rows, of which the last were so many. Where one more than there is room for makes a buffer double, and its bytes be
/// moved, exactly as much again is too little every other time.
pub(crate) fn room_after(length: usize) -> usize {
    length + length / 8
}

fn text_at(texts: &StringBuilder, key: u32) -> &[u8] {
    let offsets = texts.offsets_slice();
    let bound = |key: usize| usize::try_from(offsets[key]).unwrap_or_default();
    &texts.values_slice()[bound(key as usize)..bound(key as usize + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_key() {
        let mut interner = TextInterner::new();
        let keys = ["a", "b", "a", "", "b", "", "é"].map(|text| interner.key_of(text));
        assert_eq!(keys, [1, 2, 1, 3, 2, 3, 4]);
        assert_eq!((interner.key_count(), interner.text_bytes()), (5, 4));
        let texts = interner.finish();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["", "a", "b", "", "é"]);
        assert_eq!(interner.key_of("z"), 1);
    }

    #[test]
    fn many_texts_are_found_again() {
        let mut interner = TextInterner::new();
        let texts: Vec<String> = (0..5000).map(|number| format!("text-{}", number * 7919)).collect();
        let keys: Vec<u32> = texts.iter().map(|text| interner.key_of(text)).collect();
        assert!(texts.iter().zip(&keys).all(|(text, key)| interner.key_of(text) == *key));
        assert_eq!(interner.key_count(), 5001);
    }
}
