//! `a ->> '$.b.c'`: paths into JSON as DuckDB, SQLite, MySQL and Athena write them, written as `a -> 'b' ->> 'c'`.
//!
//! The engine looked for a member of that name, and gave null. Paths that name more than one place, or none, are refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};

use crate::error::QueryError;

/// Writes out the paths of a statement or an expression.
///
/// # Errors
/// [`QueryError::Unsupported`].
pub(crate) fn write_out(part: &mut impl VisitMut) -> Result<(), QueryError> {
    match part.visit(&mut Paths) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

type Flow<T = ()> = ControlFlow<Box<QueryError>, T>;

struct Paths;

impl VisitorMut for Paths {
    type Break = Box<QueryError>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Expr::BinaryOp { left, op: op @ (BinaryOperator::Arrow | BinaryOperator::LongArrow), right } = expr
            && let Some(steps) = path(right)?
        {
            let value = std::mem::replace(left.as_mut(), Expr::Value(Value::Null.into()));
            *expr = members(value, op, steps);
        }
        ControlFlow::Continue(())
    }
}

/// The steps of a JSON path; none where the text names a member.
fn path(text: &Expr) -> Flow<Option<Vec<Value>>> {
    let Expr::Value(value) = text else { return ControlFlow::Continue(None) };
    let Value::SingleQuotedString(path) = &value.value else { return ControlFlow::Continue(None) };
    if !(path.starts_with("$.") || path.starts_with("$[")) {
        return ControlFlow::Continue(None);
    }
    match steps(&path[1..]) {
        Some(steps) => ControlFlow::Continue(Some(steps)),
        None => {
            let what = format!("the JSON path `{path}`");
            ControlFlow::Break(Box::new(QueryError::Unsupported { what, instead: Some(PATH.to_owned()) }))
        }
    }
}

/// What to write for a path that names more than one place, or none.
const PATH: &str = "go down by names and places: `request_parameters -> 'resources' -> 0 ->> 'arn'`";

/// The steps of `.name`, `."a name"`, `[0]` and `['a name']`, one behind the other.
fn steps(mut path: &str) -> Option<Vec<Value>> {
    let mut steps = Vec::new();
    while !path.is_empty() {
        let (step, rest) = if let Some(quoted) = path.strip_prefix(".\"") {
            let (name, rest) = quoted.split_once('"')?;
            (Value::SingleQuotedString(name.to_owned()), rest)
        } else if let Some(quoted) = path.strip_prefix("['") {
            let (name, rest) = quoted.split_once("']")?;
            (Value::SingleQuotedString(name.to_owned()), rest)
        } else if let Some(inner) = path.strip_prefix('[') {
            let (place, rest) = inner.split_once(']')?;
            let place = place.parse::<u32>().ok()?;
            (Value::Number(place.to_string(), false), rest)
        } else {
            let name = path.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, rest) = name.split_at(end);
            let is_name = |c: char| c.is_alphanumeric() || "_-:/".contains(c);
            if name.is_empty() || !name.chars().all(is_name) {
                return None;
            }
            (Value::SingleQuotedString(name.to_owned()), rest)
        };
        steps.push(step);
        path = rest;
    }
    (!steps.is_empty()).then_some(steps)
}

/// `value -> step -> … op step`
fn members(value: Expr, op: &BinaryOperator, steps: Vec<Value>) -> Expr {
    let last = steps.len() - 1;
    let steps = steps.into_iter().enumerate();
    steps.fold(value, |value, (place, step)| Expr::BinaryOp {
        left: Box::new(value),
        op: if place == last { op.clone() } else { BinaryOperator::Arrow },
        right: Box::new(Expr::Value(step.into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::dialect::parse_expression;

    #[test]
    fn paths_are_steps() {
        for (text, written) in [
            ("a ->> '$.b'", "a ->> 'b'"),
            ("a ->> '$.b.c[0].\"d e\"'", "a -> 'b' -> 'c' -> 0 ->> 'd e'"),
            ("a -> '$[''b c''][1]'", "a -> 'b c' -> 1"),
            ("a -> '$.b' ->> '$.c.d'", "a -> 'b' -> 'c' ->> 'd'"),
            ("a ->> '$'", "a ->> '$'"),
            ("a ->> 'b.c'", "a ->> 'b.c'"),
        ] {
            let mut expr = parse_expression(text).expect("an expression").expr;
            write_out(&mut expr).expect("a path");
            assert_eq!(expr.to_string(), written, "{text}");
        }
        for text in ["a ->> '$..b'", "a -> '$[*]'", "a -> '$.*'", "a -> '$.b['", "a -> '$.'"] {
            let mut expr = parse_expression(text).expect("an expression").expr;
            let error = write_out(&mut expr).expect_err(text);
            assert!(matches!(error, QueryError::Unsupported { instead: Some(_), .. }), "{text}: {error}");
        }
    }
}
