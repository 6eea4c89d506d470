//! `b.id` in a query within a query, where `b` is a table of the outer one and a column of an inner table.
//!
//! SQL looks for a table `b` first, outwards; the engine takes the column `b` of the inner table and looks for its member `id`. Here the outer
//! table gets a name that no column has, in the places where it is meant.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};

/// Names of columns by the name of their table, for the tables that are known.
pub(crate) type KnownColumns = HashMap<String, HashSet<String>>;

/// Whether a name of an outer table is used in a query within a query, so that [`write_out`] has to look closer.
pub(crate) fn are_used(statement: &mut impl VisitMut) -> bool {
    !Names::found(statement, None).is_empty()
}

/// Gives such tables other names.
pub(crate) fn write_out(statement: &mut impl VisitMut, columns: &KnownColumns) {
    let taken = Names::found(statement, Some(columns));
    if !taken.is_empty() {
        let mut names = Names { renamed: Some(&taken), ..Names::default() };
        let ControlFlow::Continue(()) = statement.visit(&mut names);
    }
}

/// A table by the place of its query among all of the statement, and its name.
type Place = (usize, String);

/// The tables that the names of a query stand for.
#[derive(Debug)]
struct Scope {
    place: usize,
    tables: Vec<Table>,
    /// Whether the `select` of these tables comes next, as opposed to one of several of a union.
    awaits_select: bool,
    /// How many tables of its own the visit is within: they do not see one another.
    open_tables: usize,
}

impl Scope {
    /// Whether a name may stand for one of its tables here: not in `with`, nor in a query among them.
    fn is_seen(&self) -> bool {
        !self.awaits_select && self.open_tables == 0
    }
}

#[derive(Debug)]
struct Table {
    name: String,
    /// The table of the session that it is; none = rows of a query, whose columns are not looked for.
    relation: Option<String>,
}

/// Goes through the queries of a statement, and knows of each name which table it stands for.
#[derive(Default)]
struct Names<'a> {
    scopes: Vec<Scope>,
    /// Of each `select` that is open, whether it has a scope of its own.
    selects: Vec<bool>,
    query_count: usize,
    /// To tell columns from members; none = any name may be that of a column.
    columns: Option<&'a KnownColumns>,
    found: HashSet<Place>,
    /// What is to be written in another way; none = it is looked for.
    renamed: Option<&'a HashSet<Place>>,
}

impl<'a> Names<'a> {
    fn found(statement: &mut impl VisitMut, columns: Option<&'a KnownColumns>) -> HashSet<Place> {
        let mut names = Names { columns, ..Names::default() };
        let ControlFlow::Continue(()) = statement.visit(&mut names);
        names.found
    }

    fn open_scope(&mut self, select: Option<&Select>, awaits_select: bool) {
        let tables = select.map(|select| tables_of(&select.from)).unwrap_or_default();
        self.scopes.push(Scope { place: self.query_count, tables, awaits_select, open_tables: 0 });
        self.query_count += 1;
    }

    /// The table that a name stands for, and whether an inner table may have a column of that name.
    fn table(&self, name: &str) -> Option<(Place, bool)> {
        let mut scopes = self.scopes.iter().enumerate().rev();
        let is_named = |scope: &Scope| scope.is_seen() && scope.tables.iter().any(|table| table.name == name);
        let (depth, scope) = scopes.find(|(_, scope)| is_named(scope))?;
        let mut inner = self.scopes[depth + 1..].iter().flat_map(|scope| &scope.tables);
        Some(((scope.place, name.to_owned()), inner.any(|table| self.may_have(table, name))))
    }

    fn may_have(&self, table: &Table, column: &str) -> bool {
        let known = table.relation.as_ref().and_then(|relation| self.columns?.get(relation));
        known.is_none_or(|columns| columns.contains(column))
    }

    fn is_renamed(&self, place: &Place) -> bool {
        self.renamed.is_some_and(|renamed| renamed.contains(place))
    }

    fn look_at(&mut self, table: &mut Ident) {
        let Some((place, is_hidden)) = self.table(&folded(table)) else { return };
        if self.is_renamed(&place) {
            *table = other_name(&place.1);
        } else if is_hidden {
            self.found.insert(place);
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        match query.body.as_ref() {
            SetExpr::Select(select) => self.open_scope(Some(select), true),
            _ => self.open_scope(None, false),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Infallible> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        let is_own = match self.scopes.last_mut() {
            Some(scope) if scope.awaits_select => {
                scope.awaits_select = false;
                false
            }
            _ => {
                self.open_scope(Some(select), false);
                true
            }
        };
        self.selects.push(is_own);
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let [part] = name.0.as_mut_slice()
                && let Some(table) = part.as_ident()
            {
                let mut table = table.clone();
                self.look_at(&mut table);
                *name = vec![table].into();
            }
        }
        if let Some(place) = self.scopes.last().map(|scope| scope.place).filter(|_| self.renamed.is_some()) {
            select.from.iter_mut().for_each(|tables| self.rename(place, tables));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Infallible> {
        if self.selects.pop() == Some(true) {
            self.scopes.pop();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Infallible> {
        self.open_tables(factor, 1);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Infallible> {
        self.open_tables(factor, -1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [table, _] = parts.as_mut_slice()
        {
            self.look_at(table);
        }
        ControlFlow::Continue(())
    }
}

impl Names<'_> {
    fn open_tables(&mut self, factor: &TableFactor, change: isize) {
        if let (TableFactor::Derived { lateral: false, .. }, Some(scope)) = (factor, self.scopes.last_mut()) {
            scope.open_tables = scope.open_tables.saturating_add_signed(change);
        }
    }

    fn rename(&self, place: usize, tables: &mut TableWithJoins) {
        let joined = tables.joins.iter_mut().map(|join| &mut join.relation);
        for factor in std::iter::once(&mut tables.relation).chain(joined) {
            match factor {
                TableFactor::NestedJoin { alias: None, table_with_joins } => self.rename(place, table_with_joins),
                TableFactor::Table { name, alias: alias @ None, .. } => {
                    let name = name.0.last().and_then(|part| part.as_ident()).map(folded);
                    if let Some(name) = name.filter(|name| self.is_renamed(&(place, name.clone()))) {
                        let name = other_name(&name);
                        *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
                    }
                }
                TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. }
                    if self.is_renamed(&(place, folded(&alias.name))) =>
                {
                    alias.name = other_name(&alias.name.value);
                }
                _ => {}
            }
        }
    }
}

/// A name that no column has, which errors and plans may show.
fn other_name(name: &str) -> Ident {
    Ident::with_quote('"', format!("{name} of the outer query"))
}

fn tables_of(from: &[TableWithJoins]) -> Vec<Table> {
    let joined = |tables: &TableWithJoins| {
        let joined = tables.joins.iter().map(|join| &join.relation);
        std::iter::once(&tables.relation).chain(joined).flat_map(tables_of_factor).collect::<Vec<_>>()
    };
    from.iter().flat_map(joined).collect()
}

fn tables_of_factor(factor: &TableFactor) -> Vec<Table> {
    match factor {
        TableFactor::NestedJoin { alias: None, table_with_joins } => tables_of(std::slice::from_ref(table_with_joins)),
        TableFactor::Table { name, alias, args, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default();
            let columns_are_named = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
            let relation = (args.is_none() && !columns_are_named).then(|| last.clone());
            vec![Table { name: alias.as_ref().map_or(last, |alias| folded(&alias.name)), relation }]
        }
        TableFactor::Derived { alias: Some(alias), .. } | TableFactor::UNNEST { alias: Some(alias), .. } => {
            vec![Table { name: folded(&alias.name), relation: None }]
        }
        // It has no name, but columns.
        _ => vec![Table { name: String::new(), relation: None }],
    }
}

/// A name as it is compared; those without quotes are of small letters.
fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::dialect::parse_statements;
    use crate::statement::sql_statement;

    #[test]
    fn only_an_outer_table_that_an_inner_column_hides_is_renamed() {
        let columns = KnownColumns::from([
            ("t".to_owned(), HashSet::from(["id".to_owned(), "b".to_owned()])),
            ("u".to_owned(), HashSet::from(["id".to_owned()])),
        ]);
        let other = "\"b of the outer query\"";
        for (sql, written) in [
            (
                "SELECT b.id FROM u b WHERE EXISTS (SELECT 1 FROM t AS a WHERE a.id = b.id) ORDER BY b.id",
                format!(
                    "SELECT {other}.id FROM u {other} WHERE EXISTS (SELECT 1 FROM t AS a WHERE a.id = {other}.id) ORDER BY {other}.id"
                ),
            ),
            ("SELECT b.* FROM u AS b WHERE id IN (SELECT b.id FROM t)", {
                format!("SELECT {other}.* FROM u AS {other} WHERE id IN (SELECT {other}.id FROM t)")
            }),
            (
                "SELECT 1 FROM u AS b WHERE EXISTS (SELECT 1 FROM t AS b WHERE b.id = 1)",
                "SELECT 1 FROM u AS b WHERE EXISTS (SELECT 1 FROM t AS b WHERE b.id = 1)".to_owned(),
            ),
            (
                "SELECT 1 FROM u AS b, (SELECT b.id FROM t) AS x",
                "SELECT 1 FROM u AS b, (SELECT b.id FROM t) AS x".to_owned(),
            ),
            (
                "WITH x AS (SELECT b.id FROM t) SELECT 1 FROM u AS b",
                "WITH x AS (SELECT b.id FROM t) SELECT 1 FROM u AS b".to_owned(),
            ),
            (
                "SELECT b.id FROM t AS b WHERE EXISTS (SELECT 1 FROM u WHERE u.id = b.id)",
                "SELECT b.id FROM t AS b WHERE EXISTS (SELECT 1 FROM u WHERE u.id = b.id)".to_owned(),
            ),
            (
                "SELECT 1 UNION ALL SELECT 1 FROM u AS b WHERE EXISTS (SELECT b.id FROM t)",
                format!("SELECT 1 UNION ALL SELECT 1 FROM u AS {other} WHERE EXISTS (SELECT {other}.id FROM t)"),
            ),
        ] {
            let mut statements = parse_statements(sql).expect("statements");
            let statement = sql_statement(&mut statements[0]).expect("a query");
            write_out(statement, &columns);
            assert_eq!(statement.to_string(), written);
        }
    }
}
