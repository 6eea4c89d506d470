//! `keytrail sql`: statements from the command line, from files, from a pipe, or at the prompt.

use crate::args::{Script, SqlArguments};
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::render::Format;
use crate::repl::{self, Prompt};
use crate::session::{SqlSession, for_sql};
use crate::signals::Interruption;
use crate::statements;

/// Runs the statements, or opens the prompt when a person sits at the terminal and named none.
pub(crate) async fn run(
    mut arguments: SqlArguments,
    interruption: &Interruption,
    is_verbose: bool,
) -> Result<Exit, CliError> {
    if arguments.scripts.0.is_empty() {
        if output::stdin_is_terminal() {
            return run_prompt(arguments, interruption).await;
        }
        arguments.scripts.0.push(Script::File("-".into()));
    }
    let statements = statements::read_all(&arguments.scripts.0)?;
    let session = for_sql(&arguments).await?;
    let mut out = DataWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format.unwrap_or_else(|| Format::default_for(out.destination()));
    if format.is_binary() && statements.len() != 1 {
        return Err(CliError::usage(format!("this format holds one result, not {}", statements.len())));
    }
    for sql in &statements {
        let outcome = statements::run(&session, sql, &arguments.parameters, format, &mut out).await;
        // What was written before a failure is shown before the failure is told.
        std::io::Write::flush(&mut out)?;
        let outcome = outcome?;
        if is_verbose {
            statements::note_rows(outcome);
        }
        if is_verbose || arguments.timing {
            statements::note_time(outcome);
        }
    }
    out.finish()?;
    Ok(exit_of_rejects(&session))
}

/// An answer over logs is incomplete without the records that could not be taken.
fn exit_of_rejects(session: &SqlSession) -> Exit {
    let rejects = session.session.raw_rejects();
    for (log_file, count) in &rejects {
        output::note(format!("note: {count} records rejected, the answer is incomplete: {log_file}"));
    }
    if rejects.is_empty() { Exit::Done } else { Exit::Incomplete }
}

async fn run_prompt(arguments: SqlArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let session = for_sql(&arguments).await?;
    let prompt = Prompt::try_new(session, arguments.parameters, arguments.output.format)?;
    repl::run(prompt.with_timing(arguments.timing), interruption).await
}
