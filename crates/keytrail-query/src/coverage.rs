//! What a lake covers, in short: the days of each account and region, and how many blind spots there are.
//!
//! What a day without events is, and what a blind spot, the reports say (`sql/reports/coverage*.sql`).

use chrono::NaiveDate;

use crate::error::QueryError;
use crate::rows::{Row, Rows};
use crate::session::Session;
use crate::views::catalogue::report_sql;

/// What a lake covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageSummary {
    /// Accounts and regions with an event that has a time, in order.
    pub places: Vec<CoveredPlace>,
    /// How many blind spots there are of each kind, in words: `2 gap`.
    pub blind_spots: Vec<String>,
}

/// The days of an account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredPlace {
    /// The account that events were delivered to.
    pub account_id: String,
    /// The region of the events.
    pub aws_region: String,
    /// The first UTC day with an event.
    pub first_date: NaiveDate,
    /// The last UTC day with an event.
    pub last_date: NaiveDate,
    /// Days between the two without an event.
    pub missing_day_count: u64,
}

/// What the lake of a session covers.
///
/// # Errors
/// Those of a query.
pub async fn coverage_summary(session: &Session) -> Result<CoverageSummary, QueryError> {
    let places = rows(session, "coverage_places.sql").await?.map(place)?;
    let blind_spots = rows(session, "coverage_blind_spots.sql").await?.map(|row| row.required_text("spots"))?;
    Ok(CoverageSummary { places: places.into_iter().flatten().collect(), blind_spots })
}

async fn rows(session: &Session, report: &str) -> Result<Rows, QueryError> {
    Rows::collect(session.execute(report_sql(report), &[]).await?).await
}

/// Events without a time, an account or a region cover nothing.
fn place(row: Row<'_>) -> Result<Option<CoveredPlace>, QueryError> {
    let Some((account_id, aws_region)) = row.text("account_id")?.zip(row.text("aws_region")?) else { return Ok(None) };
    let Some((first_date, last_date)) = row.date("first_date")?.zip(row.date("last_date")?) else { return Ok(None) };
    let missing_day_count = row.count("holes")?;
    Ok(Some(CoveredPlace { account_id, aws_region, first_date, last_date, missing_day_count }))
}
