//! Names of result columns that a statement does not name: the text of the expression, where the engine has a name of its own
//! for it, such as `Int64(1)` for `1` and `sum(kms_key_usage.use_count)` for `sum(use_count)`.
//!
//! Only the outermost `select` is looked at: what is inside is named for the statement, not for its reader.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Statement as SqlStatement};

/// Names the columns of a statement's result.
pub(crate) fn name_columns(statement: &mut Statement) {
    if let Statement::Statement(statement) = statement
        && let SqlStatement::Query(query) = statement.as_mut()
    {
        name_in_query(query);
    }
}

fn name_in_query(query: &mut Query) {
    let mut body = query.body.as_mut();
    loop {
        body = match body {
            SetExpr::Select(select) => {
                select.projection.iter_mut().for_each(name_item);
                return;
            }
            SetExpr::Query(query) => return name_in_query(query),
            // The first part of a union names its columns.
            SetExpr::SetOperation { left, .. } => left.as_mut(),
            _ => return,
        };
    }
}

fn name_item(item: &mut SelectItem) {
    let SelectItem::UnnamedExpr(expr) = item else { return };
    if is_named(expr) {
        return;
    }
    let alias = Ident::with_quote('"', expr.to_string());
    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
}

/// Whether the engine names it as it is written, or makes several columns of it.
fn is_named(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("unnest"),
        _ => false,
    }
}
