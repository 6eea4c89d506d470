//! One measure as a picture: columns over time, a bar for each name, or a small line over time for each name.
//!
//! ```text
//! time + number           columns over time, as many times to a column as the width asks for
//! names + number          one bar a row, in the order of the rows
//! names + time + number   one line of small columns for each name; bars where each name has one row
//! ```
//! Several names of a row are one; those that are the same in all rows are left away. Of several numbers the first is drawn, and the picture
//! says so. Other shapes are refused with a message. It needs all rows at once and keeps three values of each.

mod chart;
mod scale;
mod shape;

use std::collections::HashSet;
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
use crate::progress::counted;

/// More rows are no picture but a mistake, and would fill memory.
const MAX_ROWS: usize = 1_000_000;
/// Columns where there is no terminal.
const WIDTH: u16 = 80;
/// Between the names of a row until all rows are there; safe text has no control characters.
const NAME_SEPARATOR: char = '\u{1f}';

/// See the module.
pub(crate) struct PlotRenderer<'a> {
    out: &'a mut DataWriter,
    shape: Shape,
    /// How the time is called, as safe text.
    time_name: Option<String>,
    points: Vec<Point>,
    /// Rows without a time or a finite number.
    left_out: u64,
}

/// A row of what is drawn.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    /// Safe text; empty where the shape has no names.
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
        let shape = Shape::of(schema)?;
        let time_name = shape.time.map(|time| escape::line(schema.field(time).name()).into_owned());
        Ok(Self { out, shape, time_name, points: Vec::new(), left_out: 0 })
    }

    /// A time that each name has one of says something of it, and is not what it is drawn over.
    fn leave_single_times(&mut self) {
        let names: HashSet<&str> = self.points.iter().map(|point| point.name.as_str()).collect();
        let is_single = names.len() > 1 && names.len() == self.points.len();
        if is_single && !self.shape.names.is_empty() && self.shape.time.take().is_some() {
            self.shape.not_drawn.extend(self.time_name.take());
        }
    }

    fn push(&mut self, name: String, time: Option<i64>, amount: Option<f64>) -> Result<(), CliError> {
        let (Some(time), Some(amount)) = (time, amount.filter(|amount| amount.is_finite())) else {
            self.left_out += 1;
            return Ok(());
        };
        if amount < 0.0 {
            return Err(CliError::usage(format!("cannot plot a number below zero: {amount}"))
                .with_hint("plot its size, `abs(n)`, or leave such rows out: `where n >= 0`"));
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
        let times = self.shape.time.map(|time| cast(batch.column(time), &utc())).transpose()?;
        let amounts = cast(batch.column(self.shape.measure), &DataType::Float64)?;
        let amounts = amounts.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let mut name = String::new();
            for column in &self.shape.names {
                let part = value::text(batch.column(*column).as_ref(), row)?;
                if !name.is_empty() {
                    name.push(NAME_SEPARATOR);
                }
                name.push_str(&escape::line(part.as_deref().unwrap_or("NULL")));
            }
            let time = match &times {
                Some(times) => valid(times.as_primitive::<TimestampMicrosecondType>(), row),
                None => Some(0),
            };
            self.push(name, time, valid(amounts, row))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), CliError> {
        self.leave_single_times();
        shorten_names(&mut self.points, self.shape.names.len());
        let width = match self.out.destination() {
            Destination::Terminal { width } => width,
            Destination::Exact => WIDTH,
        };
        let mut picture = match self.points.is_empty() && self.left_out > 0 {
            true => "nothing to plot\n".to_owned(),
            false => chart::draw(&self.shape, &self.points, usize::from(width)),
        };
        if self.left_out > 0 {
            let (count, are) = (counted(self.left_out, "row"), if self.left_out == 1 { "is" } else { "are" });
            picture.push_str(&format!("{count} without a time or a finite number {are} left out\n"));
        }
        if !self.shape.not_drawn.is_empty() {
            picture.push_str(&format!("not drawn: {}\n", self.shape.not_drawn.join(", ")));
        }
        Ok(self.out.write_all(picture.as_bytes())?)
    }
}

/// Leaves away the names that do not tell rows apart; the last one stays where none does.
fn shorten_names(points: &mut [Point], name_count: usize) {
    let Some(first) = points.first().map(|point| point.name.clone()) else { return };
    let first: Vec<&str> = first.split(NAME_SEPARATOR).collect();
    let mut differs = vec![false; name_count];
    for point in &*points {
        let parts = point.name.split(NAME_SEPARATOR).zip(&first);
        differs.iter_mut().zip(parts).for_each(|(differs, (part, first))| *differs |= part != *first);
    }
    if !differs.contains(&true) {
        differs.last_mut().into_iter().for_each(|last| *last = true);
    }
    for point in points {
        let parts = point.name.split(NAME_SEPARATOR).zip(&differs);
        point.name = parts.filter_map(|(part, differs)| differs.then_some(part)).collect::<Vec<_>>().join(" ");
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
