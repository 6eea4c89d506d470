//! The SHA-256 of a data file's bytes: computed as they are written, kept with the file in the log, compared by the check.
//!
//! Parquet's own page checksums would leave footers, indexes and bloom filters uncovered, and the writer in use has none.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A checksum under way.
#[derive(Clone, Default)]
pub(crate) struct Checksum(Sha256);

impl Checksum {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum as `sha256sum` shows it: 64 lower-case hex digits.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The checksum of bytes that are all there.
    pub(crate) fn of(bytes: &[u8]) -> String {
        let mut checksum = Self::default();
        checksum.update(bytes);
        checksum.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_checksum_of_the_whole() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Checksum::of(b"abc"), known);
        let mut pieces = Checksum::default();
        [&b"a"[..], b"", b"bc"].iter().for_each(|piece| pieces.update(piece));
        assert_eq!(pieces.finish(), known);
    }
}
