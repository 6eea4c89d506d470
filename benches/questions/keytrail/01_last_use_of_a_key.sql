select
    last_used_time,
    last_used_event_id,
    last_used_operation,
    last_used_principal_arn
from kms_key_usage
where key_arn = $key
