//! Columns of `full join … using (a)` and `right join … using (a)`: `a` is the one side's value, and the other's where that has no row.
//!
//! The engine takes `a` for the column of the left side, which is null in rows of the right side only. Here it is written out: `a` as
//! `coalesce(x.a, y.a)`, and `*` as `* replace (coalesce(x.a, y.a) as a)`. `x.a` stays what it is. Where the sides have no names to write,
//! or the columns are not listed (`natural`), the statement is refused.
//!
//! The engine also calls a column ambiguous by which more than two tables are joined, `a join b using (id) join c using (id)`: there `id` is
//! written as that of the first.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, OrderByKind, Query, ReplaceSelectElement, ReplaceSelectItem, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use crate::error::QueryError;

/// Writes out the merged columns of a statement.
///
/// # Errors
/// [`QueryError::Unsupported`].
pub(crate) fn write_out(statement: &mut Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => match statement.visit(&mut Queries) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        },
        Statement::Explain(explain) => write_out(&mut explain.statement),
        _ => Ok(()),
    }
}

type Flow = ControlFlow<Box<QueryError>>;

/// A column, and what stands for it.
struct Merged {
    column: Ident,
    value: Expr,
    /// The value is that of either side, which `*` and queries within the query do not have.
    is_of_either: bool,
}

/// Goes through the queries of a statement.
struct Queries;

impl VisitorMut for Queries {
    type Break = Box<QueryError>;

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        let merged = merged_columns(&select.from)?;
        if merged.is_empty() {
            return ControlFlow::Continue(());
        }
        for item in &mut select.projection {
            name_item(item, &merged);
            if let SelectItem::Wildcard(options) = item
                && merged.iter().any(|merged| merged.is_of_either)
            {
                replace_in_wildcard(options, &merged, &select.from)?;
            }
        }
        let mut names = Names { merged, depth: 0 };
        // Queries in `from` have columns of their own.
        let mut from = std::mem::take(&mut select.from);
        select.visit(&mut names)?;
        for join in from.iter_mut().flat_map(|tables| &mut tables.joins) {
            join.join_operator.visit(&mut names)?;
        }
        select.from = from;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> Flow {
        let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &mut query.order_by) else {
            return ControlFlow::Continue(());
        };
        let merged = merged_columns(&select.from)?;
        let OrderByKind::Expressions(keys) = &mut order.kind else { return ControlFlow::Continue(()) };
        let is_merged = !merged.is_empty();
        let mut names = Names { merged, depth: 0 };
        for key in keys.iter_mut().filter(|_| is_merged) {
            // A column of the result is what it is there.
            let is_of_result = matches!(&key.expr, Expr::Identifier(name) if shows(select, name));
            if !is_of_result {
                key.visit(&mut names)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Puts what stands for them in the place of columns.
struct Names {
    merged: Vec<Merged>,
    /// Of queries within the expression.
    depth: usize,
}

impl VisitorMut for Names {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        let Expr::Identifier(name) = expr else { return ControlFlow::Continue(()) };
        let Some(merged) = self.merged.iter().find(|merged| is_same(&merged.column, name)) else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 && !merged.is_of_either {
            // It may be a column of the inner query.
            return ControlFlow::Continue(());
        }
        if self.depth > 0 {
            let what = format!("`{name}` within a subquery of a FULL or RIGHT JOIN … USING ({name})");
            return unsupported(&what, &format!("say of which table it is, such as `x.{name}`"));
        }
        *expr = merged.value.clone();
        ControlFlow::Continue(())
    }
}

/// The merged columns of the tables of a `select` that the engine reads wrong.
fn merged_columns(from: &[TableWithJoins]) -> ControlFlow<Box<QueryError>, Vec<Merged>> {
    let mut merged = Vec::new();
    for tables in from {
        refuse_nested(&tables.relation)?;
        for (place, join) in tables.joins.iter().enumerate() {
            refuse_nested(&join.relation)?;
            let Some((kind, constraint)) = keeps_right(&join.join_operator) else { continue };
            let columns = match constraint {
                JoinConstraint::Using(columns) => columns,
                JoinConstraint::Natural => {
                    return unsupported(&format!("NATURAL {kind} JOIN"), "list the columns: `using (a, b)`");
                }
                _ => continue,
            };
            if place > 0 || tables.joins.iter().filter(|join| is_merging(&join.join_operator)).count() > 1 {
                return unsupported(&format!("{kind} JOIN … USING after or beside another join"), WRITTEN_OUT);
            }
            let (Some(left), Some(right)) = (name_of(&tables.relation), name_of(&join.relation)) else {
                return unsupported(&format!("{kind} JOIN … USING over a table without a name"), "name it: `… as x`");
            };
            for column in columns.iter().filter_map(last_part) {
                let of = |table: &Ident| Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
                let value = coalesce(vec![of(&left), of(&right)]);
                merged.push(Merged { column: column.clone(), value, is_of_either: true });
            }
        }
        merged.extend(repeated_columns(tables));
    }
    ControlFlow::Continue(merged)
}

/// The columns by which the first two tables are joined, and others with them; all rows have them of the first.
fn repeated_columns(tables: &TableWithJoins) -> Vec<Merged> {
    let columns_of = |join: &Join| -> Vec<Ident> {
        use JoinOperator::{Inner, Join, Left, LeftOuter};
        match &join.join_operator {
            Join(by) | Inner(by) | Left(by) | LeftOuter(by) => match by {
                JoinConstraint::Using(columns) => columns.iter().filter_map(last_part).cloned().collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    };
    let (Some(first), [join, others @ ..]) = (name_of(&tables.relation), tables.joins.as_slice()) else {
        return Vec::new();
    };
    let later: Vec<Ident> = others.iter().flat_map(columns_of).collect();
    let repeated = columns_of(join).into_iter().filter(|column| later.iter().any(|later| is_same(later, column)));
    let merged = |column: Ident| {
        let value = Expr::CompoundIdentifier(vec![first.clone(), column.clone()]);
        Merged { column, value, is_of_either: false }
    };
    repeated.map(merged).collect()
}

/// What to write where this module does not.
const WRITTEN_OUT: &str = "write the join out: `full join y on x.a = y.a`, and `coalesce(x.a, y.a)` for `a`";

fn refuse_nested(factor: &TableFactor) -> Flow {
    let TableFactor::NestedJoin { table_with_joins, .. } = factor else { return ControlFlow::Continue(()) };
    refuse_nested(&table_with_joins.relation)?;
    for join in &table_with_joins.joins {
        refuse_nested(&join.relation)?;
        if let Some((kind, JoinConstraint::Using(_) | JoinConstraint::Natural)) = keeps_right(&join.join_operator) {
            return unsupported(&format!("{kind} JOIN … USING in parentheses"), WRITTEN_OUT);
        }
    }
    ControlFlow::Continue(())
}

/// How a join that keeps the rows of its right side is called, and what it joins by.
fn keeps_right(operator: &JoinOperator) -> Option<(&'static str, &JoinConstraint)> {
    match operator {
        JoinOperator::FullOuter(constraint) => Some(("FULL", constraint)),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => Some(("RIGHT", constraint)),
        _ => None,
    }
}

/// Whether a join makes one column of two.
fn is_merging(operator: &JoinOperator) -> bool {
    use JoinOperator::{FullOuter, Inner, Join, Left, LeftOuter, Right, RightOuter};
    match operator {
        Join(by) | Inner(by) | Left(by) | LeftOuter(by) | Right(by) | RightOuter(by) | FullOuter(by) => {
            matches!(by, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        _ => false,
    }
}

/// The name that columns of a table go by.
fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, args: None, .. } => last_part(name).cloned(),
        _ => None,
    }
}

fn last_part(name: &ObjectName) -> Option<&Ident> {
    name.0.last()?.as_ident()
}

/// Whether two names are one; those without quotes are of small letters.
fn is_same(one: &Ident, other: &Ident) -> bool {
    let folded = |name: &Ident| if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
    folded(one) == folded(other)
}

/// Keeps a column's name, which its value has not.
fn name_item(item: &mut SelectItem, merged: &[Merged]) {
    if let SelectItem::UnnamedExpr(expr @ Expr::Identifier(_)) = item
        && let Expr::Identifier(name) = expr
        && merged.iter().any(|merged| is_same(&merged.column, name))
    {
        let alias = name.clone();
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn replace_in_wildcard(options: &mut WildcardAdditionalOptions, merged: &[Merged], from: &[TableWithJoins]) -> Flow {
    // It replaces each column of the name.
    if from.len() > 1 || from.iter().any(|tables| tables.joins.len() > 1) {
        return unsupported("`*` over a FULL or RIGHT JOIN … USING and more tables", "name the columns");
    }
    let left_out = options.opt_exclude.as_ref().map(ToString::to_string).unwrap_or_default().to_lowercase();
    let replaced = options.opt_replace.get_or_insert_with(|| ReplaceSelectItem { items: Vec::new() });
    for Merged { column, value, .. } in merged {
        let is_left_out = left_out.split(|c: char| !c.is_alphanumeric() && c != '_').any(|name| name == column.value);
        let is_replaced = replaced.items.iter().any(|item| is_same(&item.column_name, column));
        if !is_left_out && !is_replaced {
            let (expr, column_name) = (value.clone(), column.clone());
            replaced.items.push(Box::new(ReplaceSelectElement { expr, column_name, as_keyword: true }));
        }
    }
    if replaced.items.is_empty() {
        options.opt_replace = None;
    }
    ControlFlow::Continue(())
}

/// Whether a result has a column of this name.
fn shows(select: &Select, name: &Ident) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => is_same(alias, name),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().is_some_and(|last| is_same(last, name))
        }
        SelectItem::Wildcard(_) => true,
        _ => false,
    })
}

fn coalesce(values: Vec<Expr>) -> Expr {
    let args = values.into_iter().map(|value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("coalesce")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn unsupported<T>(what: &str, instead: &str) -> ControlFlow<Box<QueryError>, T> {
    let error = QueryError::Unsupported { what: what.to_owned(), instead: Some(instead.to_owned()) };
    ControlFlow::Break(Box::new(error))
}
