-- report:  key/evidence
-- summary: What data events and failures of other services prove of a key, the latest first
-- reads:   key_evidence
-- notes:   $key: key ARN
select
    proof,
    event_source,
    event_name,
    event_count,
    first_seen_time,
    last_seen_time,
    last_event_id
from key_evidence
where key_arn = $key
order by
    last_seen_time desc nulls last,
    proof,
    event_source,
    event_name
