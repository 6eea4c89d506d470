//! `keytrail coverage`: the accounts, regions and days that the lake covers.

use crate::args::CoverageArguments;
use crate::errors::{CliError, Exit};
use crate::output::DataWriter;
use crate::session::SqlSession;
use crate::{session, statements};

/// The rows of `log_file_coverage`, in order.
pub(crate) const COVERAGE_SQL: &str = include_str!("../../../../sql/reports/coverage.sql");

/// Writes the rows of `log_file_coverage`, in order.
pub(crate) async fn run(arguments: &CoverageArguments) -> Result<Exit, CliError> {
    let session = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let mut out = DataWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format_for(out.destination());
    statements::run(&session, COVERAGE_SQL, &[], format, &mut out).await?;
    out.finish()?;
    Ok(Exit::Done)
}
