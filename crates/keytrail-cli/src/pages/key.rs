//! One key's answer. It states absence of use only over the window that the lake covers.

use chrono::{DateTime, NaiveDate, Utc};
use keytrail_query::{
    ContextUse, CoverageWindow, FailedAttempts, KeyAnswer, KeyUsage, OperationUse, PrincipalUse, ServiceUse,
};
use serde_json::{Value, json};

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
        page.line(&format!("{} (last seen {})", alias.alias_name, time_text(alias.last_seen_time)));
    }
    push_use(&mut page, answer);
    push_tables(&mut page, answer);
    push_coverage(&mut page, answer);
    page.into_text()
}

fn push_use(page: &mut Page, answer: &KeyAnswer) {
    let usage = &answer.usage;
    page.heading("Use");
    if !answer.is_seen {
        page.line("no event in the lake names this key");
        return;
    }
    page.fact("last use", &last_use_text(usage));
    if let Some(principal) = &usage.last_used_principal_arn {
        page.fact("by", principal);
    }
    if let Some(event_id) = &usage.last_used_event_id {
        page.fact("event", event_id);
    }
    page.fact("first use", &time_text(usage.first_used_time));
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
    page.fact("failed", &failed_text(answer));
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
        (name.to_owned(), use_cells(row.use_event_count, row.failed_count, row.last_seen_time))
    };
    let heading = shown_of("Who", answer.principals.len(), answer.principal_total);
    page.table(&heading, USE_COLUMNS, answer.principals.iter().map(rows).collect());
    let rows =
        |row: &ServiceUse| (row.service.clone(), use_cells(row.use_event_count, row.failed_count, row.last_seen_time));
    page.table("Via AWS services", USE_COLUMNS, answer.services.iter().map(rows).collect());
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
    if coverage.kms_read_count == 0 && coverage.kms_write_count > 0 {
        page.line("warning: writes of KMS but no reads: such a trail holds no use of any key");
    }
    page.line("Absence of use is shown for these days of this account and region only; calls logged elsewhere, before or after are not covered.");
}

fn kms_text(coverage: &CoverageWindow) -> String {
    format!("{} KMS reads and {} KMS writes", count_text(coverage.kms_read_count), count_text(coverage.kms_write_count))
}

/// The answer as one JSON object; times in ISO 8601, null where the page says never.
pub(crate) fn json(answer: &KeyAnswer) -> Value {
    json!({
        "key_arn": answer.key_arn,
        "account_id": answer.account_id,
        "region": answer.region,
        "is_seen": answer.is_seen,
        "aliases": list(&answer.aliases, |row| json!({
            "alias_name": row.alias_name,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
        })),
        "usage": usage_json(&answer.usage),
        "unattributed_failure_count": answer.unattributed_failure_count,
        "operations": list(&answer.operations, |row| json!({
            "operation": row.operation,
            "use_event_count": row.use_event_count,
            "failed_count": row.failed_count,
            "last_seen_date": row.last_seen_date.map(|day: NaiveDate| day.to_string()),
        })),
        "principal_total": answer.principal_total,
        "principals": list(&answer.principals, |row| json!({
            "principal": row.principal,
            "principal_type": row.principal_type,
            "use_event_count": row.use_event_count,
            "failed_count": row.failed_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
        })),
        "services": list(&answer.services, |row| json!({
            "service": row.service,
            "use_event_count": row.use_event_count,
            "failed_count": row.failed_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
        })),
        "context_total": answer.context_total,
        "contexts": list(&answer.contexts, |row| json!({
            "context_key": row.context_key,
            "context_value": row.context_value,
            "event_count": row.event_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
        })),
        "failures": list(&answer.failures, |row| json!({
            "error_code": row.error_code,
            "outcome": row.outcome,
            "event_count": row.event_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
        })),
        "coverage": coverage_json(&answer.coverage),
    })
}

fn usage_json(usage: &KeyUsage) -> Value {
    json!({
        "first_used_time": time(usage.first_used_time),
        "last_used_time": time(usage.last_used_time),
        "last_used_event_id": usage.last_used_event_id,
        "last_used_operation": usage.last_used_operation,
        "last_used_principal_arn": usage.last_used_principal_arn,
        "use_event_count": usage.use_event_count,
        "use_count": usage.use_count,
        "decrypt_count": usage.decrypt_count,
        "ciphertext_created_count": usage.ciphertext_created_count,
        "sign_mac_count": usage.sign_mac_count,
        "failed_count": usage.failed_count,
        "principal_count": usage.principal_count,
        "service_count": usage.service_count,
    })
}

fn coverage_json(coverage: &CoverageWindow) -> Value {
    json!({
        "first_event_time": time(coverage.first_event_time),
        "last_event_time": time(coverage.last_event_time),
        "covered_day_count": coverage.covered_day_count,
        "missing_day_count": coverage.missing_day_count,
        "record_count": coverage.record_count,
        "kms_read_count": coverage.kms_read_count,
        "kms_write_count": coverage.kms_write_count,
    })
}

fn list<T>(rows: &[T], json: impl Fn(&T) -> Value) -> Value {
    rows.iter().map(json).collect()
}

fn time(time: Option<DateTime<Utc>>) -> Value {
    time.map_or(Value::Null, |time| iso_8601(time, true).into())
}
