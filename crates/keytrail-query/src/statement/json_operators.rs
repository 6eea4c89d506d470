//! `a -> 'b'` calls [`crate::functions::json_get`]; of a map, which is no JSON, neither it nor `->>` is taken.
//!
//! What else is written with JSON operators is planned by the JSON functions' own planner.

use arrow_schema::DataType;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{Alias, Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::error::QueryError;
use crate::functions::json_get;

/// Plans the operator.
#[derive(Debug)]
pub(crate) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, asked: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = asked;
        let symbol = match op {
            BinaryOperator::Arrow => "->",
            BinaryOperator::HashArrow => "#>",
            BinaryOperator::LongArrow => "->>",
            BinaryOperator::HashLongArrow => "#>>",
            _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        if matches!(left.get_type(schema), Ok(DataType::Map(..))) {
            return Err(of_map(&left, symbol, &right));
        }
        if matches!(op, BinaryOperator::LongArrow | BinaryOperator::HashLongArrow) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let name = format!("{} {symbol} {}", written(&left), written(&right));
        let call = ScalarFunction::new_udf(json_get::json_get(), vec![left, right]);
        Ok(PlannerResult::Planned(Expr::Alias(Alias::new(Expr::ScalarFunction(call), None::<&str>, name))))
    }
}

fn of_map(map: &Expr, symbol: &str, name: &Expr) -> DataFusionError {
    let refused = QueryError::Unsupported {
        what: format!("`{symbol}` of a map"),
        instead: Some(format!("write `{}[{}]`", written(map), written(name))),
    };
    DataFusionError::External(Box::new(refused))
}

/// An expression as it stands in a column's name.
fn written(expr: &Expr) -> String {
    match expr {
        Expr::Column(Column { name, .. }) | Expr::Alias(Alias { name, .. }) => name.clone(),
        Expr::Literal(value @ (ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::LargeUtf8(_)), _) => {
            format!("'{}'", value.try_as_str().flatten().unwrap_or_default())
        }
        Expr::Literal(value, _) => value.to_string(),
        Expr::Cast(Cast { expr, .. }) => written(expr),
        other => other.to_string(),
    }
}
