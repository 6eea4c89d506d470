//! `keytrail coverage`: the accounts, regions and days that the lake covers, and a line that sums them up.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use chrono::NaiveDate;

use crate::args::CoverageArguments;
use crate::errors::{CliError, Exit};
use crate::output;
use crate::pager::PagedWriter;
use crate::progress::count_text;
use crate::render::value;
use crate::session::SqlSession;
use crate::signals::Interruption;
use crate::{session, statements};

/// The rows of `log_file_coverage`, in order.
pub(crate) const COVERAGE_SQL: &str = include_str!("../../../../sql/reports/coverage.sql");

/// Writes the rows of `log_file_coverage`, in order, and sums them up on stderr.
pub(crate) async fn run(arguments: &CoverageArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let session = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let mut paged = PagedWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format_for(paged.data().destination());
    let mut totals = Totals::default();
    statements::run_and_look(&session, COVERAGE_SQL, &[], format, paged.data(), |rows| totals.add_rows(rows)).await?;
    paged.finish(interruption)?;
    output::note(totals.line());
    Ok(Exit::Done)
}

/// The days of each account and region.
#[derive(Debug, Default)]
struct Totals(BTreeMap<(String, String), Days>);

#[derive(Debug, Clone, Copy)]
struct Days {
    first: NaiveDate,
    last: NaiveDate,
    count: u64,
}

impl Days {
    /// Days between the first and the last without a row.
    fn missing(self) -> u64 {
        u64::try_from((self.last - self.first).num_days() + 1).unwrap_or(0).saturating_sub(self.count)
    }
}

impl Totals {
    /// Rows of the report; one without a day, or without a place, covers none.
    fn add_rows(&mut self, rows: &RecordBatch) {
        for row in 0..rows.num_rows() {
            let cell = |name: &str| {
                let column = rows.column_by_name(name)?;
                Some(value::text(column, row).ok()??.into_owned())
            };
            let day = cell("event_date").and_then(|day| day.parse().ok());
            if let (Some(day), Some(account_id), Some(aws_region)) =
                (day, cell("recipient_account_id"), cell("aws_region"))
            {
                self.add((account_id, aws_region), day);
            }
        }
    }

    fn add(&mut self, place: (String, String), day: NaiveDate) {
        let days = self.0.entry(place).or_insert(Days { first: day, last: day, count: 0 });
        (days.first, days.last, days.count) = (days.first.min(day), days.last.max(day), days.count + 1);
    }

    fn line(&self) -> String {
        let first = self.0.values().map(|days| days.first).min();
        let Some((first, last)) = first.zip(self.0.values().map(|days| days.last).max()) else {
            return "nothing is covered: the lake has no event with a time".to_owned();
        };
        let mut accounts: Vec<&str> = self.0.keys().map(|(account_id, _)| account_id.as_str()).collect();
        accounts.dedup();
        let with_holes = self.0.values().filter(|days| days.missing() > 0).count() as u64;
        let missing = self.0.values().map(|days| days.missing()).sum();
        let holes = match with_holes {
            0 => "no day between the first and the last without events in any".to_owned(),
            _ => format!(
                "{} days without events between the first and the last of {with_holes} of them",
                count_text(missing)
            ),
        };
        format!(
            "covered: {first} to {last}, {} accounts, {} pairs of account and region; {holes}",
            accounts.len(),
            self.0.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_places_and_days_without_events() {
        let mut totals = Totals::default();
        assert_eq!(totals.line(), "nothing is covered: the lake has no event with a time");
        for (account_id, aws_region, day) in [
            ("1", "eu-west-1", "2026-01-31"),
            ("1", "eu-west-1", "2026-02-01"),
            ("1", "us-east-1", "2026-01-30"),
            ("2", "eu-west-1", "2026-02-02"),
        ] {
            totals.add((account_id.to_owned(), aws_region.to_owned()), day.parse().expect("a day"));
        }
        let head = "covered: 2026-01-30 to 2026-02-02, 2 accounts, 3 pairs of account and region; ";
        assert_eq!(totals.line(), format!("{head}no day between the first and the last without events in any"));
        totals.add(("2".to_owned(), "eu-west-1".to_owned()), "2026-02-05".parse().expect("a day"));
        let head = head.replace("02-02", "02-05");
        assert_eq!(totals.line(), format!("{head}2 days without events between the first and the last of 1 of them"));
    }
}
