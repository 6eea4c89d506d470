//! `keytrail vacuum`: deletes data files that the lake's tables do not refer to any more.

use chrono::TimeDelta;
use keytrail_lake::{UnusedFile, delete_unused, list_unused};

use crate::args::VacuumArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{bytes_text, count_text, waiting};
use crate::{clock, session};

/// A younger file that no commit knows is more likely one that a conversion is about to commit.
const MIN_AGE: TimeDelta = TimeDelta::hours(1);

/// Deletes table by table, or tells what it would delete.
pub(crate) async fn run(arguments: &VacuumArguments) -> Result<Exit, CliError> {
    if arguments.older_than < MIN_AGE && !arguments.no_other_writer {
        return Err(too_young());
    }
    let lake = session::open_lake(&arguments.lake).await?;
    let before = clock::now() - arguments.older_than;
    let mut out = DataWriter::stdout();
    let mut total = Total::default();
    for table in lake.tables() {
        let bar = waiting("looking for unused data files");
        let unused = list_unused(table, before).await;
        bar.finish_and_clear();
        let unused = unused?;
        let name = table.spec().name;
        if !arguments.dry_run {
            delete_unused(table, &unused).await?;
        } else if !arguments.json {
            unused.iter().try_for_each(|file| output::data_line(&mut out, &format!("{name}/{}", file.path())))?;
        }
        total.add(&unused);
    }
    if arguments.json {
        let line = serde_json::json!({
            "files": total.files, "bytes": total.bytes, "is_dry_run": arguments.dry_run,
        });
        output::data_line(&mut out, &line.to_string())?;
    }
    out.finish()?;
    total.note(arguments.dry_run);
    Ok(Exit::Done)
}

fn too_young() -> CliError {
    CliError::usage("files younger than an hour may be about to be committed: --older-than is less than 1h")
        .with_hint("`--no-other-writer` allows it: say so only when nothing else writes into the lake now")
}

#[derive(Default)]
struct Total {
    files: u64,
    bytes: u64,
}

impl Total {
    fn add(&mut self, files: &[UnusedFile]) {
        self.files += files.len() as u64;
        self.bytes += files.iter().map(UnusedFile::size_bytes).sum::<u64>();
    }

    fn note(&self, is_dry_run: bool) {
        let amount = format!("{} data files, {}", count_text(self.files), bytes_text(self.bytes));
        if is_dry_run {
            output::note(format!("would be deleted: {amount}"));
            return;
        }
        output::note(format!("deleted: {amount}"));
        if self.files > 0 {
            output::note("versions of the tables that used them cannot be read any more");
        }
    }
}
