//! `keytrail convert`: trail logs into the lake, with its accounting told at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keytrail_convert::source::{no_log_file, require_local};
use keytrail_convert::{
    ConvertError, ConvertInput, ConvertOptions, ConvertProgress, ConvertSummary, EVENTS, REJECTS, StopSignal, convert,
    list_wanted,
};
use keytrail_events::LogFileKind;
use keytrail_lake::{CompactOptions, Lake, LakeError, mergeable_files};

use crate::args::ConvertArguments;
use crate::errors::{CliError, Exit};
use crate::hints::shell_word;
use crate::output::{self, DataWriter};
use crate::progress::{ConvertBar, JsonProgress, bytes_text, count_text, per_second, waiting};
use crate::signals::{Interruption, Signal};
use crate::{clock, session, statements};

mod survey;

/// Files that a compaction would merge, from which on it is worth a word.
const MANY_FILES: u64 = 16;

/// What a conversion came to.
pub(crate) struct Conversion {
    /// The accounting of everything that is in the lake now.
    pub(crate) summary: ConvertSummary,
    /// Time from start to last commit.
    pub(crate) elapsed: Duration,
    /// Why it ended.
    pub(crate) ending: Ending,
}

/// Why a conversion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything was read.
    Complete,
    /// A signal came.
    Interrupted(Signal),
    /// `--max-runtime` was over.
    TimeUp,
}

/// Converts, tells the accounting, and says by the exit code whether it is complete.
pub(crate) async fn run(arguments: &ConvertArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let mut options = options_of(arguments)?;
    if arguments.dry_run {
        return survey::run(arguments, &options).await;
    }
    require_local(&options.sources, Some(&session::lake_location(&arguments.lake)?))?;
    let lake = lake_for(arguments, &mut options).await?;
    let style = if arguments.json { ProgressStyle::Json } else { ProgressStyle::Bar };
    let conversion = convert_until(&lake, options, interruption, arguments.max_runtime, style).await?;
    note_summary(&conversion, arguments, &lake);
    note_standing_rejects(&conversion.summary, &lake).await;
    if let Some(shard) = arguments.shard {
        output::warning(format!(
            "this was shard {shard} of the listing; until all shards are converted, answers about keys without a use are INCOMPLETE"
        ));
    }
    advise_compaction(&lake).await;
    if arguments.json {
        write_json(&conversion)?;
    }
    Ok(exit_of(&conversion))
}

/// The lake. Where there is none yet, it is made once there is something to convert: a wrong path leaves nothing behind.
async fn lake_for(arguments: &ConvertArguments, options: &mut ConvertOptions) -> Result<Lake, CliError> {
    if let Err(absent @ LakeError::NotALake { .. }) = session::try_open_lake(&arguments.lake).await? {
        if arguments.retry_rejected {
            return Err(absent.into());
        }
        let bar = waiting("listing log files");
        let listed = list_wanted(options).await;
        bar.finish_and_clear();
        let listed = listed?;
        // One of several parts may be empty; the others make the lake all the same.
        if listed.log_files.is_empty() && options.shard.is_none() {
            left_out_text(&listed.left_out).into_iter().for_each(output::note);
            return Err(nothing_to_convert(options));
        }
        options.input = ConvertInput::Listed(listed);
    }
    session::create_or_open_lake(&arguments.lake).await
}

fn nothing_to_convert(options: &ConvertOptions) -> CliError {
    no_log_file(&options.sources, &options.range).into()
}

fn options_of(arguments: &ConvertArguments) -> Result<ConvertOptions, CliError> {
    let range = session::period(arguments.period.since, arguments.period.until)?;
    let mut options = options(session::sources(&arguments.sources)?);
    options.range = range;
    options.storage = session::storage_options(&arguments.lake.storage);
    if arguments.retry_rejected {
        options.input = ConvertInput::Rejected;
    }
    options.shard = arguments.shard;
    options.set_memory_limit(arguments.memory_limit);
    options.max_file_bytes = arguments.max_file_size;
    if let Some(workers) = arguments.workers {
        options.workers = workers.get();
    }
    Ok(options)
}

/// Defaults for `sources`; the clock and the process give the run its name.
pub(crate) fn options(sources: Vec<keytrail_convert::Source>) -> ConvertOptions {
    let started = clock::now();
    let run_id = format!("{}-{}", started.format("%Y%m%dT%H%M%S%6fZ"), std::process::id());
    ConvertOptions::new(sources, run_id, started)
}

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgressStyle {
    /// By a bar on a terminal.
    Bar,
    /// By JSON lines on stderr.
    Json,
}

/// Converts with a progress bar; a signal asks it to end at its last commit.
pub(crate) async fn convert_with_bar(
    lake: &Lake,
    options: ConvertOptions,
    interruption: &Interruption,
) -> Result<Conversion, CliError> {
    convert_until(lake, options, interruption, None, ProgressStyle::Bar).await
}

async fn convert_until(
    lake: &Lake,
    options: ConvertOptions,
    interruption: &Interruption,
    max_runtime: Option<Duration>,
    style: ProgressStyle,
) -> Result<Conversion, CliError> {
    interruption.ask_first();
    let start = Instant::now();
    let bar = Arc::new(ConvertBar::start());
    let progress: Arc<dyn ConvertProgress> = match style {
        ProgressStyle::Bar => bar.clone(),
        ProgressStyle::Json => Arc::new(JsonProgress::default()),
    };
    let stop = Arc::new(StopSignal::default());
    let converting = convert(lake, &options, progress, stop.clone());
    tokio::pin!(converting);
    let outcome = tokio::select! {
        outcome = &mut converting => outcome,
        _ = interruption.requested() => {
            stop.stop();
            output::note("stopping at the last commit, within four seconds; once more stops at once");
            converting.await
        }
        () = after(max_runtime) => {
            stop.finish();
            output::note("the time is up: committing what was read");
            converting.await
        }
    };
    bar.finish();
    let (summary, is_stopped) = match outcome {
        Ok(summary) => (summary, false),
        Err(ConvertError::Stopped(summary)) => (*summary, true),
        Err(error) => return Err(error.into()),
    };
    let signal = interruption.received();
    let ending = match (is_stopped, signal) {
        (false, _) => Ending::Complete,
        (true, Some(signal)) => Ending::Interrupted(signal),
        (true, None) => Ending::TimeUp,
    };
    Ok(Conversion { summary, elapsed: start.elapsed(), ending })
}

/// Ends after the time; never without one.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// 3 when input was rejected or the time was up, 4 when the accounting does not add up, the signal's code when stopped.
pub(crate) fn exit_of(conversion: &Conversion) -> Exit {
    let summary = &conversion.summary;
    let is_partial = summary.rejected > 0 || !summary.unread_log_files.is_empty();
    match conversion.ending {
        Ending::Interrupted(signal) => signal.into(),
        _ if !summary.is_balanced() => Exit::Integrity,
        Ending::TimeUp => Exit::Incomplete,
        Ending::Complete if is_partial => Exit::Incomplete,
        Ending::Complete => Exit::Done,
    }
}

/// Tells what was read and what became of it.
fn note_summary(conversion: &Conversion, arguments: &ConvertArguments, lake: &Lake) {
    let summary = &conversion.summary;
    let count = count_text;
    let has_none = summary.log_files + summary.known_log_files == 0 && summary.unread_log_files.is_empty();
    if has_none && conversion.ending != Ending::Complete {
        output::note("stopped before any log file was read");
    } else if has_none && arguments.retry_rejected {
        output::note("no log file has rejects: there is nothing to read again");
    } else if has_none {
        output::warning("there is no log file at all; check the path, and the period if one is given");
    } else if summary.rejected > 0 && summary.rows + summary.duplicates == 0 && summary.known_log_files == 0 {
        output::warning("nothing in these log files was understood; check that the path leads to CloudTrail logs");
    }
    output::note(format!(
        "log files: {} read, {} known before ({})",
        count(summary.log_files),
        count(summary.known_log_files),
        bytes_text(summary.bytes),
    ));
    note_other_kinds(summary);
    left_out_text(&summary.left_out).into_iter().for_each(output::note);
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
    if summary.conflicts > 0 {
        output::finding(format!(
            "{} records have the id of another record with another body, or contradict what it tells; all are kept, the one that tells the most counts, of several the one delivered last, `amends_event_id` marks the others",
            count(summary.conflicts)
        ));
    }
    if summary.undated_records > 0 {
        output::finding(format!(
            "{} records have an event time that is absent or not understood; they are in no period: see `notes` in log_files",
            count(summary.undated_records)
        ));
    }
    if let Some(first) = summary.part_log_files.first() {
        output::finding(format!(
            "{} log files say that they are parts of results, such as `{first}`; what they lack is in no answer: see `notes` in log_files",
            count(summary.part_log_files.len() as u64)
        ));
    }
    if summary.changed_log_files > 0 {
        output::finding(format!(
            "{} log files changed after their listing or since they were read before: see `notes` in log_files",
            count(summary.changed_log_files)
        ));
    }
    output::note(format!("written: {} files, {}", count(summary.data_files), bytes_text(summary.data_file_bytes)));
    let rate = per_second(summary.records, conversion.elapsed.as_secs_f64());
    output::note(format!("time: {} ({} records/s)", statements::duration_text(conversion.elapsed), count(rate)));
    note_findings(conversion, lake);
}

/// Log files that are no trail's events by their nature, by kind.
fn note_other_kinds(summary: &ConvertSummary) {
    // What is unknown is among the rejects.
    let is_other = |kind: LogFileKind| !matches!(kind, LogFileKind::Events | LogFileKind::Unknown);
    let others = summary.kinds.iter().filter(|(kind, _)| is_other(**kind));
    let others: Vec<_> = others.map(|(kind, files)| format!("{} {}", count_text(*files), kind.as_str())).collect();
    if !others.is_empty() {
        output::note(format!("among them without API events: {}", others.join(", ")));
    }
    if summary.kinds.contains_key(&LogFileKind::Notification) {
        output::warning("notifications hold no events: convert the log files that they name");
    }
}

/// What lies in the same tree and cannot be CloudTrail's, by what it is.
fn left_out_text(left_out: &BTreeMap<String, u64>) -> Option<String> {
    let counts: Vec<_> = left_out.iter().map(|(kind, files)| format!("{} {kind}", count_text(*files))).collect();
    (!counts.is_empty()).then(|| format!("left out, as no files of CloudTrail: {}", counts.join(", ")))
}

/// Says that a compaction is worth its time, where it is.
async fn advise_compaction(lake: &Lake) {
    // The conversion is done, whatever becomes of this look.
    let Ok(snapshot) = lake.table(EVENTS).snapshot().await else { return };
    let small_files = mergeable_files(&snapshot, &CompactOptions::default()) as u64;
    if small_files >= MANY_FILES {
        output::warning(format!(
            "{} data files are small; `keytrail compact --lake {}` merges them, and questions about one key then take about half the time",
            count_text(small_files),
            shell_word(&lake.location().to_string())
        ));
    }
}

/// Log files that could not be read are named up to this many.
const MAX_UNREAD_SHOWN: usize = 5;

fn note_findings(conversion: &Conversion, lake: &Lake) {
    let lake = lake.location().to_string();
    let lake = shell_word(&lake);
    if conversion.ending != Ending::Complete {
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
    note_archived(&conversion.summary.archived_log_files);
    note_first_rejects(&conversion.summary);
    if has_rejected(&conversion.summary) {
        note_way_with_rejects(&lake);
    }
}

/// Whether this run put something into `rejects`.
fn has_rejected(summary: &ConvertSummary) -> bool {
    summary.rejected > 0
}

/// Says that the lake has rejects of earlier runs, which this one would not tell of: answers are incomplete for those whose log files were
/// not replaced and read since.
async fn note_standing_rejects(summary: &ConvertSummary, lake: &Lake) {
    // The conversion is done, whatever becomes of this look.
    let Ok(snapshot) = lake.table(REJECTS).snapshot().await else { return };
    if snapshot.row_count() == 0 || has_rejected(summary) {
        return;
    }
    output::finding(format!(
        "rejects of earlier runs, for which answers about keys may be incomplete: {}",
        count_text(snapshot.row_count())
    ));
    note_way_with_rejects(&shell_word(&lake.location().to_string()));
}

/// Where rejects are found in the lake, and how they are read again.
fn note_way_with_rejects(lake: &str) {
    output::note(format!(
        "rejected input is kept with its reason: keytrail sql --lake {lake} -c 'select log_file_path, record_index, reason from rejects'"
    ));
    output::note(format!("after a fix it is read again: keytrail convert --retry-rejected --lake {lake}"));
}

/// Why the first rejects could not be taken.
fn note_first_rejects(summary: &ConvertSummary) {
    let told = &summary.first_rejects;
    for (path, reason) in told {
        output::note(format!("rejected: {path}: {reason}"));
    }
    let others = summary.rejected.saturating_sub((told.len() + summary.archived_log_files.len()) as u64);
    if !told.is_empty() && others > 0 {
        output::note(format!("and {} more", count_text(others)));
    }
}

/// Log files that S3 has archived, with the restore they need.
fn note_archived(paths: &[String]) {
    let Some((bucket, key)) = paths.first().and_then(|path| path.strip_prefix("s3://")?.split_once('/')) else {
        return;
    };
    output::note(format!(
        "archived by S3, to be restored before they can be read: {} log files; each is in `rejects` with its path",
        count_text(paths.len() as u64)
    ));
    output::note(format!(
        "a restore: aws s3api restore-object --bucket {bucket} --key '{key}' --restore-request 'Days=7,GlacierJobParameters={{Tier=Bulk}}'"
    ));
}

fn write_json(conversion: &Conversion) -> Result<(), CliError> {
    let summary = &conversion.summary;
    let elapsed_ms = u64::try_from(conversion.elapsed.as_millis()).unwrap_or(u64::MAX);
    let requests = session::requests().counts();
    let line = serde_json::json!({
        "log_files": summary.log_files,
        "known_log_files": summary.known_log_files,
        "records": summary.records,
        "rows": summary.rows,
        "duplicates": summary.duplicates,
        "conflicts": summary.conflicts,
        "rejected": summary.rejected,
        "unread": summary.unread_log_files.len(),
        "undated": summary.undated_records,
        "parts": summary.part_log_files.len(),
        "bytes": summary.bytes,
        "elapsed_ms": elapsed_ms,
        "s3_requests": {
            "list": requests.lists,
            "get": requests.gets,
            "head": requests.heads,
            "put": requests.puts,
            "delete": requests.deletes,
            "not_served": requests.failures,
        },
        "is_complete": conversion.ending == Ending::Complete && summary.unread_log_files.is_empty(),
    });
    let mut out = DataWriter::stdout();
    output::data_line(&mut out, &line.to_string())?;
    Ok(out.finish()?)
}
