//! Gzip and zstd, strictly: every byte produced is checked, every byte of input is accounted for, and output is capped.
//!
//! The common file (one gzip member, nothing after it) goes through libdeflate in one call; everything else is read as a stream.
//! A file that produces more than `EAGER_BYTES` is counted to its end before memory is taken for it, so that a bomb is refused
//! with flat memory. It knows nothing of what the bytes mean.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use libdeflater::{DecompressionError, Decompressor, crc32};

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What is unpacked without having been counted first; AWS's log files stay below 50 MB.
const EAGER_BYTES: usize = 64 << 20;
/// Flags of a gzip header that no version of the format defines.
const GZIP_RESERVED_FLAGS: u8 = 0b1110_0000;

/// What came out of packed data, as far as it could be read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inflated {
    /// Members (gzip) read to their end; a trail log file has one, Firehose and CloudWatch exports may have several.
    pub member_count: u32,
    /// Bytes after the last member that are no gzip: AWS writes none, so they are a finding.
    pub trailing_bytes: u64,
    /// Why reading stopped early. What is kept: of damaged data the members before the damage, of cut data everything before the cut.
    pub failure: Option<InflateFailure>,
}

/// Why packed data could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflateFailure {
    /// The data ends inside a member; what came before is sound.
    #[error("the packed data is cut short")]
    CutShort,
    /// A checksum, length or code is wrong; nothing of that member can be trusted.
    #[error("the packed data is damaged: {0}")]
    Damaged(String),
    /// The file holds more than the cap.
    #[error("the file unpacks to more than {0} bytes")]
    TooLarge(usize),
}

/// Whether `bytes` begin like gzip.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP_MAGIC)
}

/// Whether `bytes` begin like zstd.
pub fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZSTD_MAGIC)
}

/// Unpacks files; keeps its working memory between them.
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
        let finder = memchr::memmem::Finder::new(&GZIP_MAGIC).into_owned();
        Self { decompressor: Decompressor::new(), finder, max_bytes }
    }

    /// Replaces the content of `out` by what the gzip data `bytes` unpack to.
    pub fn inflate(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Inflated {
        self.inflate_up_to(bytes, out, self.max_bytes)
    }

    /// The same with a cap of its own.
    pub fn inflate_up_to(&mut self, bytes: &[u8], out: &mut Vec<u8>, max_bytes: usize) -> Inflated {
        if self.is_single_member(bytes) && self.inflate_whole(bytes, out, max_bytes) {
            return Inflated { member_count: 1, ..Inflated::default() };
        }
        counted_first(out, max_bytes, |output| inflate_members(bytes, output))
    }

    /// Whether no second member can hide in `bytes`: its first three bytes stand nowhere else.
    fn is_single_member(&self, bytes: &[u8]) -> bool {
        bytes.len() > 18 && self.finder.find(&bytes[GZIP_MAGIC.len()..]).is_none()
    }

    /// True when all of `bytes` were one sound member. libdeflate does not say how much input it took, so the trailer is compared:
    /// with bytes after the member, the last eight would have to repeat its checksum and length.
    fn inflate_whole(&mut self, bytes: &[u8], out: &mut Vec<u8>, max_bytes: usize) -> bool {
        let trailer = &bytes[bytes.len() - 8..];
        let stated = trailer[4..].iter().rev().fold(0, |size: usize, &byte| size << 8 | usize::from(byte));
        if stated > max_bytes.min(EAGER_BYTES) || stated / 1100 > bytes.len() {
            return false;
        }
        out.resize(stated, 0);
        match self.decompressor.gzip_decompress(bytes, out) {
            Ok(size) => size == stated && crc32(out).to_le_bytes() == trailer[..4],
            Err(DecompressionError::BadData | DecompressionError::InsufficientSpace) => false,
        }
    }
}

/// Replaces the content of `out` by what the zstd frames in `bytes` unpack to.
pub fn decompress_zstd(bytes: &[u8], out: &mut Vec<u8>, max_bytes: usize) -> Inflated {
    counted_first(out, max_bytes, |output| {
        let result =
            zstd::stream::read::Decoder::with_buffer(bytes).and_then(|mut decoder| output.take_all(&mut decoder));
        Inflated { member_count: 0, trailing_bytes: 0, failure: result.err().map(|error| failure_of(&error)) }
    })
}

/// Runs `unpack`, a second time where the first has shown that the output is large but within `max_bytes`.
fn counted_first(out: &mut Vec<u8>, max_bytes: usize, unpack: impl Fn(&mut Output<'_>) -> Inflated) -> Inflated {
    let mut output = Output::new(out, EAGER_BYTES, max_bytes);
    let mut inflated = unpack(&mut output);
    let produced = output.produced;
    if produced > EAGER_BYTES && produced <= max_bytes {
        out.reserve_exact(produced);
        inflated = unpack(&mut Output::new(out, max_bytes, max_bytes));
    } else if produced > max_bytes {
        out.clear();
        inflated.failure = Some(InflateFailure::TooLarge(max_bytes));
    }
    inflated
}

/// Takes what is unpacked: keeps the first bytes, counts the others, and stops above the cap.
struct Output<'o> {
    kept: &'o mut Vec<u8>,
    max_kept: usize,
    max_produced: usize,
    produced: usize,
}

impl<'o> Output<'o> {
    fn new(kept: &'o mut Vec<u8>, max_kept: usize, max_produced: usize) -> Self {
        kept.clear();
        Self { kept, max_kept: max_kept.min(max_produced), max_produced, produced: 0 }
    }

    fn take_all(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let before = self.kept.len();
        let room = self.max_kept - before;
        let result = reader.by_ref().take(room as u64).read_to_end(self.kept);
        self.produced += self.kept.len() - before;
        result?;
        if self.kept.len() == self.max_kept { self.count_rest(reader) } else { Ok(()) }
    }

    fn count_rest(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        while self.produced <= self.max_produced {
            match reader.read(&mut buffer)? {
                0 => break,
                count => self.produced += count,
            }
        }
        Ok(())
    }

    fn is_above_cap(&self) -> bool {
        self.produced > self.max_produced
    }

    /// Forgets what was kept after the first `length` bytes.
    fn drop_after(&mut self, length: usize) {
        self.kept.truncate(length);
    }
}

fn inflate_members(bytes: &[u8], output: &mut Output<'_>) -> Inflated {
    let mut inflated = Inflated::default();
    let mut rest = bytes;
    while is_gzip(rest) && !output.is_above_cap() {
        let sound_bytes = output.kept.len();
        match inflate_member(rest, output) {
            Ok(after) => rest = after,
            Err(failure) => {
                if failure != InflateFailure::CutShort {
                    output.drop_after(sound_bytes);
                }
                inflated.failure = Some(failure);
                return inflated;
            }
        }
        inflated.member_count += 1;
    }
    inflated.trailing_bytes = rest.len() as u64;
    inflated
}

/// Unpacks the member that `bytes` begin with and returns what follows it.
fn inflate_member<'b>(bytes: &'b [u8], output: &mut Output<'_>) -> Result<&'b [u8], InflateFailure> {
    if bytes.get(3).is_some_and(|flags| flags & GZIP_RESERVED_FLAGS != 0) {
        return Err(InflateFailure::Damaged("unknown flags in the gzip header".to_owned()));
    }
    let mut member = GzDecoder::new(bytes);
    output.take_all(&mut member).map_err(|error| failure_of(&error))?;
    Ok(member.into_inner())
}

fn failure_of(error: &io::Error) -> InflateFailure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => InflateFailure::CutShort,
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
