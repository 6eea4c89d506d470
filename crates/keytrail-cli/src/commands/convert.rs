//! `keytrail convert`: trail logs into the lake, with its accounting told at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use keytrail_convert::{ConvertError, ConvertOptions, ConvertSummary, StopSignal, convert};
use keytrail_lake::Lake;

use crate::args::ConvertArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{ConvertBar, bytes_text, count_text, per_second};
use crate::signals::{Interruption, Signal};
use crate::{session, statements};

/// What a conversion came to.
pub(crate) struct Conversion {
    /// The accounting of everything that is in the lake now.
    pub(crate) summary: ConvertSummary,
    /// Time from start to last commit.
    pub(crate) elapsed: Duration,
    /// The signal that ended it early, if one did.
    pub(crate) stopped: Option<Signal>,
}

/// Converts, tells the accounting, and says by the exit code whether it is complete.
pub(crate) async fn run(arguments: &ConvertArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let sources = session::sources(&arguments.sources)?;
    let lake = session::create_or_open_lake(&arguments.lake).await?;
    let mut options = options(sources);
    options.since = arguments.period.since;
    options.until = arguments.period.until;
    options.storage = session::storage_options(&arguments.lake.storage);
    if let Some(workers) = arguments.workers {
        options.workers = workers.get();
    }
    let conversion = convert_with_bar(&lake, options, interruption).await?;
    note_summary(&conversion, &lake);
    if arguments.json {
        write_json(&conversion)?;
    }
    Ok(exit_of(&conversion))
}

/// Defaults for `sources`; the clock and the process give the run its name.
pub(crate) fn options(sources: Vec<keytrail_convert::Source>) -> ConvertOptions {
    let started: DateTime<Utc> = Utc::now();
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S%6fZ"), std::process::id());
    ConvertOptions::new(sources, run_id, started)
}

/// Converts with a progress bar; a signal asks it to end at its last commit.
pub(crate) async fn convert_with_bar(
    lake: &Lake,
    options: ConvertOptions,
    interruption: &Interruption,
) -> Result<Conversion, CliError> {
    interruption.ask_first();
    let start = Instant::now();
    let bar = Arc::new(ConvertBar::start());
    let stop = Arc::new(StopSignal::default());
    let converting = convert(lake, &options, bar.clone(), stop.clone());
    tokio::pin!(converting);
    let outcome = tokio::select! {
        outcome = &mut converting => outcome,
        _ = interruption.requested() => {
            stop.stop();
            output::note("stopping at the last commit; once more stops at once");
            converting.await
        }
    };
    bar.finish();
    match outcome {
        Ok(summary) => Ok(Conversion { summary, elapsed: start.elapsed(), stopped: None }),
        Err(ConvertError::Stopped(summary)) => {
            let stopped = Some(interruption.received().unwrap_or(Signal::Interrupt));
            Ok(Conversion { summary: *summary, elapsed: start.elapsed(), stopped })
        }
        Err(error) => Err(error.into()),
    }
}

/// 3 when input was rejected, 4 when the accounting does not add up, the signal's code when stopped.
pub(crate) fn exit_of(conversion: &Conversion) -> Exit {
    match conversion.stopped {
        Some(signal) => signal.into(),
        None if !conversion.summary.is_balanced() => Exit::Integrity,
        None if conversion.summary.rejected > 0 => Exit::Incomplete,
        None => Exit::Done,
    }
}

/// Tells what was read and what became of it.
fn note_summary(conversion: &Conversion, lake: &Lake) {
    let summary = &conversion.summary;
    let count = count_text;
    output::note(format!(
        "log files: {} read, {} known before ({})",
        count(summary.log_files),
        count(summary.known_log_files),
        bytes_text(summary.bytes),
    ));
    output::note(format!(
        "records read: {} = {} rows + {} duplicates + {} rejected",
        count(summary.records),
        count(summary.rows),
        count(summary.duplicates),
        count(summary.rejected),
    ));
    if summary.ignored_records > 0 {
        output::note(format!("other records (no API events): {}", count(summary.ignored_records)));
    }
    output::note(format!("written: {} files, {}", count(summary.data_files), bytes_text(summary.data_file_bytes)));
    let rate = per_second(summary.records, conversion.elapsed.as_secs_f64());
    output::note(format!("time: {} ({} records/s)", statements::duration_text(conversion.elapsed), count(rate)));
    note_findings(conversion, lake);
}

/// Log files that could not be read are named up to this many.
const MAX_UNREAD_SHOWN: usize = 5;

fn note_findings(conversion: &Conversion, lake: &Lake) {
    let lake = lake.location();
    if conversion.stopped.is_some() {
        output::note("stopped early: everything above is in the lake; the same command goes on from here");
    }
    let unread = &conversion.summary.unread_log_files;
    for (path, reason) in unread.iter().take(MAX_UNREAD_SHOWN) {
        output::note(format!("could not be read, the next run tries again: {path}: {reason}"));
    }
    if unread.len() > MAX_UNREAD_SHOWN {
        output::note(format!(
            "and {} more that could not be read",
            count_text((unread.len() - MAX_UNREAD_SHOWN) as u64)
        ));
    }
    if conversion.summary.rejected > unread.len() as u64 {
        output::note(format!(
            "rejected input is kept with its reason: keytrail sql --lake {lake} -c 'select * from rejects'"
        ));
    }
}

fn write_json(conversion: &Conversion) -> Result<(), CliError> {
    let summary = &conversion.summary;
    let elapsed_ms = u64::try_from(conversion.elapsed.as_millis()).unwrap_or(u64::MAX);
    let line = serde_json::json!({
        "log_files": summary.log_files,
        "known_log_files": summary.known_log_files,
        "records": summary.records,
        "rows": summary.rows,
        "duplicates": summary.duplicates,
        "rejected": summary.rejected,
        "bytes": summary.bytes,
        "elapsed_ms": elapsed_ms,
        "is_complete": conversion.stopped.is_none(),
    });
    let mut out = DataWriter::stdout();
    output::data_line(&mut out, &line.to_string())?;
    Ok(out.finish()?)
}
