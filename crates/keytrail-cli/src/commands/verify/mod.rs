//! `keytrail verify SOURCE...`: log files against AWS's digest files.

mod summary;

use std::io::Write as _;

use indicatif::ProgressBar;
use keytrail_convert::integrity::{
    Gap, Level, LocationCheck, ObjectKind, ObjectResult, State, VerifyObserver, VerifyOptions, VerifySummary, verify,
};
use keytrail_convert::source::require_local;

use crate::args::VerifyArguments;
use crate::errors::{CliError, Exit};
use crate::escape;
use crate::output::{self, DataWriter};
use crate::progress::{count_text, over_bytes, waiting};
use crate::session;

/// Findings beyond this many are counted, not told in JSON.
const MAX_FINDINGS: usize = 1000;
/// Lines above the summary on a terminal, where it would scroll away otherwise; files and pipes get all.
const MAX_LINES: u64 = 20;

/// Verifies, tells each finding and the counts, and says by the exit code whether all is as AWS delivered it.
pub(crate) async fn run(arguments: &VerifyArguments, is_verbose: bool) -> Result<Exit, CliError> {
    let options = options(arguments)?;
    require_local(&options.sources, None)?;
    let mut lines = Lines::new(arguments.json, is_verbose);
    let verified = verify(&options, &mut lines).await;
    lines.bar.finish_and_clear();
    let summary = verified?;
    let mut out = lines.finish()?;
    if !arguments.json && lines.further > 0 {
        let count = count_text(lines.further);
        output::data_line(&mut out, &format!("… and {count} more findings; --verbose lists all\n"))?;
    }
    if arguments.json {
        output::data_line(&mut out, &summary::json(&summary, &options, &lines.findings, lines.further).to_string())?;
    } else {
        summary::lines(&summary, &options).iter().try_for_each(|line| output::data_line(&mut out, line))?;
    }
    out.finish()?;
    summary::note_hints(&summary, &options);
    Ok(exit_of(&summary))
}

fn options(arguments: &VerifyArguments) -> Result<VerifyOptions, CliError> {
    let range = session::period(arguments.since, arguments.until)?;
    Ok(VerifyOptions {
        sources: session::sources(&arguments.sources)?,
        storage: session::storage_options(&arguments.storage),
        public_keys: arguments.public_keys.clone(),
        signatures: arguments.signatures.clone(),
        range,
        account_id: arguments.account.clone(),
        location: if arguments.anywhere { LocationCheck::Anywhere } else { LocationCheck::Delivered },
    })
}

/// 4 when something is not as it was delivered, 3 when something is missing or not vouched for by a signature.
fn exit_of(summary: &VerifySummary) -> Exit {
    match (summary.is_damaged(), summary.is_complete()) {
        (true, _) => Exit::Integrity,
        (false, false) => Exit::Incomplete,
        (false, true) => Exit::Done,
    }
}

/// A line for each finding, and for what is valid when asked.
struct Lines {
    out: Option<DataWriter>,
    failed: Option<std::io::Error>,
    is_json: bool,
    is_verbose: bool,
    bar: ProgressBar,
    files: u64,
    findings: Vec<String>,
    further: u64,
    /// Lines that may still be told; none = all.
    room: Option<u64>,
}

impl Lines {
    fn new(is_json: bool, is_verbose: bool) -> Self {
        let is_cut = output::stdout_destination().is_terminal() && !is_verbose;
        Self {
            room: is_cut.then_some(MAX_LINES),
            out: Some(DataWriter::stdout()),
            failed: None,
            is_json,
            is_verbose,
            bar: waiting("listing files"),
            files: 0,
            findings: Vec::new(),
            further: 0,
        }
    }

    fn tell(&mut self, line: String, is_finding: bool) {
        if self.is_json {
            if is_finding && self.findings.len() < MAX_FINDINGS {
                self.findings.push(line);
            } else {
                self.further += u64::from(is_finding);
            }
            return;
        }
        match &mut self.room {
            Some(0) => return self.further += 1,
            Some(room) => *room -= 1,
            None => {}
        }
        let (Some(out), None) = (&mut self.out, &self.failed) else { return };
        self.failed = self.bar.suspend(|| writeln!(out, "{line}")).err();
    }

    fn finish(&mut self) -> Result<DataWriter, CliError> {
        match (self.failed.take(), self.out.take()) {
            (Some(error), _) => Err(error.into()),
            (None, out) => Ok(out.unwrap_or_else(DataWriter::stdout)),
        }
    }
}

impl VerifyObserver for Lines {
    fn planned(&mut self, _files: u64, bytes: u64) {
        self.bar.finish_and_clear();
        self.bar = over_bytes(bytes);
    }

    fn object(&mut self, result: &ObjectResult) {
        self.files += 1;
        self.bar.inc(result.size_bytes);
        self.bar.set_message(format!("{} files", count_text(self.files)));
        let is_finding = is_finding(result);
        if is_finding || self.is_verbose {
            self.tell(line_of(result), is_finding);
        }
    }

    fn gap(&mut self, gap: &Gap) {
        self.tell(line_of_gap(gap), true);
    }
}

/// What is held by a hash alone is counted; the lines would be as many as the digest files.
fn is_finding(result: &ObjectResult) -> bool {
    match &result.state {
        State::Held { level, .. } => *level == Level::Unverified && result.kind != ObjectKind::LogFile,
        _ => true,
    }
}

/// The fields of the AWS CLI's line, and the file that was read where that has another path.
fn line_of(result: &ObjectResult) -> String {
    let kind = match result.kind {
        ObjectKind::Digest => "Digest file",
        ObjectKind::BackfillDigest => "(backfill) Digest file",
        ObjectKind::LogFile => "Log file",
    };
    let mut line = format!("{kind}\t{}\t{}", escape::line(&result.name), words(result));
    if let Some(path) = &result.path {
        line.push('\t');
        line.push_str(&escape::line(path));
    }
    line
}

fn words(result: &ObjectResult) -> String {
    let lack = |lack: &Option<_>| lack.as_ref().map_or_else(String::new, |lack| format!(": {lack}"));
    match (&result.state, result.kind) {
        (State::Held { level: Level::Signed, .. }, _) => "valid".to_owned(),
        (State::Held { level: Level::HashChained, .. }, ObjectKind::LogFile) => {
            "valid, by a digest file that is hash-chained only".to_owned()
        }
        (State::Held { level: Level::Unverified, .. }, ObjectKind::LogFile) => {
            "valid, by a digest file that is unverified".to_owned()
        }
        (State::Held { level: Level::HashChained, lack: why }, _) => format!("hash-chained only{}", lack(why)),
        (State::Held { level: Level::Unverified, lack: why }, _) => format!("unverified{}", lack(why)),
        (State::Invalid(fault), _) => format!("INVALID: {fault}"),
        (State::NotFound, _) => "not found".to_owned(),
        (State::Unread(reason), _) => format!("cannot be read: {}", escape::line(reason)),
        (State::NotVouchedFor { copy_of: None }, _) => "not vouched for: no valid digest file names it".to_owned(),
        (State::NotVouchedFor { copy_of: Some(path) }, _) => {
            format!("not vouched for: it seems a further copy of {}, which was compared", escape::line(path))
        }
    }
}

fn line_of_gap(gap: &Gap) -> String {
    let chain = &gap.chain;
    let kind = if chain.is_backfill { "(backfill) Digest files" } else { "Digest files" };
    let names = [&chain.account_id, &chain.aws_region, &chain.trail_name].map(|name| escape::line(name).into_owned());
    let (from, to) = (summary::time(gap.from), summary::time(gap.to));
    format!("{kind}\t{}\tnone between {from} and {to}", names.join(" "))
}
