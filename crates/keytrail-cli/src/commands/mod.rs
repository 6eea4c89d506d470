//! One file per command: parse, call one library function, render.

mod check;
mod compact;
mod completions;
mod connect;
mod convert;
mod coverage;
mod demo;
mod export;
mod import;
mod key;
mod man;
mod sql;
mod vacuum;
mod verify;
mod views;

use keytrail_lake::{MAX_RETRIES, RETRY_BUDGET, RequestCounts};

pub(crate) use self::coverage::BY_PLACE;
pub(crate) use self::key::{ALIASES_SQL, answer_key, unseen_note};
use crate::args::{Arguments, Command};
use crate::errors::{CliError, Exit};
use crate::hints::{did_you_mean, similar_regions};
use crate::signals::Interruption;
use crate::{output, session};

/// Runs the command of the command line.
pub(crate) async fn run(arguments: Arguments, interruption: Interruption) -> Result<Exit, CliError> {
    let region = region(&arguments.command);
    let is_verbose = arguments.verbose > 0;
    let outcome = run_command(arguments, interruption).await;
    if is_verbose {
        note_requests(&session::requests().counts());
    }
    outcome.map_err(|error| doubt_region(error, region.as_deref()))
}

async fn run_command(arguments: Arguments, interruption: Interruption) -> Result<Exit, CliError> {
    let is_verbose = arguments.verbose > 0;
    match arguments.command {
        Command::Convert(arguments) => convert::run(&arguments, &interruption).await,
        Command::Sql(arguments) => sql::run(arguments, &interruption, is_verbose).await,
        Command::Key(arguments) => key::run(&arguments, &interruption).await,
        Command::Coverage(arguments) => coverage::run(&arguments, &interruption).await,
        Command::Check(arguments) => check::run(&arguments, is_verbose).await,
        Command::Verify(arguments) => verify::run(&arguments, is_verbose).await,
        Command::Import(arguments) => import::run(&arguments).await,
        Command::Compact(arguments) => compact::run(&arguments, &interruption).await,
        Command::Vacuum(arguments) => vacuum::run(&arguments).await,
        Command::Export(arguments) => export::run(&arguments).await,
        Command::Views(arguments) => views::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, &interruption).await,
        Command::Connect(arguments) => connect::run(&arguments).await,
        Command::Man(arguments) => man::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Tells what was asked of S3, if anything was.
fn note_requests(counts: &RequestCounts) {
    if counts.total() == 0 {
        return;
    }
    let RequestCounts { lists, gets, heads, puts, deletes, failures } = counts;
    output::note(format!("S3 requests: {lists} LIST, {gets} GET, {heads} HEAD, {puts} PUT, {deletes} DELETE"));
    if *failures > 0 {
        output::note(format!(
            "not served (429, 5xx or no answer): {failures} of them; each is sent again, at most {MAX_RETRIES} times within {} s",
            RETRY_BUDGET.as_secs()
        ));
    }
}

/// The region that a command was given, by an argument or by the environment.
fn region(command: &Command) -> Option<String> {
    let storage = match command {
        Command::Convert(arguments) => &arguments.lake.storage,
        Command::Sql(arguments) => &arguments.lake.storage,
        Command::Key(arguments) => &arguments.lake.storage,
        Command::Coverage(arguments) => &arguments.lake.storage,
        Command::Check(arguments) => &arguments.lake.storage,
        Command::Verify(arguments) => &arguments.storage,
        Command::Import(arguments) => &arguments.lake.storage,
        Command::Compact(arguments) => &arguments.lake.storage,
        Command::Vacuum(arguments) => &arguments.lake.storage,
        Command::Export(arguments) => &arguments.lake.storage,
        _ => return None,
    };
    let from_environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    storage.region.clone().or_else(from_environment)
}

/// A host of a region that does not exist is not found; the error alone does not tell why.
fn doubt_region(error: CliError, region: Option<&str>) -> CliError {
    let Some(region) = region.filter(|_| error.exit() == Exit::Unavailable) else {
        return error;
    };
    match did_you_mean(&similar_regions(region)) {
        Some(meant) => error.with_hint(format!("no region is known as `{region}`; {meant}")),
        None => error,
    }
}
