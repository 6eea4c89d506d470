//! The sentences of a key's page: verdicts, reasons, caveats and advice.
//!
//! None says that a key is not used or that deleting it is without danger: the logs can show neither.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use keytrail_query::{Caveat, KeyAnswer, KeyFacts, Reason, StateSource, Verdict};

use crate::pages::layout::time_text;
use crate::progress::count_text;
use crate::render::value::iso_8601;

/// The verdict as a heading.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InUse => "IN USE",
        Verdict::BlockedDemand => "BLOCKED DEMAND",
        Verdict::NoUseFound => "NO USE FOUND in the covered window",
        Verdict::Incomplete => "INCOMPLETE",
    }
}

/// What the verdict rests on.
pub(super) fn reasons(answer: &KeyAnswer) -> Vec<String> {
    let verdict = &answer.verdict;
    match verdict.verdict {
        Verdict::InUse => vec![use_sentence(answer)],
        Verdict::BlockedDemand if verdict.unmet_count == 0 => vec![format!(
            "Calls that needed another key of its multi-Region set, which opens the same ciphertexts, failed, the last at {}, and none succeeded since.",
            time_text(verdict.family_last_unmet_time)
        )],
        Verdict::BlockedDemand => vec![format!(
            "{} that needed the key failed ({}), the last {} (event {}); {}.",
            match verdict.unmet_count {
                1 => "1 call".to_owned(),
                count => format!("{} calls", count_text(count)),
            },
            verdict.reason_words().join(", "),
            match verdict.last_unmet_time {
                Some(time) => format!("at {}", iso_8601(time, true)),
                None => "at a time that cannot be read".to_owned(),
            },
            verdict.last_unmet_event_id.as_deref().unwrap_or("without an id"),
            match answer.usage.last_used_time {
                Some(time) => format!("the last success was at {}", iso_8601(time, true)),
                None => "none succeeded".to_owned(),
            }
        )],
        Verdict::NoUseFound => {
            vec![format!("No successful cryptographic call with this key was found {}.", window(answer))]
        }
        Verdict::Incomplete => {
            let mut sentences = vec![format!("No use was found, but the logs cannot rule it out {}:", window(answer))];
            sentences.extend(verdict.reasons.iter().map(|why| format!("- {}", reason(*why))));
            sentences
        }
    }
}

/// What `--min-window` asks for, what is covered, and what that does to the verdict; none where it was not given.
pub(super) fn min_window(answer: &KeyAnswer) -> Option<String> {
    let asked = answer.min_window?;
    let covered = answer.observed_window();
    let whose = match (answer.family.is_empty(), covered == answer.coverage.length()) {
        (true, true) => "the covered window",
        (true, false) => "the covered window since the key was made",
        (false, _) => "the shortest covered window of its set",
    };
    let of_days = match covered.map(|covered| covered.num_days()) {
        Some(days) => format!("{whose} has {}", count_text(u64::try_from(days).unwrap_or(0))),
        None if answer.family.is_empty() => "nothing is covered".to_owned(),
        None => "of a key of its set nothing is covered".to_owned(),
    };
    let effect = match answer.verdict.verdict {
        _ if covered.is_some_and(|covered| covered >= asked) => "that is enough",
        Verdict::Incomplete if answer.verdict.reasons.contains(&Reason::ShortWindow) => {
            "this alone lowers the verdict from NO USE FOUND"
        }
        Verdict::Incomplete => "this alone would make the answer incomplete, too",
        Verdict::InUse | Verdict::BlockedDemand | Verdict::NoUseFound => {
            "that changes nothing, as the verdict rests on what was seen"
        }
    };
    Some(format!("--min-window asks for {} days, {of_days}: {effect}.", asked.num_days()))
}

/// Above what is known of the key itself: who tells it.
pub(super) fn facts_heading(answer: &KeyAnswer) -> String {
    match (answer.is_seen, answer.facts.described_time) {
        (true, None) => "What the logs tell of the key itself".to_owned(),
        (true, Some(time)) => {
            format!("What the logs, and describe-key at {}, tell of the key itself", iso_8601(time, true))
        }
        (false, Some(time)) => format!("What describe-key told of the key itself at {}", iso_8601(time, true)),
        (false, None) => "The key itself".to_owned(),
    }
}

/// The state, and how it is known.
pub(super) fn state(facts: &KeyFacts) -> Option<String> {
    let state = facts.key_state.as_ref()?;
    let Some(time) = facts.key_state_since_time.map(|time| iso_8601(time, true)) else { return Some(state.clone()) };
    Some(match facts.key_state_source {
        Some(StateSource::Observed) => format!("{state}, as calls prove, since {time} at the latest"),
        Some(StateSource::Inventory) => format!("{state}, as describe-key told at {time}"),
        Some(StateSource::Event) | None => format!("{state} since {time}"),
    })
}

/// What GetKeyLastUsage told.
pub(super) fn tracked_use(facts: &KeyFacts) -> Option<String> {
    let asked = iso_8601(facts.usage_asked_time?, true);
    Some(match facts.tracked_used_time {
        Some(time) => format!(
            "{} by {} (event {}), as GetKeyLastUsage told at {asked}",
            iso_8601(time, true),
            facts.tracked_operation.as_deref().unwrap_or("an operation without a name"),
            facts.tracked_event_id.as_deref().unwrap_or("without an id"),
        ),
        None => format!("none that KMS has tracked, as GetKeyLastUsage told at {asked}"),
    })
}

/// For when the deletion of the key is, or was, scheduled.
pub(super) fn deletion(facts: &KeyFacts) -> Option<String> {
    let time = told_by(facts.deletion_time?, facts.deletion_event_id.as_deref());
    let is_gone = facts.key_state.as_deref() == Some("Deleted");
    Some(format!("{} {time}", if is_gone { "was scheduled for" } else { "scheduled for" }))
}

/// A time that an event tells, or else an imported output.
pub(super) fn told_by(time: DateTime<Utc>, event_id: Option<&str>) -> String {
    let source = if event_id.is_some() { "" } else { ", by describe-key" };
    format!("{}{source}", iso_8601(time, true))
}

fn use_sentence(answer: &KeyAnswer) -> String {
    let usage = &answer.usage;
    let by_alias = answer.alias_calls.iter().find(|calls| ["used", "probe"].contains(&calls.outcome.as_str()));
    if let Some(calls) = by_alias.filter(|calls| calls.last_seen_time > usage.last_used_time) {
        return format!(
            "Last used at {} by {} (event {}): the record names {} only, which stood for this key then.",
            time_text(calls.last_seen_time),
            calls.operation,
            calls.last_event_id.as_deref().unwrap_or("without an id"),
            calls.alias_name
        );
    }
    let (Some(time), Some(event)) = (usage.last_used_time, &usage.last_used_event_id) else {
        return format!(
            "Another key of its multi-Region set, which opens the same ciphertexts, was used last at {}.",
            time_text(answer.verdict.family_last_used_time)
        );
    };
    let operation = usage.last_used_operation.as_deref().unwrap_or("an operation without a name");
    let probes = match answer.verdict.reasons.contains(&Reason::OnlyProbes) {
        true => " All of its uses were services' checks of their permission: somebody has configured it.",
        false => "",
    };
    let days = answer.coverage.last_event_time.map_or(0, |last| (last - time).num_days());
    let ago = if days > 0 { format!(", {days} days before the logs end") } else { String::new() };
    format!("Last used at {} by {operation} (event {event}){ago}.{probes}", iso_8601(time, true))
}

fn window(answer: &KeyAnswer) -> String {
    match (answer.coverage.first_event_time, answer.coverage.last_event_time) {
        (Some(first), Some(last)) => format!(
            "between {} and {} in account {}, {}",
            match answer.facts.creation_time.filter(|created| *created > first) {
                Some(created) => format!("{}, when it was created,", iso_8601(created, true)),
                None => iso_8601(first, true),
            },
            iso_8601(last, true),
            answer.account_id,
            answer.region
        ),
        _ => format!("in account {}, {}, of which there is no log at all", answer.account_id, answer.region),
    }
}

/// A kind of blind spot, or another reason for an incomplete answer.
pub(super) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NoLogs => "no log file of the key's account and region holds an event",
        Reason::Gap => {
            "a day or more without any event, or hours where there is otherwise never one: a trail that was off, missing files, or true silence"
        }
        Reason::WriteOnly => "only calls that change something are logged: cryptographic calls are not",
        Reason::KmsWritesOnly => "KMS is written to but never read: cryptographic calls are not logged",
        Reason::NoKmsCalls => "other services' calls are logged, but none of KMS",
        Reason::KmsCallsStopped => {
            "KMS calls of the account are missing for longer than they otherwise are, while other calls go on"
        }
        Reason::LoggingStopped => "the trail was stopped",
        Reason::KmsExcluded => "the trail's event selectors leave KMS calls out",
        Reason::KmsPartial => "the trail's event selectors choose KMS calls by name, caller or kind",
        Reason::UnattributedUse => {
            "calls in its account and region succeeded whose record names no key: any may have meant this one"
        }
        Reason::UnattributedDemand => {
            "calls in its account and region failed, not for want of permission, and their record names no key: they may have needed this one"
        }
        Reason::DeniedByKeyPolicy => {
            "its policy, or one about resources, denied calls of its own account: somebody there needs it, or tries (`select * from kms_denied_attempts`)"
        }
        Reason::OtherKeyBlocked => "a ReEncrypt that named it failed, as its other key could not be used",
        Reason::UnknownFailure => {
            "a cryptographic call on it failed by an error that may be the key's (`select * from kms_failed_attempts`)"
        }
        Reason::UnopenedCiphertext => {
            "somebody tried to decrypt what he took for a ciphertext of this key, and it is damaged or of another encryption context (`select * from kms_failed_attempts`)"
        }
        Reason::UnknownOperation => {
            "it was called by an operation that keytrail does not know (`select * from kms_events where operation_class = 'unknown'`)"
        }
        Reason::ProtectsObjects => "data events name it as the key of what was written: it protects that",
        Reason::EncryptedResource => {
            "another service made something with it (a volume, a snapshot, a database, a secret or the like), and the KMS calls that this takes are not in the logs"
        }
        Reason::SiblingIncomplete => {
            "another key of its multi-Region set, which opens the same ciphertexts, has holes in its logs, or signs of use"
        }
        Reason::PartialDetail => "records in a form that cannot name every key and context",
        Reason::Rejected => "log files or records that could not be read (`select * from rejects`)",
        Reason::FilteredExport => {
            "all events come from exports, and have one name, caller or key: a filter may have left the others out"
        }
        Reason::MissingUse => {
            "a use of a key there that KMS knows (GetKeyLastUsage), or another account, is not in the logs: a proven hole"
        }
        Reason::TrailSettings => {
            "no trail of which describe-trails told logs all KMS calls there (`select * from inventory_trails`)"
        }
        Reason::MissingLogFile => {
            "log files or digests that integrity digests name are not in the lake (`select * from trail_digests where missing_log_file_count > 0 or is_previous_missing`)"
        }
        Reason::UnfinishedConversion => {
            "a conversion left log files unread: run it again, in all its shards (`select * from unfinished_conversions`)"
        }
        Reason::NotYetCovered => "the logs end before the key was made",
        Reason::TrackedUse => "GetKeyLastUsage names a use at a time that the logs do not cover",
        Reason::MissingEvent => {
            "a use or the creation that KMS itself knows (GetKeyLastUsage, describe-key), or a deletion or an end of imported material that was due, is not in the logs: a proven hole"
        }
        Reason::KnownElsewhere => "the logs know its id in another account or region: is the ARN right?",
        Reason::SimilarKey => {
            "no event names this key, but the logs know one whose id is nearly the same: is the ARN right?"
        }
        Reason::ShortWindow => "the covered window is shorter than --min-window asks for",
        // Of the other verdicts, which have sentences of their own.
        Reason::Use
        | Reason::OnlyProbes
        | Reason::SiblingUsed
        | Reason::SiblingBlocked
        | Reason::Blocked
        | Reason::NotFound
        | Reason::Transient
        | Reason::VerifyFailed
        | Reason::BlockedInService
        | Reason::NotFoundInService
        | Reason::InaccessibleInService => reason.as_str(),
    }
}

/// What a record of another service proves of the key.
pub(super) fn proof(proof: &str) -> &str {
    match proof {
        "protects" => "what it wrote is encrypted with this key",
        "encrypted" => "what it made is encrypted with this key",
        "blocked" => "failed for the state of this key",
        "not_found" => "failed as this key was not there",
        "inaccessible" => "failed as this key could not be used",
        other => other,
    }
}

/// Where none of the caveats applies.
pub(super) const NO_CAVEAT: &str = "- Nothing that is known of the key points to a use that KMS does not log: no public key, imported material, custom key store, data key, grant or configuration.";

/// What may need the key in spite of the logs.
pub(super) fn caveat(caveat: Caveat, facts: &KeyFacts) -> Cow<'static, str> {
    let text = match caveat {
        Caveat::AwsManaged => "AWS manages this key: it cannot be deleted by its account.",
        Caveat::AlreadyDeleted => "The key is deleted: what it encrypted cannot be opened any more.",
        Caveat::OlderThanWindow => {
            "The covered window does not reach back to the key's creation: earlier uses, and data that they left, are not seen."
        }
        Caveat::PublicKey => return public_key(facts).into(),
        Caveat::ImportedMaterial => return imported_material(facts).into(),
        Caveat::CustomKeyStore => {
            "Its material is in a custom key store: while that is disconnected every call fails, and who runs the store may use the material, or lose it, without KMS."
        }
        Caveat::MultiRegion => {
            "It belongs to a multi-Region set: every member opens the others' ciphertexts, in regions whose logs may be missing."
        }
        Caveat::CachedDataKeys => {
            "Data keys are kept by those who asked for them: a call can stand for many objects, and data is read without one for as long as they are kept."
        }
        Caveat::BucketKeys => {
            "S3 Bucket Keys are on: a call stands for many objects, and objects are read without one."
        }
        Caveat::LatentData => {
            "It encrypts volumes, snapshots, backups or databases: they ask for the key when they are attached, restored or started, which may be years apart."
        }
        Caveat::NeverRead => {
            "Some of what it encrypted was not opened since, as far as the logs show: whoever opens it next needs the key."
        }
        Caveat::LiveGrants => "Grants on the key live: their holders can use it at any time.",
        Caveat::Configured => {
            "Configurations of other services name the key: they need it as soon as they are started, restored or read."
        }
        Caveat::UnattributedUses => "Calls that name no key succeeded, and may have been made with this one.",
        Caveat::UnattributedFailures => "Failed calls that name no key may have meant this one.",
    };
    text.into()
}

fn imported_material(facts: &KeyFacts) -> String {
    let text = "Its material was imported and may be used elsewhere; a copy of the material, imported again, does not bring a deleted key back.";
    match facts.material_expiry_time {
        Some(time) if facts.key_state.as_deref() != Some("Deleted") => format!(
            "{text} It expires at {}: then the key is unusable until it is imported again.",
            iso_8601(time, true)
        ),
        _ => text.to_owned(),
    }
}

/// What those do who have the public part, and who took it last.
fn public_key(facts: &KeyFacts) -> String {
    let use_of_it = match facts.key_usage.as_deref() {
        Some("SIGN_VERIFY") => "verifies its signatures without a KMS call; new ones need this key.",
        _ => "encrypts and verifies without a KMS call; what they encrypted needs this key to be read.",
    };
    let calls = match facts.public_key_read_count {
        0 => return format!("Whoever has its public key {use_of_it}"),
        1 => "1 call of GetPublicKey".to_owned(),
        count => format!("{} calls of GetPublicKey", count_text(count)),
    };
    let time =
        facts.public_key_read_time.map_or_else(|| "a time that cannot be read".to_owned(), |time| iso_8601(time, true));
    let reader = facts.public_key_reader_arn.as_deref().unwrap_or("somebody whom the record does not name");
    format!("Whoever has its public key {use_of_it} {calls}, the last at {time} by {reader}.")
}

/// The days on which so long is over, of a key that is disabled.
fn dates_of(disabled: Option<DateTime<Utc>>) -> String {
    let Some(disabled) = disabled else { return String::new() };
    let [month, year] = [31, 400].map(|days| (disabled + TimeDelta::days(days)).date_naive());
    format!(", so until {month} and {year}")
}

/// What an owner who wants the key gone does now.
pub(super) fn next_steps(answer: &KeyAnswer) -> Vec<String> {
    if answer.facts.key_state.as_deref() == Some("Deleted") {
        return vec!["Look for failed calls that still name the key: each is data that is lost.".to_owned()];
    }
    if answer.facts.key_manager.as_deref() == Some("AWS") {
        return vec!["Nothing: AWS looks after this key.".to_owned()];
    }
    let until =
        "at least as long as the rarest job that could need it: a month for monthly jobs, 400 days for yearly ones";
    let disabling = match answer.facts.key_state.as_deref() {
        Some("PendingDeletion" | "PendingReplicaDeletion") => format!(
            "The key is pending deletion, and the time runs. Cancel that (kms cancel-key-deletion), which leaves the key disabled, and watch {until}."
        ),
        Some("Disabled") => format!(
            "The key is disabled, which can be undone. Watch {until}{}.",
            dates_of(answer.facts.key_state_since_time)
        ),
        // No call of disable-key succeeds in these states, nor any other.
        Some("PendingImport") => {
            format!("The key's material is missing: whoever needs it fails already. Leave it so, and watch {until}.")
        }
        Some("Unavailable") => {
            format!(
                "The key's custom key store is disconnected: whoever needs it fails already. Leave it so, and watch {until}."
            )
        }
        _ => format!("Disable the key (kms disable-key), which can be undone, and watch {until}."),
    };
    match answer.verdict.verdict {
        Verdict::InUse => vec![
            "Keep the key. Move its data to another key first (re-encrypt), and ask again over logs that begin after the move.".to_owned(),
        ],
        Verdict::BlockedDemand => vec![
            "Do not delete the key: somebody needs it. If it is pending deletion, cancel that (kms cancel-key-deletion) and enable it.".to_owned(),
            "Ask those who call it (under Who) before anything else.".to_owned(),
        ],
        Verdict::NoUseFound => vec![
            disabling,
            "Ask keytrail again: a call that failed for the key's state (DisabledException and the like) turns the verdict into BLOCKED DEMAND.".to_owned(),
            "Only then schedule its deletion with the longest waiting period (30 days), and watch again.".to_owned(),
        ],
        Verdict::Incomplete => {
            let reasons = &answer.verdict.reasons;
            let has = |is_meant: fn(Reason) -> bool| reasons.iter().any(|reason| is_meant(*reason));
            let has_hole = has(|reason| !reason.is_sign() && !reason.is_doubt());
            let (has_sign, has_doubt) = (has(Reason::is_sign), has(Reason::is_doubt));
            let has_unread = reasons.contains(&Reason::UnfinishedConversion);
            let steps = [
                (has_doubt, "Look at the ARN again, and ask for the key that is meant (see above).".to_owned()),
                (has_unread, "Run `keytrail convert` again, of the same sources and in all its shards: what it has read it skips.".to_owned()),
                (has_sign, "Find out what the signs of use above mean (`kms_events`, `kms_unresolved_calls`, `key_evidence`) before anything else.".to_owned()),
                (has_hole, "Add the logs that are missing (see above) and ask again.".to_owned()),
                (has_hole, format!("Where they are gone for good: disable the key, log all KMS calls, and watch {until}.")),
            ];
            steps.into_iter().filter(|(applies, _)| *applies).map(|(_, step)| step).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item 61: no verdict claims more than the logs show.
    #[test]
    fn item_61_no_sentence_is_absolute() {
        for word in [Verdict::InUse, Verdict::BlockedDemand, Verdict::NoUseFound, Verdict::Incomplete] {
            let text = verdict(word).to_lowercase();
            assert!(!text.contains("unused") && !text.contains("safe"), "{text}");
        }
    }
}
