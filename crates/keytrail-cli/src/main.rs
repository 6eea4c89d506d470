//! The `keytrail` command: wires the command line to the commands and their outcome to an exit code.

mod args;
mod commands;
mod errors;
mod escape;
mod output;
mod pages;
mod progress;
mod render;
mod repl;
mod session;
mod signals;
mod statements;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Arguments;
use crate::errors::{CliError, Exit};
use crate::signals::{Ended, supervise};

/// Deeply nested SQL is planned recursively; pages that are not touched cost nothing.
const THREAD_STACK_BYTES: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(arguments);
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) if error.is_broken_pipe() => Exit::Done.into(),
        Err(error) => {
            output::error(&error);
            error.exit().into()
        }
    }
}

fn run(arguments: Arguments) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build()
        .map_err(|error| CliError::input_output("cannot start threads", &error))?;
    let ended =
        runtime.block_on(supervise(move |interruption| commands::run(arguments, interruption), THREAD_STACK_BYTES));
    // A stopped command may still be computing; nobody waits for it.
    runtime.shutdown_background();
    match ended.map_err(|error| CliError::input_output("cannot listen to signals", &error))? {
        Ended::ByItself(outcome) => outcome,
        Ended::Panicked => Err(CliError::new(Exit::Software, "this is a bug in keytrail")
            .with_hint("please report it with the command and the lines above")),
        Ended::Stopped(signal) => Ok(signal.into()),
    }
}
