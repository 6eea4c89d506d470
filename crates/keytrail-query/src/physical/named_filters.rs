//! Filters that the engine moves down a plan stay with their columns where several columns have one name.
//!
//! The engine's rules `FilterPushdown` and `FilterPushdown(Post)` carry the filters of `where` and the run-time filters of joins from
//! operator to operator by the *names* of columns (`FilterRemapper` of 55.2): of two columns `id`, as a join of two tables has them, the
//! first is taken. `where t.id is null` over `t right join u` was asked of `u.id`. Here the rules see a plan in which each operator with
//! such names stands behind a gate, through which only filters on columns pass that their names tell; the others stay where they are.
//! The gates are gone when a rule has run.
//!
//! ```text
//! filter ─▶ gate(a, b) ─▶ join: a, id, id, b        passes on a and b, not on id
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{ChildFilterDescription, FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The engine's rules, in their order, with gates for those that move filters.
pub(crate) fn optimizer_rules() -> Vec<Rule> {
    let gated = |rule: Rule| match rule.name().starts_with("FilterPushdown") {
        true => Arc::new(NamedFilters(rule)) as Rule,
        false => rule,
    };
    PhysicalOptimizer::new().rules.into_iter().map(gated).collect()
}

/// A rule of the engine, run over a plan with gates.
#[derive(Debug)]
struct NamedFilters(Rule);

impl PhysicalOptimizerRule for NamedFilters {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let gated = plan.transform_up(|plan| Ok(with_gate(plan)))?;
        let is_gated = gated.transformed;
        let optimized = self.0.optimize(gated.data, config)?;
        if is_gated { optimized.transform_up(|plan| Ok(without_gate(plan))).data() } else { Ok(optimized) }
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn with_gate(plan: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let doubtful = doubtful_names(&plan);
    if doubtful.is_empty() {
        return Transformed::no(plan);
    }
    let is_told = |column: &usize| !doubtful.contains(schema.field(*column).name());
    let passing = (0..schema.fields().len()).filter(is_told).collect();
    Transformed::yes(Arc::new(Gate { input: plan, passing }))
}

fn without_gate(plan: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
    match plan.downcast_ref::<Gate>() {
        Some(gate) => Transformed::yes(Arc::clone(&gate.input)),
        None => Transformed::no(plan),
    }
}

/// Names of an operator's columns by which the engine would not find the column, in it or in what it reads.
fn doubtful_names(plan: &Arc<dyn ExecutionPlan>) -> HashSet<String> {
    let mut doubtful = repeated_names(&plan.schema());
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        // What does not pass it is added to its own condition, by names of its input.
        doubtful.extend(repeated_names(&filter.input().schema()));
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        doubtful.extend(renamed_groups(aggregate));
    } else if let Some(union) = plan.downcast_ref::<UnionExec>() {
        doubtful.extend(renamed_parts(union));
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        doubtful.extend(renamed_keys(join));
    }
    doubtful
}

fn repeated_names(schema: &Schema) -> HashSet<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    schema.fields().iter().for_each(|field| *counts.entry(field.name()).or_default() += 1);
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.to_owned()).collect()
}

/// Groups that go by the name of another column of the input.
fn renamed_groups(aggregate: &AggregateExec) -> Vec<String> {
    let (schema, input) = (aggregate.schema(), aggregate.input().schema());
    let groups = aggregate.group_expr().expr().iter().zip(schema.fields());
    let renamed = groups.filter(|((expr, _), field)| names_other(&input, field.name(), |column| is_at(expr, column)));
    renamed.map(|(_, field)| field.name().clone()).collect()
}

/// Columns that have another name, or another place by their name, in a part of a union.
fn renamed_parts(union: &UnionExec) -> Vec<String> {
    let schema = union.schema();
    let parts: Vec<_> = union.inputs().iter().map(|part| part.schema()).collect();
    let is_renamed = |place: usize, name: &str| parts.iter().any(|part| part.index_of(name).ok() != Some(place));
    let names = schema.fields().iter().map(|field| field.name()).enumerate();
    names.filter(|(place, name)| is_renamed(*place, name)).map(|(_, name)| name.clone()).collect()
}

/// Keys of a semi join that go by the name of another column of the side that is only looked into: a filter on a key is asked there too.
fn renamed_keys(join: &HashJoinExec) -> Vec<String> {
    let pairs = join.on().iter();
    let (pairs, other): (Vec<_>, _) = match join.join_type() {
        JoinType::LeftSemi => (pairs.map(|(left, right)| (left, right)).collect(), join.right()),
        JoinType::RightSemi => (pairs.map(|(left, right)| (right, left)).collect(), join.left()),
        _ => return Vec::new(),
    };
    let other = other.schema();
    let names = pairs.iter().filter_map(|(key, _)| key.downcast_ref::<Column>()).map(Column::name);
    let is_counterpart = |name: &str, column: usize| {
        let is_named =
            |key: &&Arc<dyn PhysicalExpr>| key.downcast_ref::<Column>().is_some_and(|key| key.name() == name);
        pairs.iter().filter(|(key, _)| is_named(key)).any(|(_, counterpart)| is_at(counterpart, column))
    };
    names.filter(|name| names_other(&other, name, |column| is_counterpart(name, column))).map(str::to_owned).collect()
}

/// Whether a schema has a column of this name that is not the one that is meant.
fn names_other(schema: &Schema, name: &str, is_meant: impl FnOnce(usize) -> bool) -> bool {
    schema.index_of(name).is_ok_and(|column| !is_meant(column))
}

fn is_at(expr: &Arc<dyn PhysicalExpr>, place: usize) -> bool {
    expr.downcast_ref::<Column>().is_some_and(|column| column.index() == place)
}

/// Stands before an operator while filters are moved.
#[derive(Debug)]
struct Gate {
    input: Arc<dyn ExecutionPlan>,
    /// Places of the columns that filters which pass may name.
    passing: HashSet<usize>,
}

impl DisplayAs for Gate {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else { return internal_err!("one input") };
        Ok(Arc::new(Self { input, passing: self.passing.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let passing = self.passing.clone();
        let input = ChildFilterDescription::from_child_with_allowed_indices(&filters, passing, &self.input)?;
        Ok(FilterDescription::new().with_child(input))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
