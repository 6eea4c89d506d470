//! From what a person calls a key to the key's ARN.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use keytrail_events::kms::arn::{Arn, is_key_id, key_id_of};

use super::report;
use crate::error::QueryError;
use crate::rows::Row;
use crate::session::Session;

/// Later than every event.
const END_OF_TIME: &str = "2200-01-01T00:00:00Z";

/// The forms in which a key can be named.
#[derive(Debug, PartialEq, Eq)]
enum KeyName<'a> {
    Arn(&'a str),
    Id(&'a str),
    Alias { name: &'a str, place: Option<KeyPlace<'a>> },
}

/// Account and region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPlace<'a> {
    pub(super) account_id: &'a str,
    pub(super) region: &'a str,
}

impl<'a> KeyPlace<'a> {
    /// Those of a key's ARN.
    pub(super) fn of_key(arn: &'a str) -> Option<Self> {
        let arn = Arn::parse(arn)?;
        arn.key_id().map(|_| Self::of(arn))
    }

    fn of(arn: Arn<'a>) -> Self {
        Self { account_id: arn.account, region: arn.region }
    }
}

impl<'a> KeyName<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(arn) = Arn::parse(text).filter(|arn| arn.service == "kms") {
            // Tables and spreadsheets write ids in capitals, AWS does not.
            let is_key = |id: &str| is_key_id(&id.to_ascii_lowercase());
            if arn.key_id().is_some_and(is_key) {
                return Some(Self::Arn(text));
            }
            let is_alias = arn.resource.starts_with("alias/");
            return is_alias.then(|| Self::Alias { name: arn.resource, place: Some(KeyPlace::of(arn)) });
        }
        if text.len() > "alias/".len() && text.starts_with("alias/") {
            return Some(Self::Alias { name: text, place: None });
        }
        let is_id = text.len() >= 8 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_id.then_some(Self::Id(text))
    }
}

/// The ARN of the key that is named; an ARN is its own, also where nothing names it.
pub(super) async fn resolve(session: &Session, text: &str, at: Option<DateTime<Utc>>) -> Result<String, QueryError> {
    let text = text.trim();
    match KeyName::parse(text) {
        None => Err(QueryError::NotAKey { key: text.to_owned() }),
        Some(KeyName::Arn(arn)) => Ok(arn.to_lowercase()),
        Some(KeyName::Id(id)) => {
            let suffix = format!(":key/{}", id.to_lowercase());
            only(text, key_arns(session, "key/keys_by_id.sql", &[("key_suffix", &suffix)], |_| Ok(true)).await?)
        }
        Some(KeyName::Alias { name, place }) => {
            let moment = at.map_or_else(|| END_OF_TIME.to_owned(), |at| at.to_rfc3339());
            let parameters =
                [("alias", name), ("at", &moment)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            let rows = report(session, "key/keys_by_alias.sql", &parameters).await?;
            // Who asks for no moment means the last key of the name, deleted or not.
            let is_ended = |row: &Row<'_>| Ok::<_, QueryError>(at.is_some() && row.count("is_ended")? != 0);
            let keys = rows.map(|row| {
                let ended_time = if is_ended(&row)? { row.time("ended_time")? } else { None };
                Ok((row.required_text("key_arn")?, ended_time))
            })?;
            let (found, ended): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(_, ended_time)| ended_time.is_none());
            let found: Vec<_> = found.into_iter().map(|(arn, _)| arn).collect();
            let latest = latest_by_place(&found, place);
            match at {
                Some(at) if latest.is_empty() => {
                    let is_there = |arn: &str| place.is_none() || KeyPlace::of_key(arn) == place;
                    let gone = ended.into_iter().filter(|(arn, _)| is_there(arn)).max_by_key(|(_, time)| *time);
                    Err(match gone {
                        Some((key_arn, Some(until))) => {
                            QueryError::AliasGone { alias: text.to_owned(), at, until, key_arn }
                        }
                        _ => unseen_alias(session, text, name, place, at).await?,
                    })
                }
                _ => only(text, latest),
            }
        }
    }
}

/// An alias that stood for no key at a moment: since when it does, if it does later.
async fn unseen_alias(
    session: &Session,
    text: &str,
    name: &str,
    place: Option<KeyPlace<'_>>,
    at: DateTime<Utc>,
) -> Result<QueryError, QueryError> {
    let rows = report(session, "key/alias_first_keys.sql", &[("alias".to_owned(), name.to_owned())]).await?;
    let keys = rows.map(|row| Ok((row.required_text("key_arn")?, row.time("first_valid_from")?)))?;
    let is_there = |arn: &str| place.is_none() || KeyPlace::of_key(arn) == place;
    Ok(match keys.into_iter().find(|(arn, _)| is_there(arn)) {
        Some((key_arn, Some(since))) if since > at => {
            QueryError::AliasNotYet { alias: text.to_owned(), at, since, key_arn }
        }
        _ => QueryError::KeyNotFound { key: text.to_owned() },
    })
}

/// The keys of the rows that are meant, in their order.
async fn key_arns(
    session: &Session,
    file: &str,
    parameters: &[(&str, &str)],
    is_meant: impl Fn(&Row<'_>) -> Result<bool, QueryError>,
) -> Result<Vec<String>, QueryError> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rows = report(session, file, &parameters).await?;
    let arns = rows.map(|row| Ok(is_meant(&row)?.then_some(row.required_text("key_arn")?)))?;
    Ok(arns.into_iter().flatten().collect())
}

/// The keys that have the id of another key's ARN: a wrong account or region is easily typed.
pub(super) async fn keys_of_same_id(session: &Session, key_arn: &str) -> Result<Vec<String>, QueryError> {
    let Some(id) = key_id_of(key_arn) else { return Ok(Vec::new()) };
    let suffix = format!(":key/{id}");
    let mut arns = key_arns(session, "key/keys_by_id.sql", &[("key_suffix", &suffix)], |_| Ok(true)).await?;
    arns.retain(|arn| arn != key_arn);
    Ok(arns)
}

/// The keys whose id differs from the one asked for by a letter or two, or begins or ends like it, which no two ids of KMS do by chance:
/// what a typist meant.
pub(super) async fn keys_of_similar_id(session: &Session, key_arn: &str) -> Result<Vec<String>, QueryError> {
    let names = report(session, "names/keys.sql", &[]).await?;
    let mut arns = names.map(|row| row.required_text("name"))?;
    arns.retain(|arn| is_nearly(arn, key_arn));
    Ok(arns)
}

fn is_nearly(one: &str, other: &str) -> bool {
    let (one, other) = (key_id_of(one).unwrap_or_default(), key_id_of(other).unwrap_or_default());
    let differing = one.bytes().zip(other.bytes()).filter(|(one, other)| one != other).count();
    let [one_random, other_random] = [one, other].map(|id| id.trim_start_matches("mrk-"));
    let begins_alike = one_random.get(..8).is_some_and(|begin| other_random.starts_with(begin));
    let ends_alike = one_random.len().checked_sub(12).is_some_and(|at| other_random.ends_with(&one_random[at..]));
    one.len() == other.len() && differing > 0 && (differing <= 2 || begins_alike || ends_alike)
}

/// Of keys that an alias stood for, latest first: the latest in each account and region, or in the one asked for.
fn latest_by_place(key_arns: &[String], place: Option<KeyPlace<'_>>) -> Vec<String> {
    let mut latest = BTreeMap::new();
    for arn in key_arns {
        let of_key = KeyPlace::of_key(arn);
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

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn place(region: &str) -> KeyPlace<'_> {
        KeyPlace { account_id: ACCOUNT, region }
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
