//! Which columns of a result are the names, the time and the measure of a picture, and which are not drawn.

use arrow_schema::{DataType, SchemaRef};

use crate::errors::CliError;
use crate::escape;

/// Columns by index, and how the measure is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Together they name a row; none where the times do.
    pub(super) names: Vec<usize>,
    pub(super) time: Option<usize>,
    pub(super) measure: usize,
    pub(super) measure_name: String,
    /// The measure has whole numbers, as counts are.
    pub(super) is_whole: bool,
    /// The other numbers, as safe text.
    pub(super) not_drawn: Vec<String>,
    /// The times are days: nothing between two of them can be told.
    pub(super) is_daily: bool,
}

impl Shape {
    /// The shape of rows of this schema: the first number over a time, or for names, or both.
    ///
    /// # Errors
    /// When there is none, with what there is instead.
    pub(super) fn of(schema: &SchemaRef) -> Result<Self, CliError> {
        let with = |is_kind: fn(&DataType) -> bool| -> Vec<usize> {
            let fields = schema.fields().iter().enumerate();
            fields.filter(|(_, field)| is_kind(field.data_type())).map(|(index, _)| index).collect()
        };
        let (times, measures, names) = (with(is_time), with(DataType::is_numeric), with(is_name));
        let (names, time, measures) = match (&names[..], &times[..], &measures[..]) {
            // Hours, years, sizes: the first number names the row.
            ([], [], [name, measures @ ..]) if measures.len() == 1 => (vec![*name], None, measures),
            ([], [], _) | (_, [_, _, ..], _) | (_, _, []) => {
                return Err(refusal(names.len(), times.len(), measures.len()));
            }
            (_, _, measures) => (names, times.first().copied(), measures),
        };
        let is_daily = time.is_some_and(|time| *schema.field(time).data_type() == DataType::Date32);
        let mut called = measures.iter().map(|measure| escape::line(schema.field(*measure).name()).into_owned());
        let measure_name = called.next().unwrap_or_default();
        let is_whole = schema.field(measures[0]).data_type().is_integer();
        Ok(Self { names, time, measure: measures[0], measure_name, is_whole, not_drawn: called.collect(), is_daily })
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))
}

fn is_name(data_type: &DataType) -> bool {
    !is_time(data_type) && !data_type.is_numeric()
}

fn refusal(names: usize, times: usize, measures: usize) -> CliError {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let found = [counted(measures, "number"), counted(times, "time"), counted(names, "name")].join(", ");
    CliError::usage(format!("cannot plot columns of these kinds: {found}"))
        .with_hint("select a number with one day or time, with names, or with both")
        .with_hint("for example `select event_date, sum(use_event_count) from kms_key_usage_daily group by event_date`")
}
