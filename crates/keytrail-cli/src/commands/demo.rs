//! `keytrail demo`: a made-up trail becomes a lake and tells its story.
//!
//! The trail comes from the generator that tests and benchmarks use; everything after that is what a user's own logs go through.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keytrail_convert::Source;
use keytrail_lake::{Lake, Location, StorageOptions};
use keytrail_query::{KeyQuestion, Session, SessionOptions, key_answer, report_sql};
use keytrail_trail::{TrailConfig, TrailSummary, generate};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::convert::{self, Conversion, Ending};
use crate::args::DemoArguments;
use crate::errors::{CliError, Exit};
use crate::hints::shell_word;
use crate::output::{self, DataWriter};
use crate::progress::{bytes_text, count_text, waiting};
use crate::render::Format;
use crate::repl::{self, Prompt};
use crate::session::{SqlSession, spill_folders};
use crate::signals::Interruption;
use crate::{pages, statements};

/// Memory of a demo's queries.
const MEMORY_LIMIT_BYTES: usize = 1 << 30;

/// Makes the trail, converts it, tells the story, and opens the prompt or says how to go on.
pub(crate) async fn run(arguments: &DemoArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let folder = DemoFolder::open(arguments.dir.as_deref())?;
    let trail = make_trail(TrailConfig::with_events(arguments.events, arguments.seed), folder.trail()).await?;
    let lake = open_lake(&folder.lake()).await?;
    let source = Source::Place(Location::local(&folder.trail())?);
    let conversion = convert::convert_with_bar(&lake, convert::options(vec![source]), interruption).await?;
    if let Ending::Interrupted(signal) = conversion.ending {
        return Ok(signal.into());
    }
    interruption.stop_at_once();
    let options = SessionOptions {
        memory_limit_bytes: Some(MEMORY_LIMIT_BYTES),
        spill_folders: spill_folders().clone(),
        ..SessionOptions::default()
    };
    let session = SqlSession::over_data(Session::over_lake(&lake, &options).await?);
    let mut out = DataWriter::stdout();
    tell_conversion(&trail, &conversion, &mut out)?;
    tell_keys(&session, &trail, &mut out).await?;
    let is_prompt = output::stdin_is_terminal() && out.destination().is_terminal();
    tell_next_steps(&folder, &trail, is_prompt, &mut out)?;
    out.finish()?;
    if is_prompt {
        return repl::run(Prompt::try_new(session, Vec::new(), None)?, interruption).await;
    }
    Ok(convert::exit_of(&conversion))
}

/// Where the demo lives: a folder of the user's, which is kept, or a temporary one, which goes with the process.
struct DemoFolder {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl DemoFolder {
    fn open(folder: Option<&Path>) -> Result<Self, CliError> {
        let failed = |error: io::Error| CliError::input_output("cannot make a folder for the demo", &error);
        if let Some(root) = folder {
            fs_err::create_dir_all(root).map_err(failed)?;
            return Ok(Self { root: root.to_owned(), temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("keytrail-demo-").tempdir().map_err(failed)?;
        Ok(Self { root: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn trail(&self) -> PathBuf {
        self.root.join("trail")
    }

    fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }
}

async fn make_trail(config: TrailConfig, root: PathBuf) -> Result<TrailSummary, CliError> {
    let bar = waiting("making a trail");
    let made = spawn_blocking(move || generate(&config, &root)).await;
    bar.finish_and_clear();
    let made = made.map_err(|bug| CliError::from_source(Exit::Software, &bug))?;
    made.map_err(|error| CliError::input_output("cannot write the trail", &error))
}

async fn open_lake(folder: &Path) -> Result<Lake, CliError> {
    let spec = keytrail_convert::lake_spec();
    Ok(Lake::create_or_open(&Location::local(folder)?, &StorageOptions::default(), spec).await?)
}

fn tell_conversion(trail: &TrailSummary, conversion: &Conversion, out: &mut DataWriter) -> io::Result<()> {
    let summary = &conversion.summary;
    let count = count_text;
    writeln!(
        out,
        "Made up: {} accounts, {} log files, {} of JSON in {} of gzip.",
        trail.facts.account_ids.len(),
        count(trail.log_files),
        bytes_text(trail.json_bytes),
        bytes_text(trail.gzip_bytes)
    )?;
    writeln!(
        out,
        "records read: {} = {} rows + {} duplicates + {} rejected",
        count(summary.records),
        count(summary.rows),
        count(summary.duplicates),
        count(summary.rejected)
    )?;
    writeln!(
        out,
        "lake: {} data files, {}, written in {}",
        count(summary.data_files),
        bytes_text(summary.data_file_bytes),
        statements::duration_text(conversion.elapsed)
    )
}

async fn tell_keys(session: &SqlSession, trail: &TrailSummary, out: &mut DataWriter) -> Result<(), CliError> {
    for (heading, report, format) in [
        ("What it holds", "demo/overview.sql", Format::Vertical),
        ("The busiest keys", "demo/busiest_keys.sql", Format::Table),
        ("Keys without a use in the last 30 days of the trail", "demo/silent_keys.sql", Format::Table),
    ] {
        writeln!(out, "\n{heading}\n")?;
        statements::run(session, report_sql(report), &[], format, out).await?;
    }
    writeln!(out, "\nFor `in_use` every use counts that the logs hold, however old, and those of")?;
    writeln!(out, "other keys of the same multi-Region set.")?;
    writeln!(out, "One of these keys, as `keytrail key` shows it\n")?;
    let question = KeyQuestion { key: trail.facts.silent_key.clone(), ..KeyQuestion::default() };
    let answer = key_answer(&session.session, &question).await?;
    out.write_all(pages::key::page(&answer, out.destination()).as_bytes())?;
    Ok(())
}

fn tell_next_steps(folder: &DemoFolder, trail: &TrailSummary, is_prompt: bool, out: &mut DataWriter) -> io::Result<()> {
    writeln!(out)?;
    match (&folder.temporary, is_prompt) {
        (Some(_), true) => writeln!(out, "The lake is gone when you leave; `keytrail demo --dir DIR` keeps it."),
        (Some(_), false) => writeln!(out, "The lake was temporary; `keytrail demo --dir DIR` keeps it."),
        (None, _) => {
            let lake = folder.lake();
            let lake = lake.display().to_string();
            let lake = shell_word(&lake);
            writeln!(out, "Go on with:")?;
            writeln!(out, "  keytrail sql --lake {lake}")?;
            writeln!(out, "  keytrail key {} --lake {lake}", trail.facts.busiest_key)?;
            writeln!(out, "  keytrail coverage --lake {lake}")
        }
    }
}
