//! What a row is known by: its event id, the hash of its body, the event it amends, its partition.
//!
//! It looks at one record; what other records there are is for deduplication to say.

use std::borrow::Cow;

use crate::json;
use crate::kms::is_kms_event;
use crate::record::{EventRecord, Field, RecordError};
use crate::schema::EventGroup;
use crate::time::month_of;

/// The partition of `events` that a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPartition {
    /// Whether the event is one of KMS.
    pub event_group: EventGroup,
    /// `YYYY-MM` of the event time, or `unknown`.
    pub event_month: String,
}

impl EventPartition {
    /// The partition of `record`: by its own event time, never by a path or the clock.
    pub fn of(record: &EventRecord<'_>) -> Self {
        let is_kms = is_kms_event(record.text_of(Field::EventSource));
        Self {
            event_group: EventGroup::of(is_kms),
            event_month: record.event_time().map_or_else(|| "unknown".to_owned(), month_of),
        }
    }
}

/// The id of a record: `eventID`, or a hash of its text where it has none.
pub fn event_id<'r>(record: &'r EventRecord<'_>) -> Cow<'r, str> {
    match record.text_of(Field::EventId) {
        Some(id) if !id.is_empty() => Cow::Borrowed(id),
        _ => Cow::Owned(format!("sha256:{}", crate::hash::sha256_hex(record.text().as_bytes()))),
    }
}

/// The hash of a record's body as the column `body_hash` has it.
pub fn body_hash(record: &EventRecord<'_>) -> u32 {
    let hash = record.body_hash();
    // Both halves are as good; a truncation is what is wanted.
    u32::try_from((hash ^ hash >> 32) & u64::from(u32::MAX)).unwrap_or_default()
}

/// Whether a record's exact text says what the record with this `body_hash` said. Most are read by AWS's names, some by names in any case.
pub fn has_body_hash(text: &str, hash: u32) -> bool {
    let is_same = |record: Result<EventRecord<'_>, RecordError>| record.is_ok_and(|record| body_hash(&record) == hash);
    is_same(EventRecord::parse(text)) || is_same(EventRecord::parse_any_case(text))
}

/// The id of the event that `record` amends; only UPDATED_DATA amends one, the other reasons of an addendum explain a delay.
pub(crate) fn amended_event_id<'r>(record: &'r EventRecord<'_>, is_known_id: bool) -> Option<Cow<'r, str>> {
    let original = record.text_of(Field::Addendum).and_then(original_event_id);
    original.or_else(|| is_known_id.then(|| event_id(record)))
}

fn original_event_id(addendum: &str) -> Option<Cow<'_, str>> {
    let text = |wanted: &str| {
        let (_, raw) = json::members(addendum).find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        json::string_value(raw).filter(|text| !text.is_empty())
    };
    text("originalEventID").filter(|_| text("reason").as_deref() == Some("UPDATED_DATA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_id_gets_a_stable_one() {
        let record = EventRecord::parse("{}").expect("record");
        assert_eq!(event_id(&record), format!("sha256:{}", crate::hash::sha256_hex(b"{}")));
        let record = EventRecord::parse(r#"{"eventID":"e"}"#).expect("record");
        assert_eq!(event_id(&record), "e");
    }

    #[test]
    fn a_hash_is_known_again_however_the_record_was_read() {
        let (text, other) = (r#"{"eventid":"e","eventName":"a"}"#, r#"{"eventid":"e","eventName":"b"}"#);
        let by_name = body_hash(&EventRecord::parse(text).expect("record"));
        let in_any_case = body_hash(&EventRecord::parse_any_case(text).expect("record"));
        assert_ne!(by_name, in_any_case);
        for hash in [by_name, in_any_case] {
            assert!(has_body_hash(text, hash) && !has_body_hash(other, hash) && !has_body_hash("{", hash));
        }
    }

    #[test]
    fn partitions_follow_the_event_time() {
        let partition = |text: &str| EventPartition::of(&EventRecord::parse(text).expect(text));
        let of = |event_group, event_month: &str| EventPartition { event_group, event_month: event_month.to_owned() };
        assert_eq!(
            partition(r#"{"eventSource":"kms.amazonaws.com","eventTime":"2023-07-31T23:59:59Z"}"#),
            of(EventGroup::Kms, "2023-07")
        );
        assert_eq!(
            partition(r#"{"eventSource":"s3.amazonaws.com","eventTime":"2023-08-01T00:00:00Z"}"#),
            of(EventGroup::Other, "2023-08")
        );
        assert_eq!(partition(r#"{"eventSource":"kms.amazonaws.com"}"#), of(EventGroup::Kms, "unknown"));
    }
}
