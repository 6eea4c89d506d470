-- report:  demo/silent_keys
-- summary: Keys without a use in the last 30 days of the trail, the longest silent first
-- reads:   kms_key_usage, kms_events
with covered as (
    select max(event_time) as last_event_time
    from kms_events
)

select
    kms_key_usage.key_arn,
    kms_key_usage.last_used_time,
    kms_key_usage.use_count,
    kms_key_usage.failed_count
from kms_key_usage
cross join covered
where kms_key_usage.last_used_time is null
    or kms_key_usage.last_used_time < covered.last_event_time - interval '30 days'
order by
    kms_key_usage.last_used_time asc nulls first,
    kms_key_usage.key_arn
limit 8
