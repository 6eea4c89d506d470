//! `keytrail key KEY`: the verdict on one key, and everything that it rests on.

use std::borrow::Cow;
use std::io::Write as _;

use keytrail_query::{KeyAnswer, KeyQuestion, QueryError, Session, Verdict, key_answer, similar_keys};

use crate::args::{KeyArguments, PageFormat};
use crate::errors::{CliError, Exit};
use crate::hints::{did_you_mean, shell_word, similar_regions};
use crate::output;
use crate::pager::PagedWriter;
use crate::signals::Interruption;
use crate::{escape, pages, session};

/// Asks and shows the page, or its data.
pub(crate) async fn run(arguments: &KeyArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let session = session::over_lake(&arguments.lake, &arguments.engine).await?;
    let question = KeyQuestion { key: arguments.key.clone(), at: arguments.at, min_window: arguments.min_window };
    let lake = arguments.lake.lake.as_deref().map_or(Cow::Borrowed("LAKE"), shell_word);
    let list = format!("keytrail sql --lake {lake} -c \"{ALIASES_SQL}\"");
    let mut answer = answer_key(&session, &question, &list, CliError::from).await?;
    if arguments.hash_contexts {
        answer.hash_context_values();
    }
    unseen_note(&answer).into_iter().for_each(output::warning);
    let mut paged = PagedWriter::open(None)?;
    let out = paged.data();
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
    paged.finish(interruption)?;
    Ok(match answer.verdict.verdict {
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::InUse | Verdict::BlockedDemand if arguments.exit_on_finding => Exit::Finding,
        _ => Exit::Done,
    })
}

/// Lists the aliases that the logs know.
pub(crate) const ALIASES_SQL: &str = "select alias_name, key_arn from kms_aliases";

/// Asks; a name that stands for no key is told with those that it may have meant, or with `list` that lists aliases; another
/// error as `tell` does.
pub(crate) async fn answer_key(
    session: &Session,
    question: &KeyQuestion,
    list: &str,
    tell: impl FnOnce(QueryError) -> CliError,
) -> Result<KeyAnswer, CliError> {
    match key_answer(session, question).await {
        Ok(answer) => Ok(answer),
        Err(error @ QueryError::KeyNotFound { .. }) => Err(not_found(session, &question.key, list, error).await),
        Err(error) => Err(tell(error)),
    }
}

/// A name that stands for no key, with those that it may have meant.
async fn not_found(session: &Session, key: &str, list: &str, error: QueryError) -> CliError {
    // The first error is the one to tell, whatever becomes of the search for names.
    let names = similar_keys(session, key).await.unwrap_or_default();
    let told = CliError::from(error);
    match did_you_mean(&names) {
        Some(meant) => told.with_hint(meant),
        None => told.with_hint(format!("`{list}` lists the aliases that the logs know")),
    }
}

/// A key ARN that no event names has an answer, which is worth little where the ARN is misspelt.
pub(crate) fn unseen_note(answer: &KeyAnswer) -> Option<String> {
    if answer.is_seen {
        return None;
    }
    let regions = similar_regions(&answer.region);
    let known = [regions, answer.same_id_keys.clone(), answer.similar_keys.clone()];
    let meant = known.iter().find_map(|names| did_you_mean(names))?;
    Some(format!("no event names the key `{}`; {meant}", answer.key_arn))
}
