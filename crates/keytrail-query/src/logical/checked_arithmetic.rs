//! Sums, differences and products of whole numbers that their type cannot hold are errors, as in every database; the engine begins again at the
//! other end, and `9223372036854775807 + 1` was -9223372036854775808.
//!
//! The engine has no word for it in a plan: what would wrap is called as a function, with the engine's own names for its columns.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use super::{Inputs, calls};

static SUM: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Operator::Plus));
static DIFFERENCE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Operator::Minus));
static PRODUCT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Operator::Multiply));

fn function(op: Operator) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Checked { op, signature: Signature::any(2, Volatility::Immutable) }))
}

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let function = match &expr {
        Expr::BinaryExpr(BinaryExpr { op: Operator::Plus, .. }) => &SUM,
        Expr::BinaryExpr(BinaryExpr { op: Operator::Minus, .. }) => &DIFFERENCE,
        Expr::BinaryExpr(BinaryExpr { op: Operator::Multiply, .. }) => &PRODUCT,
        _ => return Ok(Transformed::no(expr)),
    };
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Ok(Transformed::no(expr)) };
    let is_whole = |side: &Expr| inputs.type_of(first_side(side)).is_some_and(|data_type| data_type.is_integer());
    if !is_whole(&left) || !is_whole(&right) {
        return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
    }
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), vec![*left, *right]))))
}

/// What a checked operation has its type from. The engine would name each operation within it to tell its type, in a time that grows with the
/// square of their number; and it is asked at each of them.
fn first_side(mut side: &Expr) -> &Expr {
    while let Expr::ScalarFunction(call) = side
        && calls(side, &[CHECKED_SUM, CHECKED_DIFFERENCE, CHECKED_PRODUCT])
        && let Some(first) = call.args.first()
    {
        side = first;
    }
    side
}

/// A side in the text of a plan, in parentheses where it may need them.
fn side_text(side: &Expr) -> String {
    let is_arithmetic =
        matches!(side, Expr::BinaryExpr(_)) || calls(side, &[CHECKED_SUM, CHECKED_DIFFERENCE, CHECKED_PRODUCT]);
    if is_arithmetic { format!("({side})") } else { side.to_string() }
}

const CHECKED_SUM: &str = "checked_sum";
const CHECKED_DIFFERENCE: &str = "checked_difference";
const CHECKED_PRODUCT: &str = "checked_product";

/// One of the three.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.op {
            Operator::Plus => CHECKED_SUM,
            Operator::Minus => CHECKED_DIFFERENCE,
            _ => CHECKED_PRODUCT,
        }
    }

    /// What plans show is what was written.
    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return exec_err!("arithmetic has two sides") };
        Ok(format!("{} {} {}", side_text(left), self.op, side_text(right)))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [left, right] = args else { return exec_err!("arithmetic has two sides") };
        Ok(format!("{} {} {}", left.schema_name(), self.op, right.schema_name()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    /// Null where a side is, and never where neither can be: as of the operators.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [left, right] = args.arg_fields else { return exec_err!("arithmetic has two sides") };
        let is_nullable = left.is_nullable() || right.is_nullable();
        Ok(Arc::new(Field::new(self.name(), left.data_type().clone(), is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return exec_err!("arithmetic has two sides") };
        match self.op {
            Operator::Plus => apply(left, right, numeric::add),
            Operator::Minus => apply(left, right, numeric::sub),
            _ => apply(left, right, numeric::mul),
        }
    }

    /// Without a wrap the order of the sides is the order of the result.
    fn output_ordering(&self, sides: &[ExprProperties]) -> Result<SortProperties> {
        let [left, right] = sides else { return Ok(SortProperties::Unordered) };
        Ok(match self.op {
            Operator::Plus => left.sort_properties.add(&right.sort_properties),
            Operator::Minus => left.sort_properties.sub(&right.sort_properties),
            _ => SortProperties::Unordered,
        })
    }
}
