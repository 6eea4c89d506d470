//! Checksums by which a reader knows that the bytes that it gets are those that were written, before it decodes them.
//!
//! ```text
//! │ row groups, in blocks of 8 KiB  ║ CRC-32 of each block │ page index │ footer │
//!                                   ╚═ tail: its CRC-32 and where it begins stand in the log
//! ```
//! A flipped bit is often no error of the decoder, and then a wrong answer: pages, and the indexes and filters by which rows are left out,
//! have no checksum of their own. Other readers pass over the sums, as over any bytes that no footer points to. Only a file's SHA-256
//! ([`crate::checksum`]) shows that nobody changed it on purpose.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use bytes::{Buf, Bytes};
use crc32fast::Hasher;

/// Small beside what a query reads of a column at a time; the sums are 0.05 % of a file. Part of the format: another size takes another tag in
/// the log.
const BLOCK_BYTES: u64 = 8 * 1024;

/// What of a data file is no rows: it is read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Where it begins, in bytes from the file's start.
    pub offset: u64,
    /// The CRC-32 (that of gzip) of everything from there on.
    pub crc32: u32,
}

/// As the log has it: `offset:crc32`, the latter as eight hex digits.
impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:08x}", self.offset, self.crc32)
    }
}

impl FromStr for Tail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(offset, crc32)| {
            Some(Self { offset: offset.parse().ok()?, crc32: u32::from_str_radix(crc32, 16).ok()? })
        });
        parts.ok_or_else(|| format!("no place and checksum of a file's end: `{text}`"))
    }
}

/// The sums of a file under way.
#[derive(Default)]
pub(crate) struct BlockSummer {
    block: Hasher,
    block_bytes: u64,
    sums: Vec<u8>,
}

impl BlockSummer {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK_BYTES - self.block_bytes).unwrap_or(usize::MAX);
            let (taken, rest) = bytes.split_at(bytes.len().min(room));
            self.block.update(taken);
            self.block_bytes += taken.len() as u64;
            if self.block_bytes == BLOCK_BYTES {
                self.end_block();
            }
            bytes = rest;
        }
    }

    fn end_block(&mut self) {
        self.sums.extend(std::mem::take(&mut self.block).finalize().to_le_bytes());
        self.block_bytes = 0;
    }

    /// The sums of all blocks, four bytes each, the last of a block that may be shorter.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.block_bytes > 0 {
            self.end_block();
        }
        self.sums
    }
}

/// The sums of a file that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockSums {
    rows_end: u64,
    sums: Vec<u32>,
}

impl BlockSums {
    /// The sums that a file's tail begins with.
    ///
    /// # Errors
    /// The bytes are not those that the log tells of, or too few.
    pub(crate) fn of_tail(tail: Tail, mut bytes: Bytes) -> Result<Self, Mismatch> {
        let mismatch = Mismatch { bytes: tail.offset..tail.offset + bytes.len() as u64 };
        let count = usize::try_from(tail.offset.div_ceil(BLOCK_BYTES)).unwrap_or(usize::MAX);
        if crc32fast::hash(&bytes) != tail.crc32 || bytes.len() / size_of::<u32>() < count {
            return Err(mismatch);
        }
        Ok(Self { rows_end: tail.offset, sums: (0..count).map(|_| bytes.get_u32_le()).collect() })
    }

    /// The whole blocks that a range of the rows' bytes lies in; none where it leads out of them.
    pub(crate) fn blocks_around(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let is_inside = range.start < range.end && range.end <= self.rows_end;
        let start = range.start / BLOCK_BYTES * BLOCK_BYTES;
        is_inside.then(|| start..range.end.next_multiple_of(BLOCK_BYTES).min(self.rows_end))
    }

    /// Compares whole blocks, the first of which begins at `start`.
    ///
    /// # Errors
    /// The first block that is not as it was written.
    pub(crate) fn verify(&self, start: u64, blocks: &[u8]) -> Result<(), Mismatch> {
        let first = usize::try_from(start / BLOCK_BYTES).unwrap_or(usize::MAX);
        let block_bytes = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        let sums = self.sums.get(first..).unwrap_or_default();
        let mut block_start = start;
        for (index, block) in blocks.chunks(block_bytes).enumerate() {
            let block_end = block_start + block.len() as u64;
            if sums.get(index) != Some(&crc32fast::hash(block)) {
                return Err(Mismatch { bytes: block_start..block_end });
            }
            block_start = block_end;
        }
        Ok(())
    }

    pub(crate) fn size_bytes(&self) -> usize {
        size_of_val(self.sums.as_slice())
    }
}

/// Bytes that are not those that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) bytes: Range<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: u64) -> (Vec<u8>, BlockSums) {
        let rows: Vec<u8> = (0..length).map(|place| (place * 7 % 251) as u8).collect();
        let mut summer = BlockSummer::default();
        rows.chunks(1000).for_each(|piece| summer.update(piece));
        let bytes = Bytes::from([summer.finish(), b"footer".to_vec()].concat());
        let tail = Tail { offset: length, crc32: crc32fast::hash(&bytes) };
        (rows, BlockSums::of_tail(tail, bytes).expect("sound"))
    }

    #[test]
    fn every_flipped_bit_is_found_and_told_by_its_block() {
        for length in [1, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            let (mut rows, sums) = file(length);
            assert_eq!(sums.verify(0, &rows), Ok(()), "{length}");
            for place in [0, length / 2, length - 1] {
                let index = usize::try_from(place).expect("small");
                rows[index] ^= 0x10;
                let start = place / BLOCK_BYTES * BLOCK_BYTES;
                let bytes = start..(start + BLOCK_BYTES).min(length);
                assert_eq!(sums.verify(0, &rows), Err(Mismatch { bytes }), "{place} of {length}");
                rows[index] ^= 0x10;
            }
        }
    }

    #[test]
    fn ranges_are_widened_to_whole_blocks_and_not_beyond_the_rows() {
        let (rows, sums) = file(3 * BLOCK_BYTES + 5);
        for (range, blocks) in [
            (0..1, 0..BLOCK_BYTES),
            (BLOCK_BYTES - 1..BLOCK_BYTES + 1, 0..2 * BLOCK_BYTES),
            (3 * BLOCK_BYTES + 1..3 * BLOCK_BYTES + 5, 3 * BLOCK_BYTES..3 * BLOCK_BYTES + 5),
        ] {
            assert_eq!(sums.blocks_around(&range), Some(blocks.clone()), "{range:?}");
            let [start, end] = [blocks.start, blocks.end].map(|place| usize::try_from(place).expect("small"));
            assert_eq!(sums.verify(blocks.start, &rows[start..end]), Ok(()), "{range:?}");
        }
        assert_eq!(sums.blocks_around(&(1..3 * BLOCK_BYTES + 6)), None);
        assert!(sums.verify(4 * BLOCK_BYTES, b"more").is_err());
    }

    #[test]
    fn a_tail_is_what_the_log_tells_of_it() {
        let tail = Tail { offset: 20_000, crc32: 0x1a };
        assert_eq!(tail.to_string(), "20000:0000001a");
        assert_eq!("20000:0000001a".parse(), Ok(tail));
        for text in ["", "20000", "x:1a", "1:xyz", "-1:00"] {
            assert!(text.parse::<Tail>().is_err(), "{text}");
        }
        let bytes = Bytes::from_static(b"12345678");
        let crc32 = crc32fast::hash(&bytes);
        assert!(BlockSums::of_tail(Tail { offset: 2 * BLOCK_BYTES, crc32 }, bytes.clone()).is_ok());
        let too_few = BlockSums::of_tail(Tail { offset: 2 * BLOCK_BYTES + 1, crc32 }, bytes.clone());
        assert!(too_few.is_err());
        assert!(BlockSums::of_tail(Tail { offset: 1, crc32: crc32 ^ 1 }, bytes).is_err());
    }
}
