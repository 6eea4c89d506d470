//! `keytrail key KEY`: the verdict on one key, and everything that it rests on.

use std::io::Write as _;

use keytrail_query::{KeyQuestion, Verdict, key_answer};

use crate::args::{KeyArguments, PageFormat};
use crate::errors::{CliError, Exit};
use crate::output::DataWriter;
use crate::{escape, pages, session};

/// Asks and shows the page, or its data.
pub(crate) async fn run(arguments: &KeyArguments) -> Result<Exit, CliError> {
    let session = session::over_lake(&arguments.lake, &arguments.engine).await?;
    let question = KeyQuestion { key: arguments.key.clone(), at: arguments.at, min_window: arguments.min_window };
    let mut answer = key_answer(&session, &question).await?;
    if arguments.hash_contexts {
        answer.hash_context_values();
    }
    let mut out = DataWriter::stdout();
    match arguments.format {
        PageFormat::Table => out.write_all(pages::key::page(&answer, out.destination()).as_bytes())?,
        PageFormat::Json => {
            let text = serde_json::to_string_pretty(&pages::key::json(&answer)).expect("a JSON value has a text");
            let text = if out.destination().is_terminal() { escape::lines(&text).into_owned() } else { text };
            writeln!(out, "{text}")?;
        }
    }
    if arguments.explain {
        out.write_all(escape::lines(&pages::key::explanation(&answer)).as_bytes())?;
    }
    out.finish()?;
    Ok(match answer.verdict.verdict {
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::InUse | Verdict::BlockedDemand if arguments.exit_on_finding => Exit::Finding,
        _ => Exit::Done,
    })
}
