//! Tables of cases over whole files: shapes, then what §10 of the facts lists, then strictness.

mod items;
mod public_data;
mod shapes;
mod strictness;

use std::io::Write;

use super::*;
use crate::builder::{EventBatchBuilder, Lineage};
use crate::json;
use crate::record::DetailLevel;

/// An event with an encryption context, as AWS writes it.
const EVENT: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","accountId":"011122223333","userName":"alice"},"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","requestParameters":{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::b/k"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"},"responseElements":null,"eventID":"e-1","readOnly":true,"resources":[{"accountId":"011122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-west-1:011122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}],"recipientAccountId":"011122223333"}"#;
const KEY: &str = "arn:aws:kms:eu-west-1:011122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// What a sink was given.
#[derive(Default)]
struct Collected {
    records: Vec<(u64, String)>,
    rejects: Vec<(Option<u64>, String, Vec<u8>)>,
    offsets: Vec<u64>,
    levels: Vec<DetailLevel>,
    hashes: Vec<u64>,
    builder: EventBatchBuilder,
}

impl Collected {
    fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn reasons(&self) -> Vec<&str> {
        self.rejects.iter().map(|(_, reason, _)| reason.as_str()).collect()
    }

    /// A text column of all rows.
    fn column(&mut self, name: &str) -> Vec<Option<String>> {
        use arrow_array::{Array, cast::AsArray};
        let batch = self.builder.finish();
        let column = batch.column_by_name(name).expect(name).as_string::<i32>().clone();
        self.builder = EventBatchBuilder::new();
        for (index, text) in &self.records {
            let mut record = EventRecord::parse(text).expect(text);
            record.lower_detail_level(self.levels[usize::try_from(*index).unwrap_or(0).min(self.levels.len() - 1)]);
            self.builder.append(&record, &Lineage::default());
        }
        (0..column.len()).map(|row| column.is_valid(row).then(|| column.value(row).to_owned())).collect()
    }

    /// The text column of the only row.
    fn value(&mut self, name: &str) -> Option<String> {
        let column = self.column(name);
        assert_eq!(column.len(), 1, "one row");
        column.into_iter().next().flatten()
    }
}

impl RecordSink for Collected {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        self.records.push((index, record.text().to_owned()));
        self.levels.push(record.detail_level());
        self.hashes.push(record.body_hash());
        self.builder.append(record, &Lineage::default());
    }

    fn reject(&mut self, reject: Reject<'_>) {
        self.rejects.push((reject.record_index, reject.reason, reject.raw.to_vec()));
        self.offsets.push(reject.byte_offset);
    }
}

/// Decodes with a cap of 1 MiB and checks the accounts.
fn decode(bytes: &[u8]) -> (FileOutcome, Collected) {
    decode_up_to(bytes, 1 << 20)
}

fn decode_up_to(bytes: &[u8], max_bytes: usize) -> (FileOutcome, Collected) {
    decode_file(None, bytes, max_bytes)
}

fn decode_file(path: Option<&str>, bytes: &[u8], max_bytes: usize) -> (FileOutcome, Collected) {
    let mut collected = Collected::default();
    let outcome = FileDecoder::with_max_file_bytes(max_bytes).decode_named(path, bytes, &mut collected);
    assert_eq!(outcome.record_count, (collected.records.len() + collected.rejects.len()) as u64);
    assert_eq!(outcome.rejected_count, collected.rejects.len() as u64);
    let indexes = collected.records.iter().map(|(index, _)| *index);
    assert!(indexes.is_sorted_by(|one, next| one < next), "record indexes run on");
    (outcome, collected)
}

/// The texts of the records of a file without rejects.
fn texts(bytes: &[u8]) -> Vec<String> {
    let (_, collected) = decode(bytes);
    assert!(collected.rejects.is_empty(), "{:?}", collected.reasons());
    collected.texts().into_iter().map(str::to_owned).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).expect("memory")
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).expect("memory");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        // Names that a careful archiver would refuse are written as they are.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::push_quoted(&mut out, text);
    out
}

fn csv_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
}

/// An event with another id.
fn event(id: usize) -> String {
    EVENT.replace("\"e-1\"", &format!("\"e-{id}\""))
}

fn records(count: usize) -> String {
    format!(r#"{{"Records":[{}]}}"#, (0..count).map(event).collect::<Vec<_>>().join(","))
}
