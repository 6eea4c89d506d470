//! Rules of logical plans, for expressions of which the engine makes something else than SQL says, and for those that it cannot compute
//! though their values are at hand.
//!
//! They come before and after the engine's own analysis, which settles types. None looks at data; each leaves alone what the engine does
//! right, and says in its module what the engine does.

mod checked_arithmetic;
mod dates;
pub(crate) mod decimal_digits;
mod far_times;
pub(crate) mod interval_lengths;
mod json_values;
mod list_pairs;
mod lists;
mod memberships;
mod minutes;
mod nulls_in_lists;
mod repeated_orders;
mod time_counts;
mod union_names;

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::utils::NamePreserver;
use datafusion::optimizer::{Analyzer, AnalyzerRule};

pub(crate) use far_times::{is_far as is_far_time, written_time};

type Rule = Arc<dyn AnalyzerRule + Send + Sync>;

/// All rules that settle what a plan means, in their order: ours, the engine's, and ours that need the types.
pub(crate) fn analyzer_rules() -> Vec<Rule> {
    let memberships: Rule = Arc::new(memberships::Memberships);
    let before: Rule = Arc::new(ExpressionRule {
        name: "keytrail_meaning",
        mends: &[
            json_values::mend,
            dates::mend,
            lists::mend,
            nulls_in_lists::mend,
            far_times::mend,
            time_counts::mend,
            interval_lengths::mend,
            repeated_orders::mend,
        ],
    });
    let after: Rule = Arc::new(ExpressionRule {
        name: "keytrail_typed_meaning",
        mends: &[list_pairs::mend, minutes::mend, checked_arithmetic::mend, decimal_digits::mend],
    });
    let engine = Analyzer::new().rules;
    [memberships, before].into_iter().chain(engine).chain([after]).collect()
}

/// Changes an expression whose parts have been looked at, or leaves it.
type Mend = fn(Expr, &Inputs) -> Result<Transformed<Expr>>;

/// A rule that looks at every expression of a plan by itself.
struct ExpressionRule {
    name: &'static str,
    mends: &'static [Mend],
}

impl fmt::Debug for ExpressionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl AnalyzerRule for ExpressionRule {
    fn name(&self) -> &str {
        self.name
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let is_changed = Cell::new(false);
        let mended = plan.transform_up_with_subqueries(|node| {
            let mended = self.mended(node)?;
            is_changed.set(is_changed.get() || mended.transformed);
            // A type may have changed below.
            if is_changed.get() { mended.map_data(LogicalPlan::recompute_schema) } else { Ok(mended) }
        })?;
        Ok(mended.data)
    }
}

impl ExpressionRule {
    fn mended(&self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let inputs = Inputs::of(&node);
        json_values::check_node(&node, &inputs)?;
        let names = NamePreserver::new(&node);
        let is_sort = matches!(node, LogicalPlan::Sort(_));
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let mended = expr.transform_up(|part| self.mended_part(part, &inputs))?;
            if is_sort {
                let by_length = mended.transform_data(|key| interval_lengths::mend_key(key, &inputs))?;
                return Ok(by_length);
            }
            // Only what was changed can have lost its name.
            Ok(if mended.transformed { mended.update_data(|expr| name.restore(expr)) } else { mended })
        })?;
        node.transform_data(repeated_orders::mend_distinct)?.transform_data(union_names::mend)
    }

    fn mended_part(&self, part: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
        let mend_next = |part: Transformed<Expr>, mend: &Mend| part.transform_data(|part| mend(part, inputs));
        self.mends.iter().try_fold(Transformed::no(part), mend_next)
    }
}

/// The columns that the expressions of a node can name.
struct Inputs {
    schemas: Vec<DFSchemaRef>,
    merged: OnceCell<DFSchema>,
    has_json: OnceCell<bool>,
}

impl Inputs {
    fn of(node: &LogicalPlan) -> Self {
        let mut schemas: Vec<_> = node.inputs().iter().map(|input| Arc::clone(input.schema())).collect();
        if let LogicalPlan::TableScan(scan) = node {
            let columns = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema());
            schemas.extend(columns.ok().map(Arc::new));
        }
        Self { schemas, merged: OnceCell::new(), has_json: OnceCell::new() }
    }

    fn schema(&self) -> &DFSchema {
        if let [schema] = self.schemas.as_slice() {
            return schema;
        }
        self.merged.get_or_init(|| {
            let mut merged = DFSchema::empty();
            self.schemas.iter().for_each(|schema| merged.merge(schema));
            merged
        })
    }

    /// Whether a column is JSON.
    fn has_json(&self) -> bool {
        *self.has_json.get_or_init(|| self.schemas.iter().any(|schema| json_values::has_json(schema)))
    }

    /// The type of an expression; none where the engine has none for it, and will say so.
    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(self.schema()).ok()
    }
}

/// Whether an expression compares its direct parts with each other.
fn is_comparison(expr: &Expr) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    match expr {
        Expr::BinaryExpr(BinaryExpr { op, .. }) => {
            matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
        }
        Expr::Between(_) | Expr::InList(InList { .. }) => true,
        _ => false,
    }
}

/// Whether an expression calls a function of one of these names.
fn calls(expr: &Expr, names: &[&str]) -> bool {
    matches!(expr, Expr::ScalarFunction(ScalarFunction { func, .. }) if names.contains(&func.name()))
}
