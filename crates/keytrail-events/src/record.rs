//! One event record: its members, its kind, and how its exact text is rebuilt.
//!
//! ```text
//!  text ──parse──▶ EventRecord { values per known field, layout, unknown_fields }
//!   ▲                                   │ columns of one row
//!   └────────── write_record ◀──────────┘ (raw_record where that would differ by a byte)
//! ```
//! A record is a value: nothing here reads files or knows Arrow. Members of `userIdentity` are [`crate::identity`]'s, KMS facts [`crate::kms`]'s.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use crate::account::whole_account_id;
use crate::field_memory::{FieldMemory, ScannedValue, value_hash};
use crate::json::{self, Scanner, SyntaxError};
use crate::text_sink::{Comparison, TextSink};
use crate::time::{parse_time, push_time};

/// How a member's value is kept in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A string, unescaped.
    Text,
    /// `true` or `false`, bare or quoted.
    Boolean,
    /// A moment.
    Time,
    /// Any JSON, as its exact text.
    Json,
}

/// A member of an event record's top level that has a column of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the field of the same name; the table FIELDS shows them")]
pub enum Field {
    EventVersion,
    UserIdentity,
    EventTime,
    EventSource,
    EventName,
    AwsRegion,
    SourceIpAddress,
    UserAgent,
    ErrorCode,
    ErrorMessage,
    RequestParameters,
    ResponseElements,
    AdditionalEventData,
    RequestId,
    EventId,
    ReadOnly,
    Resources,
    EventType,
    ApiVersion,
    ManagementEvent,
    RecipientAccountId,
    ServiceEventDetails,
    SharedEventId,
    VpcEndpointId,
    VpcEndpointAccountId,
    EventCategory,
    Addendum,
    SessionCredentialFromConsole,
    TlsDetails,
    EventContext,
    Annotation,
}

struct FieldSpec {
    field: Field,
    /// The letter that stands for the field in a layout; part of the lake's format, never reused.
    code: u8,
    /// The name in a record, as it stands there: `"eventName":`.
    key: &'static str,
    column: &'static str,
    kind: FieldKind,
}

const fn spec(field: Field, code: u8, key: &'static str, column: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { field, code, key, column, kind }
}

impl FieldSpec {
    fn json_name(&self) -> &'static str {
        &self.key[1..self.key.len() - 2]
    }

    /// Whether an empty text says what null says. Tables write the one for the other, and an error without a code, an event shared under
    /// no id, is none.
    fn is_null_if_empty(&self) -> bool {
        matches!(self.field, Field::ErrorCode | Field::SharedEventId | Field::RecipientAccountId)
    }
}

/// All known fields, in the order of [`Field`].
static FIELDS: [FieldSpec; Field::COUNT] = [
    spec(Field::EventVersion, b'A', r#""eventVersion":"#, "event_version", FieldKind::Text),
    spec(Field::UserIdentity, b'B', r#""userIdentity":"#, "user_identity", FieldKind::Json),
    spec(Field::EventTime, b'C', r#""eventTime":"#, "event_time", FieldKind::Time),
    spec(Field::EventSource, b'D', r#""eventSource":"#, "event_source", FieldKind::Text),
    spec(Field::EventName, b'E', r#""eventName":"#, "event_name", FieldKind::Text),
    spec(Field::AwsRegion, b'F', r#""awsRegion":"#, "aws_region", FieldKind::Text),
    spec(Field::SourceIpAddress, b'G', r#""sourceIPAddress":"#, "source_ip_address", FieldKind::Text),
    spec(Field::UserAgent, b'H', r#""userAgent":"#, "user_agent", FieldKind::Text),
    spec(Field::ErrorCode, b'I', r#""errorCode":"#, "error_code", FieldKind::Text),
    spec(Field::ErrorMessage, b'J', r#""errorMessage":"#, "error_message", FieldKind::Text),
    spec(Field::RequestParameters, b'K', r#""requestParameters":"#, "request_parameters", FieldKind::Json),
    spec(Field::ResponseElements, b'L', r#""responseElements":"#, "response_elements", FieldKind::Json),
    spec(Field::AdditionalEventData, b'M', r#""additionalEventData":"#, "additional_event_data", FieldKind::Json),
    spec(Field::RequestId, b'N', r#""requestID":"#, "request_id", FieldKind::Text),
    spec(Field::EventId, b'O', r#""eventID":"#, "event_id", FieldKind::Text),
    spec(Field::ReadOnly, b'P', r#""readOnly":"#, "read_only", FieldKind::Boolean),
    spec(Field::Resources, b'Q', r#""resources":"#, "resources", FieldKind::Json),
    spec(Field::EventType, b'R', r#""eventType":"#, "event_type", FieldKind::Text),
    spec(Field::ApiVersion, b'S', r#""apiVersion":"#, "api_version", FieldKind::Text),
    spec(Field::ManagementEvent, b'T', r#""managementEvent":"#, "management_event", FieldKind::Boolean),
    spec(Field::RecipientAccountId, b'U', r#""recipientAccountId":"#, "recipient_account_id", FieldKind::Text),
    spec(Field::ServiceEventDetails, b'V', r#""serviceEventDetails":"#, "service_event_details", FieldKind::Json),
    spec(Field::SharedEventId, b'W', r#""sharedEventID":"#, "shared_event_id", FieldKind::Text),
    spec(Field::VpcEndpointId, b'X', r#""vpcEndpointId":"#, "vpc_endpoint_id", FieldKind::Text),
    spec(Field::VpcEndpointAccountId, b'Y', r#""vpcEndpointAccountId":"#, "vpc_endpoint_account_id", FieldKind::Text),
    spec(Field::EventCategory, b'Z', r#""eventCategory":"#, "event_category", FieldKind::Text),
    spec(Field::Addendum, b'a', r#""addendum":"#, "addendum", FieldKind::Json),
    spec(
        Field::SessionCredentialFromConsole,
        b'b',
        r#""sessionCredentialFromConsole":"#,
        "session_credential_from_console",
        FieldKind::Text,
    ),
    spec(Field::TlsDetails, b'c', r#""tlsDetails":"#, "tls_details", FieldKind::Json),
    spec(Field::EventContext, b'd', r#""eventContext":"#, "event_context", FieldKind::Json),
    spec(Field::Annotation, b'e', r#""annotation":"#, "annotation", FieldKind::Text),
];

/// The next member stands in `unknown_fields`.
const UNKNOWN: u8 = b'?';
/// Before a code: the member is `null` (JSON members keep their own `null`).
const NULL: u8 = b'!';
/// Before a code: a boolean written between quotes.
const QUOTED: u8 = b'"';
/// Before a code: a text member whose value is no string; its column holds the JSON text.
const VERBATIM: u8 = b'#';

impl Field {
    /// How many known fields there are.
    pub const COUNT: usize = 31;

    /// All fields, in the order of the enum.
    pub fn all() -> impl Iterator<Item = Field> {
        FIELDS.iter().map(|spec| spec.field)
    }

    /// The name of the field's column in `events`.
    pub fn column(self) -> &'static str {
        self.spec().column
    }

    /// The field's name in a record.
    pub fn json_name(self) -> &'static str {
        self.spec().json_name()
    }

    pub(crate) fn kind(self) -> FieldKind {
        self.spec().kind
    }

    /// Whether event records have a field of that name.
    pub(crate) fn is_json_name(name: &[u8]) -> bool {
        Self::from_json_name(name, 0).is_some()
    }

    /// The field of a name in any case of letters.
    pub(crate) fn from_any_case(name: &str) -> Option<Self> {
        FIELDS.iter().find(|spec| spec.json_name().eq_ignore_ascii_case(name)).map(|spec| spec.field)
    }

    fn spec(self) -> &'static FieldSpec {
        &FIELDS[self as usize]
    }

    /// Looks a name up, beginning at `hint`: AWS writes members in nearly the order of [`FIELDS`], so the first try mostly fits.
    #[inline]
    fn from_json_name(name: &[u8], hint: usize) -> Option<&'static FieldSpec> {
        let (before, after) = FIELDS.split_at(hint);
        after.iter().chain(before).find(|spec| spec.json_name().as_bytes() == name)
    }

    fn from_code(code: u8) -> Option<&'static FieldSpec> {
        match code {
            b'A'..=b'Z' => FIELDS.get(usize::from(code - b'A')),
            b'a'..=b'z' => FIELDS.get(usize::from(code - b'a') + 26),
            _ => None,
        }
    }
}

/// A known field's value as its column keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Unescaped text, or exact JSON text.
    Text(Cow<'a, str>),
    /// A boolean.
    Boolean(bool),
    /// Microseconds since the epoch, UTC.
    Time(i64),
}

impl FieldValue<'_> {
    /// The same value, its text borrowed.
    fn lend(&self) -> FieldValue<'_> {
        match self {
            Self::Text(text) => FieldValue::Text(Cow::Borrowed(text)),
            Self::Boolean(value) => FieldValue::Boolean(*value),
            Self::Time(micros) => FieldValue::Time(*micros),
        }
    }
}

/// What a record is; only [`RecordKind::ApiEvent`] becomes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// A management or data event.
    ApiEvent,
    /// A CloudTrail Insights event.
    Insight,
    /// A VPC endpoint's event: the same call is also logged as a management event.
    NetworkActivity,
    /// A five-minute summary of data events.
    Aggregated,
    /// An S3 event notification, which only looks like a record.
    S3Notification,
}

/// How much of an event its record still carries; the words of the column `detail_level`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetailLevel {
    /// The record's own text as AWS wrote it.
    #[default]
    Full,
    /// All of the record, serialised again by somebody: EventBridge, Athena, Elastic.
    Reencoded,
    /// CloudTrail Lake rows: nested values arrive as flattened strings.
    Flattened,
    /// The event history's CSV: no request parameters.
    Summary,
}

impl DetailLevel {
    /// The word in the column `detail_level`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reencoded => "reencoded",
            Self::Flattened => "flattened",
            Self::Summary => "summary",
        }
    }

    /// The level of a word in the column `detail_level`; `None` for a word of a later version.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Full, Self::Reencoded, Self::Flattened, Self::Summary].into_iter().find(|level| level.as_str() == name)
    }

    /// Whether an encryption context would be there if there was one.
    pub const fn carries_context(self) -> bool {
        matches!(self, Self::Full | Self::Reencoded)
    }
}

/// Why an object is no event record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The text is not strict JSON.
    #[error("not valid JSON: {0}")]
    Syntax(#[from] SyntaxError),
    /// The text is JSON but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The object lacks what every event record has.
    #[error("not a CloudTrail event record: no `{0}`")]
    NotAnEvent(&'static str),
    /// A major version of the record format that this version does not know.
    #[error("event version is not 1.x: {0}")]
    Version(String),
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {0} of the record")]
    Encoding(usize),
}

/// The name of a member, with its field where it is known.
enum MemberName<'a> {
    Known(&'static FieldSpec),
    Unknown(&'a str),
}

impl<'a> MemberName<'a> {
    /// How many fields are tried before the name is read: optional ones are mostly absent.
    const TRIED_FIELDS: usize = 4;

    /// Takes the next member's name and colon; `None` at the object's end. In compact text the field at `hint`, or one soon after it,
    /// mostly stands here: comparing is cheaper than reading.
    #[inline]
    fn next(
        text: &'a str,
        scanner: &mut Scanner<'_>,
        is_first: &mut bool,
        hint: usize,
    ) -> Result<Option<Self>, SyntaxError> {
        let expected = FIELDS[hint..].iter().take(Self::TRIED_FIELDS).filter(|_| !*is_first);
        for spec in expected {
            if scanner.take_compact_key(spec.key.as_bytes()) {
                return Ok(Some(Self::Known(spec)));
            }
        }
        let Some(key) = scanner.next_key(is_first)? else { return Ok(None) };
        let name = &text[key.range];
        let field = match key.has_escapes {
            true => Field::from_json_name(json::unescape(name).as_bytes(), hint),
            false => Field::from_json_name(name.as_bytes(), hint),
        };
        Ok(Some(field.map_or(Self::Unknown(name), Self::Known)))
    }
}

/// One event record, borrowed from the text it was read from.
#[derive(Debug, Clone)]
pub struct EventRecord<'a> {
    text: &'a str,
    values: [Option<FieldValue<'a>>; Field::COUNT],
    layout: String,
    unknown_fields: String,
    detail_level: DetailLevel,
    body_hash: u64,
}

impl<'a> EventRecord<'a> {
    /// Parses a record from its exact text, one JSON object.
    ///
    /// # Errors
    /// [`RecordError::Syntax`] and [`RecordError::NotAnObject`]; whether it is an event at all is [`EventRecord::kind`]'s to say.
    pub fn parse(text: &'a str) -> Result<Self, RecordError> {
        let mut scanner = Scanner::new(text.as_bytes());
        if scanner.peek() != Some(b'{') {
            return Err(RecordError::NotAnObject);
        }
        let record = Self::scan_from(text, &mut scanner, &mut FieldMemory::default())?;
        match scanner.peek() {
            None => Ok(Self { text, ..record }),
            Some(_) => Err(SyntaxError { offset: scanner.position(), reason: "text after the record" }.into()),
        }
    }

    /// Parses the object that begins where `scanner` stands in `text`, and leaves the scanner behind it. `memory` is of the records of the
    /// same text.
    ///
    /// # Errors
    /// It is not strict JSON; offsets count from the beginning of `text`.
    pub fn scan_from(
        text: &'a str,
        scanner: &mut Scanner<'_>,
        memory: &mut FieldMemory<'a>,
    ) -> Result<Self, SyntaxError> {
        let start = scanner.position();
        let mut record = Self::empty();
        scanner.advance();
        let mut is_first = true;
        let mut hint = 0;
        while let Some(name) = MemberName::next(text, scanner, &mut is_first, hint)? {
            scanner.peek();
            match name {
                MemberName::Known(spec) => {
                    hint = (spec.field as usize + 1) % Field::COUNT;
                    let value = memory.value(spec.field, text, scanner)?;
                    record.add_to_hash(u64::from(spec.code), value.hash);
                    record.take(spec, value.raw, value.has_escapes);
                }
                MemberName::Unknown(name) => {
                    let value = ScannedValue::read(text, scanner)?;
                    record.add_to_hash(xxh3_64(json::unescape(name).as_bytes()), value.hash);
                    record.take_unknown(name, value.raw);
                }
            }
        }
        record.close(&text[start..scanner.position()]);
        Ok(record)
    }

    /// Parses a record that somebody wrote again: member names in any case of letters, JSON members as text that holds their JSON.
    ///
    /// # Errors
    /// [`RecordError::NotAnObject`]; the text is JSON, or it is read as far as it is.
    pub(crate) fn parse_any_case(text: &'a str) -> Result<Self, RecordError> {
        if !text.starts_with('{') {
            return Err(RecordError::NotAnObject);
        }
        let mut record = Self::empty();
        for (name, raw) in json::members(text) {
            match Field::from_any_case(name) {
                Some(field) => record.take_again(field.spec(), raw),
                None => {
                    record.add_to_hash(xxh3_64(name.as_bytes()), value_hash(raw, false));
                    record.take_unknown(name, raw);
                }
            }
        }
        let has_parameters = record.value(Field::RequestParameters).is_some();
        record.detail_level = if has_parameters { DetailLevel::Reencoded } else { DetailLevel::Summary };
        record.close(text);
        Ok(record)
    }

    #[inline(always)]
    fn empty() -> Self {
        Self {
            text: "",
            values: [const { None }; Field::COUNT],
            layout: String::with_capacity(32),
            unknown_fields: String::new(),
            detail_level: DetailLevel::Full,
            body_hash: 0,
        }
    }

    fn close(&mut self, text: &'a str) {
        if !self.unknown_fields.is_empty() {
            self.unknown_fields.push('}');
        }
        self.text = text;
    }

    /// Takes a member of a record that was written again; its hash is that of the value AWS wrote.
    fn take_again(&mut self, spec: &FieldSpec, raw: &'a str) {
        let inner = json::string_value(raw).filter(|text| is_written_as_text(spec.kind, text));
        let value_hash = value_hash(inner.as_deref().unwrap_or(raw), false);
        self.add_to_hash(u64::from(spec.code), value_hash);
        match inner {
            Some(json) if spec.kind == FieldKind::Json => {
                self.layout.push(char::from(spec.code));
                self.values[spec.field as usize] = Some(FieldValue::Text(json));
            }
            _ => self.take(spec, raw, true),
        }
    }

    fn take(&mut self, spec: &FieldSpec, raw: &'a str, has_escapes: bool) {
        let (marker, value) = column_value(spec.kind, raw, has_escapes);
        if let Some(marker) = marker {
            self.layout.push(char::from(marker));
        }
        self.layout.push(char::from(spec.code));
        let says_nothing = spec.is_null_if_empty() && matches!(&value, Some(FieldValue::Text(text)) if text.is_empty());
        self.values[spec.field as usize] = match value.filter(|_| !says_nothing) {
            // The text is then kept beside the columns, as they do not give it back.
            Some(FieldValue::Text(text)) if spec.field == Field::RecipientAccountId => {
                Some(FieldValue::Text(whole_account_id(text)))
            }
            value => value,
        };
    }

    /// A sum, so that the order of members does not count; the product's halves mix name and value, so that swapped values do.
    #[inline]
    fn add_to_hash(&mut self, name: u64, value_hash: u64) {
        const NAME: u64 = 0x9e37_79b9_7f4a_7c15;
        const MEMBER: u64 = 0xa076_1d64_78bd_642f;
        let (low, high) = (value_hash ^ name.wrapping_mul(NAME)).carrying_mul(MEMBER, 0);
        self.body_hash = self.body_hash.wrapping_add(low ^ high);
    }

    fn take_unknown(&mut self, name: &str, raw: &str) {
        self.layout.push(char::from(UNKNOWN));
        self.unknown_fields.push(if self.unknown_fields.is_empty() { '{' } else { ',' });
        push_member(&mut self.unknown_fields, name, raw);
    }

    /// The record's exact text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// A hash of what the record says: the same for an event delivered compact or indented, with other escapes in its strings or its
    /// top-level members in another order; another one for any changed value.
    pub fn body_hash(&self) -> u64 {
        self.body_hash
    }

    /// How much of the event the record still carries.
    pub fn detail_level(&self) -> DetailLevel {
        self.detail_level
    }

    /// Marks the record as carrying no more than `detail_level`.
    pub fn lower_detail_level(&mut self, detail_level: DetailLevel) {
        self.detail_level = self.detail_level.max(detail_level);
    }

    /// A field's value; `None` where it is absent, or `null` in a field that is not kept as JSON.
    pub fn value(&self, field: Field) -> Option<&FieldValue<'a>> {
        self.values[field as usize].as_ref()
    }

    /// A field's text: a string unescaped, JSON members as they stand.
    pub fn text_of(&self, field: Field) -> Option<&str> {
        match self.value(field)? {
            FieldValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `eventTime` in microseconds since the epoch, UTC; `None` where absent or unreadable.
    pub fn event_time(&self) -> Option<i64> {
        match self.value(Field::EventTime)? {
            FieldValue::Time(micros) => Some(*micros),
            _ => None,
        }
    }

    /// The order of the members, for [`write_record`].
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// Members without a column, as one JSON object; `None` where there are none.
    pub fn unknown_fields(&self) -> Option<&str> {
        (!self.unknown_fields.is_empty()).then_some(self.unknown_fields.as_str())
    }

    /// What the record is.
    ///
    /// # Errors
    /// It is no CloudTrail record, or of an unknown major version.
    pub fn kind(&self) -> Result<RecordKind, RecordError> {
        match self.text_of(Field::EventSource) {
            Some("aws:s3") => return Ok(RecordKind::S3Notification),
            // Queues and streams deliver to Lambda what looks like records too.
            Some(source) if source.starts_with("aws:") => return Err(RecordError::NotAnEvent("eventSource")),
            _ => {}
        }
        match (self.text_of(Field::EventCategory), self.text_of(Field::EventType)) {
            (Some("Insight"), _) | (_, Some("AwsCloudTrailInsight")) => return Ok(RecordKind::Insight),
            (Some("NetworkActivity"), _) | (_, Some("AwsVpceEvents" | "AwsVpceEvent")) => {
                return Ok(RecordKind::NetworkActivity);
            }
            (Some("Aggregated"), _) | (_, Some("AwsAggregatedEvent")) => return Ok(RecordKind::Aggregated),
            _ => {}
        }
        let lacks = |field: &Field| self.value(*field).is_none();
        let is_fragment = !lacks(&Field::EventVersion) && !lacks(&Field::UserIdentity);
        if let Some(field) = [Field::EventSource, Field::EventName].iter().find(|field| lacks(field) && !is_fragment) {
            return Err(RecordError::NotAnEvent(field.json_name()));
        }
        match self.text_of(Field::EventVersion) {
            Some(version) if version != "1" && !version.starts_with("1.") => {
                Err(RecordError::Version(version.to_owned()))
            }
            _ => Ok(RecordKind::ApiEvent),
        }
    }

    /// Whether the columns alone give the exact text back.
    pub fn is_rebuilt_from_columns(&self) -> bool {
        let mut comparison = Comparison::with(self.text);
        self.write_from_columns(&mut comparison) && comparison.is_same()
    }

    fn write_from_columns(&self, out: &mut impl TextSink) -> bool {
        write_record(out, &self.layout, self.unknown_fields(), |field| Some(self.value(field)?.lend()))
    }
}

/// Whether a string holds what AWS writes without quotes: a boolean, or the JSON of a member that is kept as such.
fn is_written_as_text(kind: FieldKind, text: &str) -> bool {
    match kind {
        FieldKind::Json => {
            let mut scanner = Scanner::new(text.as_bytes());
            let is_json = text == "null" || matches!(scanner.peek(), Some(b'{' | b'['));
            is_json && scanner.value().is_ok() && scanner.peek().is_none()
        }
        FieldKind::Boolean => boolean(text).is_some(),
        FieldKind::Text | FieldKind::Time => false,
    }
}

/// What a column keeps of a raw value, and the layout's marker where the value is not in its field's usual form.
fn column_value(kind: FieldKind, raw: &str, has_escapes: bool) -> (Option<u8>, Option<FieldValue<'_>>) {
    if kind == FieldKind::Json {
        return (None, Some(FieldValue::Text(if has_escapes { with_plain_names(raw) } else { Cow::Borrowed(raw) })));
    }
    if raw == "null" {
        return (Some(NULL), None);
    }
    let text = if has_escapes { json::string_value(raw) } else { json::plain_string_value(raw).map(Cow::Borrowed) };
    match (kind, text) {
        (FieldKind::Text, Some(text)) => (None, Some(FieldValue::Text(text))),
        (FieldKind::Text, None) => (Some(VERBATIM), Some(FieldValue::Text(Cow::Borrowed(raw)))),
        (FieldKind::Time, text) => (None, text.and_then(|text| parse_time(&text)).map(FieldValue::Time)),
        (_, Some(text)) => (Some(QUOTED), boolean(&text).map(FieldValue::Boolean)),
        (_, None) => (None, boolean(raw).map(FieldValue::Boolean)),
    }
}

/// JSON as it stands; where a name in it is written with an escape, in its one spelling, so that whoever looks for the name finds it.
fn with_plain_names(raw: &str) -> Cow<'_, str> {
    if !json::has_escaped_names(raw) {
        return Cow::Borrowed(raw);
    }
    let mut canonical = String::with_capacity(raw.len());
    json::push_canonical(&mut canonical, raw);
    Cow::Owned(canonical)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn push_member(out: &mut impl TextSink, name: &str, raw: &str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(raw);
}

/// Appends the record that `layout` and the columns describe; false where they do not fit together.
pub fn write_record<'v>(
    out: &mut impl TextSink,
    layout: &str,
    unknown_fields: Option<&str>,
    value: impl Fn(Field) -> Option<FieldValue<'v>>,
) -> bool {
    let mut unknown = json::members(unknown_fields.unwrap_or(""));
    let mut marker = None;
    let mut separator = '{';
    for code in layout.bytes() {
        if matches!(code, NULL | QUOTED | VERBATIM) {
            marker = Some(code);
            continue;
        }
        out.push(separator);
        separator = ',';
        let is_written = if code == UNKNOWN {
            unknown.next().map(|(name, raw)| push_member(out, name, raw)).is_some()
        } else {
            Field::from_code(code).is_some_and(|spec| push_field(out, spec, marker.take(), value(spec.field)))
        };
        if !is_written {
            return false;
        }
    }
    if separator == '{' {
        out.push('{');
    }
    out.push('}');
    true
}

fn push_field(out: &mut impl TextSink, spec: &FieldSpec, marker: Option<u8>, value: Option<FieldValue<'_>>) -> bool {
    out.push_str(spec.key);
    match (value, marker) {
        (_, Some(NULL)) => out.push_str("null"),
        (Some(FieldValue::Text(text)), None) if spec.kind != FieldKind::Json => json::push_quoted(out, &text),
        (Some(FieldValue::Text(text)), _) => out.push_str(&text),
        (Some(FieldValue::Boolean(value)), Some(QUOTED)) => out.push_str(if value { "\"true\"" } else { "\"false\"" }),
        (Some(FieldValue::Boolean(value)), _) => out.push_str(if value { "true" } else { "false" }),
        (Some(FieldValue::Time(micros)), _) => {
            out.push('"');
            push_time(out, micros);
            out.push('"');
        }
        (None, _) => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuilt(text: &str) -> (bool, String) {
        let record = EventRecord::parse(text).expect(text);
        let mut buffer = String::new();
        let is_written = record.write_from_columns(&mut buffer);
        assert_eq!(record.is_rebuilt_from_columns(), is_written && buffer == text, "{text}");
        (record.is_rebuilt_from_columns(), buffer)
    }

    #[test]
    fn an_empty_error_code_is_none() {
        let text = r#"{"eventName":"Decrypt","errorCode":"","sharedEventID":"","userAgent":""}"#;
        let record = EventRecord::parse(text).expect(text);
        let fields = [Field::ErrorCode, Field::SharedEventId, Field::UserAgent];
        assert_eq!(fields.map(|field| record.text_of(field)), [None, None, Some("")]);
        assert!(!record.is_rebuilt_from_columns(), "its text is kept beside the columns");
    }

    #[test]
    fn an_account_id_gets_the_zeros_that_it_lost_and_the_text_stays() {
        for value in ["12345678901", "\"12345678901\"", "\"012345678901\""] {
            let text = format!(r#"{{"eventName":"Decrypt","recipientAccountId":{value}}}"#);
            let record = EventRecord::parse(&text).expect(&text);
            assert_eq!(record.text_of(Field::RecipientAccountId), Some("012345678901"), "{text}");
            assert_eq!(record.is_rebuilt_from_columns(), value.contains("\"0"), "{text}");
        }
    }

    #[test]
    fn the_table_of_fields_is_in_the_order_of_the_enum_and_of_the_codes() {
        for (index, spec) in FIELDS.iter().enumerate() {
            assert_eq!(spec.field as usize, index, "{}", spec.key);
            assert_eq!(Field::from_code(spec.code).map(|spec| spec.json_name()), Some(spec.json_name()));
            assert!(crate::schema::COLUMNS.iter().any(|column| column.name == spec.column), "{}", spec.column);
        }
    }

    #[test]
    fn columns_give_the_text_back() {
        for text in [
            r#"{}"#,
            r#"{"eventVersion":"1.08","userIdentity":{"type":"Root"},"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","readOnly":true}"#,
            r#"{"readOnly":"true","managementEvent":"false","requestID":null,"requestParameters":null,"resources":[],"apiVersion":2}"#,
            r#"{"new":1,"eventName":"X","New":{"a":[1.0E5]},"userAgent":"a \"b\" \\ é\n"}"#,
        ] {
            assert_eq!(rebuilt(text), (true, text.to_owned()));
        }
    }

    #[test]
    fn what_columns_cannot_give_back_is_noticed() {
        for text in [
            r#"{ }"#,
            r#"{"eventName": "X"}"#,
            r#"{"eventName":"X"} "#,
            r#"{"eventName":"a\u003db"}"#,
            r#"{"eventName":"a\/b"}"#,
            r#"{"eventName":"\ud800"}"#,
            r#"{"eventTime":"2023-07-10T12:00:00.5Z"}"#,
            r#"{"eventTime":"yesterday"}"#,
            r#"{"eventTime":7}"#,
            r#"{"readOnly":"maybe"}"#,
            r#"{"eventName":"X","eventName":"Y"}"#,
            r#"{"event\u004eame":"X","eventName":1.50}"#,
        ] {
            let (is_rebuilt, buffer) = rebuilt(text);
            assert!(!is_rebuilt || buffer == text, "{text} came back as {buffer}");
        }
        assert!(!rebuilt(r#"{"eventName":"a\u003db"}"#).0);
    }

    #[test]
    fn kinds_are_told_apart() {
        let kind = |text: &str| EventRecord::parse(text).expect(text).kind();
        assert_eq!(kind(r#"{"eventSource":"kms.amazonaws.com","eventName":"Decrypt"}"#), Ok(RecordKind::ApiEvent));
        assert_eq!(
            kind(r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventVersion":"2.1"}"#),
            Ok(RecordKind::S3Notification)
        );
        assert_eq!(
            kind(r#"{"eventVersion":"1.0","eventSource":"aws:kinesis","eventName":"aws:kinesis:record"}"#),
            Err(RecordError::NotAnEvent("eventSource"))
        );
        assert_eq!(kind(r#"{"eventCategory":"Insight"}"#), Ok(RecordKind::Insight));
        assert_eq!(
            kind(r#"{"eventType":"AwsVpceEvent","eventSource":"kms.amazonaws.com","eventName":"Decrypt"}"#),
            Ok(RecordKind::NetworkActivity)
        );
        assert_eq!(kind(r#"{"eventCategory":"Aggregated"}"#), Ok(RecordKind::Aggregated));
        assert_eq!(kind(r#"{"eventName":"Decrypt"}"#), Err(RecordError::NotAnEvent("eventSource")));
        assert_eq!(
            kind(r#"{"eventSource":"x","eventName":"y","eventVersion":"2.0"}"#),
            Err(RecordError::Version("2.0".to_owned()))
        );
        assert_eq!(kind(r#"{"eventSource":"x","eventName":"y","eventVersion":"1.12"}"#), Ok(RecordKind::ApiEvent));
    }

    #[test]
    fn names_are_found_however_they_are_spelled() {
        let plain = r#"{"eventSource":"kms.amazonaws.com","eventName":"Decrypt","requestParameters":{"keyId":"k","encryptionContext":{"a":"b"}},"resources":[{"ARN":"arn:x"}]}"#;
        let expected = EventRecord::parse(plain).expect(plain);
        for text in [
            plain.replace("eventName", r"event\u004eame"),
            plain.replace("resources", r"\u0072esources").replace("ARN", r"AR\u004E"),
            plain.replace("keyId", r"key\u0049d").replace("encryptionContext", r"encryption\u0043ontext"),
        ] {
            let record = EventRecord::parse(&text).expect(&text);
            for field in Field::all() {
                assert_eq!(record.value(field), expected.value(field), "{field:?} of {text}");
            }
            assert_eq!(record.body_hash(), expected.body_hash(), "{text}");
            assert!(!record.is_rebuilt_from_columns(), "its text is kept beside the columns");
            assert_eq!(record.text(), text);
        }
        // What is no name keeps its spelling.
        let text = r#"{"eventName":"X","requestParameters":{"policy":"{\"a\":\"\u0062\"}"}}"#;
        assert_eq!(rebuilt(text), (true, text.to_owned()));
    }

    fn hash_of(text: &str) -> u64 {
        EventRecord::parse(text).expect(text).body_hash()
    }

    #[test]
    fn one_body_has_one_hash() {
        let body = r#"{"eventName":"Decrypt","requestParameters":{"encryptionContext":{"a b":"1"},"list":[1,"x=y"]},"new":{"k":"/"}}"#;
        for same in [
            r#"{"requestParameters":{"encryptionContext":{"a b":"1"},"list":[1,"x=y"]},"new":{"k":"/"},"eventName":"Decrypt"}"#,
            "{\n  \"eventName\" : \"Decrypt\",\n  \"requestParameters\": { \"encryptionContext\": {\"a b\": \"1\"},\r\n\t\"list\": [ 1, \"x=y\" ] },\n  \"new\": {\"k\":\"/\"}\n}",
            r#"{"eventName":"Decrypt","requestParameters":{"encryptionContext":{"a b":"1"},"list":[1,"x\u003dy"]},"new":{"k":"\/"}}"#,
        ] {
            assert_eq!(hash_of(same), hash_of(body), "{same}");
        }
    }

    #[test]
    fn any_other_body_has_another_hash() {
        let bodies = [
            r#"{"eventName":"a","eventSource":"b","new":1,"newer":2}"#,
            r#"{"eventName":"b","eventSource":"a","new":1,"newer":2}"#,
            r#"{"eventName":"a","eventSource":"b","new":2,"newer":1}"#,
            r#"{"eventName":"a","eventSource":"b","new":"1","newer":2}"#,
            r#"{"eventName":"a","eventSource":"b","new":1}"#,
            r#"{"eventName":"a","eventSource":"b"}"#,
            r#"{"eventName":"a b","eventSource":"b"}"#,
            r#"{"eventName":"a  b","eventSource":"b"}"#,
            r#"{"eventName":"\ud800","eventSource":"b"}"#,
            r#"{"eventName":"\ud801","eventSource":"b"}"#,
            r#"{"eventName":"\ufffd","eventSource":"b"}"#,
            r#"{"eventName":null,"eventSource":"b"}"#,
            r#"{"eventSource":"b"}"#,
            r#"{"requestParameters":{"a":1,"b":2}}"#,
            r#"{"requestParameters":{"b":2,"a":1}}"#,
            r#"{"responseElements":{"a":1,"b":2}}"#,
            "{}",
        ];
        let hashes: std::collections::BTreeSet<u64> = bodies.iter().map(|body| hash_of(body)).collect();
        assert_eq!(hashes.len(), bodies.len());
    }

    #[test]
    fn a_later_duplicate_member_wins() {
        let record = EventRecord::parse(r#"{"eventName":"X","eventName":"Y"}"#).expect("record");
        assert_eq!(record.text_of(Field::EventName), Some("Y"));
    }
}
