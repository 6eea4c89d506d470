-- report:  key/public_key
-- summary: How often the public part of a key was handed out; who has it needs KMS no more
-- reads:   kms_events
-- notes:   $key: key ARN
select
    count(*) as event_count
from kms_events
where key_arn = $key
    and event_name = 'GetPublicKey'
    and error_code is null
    and amends_event_id is null
