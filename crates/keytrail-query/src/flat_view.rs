//! A view that only selects and joins end to end, as one leaf of a plan: `select … from T where … union all select …`.
//!
//! ```text
//! statement ─▶ TableScan(view, columns, filters) ─▶ per branch: T.scan(columns, filters) ─▶ filter ─▶ select ─▶ union
//!                         where T keeps nothing: T.scan(columns, filters) ─▶ per branch: filter ─▶ select
//! ```
//!
//! The engine puts a view's plan in place of its name and then walks all of it with some forty rules, several times. `kms_events` has
//! eighty columns in each of two branches, and one answer about a key names it thirty times. Here columns and filters go through the
//! view once, when the scan is planned: no rule sees what the statement does not need. Views of any other shape are not taken.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::simplify::{SimplifyContext, SimplifyContextBuilder};
use datafusion::logical_expr::utils::{conjunction, disjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, TableProviderFilterPushDown, TableType, Union, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::union::UnionExec;

use crate::cases::without_cases;
use crate::lake_table::has_subquery;
use crate::raw_table::RawTable;
use crate::selections::{Selection, SelectionsExec};

/// The view: its columns, and the selections that give its rows.
pub(crate) struct FlatView {
    /// The view's SQL.
    definition: String,
    schema: SchemaRef,
    branches: Vec<Branch>,
    /// All branches select from one table of unconverted logs: reading it costs more than all the rest.
    is_read_once: bool,
}

/// One selection from a table.
struct Branch {
    table: Arc<dyn TableProvider>,
    table_schema: DFSchemaRef,
    /// The view's columns, over those of the table.
    columns: Vec<Expr>,
    /// What is true of every row.
    conditions: Vec<Expr>,
}

impl fmt::Debug for FlatView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatView").field("branches", &self.branches.len()).finish_non_exhaustive()
    }
}

impl FlatView {
    /// The view of an analysed plan; none where the plan is of another shape.
    pub(crate) fn of(plan: &LogicalPlan, definition: &str) -> Option<Self> {
        let inputs: Vec<&LogicalPlan> = match plan {
            LogicalPlan::Union(Union { inputs, .. }) => inputs.iter().map(AsRef::as_ref).collect(),
            LogicalPlan::Projection(_) => vec![plan],
            _ => return None,
        };
        let branches = inputs.into_iter().map(Branch::of).collect::<Option<Vec<_>>>()?;
        let schema = Arc::clone(plan.schema().inner());
        let is_whole = branches.iter().all(|branch| branch.has_types_of(&schema));
        let first = branches.first()?;
        let is_read_once = (first.table.as_ref() as &dyn Any).is::<RawTable>()
            && branches.iter().all(|branch| Arc::ptr_eq(&branch.table, &first.table));
        is_whole.then(|| Self { definition: definition.to_owned(), schema, branches, is_read_once })
    }
}

impl FlatView {
    /// The tables that it reads, as often as it reads them.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &dyn TableProvider> {
        let count = if self.is_read_once { 1 } else { self.branches.len() };
        self.branches.iter().take(count).map(|branch| branch.table.as_ref())
    }

    /// The selections of all branches from one scan of their table.
    async fn scan_once(
        &self,
        state: &dyn Session,
        places: &[usize],
        branches: &[(&Branch, Vec<Expr>)],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [(first, of_first), others @ ..] = branches else { return self.empty(places) };
        let (common, _): (Vec<Expr>, Vec<Expr>) = of_first
            .iter()
            .cloned()
            .partition(|condition| others.iter().all(|(_, conditions)| conditions.contains(condition)));
        let of_branch = |(branch, conditions): &(&Branch, Vec<Expr>)| {
            let own = conditions.iter().filter(|condition| !common.contains(condition)).cloned();
            let columns: Vec<Expr> = places.iter().map(|place| branch.columns[*place].clone()).collect();
            (conjunction(own), columns)
        };
        let selections: Vec<_> = branches.iter().map(of_branch).collect();
        // A branch without a condition of its own leaves nothing to choose from.
        let any = selections.iter().map(|(own, _)| own.clone()).collect::<Option<Vec<_>>>().and_then(disjunction);
        let pushed: Vec<Expr> = common.iter().cloned().chain(any).collect();
        let exprs = selections.iter().flat_map(|(own, columns)| own.iter().chain(columns)).chain(&common);
        let scan = first.table.scan(state, Some(&first.read(exprs)?), &pushed, None).await?;
        let schema = DFSchema::try_from(scan.schema())?;
        let selections = selections.into_iter().map(|(own, columns)| {
            // The table decides nothing for good.
            let condition = conjunction(common.iter().cloned().chain(own));
            let condition = condition.map(|condition| state.create_physical_expr(condition, &schema)).transpose()?;
            let columns = columns.into_iter().map(|column| state.create_physical_expr(column, &schema));
            Ok(Selection { condition, columns: columns.collect::<Result<_>>()? })
        });
        let selections = selections.collect::<Result<Arc<[_]>>>()?;
        Ok(Arc::new(SelectionsExec::new(scan, selections, Arc::new(self.schema.project(places)?))))
    }

    fn empty(&self, places: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(places)?))))
    }
}

impl Branch {
    fn of(plan: &LogicalPlan) -> Option<Self> {
        match plan {
            LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
                let table = source_as_provider(&scan.source).ok()?;
                let fields = scan.projected_schema.fields();
                let columns = fields.iter().map(|field| Expr::Column(Column::new_unqualified(field.name()))).collect();
                let table_schema = Arc::new(DFSchema::try_from(table.schema()).ok()?);
                let is_leaf = table.get_logical_plan().is_none();
                is_leaf.then_some(Self { table, table_schema, columns, conditions: Vec::new() })
            }
            LogicalPlan::SubqueryAlias(alias) => Self::of(&alias.input),
            LogicalPlan::Filter(filter) => {
                let input = Self::of(&filter.input)?;
                let condition = input.over_table(&filter.predicate, filter.input.schema())?;
                let conditions = [input.conditions, split_conjunction_owned(condition)].concat();
                Some(Self { conditions, ..input })
            }
            LogicalPlan::Projection(projection) => {
                let input = Self::of(&projection.input)?;
                let simplifier = simplifier(&input.table_schema, SimplifyContext::builder());
                // Some functions are only names for what the simplifier makes of them.
                let over_table =
                    |expr: &Expr| simplifier.simplify(input.over_table(expr, projection.input.schema())?).ok();
                let columns = projection.expr.iter().map(over_table).collect::<Option<Vec<_>>>()?;
                Some(Self { columns, ..input })
            }
            _ => None,
        }
    }

    /// An expression over the columns that this branch gives so far, as one over the table's; none where it may not be moved.
    fn over_table(&self, expr: &Expr, columns: &DFSchema) -> Option<Expr> {
        if expr.is_volatile() || has_subquery(expr) {
            return None;
        }
        let substituted = expr.clone().unalias().transform_up(|expr| match &expr {
            Expr::Column(column) => Ok(Transformed::yes(self.columns[columns.index_of_column(column)?].clone())),
            _ => Ok(Transformed::no(expr)),
        });
        Some(substituted.ok()?.data)
    }

    fn has_types_of(&self, schema: &SchemaRef) -> bool {
        let of_type = |(column, field): (&Expr, &arrow_schema::FieldRef)| {
            column.get_type(self.table_schema.as_ref()).is_ok_and(|data_type| data_type == *field.data_type())
        };
        self.columns.len() == schema.fields().len() && self.columns.iter().zip(schema.fields()).all(of_type)
    }

    /// The conditions of the branch and of a statement, simplified; none where no row can meet them.
    fn conditions(&self, state: &dyn Session, view: &DFSchema, filters: &[Expr]) -> Result<Option<Vec<Expr>>> {
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(state.config().options()))
            .with_query_execution_start_time(state.execution_props().query_execution_start_time);
        let simplifier = simplifier(&self.table_schema, context);
        let mut conditions = Vec::new();
        for filter in filters {
            let moved = filter.clone().transform_up(|expr| match &expr {
                Expr::Column(column) => Ok(Transformed::yes(self.columns[view.index_of_column(column)?].clone())),
                _ => Ok(Transformed::no(expr)),
            })?;
            conditions.push(moved.data);
        }
        let mut simplified = Vec::new();
        let conditions = conditions.into_iter().map(|condition| self.without_null_tests(condition));
        for condition in self.conditions.iter().cloned().map(Ok).chain(conditions) {
            let condition = without_cases(condition?, &|expr| simplifier.simplify(expr))?;
            match simplifier.simplify(condition)? {
                Expr::Literal(ScalarValue::Boolean(Some(true)), _) => {}
                Expr::Literal(ScalarValue::Boolean(_), _) => return Ok(None),
                condition => simplified.extend(split_conjunction_owned(condition)),
            }
        }
        Ok(Some(simplified))
    }

    /// A statement's condition without tests that the branch's own conditions decide: files are left out by what remains, and by no
    /// condition that speaks of nulls as well.
    fn without_null_tests(&self, condition: Expr) -> Result<Expr> {
        let is_never_null = |expr: &Expr| self.conditions.contains(&Expr::IsNotNull(Box::new(expr.clone())));
        let decided = condition.transform_up(|expr| match &expr {
            Expr::IsNull(tested) if is_never_null(tested) => Ok(Transformed::yes(lit(false))),
            Expr::IsNotNull(tested) if is_never_null(tested) => Ok(Transformed::yes(lit(true))),
            _ => Ok(Transformed::no(expr)),
        });
        Ok(decided?.data)
    }

    /// Reads the columns at these places, under the view's names.
    async fn scan(
        &self,
        state: &dyn Session,
        names: &SchemaRef,
        places: &[usize],
        conditions: Vec<Expr>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let support = self.table.supports_filters_pushdown(&conditions.iter().collect::<Vec<_>>())?;
        let with = |is_meant: fn(&TableProviderFilterPushDown) -> bool| {
            let meant = conditions.iter().zip(&support).filter(|(_, support)| is_meant(support));
            meant.map(|(condition, _)| condition.clone()).collect::<Vec<Expr>>()
        };
        // What the table decides, and what is left to decide: an inexact filter is both.
        let pushed = with(|support| *support != TableProviderFilterPushDown::Unsupported);
        let open = with(|support| *support != TableProviderFilterPushDown::Exact);
        let columns: Vec<&Expr> = places.iter().map(|place| &self.columns[*place]).collect();
        let read = self.read(columns.iter().copied().chain(&open))?;
        let scan = self.table.scan(state, Some(&read), &pushed, None).await?;
        let schema = DFSchema::try_from(scan.schema())?;
        let input = match conjunction(open) {
            Some(condition) => {
                let condition = state.create_physical_expr(condition, &schema)?;
                Arc::new(FilterExec::try_new(condition, scan)?) as Arc<dyn ExecutionPlan>
            }
            None => scan,
        };
        let named = columns.into_iter().zip(places).map(|(column, place)| {
            let expr = state.create_physical_expr(column.clone(), &schema)?;
            Ok(ProjectionExpr { expr, alias: names.field(*place).name().clone() })
        });
        Ok(Arc::new(ProjectionExec::try_new(named.collect::<Result<Vec<_>>>()?, input)?))
    }

    /// The table's columns that expressions name, by place.
    fn read<'e>(&self, exprs: impl Iterator<Item = &'e Expr>) -> Result<Vec<usize>> {
        let columns: BTreeSet<&Column> = exprs.flat_map(|expr| expr.column_refs()).collect();
        let places = columns.into_iter().map(|column| self.table_schema.index_of_column(column));
        let places = places.collect::<Result<BTreeSet<_>>>()?;
        Ok(places.into_iter().collect())
    }
}

#[async_trait]
impl TableProvider for FlatView {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        Some(&self.definition)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match filter.is_volatile() || has_subquery(filter) {
            true => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Exact,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = (0..self.schema.fields().len()).collect();
        let places = projection.unwrap_or(&all);
        // Filters name the view's columns with and without its name.
        let view = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filters = filters.iter().map(|filter| unqualified(filter.clone())).collect::<Result<Vec<_>>>()?;
        let mut branches = Vec::new();
        for branch in &self.branches {
            if let Some(conditions) = branch.conditions(state, &view, &filters)? {
                branches.push((branch, conditions));
            }
        }
        if self.is_read_once && branches.len() > 1 {
            return self.scan_once(state, places, &branches).await;
        }
        let mut inputs = Vec::new();
        for (branch, conditions) in branches {
            inputs.push(branch.scan(state, &self.schema, places, conditions).await?);
        }
        match inputs.len() {
            0 => self.empty(places),
            _ => UnionExec::try_new(inputs),
        }
    }
}

fn simplifier(schema: &DFSchemaRef, context: SimplifyContextBuilder) -> ExprSimplifier {
    ExprSimplifier::new(context.with_schema(Arc::clone(schema)).build())
}

fn unqualified(filter: Expr) -> Result<Expr> {
    let stripped = filter.transform_up(|expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        expr => Ok(Transformed::no(expr)),
    });
    Ok(stripped?.data)
}
