//! Event records into record batches of the one schema, and rows back into their exact text.
//!
//! One builder fills one partition of `events`. It does not sort, deduplicate or write; a record's text is checked against what the
//! columns would give back as it is appended, so that no later stage has to trust the layout. How a column is held is
//! [`crate::columns`]'s to know.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::columns::{ColumnBuilder, ColumnValues};
use crate::flattened;
use crate::identity::Identity;
use crate::interner::{NULL_KEY, TextInterner};
use crate::json;
use crate::kms::{ContextPairs, KmsFacts, KmsInput, is_kms_event};
use crate::record::{DetailLevel, EventRecord, Field, FieldValue, write_record};
use crate::rows::EventRows;
use crate::schema::{COLUMNS, Repetition};
use crate::time::month_of;

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

/// The partition of `events` that a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPartition {
    /// `kms` or `other`.
    pub event_group: &'static str,
    /// `YYYY-MM` of the event time, or `unknown`.
    pub event_month: String,
}

impl EventPartition {
    /// The partition of `record`: by its own event time, never by a path or the clock.
    pub fn of(record: &EventRecord<'_>) -> Self {
        let is_kms = is_kms_event(record.text_of(Field::EventSource));
        Self {
            event_group: if is_kms { "kms" } else { "other" },
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

/// The id of the event that `record` amends; only UPDATED_DATA amends one, the other reasons of an addendum explain a delay.
fn amended_event_id<'r>(record: &'r EventRecord<'_>, is_known_id: bool) -> Option<Cow<'r, str>> {
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

/// Fills rows of `events`.
#[derive(Debug)]
pub struct EventBatchBuilder {
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

/// What KMS facts need of an identity.
#[derive(Debug, Default)]
struct Caller {
    account_id: Option<String>,
    invoked_by: Option<String>,
}

impl Default for EventBatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBatchBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        let columns = COLUMNS.iter().map(ColumnBuilder::new).collect();
        Self { columns, identities: Identities::default(), row_count: 0 }
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
        let is_rebuilt = record.text_of(Field::EventId) != Some("") && record.is_rebuilt_from_columns();
        let identity = self.identity_of(record);
        let mut row = RowWriter { columns: self.columns.iter_mut(), row: self.row_count };
        append_envelope(&mut row, record);
        row.skip(IDENTITY_COLUMN_COUNT);
        append_json(&mut row, record);
        append_kms(&mut row, record, &self.identities.callers[identity as usize]);
        row.text(Some(lineage.log_file_path));
        row.integer(i64::try_from(lineage.record_index).ok());
        row.time(lineage.delivery_time);
        row.text(Some(record.detail_level().as_str()));
        row.text(amended_event_id(record, lineage.is_known_id).as_deref());
        row.hash(body_hash(record));
        row.text(is_rebuilt.then_some(record.layout()));
        row.text((!is_rebuilt).then_some(record.text()));
        debug_assert!(row.columns.next().is_none(), "every column has its turn");
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
            let columns = self.columns[ENVELOPE_FIELDS.len() + 1..].iter_mut();
            append_identity(&mut RowWriter { columns, row: number as usize }, &identity);
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
        let rows = Vec::with_capacity(row_count);
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

/// Writes one row's values column by column, in the schema's order. What is null is passed over.
struct RowWriter<'b> {
    columns: std::slice::IterMut<'b, ColumnBuilder>,
    row: usize,
}

impl RowWriter<'_> {
    fn column(&mut self) -> &mut ColumnBuilder {
        self.columns.next().expect("a column for each value")
    }

    #[inline]
    fn put<V>(&mut self, value: Option<V>, put: impl FnOnce(&mut ColumnBuilder, usize, V)) {
        let row = self.row;
        let column = self.column();
        if let Some(value) = value {
            put(column, row, value);
        }
    }

    fn text(&mut self, value: Option<&str>) {
        self.put(value, ColumnBuilder::text);
    }

    fn boolean(&mut self, value: Option<bool>) {
        self.put(value, ColumnBuilder::boolean);
    }

    fn time(&mut self, value: Option<i64>) {
        self.put(value, ColumnBuilder::time);
    }

    fn hash(&mut self, value: u32) {
        self.put(Some(value), ColumnBuilder::hash);
    }

    fn integer(&mut self, value: Option<i64>) {
        self.put(value, ColumnBuilder::integer);
    }

    fn map(&mut self, pairs: Option<&ContextPairs<'_>>) {
        self.put(pairs, ColumnBuilder::map);
    }

    fn field(&mut self, record: &EventRecord<'_>, field: Field) {
        match record.value(field) {
            Some(FieldValue::Text(text)) => self.text(Some(text)),
            Some(FieldValue::Boolean(value)) => self.boolean(Some(*value)),
            Some(FieldValue::Time(micros)) => self.time(Some(*micros)),
            None => self.skip(1),
        }
    }

    fn skip(&mut self, count: usize) {
        self.columns.nth(count - 1).expect("as many columns");
    }
}

/// The fields of the envelope columns after `event_id`, in the schema's order.
const ENVELOPE_FIELDS: [Field; 21] = [
    Field::EventTime,
    Field::EventSource,
    Field::EventName,
    Field::EventVersion,
    Field::EventType,
    Field::EventCategory,
    Field::AwsRegion,
    Field::SourceIpAddress,
    Field::UserAgent,
    Field::ErrorCode,
    Field::ErrorMessage,
    Field::RequestId,
    Field::ReadOnly,
    Field::ManagementEvent,
    Field::RecipientAccountId,
    Field::SharedEventId,
    Field::VpcEndpointId,
    Field::VpcEndpointAccountId,
    Field::ApiVersion,
    Field::SessionCredentialFromConsole,
    Field::Annotation,
];

/// The fields of the JSON columns between `user_identity` and `unknown_fields`, in the schema's order.
const JSON_FIELDS: [Field; 8] = [
    Field::RequestParameters,
    Field::ResponseElements,
    Field::AdditionalEventData,
    Field::ServiceEventDetails,
    Field::Resources,
    Field::TlsDetails,
    Field::Addendum,
    Field::EventContext,
];

fn append_envelope(row: &mut RowWriter<'_>, record: &EventRecord<'_>) {
    row.text(Some(&event_id(record)));
    for field in ENVELOPE_FIELDS {
        row.field(record, field);
    }
}

fn append_json(row: &mut RowWriter<'_>, record: &EventRecord<'_>) {
    row.skip(1);
    for field in JSON_FIELDS {
        row.field(record, field);
    }
    row.text(record.unknown_fields());
}

fn append_identity(row: &mut RowWriter<'_>, identity: &Identity<'_>) {
    row.text(identity.principal_type.as_deref());
    row.text(identity.principal_id.as_deref());
    row.text(identity.principal_arn.as_deref());
    row.text(identity.principal_account_id.as_deref());
    row.text(identity.access_key_id.as_deref());
    row.text(identity.user_name.as_deref());
    row.text(identity.identity_provider.as_deref());
    row.text(identity.credential_id.as_deref());
    row.text(identity.invoked_by.as_deref());
    row.text(identity.role_arn.as_deref());
    row.text(identity.role_session_name.as_deref());
    row.text(identity.session_issuer_type.as_deref());
    row.text(identity.session_issuer_account_id.as_deref());
    row.text(identity.session_issuer_user_name.as_deref());
    row.time(identity.session_creation_time);
    row.boolean(identity.mfa_authenticated);
    row.text(identity.source_identity.as_deref());
    row.text(identity.ec2_role_delivery.as_deref());
    row.text(identity.federated_provider.as_deref());
    row.text(identity.on_behalf_of_user_id.as_deref());
    row.text(identity.in_scope_of_source_arn.as_deref());
    row.text(identity.invoked_by_delegate_account_id.as_deref());
}

/// How deep a flattened `userIdentity` is unfolded: all of it.
const USER_IDENTITY_LEVELS: u32 = 8;

/// The JSON of a member that is the text of a map, as far as it can be told; `None` where it is anything else.
fn unfolded(text: &str, levels: u32) -> Option<String> {
    flattened::to_json(&json::string_value(text)?, levels)
}

/// A JSON member for facts to be drawn from: as it stands, or of a flattened record what can be told of it. Request parameters are
/// unfolded by one level only: the pairs of an encryption context cannot be told apart safely.
fn member<'r>(record: &'r EventRecord<'_>, field: Field) -> Option<Cow<'r, str>> {
    let text = record.text_of(field)?;
    let levels = if field == Field::RequestParameters { 1 } else { 8 };
    let is_flattened = record.detail_level() == DetailLevel::Flattened;
    Some(if is_flattened { unfolded(text, levels) } else { None }.map_or(Cow::Borrowed(text), Cow::Owned))
}

const IDENTITY_COLUMN_COUNT: usize = 22;
const USER_IDENTITY_COLUMN: usize = 1 + ENVELOPE_FIELDS.len() + IDENTITY_COLUMN_COUNT;
const KMS_COLUMN_COUNT: usize = 16;

fn append_kms(row: &mut RowWriter<'_>, record: &EventRecord<'_>, caller: &Caller) {
    if !is_kms_event(record.text_of(Field::EventSource)) {
        row.skip(KMS_COLUMN_COUNT);
        return;
    }
    let [request, response, additional, details, resources] = [
        Field::RequestParameters,
        Field::ResponseElements,
        Field::AdditionalEventData,
        Field::ServiceEventDetails,
        Field::Resources,
    ]
    .map(|field| member(record, field));
    let facts = KmsFacts::of(&KmsInput {
        event_name: record.text_of(Field::EventName).unwrap_or(""),
        event_type: record.text_of(Field::EventType),
        aws_region: record.text_of(Field::AwsRegion),
        error_code: record.text_of(Field::ErrorCode),
        error_message: record.text_of(Field::ErrorMessage),
        recipient_account_id: record.text_of(Field::RecipientAccountId),
        principal_account_id: caller.account_id.as_deref(),
        invoked_by: caller.invoked_by.as_deref(),
        request_parameters: request.as_deref(),
        response_elements: response.as_deref(),
        additional_event_data: additional.as_deref(),
        service_event_details: details.as_deref(),
        resources: resources.as_deref(),
        lacks_context: !record.detail_level().carries_context(),
    });
    row.text(Some(facts.operation_class.as_str()));
    row.text(Some(facts.outcome.as_str()));
    row.text(facts.key_arn.as_deref());
    row.text(facts.source_key_arn.as_deref());
    row.text(facts.requested_key_ref.as_deref());
    row.text(facts.source_requested_key_ref.as_deref());
    row.text(Some(facts.key_resolution.as_str()));
    row.map(facts.encryption_context.as_ref());
    row.map(facts.source_encryption_context.as_ref());
    row.text(facts.context_state.map(|state| state.as_str()));
    row.text(facts.source_context_state.map(|state| state.as_str()));
    row.text(facts.grant_id.as_deref());
    row.text(facts.key_material_id.as_deref());
    row.text(facts.source_key_material_id.as_deref());
    row.text(facts.alias_name.as_deref());
    row.text(facts.algorithm.as_deref());
}

/// Gives rows of `events` their records' exact text back.
#[derive(Debug)]
pub struct RecordTexts<'b> {
    fields: [Option<&'b ArrayRef>; Field::COUNT],
    layout: &'b ArrayRef,
    unknown_fields: &'b ArrayRef,
    raw_record: &'b ArrayRef,
}

/// The columns that [`RecordTexts`] reads.
pub fn record_text_columns() -> Vec<&'static str> {
    Field::all().map(Field::column).chain(["unknown_fields", "record_layout", "raw_record"]).collect()
}

impl<'b> RecordTexts<'b> {
    /// Prepares `batch`; `None` where it lacks a column of [`record_text_columns`].
    pub fn new(batch: &'b RecordBatch) -> Option<Self> {
        let mut fields = [None; Field::COUNT];
        for field in Field::all() {
            fields[field as usize] = Some(batch.column_by_name(field.column())?);
        }
        Some(Self {
            fields,
            layout: batch.column_by_name("record_layout")?,
            unknown_fields: batch.column_by_name("unknown_fields")?,
            raw_record: batch.column_by_name("raw_record")?,
        })
    }

    /// Appends the exact text of the record in `row`; false where the row is damaged.
    pub fn push(&self, out: &mut String, row: usize) -> bool {
        if let Some(raw) = text_at(self.raw_record, row) {
            out.push_str(raw);
            return true;
        }
        let Some(layout) = text_at(self.layout, row) else { return false };
        write_record(out, layout, text_at(self.unknown_fields, row), |field| {
            value_at(self.fields[field as usize]?, row)
        })
    }
}

/// Text of a Utf8 or Utf8View column; the engine hands out the latter.
fn text_at(column: &ArrayRef, row: usize) -> Option<&str> {
    if column.is_null(row) {
        return None;
    }
    column
        .as_string_opt::<i32>()
        .map(|texts| texts.value(row))
        .or_else(|| column.as_string_view_opt().map(|texts| texts.value(row)))
        .or_else(|| column.as_string_opt::<i64>().map(|texts| texts.value(row)))
}

fn value_at(column: &ArrayRef, row: usize) -> Option<FieldValue<'_>> {
    if column.is_null(row) {
        return None;
    }
    if let Some(values) = column.as_boolean_opt() {
        return Some(FieldValue::Boolean(values.value(row)));
    }
    if let Some(values) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Some(FieldValue::Time(values.value(row)));
    }
    text_at(column, row).map(|text| FieldValue::Text(Cow::Borrowed(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnGroup;

    fn batch_of(texts: &[&str]) -> RecordBatch {
        let mut builder = EventBatchBuilder::new();
        for (record_index, text) in (0..).zip(texts) {
            let record = EventRecord::parse(text).expect(text);
            builder.append(&record, &Lineage { log_file_path: "f", record_index, ..Lineage::default() });
        }
        builder.finish()
    }

    fn assert_round_trips(texts: &[&str]) {
        let batch = batch_of(texts);
        let records = RecordTexts::new(&batch).expect("columns");
        for (row, text) in texts.iter().enumerate() {
            let mut out = String::new();
            assert!(records.push(&mut out, row), "{text}");
            assert_eq!(out, *text);
        }
    }

    fn names_of(group: ColumnGroup) -> Vec<&'static str> {
        COLUMNS.iter().filter(|column| column.group == group).map(|column| column.name).collect()
    }

    #[test]
    fn fields_are_appended_in_the_order_of_the_schema() {
        assert_eq!(names_of(ColumnGroup::Envelope)[1..], ENVELOPE_FIELDS.map(Field::column));
        let json = names_of(ColumnGroup::Json);
        assert_eq!(json[1..json.len() - 1], JSON_FIELDS.map(Field::column));
        assert_eq!(COLUMNS[USER_IDENTITY_COLUMN].name, Field::UserIdentity.column());
        assert_eq!(names_of(ColumnGroup::Identity).len(), IDENTITY_COLUMN_COUNT);
        assert_eq!(names_of(ColumnGroup::Kms).len(), KMS_COLUMN_COUNT);
    }

    #[test]
    fn rows_give_their_text_back() {
        assert_round_trips(&[
            r#"{"eventVersion":"1.08","userIdentity":{"type":"Root","accountId":"011122223333"},"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","requestParameters":{"encryptionContext":{"b":"2","a":"1"}},"responseElements":null,"eventID":"e-1","readOnly":true,"resources":[{"ARN":"arn:aws:kms:eu-west-1:111122223333:key/1"}],"recipientAccountId":"111122223333"}"#,
            r#"{ "eventName" : "pretty" }"#,
            r#"{"eventSource":"s3.amazonaws.com","eventName":"x","edgeDeviceDetails":{"a":1},"odd":"\u003d"}"#,
            "{}",
        ]);
    }

    #[test]
    fn a_record_without_an_id_gets_a_stable_one() {
        let record = EventRecord::parse("{}").expect("record");
        assert_eq!(event_id(&record), format!("sha256:{}", crate::hash::sha256_hex(b"{}")));
        let record = EventRecord::parse(r#"{"eventID":"e"}"#).expect("record");
        assert_eq!(event_id(&record), "e");
    }

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

    #[test]
    fn partitions_follow_the_event_time() {
        let partition = |text: &str| EventPartition::of(&EventRecord::parse(text).expect(text));
        let of = |event_group, event_month: &str| EventPartition { event_group, event_month: event_month.to_owned() };
        assert_eq!(
            partition(r#"{"eventSource":"kms.amazonaws.com","eventTime":"2023-07-31T23:59:59Z"}"#),
            of("kms", "2023-07")
        );
        assert_eq!(
            partition(r#"{"eventSource":"s3.amazonaws.com","eventTime":"2023-08-01T00:00:00Z"}"#),
            of("other", "2023-08")
        );
        assert_eq!(partition(r#"{"eventSource":"kms.amazonaws.com"}"#), of("kms", "unknown"));
    }

    proptest::proptest! {
        #[test]
        fn any_members_round_trip(members in proptest::collection::vec((
            proptest::sample::select(vec!["eventVersion", "eventTime", "readOnly", "requestParameters", "eventID", "userAgent", "userIdentity", "new", "resources", "event\\u004eame"]),
            proptest::sample::select(vec!["null", "true", "\"true\"", "1.0E5", "\"2023-07-10T12:00:00Z\"", "\"a\\u003d\"", "{\"a\": [1]}", "[]", "\"é\\\\\\\"\"", "\"\\ud800\"", "\"\""]),
        ), 0..12), gap in proptest::sample::select(vec!["", " ", "\n  "])) {
            let body = members.iter().map(|(name, value)| format!("{gap}\"{name}\":{value}")).collect::<Vec<_>>().join(",");
            let text = format!("{{{body}}}");
            assert_round_trips(&[&text]);
        }
    }
}
