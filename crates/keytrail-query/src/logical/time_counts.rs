//! `to_timestamp(1e300)`: seconds that no time has are an error. The engine gives the last time that it has, and 1970 for what is no number.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::Inputs;

/// Seconds since 1970 of the last time that has nanoseconds in 64 bits, 2262-04-11.
const LAST_SECOND: f64 = 9_223_372_036.0;

static WITHIN_TIMES: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(WithinTimes { signature }))
});

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
    let is_asked = call.func.name() == "to_timestamp" && call.args.len() == 1;
    let is_float = |arg: &Expr| matches!(inputs.type_of(arg), Some(DataType::Float64));
    if !is_asked || !is_float(&call.args[0]) {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    }
    let seconds = std::mem::take(&mut call.args);
    call.args = vec![Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&WITHIN_TIMES), seconds))];
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// Gives the seconds that it is given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithinTimes {
    signature: Signature,
}

impl ScalarUDFImpl for WithinTimes {
    fn name(&self) -> &str {
        "within_times"
    }

    /// What plans show is what was written.
    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let [seconds] = args else { return exec_err!("one number is looked at") };
        Ok(seconds.to_string())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [seconds] = args else { return exec_err!("one number is looked at") };
        Ok(seconds.schema_name().to_string())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [seconds] = args.args.as_slice() else { return exec_err!("one number is looked at") };
        let values = seconds.to_array(1)?;
        let is_outside = |seconds: &f64| !(-LAST_SECOND..=LAST_SECOND).contains(seconds);
        match values.as_primitive::<Float64Type>().iter().flatten().find(is_outside) {
            Some(outside) => exec_err!("no time has so many seconds since 1970: {outside:e}"),
            None => Ok(seconds.clone()),
        }
    }
}
