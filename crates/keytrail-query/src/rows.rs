//! Typed access to the rows of a small result, by column name.
//!
//! Only for the reports that this crate turns into structs; a large result is a stream and stays one.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::compute::{cast, concat_batches};

use crate::error::QueryError;
use crate::session::QueryResult;

/// All rows of a result.
pub(crate) struct Rows {
    /// Each column in the one type in which its cells are read.
    batch: RecordBatch,
}

impl Rows {
    /// Waits for all rows.
    pub(crate) async fn collect(result: QueryResult) -> Result<Self, QueryError> {
        let schema = result.schema.clone();
        let batches = result.collect().await?;
        let batch = concat_batches(&schema, &batches).and_then(|batch| with_cell_types(&batch));
        Ok(Self { batch: batch.map_err(|error| QueryError::running(error.into()))? })
    }

    /// Makes a value of every row.
    pub(crate) fn map<T>(&self, row: impl Fn(Row<'_>) -> Result<T, QueryError>) -> Result<Vec<T>, QueryError> {
        (0..self.batch.num_rows()).map(|index| row(Row { rows: self, index })).collect()
    }

    /// The first row; none in an empty result.
    pub(crate) fn first(&self) -> Option<Row<'_>> {
        (self.batch.num_rows() > 0).then_some(Row { rows: self, index: 0 })
    }
}

/// Casts whole columns, once: done for a cell it would copy the column for each of its rows.
fn with_cell_types(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| cast(column, &cell_type(column.data_type())));
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(&columns);
    let fields: Vec<_> =
        fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Schema::new(fields).into(), columns)
}

/// The type in which cells of a type are read.
fn cell_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::Dictionary(_, values) => cell_type(values),
        DataType::Boolean => DataType::Int64,
        number if number.is_numeric() => DataType::Int64,
        DataType::Timestamp(..) => time_type(),
        DataType::Date64 => DataType::Date32,
        other => other.clone(),
    }
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// One row of a result.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    rows: &'a Rows,
    index: usize,
}

impl Row<'_> {
    /// The text of a column; none = null.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, QueryError> {
        let column = self.filled(name, &DataType::Utf8)?;
        Ok(column.map(|column| column.as_string::<i32>().value(self.index).to_owned()))
    }

    /// The text of a column that is never null.
    pub(crate) fn required_text(&self, name: &str) -> Result<String, QueryError> {
        let text = self.text(name)?;
        text.ok_or_else(|| QueryError::UnexpectedResult { what: format!("null in column `{name}`") })
    }

    /// The count in a column; null, the sum of no rows, is zero.
    pub(crate) fn count(&self, name: &str) -> Result<u64, QueryError> {
        let column = self.filled(name, &DataType::Int64)?;
        let count = column.map_or(0, |column| column.as_primitive::<Int64Type>().value(self.index));
        u64::try_from(count)
            .map_err(|_negative| QueryError::UnexpectedResult { what: format!("negative count in `{name}`: {count}") })
    }

    /// The time in a column, UTC; none = null.
    pub(crate) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, QueryError> {
        let column = self.filled(name, &time_type())?;
        let micros = column.map(|column| column.as_primitive::<TimestampMicrosecondType>().value(self.index));
        Ok(micros.and_then(DateTime::from_timestamp_micros))
    }

    /// The date in a column; none = null.
    pub(crate) fn date(&self, name: &str) -> Result<Option<NaiveDate>, QueryError> {
        let column = self.filled(name, &DataType::Date32)?;
        let days = column.map(|column| column.as_primitive::<Date32Type>().value(self.index));
        Ok(days.and_then(Date32Type::to_naive_date_opt))
    }

    /// The column of this name, whose type must be the given one; none = its cell in this row is null.
    fn filled(&self, name: &str, data_type: &DataType) -> Result<Option<&ArrayRef>, QueryError> {
        let unexpected = |what| QueryError::UnexpectedResult { what };
        let column = self.rows.batch.column_by_name(name);
        let column = column.ok_or_else(|| unexpected(format!("no column `{name}`")))?;
        if column.data_type() == &DataType::Null || column.is_null(self.index) {
            return Ok(None);
        }
        if column.data_type() != data_type {
            return Err(unexpected(format!("column `{name}` of type {}", column.data_type())));
        }
        Ok(Some(column))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::session::{Session, SessionOptions};

    async fn rows_of(sql: &str) -> Rows {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
        Rows::collect(session.execute(sql, &[]).await.unwrap()).await.unwrap()
    }

    /// Reading was quadratic once: of these rows it copied a hundred gigabytes.
    #[tokio::test]
    async fn many_texts_are_read_in_one_pass() {
        let rows = rows_of(
            "select arrow_cast('arn:aws:kms:eu-central-1:111122223333:key/' || lpad(cast(value as varchar), 36, '0'), 'Utf8View') as name
            from generate_series(1, 20000)",
        )
        .await;
        let mut names = rows.map(|row| row.required_text("name")).unwrap();
        names.sort();
        assert_eq!(names.len(), 20_000);
        assert!(names[0].ends_with(":key/000000000000000000000000000000000001"), "{}", names[0]);
    }

    #[tokio::test]
    async fn cells_are_read_in_whatever_type_the_engine_gave_them() {
        let rows = rows_of(
            "select
                arrow_cast('a', 'Dictionary(Int32, Utf8)') as word,
                cast(null as varchar) as no_word,
                null as nothing,
                true as truth,
                arrow_cast(7, 'UInt8') as few,
                -1 as negative,
                arrow_cast('2024-03-01T06:00:00', 'Timestamp(Second, None)') as moment,
                date '2024-03-01' as day",
        )
        .await;
        let row = rows.first().unwrap();
        assert_eq!(row.required_text("word").unwrap(), "a");
        assert_eq!(row.text("no_word").unwrap(), None);
        assert_eq!((row.text("nothing").unwrap(), row.time("nothing").unwrap()), (None, None));
        assert_eq!([row.count("truth"), row.count("few"), row.count("no_word")].map(Result::unwrap), [1, 7, 0]);
        assert_eq!(row.time("moment").unwrap().unwrap().to_rfc3339(), "2024-03-01T06:00:00+00:00");
        assert_eq!(row.date("day").unwrap().unwrap().to_string(), "2024-03-01");
        for wrong in [row.text("few").err(), row.count("negative").err(), row.text("missing").err()] {
            assert!(matches!(wrong, Some(QueryError::UnexpectedResult { .. })), "{wrong:?}");
        }
    }
}
