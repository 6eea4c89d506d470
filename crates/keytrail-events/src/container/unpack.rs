//! Packed bytes into unpacked ones, within the file's budget; buffers are kept from file to file.
//!
//! It tells packings by their first bytes and knows nothing of what is inside: see [`super::archives`] for entries, [`super::text`] for text.

use crate::compression::{InflateFailure, Inflated, Inflater, decompress_zstd, is_gzip, is_zstd};

use super::archives::{is_tar, is_zip};
use super::reading::Reading;

/// Memory that a buffer keeps between files; one large file does not hold on to more.
const KEPT_BYTES: usize = 16 << 20;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Zip,
    Tar,
}

impl Packing {
    /// Tells by the first bytes; `None` = not packed.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            b'{' | b'[' => None,
            _ if is_gzip(bytes) => Some(Self::Gzip),
            _ if is_zstd(bytes) => Some(Self::Zstd),
            _ if is_zip(bytes) => Some(Self::Zip),
            _ if is_tar(bytes) => Some(Self::Tar),
            _ => None,
        }
    }
}

/// Unpacks what one file holds, at most `max_bytes` in total.
#[derive(Debug)]
pub(super) struct Unpacker {
    inflater: Inflater,
    spare: Vec<Vec<u8>>,
    max_bytes: usize,
    left_bytes: usize,
}

impl Unpacker {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { inflater: Inflater::new(max_bytes), spare: Vec::new(), max_bytes, left_bytes: max_bytes }
    }

    /// Gives the next file its budget.
    pub(super) fn begin_file(&mut self) {
        self.left_bytes = self.max_bytes;
    }

    /// Takes `count` produced bytes from the budget.
    pub(super) fn spend(&mut self, count: usize) -> Result<(), InflateFailure> {
        match self.left_bytes.checked_sub(count) {
            Some(left) => self.left_bytes = left,
            None => return Err(self.too_large()),
        }
        Ok(())
    }

    /// The failure of a file that unpacks to more than its budget.
    pub(super) fn too_large(&self) -> InflateFailure {
        InflateFailure::TooLarge(self.max_bytes)
    }

    /// A buffer with whatever it held before, so that growing to the size of the next file need not fill it with zeros;
    /// [`Unpacker::give_back`] takes it again.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.truncate(KEPT_BYTES);
        buffer.shrink_to(KEPT_BYTES);
        self.spare.push(buffer);
    }

    fn unpack(&mut self, packing: Packing, bytes: &[u8], out: &mut Vec<u8>) -> Inflated {
        let mut inflated = match packing {
            Packing::Zstd => decompress_zstd(bytes, out, self.left_bytes),
            _ => self.inflater.inflate_up_to(bytes, out, self.left_bytes),
        };
        if matches!(inflated.failure, Some(InflateFailure::TooLarge(_))) {
            inflated.failure = Some(self.too_large());
        }
        self.left_bytes -= out.len();
        inflated
    }
}

impl Reading<'_> {
    /// Unpacks one layer of compression and reads what is inside. A file that ends early is told once, by the record that was cut or
    /// else by a reject of the whole.
    pub(super) fn compressed(&mut self, packing: Packing, bytes: &[u8], depth: u32) {
        let mut out = self.unpacker.buffer();
        let inflated = self.unpacker.unpack(packing, bytes, &mut out);
        let is_whole = inflated.failure.is_none();
        if let Some(failure) = inflated.failure {
            self.failure.get_or_insert_with(|| failure.to_string());
        }
        self.content(&out, depth + 1);
        if is_whole {
            let trailing_length = usize::try_from(inflated.trailing_bytes).unwrap_or(usize::MAX);
            self.trailing(&bytes[bytes.len().saturating_sub(trailing_length)..]);
        } else if let Some(reason) = self.failure.take() {
            self.reject_whole(reason, bytes);
        }
        self.unpacker.give_back(out);
    }

    /// What follows packed data that is whole: padding, or something that nobody reads.
    fn trailing(&mut self, bytes: &[u8]) {
        let count = bytes.len();
        if bytes.iter().any(|byte| *byte != 0) {
            self.reject_whole(
                format!("{count} bytes after the gzip data that are none, and may have held records"),
                bytes,
            );
        } else if count > 0 {
            self.note(format!("{count} zero bytes after the gzip data: trail log files have none"));
        }
    }
}
