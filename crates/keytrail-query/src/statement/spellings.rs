//! What other databases write in another way than the engine reads it, written in the engine's.
//!
//! - `a like '10!%' escape '!'` is `a like '10\%'`: the engine's only escape is the backslash.
//! - `a semi join b` and `a anti join b` are `left semi join` and `left anti join`, as in DuckDB.
//! - `from unnest([1, 2]) x` is a table of its own kind to the engine, which the dialect does not read as one; its column is `x`, as in
//!   PostgreSQL, or else `unnest`.
//! - `(select …) join (select …) using (a)`: queries that are joined without a name get one, else the engine takes their columns for each
//!   other's.
//! - `interval (n) day` is `interval '1 day' * n`: the engine takes literals only.
//! - Clauses, parts of intervals and time zones: see [`super::clauses`], [`super::clock_intervals`] and [`super::time_zones`].
//!
//! What cannot be written in the engine's way is refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, Interval, Join, JoinOperator, Query, Select,
    TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut, visit_expressions,
};

use super::{clauses, clock_intervals, time_zones};
use crate::error::QueryError;

/// Writes a statement or an expression as the engine reads it.
///
/// # Errors
/// [`QueryError::Unsupported`].
pub(crate) fn write_out(part: &mut impl VisitMut) -> Result<(), QueryError> {
    match part.visit(&mut Spellings::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

type Flow<T = ()> = ControlFlow<Box<QueryError>, T>;

#[derive(Default)]
struct Spellings {
    /// Queries among tables that were given a name.
    named_count: usize,
}

impl VisitorMut for Spellings {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        if clauses::write_out(query) {
            ControlFlow::Continue(())
        } else {
            unsupported("FETCH of more than a number of rows", clauses::TIES)
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        select.from.iter_mut().for_each(|tables| self.name_parts(tables));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            self.name_parts(table_with_joins);
        }
        write_unnest(factor)
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        match expr {
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    **pattern = with_backslashes(pattern, &escape.value)?;
                }
            }
            Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } => {
                return unsupported("`^` (a power elsewhere, the exclusive or to the engine)", POWER);
            }
            Expr::BinaryOp { op: BinaryOperator::DuckIntegerDivide, .. } => return unsupported("`//`", QUOTIENT),
            Expr::AtTimeZone { time_zone, .. } => {
                if let Err(error) = time_zones::write_out(time_zone) {
                    return ControlFlow::Break(Box::new(error));
                }
            }
            Expr::Interval(Interval { value, leading_field: None, .. })
            | Expr::Cast { expr: value, data_type: DataType::Interval { .. }, .. } => write_clock(value),
            Expr::Interval(interval) if interval.leading_field.is_some() && !is_literal(&interval.value) => {
                *expr = times_unit(interval);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Spellings {
    fn name_parts(&mut self, tables: &mut TableWithJoins) {
        name_sides(tables);
        if tables.joins.is_empty() {
            return;
        }
        let joined = tables.joins.iter_mut().map(|join| &mut join.relation);
        for factor in std::iter::once(&mut tables.relation).chain(joined) {
            if let TableFactor::Derived { alias: alias @ None, .. } = factor {
                self.named_count += 1;
                let name = Ident::new(format!("query_{}", self.named_count));
                *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
            }
        }
    }
}

/// Says of joins that keep rows of one side that it is the left one.
fn name_sides(tables: &mut TableWithJoins) {
    for Join { join_operator, .. } in &mut tables.joins {
        match join_operator {
            JoinOperator::Semi(by) => *join_operator = JoinOperator::LeftSemi(by.clone()),
            JoinOperator::Anti(by) => *join_operator = JoinOperator::LeftAnti(by.clone()),
            _ => {}
        }
    }
}

/// The engine's own kind of table for `unnest(…)`.
fn write_unnest(factor: &mut TableFactor) -> Flow {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } = factor else {
        return ControlFlow::Continue(());
    };
    if !name.to_string().eq_ignore_ascii_case("unnest") {
        return ControlFlow::Continue(());
    }
    let values = args.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let array_exprs: Vec<_> = values.collect();
    let reads_columns = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let has_column = visit_expressions(&array_exprs, |expr| match reads_columns(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if has_column.is_break() {
        return unsupported("UNNEST of a column among the tables", UNNEST);
    }
    if *with_ordinality {
        return unsupported("UNNEST … WITH ORDINALITY", ORDINALITY);
    }
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() && array_exprs.len() == 1 {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    *factor = TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    };
    ControlFlow::Continue(())
}

/// For a column.
const UNNEST: &str = "write it in the select list, in a query of its own where more is asked of its rows: `select event_id, unnest(map_keys(encryption_context)) as context_key from kms_events`";
/// For places.
const ORDINALITY: &str = "number its rows: `select value, row_number() over () from (select unnest([…]) as value)`";
/// For a pattern that is not known beforehand.
const ESCAPE: &str =
    "write a backslash in front of what is meant as it is: `like '10\\%'`, `like replace(pattern, '_', '\\_')`";

/// The pattern with backslashes in the place of another escape character.
fn with_backslashes(pattern: &Expr, escape: &Value) -> Flow<Expr> {
    let Value::SingleQuotedString(escape) = escape else {
        return unsupported("LIKE … ESCAPE with anything but one character", ESCAPE);
    };
    let mut characters = escape.chars();
    let escape = match (characters.next(), characters.next()) {
        (Some('\\'), None) => return ControlFlow::Continue(pattern.clone()),
        (escape, None) => escape,
        _ => return unsupported("LIKE … ESCAPE with anything but one character", ESCAPE),
    };
    let Expr::Value(value) = pattern else {
        return unsupported("LIKE … ESCAPE with a pattern that is computed", ESCAPE);
    };
    let Value::SingleQuotedString(pattern) = &value.value else {
        return unsupported("LIKE … ESCAPE with a pattern that is computed", ESCAPE);
    };
    let mut written = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match (character, escape) {
            (character, Some(escape)) if character == escape => match rest.next() {
                Some(meant @ ('%' | '_' | '\\')) => written.extend(['\\', meant]),
                Some(meant) => written.push(meant),
                None => return unsupported("LIKE … ESCAPE with nothing behind the last escape", ESCAPE),
            },
            ('\\', _) => written.push_str("\\\\"),
            _ => written.push(character),
        }
    }
    ControlFlow::Continue(Expr::Value(Value::SingleQuotedString(written).into()))
}

/// For `^`.
const POWER: &str = "write `power(2, 10)`; the exclusive or is `(a | b) - (a & b)`";
/// For `//`.
const QUOTIENT: &str = "write `7 / 2`: of whole numbers it is a whole number";

fn write_clock(interval: &mut Expr) {
    let Expr::Value(value) = interval else { return };
    let Value::SingleQuotedString(text) = &mut value.value else { return };
    if let Some(written) = clock_intervals::written_out(text) {
        *text = written;
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp { expr, .. } => is_literal(expr),
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        _ => false,
    }
}

/// `interval '1 unit' * value`
fn times_unit(interval: &Interval) -> Expr {
    let unit = Value::SingleQuotedString("1".to_owned());
    let unit = Interval { value: Box::new(Expr::Value(unit.into())), ..interval.clone() };
    Expr::BinaryOp {
        left: Box::new(Expr::Interval(unit)),
        op: BinaryOperator::Multiply,
        right: Box::new(Expr::Nested(interval.value.clone())),
    }
}

fn unsupported<T>(what: &str, instead: &str) -> Flow<T> {
    let error = QueryError::Unsupported { what: what.to_owned(), instead: Some(instead.to_owned()) };
    ControlFlow::Break(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::dialect::parse_expression;

    #[test]
    fn expressions_are_written_as_the_engine_reads_them() {
        for (text, written) in [
            ("a like 'x!%!!_' escape '!'", "a LIKE 'x\\%!_'"),
            ("a not ilike '50\\!_' escape '!'", "a NOT ILIKE '50\\\\\\_'"),
            ("a like 'x\\%' escape ''", "a LIKE 'x\\\\%'"),
            ("a like 'x\\%' escape '\\'", "a LIKE 'x\\%'"),
            ("interval (n) day", "INTERVAL '1' DAY * ((n))"),
            ("interval 3 day", "INTERVAL 3 DAY"),
        ] {
            let mut expr = parse_expression(text).expect("an expression").expr;
            write_out(&mut expr).expect("it can be written");
            assert_eq!(expr.to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for text in ["a like b escape '!'", "a like 'x!' escape '!'", "a like 'x' escape '!!'"] {
            let mut expr = parse_expression(text).expect("an expression").expr;
            let error = write_out(&mut expr).expect_err(text);
            assert!(matches!(error, QueryError::Unsupported { instead: Some(_), .. }), "{text}: {error}");
        }
    }
}
