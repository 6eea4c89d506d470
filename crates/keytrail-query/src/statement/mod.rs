//! From a statement's text to a plan that may run: it is parsed and split, what it may do and how large it may be is checked, columns get
//! names and types, parameters get values.
//!
//! ```text
//! text ─▶ texts ─▶ dialect ─▶ from_first ─▶ statement_size ─▶ column_names
//!      ─▶ spellings, with clauses, clock_intervals and time_zones ─▶ json_paths ─▶ exact_numbers ─▶ merged_columns ─▶ read_only, with time_format ─▶ outer_names
//!      ─▶ (the engine plans, with json_operators, boolean_texts and interval_products) ─▶ parameters ─▶ narrow
//! ```
//! Names are looked up by the session, not here.

pub(crate) mod boolean_texts;
pub(crate) mod clauses;
pub(crate) mod clock_intervals;
pub(crate) mod column_names;
pub(crate) mod dialect;
pub(crate) mod exact_numbers;
pub(crate) mod from_first;
pub(crate) mod interval_products;
pub(crate) mod json_operators;
pub(crate) mod json_paths;
pub(crate) mod merged_columns;
pub(crate) mod narrow;
pub(crate) mod outer_names;
pub(crate) mod parameters;
pub(crate) mod read_only;
pub(crate) mod spellings;
pub(crate) mod statement_size;
pub(crate) mod texts;
pub(crate) mod time_format;
pub(crate) mod time_zones;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

/// The SQL of a statement, and of the one that is explained; none for commands of the engine's own.
pub(crate) fn sql_statement(statement: &mut Statement) -> Option<&mut SqlStatement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => sql_statement(&mut explain.statement),
        _ => None,
    }
}
