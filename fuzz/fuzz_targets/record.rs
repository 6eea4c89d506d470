//! Any text as an event record: strict, given back byte by byte, and of one hash in every spelling.
#![no_main]

use keytrail_events::{EventBatchBuilder, EventRecord, Lineage, RecordError};
use keytrail_fuzz::{assert_rows_give_back, escaped, respaced};
use serde_json::value::RawValue;

fn hash_of(text: &str) -> u64 {
    EventRecord::parse(text).expect("another spelling of a record").body_hash()
}

/// The record with its members' values spelled anew. Names are not values: an escape in one makes it another name.
fn with_escapes(text: &str) -> String {
    let members = keytrail_events::json::members(text).map(|(name, raw)| format!("\"{name}\":{}", escaped(raw)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let theirs = serde_json::from_str::<&RawValue>(text);
    let record = match EventRecord::parse(text) {
        Ok(record) => record,
        Err(RecordError::Syntax(error)) => {
            return assert!(theirs.is_err() || error.reason == "nested too deep", "refused: {error}");
        }
        Err(_) => return assert!(theirs.is_err() || !text.trim_start().starts_with('{'), "refused: {text}"),
    };
    assert!(theirs.is_ok(), "serde_json takes it too");
    let mut builder = EventBatchBuilder::new();
    builder.append(&record, &Lineage::default());
    assert_rows_give_back(&mut builder, &[text.to_owned()]);
    for same in [respaced(text, ""), respaced(text, " \r\n\t"), with_escapes(text)] {
        assert_eq!(hash_of(&same), record.body_hash(), "{same}");
    }
});
