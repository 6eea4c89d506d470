select
    context_key,
    encryption_context->>context_key as context_value,
    count(distinct eventID) as event_count
from (
    select
        eventID,
        encryption_context,
        unnest(json_keys(encryption_context)) as context_key
    from kms_events
    where key_arn = $key
        and key_role <> 'target'
)
group by all
order by
    event_count desc,
    context_key,
    context_value
limit 20
