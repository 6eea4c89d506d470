//! The statements of `-c`, `-f` and stdin, each with the place that it comes from.
//!
//! It runs none of them.

use std::io::{self, Read as _};
use std::path::Path;

use fs_err as fs;
use keytrail_query::{QueryError, Session, diagnose_syntax};

use crate::args::Script;
use crate::errors::CliError;
use crate::excerpt::{Origin, excerpt};
use crate::hints;
use crate::repl;

/// A statement and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptStatement {
    /// Its text.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) origin: Origin,
}

/// The statements of all scripts, in order.
///
/// # Errors
/// When a file cannot be read or a text ends within a quote.
pub(crate) fn read_all(scripts: &[Script]) -> Result<Vec<ScriptStatement>, CliError> {
    let mut statements = Vec::new();
    for script in scripts {
        match script {
            Script::Text(text) => statements.extend(split(text, None)?),
            Script::File(path) if path.as_os_str() == "-" => statements.extend(split(&read_stdin()?, Some("stdin"))?),
            Script::File(path) => {
                let name = path.display().to_string();
                let text = fs::read_to_string(path).map_err(|error| unread(path, &error))?;
                // Editors on Windows begin UTF-8 with a byte order mark.
                statements.extend(split(text.strip_prefix('\u{feff}').unwrap_or(&text), Some(&name))?);
            }
        }
    }
    Ok(statements)
}

/// A file that cannot be read, with those beside it that may have been meant.
fn unread(path: &Path, error: &io::Error) -> CliError {
    let told = CliError::input_output(format!("cannot read `{}`", path.display()), error);
    match error.kind() {
        io::ErrorKind::NotFound => hints::of_missing(path).into_iter().fold(told, CliError::with_hint),
        _ => told,
    }
}

/// The statements of a text; `name` is that of the file which holds it.
fn split(text: &str, name: Option<&str>) -> Result<Vec<ScriptStatement>, CliError> {
    let statements = Session::statements(text).map_err(|error| unsplit(text, name, error))?;
    let with_origin = statements.into_iter().map(|statement| ScriptStatement {
        text: statement.text,
        origin: origin(name, statement.line, statement.column),
    });
    Ok(with_origin.collect())
}

fn origin(name: Option<&str>, line: usize, column: usize) -> Origin {
    name.map_or(Origin::Typed, |name| Origin::Named { name: name.to_owned(), line, column })
}

/// Refuses a statement that begins with a command of the prompt.
///
/// # Errors
/// When it does.
pub(crate) fn refuse_command(statement: &ScriptStatement) -> Result<(), CliError> {
    let Some(word) = repl::command_word(&statement.text) else { return Ok(()) };
    let error = CliError::usage(format!("commands work at the prompt only, not in scripts: `{word}`"));
    let hint = repl::instead_of_command(word).unwrap_or("leave it out; the prompt is `keytrail sql` on a terminal");
    Err(error.with_hint(hint).at(excerpt(&statement.text, Some(&(0..word.len())), &statement.origin)))
}

/// A text that ends within quotes or a comment.
fn unsplit(text: &str, name: Option<&str>, error: QueryError) -> CliError {
    let diagnosis = diagnose_syntax(text, &error);
    let lines = excerpt(text, diagnosis.place.as_ref(), &origin(name, 1, 1));
    CliError::from(error).about(&diagnosis, lines)
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CliError::input_output("cannot read statements from stdin", &error))?;
    Ok(text)
}
