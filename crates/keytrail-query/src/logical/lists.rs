//! What the engine makes of a list or a map where SQL means its elements, and what it fails over as if it were broken.
//!
//! - `length([1, 2])` is 2; the engine counts the characters of the list's text.
//! - `max_by(a, b) over (…)`, and `max` of a map, are refused: the engine plans them and then tells of a bug of its own.

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DataFusionError, Result};
use datafusion::functions_nested::length::array_length_udf;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Cast, Expr, lit};

use super::{Inputs, calls};
use crate::error::QueryError;

pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    refuse(&expr, inputs)?;
    let is_list = |expr: &Expr| {
        use DataType::{FixedSizeList, LargeList, List};
        matches!(inputs.type_of(expr), Some(List(_) | LargeList(_) | FixedSizeList(..)))
    };
    if !calls(&expr, &["character_length"]) {
        return Ok(Transformed::no(expr));
    }
    Ok(match expr {
        Expr::ScalarFunction(mut call) if call.args.len() == 1 && is_list(&call.args[0]) => {
            call.args.push(lit(1_i64));
            let length = Expr::ScalarFunction(ScalarFunction::new_udf(array_length_udf(), call.args));
            Transformed::yes(Expr::Cast(Cast::new(Box::new(length), DataType::Int64)))
        }
        other => Transformed::no(other),
    })
}

/// Refuses what the engine plans and cannot run.
fn refuse(expr: &Expr, inputs: &Inputs) -> Result<()> {
    let is_map = |expr: &Expr| matches!(inputs.type_of(expr), Some(DataType::Map(..)));
    let (name, args, is_window) = match expr {
        Expr::AggregateFunction(AggregateFunction { func, params }) => (func.name(), &params.args, false),
        Expr::WindowFunction(function) => match &function.fun {
            WindowFunctionDefinition::AggregateUDF(func) => (func.name(), &function.params.args, true),
            WindowFunctionDefinition::WindowUDF(_) => return Ok(()),
        },
        _ => return Ok(()),
    };
    let (what, instead) = match name {
        "max_by" if is_window => (format!("`{name}` over a window"), LAST_OF_WINDOW),
        "min_by" if is_window => (format!("`{name}` over a window"), FIRST_OF_WINDOW),
        "max" | "min" if args.iter().any(is_map) => (format!("`{name}` of a map"), OF_MAP),
        _ => return Ok(()),
    };
    let refused = QueryError::Unsupported { what, instead: Some(instead.to_owned()) };
    Err(DataFusionError::External(Box::new(refused)))
}

const LAST_OF_WINDOW: &str = "write `first_value(event_id) over (partition by event_name order by event_time desc)`";
const FIRST_OF_WINDOW: &str = "write `first_value(event_id) over (partition by event_name order by event_time)`";
const OF_MAP: &str = "take one value, `max(encryption_context['aws:s3:arn'])`, or its text: `max(array_to_string(map_values(encryption_context), ' '))`";
