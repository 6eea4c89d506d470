//! Conditions on what a `case` gives, as conditions on its cases.
//!
//! Over `case when A then 'destination' when B then 'used' else 'target' end` the condition `<> 'target'` says `A or B`, and `= 'source'`
//! says that there is no such row. The engine compares each case's value instead and keeps their order, which leaves conditions that name
//! columns for nothing and that no statistics answer.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, disjunction};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator, lit};

/// A condition that is true of the same rows; where it is not true of a row, it may be false or null. `fold` computes an expression of
/// literals.
pub(crate) fn without_cases(condition: Expr, fold: &impl Fn(Expr) -> Result<Expr>) -> Result<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let [left, right] = [*left, *right].map(|side| without_cases(side, fold).map(Box::new));
            Ok(Expr::BinaryExpr(BinaryExpr::new(left?, op, right?)))
        }
        condition => match Decided::of(&condition, fold)? {
            Some(decided) => Ok(decided.condition(|case| case)),
            None => values_without_cases(condition, fold),
        },
    }
}

/// The expression with the same value for every row, null too.
fn values_without_cases(expr: Expr, fold: &impl Fn(Expr) -> Result<Expr>) -> Result<Expr> {
    let decided = expr.transform_down(|part| match Decided::of(&part, fold)? {
        Some(decided) if decided.is_never_null() => {
            Ok(Transformed::new(decided.condition(Expr::is_true), true, TreeNodeRecursion::Jump))
        }
        _ => Ok(Transformed::no(part)),
    });
    Ok(decided?.data)
}

/// Whether an expression is true in each case of the one `case` in it.
struct Decided {
    /// The conditions in their order: the first that is true decides.
    cases: Vec<(Expr, Option<bool>)>,
    otherwise: Option<bool>,
}

impl Decided {
    /// None where the expression names anything but literals and one `case` of literals.
    fn of(expr: &Expr, fold: &impl Fn(Expr) -> Result<Expr>) -> Result<Option<Self>> {
        let Some(case) = only_case(expr)? else { return Ok(None) };
        let is_true = |value: &Expr| match fold(with_value(expr, value)?)? {
            Expr::Literal(ScalarValue::Boolean(is_true), _) => Ok(Some(is_true)),
            Expr::Literal(ScalarValue::Null, _) => Ok(Some(None)),
            _ => Ok::<_, datafusion::common::DataFusionError>(None),
        };
        let mut cases = Vec::new();
        for (when, then) in &case.when_then_expr {
            let when = match &case.expr {
                Some(base) => base.as_ref().clone().eq(when.as_ref().clone()),
                None => when.as_ref().clone(),
            };
            let Some(outcome) = is_true(then)? else { return Ok(None) };
            cases.push((when, outcome));
        }
        let null = lit(ScalarValue::Null);
        let otherwise = is_true(case.else_expr.as_deref().unwrap_or(&null))?;
        Ok(otherwise.map(|otherwise| Self { cases, otherwise }))
    }

    fn is_never_null(&self) -> bool {
        self.otherwise.is_some() && self.cases.iter().all(|(_, outcome)| outcome.is_some())
    }

    /// True in the cases in which the expression is; `as_taken` makes of a case's condition what stands for it.
    fn condition(self, as_taken: impl Fn(Expr) -> Expr) -> Expr {
        let (mut taken, mut not_before) = (Vec::new(), Vec::new());
        for (when, outcome) in self.cases {
            match outcome {
                Some(true) => taken.push(conjunction(not_before.iter().cloned().chain([as_taken(when)]))),
                _ => not_before.push(when.is_not_true()),
            }
        }
        if self.otherwise == Some(true) {
            taken.push(Some(conjunction(not_before).unwrap_or_else(|| lit(true))));
        }
        disjunction(taken.into_iter().flatten()).unwrap_or_else(|| lit(false))
    }
}

/// The one `case` of literals that an expression is made of, beside literals.
fn only_case(expr: &Expr) -> Result<Option<&Case>> {
    let (mut found, mut is_other) = (None, false);
    expr.apply(|part| {
        match part {
            Expr::Case(case) if found.is_none() && has_literal_values(case) => {
                found = Some(case);
                return Ok(TreeNodeRecursion::Jump);
            }
            Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Not(_)
            | Expr::Cast(_)
            | Expr::InList(_)
            | Expr::Like(_)
            | Expr::Between(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_) => return Ok(TreeNodeRecursion::Continue),
            _ => {}
        }
        is_other = true;
        Ok(TreeNodeRecursion::Stop)
    })?;
    Ok(found.filter(|_| !is_other))
}

fn has_literal_values(case: &Case) -> bool {
    let mut values = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    values.all(|value| match value.as_ref() {
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Literal(..)),
        value => matches!(value, Expr::Literal(..)),
    })
}

/// The expression with a value in place of its `case`.
fn with_value(expr: &Expr, value: &Expr) -> Result<Expr> {
    let replaced = expr.clone().transform_down(|part| match part {
        Expr::Case(_) => Ok(Transformed::new(value.clone(), true, TreeNodeRecursion::Jump)),
        part => Ok(Transformed::no(part)),
    });
    Ok(replaced?.data)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    use datafusion::prelude::SessionContext;

    use super::*;

    const CASE: &str = "case when a = 1 then 'x' when a in (1, 2) then 'y' when b then null else 'z' end";

    /// A condition without its cases, and for each of some rows whether it and the condition are true.
    async fn compared(condition: &str) -> (String, Vec<bool>, Vec<bool>) {
        let context = SessionContext::new();
        let rows = "(values (1, true), (2, false), (3, true), (4, false), (null, true), (null, null)) as rows(a, b)";
        let table = context.sql(&format!("select * from {rows}")).await.unwrap();
        let schema: DFSchema = table.schema().clone();
        let parsed = context.parse_sql_expr(&condition.replace("CASE", CASE), &schema).unwrap();
        let of_context = SimplifyContext::builder().with_schema(schema.clone().into()).build();
        let simplifier = ExprSimplifier::new(of_context);
        let parsed = simplifier.coerce(parsed, &schema).unwrap();
        let decided = without_cases(parsed.clone(), &|expr| simplifier.simplify(expr)).unwrap();
        let selected = [parsed.is_true().alias("expected"), decided.clone().is_true().alias("actual")];
        let selected = table.select(selected).unwrap().collect().await.unwrap();
        let values = |column: usize| {
            let of_batch =
                |batch: &arrow_array::RecordBatch| batch.column(column).as_boolean().iter().flatten().collect();
            selected.iter().flat_map::<Vec<bool>, _>(of_batch).collect()
        };
        (decided.to_string(), values(0), values(1))
    }

    #[tokio::test]
    async fn the_same_rows_are_chosen_without_the_case() {
        for condition in [
            "CASE <> 'z'",
            "CASE = 'x'",
            "CASE = 'y'",
            "CASE = 'z'",
            "'y' >= CASE",
            "CASE = 'no such'",
            "CASE in ('x', 'z')",
            "CASE not in ('x', 'y')",
            "CASE like 'y%'",
            "CASE is null",
            "CASE is not null",
            "CASE is distinct from 'x'",
            "not (CASE = 'x')",
            "(CASE = 'x') is not true",
            "CASE = 'x' or CASE is null and a is null",
            "case a when 1 then false when 2 then true end",
        ] {
            let (decided, expected, actual) = compared(condition).await;
            assert_eq!(actual, expected, "{condition}: {decided}");
            assert!(!decided.contains("CASE"), "{condition}: {decided}");
        }
    }

    #[tokio::test]
    async fn what_a_condition_takes_no_part_of_is_gone() {
        let two = "case when a = 1 then 'x' when a = 2 then 'y' else 'z' end";
        let decided = compared(&format!("not ({two} = 'no such' and b)")).await;
        assert_eq!(decided.1, decided.2);
        assert_eq!(decided.0, "NOT Boolean(false) AND rows.b");
        let decided = compared(&format!("{two} <> 'z'")).await;
        assert_eq!((decided.1.clone(), decided.0.matches("IS").count()), (decided.2, 0), "{}", decided.0);
    }

    #[tokio::test]
    async fn other_conditions_stay() {
        for condition in ["b", "a = 1 and b", "case when b then a end = 2", "not (CASE = 'x' and b)"] {
            let (decided, expected, actual) = compared(condition).await;
            assert_eq!(actual, expected, "{condition}: {decided}");
        }
    }
}
