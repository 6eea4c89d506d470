//! Clauses that other databases have, in those that the engine has.
//!
//! - `order by all` is `order by 1, 2, …`: the engine takes it where all of them are columns.
//! - `fetch first 2 rows only` is `limit 2`.
//! - `show columns from events` is `describe events`: the engine tells types in its own words.

use datafusion::sql::sqlparser::ast::{
    DescribeAlias, Expr, Fetch, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr,
    ShowStatementIn, ShowStatementOptions, Statement, Value,
};

/// What to write for `fetch … with ties`.
pub(crate) const TIES: &str = "number the rows: `qualify rank() over (order by event_time) <= 2`";

/// Writes out the clauses around the rows of a query; whether the engine can have all of them.
pub(crate) fn write_out(query: &mut Query) -> bool {
    if let Some(columns) = ordered_columns(query) {
        let OrderBy { kind, .. } = query.order_by.as_mut().expect("there are columns to order by");
        if let OrderByKind::All(options) = *kind {
            let key = |place: usize| OrderByExpr {
                expr: Expr::Value(Value::Number(place.to_string(), false).into()),
                options,
                with_fill: None,
            };
            *kind = OrderByKind::Expressions((1..=columns).map(key).collect());
        }
    }
    match query.fetch.take() {
        None => true,
        Some(Fetch { with_ties: false, percent: false, quantity }) => {
            let count = quantity.unwrap_or_else(|| Expr::Value(Value::Number("1".to_owned(), false).into()));
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(count),
                Some(_) => return false,
                clause @ None => {
                    *clause = Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: Vec::new() });
                }
            }
            true
        }
        Some(_) => false,
    }
}

/// How many columns a query is ordered by all of; none where it is not, or they are not written down.
fn ordered_columns(query: &Query) -> Option<usize> {
    let OrderBy { kind: OrderByKind::All(_), interpolate: None } = query.order_by.as_ref()? else { return None };
    let mut body = query.body.as_ref();
    loop {
        body = match body {
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(inner) => &inner.body,
            SetExpr::Select(select) => {
                let is_one =
                    |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
                let is_written = !select.projection.is_empty() && select.projection.iter().all(is_one);
                return is_written.then_some(select.projection.len());
            }
            SetExpr::Values(values) => return values.rows.first().map(|row| row.len()),
            _ => return None,
        };
    }
}

/// Writes out `show columns`.
pub(crate) fn write_statement(statement: &mut Statement) {
    let Statement::ShowColumns { show_options, .. } = statement else { return };
    let ShowStatementOptions { show_in, filter_position: None, .. } = show_options else { return };
    let Some(ShowStatementIn { parent_name: Some(name), .. }) = show_in else { return };
    *statement = Statement::ExplainTable {
        describe_alias: DescribeAlias::Describe,
        hive_format: None,
        has_table_keyword: false,
        table_name: name.clone(),
    };
}
