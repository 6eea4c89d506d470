//! The `keytrail` command: wires the command line to the commands and their outcome to an exit code.

mod args;
mod cache;
mod clock;
mod commands;
mod engine;
mod errors;
mod escape;
mod examples;
mod excerpt;
mod hints;
mod init;
mod lock;
mod output;
mod pager;
mod pages;
mod progress;
mod query_progress;
mod render;
mod repl;
mod scripts;
mod session;
mod signals;
mod spool;
mod statements;
mod time_limit;
mod values;

use std::mem;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Arguments;
use crate::engine::THREAD_STACK_BYTES;
use crate::errors::{CliError, Exit};
use crate::signals::{Ended, supervise};

/// A fifth of the time of `keytrail key` went to the system's allocator (perf, development profile).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = run(arguments);
    // Statements that were stopped may not have ended.
    session::spill_folders().remove();
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
    let no_threads = |error| CliError::input_output("cannot start threads", &error);
    let engine = engine::threads().map_err(no_threads)?;
    let watch = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
    let command = move |interruption| commands::run(arguments, interruption);
    let ended = watch.block_on(supervise(command, engine.handle().clone(), THREAD_STACK_BYTES));
    // A stopped command may still be computing; nobody waits for it, and its threads are not detached.
    mem::forget(engine);
    match ended.map_err(|error| CliError::input_output("cannot listen to signals", &error))? {
        Ended::ByItself(outcome) => outcome,
        Ended::Panicked => Err(CliError::new(Exit::Software, "this is a bug in keytrail")
            .with_hint("please report it with the command and the lines above")),
        Ended::Stopped(signal) => Ok(signal.into()),
    }
}
