//! `keytrail check --against SOURCE`: the lake against the log files it was made of.

use std::sync::Arc;

use keytrail_convert::check_against;
use keytrail_lake::Lake;

use super::Report;
use crate::args::CheckArguments;
use crate::commands::convert;
use crate::errors::CliError;
use crate::output;
use crate::progress::{ConvertBar, count_text, counted};
use crate::session;

/// Compares, and adds what differs to the report.
pub(super) async fn check(lake: &Lake, arguments: &CheckArguments, report: &mut Report) -> Result<(), CliError> {
    let range = session::period(arguments.period.since, arguments.period.until)?;
    let mut options = convert::options(session::sources(&arguments.against)?);
    options.range = range;
    options.storage = session::storage_options(&arguments.lake.storage);
    let bar = Arc::new(ConvertBar::start());
    let compared = check_against(lake, &options, bar.clone()).await;
    bar.finish();
    let compared = compared?;
    output::note(format!(
        "compared: {} log files, {} records; repeated deliveries, looked for in the whole lake: {}",
        count_text(compared.log_files),
        count_text(compared.records),
        count_text(compared.duplicates),
    ));
    compared.findings.into_iter().for_each(|finding| report.find(finding));
    if compared.further_findings > 0 {
        report.find(format!("and {} more", count_text(compared.further_findings)));
    }
    if compared.unconverted_log_files > 0 {
        report.is_incomplete = true;
        report.notes.push(format!(
            "not compared: {} of the source, which the lake has not read, or of another version; `keytrail convert` does",
            counted(compared.unconverted_log_files, "log file")
        ));
    }
    Ok(())
}
