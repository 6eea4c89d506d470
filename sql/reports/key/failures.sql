-- report:  key/failures
-- summary: Cryptographic calls on a key that failed, by error
-- reads:   kms_failed_attempts
-- notes:   $key: key ARN
select
    error_code,
    outcome,
    event_count,
    first_seen_time,
    last_seen_time
from kms_failed_attempts
where key_arn = $key
order by
    event_count desc,
    error_code,
    outcome
