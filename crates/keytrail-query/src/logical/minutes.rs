//! `'2026-01-01 10:00'`: a time of day without seconds, where a text is read as a time. The engine asks for seconds; `try_cast` gave null.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Cast, Expr, ScalarUDF, TryCast, lit};

use super::{Inputs, calls};
use crate::functions::with_seconds;

static WITH_SECONDS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(with_seconds::with_seconds()));

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Cast(Cast { expr, field }) if matches!(field.data_type(), DataType::Timestamp(..)) => {
            completed(*expr, inputs).update_data(|expr| Expr::Cast(Cast { expr: Box::new(expr), field }))
        }
        Expr::TryCast(TryCast { expr, field }) if matches!(field.data_type(), DataType::Timestamp(..)) => {
            completed(*expr, inputs).update_data(|expr| Expr::TryCast(TryCast { expr: Box::new(expr), field }))
        }
        Expr::ScalarFunction(mut call) if call.args.len() == 1 && call.func.name() == "to_timestamp" => {
            let Some(text) = call.args.pop() else { return Ok(Transformed::no(Expr::ScalarFunction(call))) };
            completed(text, inputs).update_data(|text| {
                call.args.push(text);
                Expr::ScalarFunction(call)
            })
        }
        other => Transformed::no(other),
    })
}

/// A text with seconds.
fn completed(text: Expr, inputs: &Inputs) -> Transformed<Expr> {
    if let Expr::Literal(value, _) = &text {
        return match value.try_as_str().flatten().map(with_seconds::completed) {
            Some(Cow::Owned(completed)) => Transformed::yes(lit(ScalarValue::Utf8View(Some(completed)))),
            _ => Transformed::no(text),
        };
    }
    let text = match inputs.type_of(&text) {
        Some(DataType::Utf8View) if !calls(&text, &[with_seconds::NAME]) => text,
        Some(DataType::Utf8 | DataType::LargeUtf8) => Expr::Cast(Cast::new(Box::new(text), DataType::Utf8View)),
        _ => return Transformed::no(text),
    };
    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&WITH_SECONDS), vec![text])))
}
