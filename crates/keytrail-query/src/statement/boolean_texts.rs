//! `read_only = 'true'`: a boolean compared with a text that says true or false, as CloudTrail Lake and Athena have such columns.
//!
//! The engine finds no type for the two. Other texts are left to it, which says so.

use arrow_schema::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Takes such texts for what they say while a statement is planned.
#[derive(Debug)]
pub(crate) struct BooleanTexts;

impl ExprPlanner for BooleanTexts {
    fn plan_binary_op(&self, compared: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = compared;
        let is_equality = matches!(op, BinaryOperator::Eq | BinaryOperator::NotEq);
        let said = |text: &Expr, other: &Expr| {
            let is_boolean = is_equality && other.get_type(schema).is_ok_and(|kind| kind == DataType::Boolean);
            if is_boolean { said(text).map(lit) } else { None }
        };
        let (left, right) = match (said(&left, &right), said(&right, &left)) {
            (Some(said), _) => (said, right),
            (_, Some(said)) => (left, said),
            _ => (left, right),
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// What a text says.
fn said(expr: &Expr) -> Option<bool> {
    let Expr::Literal(value @ (ScalarValue::Utf8(_) | ScalarValue::Utf8View(_)), _) = expr else { return None };
    match value.try_as_str()?? {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
