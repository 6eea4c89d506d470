//! What a relation is made of, for `\d` and the docs: columns with type and meaning, grain and notes.
//!
//! Meanings are written down once, in the schemas of the tables and in the headers of the views; a view's column without
//! a line of its own means what the column of that name means in `events`.

use datafusion::logical_expr::{DescribeTable, LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use keytrail_convert::column_meaning;
use keytrail_events::schema;

use crate::error::QueryError;
use crate::session::Session;
use crate::views::catalogue::ViewDefinition;

/// Whether a relation is stored or computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A table of the lake, or of the log files.
    Table,
    /// A view of the catalogue.
    View,
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// The column's name.
    pub name: String,
    /// The column's type, in the engine's words.
    pub type_name: String,
    /// What the column means; null where nobody wrote it down.
    pub meaning: Option<String>,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationDescription {
    /// The relation's name.
    pub name: String,
    /// Whether it is stored or computed.
    pub kind: RelationKind,
    /// What it answers, in a line; null for tables.
    pub summary: Option<String>,
    /// The columns that identify a row; empty where they are not written down.
    pub grain: Vec<String>,
    /// The relations that a view reads; empty for tables.
    pub reads: Vec<String>,
    /// What to know before believing the numbers.
    pub notes: Vec<String>,
    /// The columns, in order.
    pub columns: Vec<ColumnDescription>,
}

/// A type of the engine in the words of SQL.
pub fn sql_type(engine_type: &str) -> &str {
    match engine_type {
        "Utf8" | "Utf8View" | "LargeUtf8" => "text",
        "Boolean" => "boolean",
        "Int64" => "bigint",
        "Int8" => "tinyint",
        "Int16" => "smallint",
        "Int32" => "int",
        "Float32" => "real",
        "Float64" => "double",
        "Date32" => "date",
        "Binary" | "BinaryView" | "LargeBinary" => "bytea",
        name if name.starts_with("Timestamp(") => "timestamp",
        name if name.starts_with("Map(") => "map",
        name if name.starts_with("Dictionary(") && name.contains("Utf8") => "text",
        name => name,
    }
}

/// The plan of `describe NAME` with types in the words of SQL, where the engine would tell its own; any other plan as it is.
pub(crate) fn with_sql_types(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let LogicalPlan::DescribeTable(DescribeTable { schema, .. }) = &plan else { return Ok(plan) };
    let row = |field: &arrow_schema::FieldRef| {
        let type_name = field.data_type().to_string();
        let nullable = if field.is_nullable() { "YES" } else { "NO" };
        vec![lit(field.name().as_str()), lit(sql_type(&type_name)), lit(nullable)]
    };
    let names = ["column_name", "data_type", "is_nullable"];
    let columns = names.iter().enumerate().map(|(index, name)| col(format!("column{}", index + 1)).alias(*name));
    let rows = LogicalPlanBuilder::values(schema.fields().iter().map(row).collect());
    let described = rows.and_then(|rows| rows.project(columns)).and_then(LogicalPlanBuilder::build);
    described.map_err(QueryError::planning)
}

/// The plan of `show tables`: what a statement can name, in order, without the catalogue that the engine keeps it in.
pub(crate) fn tables_in_order(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let named = LogicalPlanBuilder::from(plan).filter(col("table_schema").not_eq(lit("information_schema")));
    let shown = named.and_then(|named| named.project([col("table_name"), col("table_type")]));
    let ordered = shown.and_then(|shown| shown.sort([col("table_name").sort(true, false)]));
    ordered.and_then(LogicalPlanBuilder::build).map_err(QueryError::planning)
}

/// Whether a statement is `show tables`, of all of them.
pub(crate) fn shows_tables(statement: &Statement) -> bool {
    let Statement::Statement(statement) = statement else { return false };
    matches!(statement.as_ref(), SqlStatement::ShowTables { .. })
}

impl Session {
    /// Describes a table or a view.
    ///
    /// # Errors
    /// [`QueryError::UnknownRelation`], or why the relation cannot be opened.
    pub async fn describe(&self, name: &str) -> Result<RelationDescription, QueryError> {
        let schema = self.schema_of(name).await?;
        let view = self.view(name);
        let column = |field: &arrow_schema::FieldRef| ColumnDescription {
            name: field.name().clone(),
            type_name: field.data_type().to_string(),
            meaning: meaning(name, view, field.name()),
        };
        Ok(RelationDescription {
            name: name.to_owned(),
            kind: if view.is_some() { RelationKind::View } else { RelationKind::Table },
            summary: view.map(|view| view.summary.clone()),
            grain: view.map(|view| view.grain.clone()).unwrap_or_default(),
            reads: view.map(|view| view.reads.clone()).unwrap_or_default(),
            notes: view.map(|view| view.notes.clone()).unwrap_or_default(),
            columns: schema.fields().iter().map(column).collect(),
        })
    }
}

fn meaning(relation: &str, view: Option<&ViewDefinition>, column: &str) -> Option<String> {
    let noted = view.and_then(|view| view.columns.iter().find(|note| note.name == column));
    if let Some(note) = noted {
        return Some(note.meaning.clone());
    }
    if let Some(meaning) = column_meaning(relation, column) {
        return Some(meaning.to_owned());
    }
    let of_events = schema::COLUMNS.iter().find(|known| known.name == column).map(|known| known.summary);
    of_events.or_else(|| partition_meaning(column)).map(str::to_owned)
}

fn partition_meaning(column: &str) -> Option<&'static str> {
    match column {
        schema::EVENT_GROUP => Some("partition: kms for events of KMS, other for all others"),
        schema::EVENT_MONTH => Some("partition: month of event_time, YYYY-MM, or unknown where it has none"),
        _ => None,
    }
}
