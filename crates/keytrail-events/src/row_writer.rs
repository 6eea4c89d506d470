//! The values of a record in the order of the columns: envelope, identity, JSON, KMS facts, mentioned keys.
//!
//! It decides which value goes into which column; how a column holds it is [`crate::columns`]'s to know.

use std::borrow::Cow;

use crate::columns::ColumnBuilder;
use crate::flattened;
use crate::identity::Identity;
use crate::json;
use crate::kms::{CallPlace, ContextPairs, KmsFacts, KmsInput, keys_in_message, mentioned_keys, resource_of_call};
use crate::record::{DetailLevel, EventRecord, Field, FieldValue};
use crate::row_keys::event_id;

/// What KMS facts need of an identity.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    pub(crate) account_id: Option<String>,
    pub(crate) invoked_by: Option<String>,
}

/// Writes one row's values column by column, in the schema's order. What is null is passed over.
pub(crate) struct RowWriter<'b> {
    columns: std::slice::IterMut<'b, ColumnBuilder>,
    row: usize,
}

impl<'b> RowWriter<'b> {
    /// Writes the row of a number.
    pub(crate) fn new(columns: &'b mut [ColumnBuilder], row: usize) -> Self {
        Self { columns: columns.iter_mut(), row }
    }

    /// Whether every column had its turn.
    pub(crate) fn is_at_end(&self) -> bool {
        self.columns.len() == 0
    }

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

    pub(crate) fn text(&mut self, value: Option<&str>) {
        self.put(value, ColumnBuilder::text);
    }

    fn boolean(&mut self, value: Option<bool>) {
        self.put(value, ColumnBuilder::boolean);
    }

    pub(crate) fn time(&mut self, value: Option<i64>) {
        self.put(value, ColumnBuilder::time);
    }

    pub(crate) fn hash(&mut self, value: u32) {
        self.put(Some(value), ColumnBuilder::hash);
    }

    pub(crate) fn integer(&mut self, value: Option<i64>) {
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

    pub(crate) fn skip(&mut self, count: usize) {
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

pub(crate) fn append_envelope(row: &mut RowWriter<'_>, record: &EventRecord<'_>) {
    row.text(Some(&event_id(record)));
    for field in ENVELOPE_FIELDS {
        row.field(record, field);
    }
}

pub(crate) fn append_json(row: &mut RowWriter<'_>, record: &EventRecord<'_>) {
    row.skip(1);
    for field in JSON_FIELDS {
        row.field(record, field);
    }
    row.text(record.unknown_fields());
}

pub(crate) fn append_identity(row: &mut RowWriter<'_>, identity: &Identity<'_>) {
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

/// How deep a flattened `userIdentity`, and all that is unfolded like it, is unfolded: all of it.
pub(crate) const USER_IDENTITY_LEVELS: u32 = 8;

/// The JSON of a member that is the text of a map, as far as it can be told; `None` where it is anything else.
pub(crate) fn unfolded(text: &str, levels: u32) -> Option<String> {
    flattened::to_json(&json::string_value(text)?, levels)
}

/// A JSON member for facts to be drawn from: as it stands, or of a flattened record what can be told of it. Request parameters are
/// unfolded by one level only: the pairs of an encryption context cannot be told apart safely.
fn member<'r>(record: &'r EventRecord<'_>, field: Field) -> Option<Cow<'r, str>> {
    let text = record.text_of(field)?;
    let levels = if field == Field::RequestParameters { 1 } else { USER_IDENTITY_LEVELS };
    let is_flattened = record.detail_level() == DetailLevel::Flattened;
    Some(if is_flattened { unfolded(text, levels) } else { None }.map_or(Cow::Borrowed(text), Cow::Owned))
}

pub(crate) const IDENTITY_COLUMN_COUNT: usize = 22;
/// The columns that are drawn from an identity, and all that follow.
pub(crate) const IDENTITY_COLUMNS: std::ops::RangeFrom<usize> = 1 + ENVELOPE_FIELDS.len()..;
pub(crate) const USER_IDENTITY_COLUMN: usize = IDENTITY_COLUMNS.start + IDENTITY_COLUMN_COUNT;
pub(crate) const KMS_COLUMN_COUNT: usize = 16;

pub(crate) fn append_kms(row: &mut RowWriter<'_>, record: &EventRecord<'_>, caller: &Caller) {
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
    append_facts(row, &facts);
}

fn append_facts(row: &mut RowWriter<'_>, facts: &KmsFacts<'_>) {
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

pub(crate) const MENTION_COLUMN_COUNT: usize = 2;

/// The keys that a record of another service than KMS names, and for what.
pub(crate) fn append_mentions(row: &mut RowWriter<'_>, record: &EventRecord<'_>, caller: &Caller) {
    let [request, response, resources, additional, details] = [
        Field::RequestParameters,
        Field::ResponseElements,
        Field::Resources,
        Field::AdditionalEventData,
        Field::ServiceEventDetails,
    ]
    .map(|field| record.text_of(field));
    let account_id = record.text_of(Field::RecipientAccountId).or(caller.account_id.as_deref());
    let place = CallPlace { region: record.text_of(Field::AwsRegion), account_id };
    let mut keys = mentioned_keys([request, response, resources, additional, details].into_iter().flatten(), place);
    keys.extend(record.text_of(Field::ErrorMessage).into_iter().flat_map(keys_in_message));
    if keys.is_empty() {
        row.text(Some(""));
        return row.skip(1);
    }
    row.text(Some(&Vec::from_iter(keys).join(" ")));
    row.text(resource_of_call([resources, response, request]).as_deref());
}

pub(crate) const TEXT_COLUMN_COUNT: usize = 2;

/// What gives the exact text back: its layout, or where that and the columns do not, the text.
pub(crate) fn append_text(row: &mut RowWriter<'_>, record: &EventRecord<'_>) {
    let is_rebuilt = record.text_of(Field::EventId) != Some("") && record.is_rebuilt_from_columns();
    row.text(is_rebuilt.then_some(record.layout()));
    row.text((!is_rebuilt).then_some(record.text()));
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::TimestampMicrosecondType;

    use super::*;
    use crate::columns::ColumnValues;
    use crate::kms::{ContextState, KeyResolution, OperationClass, Outcome};
    use crate::schema::{COLUMNS, ColumnGroup, ColumnType};

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
        assert_eq!(names_of(ColumnGroup::Mentions).len(), MENTION_COLUMN_COUNT);
        let [.., layout, raw] = COLUMNS else { unreachable!("there are columns") };
        assert_eq!([layout.name, raw.name], ["record_layout", "raw_record"]);
    }

    /// What stands in the columns of a group after one row: names and values; of a map the first key.
    fn written(group: ColumnGroup, append: impl FnOnce(&mut RowWriter<'_>)) -> Vec<(&'static str, String)> {
        let columns: Vec<_> = COLUMNS.iter().filter(|column| column.group == group).collect();
        let mut builders: Vec<_> = columns.iter().map(|column| ColumnBuilder::new(column)).collect();
        let mut row = RowWriter::new(&mut builders, 0);
        append(&mut row);
        assert!(row.is_at_end());
        let values = builders.iter_mut().map(|builder| builder.finish(1));
        let texts = columns.iter().zip(values).map(|(column, values)| match (values, column.column_type) {
            (ColumnValues::Keyed { keys, texts }, _) => texts.value(keys[0] as usize).to_owned(),
            (ColumnValues::Each(array), ColumnType::Text) => array.as_string::<i32>().value(0).to_owned(),
            (ColumnValues::Each(array), ColumnType::Boolean) => array.as_boolean().value(0).to_string(),
            (ColumnValues::Each(array), ColumnType::TextMap) => {
                array.as_map().keys().as_string::<i32>().value(0).to_owned()
            }
            (ColumnValues::Each(array), _) => array.as_primitive::<TimestampMicrosecondType>().value(0).to_string(),
            (ColumnValues::Null, _) => panic!("{} has no value", column.name),
        });
        columns.iter().map(|column| column.name).zip(texts).collect()
    }

    /// Each column of a group holds its own name, but for those that cannot.
    fn assert_names(written: &[(&'static str, String)], others: &[(&str, &str)]) {
        for (name, value) in written {
            let other = others.iter().find(|(other, _)| other == name);
            assert_eq!(value, other.map_or(name, |(_, expected)| expected), "{name}");
        }
    }

    #[test]
    fn what_an_identity_tells_stands_under_its_name() {
        let identity = Identity {
            principal_type: Some("principal_type".into()),
            principal_id: Some("principal_id".into()),
            principal_arn: Some("principal_arn".into()),
            principal_account_id: Some("principal_account_id".into()),
            access_key_id: Some("access_key_id".into()),
            user_name: Some("user_name".into()),
            identity_provider: Some("identity_provider".into()),
            credential_id: Some("credential_id".into()),
            invoked_by: Some("invoked_by".into()),
            role_arn: Some("role_arn".into()),
            role_session_name: Some("role_session_name".into()),
            session_issuer_type: Some("session_issuer_type".into()),
            session_issuer_account_id: Some("session_issuer_account_id".into()),
            session_issuer_user_name: Some("session_issuer_user_name".into()),
            session_creation_time: Some(7),
            mfa_authenticated: Some(true),
            source_identity: Some("source_identity".into()),
            ec2_role_delivery: Some("ec2_role_delivery".into()),
            federated_provider: Some("federated_provider".into()),
            on_behalf_of_user_id: Some("on_behalf_of_user_id".into()),
            in_scope_of_source_arn: Some("in_scope_of_source_arn".into()),
            invoked_by_delegate_account_id: Some("invoked_by_delegate_account_id".into()),
        };
        let written = written(ColumnGroup::Identity, |row| append_identity(row, &identity));
        assert_names(&written, &[("session_creation_time", "7"), ("mfa_authenticated", "true")]);
    }

    #[test]
    fn facts_stand_under_their_names() {
        let context = |name: &'static str| Some(vec![(Cow::Borrowed(name), None)]);
        let facts = KmsFacts {
            operation_class: OperationClass::ReEncrypt,
            outcome: Outcome::Blocked,
            key_arn: Some("key_arn".into()),
            source_key_arn: Some("source_key_arn".into()),
            requested_key_ref: Some("requested_key_ref".into()),
            source_requested_key_ref: Some("source_requested_key_ref".into()),
            key_resolution: KeyResolution::Response,
            encryption_context: context("encryption_context"),
            source_encryption_context: context("source_encryption_context"),
            context_state: Some(ContextState::Present),
            source_context_state: Some(ContextState::Empty),
            grant_id: Some("grant_id".into()),
            key_material_id: Some("key_material_id".into()),
            source_key_material_id: Some("source_key_material_id".into()),
            alias_name: Some("alias_name".into()),
            algorithm: Some("algorithm".into()),
        };
        let written = written(ColumnGroup::Kms, |row| append_facts(row, &facts));
        let words = [
            ("operation_class", facts.operation_class.as_str()),
            ("outcome", facts.outcome.as_str()),
            ("key_resolution", facts.key_resolution.as_str()),
            ("context_state", "present"),
            ("source_context_state", "empty"),
        ];
        assert_names(&written, &words);
    }
}
