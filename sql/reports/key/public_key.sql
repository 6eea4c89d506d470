-- report:  key/public_key
-- summary: How often the public part of a key was handed out, and the last time to whom; who has it needs KMS no more
-- reads:   kms_events
-- notes:   $key: key ARN
select
    count(*) as event_count,
    max(event_time) as last_read_time,
    last_value(principal_arn order by event_time asc nulls first, event_id asc) as last_reader_arn
from kms_events
where key_arn = $key
    and event_name = 'GetPublicKey'
    and error_code is null
    and amends_event_id is null
