//! Event records into record batches of the one schema.
//!
//! ```text
//! record ─▶ row_keys (id, partition) ─▶ row_writer (values in the columns' order) ─▶ columns ─▶ rows
//! ```
//! One builder fills one partition of `events`. It does not sort, deduplicate or write; a record's text is checked against what the
//! columns would give back as it is appended, so that no later stage has to trust the layout. [`crate::record_texts`] gives it back.

use std::borrow::Cow;

use arrow_array::RecordBatch;

use crate::columns::{ColumnBuilder, ColumnValues};
use crate::identity::Identity;
use crate::interner::{NULL_KEY, TextInterner, room_after};
use crate::kms::is_kms_event;
use crate::record::{EventRecord, Field};
use crate::row_keys::{amended_event_id, body_hash};
use crate::row_writer::{
    Caller, IDENTITY_COLUMN_COUNT, IDENTITY_COLUMNS, KMS_COLUMN_COUNT, MENTION_COLUMN_COUNT, RowWriter,
    TEXT_COLUMN_COUNT, USER_IDENTITY_COLUMN, USER_IDENTITY_LEVELS, append_envelope, append_identity, append_json,
    append_kms, append_mentions, append_text, unfolded,
};
use crate::rows::EventRows;
use crate::schema::{COLUMNS, Column, ColumnGroup, Repetition};

/// Where a record was read: the lineage columns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lineage<'a> {
    /// The log file, as the ledger names it.
    pub log_file_path: &'a str,
    /// Position of the record in the file, from 0.
    pub record_index: u64,
    /// Delivery time in microseconds since the epoch, UTC; `None` where the file's name tells none.
    pub delivery_time: Option<i64>,
    /// The lake, or this conversion, holds another record under the same event id.
    pub is_known_id: bool,
}

/// Which columns of `events` are built. The others stay null, and what would be worked out for them alone is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltColumns {
    is_built: [bool; COLUMNS.len()],
}

impl BuiltColumns {
    /// Every column.
    pub const ALL: Self = Self { is_built: [true; COLUMNS.len()] };

    /// The columns at these places of [`COLUMNS`]; a place beyond it is none.
    pub fn at(places: impl IntoIterator<Item = usize>) -> Self {
        let mut is_built = [false; COLUMNS.len()];
        for place in places {
            if let Some(is_built) = is_built.get_mut(place) {
                *is_built = true;
            }
        }
        Self { is_built }
    }

    /// Whether a column is built for which this is true.
    fn any(&self, is_meant: impl Fn(&Column) -> bool) -> bool {
        COLUMNS.iter().zip(self.is_built).any(|(column, is_built)| is_built && is_meant(column))
    }
}

/// What is worked out for a row, beyond values that stand in the record.
#[derive(Debug, Clone, Copy)]
struct Work {
    identity: bool,
    kms: bool,
    mentions: bool,
    layout: bool,
}

impl Work {
    fn of(built: &BuiltColumns) -> Self {
        let kms = built.any(|column| column.group == ColumnGroup::Kms);
        let mentions = built.any(|column| column.group == ColumnGroup::Mentions);
        let identity = kms || mentions || built.any(|column| column.repetition() == Repetition::WithIdentity);
        let layout = built.any(|column| matches!(column.name, "record_layout" | "raw_record"));
        Self { identity, kms, mentions, layout }
    }
}

/// Fills rows of `events`.
#[derive(Debug)]
pub struct EventBatchBuilder {
    work: Work,
    columns: Vec<ColumnBuilder>,
    identities: Identities,
    row_count: usize,
}

/// The different `userIdentity` texts of a builder's rows, by number; what is drawn from them is drawn once.
#[derive(Debug, Default)]
struct Identities {
    texts: TextInterner,
    /// The number of each row's text; 0 = it has none.
    rows: Vec<u32>,
    /// What KMS facts need of each.
    callers: Vec<Caller>,
}

impl Default for EventBatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBatchBuilder {
    /// An empty builder of all columns.
    pub fn new() -> Self {
        Self::of(&BuiltColumns::ALL)
    }

    /// An empty builder of some columns.
    pub fn of(built: &BuiltColumns) -> Self {
        let columns = COLUMNS.iter().zip(built.is_built).map(|(column, is_built)| match is_built {
            true => ColumnBuilder::new(column),
            false => ColumnBuilder::NotBuilt,
        });
        Self { work: Work::of(built), columns: columns.collect(), identities: Identities::default(), row_count: 0 }
    }

    /// Rows appended since the last [`EventBatchBuilder::finish_rows`].
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// About how many bytes the rows take in memory.
    pub fn size_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(ColumnBuilder::size_bytes).sum();
        columns + self.identities.texts.text_bytes()
    }

    /// Appends one record as a row.
    pub fn append(&mut self, record: &EventRecord<'_>, lineage: &Lineage<'_>) {
        let is_kms = is_kms_event(record.text_of(Field::EventSource));
        let identity = if self.work.identity { self.identity_of(record) } else { NULL_KEY };
        let mut row = RowWriter::new(&mut self.columns, self.row_count);
        append_envelope(&mut row, record);
        row.skip(IDENTITY_COLUMN_COUNT);
        append_json(&mut row, record);
        match self.work.kms && is_kms {
            true => append_kms(&mut row, record, &self.identities.callers[identity as usize]),
            false => row.skip(KMS_COLUMN_COUNT),
        }
        match self.work.mentions && !is_kms {
            true => append_mentions(&mut row, record, &self.identities.callers[identity as usize]),
            false => row.skip(MENTION_COLUMN_COUNT),
        }
        row.text(Some(lineage.log_file_path));
        row.integer(i64::try_from(lineage.record_index).ok());
        row.time(lineage.delivery_time);
        row.text(Some(record.detail_level().as_str()));
        row.text(amended_event_id(record, lineage.is_known_id).as_deref());
        row.hash(body_hash(record));
        match self.work.layout {
            true => append_text(&mut row, record),
            false => row.skip(TEXT_COLUMN_COUNT),
        }
        debug_assert!(row.is_at_end(), "every column has its turn");
        self.identities.rows.push(identity);
        self.row_count += 1;
    }

    /// The number of the record's identity; one that is new is read, and gets a row in the identity columns.
    fn identity_of(&mut self, record: &EventRecord<'_>) -> u32 {
        let Identities { texts, callers, .. } = &mut self.identities;
        if callers.is_empty() {
            callers.push(Caller::default());
        }
        let Some(text) = record.text_of(Field::UserIdentity) else { return NULL_KEY };
        let number = texts.key_of(text);
        if number as usize == callers.len() {
            let unfolded = unfolded(text, USER_IDENTITY_LEVELS);
            let identity = Identity::of(unfolded.as_deref().unwrap_or(text));
            append_identity(&mut RowWriter::new(&mut self.columns[IDENTITY_COLUMNS], number as usize), &identity);
            callers.push(Caller {
                account_id: identity.principal_account_id.map(Cow::into_owned),
                invoked_by: identity.invoked_by.map(Cow::into_owned),
            });
        }
        number
    }

    /// The rows so far; the builder is empty afterwards.
    pub fn finish_rows(&mut self) -> EventRows {
        let row_count = std::mem::take(&mut self.row_count);
        let identity_count = self.identities.texts.key_count();
        let row_counts = COLUMNS.iter().map(|column| match column.repetition() {
            Repetition::WithIdentity => identity_count,
            _ => row_count,
        });
        let columns = self.columns.iter_mut().zip(row_counts).map(|(column, row_count)| column.finish(row_count));
        let mut columns: Vec<_> = columns.collect();
        columns[USER_IDENTITY_COLUMN] = self.identities.finish_texts();
        let rows = Vec::with_capacity(room_after(row_count));
        let identities = std::mem::replace(&mut self.identities.rows, rows);
        EventRows { row_count, identities, identity_count, columns }
    }

    /// The rows so far as a batch of [`crate::schema::file_schema`]; the builder is empty afterwards.
    pub fn finish(&mut self) -> RecordBatch {
        self.finish_rows().into_batch()
    }
}

impl Identities {
    /// The column of the texts: each one's number is its key.
    fn finish_texts(&mut self) -> ColumnValues {
        self.callers.clear();
        let count = u32::try_from(self.texts.key_count()).unwrap_or(u32::MAX);
        ColumnValues::Keyed { keys: (0..count).collect(), texts: self.texts.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::DetailLevel;
    use crate::record_texts::text_at;

    #[test]
    fn amendments_name_the_event_they_amend() {
        let updated = r#"{"eventID":"new","addendum":{"reason":"UPDATED_DATA","updatedFields":"x","originalRequestID":"r","originalEventID":"old"}}"#;
        let delayed = r#"{"eventID":"new","addendum":{"reason":"DELIVERY_DELAY","originalEventID":"old"}}"#;
        for (text, is_known_id, expected) in [
            (updated, false, Some("old")),
            (updated, true, Some("old")),
            (delayed, false, None),
            (delayed, true, Some("new")),
            (r#"{"eventID":"new","addendum":{"reason":"SERVICE_OUTAGE"}}"#, false, None),
            (r#"{"eventID":"new","addendum":{"reason":"UPDATED_DATA"}}"#, false, None),
            (r#"{"eventID":"new","addendum":null}"#, false, None),
            (r#"{"eventID":"new"}"#, true, Some("new")),
            (r#"{"eventID":"new"}"#, false, None),
        ] {
            let mut builder = EventBatchBuilder::new();
            let record = EventRecord::parse(text).expect(text);
            builder.append(&record, &Lineage { is_known_id, ..Lineage::default() });
            let batch = builder.finish();
            assert_eq!(text_at(batch.column_by_name("amends_event_id").expect("column"), 0), expected, "{text}");
            assert_eq!(text_at(batch.column_by_name("detail_level").expect("column"), 0), Some("full"));
        }
    }

    const DECRYPT: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/r/s","accountId":"1","invokedBy":"s3.amazonaws.com"},"eventTime":"2026-01-02T03:04:05Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","requestParameters":{"encryptionContext":{"a":"b"}},"eventID":"1","readOnly":true,"resources":[{"ARN":"arn:aws:kms:us-east-1:1:key/k"}]}"#;
    const OTHER: &str = r#"{ "eventSource":"ec2.amazonaws.com","userIdentity":{"type":"IAMUser","accountId":"1"},"eventName":"CreateVolume","awsRegion":"us-east-1","requestParameters":{"kmsKeyId":"1234abcd-12ab-34cd-56ef-1234567890ab","volumeId":"vol-1"},"eventID":"2"}"#;

    fn rows_of(built: &BuiltColumns) -> EventRows {
        let mut builder = EventBatchBuilder::of(built);
        for (record_index, text) in [DECRYPT, OTHER, DECRYPT].into_iter().enumerate() {
            let lineage = Lineage { log_file_path: "f", record_index: record_index as u64, ..Lineage::default() };
            builder.append(&EventRecord::parse(text).expect(text), &lineage);
        }
        builder.finish_rows()
    }

    #[test]
    fn a_column_is_the_same_whatever_others_are_built() {
        let all = rows_of(&BuiltColumns::ALL);
        for (place, column) in COLUMNS.iter().enumerate() {
            let alone = rows_of(&BuiltColumns::at([place]));
            assert_eq!(&alone.written_out(place), &all.written_out(place), "{}", column.name);
            let built = (0..COLUMNS.len()).filter(|place| !matches!(alone.column(*place), ColumnValues::Null));
            assert!(built.into_iter().all(|built| built == place || COLUMNS[built].name == "user_identity"));
        }
        assert_eq!(rows_of(&BuiltColumns::at([])).row_count(), 3);
        let batch = all.into_batch();
        let of =
            |name: &str| [0, 1].map(|row| text_at(batch.column_by_name(name).expect("column"), row).map(str::to_owned));
        let key = "arn:aws:kms:us-east-1:1:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        assert_eq!(of("mentioned_key_arns"), [None, Some(key.to_owned())]);
        assert_eq!(of("mentioning_resource"), [None, Some("vol-1".to_owned())]);
    }

    #[test]
    fn a_context_that_the_detail_cannot_carry_is_unknown() {
        let text = r#"{"eventSource":"kms.amazonaws.com","eventName":"Decrypt","requestParameters":{"keyId":"k"}}"#;
        for (detail_level, expected) in [
            (DetailLevel::Full, "absent"),
            (DetailLevel::Reencoded, "absent"),
            (DetailLevel::Flattened, "unknown"),
            (DetailLevel::Summary, "unknown"),
        ] {
            let mut builder = EventBatchBuilder::new();
            let mut record = EventRecord::parse(text).expect(text);
            record.lower_detail_level(detail_level);
            builder.append(&record, &Lineage::default());
            let batch = builder.finish();
            let of = |name: &str| text_at(batch.column_by_name(name).expect("column"), 0).map(str::to_owned);
            assert_eq!(of("context_state").as_deref(), Some(expected), "{detail_level:?}");
            assert_eq!(of("detail_level").as_deref(), Some(detail_level.as_str()));
        }
    }
}
