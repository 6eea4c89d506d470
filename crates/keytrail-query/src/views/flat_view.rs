//! A view that only selects and joins end to end, as one leaf of a plan: `select … from T where … union all select …`.
//!
//! ```text
//! statement ─▶ TableScan(view, columns, filters) ─▶ per branch: T.scan(columns, filters) ─▶ filter ─▶ select ─▶ union
//!                     or, where one scan serves all: T.scan(columns, filters) ─▶ per branch: filter ─▶ select
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
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::union::UnionExec;

use crate::physical::once_per_text::once_per_text;
use crate::tables::lake_table::{LakeTable, has_subquery};
use crate::tables::raw_table::RawTable;
use crate::views::cases::without_cases;
use crate::views::selections::{Selection, SelectionsExec};

/// The view: its columns, and the selections that give its rows.
pub(crate) struct FlatView {
    /// The view's SQL.
    definition: String,
    schema: SchemaRef,
    branches: Vec<Branch>,
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
        is_whole.then(|| Self { definition: definition.to_owned(), schema, branches })
    }
}

impl FlatView {
    /// The tables that it selects from, one for each branch.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &dyn TableProvider> {
        self.branches.iter().map(|branch| branch.table.as_ref())
    }

    /// The selections of all parts from one scan of their table.
    async fn scan_once(
        &self,
        state: &dyn Session,
        places: &[usize],
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns_of = |branch: &Branch| places.iter().map(|place| branch.columns[*place].clone()).collect();
        let columns: Vec<Vec<Expr>> = parts.branches.iter().map(|(branch, _)| columns_of(branch)).collect();
        // A part without a condition of its own leaves nothing to choose from.
        let any = parts.branches.iter().map(|(_, own)| conjunction(own.clone())).collect::<Option<Vec<_>>>();
        let filters: Vec<Expr> = parts.common.iter().cloned().chain(any.and_then(disjunction)).collect();
        let table = &parts.branches[0].0.table;
        let support = table.supports_filters_pushdown(&parts.common.iter().collect::<Vec<_>>())?;
        let is_open = |support: &TableProviderFilterPushDown| *support != TableProviderFilterPushDown::Exact;
        let open = parts.common.iter().zip(&support).filter(|(_, support)| is_open(support)).map(|(filter, _)| filter);
        let open: Vec<Expr> = open.cloned().collect();
        let own = parts.branches.iter().flat_map(|(_, own)| own);
        let read = parts.branches[0].0.read(columns.iter().flatten().chain(own).chain(&open))?;
        let scan = table.scan(state, Some(&read), &filters, None).await?;
        let schema = DFSchema::try_from(scan.schema())?;
        let physical = |expr: Expr| once_per_text(state.create_physical_expr(expr, &schema)?, schema.as_arrow());
        let input = filtered(scan, conjunction(open).map(physical).transpose()?)?;
        let selections = parts.branches.iter().zip(columns).map(|((_, own), columns)| {
            let condition = conjunction(own.iter().cloned()).map(physical).transpose()?;
            let columns = columns.into_iter().map(physical).collect::<Result<_>>()?;
            Selection::try_new(condition, columns, schema.as_arrow())
        });
        let selections = selections.collect::<Result<Arc<[_]>>>()?;
        Ok(Arc::new(SelectionsExec::new(input, selections, Arc::new(self.schema.project(places)?))))
    }

    fn empty(&self, places: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(places)?))))
    }
}

/// What a statement wants of the branches that can have rows for it.
struct Parts<'v> {
    /// Conditions of all of them.
    common: Vec<Expr>,
    /// The conditions that each has beside those.
    branches: Vec<(&'v Branch, Vec<Expr>)>,
}

impl<'v> Parts<'v> {
    fn of(branches: Vec<(&'v Branch, Vec<Expr>)>) -> Self {
        let is_common = |condition: &&Expr| branches.iter().all(|(_, conditions)| conditions.contains(condition));
        let first = branches.first().map_or(&[][..], |(_, conditions)| conditions.as_slice());
        let common: Vec<Expr> = first.iter().filter(is_common).cloned().collect();
        let own = |conditions: Vec<Expr>| conditions.into_iter().filter(|one| !common.contains(one)).collect();
        let branches = branches.into_iter().map(|(branch, conditions)| (branch, own(conditions))).collect();
        Self { common, branches }
    }

    /// Whether one scan serves all parts. Reading logs costs more than all the rest; files of a lake are better read for each part where
    /// its own conditions leave out most of them.
    fn are_read_once(&self) -> bool {
        let [(first, _), _, ..] = self.branches.as_slice() else { return false };
        let table = first.table.as_ref() as &dyn Any;
        let lake = table.downcast_ref::<LakeTable>();
        let leaves_out = |own: &[Expr]| lake.is_some_and(|table| own.iter().any(|one| table.finds_rows_by(one)));
        self.branches.iter().all(|(branch, own)| Arc::ptr_eq(&branch.table, &first.table) && !leaves_out(own))
            && (lake.is_some() || table.is::<RawTable>())
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
        let physical = |expr: Expr| once_per_text(state.create_physical_expr(expr, &schema)?, schema.as_arrow());
        let input = filtered(scan, conjunction(open).map(physical).transpose()?)?;
        let named = columns.into_iter().zip(places).map(|(column, place)| {
            Ok(ProjectionExpr { expr: physical(column.clone())?, alias: names.field(*place).name().clone() })
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
        let parts = Parts::of(branches);
        if parts.are_read_once() {
            return self.scan_once(state, places, &parts).await;
        }
        let mut inputs = Vec::new();
        for (branch, own) in parts.branches {
            let conditions = [parts.common.clone(), own].concat();
            inputs.push(branch.scan(state, &self.schema, places, conditions).await?);
        }
        match inputs.len() {
            0 => self.empty(places),
            _ => UnionExec::try_new(inputs),
        }
    }
}

fn filtered(input: Arc<dyn ExecutionPlan>, condition: Option<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(match condition {
        Some(condition) => Arc::new(FilterExec::try_new(condition, input)?),
        None => input,
    })
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
