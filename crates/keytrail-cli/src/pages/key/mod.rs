//! One key's answer, from the verdict to what to do next. It states absence of use only over the window that the lake covers.

mod json;
mod words;

use chrono::{DateTime, Utc};
use keytrail_query::{
    AliasCalls, BlindSpot, ContextUse, CoverageWindow, Dependency, Evidence, FailedAttempts, FamilyMember, KeyAnswer,
    KeyFacts, KeyUsage, OperationUse, PotentialAccess, PrincipalUse, ProtectedKind, Reason, ServiceUse,
};

use super::layout::{Page, time_text};
use crate::output::Destination;
use crate::progress::count_text;
use crate::render::value::iso_8601;

/// The answer as a page for the place where it is shown.
pub(crate) fn page(answer: &KeyAnswer, destination: Destination) -> String {
    let mut page = Page::for_destination(destination);
    page.heading("KMS key");
    page.line(&answer.key_arn);
    for alias in &answer.aliases {
        let told = match alias.ended_time {
            Some(ended) => format!("until {}: it was deleted or moved then", iso_8601(ended, true)),
            None => format!("last seen {}", time_text(alias.last_seen_time)),
        };
        page.line(&format!("{} ({told})", alias.alias_name));
    }
    push_verdict(&mut page, answer);
    push_facts(&mut page, answer);
    push_use(&mut page, answer);
    push_tables(&mut page, answer);
    push_access(&mut page, answer);
    push_surroundings(&mut page, answer);
    push_coverage(&mut page, answer);
    push_blind_spots(&mut page, answer);
    push_advice(&mut page, answer);
    page.into_text()
}

pub(crate) use json::json;

/// The statements behind the page, each with the values of its parameters.
pub(crate) fn explanation(answer: &KeyAnswer) -> String {
    let id = answer.key_arn.rsplit_once(":key/").map_or("", |(_, id)| id);
    let values = [
        ("$key_suffix", format!(":key/{id}")),
        ("$key", answer.key_arn.clone()),
        ("$account_id", answer.account_id.clone()),
        ("$region", answer.region.clone()),
    ];
    let mut text = "\nSQL behind it; `keytrail views NAME` shows that of a view\n".to_owned();
    for (_, sql) in keytrail_query::key_statements().filter(|(name, _)| !name.starts_with("keys_by")) {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        // Comments keep the names of the parameters.
        let lines = sql.lines().map(|line| match line.starts_with("--") {
            true => line.to_owned(),
            false => values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, &quoted(value))),
        });
        text.push('\n');
        lines.for_each(|line| {
            text.push_str(&line);
            text.push('\n');
        });
        text.push_str(";\n");
    }
    text
}

fn push_verdict(page: &mut Page, answer: &KeyAnswer) {
    let verdict = &answer.verdict;
    page.heading(&format!("Verdict: {}", words::verdict(verdict.verdict)));
    for sentence in words::reasons(answer).into_iter().chain(words::min_window(answer)) {
        page.line(&sentence);
    }
    if !answer.same_id_keys.is_empty() {
        page.line("No event names this key, but its id is known in another account or region. If that is the one you mean, ask for:");
        push_known_keys(page, &answer.same_id_keys);
    }
    if !answer.similar_keys.is_empty() {
        page.line(
            "No event names this key, but one with nearly the same id is known. If that is the one you mean, ask for:",
        );
        push_known_keys(page, &answer.similar_keys);
    }
}

/// The first of them, and how many more there are.
fn push_known_keys(page: &mut Page, arns: &[String]) {
    const MAX_KNOWN_KEYS: usize = 10;
    arns.iter().take(MAX_KNOWN_KEYS).for_each(|arn| page.line(&format!("- {arn}")));
    if let Some(more) = arns.len().checked_sub(MAX_KNOWN_KEYS).filter(|more| *more > 0) {
        page.line(&format!("and {more} more, which `--format json` names"));
    }
}

fn push_facts(page: &mut Page, answer: &KeyAnswer) {
    let facts = &answer.facts;
    if facts == &KeyFacts::default() {
        return;
    }
    page.heading(&words::facts_heading(answer));
    let mut fact = |label: &str, text: Option<String>| {
        if let Some(text) = text {
            page.fact(label, &text);
        }
    };
    fact("state", words::state(facts));
    fact("deletion", words::deletion(facts));
    let kind: Vec<&str> =
        [&facts.key_spec, &facts.key_usage, &facts.origin].into_iter().filter_map(|part| part.as_deref()).collect();
    fact("kind", (!kind.is_empty()).then(|| kind.join(", ")));
    fact("managed by", facts.key_manager.clone());
    fact("set", facts.multi_region_role.as_ref().map(|role| format!("{role} of a multi-Region set")));
    fact("created", facts.creation_time.map(|time| words::told_by(time, facts.created_event_id.as_deref())));
    fact("by", facts.created_by_principal_arn.clone());
    fact("last use", words::tracked_use(facts));
    fact("description", facts.description.clone().filter(|text| !text.is_empty()));
}

fn push_use(page: &mut Page, answer: &KeyAnswer) {
    let usage = &answer.usage;
    page.heading("Use");
    if !answer.is_seen {
        page.line("no KMS event in the lake names this key");
        if answer.unattributed_use_count > 0 {
            page.fact("of no key", &unattributed_uses_text(answer));
        }
        return;
    }
    let is_by_alias_only = usage.last_used_time.is_none() && answer.verdict.alias_use_count > 0;
    let last_use = if is_by_alias_only { "none whose record names the key".to_owned() } else { last_use_text(usage) };
    page.fact("last use", &last_use);
    if let Some(principal) = &usage.last_used_principal_arn {
        page.fact("by", principal);
    }
    if let Some(event_id) = &usage.last_used_event_id {
        page.fact("event", event_id);
    }
    if !is_by_alias_only {
        page.fact("first use", &time_text(usage.first_used_time));
    }
    page.fact("uses", &uses_text(usage));
    page.fact(
        "of these",
        &format!(
            "{} decrypted, {} created ciphertext, {} signed or made a MAC",
            count_text(usage.decrypt_count),
            count_text(usage.ciphertext_created_count),
            count_text(usage.sign_mac_count)
        ),
    );
    if answer.verdict.alias_use_count > 0 {
        let count = count_text(answer.verdict.alias_use_count);
        page.fact("by alias", &format!("{count} more whose record names an alias and no key: see below"));
    }
    page.fact("failed", &failed_text(answer));
    if answer.unattributed_use_count > 0 {
        page.fact("of no key", &unattributed_uses_text(answer));
    }
}

fn unattributed_uses_text(answer: &KeyAnswer) -> String {
    let count = count_text(answer.unattributed_use_count);
    format!(
        "{count} successful in its account and region name no key, any may have meant this one (`kms_unresolved_calls`)"
    )
}

fn last_use_text(usage: &KeyUsage) -> String {
    match (&usage.last_used_time, &usage.last_used_operation) {
        (Some(time), Some(operation)) => format!("{}  {operation}", iso_8601(*time, true)),
        (time, _) => time_text(*time),
    }
}

fn uses_text(usage: &KeyUsage) -> String {
    let uses = count_text(usage.use_count);
    if usage.use_event_count == usage.use_count {
        return uses;
    }
    format!("{uses} in {} events (both copies of a cross-account call are one use)", count_text(usage.use_event_count))
}

fn failed_text(answer: &KeyAnswer) -> String {
    let failed = count_text(answer.usage.failed_count);
    if answer.unattributed_failure_count == 0 {
        return failed;
    }
    let unattributed = count_text(answer.unattributed_failure_count);
    format!("{failed}; {unattributed} more in its account and region name no key, any may have meant this one")
}

const USE_COLUMNS: &[&str] = &["uses", "failed", "last seen"];
const CALL_COLUMNS: &[&str] = &["calls", "last seen"];

fn push_tables(page: &mut Page, answer: &KeyAnswer) {
    let rows = |row: &OperationUse| {
        let day = row.last_seen_date.map(|day| day.to_string()).unwrap_or_default();
        (row.operation.clone(), vec![count_text(row.use_event_count), count_text(row.failed_count), day])
    };
    page.table("Operations", USE_COLUMNS, answer.operations.iter().map(rows).collect());
    let rows = |row: &PrincipalUse| {
        let name = row.principal.as_deref().or(row.principal_type.as_deref()).unwrap_or("(nobody named)");
        // An ARN tells the account itself.
        let account = row.principal_account_id.as_ref().filter(|account| **account != answer.account_id);
        let name = match account.filter(|account| !name.contains(account.as_str())) {
            Some(account) => format!("{name} (of account {account})"),
            None => name.to_owned(),
        };
        (name, use_cells(row.use_event_count, row.failed_count, row.last_seen_time))
    };
    let heading = shown_of("Who", answer.principals.len(), answer.principal_total);
    page.table(&heading, USE_COLUMNS, answer.principals.iter().map(rows).collect());
    let rows =
        |row: &ServiceUse| (row.service.clone(), use_cells(row.use_event_count, row.failed_count, row.last_seen_time));
    page.table("Via AWS services", USE_COLUMNS, answer.services.iter().map(rows).collect());
    let rows = |row: &AliasCalls| {
        let name = format!("{} by {} ({})", row.operation, row.alias_name, row.outcome);
        (name, vec![count_text(row.event_count), time_text(row.last_seen_time)])
    };
    page.table("Calls that name its alias and no key", CALL_COLUMNS, answer.alias_calls.iter().map(rows).collect());
    let rows = |row: &Evidence| {
        let parts = [&row.event_source, &row.event_name].into_iter().filter_map(|part| part.as_deref());
        let name = format!("{}: {}", parts.collect::<Vec<_>>().join(" "), words::proof(&row.proof));
        (name, vec![count_text(row.event_count), time_text(row.last_seen_time)])
    };
    page.table("What other services' records show", CALL_COLUMNS, answer.evidence.iter().map(rows).collect());
    push_contexts_and_failures(page, answer);
}

fn use_cells(used: u64, failed: u64, last_seen: Option<DateTime<Utc>>) -> Vec<String> {
    vec![count_text(used), count_text(failed), time_text(last_seen)]
}

fn push_contexts_and_failures(page: &mut Page, answer: &KeyAnswer) {
    let rows = |row: &ContextUse| {
        let pair = format!("{} = {}", row.context_key, row.context_value.as_deref().unwrap_or("(null)"));
        (pair, vec![count_text(row.event_count), time_text(row.last_seen_time)])
    };
    let heading = shown_of("Encryption contexts", answer.contexts.len(), answer.context_total);
    page.table(&heading, CALL_COLUMNS, answer.contexts.iter().map(rows).collect());
    let rows = |row: &FailedAttempts| {
        let name = match &row.outcome {
            Some(outcome) => format!("{} ({outcome})", row.error_code),
            None => row.error_code.clone(),
        };
        (name, vec![count_text(row.event_count), time_text(row.last_seen_time)])
    };
    page.table("Failed attempts", CALL_COLUMNS, answer.failures.iter().map(rows).collect());
}

/// A heading that says so when the list is not whole.
fn shown_of(heading: &str, shown: usize, total: u64) -> String {
    if shown as u64 >= total {
        return heading.to_owned();
    }
    format!("{heading} (first {shown} of {})", count_text(total))
}

/// Who may still use the key, as far as its policy, grants and imported IAM policies tell.
fn push_access(page: &mut Page, answer: &KeyAnswer) {
    let rows = |row: &PotentialAccess| {
        let principal = row.principal.as_deref().unwrap_or("(nobody named)");
        let conditions = if row.is_conditional { ", conditional" } else { "" };
        let abroad = if row.is_cross_account { ", another account" } else { "" };
        let is_imported = row.source == "inventory";
        let source = if is_imported { ", imported" } else { "" };
        let name = match (row.tier.as_str(), &row.via) {
            ("unknown", Some(via)) => format!("unknown{source}: {via}"),
            (tier, _) => {
                format!("{principal} ({tier}{conditions}{abroad}{source}): {}", row.actions.as_deref().unwrap_or(""))
            }
        };
        let unknown = if is_imported { "unknown" } else { "before the window" };
        let since = row.as_of_time.map_or_else(|| unknown.to_owned(), |time| iso_8601(time, true));
        (name, vec![since])
    };
    let heading = shown_of("Who may be allowed to use it", answer.access.len(), answer.access_total);
    page.table(&heading, &["as of"], answer.access.iter().map(rows).collect());
}

fn push_surroundings(page: &mut Page, answer: &KeyAnswer) {
    let rows = |row: &ProtectedKind| {
        let service = row.service.as_deref().unwrap_or("callers' own");
        let name = format!("{service} {}", row.resource_kind.as_deref().unwrap_or("resource"));
        let counts = [row.resource_count, row.never_read_count].map(count_text);
        (name, counts.into_iter().chain([time_text(row.last_seen_time)]).collect())
    };
    let columns = &["named", "unread", "last seen"];
    page.table("What it protects", columns, answer.protected.iter().map(rows).collect());
    let rows = |row: &FamilyMember| {
        let name = match &row.key_state {
            Some(state) => format!("{} ({state})", row.key_arn),
            None => row.key_arn.clone(),
        };
        let covered = row.covered().map_or_else(|| "none".to_owned(), |covered| covered.num_days().to_string());
        (name, vec![count_text(row.use_event_count), covered, time_text(row.last_used_time)])
    };
    let columns = &["uses", "days covered", "last used"];
    page.table("Other keys of its multi-Region set", columns, answer.family.iter().map(rows).collect());
    let rows = |row: &Dependency| {
        let alias = row.alias_arn.as_ref().map(|arn| format!("(by {})", arn.rsplit(':').next().unwrap_or(arn)));
        let parts = [&row.event_source, &row.event_name, &row.resource, &alias];
        let name: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
        (name.join(" "), vec![count_text(row.event_count), time_text(row.last_seen_time)])
    };
    let heading = shown_of("Configured in", answer.dependencies.len(), answer.dependency_total);
    page.table(&heading, CALL_COLUMNS, answer.dependencies.iter().map(rows).collect());
}

fn push_blind_spots(page: &mut Page, answer: &KeyAnswer) {
    if answer.blind_spots.is_empty() {
        return;
    }
    page.heading(&match answer.blind_spots.len() as u64 {
        shown if shown < answer.blind_spot_total => format!(
            "Where the logs cannot show a use (the 3 longest of each kind, {shown} of {}; `select * from kms_blind_spots` has all)",
            count_text(answer.blind_spot_total)
        ),
        _ => "Where the logs cannot show a use".to_owned(),
    });
    for spot in &answer.blind_spots {
        let from = spot.from_time.map_or_else(|| "the start".to_owned(), |time| iso_8601(time, true));
        let to = spot.to_time.map_or_else(|| "the end".to_owned(), |time| iso_8601(time, true));
        let detail = spot.detail.as_deref().unwrap_or("");
        page.line(&format!("{from} to {to}: {}; {detail}", words::reason(spot.kind)));
    }
}

fn push_advice(page: &mut Page, answer: &KeyAnswer) {
    page.heading("What no log can tell");
    for caveat in &answer.caveats {
        page.line(&format!("- {}", words::caveat(*caveat, &answer.facts)));
    }
    if answer.caveats.is_empty() {
        page.line(words::NO_CAVEAT);
    }
    page.heading("What to do next");
    for step in words::next_steps(answer) {
        page.line(&format!("- {step}"));
    }
}

fn push_coverage(page: &mut Page, answer: &KeyAnswer) {
    let coverage = &answer.coverage;
    page.heading(&format!("What the lake covers of account {} in {}", answer.account_id, answer.region));
    let (Some(first), Some(last)) = (coverage.first_event_time, coverage.last_event_time) else {
        page.line("nothing: the lake holds no event of this account and region, so it cannot tell");
        return;
    };
    page.fact("from", &iso_8601(first, true));
    page.fact("to", &iso_8601(last, true));
    let days = count_text(coverage.covered_day_count);
    page.fact(
        "days",
        &format!("{days} with events, {} without any in between", count_text(coverage.missing_day_count)),
    );
    page.fact("events", &format!("{}, of these {}", count_text(coverage.record_count), kms_text(coverage)));
    let is_unlogged =
        |spot: &BlindSpot| matches!(spot.kind, Reason::WriteOnly | Reason::KmsWritesOnly | Reason::NoKmsCalls);
    match coverage.kms_read_count {
        0 if answer.blind_spots.iter().any(is_unlogged) => {
            page.line("warning: no reads of KMS: such a trail holds no use of any key");
        }
        0 => page.line("No read of KMS is among them. Nothing shows that such calls are not logged (see kms_read_silences), so the place is taken for quiet."),
        _ => {}
    }
    page.line("Absence of use is shown for these days of this account and region only; calls logged elsewhere, before or after are not covered.");
}

fn kms_text(coverage: &CoverageWindow) -> String {
    format!("{} KMS reads and {} KMS writes", count_text(coverage.kms_read_count), count_text(coverage.kms_write_count))
}
