//! Functions whose result can be as large as a number in their arguments says: `repeat`, `lpad`, `array_repeat`, `generate_series` and
//! their like. They are the engine's, with a look at their arguments first.
//!
//! The engine counts the memory of its operators, and not that of an expression's result: `array_repeat(1, 2000000000)` took 22 GB
//! whatever the limit was, and no timeout ended it.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Decimal128Array, Int64Array};
use arrow_schema::{DataType, FieldRef, TimeUnit};
use datafusion::arrow::compute::kernels::length::length;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::logical::interval_lengths;

/// Bytes that a call may make where the session has no limit.
const MAX_BYTES: usize = 1 << 30;
/// Nanoseconds.
const DAY: i128 = 24 * 60 * 60 * 1_000_000_000;

/// Estimates the bytes of a call's result, from below.
type Estimate = fn(&ScalarFunctionArgs) -> Result<i128>;

/// The functions, and what their results take.
const FUNCTIONS: [(&str, Estimate); 7] = [
    ("repeat", repeated_texts),
    ("lpad", padded_texts),
    ("rpad", padded_texts),
    ("array_repeat", repeated_elements),
    ("array_resize", resized_lists),
    ("generate_series", series),
    ("range", series),
];

/// Puts them in the place of the engine's.
pub(super) fn register(context: &SessionContext, memory_limit_bytes: Option<usize>) {
    for (name, estimate) in FUNCTIONS {
        let engine = context.state().scalar_functions().get(name).map(Arc::clone);
        if let Some(engine) = engine {
            context.register_udf(ScalarUDF::new_from_impl(Bounded { engine, estimate, memory_limit_bytes }));
        }
    }
}

/// One of the engine's functions.
struct Bounded {
    engine: Arc<ScalarUDF>,
    estimate: Estimate,
    memory_limit_bytes: Option<usize>,
}

impl Bounded {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let most = self.memory_limit_bytes.map_or(MAX_BYTES, |limit| limit / 2);
        let bytes = (self.estimate)(args)?;
        if bytes <= most as i128 {
            return Ok(());
        }
        let (name, needed) = (self.name(), size(bytes));
        let message = match self.memory_limit_bytes {
            Some(limit) => {
                format!("{name} needs {needed} at once, more than half of the memory limit of {}", size(limit as i128))
            }
            None => format!("{name} needs {needed} at once, more than the {} that it may take", size(most as i128)),
        };
        Err(DataFusionError::ResourcesExhausted(message))
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine && self.memory_limit_bytes == other.memory_limit_bytes
    }
}

impl Eq for Bounded {}

impl std::hash::Hash for Bounded {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.engine.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn aliases(&self) -> &[String] {
        self.engine.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.engine.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.engine.inner().return_type(arg_types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let engine = Arc::new(self.engine.inner().with_updated_config(config)?);
        let Self { estimate, memory_limit_bytes, .. } = *self;
        Some(ScalarUDF::new_from_impl(Self { engine, estimate, memory_limit_bytes }))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.engine.inner().return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.engine.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.engine.inner().invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.engine.inner().simplify(args, info)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.engine.inner().evaluate_bounds(input)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.engine.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.engine.inner().preserves_lex_ordering(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.engine.inner().coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

/// `repeat(text, count)`
fn repeated_texts(args: &ScalarFunctionArgs) -> Result<i128> {
    let [text, count, ..] = args.args.as_slice() else { return Ok(0) };
    let (lengths, counts) = (Numbers::of_lengths(text)?, Numbers::of(count)?);
    Ok(sum(args, |row| lengths.at(row) * counts.at(row).max(0)))
}

/// `lpad(text, length, …)`: a character has a byte at least.
fn padded_texts(args: &ScalarFunctionArgs) -> Result<i128> {
    let [_, length, ..] = args.args.as_slice() else { return Ok(0) };
    let lengths = Numbers::of(length)?;
    Ok(sum(args, |row| lengths.at(row).max(0)))
}

/// `array_repeat(element, count)`
fn repeated_elements(args: &ScalarFunctionArgs) -> Result<i128> {
    let [element, count, ..] = args.args.as_slice() else { return Ok(0) };
    let (bytes, counts) = (element_bytes(element)?, Numbers::of(count)?);
    Ok(sum(args, |row| bytes * counts.at(row).max(0)))
}

/// `array_resize(list, size, …)`
fn resized_lists(args: &ScalarFunctionArgs) -> Result<i128> {
    let [list, size, ..] = args.args.as_slice() else { return Ok(0) };
    let bytes = match list.data_type() {
        DataType::List(element) | DataType::LargeList(element) => element.data_type().primitive_width(),
        _ => None,
    };
    let (bytes, sizes) = (bytes.unwrap_or(VIEW_BYTES) as i128, Numbers::of(size)?);
    Ok(sum(args, |row| bytes * sizes.at(row).max(0)))
}

/// `generate_series(start, stop, step)` and `range`, of numbers, days or times.
fn series(args: &ScalarFunctionArgs) -> Result<i128> {
    let one = ColumnarValue::from(ScalarValue::Int64(Some(1)));
    let zero = ColumnarValue::from(ScalarValue::Int64(Some(0)));
    let (start, stop, step) = match args.args.as_slice() {
        [stop] => (&zero, stop, &one),
        [start, stop] => (start, stop, &one),
        [start, stop, step, ..] => (start, stop, step),
        [] => return Ok(0),
    };
    let data_type = stop.data_type();
    let unit = match (&data_type, step.data_type()) {
        (DataType::Date32, DataType::Interval(_)) => DAY,
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Interval(_)) => 1,
        (stop, _) if stop.is_integer() => 1,
        // The function says what is wrong with it.
        _ => return Ok(0),
    };
    let bytes = data_type.primitive_width().unwrap_or(VIEW_BYTES) as i128;
    let (starts, stops, steps) = (Numbers::of(start)?, Numbers::of(stop)?, Numbers::of(step)?);
    Ok(sum(args, |row| {
        let (span, step) = ((stops.at(row) - starts.at(row)) * unit, steps.at(row));
        if step == 0 { 0 } else { (span / step).max(0) * bytes }
    }))
}

/// What an element without a width of its own takes at least.
const VIEW_BYTES: usize = 16;

/// The bytes of a value on average.
fn element_bytes(argument: &ColumnarValue) -> Result<i128> {
    if let Some(width) = argument.data_type().primitive_width() {
        return Ok(width as i128);
    }
    let values = match argument {
        ColumnarValue::Array(values) => Arc::clone(values),
        ColumnarValue::Scalar(value) => value.to_array()?,
    };
    let bytes = values.to_data().get_slice_memory_size()? / values.len().max(1);
    Ok(bytes.max(VIEW_BYTES) as i128)
}

fn sum(args: &ScalarFunctionArgs, of_row: impl Fn(usize) -> i128) -> i128 {
    let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if is_constant { 1 } else { args.number_rows };
    (0..rows).map(of_row).fold(0, i128::saturating_add)
}

/// Whole numbers, one for each row or one for all; null counts as 0.
enum Numbers {
    One(i128),
    Whole(Int64Array),
    Large(Decimal128Array),
}

impl Numbers {
    /// Numbers, days since 1970, nanoseconds since 1970, or nanoseconds of intervals.
    fn of(argument: &ColumnarValue) -> Result<Self> {
        let is_scalar = matches!(argument, ColumnarValue::Scalar(_));
        let numbers = match argument.data_type() {
            DataType::Interval(_) => Self::Large(interval_lengths::lengths(&argument.to_array(1)?)?),
            _ => {
                Self::Whole(argument.cast_to(&DataType::Int64, None)?.to_array(1)?.as_primitive::<Int64Type>().clone())
            }
        };
        Ok(if is_scalar { Self::One(numbers.at(0)) } else { numbers })
    }

    /// The bytes of texts.
    fn of_lengths(texts: &ColumnarValue) -> Result<Self> {
        let lengths = match texts {
            ColumnarValue::Array(texts) => ColumnarValue::Array(length(texts.as_ref())?),
            ColumnarValue::Scalar(text) => {
                let bytes = text.try_as_str().flatten().map_or(0, str::len);
                return Ok(Self::One(bytes as i128));
            }
        };
        Self::of(&lengths)
    }

    fn at(&self, row: usize) -> i128 {
        match self {
            Self::One(number) => *number,
            Self::Whole(numbers) if numbers.is_valid(row) => i128::from(numbers.value(row)),
            Self::Large(numbers) if numbers.is_valid(row) => numbers.value(row),
            _ => 0,
        }
    }
}

/// Bytes in words.
fn size(bytes: i128) -> String {
    const MIB: i128 = 1 << 20;
    let tenths = |unit: i128| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    if bytes < 1024 * MIB { format!("{} MiB", tenths(MIB)) } else { format!("{} GiB", tenths(1024 * MIB)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words() {
        for (bytes, expected) in
            [(1 << 19, "0.5 MiB"), (256 << 20, "256.0 MiB"), (1 << 30, "1.0 GiB"), (29_491_200_000, "27.4 GiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }
}
