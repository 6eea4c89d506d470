//! One measure as a picture: columns over time, a bar for each name, or a small line over time for each name.
//!
//! ```text
//! time + number          columns over time, as many times to a column as the width asks for
//! name + number          one bar a row, in the order of the rows
//! name + time + number   one line of small columns for each name
//! ```
//! Other shapes are refused with a message. It needs all rows at once and keeps three values of each.

mod chart;
mod scale;
mod shape;

use std::io::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use self::shape::Shape;
use super::{Renderer, value};
use crate::errors::CliError;
use crate::escape;
use crate::output::{DataWriter, Destination};

/// More rows are no picture but a mistake, and would fill memory.
const MAX_ROWS: usize = 1_000_000;
/// Columns where there is no terminal.
const WIDTH: u16 = 80;

/// See the module.
pub(crate) struct PlotRenderer<'a> {
    out: &'a mut DataWriter,
    shape: Shape,
    points: Vec<Point>,
    /// Rows without a time or a number.
    left_out: usize,
}

/// A row of what is drawn.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    /// Safe text; empty where the shape has no name.
    name: String,
    /// Microseconds since 1970, UTC; 0 where the shape has no time.
    time: i64,
    /// The measure, not negative.
    amount: f64,
}

impl<'a> PlotRenderer<'a> {
    /// A picture of rows of this schema.
    ///
    /// # Errors
    /// When the columns are none that can be drawn.
    pub(crate) fn try_new(schema: &SchemaRef, out: &'a mut DataWriter) -> Result<Self, CliError> {
        Ok(Self { out, shape: Shape::of(schema)?, points: Vec::new(), left_out: 0 })
    }

    fn push(&mut self, name: String, time: Option<i64>, amount: Option<f64>) -> Result<(), CliError> {
        let (Some(time), Some(amount)) = (time, amount.filter(|amount| amount.is_finite())) else {
            self.left_out += 1;
            return Ok(());
        };
        if amount < 0.0 {
            return Err(CliError::usage(format!("cannot plot a number below zero: {amount}")));
        }
        if self.points.len() == MAX_ROWS {
            return Err(CliError::usage(format!("cannot plot more than {MAX_ROWS} rows"))
                .with_hint("group them: `select cast(event_time as date), count(*) … group by 1`"));
        }
        self.points.push(Point { name, time, amount });
        Ok(())
    }
}

impl Renderer for PlotRenderer<'_> {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<(), CliError> {
        let names = self.shape.name.map(|name| batch.column(name));
        let times = self.shape.time.map(|time| cast(batch.column(time), &utc())).transpose()?;
        let amounts = cast(batch.column(self.shape.measure), &DataType::Float64)?;
        let amounts = amounts.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let name = names.map(|names| value::text(names.as_ref(), row)).transpose()?;
            let name = name.map(|name| name.unwrap_or("NULL".into())).unwrap_or_default();
            let time = match &times {
                Some(times) => valid(times.as_primitive::<TimestampMicrosecondType>(), row),
                None => Some(0),
            };
            self.push(escape::line(&name).into_owned(), time, valid(amounts, row))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), CliError> {
        let width = match self.out.destination() {
            Destination::Terminal { width } => width,
            Destination::Exact => WIDTH,
        };
        let mut picture = chart::draw(&self.shape, &self.points, usize::from(width));
        if self.left_out > 0 {
            picture.push_str(&format!("{} rows without a time or a number are left out\n", self.left_out));
        }
        Ok(self.out.write_all(picture.as_bytes())?)
    }
}

/// The value of a row; none = null.
fn valid<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    array.is_valid(row).then(|| array.value(row))
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

#[cfg(test)]
mod tests;
