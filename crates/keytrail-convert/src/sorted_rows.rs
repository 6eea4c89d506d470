//! Rows of several builders as one sorted run of record batches for the writer.
//!
//! ```text
//! parts ─▶ one key per different text ─▶ order of the rows ─▶ batches: keys in that order, other values gathered
//! ```
//! Texts that stand once in each part come to stand once in all of them, so that sorting moves small keys while the texts stay where they
//! are; the writer gets them as dictionaries. A column's values leave the parts as they are merged: rows are never in memory twice.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use keytrail_events::schema::{COLUMNS, ColumnType, Repetition, USER_IDENTITY, file_schema};
use keytrail_events::{ColumnValues, EventRows, NULL_KEY, TextInterner};

/// Rows that the writer takes at a time.
const CHUNK_ROWS: usize = 8192;
/// The most columns that a partition is sorted by.
const MAX_SORT_COLUMNS: usize = 3;

/// All rows of `parts`, sorted ascending with nulls first, in batches of [`CHUNK_ROWS`]; rows that are equal in the sort columns keep
/// their order.
///
/// # Errors
/// A sort column is not one of [`COLUMNS`], or neither a repeated text nor a time.
pub(crate) fn sorted_batches(
    parts: Vec<EventRows>,
    sort_columns: &[&str],
) -> Result<impl Iterator<Item = RecordBatch> + use<>, ArrowError> {
    let mut merged = MergedRows::new(parts);
    let order = merged.order(sort_columns)?;
    let columns = (0..COLUMNS.len()).map(|index| merged.column(index, &order)).collect::<Result<Vec<_>, _>>()?;
    let fields: Vec<_> =
        file_schema().fields().iter().zip(&columns).map(|(field, column)| column.field(field)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = SortedRows {
        places: order.iter().map(|row| merged.places[*row as usize]).collect(),
        identities: order.iter().map(|row| merged.identities[*row as usize]).collect(),
    };
    let starts = (0..order.len()).step_by(CHUNK_ROWS);
    Ok(starts.map(move |start| {
        let length = CHUNK_ROWS.min(rows.places.len() - start);
        let arrays = columns.iter().map(|column| column.slice(&rows, start, length)).collect();
        RecordBatch::try_new(Arc::clone(&schema), arrays).expect("columns follow the schema")
    }))
}

/// A part, and a row or an identity of it.
type Place = (usize, usize);

/// The rows of all parts one after the other, with one number for each different identity.
struct MergedRows {
    /// Without the columns that were merged.
    parts: Vec<EventRows>,
    places: Vec<Place>,
    identities: Vec<u32>,
    /// The first place of each identity.
    identity_places: Vec<Place>,
    identity_texts: ArrayRef,
    /// The rows of a batch in each column of texts that has none.
    no_texts: ArrayRef,
}

/// Where the rows stand in the parts, and their identities, in sorted order.
struct SortedRows {
    places: Vec<Place>,
    identities: ScalarBuffer<u32>,
}

impl MergedRows {
    fn new(mut parts: Vec<EventRows>) -> Self {
        let user_identity = COLUMNS.iter().position(|column| column.name == USER_IDENTITY).expect("a column");
        let user_identities = take_column(&mut parts, user_identity);
        let mut texts = interner_for(&user_identities);
        let row_count = parts.iter().map(EventRows::row_count).sum();
        let mut merged = Self {
            parts: Vec::new(),
            places: Vec::with_capacity(row_count),
            identities: Vec::with_capacity(row_count),
            identity_places: vec![(0, 0)],
            identity_texts: new_null_array(&DataType::Utf8, 0),
            no_texts: keyed_array(
                vec![NULL_KEY; CHUNK_ROWS].into(),
                &(Arc::new(TextInterner::new().finish()) as ArrayRef),
            ),
        };
        for (part, (rows, user_identities)) in parts.iter().zip(user_identities).enumerate() {
            let numbers = match user_identities {
                ColumnValues::Keyed { texts: of_part, .. } => merged_keys(&of_part, &mut texts),
                _ => vec![NULL_KEY],
            };
            for (identity, number) in numbers.iter().enumerate() {
                if *number as usize == merged.identity_places.len() {
                    merged.identity_places.push((part, identity));
                }
            }
            merged.places.extend((0..rows.row_count()).map(|row| (part, row)));
            merged.identities.extend(rows.identities().iter().map(|identity| numbers[*identity as usize]));
        }
        merged.parts = parts;
        merged.identity_texts = Arc::new(texts.into_texts());
        merged
    }

    /// Row numbers in the order of the sort columns.
    fn order(&self, sort_columns: &[&str]) -> Result<Vec<u32>, ArrowError> {
        let row_count =
            u32::try_from(self.places.len()).map_err(|error| ArrowError::ComputeError(error.to_string()))?;
        let mut rows: Vec<_> = (0..row_count).map(|row| ([0; MAX_SORT_COLUMNS], row)).collect();
        for (position, name) in sort_columns.iter().enumerate() {
            let index = COLUMNS.iter().position(|column| column.name == *name && position < MAX_SORT_COLUMNS);
            let index = index.ok_or_else(|| unsortable(name))?;
            let ranks = self.ranks(index).ok_or_else(|| unsortable(name))?;
            rows.iter_mut().zip(ranks).for_each(|((keys, _), rank)| keys[position] = rank);
        }
        rows.sort_unstable();
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// A number per row that orders it by a column; `None` for a column that has no such numbers.
    fn ranks(&self, index: usize) -> Option<Vec<u64>> {
        let column = &COLUMNS[index];
        match column.repetition() {
            Repetition::Often => {
                let (keys, texts) = self.keyed_rows(self.parts.iter().map(|part| part.column(index)));
                let ranks = ranks_of(&texts);
                Some(keys.iter().map(|key| ranks[*key as usize]).collect())
            }
            Repetition::Rare if column.column_type == ColumnType::Time => {
                let mut ranks = Vec::with_capacity(self.places.len());
                for part in &self.parts {
                    match part.column(index) {
                        ColumnValues::Each(times) => {
                            let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
                            ranks.extend(times.iter().map(|time| time.map_or(0, rank_of_time)));
                        }
                        _ => ranks.resize(ranks.len() + part.row_count(), 0),
                    }
                }
                Some(ranks)
            }
            _ => None,
        }
    }

    /// Takes a column out of the parts.
    fn column(&mut self, index: usize, order: &[u32]) -> Result<SortedColumn, ArrowError> {
        if COLUMNS[index].name == USER_IDENTITY {
            let keys = order.iter().map(|row| self.identities[*row as usize]).collect();
            return Ok(SortedColumn::Keyed { keys, texts: Arc::clone(&self.identity_texts) });
        }
        let data_type = COLUMNS[index].column_type.arrow();
        let is_of_identity = COLUMNS[index].repetition() == Repetition::WithIdentity;
        let values = take_column(&mut self.parts, index);
        if values.iter().all(|values| matches!(values, ColumnValues::Null)) {
            return Ok(self.null_column(index));
        }
        if values.iter().any(|values| matches!(values, ColumnValues::Keyed { .. })) {
            let (keys, texts) = match is_of_identity {
                true => self.keyed_identities(&values),
                false => self.keyed_rows(&values),
            };
            let key_of = |row: &u32| match is_of_identity {
                true => keys[self.identities[*row as usize] as usize],
                false => keys[*row as usize],
            };
            return Ok(SortedColumn::Keyed { keys: order.iter().map(key_of).collect(), texts: Arc::new(texts) });
        }
        let arrays = values.into_iter().zip(&self.parts).map(|(values, part)| match values {
            ColumnValues::Each(array) => array,
            _ if is_of_identity => new_null_array(&data_type, part.identity_count()),
            _ => new_null_array(&data_type, part.row_count()),
        });
        let arrays: Vec<ArrayRef> = arrays.collect();
        Ok(match is_of_identity {
            true => SortedColumn::ByIdentity(interleave(&views_of(&arrays), &self.identity_places)?),
            false => SortedColumn::Each(arrays),
        })
    }

    /// Texts are keyed also where there are none: the writer is quick with keys.
    fn null_column(&self, index: usize) -> SortedColumn {
        let column = &COLUMNS[index];
        match column.column_type {
            ColumnType::Text if column.repetition() != Repetition::Rare => {
                SortedColumn::Null(Arc::clone(&self.no_texts))
            }
            _ => SortedColumn::Null(new_null_array(&column.column_type.arrow(), CHUNK_ROWS)),
        }
    }

    /// The key of each row, and the texts of all parts by their keys.
    fn keyed_rows<'v, I>(&self, values: I) -> (Vec<u32>, StringArray)
    where
        I: IntoIterator<Item = &'v ColumnValues> + Clone,
    {
        let mut interner = interner_for(values.clone());
        let mut merged = Vec::with_capacity(self.places.len());
        for (values, part) in values.into_iter().zip(&self.parts) {
            match values {
                ColumnValues::Keyed { keys, texts } => {
                    let of_part = merged_keys(texts, &mut interner);
                    merged.extend(keys.iter().map(|key| of_part[*key as usize]));
                }
                _ => merged.resize(merged.len() + part.row_count(), NULL_KEY),
            }
        }
        (merged, interner.into_texts())
    }

    /// The key of each identity, and the texts of all parts by their keys.
    fn keyed_identities(&self, values: &[ColumnValues]) -> (Vec<u32>, StringArray) {
        let mut interner = interner_for(values);
        let of_parts = values.iter().map(|values| match values {
            ColumnValues::Keyed { keys, texts } => Some((keys, merged_keys(texts, &mut interner))),
            _ => None,
        });
        let of_parts: Vec<_> = of_parts.collect();
        let key_at = |(part, identity): &Place| {
            of_parts[*part].as_ref().map_or(NULL_KEY, |(keys, merged)| merged[keys[*identity] as usize])
        };
        (self.identity_places.iter().map(key_at).collect(), interner.into_texts())
    }
}

/// Takes a column's values out of each part.
fn take_column(parts: &mut [EventRows], index: usize) -> Vec<ColumnValues> {
    parts.iter_mut().map(|part| part.take_column(index)).collect()
}

fn unsortable(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("rows cannot be sorted by column {name}"))
}

/// An interner with room for the texts of all parts. Most of them may be the same, but room that is not used costs no memory, and
/// too little of it a copy of all that is there.
fn interner_for<'v>(values: impl IntoIterator<Item = &'v ColumnValues>) -> TextInterner {
    let (mut count, mut bytes) = (0, 0);
    for values in values {
        if let ColumnValues::Keyed { texts, .. } = values {
            count += texts.len();
            bytes += texts.value_data().len();
        }
    }
    TextInterner::with_capacity(count, bytes)
}

/// The key among all parts of each key of one part.
fn merged_keys(texts: &StringArray, interner: &mut TextInterner) -> Vec<u32> {
    let keys = texts.iter().skip(1).flatten().map(|text| interner.key_of(text));
    std::iter::once(NULL_KEY).chain(keys).collect()
}

/// The rank of each key's text, null first.
fn ranks_of(texts: &StringArray) -> Vec<u64> {
    let mut keys: Vec<usize> = (1..texts.len()).collect();
    keys.sort_unstable_by_key(|key| texts.value(*key));
    let mut ranks = vec![0; texts.len()];
    keys.into_iter().zip(1..).for_each(|(key, rank)| ranks[key] = rank);
    ranks
}

/// Times in their order, from 1 on; no calendar reaches the last one.
fn rank_of_time(micros: i64) -> u64 {
    (micros.cast_unsigned() ^ 1 << 63).saturating_add(1)
}

fn views_of(arrays: &[ArrayRef]) -> Vec<&dyn Array> {
    arrays.iter().map(AsRef::as_ref).collect()
}

/// Rows of texts by their keys.
fn keyed_array(keys: ScalarBuffer<u32>, texts: &ArrayRef) -> ArrayRef {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(keys.len(), |row| keys[row] != NULL_KEY));
    let keys = UInt32Array::new(keys, Some(nulls).filter(|nulls| nulls.null_count() > 0));
    Arc::new(DictionaryArray::<UInt32Type>::new(keys, Arc::clone(texts)))
}

/// A column of all rows.
enum SortedColumn {
    /// As many nulls as a batch has rows.
    Null(ArrayRef),
    /// Keys in sorted order.
    Keyed { keys: ScalarBuffer<u32>, texts: ArrayRef },
    /// A value per identity.
    ByIdentity(ArrayRef),
    /// The parts' values, in the parts' order.
    Each(Vec<ArrayRef>),
}

impl SortedColumn {
    fn field(&self, plain: &Field) -> Field {
        match self {
            Self::Keyed { texts, .. } => {
                let data_type = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(texts.data_type().clone()));
                plain.clone().with_data_type(data_type)
            }
            Self::Null(nulls) => plain.clone().with_data_type(nulls.data_type().clone()),
            _ => plain.clone(),
        }
    }

    fn slice(&self, rows: &SortedRows, start: usize, length: usize) -> ArrayRef {
        match self {
            Self::Null(nulls) => nulls.slice(0, length),
            Self::Keyed { keys, texts } => keyed_array(keys.slice(start, length), texts),
            Self::ByIdentity(values) => {
                let identities = UInt32Array::new(rows.identities.slice(start, length), None);
                take(values, &identities, None).expect("every identity has a value")
            }
            Self::Each(arrays) => {
                let places = &rows.places[start..start + length];
                interleave(&views_of(arrays), places).expect("all parts have one schema")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_cast::cast;
    use keytrail_events::{EventBatchBuilder, EventRecord, Lineage};

    use super::*;

    /// Rows of records with these sources, names and times; every third has the same identity, and every fourth none.
    fn part(records: &[(&str, &str, &str)], number: usize) -> EventRows {
        let mut builder = EventBatchBuilder::new();
        for (index, (source, name, time)) in (0_u64..).zip(records) {
            let identity = match index % 4 {
                0 => String::new(),
                _ => format!(
                    r#","userIdentity":{{"type":"AssumedRole","arn":"arn:{}","sessionContext":{{"attributes":{{"mfaAuthenticated":"{}","creationDate":"{time}"}}}}}}"#,
                    index % 3,
                    index.is_multiple_of(3)
                ),
            };
            let text = format!(
                r#"{{"eventVersion":"1.08"{identity},"eventTime":"{time}","eventSource":"{source}","eventName":"{name}","requestID":"{number}-{index}"}}"#
            );
            let record = EventRecord::parse(&text).expect("a record");
            let path = format!("file-{number}");
            builder.append(&record, &Lineage { log_file_path: &path, record_index: index, ..Lineage::default() });
        }
        builder.finish_rows()
    }

    fn plain(batch: &RecordBatch) -> RecordBatch {
        let fields = file_schema().fields().clone();
        let columns = batch.columns().iter().zip(&fields).map(|(column, field)| cast(column, field.data_type()));
        RecordBatch::try_new(file_schema(), columns.collect::<Result<_, _>>().expect("casts")).expect("a batch")
    }

    /// What a stable sort of the written-out rows gives.
    fn expected(parts: &[EventRows], sort_columns: &[&str]) -> RecordBatch {
        let batches: Vec<_> = parts.iter().map(|part| part.clone().into_batch()).collect();
        let rows = arrow_select::concat::concat_batches(&file_schema(), &batches).expect("one schema");
        let options = Some(arrow_schema::SortOptions { descending: false, nulls_first: true });
        let mut columns: Vec<_> = sort_columns
            .iter()
            .map(|name| arrow_ord::sort::SortColumn {
                values: rows.column_by_name(name).expect("there").clone(),
                options,
            })
            .collect();
        let row_count = u32::try_from(rows.num_rows()).expect("few rows");
        let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..row_count));
        columns.push(arrow_ord::sort::SortColumn { values: numbers, options: None });
        let order = arrow_ord::sort::lexsort_to_indices(&columns, None).expect("sortable");
        arrow_select::take::take_record_batch(&rows, &order).expect("rows")
    }

    const TIMES: [&str; 4] = ["2023-07-10T12:00:00Z", "no time", "2023-07-09T12:00:00Z", "1969-07-09T12:00:00Z"];
    const SOURCES: [&str; 3] = ["kms.amazonaws.com", "s3.amazonaws.com", "a.amazonaws.com"];

    fn some_records(count: usize) -> Vec<(&'static str, &'static str, &'static str)> {
        let pick = |number: usize| (SOURCES[number % 3], ["Get", "Put"][number % 5 % 2], TIMES[number * 7 % 4]);
        (0..count).map(|number| pick(number * number)).collect()
    }

    #[test]
    fn parts_are_sorted_like_their_written_out_rows() {
        for counts in [&[][..], &[1], &[0, 3], &[7, 1, 40], &[CHUNK_ROWS, 5]] {
            let parts: Vec<_> =
                counts.iter().enumerate().map(|(number, count)| part(&some_records(*count), number)).collect();
            for sort_columns in [&["key_arn", "event_time"][..], &["event_source", "event_name", "event_time"], &[]] {
                let batches: Vec<_> =
                    sorted_batches(parts.clone(), sort_columns).expect("sorted").map(|batch| plain(&batch)).collect();
                assert!(batches.iter().all(|batch| batch.num_rows() <= CHUNK_ROWS));
                let found = arrow_select::concat::concat_batches(&file_schema(), &batches).expect("one schema");
                assert_eq!(found, expected(&parts, sort_columns), "{counts:?} by {sort_columns:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_sorted_by_is_an_error() {
        let parts = vec![part(&some_records(2), 0)];
        for columns in [&["no_column"][..], &["event_id"], &["principal_arn"], &["event_time"; 4]] {
            assert!(sorted_batches(parts.clone(), columns).is_err(), "{columns:?}");
        }
    }
}
