//! Keys and aliases of the lake like a name that no event knows.
//!
//! It is asked only when a key is not found: it reads every key event there is.

use crate::diagnosis::similar;
use crate::error::QueryError;
use crate::rows::Rows;
use crate::session::Session;
use crate::views::catalogue::report_sql;

/// Names that `wrong` may have meant, best first: alias names for an alias, key ARNs for an ARN, else ids and alias names.
///
/// # Errors
/// Those of a query.
pub async fn similar_keys(session: &Session, wrong: &str) -> Result<Vec<String>, QueryError> {
    let wrong = wrong.trim();
    if let Some(at) = wrong.find("alias/") {
        return Ok(best(&wrong[at..], &names(session, "names/aliases.sql").await?));
    }
    let arns = names(session, "names/keys.sql").await?;
    if wrong.starts_with("arn:") {
        return Ok(best(wrong, &arns));
    }
    let mut known = names(session, "names/aliases.sql").await?;
    known.extend(arns.iter().filter_map(|arn| Some(arn.rsplit_once('/')?.1.to_owned())));
    Ok(best(wrong, &known))
}

fn best(wrong: &str, names: &[String]) -> Vec<String> {
    similar(wrong, names.iter().map(String::as_str))
}

async fn names(session: &Session, report: &str) -> Result<Vec<String>, QueryError> {
    let rows = Rows::collect(session.execute(report_sql(report), &[]).await?).await?;
    rows.map(|row| row.required_text("name"))
}
