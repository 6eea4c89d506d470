//! One key's answer as one JSON object; `docs/key.schema.json` is its contract.

use chrono::{DateTime, NaiveDate, Utc};
use keytrail_query::{CoverageWindow, KeyAnswer, KeyFacts, KeyUsage, StateSource};
use serde_json::{Value, json};

use super::words;
use crate::render::value::iso_8601;

/// The answer as one JSON object; times in ISO 8601, null where the page says never.
pub(crate) fn json(answer: &KeyAnswer) -> Value {
    json!({
        "schema_version": 1,
        "key_arn": answer.key_arn,
        "account_id": answer.account_id,
        "region": answer.region,
        "is_seen": answer.is_seen,
        "same_id_keys": answer.same_id_keys,
        "similar_keys": answer.similar_keys,
        "verdict": verdict_json(answer),
        "facts": facts_json(&answer.facts),
        "aliases": list(&answer.aliases, |row| json!({
            "alias_name": row.alias_name,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
            "ended_time": time(row.ended_time),
        })),
        "usage": usage_json(&answer.usage),
        "unattributed_use_count": answer.unattributed_use_count,
        "unattributed_failure_count": answer.unattributed_failure_count,
        "alias_calls": list(&answer.alias_calls, |row| json!({
            "alias_name": row.alias_name,
            "operation": row.operation,
            "outcome": row.outcome,
            "event_count": row.event_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
            "last_event_id": row.last_event_id,
        })),
        "evidence": list(&answer.evidence, |row| json!({
            "proof": row.proof,
            "event_source": row.event_source,
            "event_name": row.event_name,
            "event_count": row.event_count,
            "first_seen_time": time(row.first_seen_time),
            "last_seen_time": time(row.last_seen_time),
            "last_event_id": row.last_event_id,
        })),
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
            "principal_account_id": row.principal_account_id,
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
        "access_total": answer.access_total,
        "access": list(&answer.access, |row| json!({
            "tier": row.tier,
            "principal": row.principal,
            "via": row.via,
            "actions": row.actions,
            "is_conditional": row.is_conditional,
            "is_cross_account": row.is_cross_account,
            "source": row.source,
            "as_of_time": time(row.as_of_time),
        })),
        "protected": list(&answer.protected, |row| json!({
            "service": row.service,
            "resource_kind": row.resource_kind,
            "resource_count": row.resource_count,
            "never_read_count": row.never_read_count,
            "is_latent": row.is_latent,
            "last_seen_time": time(row.last_seen_time),
        })),
        "family": list(&answer.family, |row| json!({
            "key_arn": row.key_arn,
            "key_state": row.key_state,
            "last_used_time": time(row.last_used_time),
            "use_event_count": row.use_event_count,
            "covered_from_time": time(row.covered_from_time),
            "covered_to_time": time(row.covered_to_time),
        })),
        "dependency_total": answer.dependency_total,
        "dependencies": list(&answer.dependencies, |row| json!({
            "event_source": row.event_source,
            "event_name": row.event_name,
            "resource": row.resource,
            "alias_arn": row.alias_arn,
            "event_count": row.event_count,
            "last_seen_time": time(row.last_seen_time),
        })),
        "coverage": coverage_json(&answer.coverage),
        "blind_spot_total": answer.blind_spot_total,
        "blind_spots": list(&answer.blind_spots, |row| json!({
            "kind": row.kind.as_str(),
            "from_time": time(row.from_time),
            "to_time": time(row.to_time),
            "event_id": row.event_id,
            "detail": row.detail,
        })),
        "caveats": list(&answer.caveats, |caveat| json!({
            "caveat": caveat.as_str(),
            "text": words::caveat(*caveat, &answer.facts),
        })),
        "next_steps": words::next_steps(answer),
    })
}

fn verdict_json(answer: &KeyAnswer) -> Value {
    let verdict = &answer.verdict;
    json!({
        "verdict": verdict.verdict.as_str(),
        "reasons": verdict.reason_words(),
        "text": words::reasons(answer),
        "min_window_days": answer.min_window.map(|window| window.num_days()),
        "covered_window_days": answer.coverage.length().map(|window| window.num_days()),
        "observed_window_days": answer.observed_window().map(|window| window.num_days()),
        "probe_count": verdict.probe_count,
        "unmet_count": verdict.unmet_count,
        "last_unmet_time": time(verdict.last_unmet_time),
        "last_unmet_event_id": verdict.last_unmet_event_id,
        "denied_count": verdict.denied_count,
        "alias_use_count": verdict.alias_use_count,
        "live_grant_count": verdict.live_grant_count,
        "family_last_used_time": time(verdict.family_last_used_time),
        "family_last_unmet_time": time(verdict.family_last_unmet_time),
        "is_whole_life_covered": verdict.is_whole_life_covered,
    })
}

fn facts_json(facts: &KeyFacts) -> Value {
    json!({
        "key_manager": facts.key_manager,
        "key_spec": facts.key_spec,
        "key_usage": facts.key_usage,
        "origin": facts.origin,
        "description": facts.description,
        "creation_time": time(facts.creation_time),
        "created_by_principal_arn": facts.created_by_principal_arn,
        "created_event_id": facts.created_event_id,
        "key_state": facts.key_state,
        "key_state_since_time": time(facts.key_state_since_time),
        "key_state_event_id": facts.key_state_event_id,
        "key_state_source": facts.key_state_source.map(StateSource::as_str),
        "deletion_time": time(facts.deletion_time),
        "deletion_event_id": facts.deletion_event_id,
        "material_expiry_time": time(facts.material_expiry_time),
        "multi_region_role": facts.multi_region_role,
        "described_time": time(facts.described_time),
        "usage_asked_time": time(facts.usage_asked_time),
        "tracked_used_time": time(facts.tracked_used_time),
        "tracked_operation": facts.tracked_operation,
        "tracked_event_id": facts.tracked_event_id,
        "public_key_read_count": facts.public_key_read_count,
        "public_key_read_time": time(facts.public_key_read_time),
        "public_key_reader_arn": facts.public_key_reader_arn,
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
