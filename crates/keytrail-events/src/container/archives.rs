//! Zip and tar archives: their entries, read one after the other as files of their own.
//!
//! An entry's name is text for messages. Directories, links and what macOS puts beside files are passed over; everything else is read, and
//! what cannot be is rejected under its name.

use std::io::{Cursor, Read};

use tar::EntryType;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::reading::Reading;

/// How much of an entry's name a message shows.
const SHOWN_NAME_CHARS: usize = 200;

/// Whether `bytes` begin like a zip archive, also an empty one.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Whether `bytes` begin with a tar header: by its checksum, as old archives have no magic.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<512>() else { return false };
    let stated = header[148..156].iter().filter(|byte| (b'0'..=b'7').contains(byte));
    let stated = stated.fold(0_u32, |sum, digit| sum << 3 | u32::from(digit - b'0'));
    let is_in_checksum = |at: usize| (148..156).contains(&at);
    let sum = header.iter().enumerate().map(|(at, byte)| if is_in_checksum(at) { 32 } else { u32::from(*byte) });
    header[0] != 0 && stated == sum.sum::<u32>()
}

/// What belongs to the system that made the archive, not to the archive.
fn is_litter(name: &str) -> bool {
    name.starts_with("__MACOSX/") || name.ends_with(".DS_Store")
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_NAME_CHARS).flat_map(char::escape_debug).collect()
}

impl Reading<'_> {
    /// Reads a zip archive's entries in the order of its directory.
    pub(super) fn zip(&mut self, bytes: &[u8], depth: u32) {
        let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => archive,
            Err(error) => return self.reject_whole(format!("the zip archive is damaged or cut short: {error}"), bytes),
        };
        if archive.name_for_index(0).is_some_and(|_| archive.index_for_name("[Content_Types].xml").is_some()) {
            return self.reject_whole("an Office document: save its table as CSV and convert that".to_owned(), bytes);
        }
        if archive.offset() > 0 {
            self.reject_whole(format!("{} bytes before the zip archive that ends the file", archive.offset()), bytes);
        }
        let (listed, end) = listed_zip_entries(bytes, archive.central_directory_start());
        self.behind_zip_entries(end);
        if let Some(hidden) = listed.checked_sub(archive.len()).filter(|hidden| *hidden > 0) {
            let reason = format!("{hidden} entries of the zip archive are not counted, or have another one's name");
            self.reject_whole(reason, bytes);
        }
        for index in 0..archive.len() {
            if self.is_over() {
                return;
            }
            let name = archive.name_for_index(index).unwrap_or_default().to_owned();
            match archive.by_index(index) {
                Ok(entry) if entry.is_dir() || is_litter(&name) => {}
                Ok(entry) => self.zip_entry(entry, bytes, depth),
                Err(error) => self.within(&shown(&name), |reading| {
                    reading.reject_whole(format!("the zip entry cannot be read: {error}"), bytes);
                }),
            }
        }
    }

    /// What stands behind a zip archive's directory: its comment, and what is none of the archive.
    fn behind_zip_entries(&mut self, end: &[u8]) {
        let (comment, rest) = comment_and_rest(end);
        if comment.contains(&b'{') {
            self.reject_whole("the zip archive's comment is not read, and may hold records".to_owned(), comment);
        } else if !comment.is_empty() {
            self.note(format!("the zip archive has a comment of {} bytes", comment.len()));
        }
        let count = rest.len();
        if rest.iter().any(|byte| *byte != 0) {
            self.reject_whole(
                format!("{count} bytes after the zip archive that are none of it, and may have held records"),
                rest,
            );
        } else if count > 0 {
            self.note(format!("{count} zero bytes after the zip archive"));
        }
    }

    fn zip_entry(&mut self, mut entry: ZipFile<'_, Cursor<&[u8]>>, archive: &[u8], depth: u32) {
        let name = shown(entry.name());
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
        let end = usize::try_from(entry.compressed_size()).unwrap_or(usize::MAX).saturating_add(start);
        let packed = archive.get(start..end.min(archive.len())).unwrap_or_default();
        let mut out = self.unpacker.buffer();
        out.clear();
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        let result = self.read_zip_entry(&mut entry, size, &mut out);
        self.within(&name, |reading| match result {
            Ok(()) => reading.content(&out, depth + 1),
            Err(reason) => reading.reject_whole(reason, packed),
        });
        self.unpacker.give_back(out);
    }

    /// Takes no memory for more than the entry's stated size, and nothing at all where that is above the budget.
    fn read_zip_entry(&mut self, entry: &mut impl Read, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if let Err(failure) = self.unpacker.spend(size) {
            self.give_up();
            return Err(failure.to_string());
        }
        let read = entry
            .take(size as u64 + 1)
            .read_to_end(out)
            .map_err(|error| format!("the zip entry is damaged: {error}"))?;
        if read == size {
            Ok(())
        } else {
            Err("the zip entry is damaged: its size is not the one it states".to_owned())
        }
    }

    /// Reads a tar archive's entries in their order.
    pub(super) fn tar(&mut self, bytes: &[u8], depth: u32) {
        let mut archive = tar::Archive::new(Cursor::new(bytes));
        // Behind an archive's end another one may follow.
        archive.set_ignore_zeros(true);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.reject_whole(format!("the tar archive is damaged: {error}"), bytes),
        };
        for entry in entries {
            if self.is_over() {
                return;
            }
            match entry {
                Ok(entry) if self.tar_entry(&entry, bytes, depth) => {}
                Ok(_) => return,
                Err(error) => {
                    let reason = self.failure.take().unwrap_or_else(|| format!("the tar archive is damaged: {error}"));
                    return self.reject_whole(reason, bytes);
                }
            }
        }
    }

    /// False where the archive ends inside the entry.
    fn tar_entry(&mut self, entry: &tar::Entry<'_, Cursor<&[u8]>>, archive: &[u8], depth: u32) -> bool {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let has_content =
            matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
        if !has_content || is_litter(&name) {
            return true;
        }
        let start = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX).min(archive.len());
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        let content = archive.get(start..start.saturating_add(size));
        self.within(&shown(&name), |reading| match content {
            Some(_) if entry.header().entry_type() == EntryType::GNUSparse => {
                reading.reject_whole(
                    "a sparse file in the tar archive: pack it without holes".to_owned(),
                    &archive[start..],
                );
            }
            Some(content) => reading.content(content, depth + 1),
            None => reading.cut_tar_entry(&archive[start..], depth),
        });
        content.is_some()
    }

    /// The last entry of an archive that ends early: what is there of it is read.
    fn cut_tar_entry(&mut self, content: &[u8], depth: u32) {
        let is_known = self.failure.is_some();
        self.failure.get_or_insert_with(|| "the tar archive is cut short".to_owned());
        self.content(content, depth + 1);
        if !is_known && let Some(reason) = self.failure.take() {
            self.reject_whole(reason, content);
        }
    }
}

/// A zip archive's comment and what follows the archive, from what follows its directory.
fn comment_and_rest(end: &[u8]) -> (&[u8], &[u8]) {
    /// The record that ends an archive, without its comment, whose length its last two bytes tell.
    const END_BYTES: usize = 22;
    // Archives of the 64-bit format have two records more before it, and any may have a signature.
    let Some(at) = memchr::memmem::find(end, b"PK\x05\x06") else { return (&[], end) };
    let Some((record, rest)) = end[at..].split_at_checked(END_BYTES) else { return (&[], &end[at..]) };
    let length = usize::from(u16::from_le_bytes([record[END_BYTES - 2], record[END_BYTES - 1]]));
    rest.split_at_checked(length).unwrap_or((rest, &[]))
}

/// How many entries stand in the directory that begins at `start`, whatever the archive's end counts, and what follows them.
fn listed_zip_entries(bytes: &[u8], start: u64) -> (usize, &[u8]) {
    const LENGTHS: [usize; 3] = [28, 30, 32];
    let mut rest = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
    let mut count = 0;
    while rest.starts_with(b"PK\x01\x02") {
        count += 1;
        let length = |at: usize| rest.get(at..)?.first_chunk().map(|bytes| usize::from(u16::from_le_bytes(*bytes)));
        let size = LENGTHS.into_iter().try_fold(46, |size, at| Some(size + length(at)?));
        rest = size.and_then(|size| rest.get(size..)).unwrap_or_default();
    }
    (count, rest)
}
