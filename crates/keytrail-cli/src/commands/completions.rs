//! `keytrail completions`: a completion script for a shell, made from the command line's own definition.

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArguments};
use crate::errors::{CliError, Exit};
use crate::output::DataWriter;

/// Prints the script.
pub(crate) fn run(arguments: &CompletionsArguments) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "keytrail", &mut script);
    let mut out = DataWriter::stdout();
    std::io::Write::write_all(&mut out, &script)?;
    out.finish()?;
    Ok(Exit::Done)
}
