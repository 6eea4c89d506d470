//! `a in (select b …)`, `not in` and `exists (select …)`, elsewhere than as a condition of its own: beside `or`, in `case`, before `is null`, in
//! the select list.
//!
//! SQL knows three answers: there is an equal `b`; there is none; nobody can tell, where `a` is null and there is a `b`, or a `b` is null. The
//! engine joins a mark that says yes or no, and `a not in (select b …) or c` gave rows for nulls (55.2). Here the third answer is written
//! out, as `exists (… where b = a) or (a is null and exists (…) or exists (… where b is null)) and null`. A condition of its own, or one of
//! several put together by `and`, the engine joins right; so it does beside `or` where nothing is negated: null is then as good as false.
//!
//! The engine joins marks for conditions only. In columns, and in what is aggregated, `exists (…)` is written `(select count(*) …) > 0`, which it
//! computes.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue, Spans, plan_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, FetchType, Filter, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, SkipType, Sort, Subquery, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::utils::NamePreserver;

/// Name of the queried values, in queries of this rule; no name of a user begins so.
const ELEMENT: &str = "__keytrail_element";
/// Beginning of the names of answers, as columns of the rows that are aggregated.
const ANSWER: &str = "__keytrail_answer_";

/// The rule.
#[derive(Debug)]
pub(super) struct Memberships;

impl AnalyzerRule for Memberships {
    fn name(&self) -> &'static str {
        "keytrail_memberships"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Filter(filter) if has_membership(&filter.predicate)? => mended_filter(filter),
            LogicalPlan::Projection(projection) if have_questions(&projection.expr)? => mended_columns(projection),
            LogicalPlan::Aggregate(aggregate)
                if have_questions(&aggregate.group_expr)? || have_questions(&aggregate.aggr_expr)? =>
            {
                mended_aggregate(aggregate)
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }
}

fn is_question(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_))
}

fn have_questions(exprs: &[Expr]) -> Result<bool> {
    let mut has_question = false;
    for expr in exprs {
        has_question = has_question || expr.exists(|part| Ok(is_question(part)))?;
    }
    Ok(has_question)
}

fn mended_columns(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let Projection { expr, input, .. } = projection;
    let names = NamePreserver::new_for_projection();
    let mended = |column: Expr| {
        let name = names.save(&column);
        Ok(name.restore(counted(column, input.schema())?))
    };
    let columns = expr.into_iter().map(mended).collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, input)?)))
}

/// The answers are columns of the rows that are aggregated: the engine computes no query within an aggregate.
fn mended_aggregate(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let Aggregate { group_expr, aggr_expr, input, .. } = aggregate;
    let names = NamePreserver::new_for_projection();
    let mut columns: Vec<Expr> = input.schema().iter().map(Expr::from).collect();
    let mut mended = |expr: Expr| {
        let name = names.save(&expr);
        let replace = |part: Expr| {
            if !is_question(&part) {
                return Ok(Transformed::no(part));
            }
            let answer = format!("{ANSWER}{}", columns.len());
            columns.push(counted(part, input.schema())?.alias(&answer));
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(answer))))
        };
        let replaced = expr.transform_up(replace)?;
        Ok(if replaced.transformed { name.restore(replaced.data) } else { replaced.data })
    };
    let groups = group_expr.into_iter().map(&mut mended).collect::<Result<Vec<_>>>()?;
    let functions = aggr_expr.into_iter().map(&mut mended).collect::<Result<Vec<_>>>()?;
    let rows = LogicalPlan::Projection(Projection::try_new(columns, input)?);
    Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(rows), groups, functions)?)))
}

/// The expression with numbers of rows in the place of `exists`, and of `in`.
fn counted(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let count = |part| match part {
        Expr::Exists(Exists { subquery, negated }) => {
            let rows = LogicalPlanBuilder::from(without_limit(&subquery.subquery)?.clone());
            let has_rows = Expr::ScalarSubquery(number_of(rows)?).gt(lit(0_i64));
            Ok(Transformed::yes(if negated { Expr::Not(Box::new(has_rows)) } else { has_rows }))
        }
        _ => Ok(Transformed::no(part)),
    };
    written_out(expr, schema)?.transform_up(count).data()
}

/// The rows of a query, at least one where it has one: neither their order matters nor how many are asked for.
fn without_limit(plan: &LogicalPlan) -> Result<&LogicalPlan> {
    match plan {
        LogicalPlan::Sort(Sort { input, fetch: None, .. }) => without_limit(input),
        LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(0), FetchType::Literal(fetch)) if fetch != Some(0) => without_limit(&limit.input),
            _ => Ok(plan),
        },
        _ => Ok(plan),
    }
}

/// How many rows there are, as a value.
fn number_of(rows: LogicalPlanBuilder) -> Result<Subquery> {
    Ok(subquery(rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64))])?.build()?))
}

fn has_membership(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::InSubquery(_))))
}

fn mended_filter(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let Filter { predicate, input, .. } = filter;
    let schema = Arc::clone(input.schema());
    let conditions =
        split_conjunction_owned(predicate).into_iter().map(|condition| mended_condition(condition, &schema));
    let Some(predicate) = conjunction(conditions.collect::<Result<Vec<_>>>()?) else {
        return plan_err!("a filter has no condition");
    };
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, input)?)))
}

/// One of the conditions of a filter.
fn mended_condition(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    match condition {
        Expr::InSubquery(InSubquery { ref subquery, negated, .. })
            if !negated || subquery.outer_ref_columns.is_empty() =>
        {
            Ok(condition)
        }
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                mended_condition(Expr::InSubquery(InSubquery { expr, subquery, negated: !negated }), schema)
            }
            inner => written_out(Expr::Not(Box::new(inner)), schema),
        },
        _ => mended_alternative(condition, schema),
    }
}

/// A condition, or what is put together by `or` and `and` to be one, for which null is as good as false.
fn mended_alternative(condition: Expr, schema: &DFSchema) -> Result<Expr> {
    match condition {
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(condition),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = Box::new(mended_alternative(*left, schema)?);
            let right = Box::new(mended_alternative(*right, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        _ => written_out(condition, schema),
    }
}

/// The expression with all three answers of each `in`.
fn written_out(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let write = |part| match part {
        Expr::InSubquery(membership) => Ok(Transformed::yes(answer(membership, schema)?)),
        _ => Ok(Transformed::no(part)),
    };
    expr.transform_up(write).data()
}

fn answer(InSubquery { expr: value, subquery, negated }: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let list = List::of(&subquery)?;
    let outer = outer_reference(value.as_ref().clone(), schema)?;
    let is_found = list.exists(Some(list.element().eq(outer)))?;
    let mut doubts = Vec::new();
    if value.nullable(schema)? {
        doubts.push(value.is_null().and(list.has_rows(None)?));
    }
    if list.is_nullable {
        doubts.push(list.has_rows(Some(list.element().is_null()))?);
    }
    let answer = match doubts.into_iter().reduce(Expr::or) {
        Some(doubt) => is_found.or(doubt.and(lit(ScalarValue::Boolean(None)))),
        None => is_found,
    };
    Ok(if negated { Expr::Not(Box::new(answer)) } else { answer })
}

/// The expression as a query within it has to write it.
fn outer_reference(value: Expr, schema: &DFSchema) -> Result<Expr> {
    let write = |part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        Expr::OuterReferenceColumn(_, column) => plan_err!(
            "`{}` of an outer query is looked for by `in (select …)` beside `or`, `not` or the like; write `exists (select … where …)`",
            column.name
        ),
        _ => Ok(Transformed::no(part)),
    };
    value.transform_up(write).data()
}

/// The values that another one is looked for in.
struct List {
    plan: LogicalPlan,
    is_nullable: bool,
    is_correlated: bool,
}

impl List {
    /// The values go by a name of their own: the engine mistakes columns of one name in both queries for each other. Their table has none:
    /// the engine cannot take the conditions of a query within a query through it.
    fn of(subquery: &Subquery) -> Result<Self> {
        let plan = subquery.subquery.as_ref();
        let (relation, field) = plan.schema().qualified_field(0);
        let element = Expr::Column(Column::new(relation.cloned(), field.name())).alias(ELEMENT);
        let is_nullable = field.is_nullable();
        let plan = LogicalPlanBuilder::from(plan.clone()).project([element])?.build()?;
        Ok(Self { plan, is_nullable, is_correlated: !subquery.outer_ref_columns.is_empty() })
    }

    fn element(&self) -> Expr {
        Expr::Column(Column::new_unqualified(ELEMENT))
    }

    fn rows(&self, condition: Option<Expr>) -> Result<LogicalPlanBuilder> {
        let rows = LogicalPlanBuilder::from(self.plan.clone());
        condition.into_iter().try_fold(rows, LogicalPlanBuilder::filter)
    }

    fn exists(&self, condition: Option<Expr>) -> Result<Expr> {
        let subquery = subquery(self.rows(condition)?.build()?);
        Ok(Expr::Exists(Exists { subquery, negated: false }))
    }

    /// As [`Self::exists`], of conditions on the values alone: where one answer holds for all rows it is computed once.
    fn has_rows(&self, condition: Option<Expr>) -> Result<Expr> {
        if self.is_correlated {
            return self.exists(condition);
        }
        Ok(Expr::ScalarSubquery(number_of(self.rows(condition)?)?).gt(lit(0_i64)))
    }
}

fn subquery(plan: LogicalPlan) -> Subquery {
    Subquery { outer_ref_columns: plan.all_out_ref_exprs(), subquery: Arc::new(plan), spans: Spans::new() }
}
