//! `keytrail check`: every data file against its table's log, and the accounting of every log file.

use keytrail_convert::check_accounting;
use keytrail_lake::{CheckDepth, Lake, check_files_with};

use crate::args::CheckArguments;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::progress::{count_text, waiting};
use crate::session;

/// What a check has seen.
#[derive(Debug, Default)]
struct Report {
    file_count: u64,
    row_count: u64,
    /// What is wrong.
    findings: Vec<String>,
    /// What is worth knowing.
    notes: Vec<String>,
}

/// Checks, writes what was found to stdout, and fails when anything is wrong.
pub(crate) async fn run(arguments: &CheckArguments) -> Result<Exit, CliError> {
    let lake = session::open_lake(&arguments.lake).await?;
    let depth = if arguments.rows { CheckDepth::Data } else { CheckDepth::Footers };
    let bar = waiting("checking data files");
    let report = check(&lake, depth).await;
    bar.finish_and_clear();
    let report = report?;
    write(&report, arguments.json)?;
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Integrity })
}

async fn check(lake: &Lake, depth: CheckDepth) -> Result<Report, CliError> {
    let mut report = Report::default();
    for table in lake.tables() {
        let snapshot = table.snapshot().await?;
        report.file_count += snapshot.files().len() as u64;
        report.row_count += snapshot.row_count();
        for finding in check_files_with(table, depth).await? {
            let text = format!("{}/{}: {}", table.spec().name, finding.path, finding.kind);
            if finding.kind.is_note() { report.notes.push(text) } else { report.findings.push(text) }
        }
    }
    report.findings.extend(check_accounting(lake).await?);
    Ok(report)
}

fn write(report: &Report, is_json: bool) -> Result<(), CliError> {
    let mut out = DataWriter::stdout();
    if is_json {
        let line = serde_json::json!({
            "files": report.file_count,
            "rows": report.row_count,
            "findings": report.findings,
            "notes": report.notes,
        });
        output::data_line(&mut out, &line.to_string())?;
    } else {
        report.findings.iter().try_for_each(|finding| output::data_line(&mut out, finding))?;
        report.notes.iter().try_for_each(|note| output::data_line(&mut out, &format!("note: {note}")))?;
    }
    out.finish()?;
    output::note(format!(
        "checked: {} data files, {} rows, {} findings",
        count_text(report.file_count),
        count_text(report.row_count),
        count_text(report.findings.len() as u64)
    ));
    Ok(())
}
