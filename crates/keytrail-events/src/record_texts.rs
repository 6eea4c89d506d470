//! Rows back into their records' exact text, from the columns of a batch.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::record::{Field, FieldValue, write_record};

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
pub(crate) fn text_at(column: &ArrayRef, row: usize) -> Option<&str> {
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
    use crate::builder::{EventBatchBuilder, Lineage};
    use crate::record::EventRecord;

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

    #[test]
    fn rows_give_their_text_back() {
        assert_round_trips(&[
            r#"{"eventVersion":"1.08","userIdentity":{"type":"Root","accountId":"011122223333"},"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","requestParameters":{"encryptionContext":{"b":"2","a":"1"}},"responseElements":null,"eventID":"e-1","readOnly":true,"resources":[{"ARN":"arn:aws:kms:eu-west-1:111122223333:key/1"}],"recipientAccountId":"111122223333"}"#,
            r#"{ "eventName" : "pretty" }"#,
            r#"{"eventSource":"s3.amazonaws.com","eventName":"x","edgeDeviceDetails":{"a":1},"odd":"\u003d"}"#,
            "{}",
        ]);
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
