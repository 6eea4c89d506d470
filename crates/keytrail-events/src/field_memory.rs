//! The values that the fields of a text's records had before. Most come again, and are then found by comparing, not by reading.
//!
//! A string, an array and an object tell where they end: what begins with one that was read is the same value, to its last byte.

use xxhash_rust::xxh3::xxh3_64;

use crate::json::{self, Scanner, SyntaxError};
use crate::record::Field;

/// A member's value, and what reading it told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedValue<'a> {
    /// As it stands in the text.
    pub(crate) raw: &'a str,
    /// The hash of its one spelling.
    pub(crate) hash: u64,
    /// Whether a string in it holds an escape.
    pub(crate) has_escapes: bool,
}

/// Identities that are remembered: sessions take turns in a log file.
const IDENTITIES: usize = 64;
/// What of a `userIdentity` tells whose it is: the principal's id, which stands behind the type.
const IDENTITY_MARK: std::ops::Range<usize> = 24..88;

/// The values of one text's records.
#[derive(Debug)]
pub struct FieldMemory<'a> {
    last: [Option<ScannedValue<'a>>; Field::COUNT],
    identities: [Option<ScannedValue<'a>>; IDENTITIES],
}

impl Default for FieldMemory<'_> {
    fn default() -> Self {
        Self { last: [None; Field::COUNT], identities: [None; IDENTITIES] }
    }
}

impl<'a> FieldMemory<'a> {
    /// Takes the value of `field` that begins where `scanner` stands in `text`.
    #[inline]
    pub(crate) fn value(
        &mut self,
        field: Field,
        text: &'a str,
        scanner: &mut Scanner<'_>,
    ) -> Result<ScannedValue<'a>, SyntaxError> {
        let place = match field {
            Field::UserIdentity => self.identity_at(&text.as_bytes()[scanner.position()..]),
            _ => &mut self.last[field as usize],
        };
        if let Some(known) = place
            && scanner.take_exactly(known.raw.as_bytes())
        {
            return Ok(*known);
        }
        let value = ScannedValue::read(text, scanner)?;
        if value.raw.starts_with(['"', '{', '[']) {
            *place = Some(value);
        }
        Ok(value)
    }

    fn identity_at(&mut self, bytes: &[u8]) -> &mut Option<ScannedValue<'a>> {
        let mark = bytes.get(IDENTITY_MARK).map_or(0, xxh3_64);
        let place = usize::try_from(mark % IDENTITIES as u64).unwrap_or_default();
        &mut self.identities[place]
    }
}

impl<'a> ScannedValue<'a> {
    /// Reads the value that begins where `scanner` stands in `text`.
    #[inline]
    pub(crate) fn read(text: &'a str, scanner: &mut Scanner<'_>) -> Result<Self, SyntaxError> {
        scanner.begin_form();
        let raw = &text[scanner.value()?];
        Ok(Self { raw, hash: value_hash(raw, scanner.is_canonical()), has_escapes: scanner.has_escapes() })
    }
}

/// The hash of a member's value; values that may be spelled in several ways are brought into one first.
#[inline]
pub(crate) fn value_hash(raw: &str, is_canonical: bool) -> u64 {
    if is_canonical {
        return xxh3_64(raw.as_bytes());
    }
    let mut canonical = String::with_capacity(raw.len());
    json::push_canonical(&mut canonical, raw);
    xxh3_64(canonical.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::EventRecord;

    /// What records say when each is read on its own, and when they are read from one text.
    fn alone_and_together(records: &[String]) -> [Vec<Result<String, SyntaxError>>; 2] {
        let shown = |record: EventRecord<'_>| {
            let values: Vec<_> = Field::all().map(|field| record.value(field).cloned()).collect();
            format!(
                "{} {:x} {} {values:?} {:?}",
                record.text(),
                record.body_hash(),
                record.layout(),
                record.unknown_fields()
            )
        };
        let text = records.concat();
        let (mut start, mut memory) = (0, FieldMemory::default());
        let together = records.iter().map(|record| {
            let mut scanner = Scanner::at(text.as_bytes(), start);
            start += record.len();
            EventRecord::scan_from(&text, &mut scanner, &mut memory).map(shown)
        });
        let together = together.collect();
        let mut start = 0;
        let alone = records.iter().map(|record| {
            let mut scanner = Scanner::at(text.as_bytes(), start);
            start += record.len();
            EventRecord::scan_from(&text, &mut scanner, &mut FieldMemory::default()).map(shown)
        });
        [alone.collect(), together]
    }

    proptest! {
        #[test]
        fn a_record_says_the_same_whatever_was_read_before(
            records in prop::collection::vec(
                prop::collection::vec(
                    (
                        prop::sample::select(vec!["eventName", "userIdentity", "readOnly", "resources", "new", "eventTime"]),
                        prop::sample::select(vec![
                            "1", "12", "1.5", "true", "truer", "null", "\"a\"", "\"a\\u0041\"", "\"a\"b", "{}", "{ }", "{\"a\":1}",
                            "{\"a\":1}]", "[]", "[1,2]", "\"2024-01-31T10:00:00Z\"", "",
                            "{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLE:one\",\"arn\":\"arn:aws:sts::111122223333:assumed-role/a/one\"}",
                            "{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLE:one\",\"arn\":\"arn:aws:sts::111122223333:assumed-role/b/two\"}",
                        ]),
                    ),
                    0..5,
                ),
                1..6,
            ),
        ) {
            let record = |members: &Vec<(&str, &str)>| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            };
            let records: Vec<_> = records.iter().map(record).collect();
            let [alone, together] = alone_and_together(&records);
            prop_assert_eq!(alone, together);
        }
    }
}
