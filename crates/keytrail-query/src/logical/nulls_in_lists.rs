//! Nulls in the lists of `in` and `not in`.
//!
//! `a not in (1, null)` is never true: `a` is 1, or nobody can tell. The engine's simplifications take the null for a value as any other
//! and lose it. Here it stands beside the list: `a not in (1) and null`, `a in (1) or null`.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Cast, Expr, lit};

use super::Inputs;

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, _: &Inputs) -> Result<Transformed<Expr>> {
    let Expr::InList(InList { expr, list, negated }) = expr else { return Ok(Transformed::no(expr)) };
    let (nulls, values): (Vec<_>, Vec<_>) = list.into_iter().partition(is_null);
    if nulls.is_empty() {
        return Ok(Transformed::no(Expr::InList(InList { expr, list: values, negated })));
    }
    let unknown = lit(ScalarValue::Boolean(None));
    if values.is_empty() {
        return Ok(Transformed::yes(unknown));
    }
    let of_values = Expr::InList(InList { expr, list: values, negated });
    Ok(Transformed::yes(if negated { of_values.and(unknown) } else { of_values.or(unknown) }))
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(Cast { expr, .. }) => is_null(expr),
        _ => false,
    }
}
