//! What the targets share: a sink that checks the accounts of a file, and other spellings of JSON.
//!
//! It says what must hold and makes no input: libFuzzer does, see `tests/fuzz`.

use keytrail_events::{
    EventBatchBuilder, EventRecord, FileDecoder, FileOutcome, Lineage, RecordSink, RecordTexts, Reject,
};

/// What one file gave, as far as targets compare it.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What the decoder told at the end.
    pub outcome: FileOutcome,
    /// The records' texts in their order.
    pub texts: Vec<String>,
    /// The rejects' reasons in their order.
    pub reasons: Vec<String>,
}

/// Decodes a file and asserts that its accounts are even and that rows give the records back.
pub fn decoded(decoder: &mut FileDecoder, bytes: &[u8]) -> Decoded {
    let mut sink = CheckingSink::default();
    let outcome = decoder.decode(bytes, &mut sink);
    let CheckingSink { texts, reasons, mut builder } = sink;
    assert_eq!(outcome.record_count, (texts.len() + reasons.len()) as u64, "records = taken + rejected");
    assert_eq!(outcome.rejected_count, reasons.len() as u64, "each reject was told");
    assert_rows_give_back(&mut builder, &texts);
    Decoded { outcome, texts, reasons }
}

#[derive(Debug, Default)]
struct CheckingSink {
    texts: Vec<String>,
    reasons: Vec<String>,
    builder: EventBatchBuilder,
}

impl CheckingSink {
    fn count(&self) -> u64 {
        (self.texts.len() + self.reasons.len()) as u64
    }
}

impl RecordSink for CheckingSink {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        assert_eq!(index, self.count(), "indexes run on");
        self.texts.push(record.text().to_owned());
        self.builder.append(record, &Lineage { record_index: index, ..Lineage::default() });
    }

    fn reject(&mut self, reject: Reject<'_>) {
        assert!(reject.record_index.is_none_or(|index| index == self.count()), "indexes run on");
        assert!(!reject.reason.is_empty(), "each reject has a reason");
        self.reasons.push(reject.reason);
    }
}

/// Asserts that the builder's rows are these texts, byte by byte.
pub fn assert_rows_give_back(builder: &mut EventBatchBuilder, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    let batch = builder.finish();
    let rows = RecordTexts::new(&batch).expect("all columns were built");
    for (row, text) in texts.iter().enumerate() {
        let mut out = String::new();
        assert!(rows.push(&mut out, row), "the row is whole: {text}");
        assert_eq!(&out, text, "the row gives the record back");
    }
}

/// Valid JSON with `gap` around each of its tokens instead of its own white space.
pub fn respaced(json: &str, gap: &str) -> String {
    let mut out = String::new();
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '}' | '[' | ']' | ':' | ',' => out.extend([gap, character.encode_utf8(&mut [0; 4]), gap]),
            '"' => {
                out.push('"');
                push_string(&mut out, &mut rest, |out, character| out.push(character));
            }
            _ => out.push(character),
        }
    }
    out
}

/// Valid JSON with an escape for each character of its strings.
pub fn escaped(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json.chars();
    while let Some(character) = rest.next() {
        out.push(character);
        if character == '"' {
            push_string(&mut out, &mut rest, |out, character| {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            });
        }
    }
    out
}

/// Takes a string's rest with its closing quote; escapes stay as they are.
fn push_string(out: &mut String, rest: &mut std::str::Chars<'_>, push: impl Fn(&mut String, char)) {
    while let Some(character) = rest.next() {
        match character {
            '"' => return out.push('"'),
            '\\' => {
                out.push('\\');
                let kind = rest.next();
                out.extend(kind);
                if kind == Some('u') {
                    out.extend(rest.by_ref().take(4));
                }
            }
            _ => push(out, character),
        }
    }
}
