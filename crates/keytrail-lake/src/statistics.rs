//! What is known about a data file's columns without reading it: smallest and largest value, count of nulls.
//!
//! Collected while a file is written, kept in the Delta log as the protocol's statistics JSON, parsed back typed.
//! It does not decide which files to skip: that is the query engine's work.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, TimeUnit};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::text_bounds::{lower_bound, upper_bound};

/// Bounds of text are kept up to this length in bytes; longer ones are cut, the upper bound rounded up.
///
/// Delta's usual 32 characters would cut every KMS key ARN before its key id.
const TEXT_LIMIT: usize = 256;
/// From this length on a bound counts as cut: no cut takes more than a character of four bytes off the limit.
const CUT_FROM: usize = TEXT_LIMIT - 4;

/// One value of a column.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum ScalarStat {
    /// UTF-8 text, ordered by its bytes.
    Text(String),
    /// Microseconds since the epoch, UTC.
    Time(i64),
    /// A signed integer.
    Integer(i64),
    /// True or false, false first.
    Boolean(bool),
}

/// One end of a column's range in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// No value of the column is beyond it.
    pub value: ScalarStat,
    /// Whether the value itself occurs in the column; otherwise it was rounded away from the values.
    pub is_exact: bool,
}

/// What is known about one column of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStatistics {
    /// Lower end of the values; none = all null, or not known.
    pub min: Option<Bound>,
    /// Upper end of the values; none = all null, or not known.
    pub max: Option<Bound>,
    /// Count of nulls; none = not known.
    pub null_count: Option<u64>,
}

/// How close what is said must come to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// The very bounds that [`StatisticsCollector`] finds.
    Same,
    /// No narrower than the rows; times are told to the millisecond.
    Covering,
}

impl ColumnStatistics {
    fn first_wrong_part(&self, found: &Self, precision: Precision) -> Option<&'static str> {
        if self.null_count.is_some_and(|count| found.null_count != Some(count)) {
            return Some("null count");
        }
        let is_wrong = |said: &Option<Bound>, found: &Option<Bound>, wrong: fn(&ScalarStat, &ScalarStat) -> bool| {
            let Some(said) = said else { return false };
            let found = found.as_ref().map(|bound| &bound.value);
            match precision {
                Precision::Same => found != Some(&said.value),
                Precision::Covering => found.is_some_and(|found| wrong(&said.value, found)),
            }
        };
        if is_wrong(&self.min, &found.min, |said, found| said > found) {
            return Some("minimum");
        }
        let is_below = |said: &ScalarStat, found: &ScalarStat| match (said, found) {
            (ScalarStat::Time(said), ScalarStat::Time(found)) => said.saturating_add(999) < *found,
            _ => said < found,
        };
        is_wrong(&self.max, &found.max, is_below).then_some("maximum")
    }
}

/// What is known about the columns of a file, by column name; a column that is not there has no statistics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileStatistics {
    columns: BTreeMap<String, ColumnStatistics>,
}

impl FileStatistics {
    /// What is known about a column; none = nothing.
    pub fn column(&self, name: &str) -> Option<&ColumnStatistics> {
        self.columns.get(name)
    }

    /// All columns that have statistics, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &ColumnStatistics)> {
        self.columns.iter().map(|(name, statistics)| (name.as_str(), statistics))
    }

    /// The first thing said here that is not true of rows with the statistics `of_rows`; what is not said is not wrong.
    pub(crate) fn first_difference(&self, of_rows: &Self, precision: Precision) -> Option<String> {
        self.columns().find_map(|(name, said)| {
            let part = said.first_wrong_part(of_rows.column(name)?, precision)?;
            Some(format!("{part} of column {name}"))
        })
    }

    /// The statistics JSON of the Delta protocol.
    pub(crate) fn to_json(&self, row_count: u64) -> String {
        let bounds = |bound: fn(&ColumnStatistics) -> Option<&Bound>| -> Map<String, Value> {
            self.columns
                .iter()
                .filter_map(|(name, column)| Some((name.clone(), bound(column)?.value.to_json()?)))
                .collect()
        };
        let null_counts: Map<String, Value> =
            self.columns.iter().filter_map(|(name, column)| Some((name.clone(), column.null_count?.into()))).collect();
        json!({
            "numRecords": row_count,
            "minValues": bounds(|column| column.min.as_ref()),
            "maxValues": bounds(|column| column.max.as_ref()),
            "nullCount": null_counts,
        })
        .to_string()
    }

    /// Row count and statistics from the protocol's JSON, typed by the table's schema.
    ///
    /// What another writer left out, or wrote in a way that does not fit the column's type, is not known.
    pub(crate) fn from_json(text: &str, schema: &Schema) -> Result<(Option<u64>, Self), serde_json::Error> {
        let stats: Value = serde_json::from_str(text)?;
        let columns = schema
            .fields()
            .iter()
            .filter_map(|field| {
                let bound = |section: &str| parse_bound(stats.get(section)?.get(field.name())?, field.data_type());
                let column = ColumnStatistics {
                    min: bound("minValues"),
                    max: bound("maxValues"),
                    null_count: stats.get("nullCount").and_then(|counts| counts.get(field.name())?.as_u64()),
                };
                (column != ColumnStatistics::default()).then(|| (field.name().clone(), column))
            })
            .collect();
        Ok((stats.get("numRecords").and_then(Value::as_u64), Self { columns }))
    }
}

impl ScalarStat {
    /// None for a time beyond the calendar's range.
    fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => text.as_str().into(),
            Self::Time(micros) => time_text(DateTime::from_timestamp_micros(*micros)?).into(),
            Self::Integer(value) => (*value).into(),
            Self::Boolean(value) => (*value).into(),
        })
    }
}

/// Milliseconds as the protocol has them, and microseconds only where they matter.
fn time_text(time: DateTime<Utc>) -> String {
    let is_whole = time.timestamp_subsec_micros().is_multiple_of(1000);
    time.to_rfc3339_opts(if is_whole { SecondsFormat::Millis } else { SecondsFormat::Micros }, true)
}

fn parse_bound(value: &Value, data_type: &DataType) -> Option<Bound> {
    let exact = |value| Bound { value, is_exact: true };
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = value.as_str()?;
            Some(Bound { value: ScalarStat::Text(text.to_owned()), is_exact: text.len() < CUT_FROM })
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let time = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some(exact(ScalarStat::Time(time.timestamp_micros())))
        }
        DataType::Int64 => Some(exact(ScalarStat::Integer(value.as_i64()?))),
        DataType::Boolean => Some(exact(ScalarStat::Boolean(value.as_bool()?))),
        _ => None,
    }
}

/// Collects the statistics of some columns while batches pass.
#[derive(Debug)]
pub(crate) struct StatisticsCollector {
    columns: Vec<ColumnCollector>,
}

#[derive(Debug)]
struct ColumnCollector {
    name: &'static str,
    range: Option<(ScalarStat, ScalarStat)>,
    null_count: u64,
}

impl StatisticsCollector {
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        let columns = columns.iter().map(|name| ColumnCollector { name, range: None, null_count: 0 }).collect();
        Self { columns }
    }

    pub(crate) fn update(&mut self, batch: &RecordBatch) {
        for collector in &mut self.columns {
            if let Some(column) = batch.column_by_name(collector.name) {
                collector.update(column);
            }
        }
    }

    pub(crate) fn finish(self) -> FileStatistics {
        let columns = self.columns.into_iter().map(|column| (column.name.to_owned(), column.finish())).collect();
        FileStatistics { columns }
    }
}

impl ColumnCollector {
    fn update(&mut self, column: &ArrayRef) {
        self.null_count += column.logical_null_count() as u64;
        let Some((min, max)) = range_of(column) else { return };
        self.range = Some(match self.range.take() {
            Some((low, high)) => (if min < low { min } else { low }, if max > high { max } else { high }),
            None => (min, max),
        });
    }

    fn finish(self) -> ColumnStatistics {
        let (min, max) = self.range.unzip();
        ColumnStatistics {
            min: min.map(|value| match value {
                ScalarStat::Text(text) if text.len() >= CUT_FROM => {
                    cut_bound(lower_bound(&text, TEXT_LIMIT).to_owned())
                }
                value => Bound { value, is_exact: true },
            }),
            max: max.and_then(|value| match value {
                ScalarStat::Text(text) if text.len() >= CUT_FROM => upper_bound(&text, TEXT_LIMIT).map(cut_bound),
                value => Some(Bound { value, is_exact: true }),
            }),
            null_count: Some(self.null_count),
        }
    }
}

fn cut_bound(text: String) -> Bound {
    Bound { value: ScalarStat::Text(text), is_exact: false }
}

/// Smallest and largest value that is not null; none when there is none, or the type has no order here.
fn range_of(column: &ArrayRef) -> Option<(ScalarStat, ScalarStat)> {
    match column.data_type() {
        DataType::Utf8 => text_range(column.as_string::<i32>().iter()),
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => {
            let dictionary = column.as_any_dictionary_opt().filter(|dictionary| !dictionary.values().is_empty())?;
            // Each value that occurs is looked at once.
            let mut occurs = vec![false; dictionary.values().len()];
            let keys = dictionary.normalized_keys();
            keys.iter().enumerate().filter(|(row, _)| column.is_valid(*row)).for_each(|(_, key)| occurs[*key] = true);
            let values = dictionary.values().as_string::<i32>().iter();
            text_range(values.zip(occurs).map(|(text, occurs)| text.filter(|_| occurs)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let (min, max) = extremes(column.as_primitive::<TimestampMicrosecondType>().iter())?;
            Some((ScalarStat::Time(min), ScalarStat::Time(max)))
        }
        DataType::Int64 => {
            let (min, max) = extremes(column.as_primitive::<Int64Type>().iter())?;
            Some((ScalarStat::Integer(min), ScalarStat::Integer(max)))
        }
        DataType::Boolean => {
            let (min, max) = extremes(column.as_boolean().iter())?;
            Some((ScalarStat::Boolean(min), ScalarStat::Boolean(max)))
        }
        _ => None,
    }
}

fn text_range<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<(ScalarStat, ScalarStat)> {
    let (min, max) = extremes(texts)?;
    Some((ScalarStat::Text(min.to_owned()), ScalarStat::Text(max.to_owned())))
}

fn extremes<T: PartialOrd + Copy>(values: impl Iterator<Item = Option<T>>) -> Option<(T, T)> {
    values.flatten().fold(None, |range, value| match range {
        Some((min, max)) => Some((if value < min { value } else { min }, if value > max { value } else { max })),
        None => Some((value, value)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, DictionaryArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array};
    use arrow_schema::Field;

    use super::*;

    fn batch(texts: Vec<Option<&str>>, times: Vec<Option<i64>>) -> RecordBatch {
        let count = texts.len();
        RecordBatch::try_from_iter([
            ("text", Arc::new(StringArray::from(texts)) as ArrayRef),
            ("time", Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))),
            ("number", Arc::new(Int64Array::from_iter_values((0..count).map(|row| row as i64)))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true); count]))),
        ])
        .expect("a batch")
    }

    fn collected(batches: &[RecordBatch]) -> FileStatistics {
        let mut collector = StatisticsCollector::new(&["text", "time", "number", "flag"]);
        batches.iter().for_each(|batch| collector.update(batch));
        collector.finish()
    }

    fn assert_round_trips(batches: &[RecordBatch]) -> FileStatistics {
        let statistics = collected(batches);
        let json = statistics.to_json(7);
        let parsed = FileStatistics::from_json(&json, &batches[0].schema()).expect("valid JSON");
        assert_eq!(parsed, (Some(7), statistics.clone()), "{json}");
        statistics
    }

    fn text_bound(text: &str, is_exact: bool) -> Option<Bound> {
        Some(Bound { value: ScalarStat::Text(text.to_owned()), is_exact })
    }

    #[test]
    fn ranges_span_batches_and_round_trip() {
        let statistics = assert_round_trips(&[
            batch(vec![Some("b"), None], vec![Some(1_700_000_000_000_000), Some(-1)]),
            batch(vec![Some("a"), Some("é\"\n")], vec![None, Some(1_700_000_000_123_456)]),
        ]);
        let text = statistics.column("text").expect("a column");
        assert_eq!((text.min.clone(), text.max.clone()), (text_bound("a", true), text_bound("é\"\n", true)));
        assert_eq!(text.null_count, Some(1));
        let time = statistics.column("time").expect("a column");
        assert_eq!(time.max.as_ref().map(|bound| &bound.value), Some(&ScalarStat::Time(1_700_000_000_123_456)));
    }

    #[test]
    fn a_dictionary_has_the_statistics_of_its_rows() {
        let values = StringArray::from(vec![Some("b"), Some("unused"), None, Some("a"), Some("c")]);
        let keys = UInt32Array::from(vec![Some(4), None, Some(0), Some(2), Some(4)]);
        let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(values)));
        let plain = arrow_cast::cast(&dictionary, &DataType::Utf8).expect("a cast");
        let statistics = |column: ArrayRef| {
            let mut collector = StatisticsCollector::new(&["text"]);
            collector.update(&RecordBatch::try_from_iter_with_nullable([("text", column, true)]).expect("a batch"));
            collector.finish()
        };
        let found = statistics(dictionary);
        assert_eq!(found, statistics(plain));
        assert_eq!(found.column("text").map(|column| column.null_count), Some(Some(2)));
        assert_eq!(found.column("text").and_then(|column| column.min.clone()), text_bound("b", true));
    }

    #[test]
    fn columns_of_nulls_have_no_range() {
        let statistics = assert_round_trips(&[batch(vec![None, None], vec![None, None])]);
        let text = statistics.column("text").expect("a column");
        assert_eq!((&text.min, &text.max, text.null_count), (&None, &None, Some(2)));
    }

    #[test]
    fn long_text_is_cut_outwards() {
        for last in ["a", "é", "€", "\u{d7ff}", "\u{10fffe}", "\u{7f}", "\u{7ff}", "\u{ffff}"] {
            for length in 200..300 {
                let text = format!("{}{}", "x".repeat(length), last.repeat(60));
                let statistics = assert_round_trips(&[batch(vec![Some(&text)], vec![None])]);
                let column = statistics.column("text").expect("a column");
                let (min, max) =
                    (column.min.clone().expect("a lower bound"), column.max.clone().expect("an upper bound"));
                let (ScalarStat::Text(low), ScalarStat::Text(high)) = (&min.value, &max.value) else {
                    panic!("not text: {min:?} {max:?}")
                };
                assert!(*low <= text && *high >= text, "{low} {text} {high}");
                assert!(low.len() <= TEXT_LIMIT && high.len() <= TEXT_LIMIT, "{} {}", low.len(), high.len());
                assert_eq!((min.is_exact, max.is_exact), (text.len() < CUT_FROM, text.len() < CUT_FROM), "{length}");
            }
        }
    }

    #[test]
    fn text_that_cannot_grow_has_no_upper_bound() {
        let text = "\u{10ffff}".repeat(100);
        let statistics = assert_round_trips(&[batch(vec![Some(&text)], vec![None])]);
        assert_eq!(statistics.column("text").expect("a column").max, None);
    }

    #[test]
    fn foreign_statistics_are_taken_as_far_as_they_fit() {
        let schema =
            Schema::new(vec![Field::new("text", DataType::Utf8, true), Field::new("number", DataType::Int64, true)]);
        let json = r#"{"minValues":{"text":5,"number":1,"other":2},"nullCount":{"number":null}}"#;
        let (row_count, statistics) = FileStatistics::from_json(json, &schema).expect("valid JSON");
        assert_eq!(row_count, None);
        assert_eq!(statistics.columns().map(|(name, _)| name).collect::<Vec<_>>(), ["number"]);
        assert!(FileStatistics::from_json("{", &schema).is_err());
    }
}
