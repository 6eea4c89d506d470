//! `keytrail import FILE...`: what the AWS CLI printed about keys and who may use them, into the lake.

use keytrail_convert::inventory::{ImportOptions, ImportSummary, Outputs, read_outputs};
use keytrail_lake::LakeError;

use crate::args::ImportArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::count_text;
use crate::{clock, session};

/// Said once when a file was refused.
const ACCEPTED: &str = "what can be imported is JSON (or gzip of it) as these print it with --output json: aws kms list-keys, describe-key,
      list-aliases, get-key-policy, list-grants, get-key-rotation-status, list-key-rotations, list-resource-tags, get-key-last-usage;
      aws iam get-account-authorization-details; aws cloudtrail describe-trails, get-trail, get-trail-status, get-event-selectors, list-tags;
      `scripts/collect-inventory` collects all of it";

/// Imports and says what was found; refused files end it with [`Exit::Incomplete`].
pub(crate) async fn run(arguments: &ImportArguments) -> Result<Exit, CliError> {
    if let Some(absent) = arguments.paths.first().filter(|_| !arguments.paths.iter().any(|path| path.exists())) {
        return Err(CliError::new(Exit::NoInput, format!("no such file or folder: `{}`", absent.display())));
    }
    let opened = session::try_open_lake(&arguments.lake).await?;
    let options =
        ImportOptions { paths: arguments.paths.clone(), snapshot_time: arguments.as_of, started: clock::now() };
    let outputs = read_outputs(&options);
    if outputs.summary().files == 0 {
        return Err(nothing_to_import(arguments));
    }
    let summary = match opened {
        Err(LakeError::NotALake { .. }) => add_to_new_lake(outputs, arguments).await?,
        Err(error) => return Err(error.into()),
        Ok(lake) => outputs.add_to(&lake).await?,
    };
    report(&summary);
    if arguments.json {
        let mut out = DataWriter::stdout();
        output::data_line(&mut out, &json(&summary).to_string())?;
        out.finish()?;
    }
    let is_whole = summary.rejected.is_empty() && summary.truncated.is_empty() && summary.without_key == 0;
    Ok(if is_whole { Exit::Done } else { Exit::Incomplete })
}

/// A lake is made for items: a wrong path leaves nothing behind.
async fn add_to_new_lake(outputs: Outputs, arguments: &ImportArguments) -> Result<ImportSummary, CliError> {
    let location = session::lake_location(&arguments.lake)?;
    if outputs.is_empty() {
        output::warning(format!("there is nothing to add, and no lake is made: {location}"));
        return Ok(outputs.summary().clone());
    }
    output::warning(format!("no lake is there yet, one is made: {location}"));
    Ok(outputs.add_to(&session::create_or_open_lake(&arguments.lake).await?).await?)
}

fn nothing_to_import(arguments: &ImportArguments) -> CliError {
    let places: Vec<_> = arguments.paths.iter().map(|path| path.display().to_string()).collect();
    CliError::new(Exit::NoInput, format!("no .json or .json.gz file is there: {}", places.join(", ")))
        .with_hint("`scripts/collect-inventory FOLDER` prints into a folder, with the AWS CLI, what can be imported")
}

fn report(summary: &ImportSummary) {
    for (path, reason) in &summary.rejected {
        output::note(format!("not imported: {}: {reason}", path.display()));
    }
    if !summary.rejected.is_empty() {
        output::hint(ACCEPTED);
    }
    for path in &summary.truncated {
        output::finding(format!(
            "{}: a page of a list, which says that more follow: print all of them (the AWS CLI does so without --max-items and --no-paginate)",
            path.display()
        ));
    }
    let items: Vec<String> =
        summary.items.iter().map(|(kind, count)| format!("{} {kind}", count_text(*count))).collect();
    let found = if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    output::note(format!("files: {} with {found}", count_text(summary.files)));
    if summary.without_key > 0 {
        output::note(format!(
            "{} items do not tell which key they are about: name their files ACCOUNT/REGION/…/KEY-ID.json",
            count_text(summary.without_key)
        ));
    }
    if summary.is_known {
        output::note("imported before: nothing was added");
    } else if summary.known_items > 0 {
        output::note(format!("imported before, and not added again: {} items", count_text(summary.known_items)));
    }
}

fn json(summary: &ImportSummary) -> serde_json::Value {
    serde_json::json!({
        "files": summary.files,
        "items": summary.items,
        "without_key": summary.without_key,
        "rejected": summary.rejected.len(),
        "truncated": summary.truncated.len(),
        "known_items": summary.known_items,
        "is_known": summary.is_known,
    })
}
