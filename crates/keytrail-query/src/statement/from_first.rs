//! `from events`: a query that begins with its tables and has no `select` shows all columns, as in DuckDB.
//!
//! The parser leaves the list of columns empty, and the engine gave rows without a column.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Select, SelectFlavor, SelectItem, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

/// Writes the `select *` that a query leaves out.
pub(crate) fn complete(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let ControlFlow::Continue(()) = statement.visit(&mut Completer);
        }
        Statement::Explain(explain) => complete(&mut explain.statement),
        _ => {}
    }
}

struct Completer;

impl VisitorMut for Completer {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::FromFirst;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        ControlFlow::Continue(())
    }
}
