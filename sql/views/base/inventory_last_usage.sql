-- view:    inventory_last_usage
-- summary: What GetKeyLastUsage last said of each key
-- grain:   key_arn
-- reads:   inventory
-- notes:   KMS tracks the last successful cryptographic call of a key since 2026-04-23, up to an hour late
-- column:  snapshot_time: when the output was made, UTC
-- column:  tracking_start_time: since when KMS tracks the key, UTC
-- column:  operation: last operation; null = none since the tracking began
-- column:  last_used_time: its time, UTC
-- column:  cloudtrail_event_id: its CloudTrail event in the owner's account
with ranked as (
    select
        key_arn,
        snapshot_time,
        row_number() over (
            partition by key_arn
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank,
        item
    from inventory
    where item_kind = 'key_last_usage'
        and key_arn is not null
)

select
    key_arn,
    snapshot_time,
    aws_time(json_as_text(item, 'TrackingStartDate')) as tracking_start_time,
    json_as_text(item, 'KeyLastUsage', 'Operation') as operation,
    aws_time(json_as_text(item, 'KeyLastUsage', 'Timestamp')) as last_used_time,
    json_as_text(item, 'KeyLastUsage', 'CloudTrailEventId') as cloudtrail_event_id
from ranked
where rank = 1
