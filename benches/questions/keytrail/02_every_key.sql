select
    key_arn,
    first_used_time,
    last_used_time,
    use_event_count,
    principal_count
from kms_key_usage
order by key_arn
