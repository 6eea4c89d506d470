//! Gzip, strictly: every byte produced is checked, every byte of input is accounted for, and output is capped.
//!
//! The common file (one member, nothing after it) goes through libdeflate in one call; everything else through zlib-rs member by member.
//! It knows nothing of what the bytes mean.

use std::io::Read;

use flate2::bufread::GzDecoder;
use libdeflater::{DecompressionError, Decompressor, crc32};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// What came out of a gzip file, as far as it could be read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inflated {
    /// Members read to their end; a trail log file has one, Firehose and CloudWatch exports may have several.
    pub member_count: u32,
    /// Bytes after the last member that are no gzip: AWS writes none, so they are a finding.
    pub trailing_bytes: u64,
    /// Why reading stopped early; what was produced before is kept only when the file is cut short.
    pub failure: Option<InflateFailure>,
}

/// Why gzip data could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflateFailure {
    /// The file ends inside a member; what came before is sound.
    #[error("the gzip data is cut short")]
    CutShort,
    /// A checksum, length or code is wrong; nothing of the file can be trusted.
    #[error("the gzip data is damaged: {0}")]
    Damaged(String),
    /// The file holds more than the cap.
    #[error("the file unpacks to more than {0} bytes")]
    TooLarge(usize),
}

/// Whether `bytes` begin like gzip.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Unpacks gzip files; keeps its working memory between them.
pub struct Inflater {
    decompressor: Decompressor,
    finder: memchr::memmem::Finder<'static>,
    max_bytes: usize,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

impl Inflater {
    /// Unpacks at most `max_bytes` of each file.
    pub fn new(max_bytes: usize) -> Self {
        Self { decompressor: Decompressor::new(), finder: memchr::memmem::Finder::new(&MAGIC).into_owned(), max_bytes }
    }

    /// Replaces the content of `out` by what `bytes` unpack to.
    pub fn inflate(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Inflated {
        if self.is_single_member(bytes) && self.inflate_whole(bytes, out) {
            return Inflated { member_count: 1, ..Inflated::default() };
        }
        self.inflate_members(bytes, out)
    }

    /// Whether no second member can hide in `bytes`: its first three bytes stand nowhere else.
    fn is_single_member(&self, bytes: &[u8]) -> bool {
        bytes.len() > 18 && self.finder.find(&bytes[MAGIC.len()..]).is_none()
    }

    /// True when all of `bytes` were one sound member. libdeflate does not say how much input it took, so the trailer is compared:
    /// with bytes after the member, the last eight would have to repeat its checksum and length.
    fn inflate_whole(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let trailer = &bytes[bytes.len() - 8..];
        let stated = trailer[4..].iter().rev().fold(0, |size: usize, &byte| size << 8 | usize::from(byte));
        if stated > self.max_bytes || stated / 1100 > bytes.len() {
            return false;
        }
        out.resize(stated, 0);
        match self.decompressor.gzip_decompress(bytes, out) {
            Ok(size) => size == stated && crc32(out).to_le_bytes() == trailer[..4],
            Err(DecompressionError::BadData | DecompressionError::InsufficientSpace) => false,
        }
    }

    fn inflate_members(&self, bytes: &[u8], out: &mut Vec<u8>) -> Inflated {
        let mut inflated = Inflated::default();
        let mut rest = bytes;
        out.clear();
        while is_gzip(rest) {
            let room = (self.max_bytes - out.len()) as u64;
            let mut member = GzDecoder::new(rest);
            let result = member.by_ref().take(room + 1).read_to_end(out);
            if out.len() > self.max_bytes {
                inflated.failure = Some(InflateFailure::TooLarge(self.max_bytes));
                out.clear();
                return inflated;
            }
            if let Err(error) = result {
                inflated.failure = Some(failure_of(&error));
                if inflated.failure != Some(InflateFailure::CutShort) {
                    out.clear();
                }
                return inflated;
            }
            inflated.member_count += 1;
            rest = member.into_inner();
        }
        inflated.trailing_bytes = rest.len() as u64;
        inflated
    }
}

fn failure_of(error: &std::io::Error) -> InflateFailure {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => InflateFailure::CutShort,
        _ => InflateFailure::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn inflate(bytes: &[u8]) -> (Inflated, Vec<u8>) {
        let mut out = vec![1, 2, 3];
        let inflated = Inflater::new(1 << 20).inflate(bytes, &mut out);
        (inflated, out)
    }

    #[test]
    fn one_member() {
        let (inflated, out) = inflate(&gzip(b"hello"));
        assert_eq!((inflated.member_count, inflated.failure, out.as_slice()), (1, None, b"hello".as_slice()));
    }

    #[test]
    fn several_members_and_trailing_bytes() {
        for second in [b"world".as_slice(), b"hello".as_slice()] {
            let (inflated, out) = inflate(&[gzip(b"hello"), gzip(second)].concat());
            assert_eq!((inflated.member_count, inflated.trailing_bytes), (2, 0));
            assert_eq!(out, [b"hello", second].concat());
        }
        let (inflated, out) = inflate(&[gzip(b"hello"), b"tampered with".to_vec()].concat());
        assert_eq!((inflated.member_count, inflated.trailing_bytes, out.as_slice()), (1, 13, b"hello".as_slice()));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let content = b"{\"Records\":[{\"eventName\":\"Decrypt\"}]}";
        let whole = gzip(content);
        for length in 3..whole.len() {
            let (inflated, _) = inflate(&whole[..length]);
            assert_eq!(inflated.failure, Some(InflateFailure::CutShort), "cut to {length}");
        }
        // Bytes 4 to 9 of the header hold a time stamp, flags for the packer and the system: nothing that the content depends on.
        for bit in (10 * 8)..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (inflated, out) = inflate(&damaged);
            // Deflate ends inside a byte; its last bits mean nothing, so flipping them changes nothing.
            let is_padding = bit / 8 == whole.len() - 9 && out == content;
            assert!(is_padding || inflated.failure.is_some() || inflated.trailing_bytes > 0, "bit {bit} gave {out:?}");
        }
    }

    #[test]
    fn output_is_capped_by_what_is_produced() {
        let bomb = gzip(&vec![0; (1 << 20) + 1]);
        let (inflated, out) = inflate(&bomb);
        assert_eq!((inflated.failure, out.len()), (Some(InflateFailure::TooLarge(1 << 20)), 0));
        let (inflated, out) = inflate(&gzip(&vec![0; 1 << 20]));
        assert_eq!((inflated.failure, out.len()), (None, 1 << 20));
    }
}
