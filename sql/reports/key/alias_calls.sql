-- report:  key/alias_calls
-- summary: Cryptographic calls that name an alias of a key and no key, the latest first
-- reads:   kms_unresolved_calls
-- notes:   $key: key ARN, for which the alias stood when the call was made
select
    alias_name,
    event_name as operation,
    outcome,
    count(*) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc) as last_event_id
from kms_unresolved_calls
where key_arn = $key
group by
    alias_name,
    event_name,
    outcome
order by
    last_seen_time desc,
    alias_name,
    operation,
    outcome
