//! Any text, packed: the same records whatever it is packed in, and a flipped bit is never silent where there is a checksum.
//!
//! The first byte says how it is packed, the next two which bit is flipped.
#![no_main]

use std::io::{Cursor, Write};

use flate2::Compression;
use keytrail_events::FileDecoder;
use keytrail_fuzz::{Decoded, decoded};
use zip::write::SimpleFileOptions;

const NAME: &str = "a.json";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn zip(content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(NAME, SimpleFileOptions::default()).expect("memory");
    writer.write_all(content).expect("memory");
    writer.finish().expect("memory").into_inner()
}

fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, NAME, content).expect("memory");
    builder.into_inner().expect("memory")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).expect("memory")
}

fn utf16(content: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(content.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// Some limits count the packing too.
fn is_at_a_limit(decoded: &Decoded) -> bool {
    decoded.reasons.iter().any(|reason| reason.contains("more than"))
}

libfuzzer_sys::fuzz_target!(|input: (u8, u16, &[u8])| {
    let (packing, bit, content) = input;
    let mut decoder = FileDecoder::with_max_file_bytes(1 << 20);
    let plain = decoded(&mut decoder, content);
    let is_json = content.first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    let packed = match packing % 6 {
        0 => gzip(content),
        1 => zip(content),
        2 => tar(content),
        3 => zstd(content),
        4 => gzip(&zip(content)),
        _ => match std::str::from_utf8(content) {
            Ok(text) if is_json => utf16(text),
            _ => return,
        },
    };
    let whole = decoded(&mut decoder, &packed);
    if !is_at_a_limit(&plain) && !is_at_a_limit(&whole) {
        assert_eq!((&whole.texts, whole.reasons.len()), (&plain.texts, plain.reasons.len()));
        assert_eq!(whole.outcome.kind, plain.outcome.kind);
        assert_eq!(whole.outcome.ignored, plain.outcome.ignored);
    }
    if packing % 6 > 1 {
        return;
    }
    let mut damaged = packed;
    let bit = usize::from(bit) % (damaged.len() * 8);
    damaged[bit / 8] ^= 1 << (bit % 8);
    let damaged = decoded(&mut decoder, &damaged);
    let is_told = damaged.reasons != whole.reasons || damaged.outcome.notes != whole.outcome.notes;
    assert!(is_told || damaged.texts == whole.texts, "bit {bit} is silent");
});
