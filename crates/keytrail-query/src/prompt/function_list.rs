//! The functions that statements can call, with what is written down about them: for a prompt's help and completion, and for
//! `show functions`, where the engine leaves out those that take arguments of any number or type.
//!
//! It registers none: [`crate::functions`] and the engine do.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use datafusion::logical_expr::{Documentation, LogicalPlan, col, lit};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ShowStatementFilter, Statement as SqlStatement};

use crate::error::QueryError;
use crate::session::Session;

/// What kind of rows a function works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// One value for each row.
    Scalar,
    /// One value for a group of rows.
    Aggregate,
    /// One value for each row, from the rows around it.
    Window,
}

impl FunctionKind {
    fn word(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Window => "window",
        }
    }
}

/// A function by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// The name; other names of the same function have entries of their own.
    pub name: String,
    /// What it works on.
    pub kind: FunctionKind,
    /// How it is called; empty where nobody wrote it down.
    pub syntax: String,
    /// What it gives; empty where nobody wrote it down.
    pub description: String,
}

impl Session {
    /// All functions, sorted by name.
    pub fn functions(&self) -> Vec<FunctionInfo> {
        let state = self.context().state();
        let mut known = BTreeMap::new();
        let mut add = |name: &String, kind, documentation: Option<&Documentation>| {
            known.entry(name.clone()).or_insert_with(|| info(name, kind, documentation));
        };
        for (name, function) in state.scalar_functions() {
            add(name, FunctionKind::Scalar, function.documentation());
        }
        for (name, function) in state.aggregate_functions() {
            add(name, FunctionKind::Aggregate, function.documentation());
        }
        for (name, function) in state.window_functions() {
            add(name, FunctionKind::Window, function.documentation());
        }
        known.into_values().collect()
    }

    /// The rows of `show functions`.
    pub(crate) fn function_table(&self, filter: Option<&ShowStatementFilter>) -> Result<LogicalPlan, QueryError> {
        let functions = self.functions();
        let column = |text: fn(&FunctionInfo) -> &str| {
            Arc::new(functions.iter().map(|function| Some(text(function))).collect::<StringArray>()) as ArrayRef
        };
        let rows = RecordBatch::try_from_iter([
            (NAME, column(|function| &function.name)),
            ("function_type", column(|function| function.kind.word())),
            ("syntax_example", column(|function| &function.syntax)),
            ("description", column(|function| &function.description)),
        ]);
        let rows = rows.map_err(|error| QueryError::planning(error.into()))?;
        let all = self.context().read_batch(rows).map_err(QueryError::planning)?;
        let found = match filter {
            None => Ok(all),
            Some(ShowStatementFilter::Like(pattern)) => all.filter(col(NAME).like(lit(pattern.as_str()))),
            Some(ShowStatementFilter::ILike(pattern)) => all.filter(col(NAME).ilike(lit(pattern.as_str()))),
            Some(other) => {
                let instead = Some("write `show functions like '%part%'`".to_owned());
                return Err(QueryError::Unsupported { what: format!("SHOW FUNCTIONS {other}"), instead });
            }
        };
        Ok(found.map_err(QueryError::planning)?.into_unoptimized_plan())
    }
}

/// The column of the functions' names.
const NAME: &str = "function_name";

/// Which functions a statement asks for by `show functions`, none = it is another one; a filter is none where all are asked for.
#[allow(clippy::option_option, reason = "a filter may be left out")]
pub(crate) fn shown_functions(statement: &Statement) -> Option<Option<&ShowStatementFilter>> {
    let Statement::Statement(statement) = statement else { return None };
    match statement.as_ref() {
        SqlStatement::ShowFunctions { filter } => Some(filter.as_ref()),
        _ => None,
    }
}

fn info(name: &str, kind: FunctionKind, documentation: Option<&Documentation>) -> FunctionInfo {
    let text = |pick: fn(&Documentation) -> &String| documentation.map(pick).cloned().unwrap_or_default();
    FunctionInfo {
        name: name.to_owned(),
        kind,
        syntax: text(|documentation| &documentation.syntax_example),
        description: without_links(&text(|documentation| &documentation.description)),
    }
}

/// A text without the addresses of its Markdown links: `[words](https://…)` as `words`.
fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        plain.push_str(before);
        let link = behind.split_once("](").and_then(|(words, behind)| Some((words, behind.split_once(')')?)));
        rest = match link {
            Some((words, (address, behind))) if address.starts_with("http") && !words.contains(['[', ']']) => {
                plain.push_str(words);
                behind
            }
            _ => {
                plain.push('[');
                behind
            }
        };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::session::SessionOptions;

    #[test]
    fn links_are_words() {
        for (text, plain) in [
            ("a [regular expression](https://docs.rs/regex) at [1]", "a regular expression at [1]"),
            ("[1, 2][0] (http)", "[1, 2][0] (http)"),
        ] {
            assert_eq!(without_links(text), plain);
        }
    }

    #[test]
    fn functions_of_the_engine_and_of_keytrail_are_listed_once() {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
        let functions = session.functions();
        assert!(functions.is_sorted_by(|one, other| one.name < other.name));
        for (name, kind) in [
            ("date_trunc", FunctionKind::Scalar),
            ("key_id", FunctionKind::Scalar),
            ("avg", FunctionKind::Aggregate),
            ("row_number", FunctionKind::Window),
        ] {
            let function = functions.iter().find(|function| function.name == name).unwrap();
            assert_eq!(function.kind, kind, "{name}");
            assert!(!function.description.is_empty(), "{name}");
        }
    }
}
