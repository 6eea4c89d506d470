//! Statements: where their text comes from, running one, and its rows in a format.
//!
//! It plans nothing: a statement is the query crate's business, a row the renderer's.

use std::io::Read as _;
use std::time::{Duration, Instant};

use fs_err as fs;
use keytrail_query::{QueryResult, Session};

use crate::args::Script;
use crate::errors::CliError;
use crate::output::{self, DataWriter};
use crate::render::{Format, renderer};
use crate::session::SqlSession;

/// What running a statement gave, beside its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Rows written.
    pub(crate) row_count: u64,
    /// Time from the statement to its last row.
    pub(crate) elapsed: Duration,
}

/// The statements of all scripts, in order.
///
/// # Errors
/// When a file cannot be read or a text ends within a quote.
pub(crate) fn read_all(scripts: &[Script]) -> Result<Vec<String>, CliError> {
    let mut statements = Vec::new();
    for script in scripts {
        let text = match script {
            Script::Text(text) => text.clone(),
            Script::File(path) if path.as_os_str() == "-" => read_stdin()?,
            Script::File(path) => fs::read_to_string(path)
                .map_err(|error| CliError::input_output(format!("cannot read `{}`", path.display()), &error))?,
        };
        statements.extend(Session::split_statements(&text)?);
    }
    Ok(statements)
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CliError::input_output("cannot read statements from stdin", &error))?;
    Ok(text)
}

/// Runs one statement and writes its rows.
///
/// # Errors
/// When the statement fails or the rows cannot be written; rows before the failure are written.
pub(crate) async fn run(
    session: &SqlSession,
    sql: &str,
    parameters: &[(String, String)],
    format: Format,
    out: &mut DataWriter,
) -> Result<Outcome, CliError> {
    let start = Instant::now();
    let result = session.session.execute(sql, parameters).await.map_err(|error| session.tell(error))?;
    let row_count = write_rows(result, format, out).await?;
    Ok(Outcome { row_count, elapsed: start.elapsed() })
}

/// Writes the rows of a result as they come; returns how many there were.
///
/// # Errors
/// When the query fails on its way or the rows cannot be written.
pub(crate) async fn write_rows(mut result: QueryResult, format: Format, out: &mut DataWriter) -> Result<u64, CliError> {
    let mut renderer = renderer(format, &result.schema, out)?;
    let mut row_count = 0;
    while let Some(batch) = result.next().await? {
        row_count += batch.num_rows() as u64;
        renderer.write_batch(&batch)?;
    }
    renderer.finish()?;
    Ok(row_count)
}

/// `(2 rows)`, on stderr.
pub(crate) fn note_rows(outcome: Outcome) {
    let count = outcome.row_count;
    output::note(format!("({count} {})", row_word(count)));
}

/// `time: 12.3 ms`, on stderr; always in milliseconds, for programs that read it.
pub(crate) fn note_time(outcome: Outcome) {
    output::note(format!("time: {:.1} ms", outcome.elapsed.as_secs_f64() * 1e3));
}

/// `row` or `rows`.
fn row_word(count: u64) -> &'static str {
    if count == 1 { "row" } else { "rows" }
}

/// Milliseconds up to ten seconds, then seconds.
pub(crate) fn duration_text(elapsed: Duration) -> String {
    if elapsed.as_secs() < 10 {
        format!("{} ms", elapsed.as_millis())
    } else {
        format!("{:.1} s", elapsed.as_secs_f64())
    }
}
