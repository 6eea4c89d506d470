//! Decimals of more digits than their type has are errors: the engine checks what is added, multiplied or divided for its bits only, and
//! `99999999999999999999999999999999999999::decimal(38,0) + 1` lost a digit where it was shown.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{ArrowError, DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::Inputs;

static WITHIN_DIGITS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(WithinDigits { signature }))
});

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    use Operator::{Divide, Minus, Multiply, Plus};
    let is_arithmetic = matches!(&expr, Expr::BinaryExpr(BinaryExpr { op: Plus | Minus | Multiply | Divide, .. }));
    if !is_arithmetic || !inputs.type_of(&expr).is_some_and(|kind| kind.is_decimal()) {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&WITHIN_DIGITS), vec![expr]))))
}

/// Fails for a decimal of more digits than its type has.
///
/// # Errors
/// [`ArrowError::ArithmeticOverflow`].
pub(crate) fn check(numbers: &ArrayRef) -> Result<(), ArrowError> {
    let (is_within, digits) = match numbers.data_type() {
        DataType::Decimal32(digits, _) => {
            (numbers.as_primitive::<Decimal32Type>().validate_decimal_precision(*digits), digits)
        }
        DataType::Decimal64(digits, _) => {
            (numbers.as_primitive::<Decimal64Type>().validate_decimal_precision(*digits), digits)
        }
        DataType::Decimal128(digits, _) => {
            (numbers.as_primitive::<Decimal128Type>().validate_decimal_precision(*digits), digits)
        }
        DataType::Decimal256(digits, _) => {
            (numbers.as_primitive::<Decimal256Type>().validate_decimal_precision(*digits), digits)
        }
        _ => return Ok(()),
    };
    is_within.map_err(|_too_long| overflow(*digits))
}

/// What is said of a decimal that has more digits.
pub(crate) fn overflow(digits: u8) -> ArrowError {
    ArrowError::ArithmeticOverflow(format!("Overflow happened on: a decimal has {digits} digits at most here"))
}

/// Gives the decimals that it is given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithinDigits {
    signature: Signature,
}

impl ScalarUDFImpl for WithinDigits {
    fn name(&self) -> &str {
        "within_digits"
    }

    /// What plans show is what was written.
    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let [number] = args else { return exec_err!("one number is looked at") };
        Ok(number.to_string())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [number] = args else { return exec_err!("one number is looked at") };
        Ok(number.schema_name().to_string())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [number] = args.args.as_slice() else { return exec_err!("one number is looked at") };
        check(&number.to_array(1)?)?;
        Ok(number.clone())
    }
}
