-- question: Who still asks for keys that are disabled, deleted or gone?
-- reads: kms_blocked_attempts
select
    key_id(key_arn) as key_id,
    reason,
    principal,
    event_count,
    last_seen_time
from kms_blocked_attempts
order by
    last_seen_time desc
limit 20;
