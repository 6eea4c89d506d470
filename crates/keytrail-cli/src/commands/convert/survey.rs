//! `keytrail convert --dry-run`: what would be read, per kind, and what S3 would be asked. It writes nothing.

use std::sync::Arc;

use keytrail_convert::{ConvertOptions, KindCount, Survey, survey};
use keytrail_lake::{Lake, LakeError};

use super::left_out_text;
use crate::args::{ConvertArguments, LakeArguments};
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{ConvertBar, bytes_text, count_text};
use crate::session;

/// Looks, and prints a line per kind.
pub(super) async fn run(arguments: &ConvertArguments, options: &ConvertOptions) -> Result<Exit, CliError> {
    let lake = existing_lake(&arguments.lake).await?;
    let bar = Arc::new(ConvertBar::start());
    let found = survey(options, lake.as_ref(), bar.clone()).await;
    bar.finish();
    let found = found?;
    if lake.is_none() && found.kinds.is_empty() && options.shard.is_none() {
        return Err(super::nothing_to_convert(options));
    }
    let mut out = DataWriter::stdout();
    if arguments.json {
        output::data_line(&mut out, &json_of(&found).to_string())?;
    } else {
        for line in lines_of(&found) {
            output::data_line(&mut out, &line)?;
        }
    }
    out.finish()?;
    Ok(if found.total().rejected.unwrap_or(0) > 0 { Exit::Incomplete } else { Exit::Done })
}

/// The lake, when one is named and there: a dry run makes none.
async fn existing_lake(arguments: &LakeArguments) -> Result<Option<Lake>, CliError> {
    if arguments.lake.as_deref().is_none_or(str::is_empty) {
        return Ok(None);
    }
    match session::try_open_lake(arguments).await? {
        Ok(lake) => Ok(Some(lake)),
        Err(error @ LakeError::NotALake { .. }) => {
            output::note(format!("{error}: everything counts as new"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn lines_of(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    if survey.kinds.is_empty() {
        lines.push("nothing new".to_owned());
    } else {
        lines.push(format!("{:<22} {:>12} {:>12} {:>14} {:>10}", "kind", "log files", "size", "records", "rejected"));
        lines.extend(survey.kinds.iter().map(|(kind, count)| line_of(kind, count)));
        lines.push(line_of("total", &survey.total()));
    }
    if survey.known_log_files > 0 {
        lines.push(format!("{:<22} {:>12}", "in the lake already", count_text(survey.known_log_files)));
    }
    lines.extend(left_out_text(&survey.left_out));
    if let Some(requests) = survey.requests {
        lines.push(format!(
            "requests to S3: about {} LIST, {} GET, {} commits",
            count_text(requests.lists),
            count_text(requests.gets),
            count_text(requests.commits)
        ));
    }
    lines
}

fn line_of(kind: &str, count: &KindCount) -> String {
    let known = |count: Option<u64>| count.map_or_else(|| "not read".to_owned(), count_text);
    format!(
        "{:<22} {:>12} {:>12} {:>14} {:>10}",
        kind,
        count_text(count.log_files),
        bytes_text(count.bytes),
        known(count.records),
        known(count.rejected)
    )
}

fn json_of(survey: &Survey) -> serde_json::Value {
    let count = |count: &KindCount| {
        serde_json::json!({
            "log_files": count.log_files,
            "bytes": count.bytes,
            "records": count.records,
            "rejected": count.rejected,
        })
    };
    let kinds: serde_json::Map<_, _> = survey.kinds.iter().map(|(kind, found)| (kind.clone(), count(found))).collect();
    serde_json::json!({
        "kinds": kinds,
        "total": count(&survey.total()),
        "known_log_files": survey.known_log_files,
        "left_out": survey.left_out,
        "requests": survey.requests.map(|requests| serde_json::json!({
            "lists": requests.lists, "gets": requests.gets, "commits": requests.commits,
        })),
    })
}
