-- view:    kms_failed_attempts
-- summary: Cryptographic calls that failed, per key, error and what the failure proves
-- grain:   key_arn, error_code, outcome
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   key_arn is null for failures whose key cannot be resolved; they are part of every honest answer
-- column:  outcome: blocked (key disabled or pending deletion: demand exists), not_found, denied, probe, verify_failed, failed, transient
-- column:  event_count: failed calls
-- column:  first_seen_time: earliest such call, UTC
-- column:  last_seen_time: latest such call, UTC
select
    key_arn,
    error_code,
    outcome,
    count(*) filter (where amends_event_id is null) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from kms_events
where key_role <> 'target'
    and error_code is not null
    and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
group by
    key_arn,
    error_code,
    outcome
