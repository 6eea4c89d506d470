//! Any text as JSON: the scanner takes what serde_json takes, and the pieces it cuts are those that serde_json finds.
#![no_main]

use std::collections::BTreeMap;

use keytrail_events::json::{Scanner, SyntaxError, elements, members, push_canonical, string_value, unescape};
use serde_json::Value;
use serde_json::value::RawValue;

fn scanned(text: &str) -> Result<(&str, bool), SyntaxError> {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.peek();
    scanner.begin_form();
    let value = scanner.value()?;
    let is_canonical = scanner.is_canonical();
    match scanner.peek() {
        None => Ok((&text[value], is_canonical)),
        Some(_) => Err(SyntaxError { offset: scanner.position(), reason: "text after the value" }),
    }
}

fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let theirs = serde_json::from_str::<&RawValue>(text);
    let (raw, is_canonical) = match scanned(text) {
        Ok(found) => found,
        Err(error) => {
            assert!(error.offset <= text.len(), "{error}");
            // serde_json has no cap on values that it skips.
            return assert!(theirs.is_err() || error.reason == "nested too deep", "refused: {error}");
        }
    };
    assert_eq!(raw, theirs.expect("serde_json takes it too").get());
    let mut canonical = String::new();
    push_canonical(&mut canonical, raw);
    assert_eq!(value(raw), value(&canonical), "one value in two spellings");
    assert!(!is_canonical || raw == canonical, "said to be canonical, is spelled {canonical}");
    let mut again = String::new();
    push_canonical(&mut again, &canonical);
    assert_eq!(again, canonical);
    if let Ok(theirs) = serde_json::from_str::<String>(raw) {
        assert_eq!(string_value(raw).as_deref(), Some(theirs.as_str()));
    }
    if let Ok(theirs) = serde_json::from_str::<Vec<&RawValue>>(raw) {
        assert!(elements(raw).eq(theirs.iter().map(|element| element.get())));
    }
    if let Ok(theirs) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw) {
        let ours: BTreeMap<_, _> = members(raw).map(|(name, value)| (unescape(name).into_owned(), value)).collect();
        let theirs: BTreeMap<_, _> = theirs.into_iter().map(|(name, value)| (name, value.get())).collect();
        assert_eq!(ours, theirs);
    }
});
