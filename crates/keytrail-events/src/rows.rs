//! Rows of `events` as they are held between decoding and writing: what repeats stands once.
//!
//! ```text
//!  record ──▶ a value or a key in each column of its own
//!        └──▶ the number of its identity ──▶ a value or a key in each column drawn from `userIdentity`
//! ```
//! A `userIdentity` is written in many records, and 22 columns are drawn from it: they are held by identity, not by record.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};

use crate::columns::ColumnValues;
use crate::interner::NULL_KEY;
use crate::schema::{COLUMNS, Column, Repetition, file_schema};

/// Rows of one partition, in the order of their coming.
#[derive(Debug, Clone)]
pub struct EventRows {
    pub(crate) row_count: usize,
    /// The identity of each row; 0 = the record has none.
    pub(crate) identities: Vec<u32>,
    pub(crate) identity_count: usize,
    /// In the order of [`COLUMNS`]; those of [`Repetition::WithIdentity`] have a row per identity.
    pub(crate) columns: Vec<ColumnValues>,
}

impl EventRows {
    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// The number of each row's identity: a row of the columns of [`Repetition::WithIdentity`].
    pub fn identities(&self) -> &[u32] {
        &self.identities
    }

    /// How many identities there are; all columns of number 0 are null.
    pub fn identity_count(&self) -> usize {
        self.identity_count
    }

    /// The values of the column at `index` of [`COLUMNS`]: by row, or by identity where the column goes with it.
    pub fn column(&self, index: usize) -> &ColumnValues {
        &self.columns[index]
    }

    /// Takes the values of the column at `index` of [`COLUMNS`] out; every row of it is null afterwards.
    pub fn take_column(&mut self, index: usize) -> ColumnValues {
        std::mem::replace(&mut self.columns[index], ColumnValues::Null)
    }

    /// Bytes in memory, with the room that is not used.
    pub fn size_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(ColumnValues::size_bytes).sum();
        columns + self.identities.capacity() * size_of::<u32>()
    }

    /// The rows as a batch of [`file_schema`], each value written out.
    pub fn into_batch(self) -> RecordBatch {
        let columns = (0..COLUMNS.len()).map(|place| self.written_out(place));
        RecordBatch::try_new(file_schema(), columns.collect()).expect("columns follow the schema")
    }

    /// The column at `place` of [`COLUMNS`], a value for each row; null where the column was not built, whatever the schema says.
    ///
    /// # Panics
    /// There is no such place.
    pub fn written_out(&self, place: usize) -> ArrayRef {
        let (column, values) = (&COLUMNS[place], &self.columns[place]);
        match column.repetition() {
            Repetition::WithIdentity => by_identity(column, values, &self.identities),
            _ => by_row(column, values, self.row_count),
        }
    }
}

fn by_row(column: &Column, values: &ColumnValues, row_count: usize) -> ArrayRef {
    match values {
        ColumnValues::Null => new_null_array(&column.column_type.arrow(), row_count),
        ColumnValues::Each(array) => Arc::clone(array),
        ColumnValues::Keyed { keys, texts } => Arc::new(spelled_out(keys.iter().copied(), texts)),
    }
}

fn by_identity(column: &Column, values: &ColumnValues, identities: &[u32]) -> ArrayRef {
    let rows = identities.iter().map(|identity| *identity as usize);
    match values {
        ColumnValues::Null => new_null_array(&column.column_type.arrow(), identities.len()),
        ColumnValues::Keyed { keys, texts } => Arc::new(spelled_out(rows.map(|row| keys[row]), texts)),
        ColumnValues::Each(array) => {
            if let Some(values) = array.as_boolean_opt() {
                return Arc::new(
                    rows.map(|row| values.is_valid(row).then(|| values.value(row))).collect::<BooleanArray>(),
                );
            }
            let times = array.as_primitive::<TimestampMicrosecondType>();
            let times = rows.map(|row| times.is_valid(row).then(|| times.value(row)));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    }
}

fn spelled_out(keys: impl Iterator<Item = u32>, texts: &StringArray) -> StringArray {
    keys.map(|key| (key != NULL_KEY).then(|| texts.value(key as usize))).collect()
}
