//! An expression that a list of sort keys names twice: `first_value(a order by b, b)`, `select distinct on (a) … order by a, b, b`.
//!
//! The second says nothing about the order. The engine leaves it out in one place and counts it in another, and panics over the
//! difference (`first_value` and `last_value` in groups, 55.2).

use std::collections::HashSet;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::{Distinct, DistinctOn, Expr, LogicalPlan};

use super::Inputs;

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(mut expr: Expr, _: &Inputs) -> Result<Transformed<Expr>> {
    let keys = match &mut expr {
        Expr::AggregateFunction(AggregateFunction { params, .. }) => &mut params.order_by,
        Expr::WindowFunction(function) => &mut function.params.order_by,
        _ => return Ok(Transformed::no(expr)),
    };
    let is_changed = without_repeats(keys);
    Ok(Transformed::new_transformed(expr, is_changed))
}

/// As [`mend`], for `distinct on`.
#[allow(clippy::unnecessary_wraps, reason = "it is called where others can fail")]
pub(super) fn mend_distinct(mut node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let is_changed = match &mut node {
        LogicalPlan::Distinct(Distinct::On(DistinctOn { sort_expr: Some(keys), .. })) => without_repeats(keys),
        _ => false,
    };
    Ok(Transformed::new_transformed(node, is_changed))
}

/// Keeps the first of equal keys, whichever way the others are sorted; whether there were any.
fn without_repeats(keys: &mut Vec<Sort>) -> bool {
    let count = keys.len();
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(key.expr.clone()));
    keys.len() < count
}
