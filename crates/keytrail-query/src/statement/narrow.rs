//! Narrows a plan to the columns that it needs, before the engine looks at it closely.
//!
//! `kms_events` has eighty columns in each of two branches, and the engine prunes columns last, after some forty rules
//! have walked and rewritten all of them. Doing that one step first halves the planning of a question about one key.
//! The rule is the engine's own; nothing is planned here that the engine would not plan later.

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::optimize_projections::OptimizeProjections;

/// The plan without columns that nothing reads; unchanged where the rule cannot tell.
pub(crate) fn narrow(plan: LogicalPlan, state: &SessionState) -> LogicalPlan {
    match OptimizeProjections::new().rewrite(plan.clone(), state) {
        Ok(narrowed) => narrowed.data,
        // Whatever is wrong with the plan, the engine will say it better.
        Err(_) => plan,
    }
}
