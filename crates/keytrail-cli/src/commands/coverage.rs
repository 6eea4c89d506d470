//! `keytrail coverage`: the accounts, regions and days that the lake covers, and a line that sums them up.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use chrono::NaiveDate;
use keytrail_query::Session;

use crate::args::CoverageArguments;
use crate::errors::{CliError, Exit};
use crate::output;
use crate::pager::PagedWriter;
use crate::progress::counted;
use crate::render::{Format, value};
use crate::session::SqlSession;
use crate::signals::Interruption;
use crate::{session, statements};

/// The rows of `log_file_coverage`, in order: a row for each day.
const DAYS_SQL: &str = include_str!("../../../../sql/reports/coverage.sql");
/// A row for each account and region.
pub(crate) const PLACES_SQL: &str = include_str!("../../../../sql/reports/coverage_places.sql");
const BLIND_SPOTS_SQL: &str = include_str!("../../../../sql/reports/coverage_blind_spots.sql");

/// Writes what is covered, for programs by the day and for people by the place, and sums it up on stderr, with what is not.
pub(crate) async fn run(arguments: &CoverageArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let session = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let mut paged = PagedWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format_for(paged.data().destination());
    let by_place = format == Format::Table && !arguments.days;
    let sql = if by_place { PLACES_SQL } else { DAYS_SQL };
    let mut totals = Totals::default();
    statements::run_and_look(&session, sql, &[], format, paged.data(), |rows| totals.add_rows(rows)).await?;
    paged.finish(interruption)?;
    output::note(totals.line());
    let blind_spots = blind_spots(&session.session).await?;
    if !blind_spots.is_empty() {
        output::note(format!("blind spots: {}: `select * from kms_blind_spots`", blind_spots.join(", ")));
    }
    if by_place {
        output::note("`--days` shows the days");
    }
    Ok(if blind_spots.is_empty() { Exit::Done } else { Exit::Incomplete })
}

/// How many there are of each kind, in words.
async fn blind_spots(session: &Session) -> Result<Vec<String>, CliError> {
    let batches = session.execute(BLIND_SPOTS_SQL, &[]).await?.collect().await?;
    let cells = batches.iter().flat_map(|rows| (0..rows.num_rows()).map(|row| value::text(rows.column(0), row)));
    Ok(cells.filter_map(|cell| cell.ok()?.map(|text| text.into_owned())).collect())
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
    /// Rows of either report; one without a day, or without a place, covers none.
    fn add_rows(&mut self, rows: &RecordBatch) {
        for row in 0..rows.num_rows() {
            let cell = |name: &str| {
                let column = rows.column_by_name(name)?;
                Some(value::text(column, row).ok()??.into_owned())
            };
            let day = |name: &str| cell(name)?.parse().ok();
            let days = |day| Days { first: day, last: day, count: 1 };
            let of_place = || {
                let count = cell("days")?.parse().ok()?;
                Some(Days { first: day("first_date")?, last: day("last_date")?, count })
            };
            let account_id = cell("recipient_account_id").or_else(|| cell("account_id"));
            if let (Some(days), Some(account_id), Some(aws_region)) =
                (day("event_date").map(days).or_else(of_place), account_id, cell("aws_region"))
            {
                self.add((account_id, aws_region), days);
            }
        }
    }

    fn add(&mut self, place: (String, String), more: Days) {
        let days = self.0.entry(place).or_insert(Days { count: 0, ..more });
        *days =
            Days { first: days.first.min(more.first), last: days.last.max(more.last), count: days.count + more.count };
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
                "{} without events between the first and the last of {with_holes} of them",
                counted(missing, "day")
            ),
        };
        let early: Vec<_> = self.0.values().map(|days| days.last).filter(|day| (last - *day).num_days() > 1).collect();
        let ends = early.iter().min().map(|first_end| {
            format!(
                "; {} of them without events from a day before the last on, the first since {first_end}",
                early.len()
            )
        });
        format!(
            "covered: {first} to {last}, {}, {} of account and region; {holes}{}",
            counted(accounts.len() as u64, "account"),
            counted(self.0.len() as u64, "pair"),
            ends.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_day(day: &str) -> Days {
        let day = day.parse().expect("a day");
        Days { first: day, last: day, count: 1 }
    }

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
            totals.add((account_id.to_owned(), aws_region.to_owned()), one_day(day));
        }
        let head = "covered: 2026-01-30 to 2026-02-02, 2 accounts, 3 pairs of account and region; ";
        let ends = "; 1 of them without events from a day before the last on, the first since 2026-01-30";
        assert_eq!(totals.line(), format!("{head}no day between the first and the last without events in any{ends}"));
        totals.add(("2".to_owned(), "eu-west-1".to_owned()), one_day("2026-02-05"));
        let head = head.replace("02-02", "02-05");
        let ends = "; 2 of them without events from a day before the last on, the first since 2026-01-30";
        assert_eq!(
            totals.line(),
            format!("{head}2 days without events between the first and the last of 1 of them{ends}")
        );
    }
}
