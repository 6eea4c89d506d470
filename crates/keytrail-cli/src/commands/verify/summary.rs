//! The counts of a verification: lines in the manner of the AWS CLI, one JSON object, and what to do about what is missing.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use keytrail_convert::Source;
use keytrail_convert::integrity::{DigestCounts, LogFileCounts, VerifyOptions, VerifySummary};
use serde_json::{Value, json};

use crate::output;
use crate::progress::count_text;

/// Commands for digest files without a signature are shown up to this many.
const MAX_COMMANDS: usize = 5;

/// A time as the AWS CLI shows it.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The counts in lines.
pub(super) fn lines(summary: &VerifySummary, options: &VerifyOptions) -> Vec<String> {
    let mut lines = vec![match (options.range.since, options.range.until) {
        (None, None) => "Results requested for all digest files".to_owned(),
        (Some(since), None) => format!("Results requested from {} on", time(since)),
        (None, Some(until)) => format!("Results requested up to {}", time(until)),
        (Some(since), Some(until)) => format!("Results requested for {} to {}", time(since), time(until)),
    }];
    match found(summary, options) {
        Some((from, to)) => lines.push(format!("Results found for {} to {}:", time(from), time(to))),
        None if summary.chains == 0 => lines.push("No digest files found".to_owned()),
        None => lines.push("No valid digest files found in range".to_owned()),
    }
    lines.extend(digest_line(&summary.digests, "digest"));
    lines.extend(digest_line(&summary.backfill, "backfill digest"));
    lines.extend(log_file_line(&summary.log_files));
    let more = [
        (summary.log_files.not_vouched_for, "log files that no valid digest file names"),
        (summary.log_file_copies, "of these seem to be further copies of log files that one names"),
        (summary.log_files.without_digests, "log files of accounts and regions without any digest file"),
        (summary.log_files.after_newest, "log files delivered in the hour after the newest digest file"),
        (summary.gaps, "periods without digest files"),
        (summary.digests.empty + summary.backfill.empty, "digest files of an hour in which nothing was delivered"),
        (summary.digests.starting + summary.backfill.starting, "digest files that start a chain"),
        (summary.digests.late + summary.backfill.late, "digest files with events of an earlier hour"),
        (summary.copies, "further copies of digest files"),
        (summary.outside_validity, "digest files signed outside of the time for which AWS states their key"),
    ];
    let more = more.into_iter().filter(|(count, _)| *count > 0);
    lines.extend(more.map(|(count, what)| format!("{} {what}", count_text(count))));
    lines
}

/// What was found of what was asked for.
fn found(summary: &VerifySummary, options: &VerifyOptions) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (from, to) = summary.found?;
    Some((
        options.range.since.map_or(from, |since| from.max(since)),
        options.range.until.map_or(to, |until| to.min(until)),
    ))
}

fn digest_line(counts: &DigestCounts, name: &str) -> Option<String> {
    let parts = [
        (counts.hash_chained, "hash-chained only"),
        (counts.unverified, "unverified"),
        (counts.invalid, "INVALID"),
        (counts.not_found, "not found"),
        (counts.unread, "cannot be read"),
    ];
    ratio(counts.signed, counts.total(), &format!("{name} files valid and signed"), &parts)
}

fn log_file_line(counts: &LogFileCounts) -> Option<String> {
    let parts = [
        (counts.valid_unsigned, "of them by digest files without a verified signature"),
        (counts.invalid, "INVALID"),
        (counts.not_found, "not found"),
        (counts.unread, "cannot be read"),
    ];
    ratio(counts.valid, counts.total(), "log files valid", &parts)
}

fn ratio(valid: u64, total: u64, what: &str, parts: &[(u64, &str)]) -> Option<String> {
    let mut line = format!("{}/{} {what}", count_text(valid), count_text(total));
    for (count, word) in parts.iter().filter(|(count, _)| *count > 0) {
        line.push_str(&format!(", {} {word}", count_text(*count)));
    }
    (total > 0).then_some(line)
}

/// The counts as one object; its members stay.
pub(super) fn json(summary: &VerifySummary, options: &VerifyOptions, findings: &[String], further: u64) -> Value {
    let logs = &summary.log_files;
    json!({
        "since": options.range.since.map(time),
        "until": options.range.until.map(time),
        "found_since": found(summary, options).map(|(from, _)| time(from)),
        "found_until": found(summary, options).map(|(_, to)| time(to)),
        "chains": summary.chains,
        "digest_files": digest_json(&summary.digests),
        "backfill_digest_files": digest_json(&summary.backfill),
        "log_files": {
            "total": logs.total(),
            "valid": logs.valid,
            "valid_unsigned": logs.valid_unsigned,
            "invalid": logs.invalid,
            "not_found": logs.not_found,
            "unread": logs.unread,
            "not_vouched_for": logs.not_vouched_for,
            "without_digest_files": logs.without_digests,
            "after_newest_digest_file": logs.after_newest,
        },
        "gaps": summary.gaps,
        "copies": summary.copies,
        "log_file_copies": summary.log_file_copies,
        "moved": summary.moved,
        "outside_key_validity": summary.outside_validity,
        "missing_public_keys": summary.missing_keys.keys().map(|(fingerprint, _)| fingerprint).collect::<BTreeSet<_>>(),
        "findings": findings,
        "further_findings": further,
        "is_damaged": summary.is_damaged(),
        "is_complete": summary.is_complete(),
    })
}

fn digest_json(counts: &DigestCounts) -> Value {
    json!({
        "total": counts.total(),
        "signed": counts.signed,
        "hash_chained": counts.hash_chained,
        "unverified": counts.unverified,
        "invalid": counts.invalid,
        "not_found": counts.not_found,
        "unread": counts.unread,
        "empty": counts.empty,
        "starting": counts.starting,
        "late": counts.late,
    })
}

/// Says what would make the result better.
pub(super) fn note_hints(summary: &VerifySummary, options: &VerifyOptions) {
    note_missing_keys(summary);
    for ((account_id, aws_region), count) in &summary.places_without_digests {
        output::note(format!("no digest file of {account_id} {aws_region}, but {} log files", count_text(*count)));
    }
    let hints = missing_signatures(summary).into_iter().chain(missing_buckets(summary, options));
    hints.chain(wrong_place(summary).map(str::to_owned)).for_each(output::hint);
    let is_missing = summary.digests.not_found + summary.backfill.not_found > 0;
    if is_missing && options.range.since.is_none() {
        output::hint("where what came before was not copied, name the beginning of the copy with --since TIME");
    }
}

fn note_missing_keys(summary: &VerifySummary) {
    for ((fingerprint, region), key) in &summary.missing_keys {
        let count = count_text(key.digests);
        output::note(format!("public key not found for fingerprint {fingerprint}: {count} digest files of {region}"));
        if is_plain(region) {
            output::hint(format!(
                "aws cloudtrail list-public-keys --region {region} --start-time {} --end-time {} --output json > keys-{region}.json",
                time(key.from),
                time(key.to)
            ));
            output::hint(format!("then the same again with --public-keys keys-{region}.json"));
        }
    }
}

/// Where the sources seem to be the wrong folder.
fn wrong_place(summary: &VerifySummary) -> Option<&'static str> {
    let logs = &summary.log_files;
    match () {
        () if summary.chains == 0 => Some(
            "digest files lie below AWSLogs/ACCOUNT/CloudTrail-Digest/, beside CloudTrail/ with the log files: name a folder above both",
        ),
        () if logs.not_found > 0 && logs.not_found == logs.total() => Some(
            "none of the log files is there: they lie below AWSLogs/ACCOUNT/CloudTrail/, beside CloudTrail-Digest/: name a folder above both",
        ),
        () if summary.moved > 0 => {
            Some("where the copy has other folders on purpose, --anywhere takes files wherever they lie")
        }
        () => None,
    }
}

/// A trail's bucket may have changed; only the sources are read.
fn missing_buckets(summary: &VerifySummary, options: &VerifyOptions) -> Vec<String> {
    let buckets = options.sources.iter().map(|source| match source {
        Source::Place(location) => location.as_s3().map(|(bucket, _)| bucket),
        Source::Bytes { .. } => None,
    });
    // In a copy on disk, nothing tells which buckets it is of.
    let Some(named) = buckets.collect::<Option<Vec<_>>>() else { return Vec::new() };
    let others = summary.not_found_in.iter().filter(|bucket| !named.contains(&bucket.as_str()));
    others
        .map(|bucket| format!("some of what was not found was delivered to s3://{bucket}: name it as a SOURCE too"))
        .collect()
}

fn missing_signatures(summary: &VerifySummary) -> Vec<String> {
    let unsigned = summary.without_signature.iter().filter_map(|name| name.strip_prefix("s3://")?.split_once('/'));
    let plain = unsigned.filter(|(bucket, key)| is_plain(bucket) && is_plain(key));
    let mut hints: Vec<String> = plain
        .take(MAX_COMMANDS)
        .map(|(bucket, key)| {
            let name = key.rsplit('/').next().unwrap_or(key).trim_end_matches(".gz");
            format!("aws s3api head-object --bucket {bucket} --key {key} --output json > {name}")
        })
        .collect();
    if !hints.is_empty() {
        hints.push("give what head-object prints with --signatures FILE".to_owned());
    }
    hints
}

/// Whether a text from a file may stand in a command that people paste: nothing that a shell reads as more than a name.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+');
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_file_reaches_a_shell() {
        let mut summary = VerifySummary::default();
        let key = "AWSLogs/111122223333/CloudTrail-Digest/x_20260304T040000Z.json.gz";
        summary.without_signature = vec![format!("s3://b/{key}"), "s3://b/x';rm".to_owned(), "s3://-b/x".to_owned()];
        let command = format!("aws s3api head-object --bucket b --key {key} --output json > x_20260304T040000Z.json");
        let told = missing_signatures(&summary);
        assert_eq!(told, [command, "give what head-object prints with --signatures FILE".to_owned()]);
    }
}
