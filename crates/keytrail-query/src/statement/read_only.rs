//! The gate in front of the engine: a statement passes only when it cannot change anything, reads nothing but the
//! session's tables, and asks for nothing that the engine accepts and then ignores.
//!
//! Two looks are taken. The parsed statement is matched against what is allowed, so that new kinds of statements are
//! refused until somebody allows them; the plan is then verified by the engine's own options.

use std::ops::ControlFlow;

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, ObjectName, Query, Select, SetExpr, SetOperator, SetQuantifier,
    Statement as SqlStatement, TableFactor, Visit, Visitor, WindowType, visit_expressions,
};

use crate::diagnosis::{PIVOT, UNPIVOT};
use crate::error::QueryError;
use crate::files::names_a_file;
use crate::statement::time_format;

/// Whether a statement may name files by their path; which ones is decided when they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Every path is refused.
    Refused,
    /// Paths are looked up among the files that the session may read.
    LookedUp,
}

/// Refuses a parsed statement that is not a plain query, or a question about one.
///
/// # Errors
/// [`QueryError::NotReadOnly`] and [`QueryError::Unsupported`].
pub(crate) fn check_statement(statement: &Statement, paths: Paths) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => check_sql_statement(statement, paths),
        Statement::Explain(explain) => check_statement(&explain.statement, paths),
        Statement::CopyTo(_) => refuse("COPY"),
        Statement::CreateExternalTable(_) => refuse("CREATE EXTERNAL TABLE"),
        Statement::Reset(_) => refuse("RESET"),
    }
}

fn check_sql_statement(statement: &SqlStatement, paths: Paths) -> Result<(), QueryError> {
    match statement {
        SqlStatement::Query(_) => check_query(statement, paths),
        SqlStatement::Explain { statement, .. } => check_sql_statement(statement, paths),
        SqlStatement::ExplainTable { .. }
        | SqlStatement::ShowVariable { .. }
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowFunctions { .. } => Ok(()),
        other => refuse(&statement_kind(&other.to_string())),
    }
}

/// The words that tell what a statement does: its first, and for changes to the catalogue what they change.
fn statement_kind(text: &str) -> String {
    let words = text.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_uppercase()));
    let mut words = words.filter(|word| !["OR", "REPLACE", "TEMPORARY", "TEMP"].contains(word));
    let first = words.next().unwrap_or("such a statement");
    match (first, words.next()) {
        ("CREATE" | "DROP" | "ALTER", Some(object)) => format!("{first} {object}"),
        _ => first.to_owned(),
    }
}

fn refuse(what: &str) -> Result<(), QueryError> {
    Err(QueryError::NotReadOnly { what: what.to_owned() })
}

fn check_query(statement: &SqlStatement, paths: Paths) -> Result<(), QueryError> {
    match statement.visit(&mut QueryVisitor { paths }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Refuses a condition on the rows of one table that asks for other rows: they are read as they come, and nothing else is.
///
/// # Errors
/// [`QueryError::Unsupported`].
pub(crate) fn check_condition(condition: &impl Visit) -> Result<(), QueryError> {
    match visit_expressions(condition, |expr| match expr {
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
            QueryVisitor::unsupported("a subquery in a condition on the rows of one table", Some(ROWS_FIRST))
        }
        _ => ControlFlow::Continue(()),
    }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Looks for parts of a query that write, read files, or are ignored by the engine.
struct QueryVisitor {
    paths: Paths,
}

impl QueryVisitor {
    fn read_only<T>(what: &str) -> ControlFlow<Box<QueryError>, T> {
        ControlFlow::Break(Box::new(QueryError::NotReadOnly { what: what.to_owned() }))
    }

    fn unsupported<T>(what: &str, instead: Option<&str>) -> ControlFlow<Box<QueryError>, T> {
        let instead = instead.map(str::to_owned);
        ControlFlow::Break(Box::new(QueryError::Unsupported { what: what.to_owned(), instead }))
    }
}

impl Visitor for QueryVisitor {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if !query.locks.is_empty() {
            return Self::unsupported("FOR UPDATE and FOR SHARE", Some("leave it out: nothing changes under a query"));
        }
        check_body(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            return Self::read_only("SELECT INTO");
        }
        let is_empty = |group: &Expr| matches!(group, Expr::Tuple(columns) if columns.is_empty());
        if matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.iter().any(is_empty)) {
            return Self::unsupported("GROUP BY ()", Some("leave it out: without `group by` all rows are one group"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                Self::unsupported("TABLESAMPLE (the engine would return all rows)", Some(SAMPLE))
            }
            TableFactor::Table { name, args: Some(args), .. } if reads_a_file(name) => {
                let file = args.args.first().map(ToString::to_string).unwrap_or_default();
                if self.paths == Paths::Refused {
                    return Self::read_only(&format!("reading a file: {file}"));
                }
                let instead = format!("a file is a table by its path: `select * from {file}`");
                Self::unsupported(&format!("the function `{name}`"), Some(&instead))
            }
            TableFactor::Table { version: Some(_), .. } => Self::unsupported("a table version", None),
            TableFactor::Derived { lateral: true, .. } => Self::unsupported("LATERAL", Some(LATERAL)),
            TableFactor::Pivot { .. } => Self::unsupported("PIVOT", Some(PIVOT)),
            TableFactor::Unpivot { .. } => Self::unsupported("UNPIVOT", Some(UNPIVOT)),
            TableFactor::MatchRecognize { .. } => Self::unsupported("MATCH_RECOGNIZE", Some(MATCH_RECOGNIZE)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let name = relation.to_string();
        if self.paths == Paths::Refused && names_a_file(name.trim_matches(['"', '\'', '`'])) {
            return Self::read_only(&format!("reading a file: {name}"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Function(function) if has_extended_window(function.over.as_ref()) => Self::unsupported(
                "a named window with a frame or more (the engine would forget its partition and order)",
                Some("write the window out where it is used"),
            ),
            Expr::Function(function) => check_time_format(function),
            Expr::AnyOp { right, is_some, .. } if is_query(right) => {
                Self::unsupported(if *is_some { "SOME over a subquery" } else { "ANY over a subquery" }, Some(ANY))
            }
            Expr::SimilarTo { .. } => Self::unsupported(
                "SIMILAR TO (the engine would take its pattern for a regular expression that may match anywhere)",
                Some(SIMILAR_TO),
            ),
            Expr::Collate { .. } => Self::unsupported("COLLATE", Some(COLLATE)),
            Expr::AllOp { right, .. } if is_query(right) => Self::unsupported("ALL over a subquery", Some(ALL)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_statement(&mut self, statement: &SqlStatement) -> ControlFlow<Self::Break> {
        match statement {
            SqlStatement::Query(_) => ControlFlow::Continue(()),
            other => Self::read_only(&statement_kind(&other.to_string())),
        }
    }
}

/// Whether a function of tables reads files in other engines.
fn reads_a_file(name: &ObjectName) -> bool {
    let name = name.to_string().to_ascii_lowercase();
    let formats = ["csv", "csv_auto", "parquet", "json", "json_auto", "ndjson", "ndjson_auto", "json_objects", "text"];
    let read = name.strip_prefix("read_").or_else(|| name.strip_suffix("_scan"));
    read.is_some_and(|format| formats.contains(&format))
}

fn check_time_format(function: &Function) -> ControlFlow<Box<QueryError>> {
    if let Some(format) = time_format::without_fields(function) {
        let what =
            format!("to_char with the format `{format}` (without a `%`, the engine would give it back as it is)");
        return QueryVisitor::unsupported(&what, Some(&time_format::advice(format)));
    }
    if let Some(format) = time_format::with_half_a_time(function) {
        let what = format!(
            "the format `{format}`, with a part of a time of day only (the engine would read the day and drop the rest)"
        );
        return QueryVisitor::unsupported(&what, Some(TIME_OF_DAY));
    }
    ControlFlow::Continue(())
}

/// Whether what ANY or ALL stands before is a query, not a list. The engine takes a column of the outer query for one of the inner where
/// both read a table of the same name, and `x > all (select x …)` compares the inner `x` with itself.
fn is_query(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) => true,
        Expr::Nested(inner) => is_query(inner),
        _ => false,
    }
}

/// `over (w rows …)`, as opposed to `over w`.
fn has_extended_window(window: Option<&WindowType>) -> bool {
    matches!(window, Some(WindowType::WindowSpec(window)) if window.window_name.is_some())
}

/// A sample that is the same each time.
const SAMPLE: &str = "filter by a hash of a column: `where md5(event_id) < '1'` keeps about a sixteenth of the rows";
/// For `MATCH_RECOGNIZE`.
const MATCH_RECOGNIZE: &str =
    "number the rows with `row_number() over (partition by key_arn order by event_time)` and join them";

/// For a subquery in a condition.
const ROWS_FIRST: &str = "ask for its values first, and write them into the condition: `event_id in ('…', '…')`";
/// For ANY and SOME.
const ANY: &str = "write `x in (select y …)` for `x = any (…)`, `x > (select min(y) …)` for `x > any (…)`";
/// For ALL.
const ALL: &str = "write `x not in (select y …)` for `x <> all (…)`, `x > (select max(y) …)` for `x > all (…)`";
/// For SIMILAR TO.
const SIMILAR_TO: &str = "write `regexp_like(event_name, '^(Get.*|List.*)$')`, or `like`, where `%` stands for any text and `_` for one character";
/// For COLLATE.
const COLLATE: &str = "leave it out: texts are compared and sorted by their bytes; `lower(event_name)` makes capitals and small letters one";
/// For LATERAL.
const LATERAL: &str = "join the rows instead, `left join (select key_arn, count(*) as n from kms_events group by key_arn) x using (key_arn)`, or write one value into the select list, `(select count(*) from … where …)`";
/// For a format of a part of a time.
const TIME_OF_DAY: &str =
    "add what is missing: `to_timestamp('2024-12-31 10' || ':00', '%Y-%m-%d %H:%M')`; hours by `%I` need `%p`";
/// For EXCEPT ALL and INTERSECT ALL.
const COUNTED: &str =
    "number equal rows with `row_number() over (partition by …)` as one more column, and leave out ALL";

fn check_body(body: &SetExpr) -> ControlFlow<Box<QueryError>> {
    match body {
        SetExpr::Insert(_) => QueryVisitor::read_only("INSERT"),
        SetExpr::Update(_) => QueryVisitor::read_only("UPDATE"),
        SetExpr::Delete(_) => QueryVisitor::read_only("DELETE"),
        SetExpr::Merge(_) => QueryVisitor::read_only("MERGE"),
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => ControlFlow::Continue(()),
        SetExpr::SetOperation { op, set_quantifier, left, right } => {
            check_set_operation(*op, *set_quantifier)?;
            check_body(left)?;
            check_body(right)
        }
    }
}

/// The engine computes EXCEPT ALL and INTERSECT ALL as joins, which do not count how often a row is on each side.
fn check_set_operation(operator: SetOperator, quantifier: SetQuantifier) -> ControlFlow<Box<QueryError>> {
    let is_all = matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
    match operator {
        SetOperator::Except | SetOperator::Minus if is_all => QueryVisitor::unsupported("EXCEPT ALL", Some(COUNTED)),
        SetOperator::Intersect if is_all => QueryVisitor::unsupported("INTERSECT ALL", Some(COUNTED)),
        _ => ControlFlow::Continue(()),
    }
}

/// Refuses a plan that writes or changes the session.
///
/// # Errors
/// [`QueryError::NotReadOnly`].
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), QueryError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|error| QueryError::NotReadOnly { what: error.strip_backtrace() })
}
