//! Parts of a union whose columns have other names than the first part's: `select a … union all select b from t`.
//!
//! The engine gives the names to parts that are projections only, and none is left where all columns of a table are selected in their order
//! ([`crate::statement::narrow`]). Of a union whose first part turns out to be empty it then looked for `a` in `t`, and said that there is
//! no such column.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// Gives the names of a union to its parts.
pub(super) fn mend(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Union(mut union) = node else { return Ok(Transformed::no(node)) };
    let mut is_changed = false;
    for part in &mut union.inputs {
        let names = union.schema.fields().iter().map(|field| field.name());
        let has_names = part.schema().fields().iter().map(|field| field.name()).eq(names.clone());
        if has_names || matches!(part.as_ref(), LogicalPlan::Projection(_)) {
            continue;
        }
        let columns = part.schema().iter().zip(names).map(|(column, name)| Expr::from(column).alias(name));
        let columns: Vec<_> = columns.collect();
        *part = Arc::new(LogicalPlanBuilder::from(part.as_ref().clone()).project(columns)?.build()?);
        is_changed = true;
    }
    Ok(Transformed::new_transformed(LogicalPlan::Union(union), is_changed))
}
