//! `keytrail coverage`: the accounts, regions and days that the lake covers, and a line that sums them up.

use keytrail_query::{CoveredPlace, coverage_summary, report_sql};

use crate::args::CoverageArguments;
use crate::errors::{CliError, Exit};
use crate::output;
use crate::pager::PagedWriter;
use crate::progress::counted;
use crate::render::Format;
use crate::session::SqlSession;
use crate::signals::Interruption;
use crate::{session, statements};

/// The report with a row for each account, region and day.
const BY_DAY: &str = "coverage.sql";
/// The report with a row for each account and region.
pub(crate) const BY_PLACE: &str = "coverage_places.sql";

/// Writes what is covered, for programs by the day and for people by the place, and sums it up on stderr, with what is not.
pub(crate) async fn run(arguments: &CoverageArguments, interruption: &Interruption) -> Result<Exit, CliError> {
    let session = SqlSession::over_data(session::over_lake(&arguments.lake, &arguments.engine).await?);
    let mut paged = PagedWriter::open(arguments.output.output.as_deref())?;
    let format = arguments.output.format_for(paged.data().destination());
    let by_place = format == Format::Table && !arguments.days;
    let sql = report_sql(if by_place { BY_PLACE } else { BY_DAY });
    statements::run(&session, sql, &[], format, paged.data()).await?;
    paged.finish(interruption)?;
    let summary = coverage_summary(&session.session).await?;
    output::note(line(&summary.places));
    let is_blind = !summary.blind_spots.is_empty();
    if is_blind {
        output::note(format!("blind spots: {}: `select * from kms_blind_spots`", summary.blind_spots.join(", ")));
    }
    if by_place {
        output::note("`--days` shows the days");
    }
    Ok(if is_blind { Exit::Incomplete } else { Exit::Done })
}

/// The places in a line.
fn line(places: &[CoveredPlace]) -> String {
    let first = places.iter().map(|place| place.first_date).min();
    let Some((first, last)) = first.zip(places.iter().map(|place| place.last_date).max()) else {
        return "nothing is covered: the lake has no event with a time".to_owned();
    };
    let mut accounts: Vec<&str> = places.iter().map(|place| place.account_id.as_str()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let with_holes = places.iter().filter(|place| place.missing_day_count > 0).count() as u64;
    let missing = places.iter().map(|place| place.missing_day_count).sum();
    let holes = match with_holes {
        0 => "no day between the first and the last without events in any".to_owned(),
        _ => {
            format!("{} without events between the first and the last of {with_holes} of them", counted(missing, "day"))
        }
    };
    let early: Vec<_> = places.iter().map(|place| place.last_date).filter(|day| (last - *day).num_days() > 1).collect();
    let ends = early.iter().min().map(|first_end| {
        format!("; {} of them without events from a day before the last on, the first since {first_end}", early.len())
    });
    format!(
        "covered: {first} to {last}, {}, {} of account and region; {holes}{}",
        counted(accounts.len() as u64, "account"),
        counted(places.len() as u64, "pair"),
        ends.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_places_and_days_without_events() {
        assert_eq!(line(&[]), "nothing is covered: the lake has no event with a time");
        let place = |(account_id, aws_region, first, last, missing_day_count): (&str, &str, &str, &str, u64)| {
            let [first_date, last_date] = [first, last].map(|day| day.parse().expect("a day"));
            CoveredPlace {
                account_id: account_id.to_owned(),
                aws_region: aws_region.to_owned(),
                first_date,
                last_date,
                missing_day_count,
            }
        };
        let mut places = [
            ("1", "eu-west-1", "2026-01-31", "2026-02-01", 0),
            ("1", "us-east-1", "2026-01-30", "2026-01-30", 0),
            ("2", "eu-west-1", "2026-02-02", "2026-02-02", 0),
        ]
        .map(place);
        let head = "covered: 2026-01-30 to 2026-02-02, 2 accounts, 3 pairs of account and region; ";
        let ends = "; 1 of them without events from a day before the last on, the first since 2026-01-30";
        assert_eq!(line(&places), format!("{head}no day between the first and the last without events in any{ends}"));
        places[2] = place(("2", "eu-west-1", "2026-02-02", "2026-02-05", 2));
        let head = head.replace("02-02", "02-05");
        let ends = "; 2 of them without events from a day before the last on, the first since 2026-01-30";
        assert_eq!(
            line(&places),
            format!("{head}2 days without events between the first and the last of 1 of them{ends}")
        );
    }
}
