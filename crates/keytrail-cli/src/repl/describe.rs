//! `\d`, `\d+`, `\dv`, `\df` and `.schema`: what there is to ask and what its columns mean.
//!
//! The facts come from the query crate; here they become rows and pages.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use keytrail_query::{FunctionKind, RelationDescription, RelationKind, examples, sql_type};

use crate::errors::CliError;
use crate::escape;
use crate::output::DataWriter;
use crate::pages::layout::Page;
use crate::render::{Format, renderer};
use crate::session::SqlSession;

/// What `\d+` shows for a relation that no ready question reads.
const EXAMPLE: &str = include_str!("../../../../sql/templates/relation_example.sql");

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// Tables and views.
    All,
    /// Views only.
    Views,
}

/// Writes tables and views, or views only, with their summaries.
pub(super) fn list(
    session: &SqlSession,
    listing: Listing,
    format: Format,
    out: &mut DataWriter,
) -> Result<(), CliError> {
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
        out,
    )
}

/// Writes the functions that have `part` in their name.
pub(super) fn functions(
    session: &SqlSession,
    part: &str,
    format: Format,
    out: &mut DataWriter,
) -> Result<(), CliError> {
    let part = part.to_lowercase();
    let functions: Vec<_> =
        session.session.functions().into_iter().filter(|function| function.name.contains(&part)).collect();
    if functions.is_empty() {
        return Err(
            CliError::usage(format!("no function has this in its name: `{part}`")).with_hint("`\\df` lists all")
        );
    }
    let kind = |kind| match kind {
        FunctionKind::Scalar => "scalar",
        FunctionKind::Aggregate => "aggregate",
        FunctionKind::Window => "window",
    };
    write_rows(
        &[
            ("name", strings(functions.iter().map(|function| function.name.as_str()))),
            ("kind", strings(functions.iter().map(|function| kind(function.kind)))),
            ("gives", strings(functions.iter().map(|function| first_sentence(&function.description)))),
        ],
        format,
        out,
    )
}

/// Writes the columns of a relation.
pub(super) async fn columns(
    session: &SqlSession,
    name: &str,
    format: Format,
    out: &mut DataWriter,
) -> Result<(), CliError> {
    write_columns(&described(session, name).await?, format, out)
}

/// Writes everything about a relation: what its header says, its columns, its SQL and an example.
pub(super) async fn in_full(session: &SqlSession, name: &str, out: &mut DataWriter) -> Result<(), CliError> {
    let relation = described(session, name).await?;
    write_page(out, |page| push_header(&relation, page))?;
    writeln!(out)?;
    write_columns(&relation, Format::Table, out)?;
    if let Some(sql) = session.session.view(name).map(|view| view.sql.as_str()) {
        writeln!(out, "\nSQL\n{}", indented(without_header(sql)))?;
    }
    let (question, sql) = example(name);
    writeln!(out, "\nexample: {question}\n{};", indented(&sql))?;
    Ok(())
}

/// Writes the SQL of a view, or the columns of a table.
pub(super) async fn definition(
    session: &SqlSession,
    name: &str,
    format: Format,
    out: &mut DataWriter,
) -> Result<(), CliError> {
    match session.session.view(name) {
        Some(view) => Ok(writeln!(out, "{}", escape::lines(view.sql.trim_end()))?),
        None => columns(session, name, format, out).await,
    }
}

async fn described(session: &SqlSession, name: &str) -> Result<RelationDescription, CliError> {
    session.session.describe(name).await.map_err(|error| session.tell_name(error))
}

fn write_columns(relation: &RelationDescription, format: Format, out: &mut DataWriter) -> Result<(), CliError> {
    let columns = &relation.columns;
    write_rows(
        &[
            ("column", strings(columns.iter().map(|column| column.name.as_str()))),
            ("type", strings(columns.iter().map(|column| sql_type(&column.type_name)))),
            ("meaning", strings(columns.iter().map(|column| column.meaning.as_deref().unwrap_or_default()))),
        ],
        format,
        out,
    )
}

fn write_page(out: &mut DataWriter, push: impl FnOnce(&mut Page)) -> Result<(), CliError> {
    let mut page = Page::for_destination(out.destination());
    push(&mut page);
    Ok(out.write_all(page.into_text().as_bytes())?)
}

fn push_header(relation: &RelationDescription, page: &mut Page) {
    let kind = match relation.kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
    };
    page.heading(&format!("{kind} {}", escape::line(&relation.name)));
    match &relation.summary {
        Some(summary) => page.line(summary),
        None => page.line(table_summary(&relation.name)),
    }
    for (label, names) in [("grain:", &relation.grain), ("reads:", &relation.reads)] {
        if !names.is_empty() {
            page.fact(label, &names.join(", "));
        }
    }
    relation.notes.iter().for_each(|note| page.fact("note:", note));
}

/// A ready question that reads the relation, the one that reads nothing else before all; else its first rows.
fn example(name: &str) -> (String, String) {
    let readers = examples().iter().filter(|example| example.reads.iter().any(|read| read == name));
    match readers.min_by_key(|example| example.reads.len()) {
        Some(example) => (example.question.clone(), example.sql.clone()),
        None => ("the first rows".to_owned(), EXAMPLE.replace("{relation}", name).trim_end().to_owned()),
    }
}

/// The statement below the lines about it.
fn without_header(sql: &str) -> &str {
    let header: usize = sql.split_inclusive('\n').take_while(|line| line.starts_with("--")).map(str::len).sum();
    sql[header..].trim()
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("  {}", escape::line(line)).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn first_sentence(text: &str) -> &str {
    let text = text.trim();
    text.split_once(". ").map_or(text, |(sentence, _)| sentence).trim_end_matches('.')
}

/// What a table of a lake is, as the views say it of themselves in their headers.
fn table_summary(name: &str) -> &'static str {
    match name {
        "events" => "Every event record, one row each",
        "log_files" => "The ledger: every log file ever seen and what became of it",
        "rejects" => "What could not be taken: where it was, why, and its bytes",
        "runs" => "Every conversion that changed the lake: when, and how much",
        "inventory" => "What the AWS CLI printed beside the logs, as dated snapshots",
        _ => "",
    }
}

fn strings<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// Writes rows of texts, as columns where the format would be a picture or one line per value.
pub(super) fn write_rows(columns: &[(&str, ArrayRef)], format: Format, out: &mut DataWriter) -> Result<(), CliError> {
    let format = if matches!(format, Format::Plot | Format::Vertical) { Format::Table } else { format };
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, Arc::clone(column))))?;
    let mut renderer = renderer(format, &batch.schema(), out)?;
    renderer.write_batch(&batch)?;
    renderer.finish()
}

#[cfg(test)]
mod tests {
    use keytrail_query::view_catalogue;

    use super::*;

    #[test]
    fn every_view_has_an_example_and_its_sql_without_the_header() {
        for view in view_catalogue() {
            let (question, sql) = example(&view.name);
            assert!(sql.contains(&format!("from {}", view.name)) && !question.is_empty(), "{}", view.name);
            let sql = without_header(&view.sql);
            assert!(sql.starts_with("select") || sql.starts_with("with"), "{}: {sql}", view.name);
        }
    }

    #[test]
    fn descriptions_are_shown_by_their_first_sentence() {
        assert_eq!(first_sentence("Gives one. And two."), "Gives one");
        assert_eq!(first_sentence("\nGives 1.5 of it."), "Gives 1.5 of it");
    }
}
