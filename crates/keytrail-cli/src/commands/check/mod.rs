//! `keytrail check`: every data file against its table's log, and the accounting of every log file.
//!
//! It reads the lake and never writes to it; `--resume FILE` writes that file, which must not lie in the lake.

mod against;
mod resume;

use futures::TryStreamExt;
use indicatif::ProgressBar;
use keytrail_convert::{EVENTS, LOG_FILES, check_accounting};
use keytrail_lake::{CheckDepth, DataFile, FindingKind, Lake, Table, check_live_files, list_other_files};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::args::CheckArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{counted, over_bytes, waiting};
use crate::session;

use resume::{Checked, Resume};

/// Something that is wrong.
#[derive(Debug)]
struct Finding {
    /// The table whose data file it is about; `None` = it is about no file.
    table: Option<&'static str>,
    text: String,
}

/// What a check has seen.
#[derive(Debug, Default)]
struct Report {
    file_count: u64,
    row_count: u64,
    /// What is wrong.
    findings: Vec<Finding>,
    /// What is worth knowing.
    notes: Vec<String>,
    /// Something that was asked for could not be compared.
    is_incomplete: bool,
    /// Files that a compaction or a conversion replaced, until `keytrail vacuum` deletes them: every lake has some.
    replaced: Vec<String>,
}

/// How a report is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReportStyle {
    /// What is wrong, and what is worth knowing.
    Usual,
    /// Replaced files too.
    All,
    /// All of it in one line.
    Json,
}

/// Checks, writes what was found to stdout, and fails when anything is wrong.
pub(crate) async fn run(arguments: &CheckArguments, is_verbose: bool) -> Result<Exit, CliError> {
    let lake = session::open_lake(&arguments.lake).await?;
    let depth = if arguments.read_data { CheckDepth::Data } else { CheckDepth::Footers };
    let mut resume = Resume::open(arguments.resume.as_deref(), &lake, depth)?;
    let mut report = check(&lake, depth, &mut resume).await?;
    if !arguments.against.is_empty() {
        against::check(&lake, arguments, &mut report).await?;
    }
    let style = match (arguments.json, is_verbose) {
        (true, _) => ReportStyle::Json,
        (false, true) => ReportStyle::All,
        (false, false) => ReportStyle::Usual,
    };
    write(&report, style)?;
    if depth == CheckDepth::Footers && arguments.against.is_empty() {
        output::warning("sizes and footers were checked; `--read-data` reads every byte too");
    }
    resume.finish()?;
    Ok(match report.is_incomplete {
        _ if !report.findings.is_empty() => Exit::Integrity,
        true => Exit::Incomplete,
        false => Exit::Done,
    })
}

async fn check(lake: &Lake, depth: CheckDepth, resume: &mut Resume) -> Result<Report, CliError> {
    let mut report = Report::default();
    for table in lake.tables() {
        check_table(table, depth, resume, &mut report).await?;
    }
    let bar = waiting("checking the accounting");
    check_ledger(lake, &mut report).await?;
    bar.finish_and_clear();
    Ok(report)
}

async fn check_table(
    table: &Table,
    depth: CheckDepth,
    resume: &mut Resume,
    report: &mut Report,
) -> Result<(), CliError> {
    let live = table.snapshot().await?.files().to_vec();
    let bar = over_bytes(live.iter().map(|file| file.size_bytes).sum());
    let (done, open): (Vec<_>, Vec<_>) = live.iter().cloned().partition(|file| resume.holds(table, file));
    for file in &done {
        report.take(table, file, resume.checked(table, file));
        show_progress(&bar, report, file);
    }
    let mut checked = std::pin::pin!(check_live_files(table, open, depth));
    while let Some(next) = checked.try_next().await? {
        let kinds = next.findings.iter().map(|kind| (kind.is_note(), words(table, &next.file, kind)));
        let (notes, findings): (Vec<_>, Vec<_>) = kinds.partition(|(is_note, _)| *is_note);
        let texts = |told: Vec<(bool, String)>| told.into_iter().map(|(_, text)| text).collect();
        let seen = Checked { findings: texts(findings), notes: texts(notes) };
        resume.note(table, &next.file, &seen)?;
        report.take(table, &next.file, &seen);
        show_progress(&bar, report, &next.file);
    }
    bar.finish_and_clear();
    for other in list_other_files(table, &live).await? {
        let notes = if other.kind == FindingKind::Replaced { &mut report.replaced } else { &mut report.notes };
        notes.push(format!("{}/{}: {}", table.spec().name, other.path, other.kind));
    }
    Ok(())
}

fn show_progress(bar: &ProgressBar, report: &Report, file: &DataFile) {
    bar.inc(file.size_bytes);
    let findings = counted(report.findings.len() as u64, "finding");
    bar.set_message(format!("{}, {findings}", counted(report.file_count, "file")));
}

/// The file, what is wrong, and how much is behind it.
fn words(table: &Table, file: &DataFile, kind: &FindingKind) -> String {
    let rows = if kind.is_note() { String::new() } else { format!(" (holds {})", counted(file.row_count, "row")) };
    format!("{}/{}: {kind}{rows}", table.spec().name, file.path)
}

impl Report {
    fn take(&mut self, table: &Table, file: &DataFile, seen: &Checked) {
        let of_table = |text: &String| Finding { table: Some(table.spec().name), text: text.clone() };
        self.file_count += 1;
        self.row_count += file.row_count;
        self.findings.extend(seen.findings.iter().map(of_table));
        self.notes.extend_from_slice(&seen.notes);
    }

    /// Adds what is wrong with no file of a table.
    fn find(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { table: None, text: text.into() });
    }
}

/// The accounting, in a task of its own: a decoder that panics over a damaged ledger is a finding.
async fn check_ledger(lake: &Lake, report: &mut Report) -> Result<(), CliError> {
    if report.findings.iter().any(|finding| finding.table == Some(LOG_FILES)) {
        report.find("the accounting was not checked: the ledger is damaged");
        return Ok(());
    }
    let mut task = JoinSet::new();
    let (own, runtime) = (lake.clone(), Handle::current());
    // A thread of its own, as the library's future cannot be sent to one.
    task.spawn_blocking(move || runtime.block_on(check_accounting(&own)));
    match task.join_next().await {
        Some(Ok(Ok(accounts))) => {
            accounts.findings.into_iter().for_each(|finding| report.find(finding));
            if let Some(unfinished) = accounts.unfinished {
                report
                    .notes
                    .push(format!("{unfinished}; once none goes on, the same `keytrail convert` again enters them, also where log files are gone"));
                report.is_incomplete = true;
            }
        }
        Some(Ok(Err(error))) => {
            let error = CliError::from(error);
            let is_damaged = report.findings.iter().any(|finding| finding.table == Some(EVENTS));
            if error.exit() != Exit::Integrity && !is_damaged {
                return Err(error);
            }
            report.find(format!("the accounting cannot be checked: {}", error.text().replace('\n', ", ")));
        }
        Some(Err(error)) => report.find(format!("the accounting cannot be checked: {error}")),
        None => {}
    }
    Ok(())
}

fn write(report: &Report, style: ReportStyle) -> Result<(), CliError> {
    let mut out = DataWriter::stdout();
    let mut findings = report.findings.iter().map(|finding| finding.text.as_str());
    let all_notes = || report.notes.iter().chain(&report.replaced);
    if style == ReportStyle::Json {
        let line = serde_json::json!({
            "files": report.file_count,
            "rows": report.row_count,
            "findings": findings.collect::<Vec<_>>(),
            "notes": all_notes().collect::<Vec<_>>(),
        });
        output::data_line(&mut out, &line.to_string())?;
    } else {
        findings.try_for_each(|finding| output::data_line(&mut out, finding))?;
        let mut shown = all_notes().take(if style == ReportStyle::All { usize::MAX } else { report.notes.len() });
        shown.try_for_each(|note| output::data_note(&mut out, note))?;
    }
    out.finish()?;
    output::note(format!(
        "checked: {}, {}, {}",
        counted(report.file_count, "data file"),
        counted(report.row_count, "row"),
        counted(report.findings.len() as u64, "finding")
    ));
    if !report.findings.is_empty() {
        output::hint(
            "restore what is damaged from a copy of the lake and check again, or convert the log files into a new lake",
        );
    }
    Ok(())
}
