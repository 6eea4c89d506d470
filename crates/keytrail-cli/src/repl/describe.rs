//! `\d`, `\dv` and `\d NAME`: what there is to ask and what its columns mean.
//!
//! The facts come from the query crate; here they become rows for the renderer.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use keytrail_query::{RelationDescription, RelationKind};

use super::input::Listing;
use crate::errors::CliError;
use crate::output::DataWriter;
use crate::pages::layout::Page;
use crate::render::{Format, renderer};
use crate::session::SqlSession;

/// Writes tables and views, or views only, with their summaries.
pub(crate) async fn list(session: &SqlSession, listing: Listing, format: Format) -> Result<(), CliError> {
    let tables = session.session.table_names();
    let tables = tables.iter().map(|name| (name.clone(), "table", table_summary(name).to_owned()));
    let views = session.session.views().map(|view| (view.name.clone(), "view", view.summary.clone()));
    let rows: Vec<_> = match listing {
        Listing::All => tables.chain(views).collect(),
        Listing::Views => views.collect(),
    };
    write_rows(
        &[
            ("name", strings(rows.iter().map(|(name, _, _)| name.as_str()))),
            ("kind", strings(rows.iter().map(|(_, kind, _)| *kind))),
            ("summary", strings(rows.iter().map(|(_, _, summary)| summary.as_str()))),
        ],
        format,
    )
}

/// Writes the columns of a relation; in full, what its header says goes first.
pub(crate) async fn relation(session: &SqlSession, name: &str, is_full: bool, format: Format) -> Result<(), CliError> {
    let relation = session.session.describe(name).await.map_err(|error| session.tell(error))?;
    if is_full {
        write_header(&relation)?;
    }
    let columns = &relation.columns;
    write_rows(
        &[
            ("column", strings(columns.iter().map(|column| column.name.as_str()))),
            ("type", strings(columns.iter().map(|column| sql_type(&column.type_name)))),
            ("meaning", strings(columns.iter().map(|column| column.meaning.as_deref().unwrap_or_default()))),
        ],
        format,
    )
}

/// Names of relations and their columns; a relation that cannot be opened still has its name.
pub(crate) async fn names(session: &SqlSession) -> Vec<String> {
    let views = session.session.views().map(|view| view.name.clone());
    let mut names: Vec<String> = session.session.table_names().into_iter().chain(views).collect();
    names.extend(keytrail_events::schema::table_schema().fields().iter().map(|field| field.name().clone()));
    let noted = session.session.views().flat_map(|view| &view.columns).map(|column| column.name.clone());
    names.extend(noted);
    names
}

fn write_header(relation: &RelationDescription) -> Result<(), CliError> {
    let mut out = DataWriter::stdout();
    let mut page = Page::for_destination(out.destination());
    let kind = match relation.kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
    };
    page.heading(&format!("{kind} {}", relation.name));
    relation.summary.iter().for_each(|summary| page.line(summary));
    for (label, names) in [("grain:", &relation.grain), ("reads:", &relation.reads)] {
        if !names.is_empty() {
            page.fact(label, &names.join(", "));
        }
    }
    relation.notes.iter().for_each(|note| page.fact("note:", note));
    writeln!(out, "{}", page.into_text())?;
    Ok(out.finish()?)
}

/// What a table of a lake is, as the views say it of themselves in their headers.
fn table_summary(name: &str) -> &'static str {
    match name {
        "events" => "Every event record, one row each",
        "log_files" => "The ledger: every log file ever seen and what became of it",
        "rejects" => "What could not be taken: where it was, why, and its bytes",
        _ => "",
    }
}

/// The engine's type in the words of SQL.
fn sql_type(engine_type: &str) -> &str {
    match engine_type {
        "Utf8" | "Utf8View" | "LargeUtf8" => "text",
        "Boolean" => "boolean",
        "Int64" => "bigint",
        "Int32" => "int",
        "Float64" => "double",
        "Date32" => "date",
        "Binary" | "BinaryView" | "LargeBinary" => "bytea",
        name if name.starts_with("Timestamp(") => "timestamp",
        name if name.starts_with("Map(") => "map",
        name if name.starts_with("Dictionary(") && name.contains("Utf8") => "text",
        name => name,
    }
}

fn strings<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

fn write_rows(columns: &[(&str, ArrayRef)], format: Format) -> Result<(), CliError> {
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, Arc::clone(column))))?;
    let mut out = DataWriter::stdout();
    let mut renderer = renderer(format, &batch.schema(), &mut out)?;
    renderer.write_batch(&batch)?;
    renderer.finish()?;
    Ok(out.finish()?)
}
