//! `interval '1 day' * 7`: an interval a whole number of times, as in PostgreSQL and DuckDB. The engine has no such product.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, IntervalMonthDayNanoType};
use arrow_array::{ArrayRef, IntervalMonthDayNanoArray};
use arrow_schema::{DataType, IntervalUnit};
use datafusion::arrow::compute::kernels::arity::try_binary;
use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

static PRODUCT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(IntervalProduct::new())));

/// Plans such products, of which either side may be the number.
#[derive(Debug)]
pub(crate) struct IntervalProducts;

impl ExprPlanner for IntervalProducts {
    fn plan_binary_op(&self, product: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if product.op != BinaryOperator::Multiply {
            return Ok(PlannerResult::Original(product));
        }
        let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_)));
        let is_number = |expr: &Expr| match expr {
            // Its type is that of its place.
            Expr::Placeholder(_) => true,
            _ => expr.get_type(schema).is_ok_and(|data_type| data_type.is_integer()),
        };
        let times =
            |interval: Expr, number: Expr| PRODUCT.call(vec![cast(interval, INTERVAL), cast(number, DataType::Int64)]);
        let RawBinaryExpr { left, right, .. } = &product;
        if is_interval(left) && is_number(right) {
            Ok(PlannerResult::Planned(times(left.clone(), right.clone())))
        } else if is_number(left) && is_interval(right) {
            Ok(PlannerResult::Planned(times(right.clone(), left.clone())))
        } else {
            Ok(PlannerResult::Original(product))
        }
    }
}

/// The product of an interval and a number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalProduct {
    signature: Signature,
}

impl IntervalProduct {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![INTERVAL, DataType::Int64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalProduct {
    fn name(&self) -> &str {
        "interval_product"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let [intervals, numbers] = ColumnarValue::values_to_arrays(&args.args)?
            .try_into()
            .or_else(|_| exec_err!("a product has two factors"))?;
        let products = products(&intervals, &numbers)?;
        Ok(match is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&products, 0)?),
            false => ColumnarValue::Array(Arc::new(products)),
        })
    }
}

fn products(intervals: &ArrayRef, numbers: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let product = |interval: IntervalMonthDayNano, number: i64| {
        let small = |part: i32| i64::from(part).checked_mul(number).and_then(|product| i32::try_from(product).ok());
        let parts = (small(interval.months), small(interval.days), interval.nanoseconds.checked_mul(number));
        let (Some(months), Some(days), Some(nanoseconds)) = parts else {
            let what = format!("an interval is too long: {number} times what it was");
            return Err(ArrowError::ArithmeticOverflow(what));
        };
        Ok(IntervalMonthDayNano { months, days, nanoseconds })
    };
    Ok(try_binary(intervals, numbers.as_primitive::<Int64Type>(), product)?)
}
