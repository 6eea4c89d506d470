//! `keytrail compact`: merges small data files of every table.

use std::time::Duration;

use keytrail_lake::{CompactOptions, CompactSummary, compact};

use crate::args::CompactArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{counted, waiting};
use crate::session;
use crate::signals::Interruption;

/// How often the line of progress is drawn: a merge takes half a minute for a million events.
const TICK: Duration = Duration::from_millis(200);
/// Files of a partition that are worth merging.
const MIN_FILES: usize = 2;

/// Compacts table by table; each commit stands by itself, so that an interrupted run loses nothing.
pub(crate) async fn run(arguments: &CompactArguments, _interruption: &Interruption) -> Result<Exit, CliError> {
    let lake = session::open_lake(&arguments.lake).await?;
    let options = CompactOptions { target_file_bytes: arguments.target_file_size as u64, min_files: MIN_FILES };
    let mut total = CompactSummary::default();
    for table in lake.tables() {
        let bar = waiting("merging data files");
        bar.enable_steady_tick(TICK);
        let merged = compact(table, &options).await;
        bar.finish_and_clear();
        let summary = merged?;
        output::note(format!(
            "{}: {} merged into {}, {}",
            table.spec().name,
            counted(summary.files_removed, "file"),
            summary.files_added,
            counted(summary.row_count, "row")
        ));
        total.files_removed += summary.files_removed;
        total.files_added += summary.files_added;
        total.row_count += summary.row_count;
    }
    if arguments.json {
        let line = serde_json::json!({
            "files_removed": total.files_removed, "files_added": total.files_added, "rows": total.row_count,
        });
        let mut out = DataWriter::stdout();
        output::data_line(&mut out, &line.to_string())?;
        out.finish()?;
    }
    Ok(Exit::Done)
}
