-- report:  key/contexts
-- summary: What a key protects, by encryption context, the most calls first; 20 pairs at most, total_count tells of how many
-- reads:   kms_encryption_contexts
-- notes:   $key: key ARN
select
    context_key,
    context_value,
    event_count,
    first_seen_time,
    last_seen_time,
    count(*) over () as total_count
from kms_encryption_contexts
where key_arn = $key
order by
    event_count desc,
    context_key,
    context_value
limit 20
