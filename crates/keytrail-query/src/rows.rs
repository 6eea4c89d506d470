//! Typed access to the rows of a small result, by column name.
//!
//! Only for the reports that this crate turns into structs; a large result is a stream and stays one.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::common::DataFusionError;

use crate::error::QueryError;
use crate::session::QueryResult;

/// All rows of a result.
pub(crate) struct Rows {
    batch: RecordBatch,
}

impl Rows {
    /// Waits for all rows.
    pub(crate) async fn collect(result: QueryResult) -> Result<Self, QueryError> {
        let schema = result.schema.clone();
        let batches = result.collect().await?;
        let batch = concat_batches(&schema, &batches).map_err(|error| QueryError::running(error.into()))?;
        Ok(Self { batch })
    }

    /// Makes a value of every row.
    pub(crate) fn map<T>(&self, row: impl Fn(Row<'_>) -> Result<T, QueryError>) -> Result<Vec<T>, QueryError> {
        (0..self.batch.num_rows()).map(|index| row(Row { rows: self, index })).collect()
    }

    /// The first row; none in an empty result.
    pub(crate) fn first(&self) -> Option<Row<'_>> {
        (self.batch.num_rows() > 0).then_some(Row { rows: self, index: 0 })
    }

    fn column(&self, name: &str, data_type: &DataType) -> Result<ArrayRef, QueryError> {
        let column = self.batch.column_by_name(name);
        let column = column.ok_or_else(|| QueryError::UnexpectedResult { what: format!("no column `{name}`") })?;
        cast(column, data_type).map_err(|error| QueryError::running(DataFusionError::from(error)))
    }
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
        let column = self.rows.column(name, &DataType::Utf8)?;
        let column = column.as_string::<i32>();
        Ok(column.iter().nth(self.index).flatten().map(str::to_owned))
    }

    /// The text of a column that is never null.
    pub(crate) fn required_text(&self, name: &str) -> Result<String, QueryError> {
        let text = self.text(name)?;
        text.ok_or_else(|| QueryError::UnexpectedResult { what: format!("null in column `{name}`") })
    }

    /// The count in a column; null, the sum of no rows, is zero.
    pub(crate) fn count(&self, name: &str) -> Result<u64, QueryError> {
        let column = self.rows.column(name, &DataType::Int64)?;
        let count = column.as_primitive::<Int64Type>().iter().nth(self.index).flatten().unwrap_or(0);
        u64::try_from(count)
            .map_err(|_negative| QueryError::UnexpectedResult { what: format!("negative count in `{name}`: {count}") })
    }

    /// The time in a column, UTC; none = null.
    pub(crate) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, QueryError> {
        let column = self.rows.column(name, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
        let micros = column.as_primitive::<TimestampMicrosecondType>().iter().nth(self.index).flatten();
        Ok(micros.and_then(DateTime::from_timestamp_micros))
    }

    /// The date in a column; none = null.
    pub(crate) fn date(&self, name: &str) -> Result<Option<NaiveDate>, QueryError> {
        let column = self.rows.column(name, &DataType::Date32)?;
        let days = column.as_primitive::<Date32Type>().iter().nth(self.index).flatten();
        Ok(days.and_then(Date32Type::to_naive_date_opt))
    }
}
