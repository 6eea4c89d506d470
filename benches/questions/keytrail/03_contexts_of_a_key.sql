select
    context_key,
    context_value,
    event_count
from kms_encryption_contexts
where key_arn = $key
order by
    event_count desc,
    context_key,
    context_value
limit 20
