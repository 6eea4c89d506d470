//! `keytrail sql`: statements from the command line, from files, from a pipe, or at the prompt.

use std::io::Write as _;
use std::path::Path;

use keytrail_query::has_parameter;

use crate::args::{Script, SqlArguments};
use crate::errors::{CliError, Exit};
use crate::hints::{as_command, is_statement, shell_word};
use crate::init;
use crate::output::{self, DataWriter};
use crate::progress::counted;
use crate::render::Format;
use crate::repl::{self, Prompt};
use crate::scripts::{self, ScriptStatement};
use crate::session::{SqlSession, for_sql};
use crate::signals::Interruption;
use crate::statements;

/// Runs the statements, or opens the prompt when a person sits at the terminal and named none.
pub(crate) async fn run(
    mut arguments: SqlArguments,
    interruption: &Interruption,
    is_verbose: bool,
) -> Result<Exit, CliError> {
    if let Some(text) = &arguments.misplaced {
        return Err(misplaced(text));
    }
    if arguments.scripts.0.is_empty() {
        if output::stdin_is_terminal() {
            return run_prompt(arguments, interruption).await;
        }
        arguments.scripts.0.push(Script::File("-".into()));
    }
    refuse_init(arguments.init.as_deref())?;
    arguments.timing |= is_verbose;
    let statements = scripts::read_all(&arguments.scripts.0)?;
    note_unused(&arguments.parameters, &statements);
    let session = for_sql(&arguments).await?;
    let mut out = DataWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format_for(out.destination());
    let is_one = format.is_binary() || (format.is_document() && arguments.output.output.is_some());
    if is_one && statements.len() != 1 {
        return Err(CliError::usage(format!("this format holds one result, not {}", statements.len()))
            .with_hint("write each result to a file of its own with `-o FILE`"));
    }
    let mut script = ScriptRun { session: &session, arguments: &arguments, format, is_verbose };
    let failure = script.run_all(&statements, &mut out).await?;
    out.finish()?;
    Ok(failure.unwrap_or_else(|| exit_of_rejects(&session)))
}

/// A text without an argument's name: a statement, or the place of a lake or a file.
fn misplaced(text: &str) -> CliError {
    let is_place = text.starts_with("s3://") || Path::new(text).exists();
    let hint = if is_statement(text) || !is_place {
        as_command(text)
    } else {
        format!(
            "a lake is given with --lake, logs with --raw, a file of statements with -f: `--lake {}`",
            shell_word(text)
        )
    };
    CliError::usage(format!("unexpected argument: `{text}`")).with_hint(hint)
}

/// Refuses `--init` where there is no prompt; a file in the environment stands back.
fn refuse_init(asked: Option<&Path>) -> Result<(), CliError> {
    let from_environment = std::env::var_os("KEYTRAIL_INIT");
    if asked.is_none() || asked.map(Path::as_os_str) == from_environment.as_deref() {
        return Ok(());
    }
    Err(CliError::usage("`--init` is for the prompt, and this is a script")
        .with_hint("statements of a file come first with `-f FILE`, values are given with `--param NAME=VALUE`"))
}

/// Tells parameters that no statement has; their names are most often misspelt.
fn note_unused(parameters: &[(String, String)], statements: &[ScriptStatement]) {
    for (name, _) in parameters {
        let bare = name.split(':').next().unwrap_or(name);
        if !statements.iter().any(|statement| has_parameter(&statement.text, bare)) {
            output::warning(format!("no statement has the parameter `${bare}`"));
        }
    }
}

/// A run of statements without a person.
struct ScriptRun<'a> {
    session: &'a SqlSession,
    arguments: &'a SqlArguments,
    format: Format,
    is_verbose: bool,
}

impl ScriptRun<'_> {
    /// Runs all statements, or those up to the first failure; gives the exit code of the first failure that was gone over.
    async fn run_all(
        &mut self,
        statements: &[ScriptStatement],
        out: &mut DataWriter,
    ) -> Result<Option<Exit>, CliError> {
        let mut failure = None;
        for statement in statements {
            match self.run(statement, out).await {
                Ok(()) => {}
                Err(error) if error.is_broken_pipe() || !self.arguments.keep_going => return Err(error),
                Err(error) => {
                    output::error(&error);
                    failure = failure.or(Some(error.exit()));
                }
            }
        }
        Ok(failure)
    }

    async fn run(&self, statement: &ScriptStatement, out: &mut DataWriter) -> Result<(), CliError> {
        scripts::refuse_command(statement)?;
        let parameters = &self.arguments.parameters;
        let outcome = statements::run(self.session, &statement.text, parameters, self.format, out).await;
        // What was written before a failure is shown before the failure is told.
        out.flush()?;
        let outcome = outcome.map_err(|error| self.session.locate(error, &statement.text, &statement.origin))?;
        statements::note_absent_values(self.session, &statement.text, parameters, outcome).await;
        if self.is_verbose {
            statements::note_rows(outcome);
        }
        if self.arguments.timing {
            statements::note_time(outcome);
        }
        Ok(())
    }
}

/// An answer over logs is incomplete without the records that could not be taken.
fn exit_of_rejects(session: &SqlSession) -> Exit {
    let rejects = session.session.raw_rejects();
    for (log_file, count) in &rejects {
        output::warning(format!("{} rejected, the answer is incomplete: {log_file}", counted(*count, "record")));
    }
    if rejects.is_empty() { Exit::Done } else { Exit::Incomplete }
}

async fn run_prompt(arguments: SqlArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let init = init::read(arguments.init.as_deref(), arguments.no_init)?;
    let session = for_sql(&arguments).await?;
    let format = arguments.output.format.map(|format| if arguments.output.csv_raw { format.raw() } else { format });
    let prompt = Prompt::try_new(session, arguments.parameters, format)?;
    let prompt = prompt.with_output(arguments.output.output)?.with_timing(arguments.timing).with_init(init);
    repl::run(prompt, interruption).await
}
