//! One file per command: parse, call one library function, render.

mod check;
mod compact;
mod completions;
mod convert;
mod coverage;
mod demo;
mod export;
mod import;
mod key;
mod sql;
mod views;

pub(crate) use self::coverage::COVERAGE_SQL;
use crate::args::{Arguments, Command};
use crate::errors::{CliError, Exit};
use crate::signals::Interruption;

/// Runs the command of the command line.
pub(crate) async fn run(arguments: Arguments, interruption: Interruption) -> Result<Exit, CliError> {
    let is_verbose = arguments.verbose > 0;
    match arguments.command {
        Command::Convert(arguments) => convert::run(&arguments, &interruption).await,
        Command::Sql(arguments) => sql::run(arguments, &interruption, is_verbose).await,
        Command::Key(arguments) => key::run(&arguments).await,
        Command::Coverage(arguments) => coverage::run(&arguments).await,
        Command::Check(arguments) => check::run(&arguments).await,
        Command::Import(arguments) => import::run(&arguments).await,
        Command::Compact(arguments) => compact::run(&arguments, &interruption).await,
        Command::Export(arguments) => export::run(&arguments).await,
        Command::Views(arguments) => views::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, &interruption).await,
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Report(_) => Err(not_yet("report")),
        Command::Verify(_) => Err(not_yet("verify")),
    }
}

fn not_yet(command: &str) -> CliError {
    CliError::usage(format!("not available in this version: `{command}`"))
}
