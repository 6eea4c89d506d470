select
    key_arn,
    min(eventTime) filter (where is_use) as first_used_time,
    max(eventTime) filter (where is_use) as last_used_time,
    count(*) filter (where is_use and not (key_role = 'source' and key_arn is not distinct from other_key_arn)) as use_event_count,
    count(distinct userIdentity.arn) filter (where is_use) as principal_count
from (
    select
        *,
        key_role <> 'target' and errorCode is null as is_use
    from kms_events
    where key_arn is not null
)
group by key_arn
order by key_arn
