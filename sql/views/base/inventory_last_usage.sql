-- view:    inventory_last_usage
-- summary: What GetKeyLastUsage last said of each key
-- grain:   key_arn
-- reads:   inventory
-- notes:   KMS tracks the last successful cryptographic call of a key since 2026-04-23, up to an hour late
-- notes:   an output that names no use is taken for the last word only where no older one names any: KMS forgets no use
-- column:  snapshot_time: when the output was made, UTC
-- column:  tracking_start_time: since when KMS tracks the key, UTC
-- column:  has_use: whether KMS knows of a use, though its time may not be readable
-- column:  operation: last operation; null = none since the tracking began
-- column:  last_used_time: its time, UTC
-- column:  cloudtrail_event_id: its CloudTrail event in the owner's account
-- column:  key_creation_time: KeyCreationDate of the output, UTC; null = it tells none
with told as (
    select
        key_arn,
        snapshot_time,
        imported_time,
        item,
        coalesce(json_length(item, 'KeyLastUsage'), 0) > 0 as has_use
    from inventory
    where item_kind = 'key_last_usage'
        and key_arn is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by key_arn
            order by has_use desc, snapshot_time desc nulls last, imported_time desc
        ) as rank
    from told
)

select
    key_arn,
    snapshot_time,
    aws_time(json_as_text(item, 'TrackingStartDate')) as tracking_start_time,
    has_use,
    json_as_text(item, 'KeyLastUsage', 'Operation') as operation,
    aws_time(json_as_text(item, 'KeyLastUsage', 'Timestamp')) as last_used_time,
    json_as_text(item, 'KeyLastUsage', 'CloudTrailEventId') as cloudtrail_event_id,
    aws_time(json_as_text(item, 'KeyCreationDate')) as key_creation_time
from ranked
where rank = 1
