//! What the owner of one key asks first: used or not, when, by whom, through what, for what data, what failed, and over
//! which window the logs can tell.
//!
//! The questions are the files under `sql/reports/key/`; this turns a name into a key, runs them and gives a struct.
//! It passes no verdict and renders nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use futures::try_join;

use crate::catalogue::report_sql;
use crate::error::QueryError;
use crate::rows::{Row, Rows};
use crate::session::Session;

/// What the logs show about one key. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The key.
    pub key_arn: String,
    /// The account that owns the key, by its ARN.
    pub account_id: String,
    /// The key's region, by its ARN.
    pub region: String,
    /// Whether any event names the key; when not, everything below but the coverage is empty.
    pub is_seen: bool,
    /// First and last use, and counts.
    pub usage: KeyUsage,
    /// What was done, the most uses first.
    pub operations: Vec<OperationUse>,
    /// Who used the key or tried to, the most uses first; at most 20.
    pub principals: Vec<PrincipalUse>,
    /// How many principals there are in all.
    pub principal_total: u64,
    /// Services through which the key was used or tried, the most uses first.
    pub services: Vec<ServiceUse>,
    /// Pairs of encryption contexts, the most calls first; at most 20.
    pub contexts: Vec<ContextUse>,
    /// How many distinct pairs there are in all.
    pub context_total: u64,
    /// Failed cryptographic calls, the most frequent first.
    pub failures: Vec<FailedAttempts>,
    /// Failed cryptographic calls in the key's account and region that name no key; any may have meant this one.
    pub unattributed_failure_count: u64,
    /// Alias names seen to stand for the key, the latest first.
    pub aliases: Vec<AliasUse>,
    /// What the logs cover in the key's account and region.
    pub coverage: CoverageWindow,
}

/// First and last use of a key, and counts: the row of `kms_key_usage`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// Time of the earliest use; null = no use seen.
    pub first_used_time: Option<DateTime<Utc>>,
    /// Time of the latest use; null = no use seen.
    pub last_used_time: Option<DateTime<Utc>>,
    /// Event of the latest use.
    pub last_used_event_id: Option<String>,
    /// Operation of the latest use.
    pub last_used_operation: Option<String>,
    /// Who made the latest use; null where AWS names none.
    pub last_used_principal_arn: Option<String>,
    /// Events that are a use of the key.
    pub use_event_count: u64,
    /// The same, copies of one call counted once.
    pub use_count: u64,
    /// Uses that opened ciphertext.
    pub decrypt_count: u64,
    /// Uses that left new ciphertext.
    pub ciphertext_created_count: u64,
    /// Signatures and MACs made or verified.
    pub sign_mac_count: u64,
    /// Cryptographic calls that failed.
    pub failed_count: u64,
    /// Distinct principal ARNs of uses.
    pub principal_count: u64,
    /// Distinct services that made uses.
    pub service_count: u64,
}

/// What was done with a key by one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationUse {
    /// The operation, such as `Decrypt`.
    pub operation: String,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// UTC day of the latest call.
    pub last_seen_date: Option<NaiveDate>,
}

/// What one principal did with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalUse {
    /// A role, another principal's ARN, a service or a principal id; null where the records name nobody.
    pub principal: Option<String>,
    /// `userIdentity.type`.
    pub principal_type: Option<String>,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// What was done with a key through one AWS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUse {
    /// The service, such as `s3.amazonaws.com`.
    pub service: String,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// One pair of an encryption context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextUse {
    /// The pair's name.
    pub context_key: String,
    /// The pair's value; written by callers.
    pub context_value: Option<String>,
    /// Calls that named it.
    pub event_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// Failed calls with one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The error.
    pub error_code: String,
    /// What the failure proves: blocked, denied, transient, …
    pub outcome: Option<String>,
    /// Failed calls.
    pub event_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// An alias name that was seen to stand for the key; it may have been moved since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasUse {
    /// The name, with `alias/`.
    pub alias_name: String,
    /// Earliest event.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest event.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// What the logs cover in one account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageWindow {
    /// Earliest event of any service; null = the logs hold nothing of this account and region.
    pub first_event_time: Option<DateTime<Utc>>,
    /// Latest event of any service.
    pub last_event_time: Option<DateTime<Utc>>,
    /// UTC days with at least one event.
    pub covered_day_count: u64,
    /// UTC days between the first and the last without a single event.
    pub missing_day_count: u64,
    /// Events of all services.
    pub record_count: u64,
    /// KMS events of a reading kind; zero beside KMS writes is the mark of a write-only trail.
    pub kms_read_count: u64,
    /// KMS events of a writing kind.
    pub kms_write_count: u64,
}

/// Answers the first questions about a key: a key ARN, a key id, an alias name or an alias ARN.
///
/// A key ARN that no event names has an answer too: that nothing was seen, over the window that is covered.
///
/// # Errors
/// [`QueryError::NotAKey`], [`QueryError::KeyNotFound`] and [`QueryError::AmbiguousKey`], beside those of a query.
pub async fn key_answer(session: &Session, key: &str) -> Result<KeyAnswer, QueryError> {
    let (key_arn, is_seen) = resolve(session, key).await?;
    let not_a_key = || QueryError::NotAKey { key: key.to_owned() };
    let KeyArn { account_id, region } = KeyArn::parse(&key_arn, ":key/").ok_or_else(not_a_key)?;
    let of_key = [("key".to_owned(), key_arn.clone())];
    let of_place = [("account_id".to_owned(), account_id.to_owned()), ("region".to_owned(), region.to_owned())];
    let (usage, operations, principals, services, contexts, failures, aliases, unattributed, coverage) = try_join!(
        report(session, "key/usage.sql", &of_key),
        report(session, "key/operations.sql", &of_key),
        report(session, "key/principals.sql", &of_key),
        report(session, "key/services.sql", &of_key),
        report(session, "key/contexts.sql", &of_key),
        report(session, "key/failures.sql", &of_key),
        report(session, "key/aliases.sql", &of_key),
        report(session, "key/unattributed.sql", &of_place),
        report(session, "key/coverage.sql", &of_place),
    )?;
    Ok(KeyAnswer {
        is_seen,
        usage: usage.first().map(key_usage).transpose()?.unwrap_or_default(),
        operations: operations.map(operation_use)?,
        principals: principals.map(principal_use)?,
        principal_total: first_count(&principals, "total_count")?,
        services: services.map(service_use)?,
        contexts: contexts.map(context_use)?,
        context_total: first_count(&contexts, "total_count")?,
        failures: failures.map(failed_attempts)?,
        unattributed_failure_count: first_count(&unattributed, "event_count")?,
        aliases: aliases.map(alias_use)?,
        coverage: coverage.first().map(coverage_window).transpose()?.unwrap_or_default(),
        account_id: account_id.to_owned(),
        region: region.to_owned(),
        key_arn,
    })
}

async fn report(session: &Session, file: &str, parameters: &[(String, String)]) -> Result<Rows, QueryError> {
    Rows::collect(session.execute(report_sql(file), parameters).await?).await
}

fn first_count(rows: &Rows, column: &str) -> Result<u64, QueryError> {
    rows.first().map_or(Ok(0), |row| row.count(column))
}

/// The forms in which a key can be named.
#[derive(Debug, PartialEq, Eq)]
enum KeyName<'a> {
    Arn(&'a str),
    Id(&'a str),
    Alias { name: &'a str, place: Option<KeyArn<'a>> },
}

/// Account and region of an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyArn<'a> {
    account_id: &'a str,
    region: &'a str,
}

impl<'a> KeyArn<'a> {
    /// Account and region of `arn:PARTITION:kms:REGION:ACCOUNT` followed by `resource`.
    fn parse(arn: &'a str, resource: &str) -> Option<Self> {
        let place = &arn[..arn.find(resource)?];
        let parts: Vec<_> = place.split(':').collect();
        match parts[..] {
            ["arn", _, "kms", region, account_id] => Some(Self { account_id, region }),
            _ => None,
        }
    }
}

impl<'a> KeyName<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if KeyArn::parse(text, ":key/").is_some() {
            return Some(Self::Arn(text));
        }
        if let Some(place) = KeyArn::parse(text, ":alias/") {
            let name = &text[text.find("alias/")?..];
            return Some(Self::Alias { name, place: Some(place) });
        }
        if text.len() > "alias/".len() && text.starts_with("alias/") {
            return Some(Self::Alias { name: text, place: None });
        }
        let is_id = text.len() >= 8 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_id.then_some(Self::Id(text))
    }
}

/// The ARN of the key, and whether an event names it.
async fn resolve(session: &Session, text: &str) -> Result<(String, bool), QueryError> {
    let text = text.trim();
    match KeyName::parse(text) {
        None => Err(QueryError::NotAKey { key: text.to_owned() }),
        Some(KeyName::Arn(arn)) => {
            let found = key_arns(session, "key/keys_by_arn.sql", ("key", arn)).await?;
            Ok((arn.to_owned(), !found.is_empty()))
        }
        Some(KeyName::Id(id)) => {
            let suffix = format!(":key/{id}");
            let found = key_arns(session, "key/keys_by_id.sql", ("key_suffix", &suffix)).await?;
            only(text, found).map(|arn| (arn, true))
        }
        Some(KeyName::Alias { name, place }) => {
            let found = key_arns(session, "key/keys_by_alias.sql", ("alias", name)).await?;
            only(text, latest_by_place(&found, place)).map(|arn| (arn, true))
        }
    }
}

async fn key_arns(session: &Session, file: &str, parameter: (&str, &str)) -> Result<Vec<String>, QueryError> {
    let (name, value) = parameter;
    let rows = report(session, file, &[(name.to_owned(), value.to_owned())]).await?;
    rows.map(|row| row.required_text("key_arn"))
}

/// Of keys that an alias stood for, latest first: the latest in each account and region, or in the one asked for.
fn latest_by_place(key_arns: &[String], place: Option<KeyArn<'_>>) -> Vec<String> {
    let mut latest = BTreeMap::new();
    for arn in key_arns {
        let of_key = KeyArn::parse(arn, ":key/");
        if place.is_none() || of_key == place {
            latest.entry(of_key).or_insert(arn);
        }
    }
    latest.into_values().cloned().collect()
}

fn only(key: &str, mut candidates: Vec<String>) -> Result<String, QueryError> {
    match candidates.len() {
        0 => Err(QueryError::KeyNotFound { key: key.to_owned() }),
        1 => Ok(candidates.remove(0)),
        _ => {
            candidates.sort();
            Err(QueryError::AmbiguousKey { key: key.to_owned(), candidates })
        }
    }
}

fn key_usage(row: Row<'_>) -> Result<KeyUsage, QueryError> {
    Ok(KeyUsage {
        first_used_time: row.time("first_used_time")?,
        last_used_time: row.time("last_used_time")?,
        last_used_event_id: row.text("last_used_event_id")?,
        last_used_operation: row.text("last_used_operation")?,
        last_used_principal_arn: row.text("last_used_principal_arn")?,
        use_event_count: row.count("use_event_count")?,
        use_count: row.count("use_count")?,
        decrypt_count: row.count("decrypt_count")?,
        ciphertext_created_count: row.count("ciphertext_created_count")?,
        sign_mac_count: row.count("sign_mac_count")?,
        failed_count: row.count("failed_count")?,
        principal_count: row.count("principal_count")?,
        service_count: row.count("service_count")?,
    })
}

fn operation_use(row: Row<'_>) -> Result<OperationUse, QueryError> {
    Ok(OperationUse {
        operation: row.required_text("operation")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        last_seen_date: row.date("last_seen_date")?,
    })
}

fn principal_use(row: Row<'_>) -> Result<PrincipalUse, QueryError> {
    Ok(PrincipalUse {
        principal: row.text("principal")?,
        principal_type: row.text("principal_type")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

fn service_use(row: Row<'_>) -> Result<ServiceUse, QueryError> {
    Ok(ServiceUse {
        service: row.required_text("service")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

fn context_use(row: Row<'_>) -> Result<ContextUse, QueryError> {
    Ok(ContextUse {
        context_key: row.required_text("context_key")?,
        context_value: row.text("context_value")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

fn failed_attempts(row: Row<'_>) -> Result<FailedAttempts, QueryError> {
    Ok(FailedAttempts {
        error_code: row.required_text("error_code")?,
        outcome: row.text("outcome")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

fn alias_use(row: Row<'_>) -> Result<AliasUse, QueryError> {
    Ok(AliasUse {
        alias_name: row.required_text("alias_name")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

fn coverage_window(row: Row<'_>) -> Result<CoverageWindow, QueryError> {
    let covered_day_count = row.count("covered_day_count")?;
    let span = row.date("first_event_date")?.zip(row.date("last_event_date")?);
    let day_count = span.map_or(0, |(first, last)| u64::try_from((last - first).num_days()).unwrap_or(0) + 1);
    Ok(CoverageWindow {
        first_event_time: row.time("first_event_time")?,
        last_event_time: row.time("last_event_time")?,
        covered_day_count,
        missing_day_count: day_count.saturating_sub(covered_day_count),
        record_count: row.count("record_count")?,
        kms_read_count: row.count("kms_read_count")?,
        kms_write_count: row.count("kms_write_count")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn place(region: &str) -> KeyArn<'_> {
        KeyArn { account_id: ACCOUNT, region }
    }

    #[test]
    fn names_of_keys_are_told_apart() {
        let arn = "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
        let alias_arn = "arn:aws:kms:us-west-2:111122223333:alias/team/app";
        let cases = [
            (arn, Some(KeyName::Arn(arn))),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", Some(KeyName::Id("1234abcd-12ab-34cd-56ef-1234567890ab"))),
            ("alias/app", Some(KeyName::Alias { name: "alias/app", place: None })),
            (alias_arn, Some(KeyName::Alias { name: "alias/team/app", place: Some(place("us-west-2")) })),
            ("arn:aws:s3:::bucket", None),
            ("alias/", None),
            ("", None),
            ("key", None),
            ("1234abcd%", None),
        ];
        for (text, expected) in cases {
            assert_eq!(KeyName::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn an_alias_stands_for_its_latest_key_in_each_place() {
        let arn = |region: &str, id: &str| format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}");
        let seen = vec![arn("us-west-2", "new"), arn("eu-west-1", "only"), arn("us-west-2", "old")];
        assert_eq!(latest_by_place(&seen, None), [arn("eu-west-1", "only"), arn("us-west-2", "new")]);
        assert_eq!(latest_by_place(&seen, Some(place("us-west-2"))), [arn("us-west-2", "new")]);
        assert_eq!(latest_by_place(&seen, Some(place("us-east-1"))), Vec::<String>::new());
    }
}
