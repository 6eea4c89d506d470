//! Builders of columns: null costs nothing until a value comes, and texts that repeat stand once.
//!
//! They know rows by number only. Which value goes where is [`crate::builder`]'s to say.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Int32Builder, Int64Builder, MapBuilder, MapFieldNames, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, StringArray};

use crate::interner::{NULL_KEY, TextInterner, room_after};
use crate::kms::ContextPairs;
use crate::schema::{Column, ColumnType, Repetition};

/// The values of a column, row by row.
#[derive(Debug, Clone)]
pub enum ColumnValues {
    /// Every row is null.
    Null,
    /// A value per row.
    Each(ArrayRef),
    /// A key per row into texts that stand once each; [`NULL_KEY`] = null.
    Keyed {
        /// The key of each row.
        keys: Vec<u32>,
        /// The texts by their keys.
        texts: StringArray,
    },
}

impl ColumnValues {
    /// Bytes in memory, with the room that is not used.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Each(array) => array.get_array_memory_size(),
            Self::Keyed { keys, texts } => keys.capacity() * size_of::<u32>() + texts.get_array_memory_size(),
        }
    }
}

/// Builds one column. A row without a value is skipped; it is null.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Keyed(KeyedTexts),
    Boolean(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Integer(Int64Builder),
    Hash(Int32Builder),
    TextMap(Box<MapBuilder<StringBuilder, StringBuilder>>),
    /// Takes every value and keeps none.
    NotBuilt,
}

/// Texts as keys.
#[derive(Debug, Default)]
pub(crate) struct KeyedTexts {
    keys: Vec<u32>,
    interner: TextInterner,
}

impl ColumnBuilder {
    pub(crate) fn new(column: &Column) -> Self {
        match column.column_type {
            ColumnType::Text if column.repetition() == Repetition::Rare => {
                Self::Text(StringBuilder::with_capacity(0, 0))
            }
            ColumnType::Text => Self::Keyed(KeyedTexts::default()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(0)),
            ColumnType::Time => Self::Time(TimestampMicrosecondBuilder::with_capacity(0).with_timezone("UTC")),
            ColumnType::Integer => Self::Integer(Int64Builder::with_capacity(0)),
            ColumnType::Hash => Self::Hash(Int32Builder::with_capacity(0)),
            ColumnType::TextMap => Self::TextMap(Box::new(map_builder())),
        }
    }

    /// Rows that have a value or were made up for.
    fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Text(builder) => builder.len(),
            Self::Keyed(texts) => texts.keys.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Time(builder) => builder.len(),
            Self::Integer(builder) => builder.len(),
            Self::Hash(builder) => builder.len(),
            Self::TextMap(builder) => builder.len(),
            Self::NotBuilt => 0,
        }
    }

    /// Makes up for rows without a value, so that `row_count` rows are there.
    fn fill(&mut self, row_count: usize) {
        let missing = row_count - self.len();
        if missing == 0 {
            return;
        }
        match self {
            Self::Text(builder) => builder.append_nulls(missing),
            Self::Keyed(texts) => texts.keys.resize(row_count, NULL_KEY),
            Self::Boolean(builder) => builder.append_nulls(missing),
            Self::Time(builder) => builder.append_nulls(missing),
            Self::Integer(builder) => builder.append_nulls(missing),
            Self::Hash(builder) => builder.append_nulls(missing),
            Self::TextMap(builder) => builder.append_nulls(missing).expect("as many keys as values"),
            Self::NotBuilt => {}
        }
    }

    #[inline]
    pub(crate) fn text(&mut self, row: usize, value: &str) {
        self.fill(row);
        match self {
            Self::Text(builder) => builder.append_value(value),
            Self::Keyed(texts) => texts.keys.push(texts.interner.key_of(value)),
            Self::NotBuilt => {}
            other => unreachable!("a text column, found {other:?}"),
        }
    }

    pub(crate) fn boolean(&mut self, row: usize, value: bool) {
        self.fill(row);
        match self {
            Self::Boolean(builder) => builder.append_value(value),
            Self::NotBuilt => {}
            other => unreachable!("a boolean column, found {other:?}"),
        }
    }

    pub(crate) fn time(&mut self, row: usize, value: i64) {
        self.fill(row);
        match self {
            Self::Time(builder) => builder.append_value(value),
            Self::NotBuilt => {}
            other => unreachable!("a time column, found {other:?}"),
        }
    }

    pub(crate) fn integer(&mut self, row: usize, value: i64) {
        self.fill(row);
        match self {
            Self::Integer(builder) => builder.append_value(value),
            Self::NotBuilt => {}
            other => unreachable!("an integer column, found {other:?}"),
        }
    }

    pub(crate) fn hash(&mut self, row: usize, value: u32) {
        self.fill(row);
        match self {
            Self::Hash(builder) => builder.append_value(value.cast_signed()),
            Self::NotBuilt => {}
            other => unreachable!("a hash column, found {other:?}"),
        }
    }

    pub(crate) fn map(&mut self, row: usize, pairs: &ContextPairs<'_>) {
        self.fill(row);
        match self {
            Self::TextMap(builder) => {
                for (key, value) in pairs {
                    builder.keys().append_value(key);
                    builder.values().append_option(value.as_deref());
                }
                builder.append(true).expect("as many keys as values");
            }
            Self::NotBuilt => {}
            other => unreachable!("a map column, found {other:?}"),
        }
    }

    /// Bytes of its values.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Text(builder) => builder.values_slice().len() + size_of_val(builder.offsets_slice()),
            Self::Keyed(texts) => {
                let texts_bytes = texts.interner.text_bytes() + texts.interner.key_count() * size_of::<i32>();
                texts.keys.len() * size_of::<u32>() + texts_bytes
            }
            Self::Boolean(_) => self.len() / 8,
            Self::Time(_) | Self::Integer(_) => self.len() * size_of::<i64>(),
            Self::Hash(_) => self.len() * size_of::<i32>(),
            // Its inside shows its length only through `&mut`; a row has some pairs, this is about their size.
            Self::TextMap(_) => self.len() * 100,
            Self::NotBuilt => 0,
        }
    }

    /// The column, `row_count` rows long; the builder is empty afterwards, and has room for as much again.
    pub(crate) fn finish(&mut self, row_count: usize) -> ColumnValues {
        if self.len() == 0 {
            return ColumnValues::Null;
        }
        self.fill(row_count);
        ColumnValues::Each(match self {
            Self::Text(builder) => {
                let (values, bytes) = (builder.finish(), builder.values_capacity());
                debug_assert_eq!(bytes, 0, "a finished builder holds nothing");
                *builder = StringBuilder::with_capacity(room_after(row_count), room_after(values.value_data().len()));
                Arc::new(values)
            }
            Self::Keyed(texts) => {
                let keys = std::mem::replace(&mut texts.keys, Vec::with_capacity(room_after(row_count)));
                return ColumnValues::Keyed { keys, texts: texts.interner.finish() };
            }
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Hash(builder) => Arc::new(builder.finish()),
            Self::TextMap(builder) => Arc::new(builder.finish()),
            Self::NotBuilt => return ColumnValues::Null,
        })
    }
}

fn map_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    MapBuilder::new(Some(names), StringBuilder::with_capacity(0, 0), StringBuilder::with_capacity(0, 0))
}
