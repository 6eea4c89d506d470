//! Which columns of a result are the name, the time and the measure of a picture.

use arrow_schema::{DataType, SchemaRef};

use crate::errors::CliError;
use crate::escape;

/// Columns by index, and how the measure is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) measure: usize,
    pub(super) measure_name: String,
    /// The times are days: nothing between two of them can be told.
    pub(super) is_daily: bool,
}

impl Shape {
    /// The shape of rows of this schema: one measure, and a name or a time or both.
    ///
    /// # Errors
    /// When there is none, with what there is instead.
    pub(super) fn of(schema: &SchemaRef) -> Result<Self, CliError> {
        let with = |is_kind: fn(&DataType) -> bool| -> Vec<usize> {
            let fields = schema.fields().iter().enumerate();
            fields.filter(|(_, field)| is_kind(field.data_type())).map(|(index, _)| index).collect()
        };
        let (times, measures, names) = (with(is_time), with(DataType::is_numeric), with(is_name));
        let (name, time, measure) = match (&names[..], &times[..], &measures[..]) {
            ([], [time], [measure]) => (None, Some(*time), *measure),
            ([name], [], [measure]) => (Some(*name), None, *measure),
            ([name], [time], [measure]) => (Some(*name), Some(*time), *measure),
            // Hours, years, sizes: the first number names the row.
            ([], [], [name, measure]) => (Some(*name), None, *measure),
            _ => return Err(refusal(names.len(), times.len(), measures.len())),
        };
        let is_daily = time.is_some_and(|time| *schema.field(time).data_type() == DataType::Date32);
        let measure_name = escape::line(schema.field(measure).name()).into_owned();
        Ok(Self { name, time, measure, measure_name, is_daily })
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
        .with_hint("select one number with a day or time, with a name, or with both")
        .with_hint("for example `select event_date, sum(use_event_count) from kms_key_usage_daily group by event_date`")
}
