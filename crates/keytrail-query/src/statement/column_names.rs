//! Names of result columns that a statement does not name: the text of the expression, where the engine has a name of its own
//! for it, such as `Int64(1)` for `1` and `sum(kms_key_usage.use_count)` for `sum(use_count)`.
//!
//! A name that comes again is numbered, `id` and `id_2`, where the engine takes none twice: so are the columns of `select *` over tables
//! that share names when they are shown.
//!
//! Only the outermost `select` is looked at: what is inside is named for the statement, not for its reader.

use std::collections::HashSet;

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
                return number_names(&mut select.projection);
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

/// Numbers names that come again.
fn number_names(items: &mut [SelectItem]) {
    let mut taken: HashSet<String> = items.iter().filter_map(name_of).collect();
    let mut seen = HashSet::new();
    for item in items {
        let Some(name) = name_of(item).filter(|name| !seen.insert(name.clone())) else { continue };
        let mut numbered = (2..).map(|number: u64| format!("{name}_{number}"));
        let Some(numbered) = numbered.find(|name| !taken.contains(name)) else { continue };
        taken.insert(numbered.clone());
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', numbered) };
    }
}

/// The name of a column as it is compared; none for what makes several columns.
fn name_of(item: &SelectItem) -> Option<String> {
    let name = match item {
        SelectItem::ExprWithAlias { alias, .. } => alias,
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => name,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last()?,
        _ => return None,
    };
    Some(if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() })
}
