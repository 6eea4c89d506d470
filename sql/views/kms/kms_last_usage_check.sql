-- view:    kms_last_usage_check
-- summary: Whether the logs hold the event that GetKeyLastUsage names as a key's last use
-- grain:   key_arn
-- reads:   inventory_last_usage, inventory_keys, kms_key_usage, kms_events, trail_coverage
-- notes:   an event that KMS knows and the logs do not hold proves a hole in the logs
-- column:  finding: found, later_in_logs (found, and the logs know a later use), missing (a proven hole), not_yet_covered (later than the last event of the key's account and region), before_logs (earlier than the first), never_used (KMS has tracked no use, and the key since its creation), no_use_tracked (none since tracking_start_time; the key is older, or not described, and before that KMS knows nothing)
-- column:  logged_last_used_time: the last use in the logs, UTC; null = none
-- column:  operation: operation of the last use by GetKeyLastUsage; null = none tracked
-- column:  last_used_time: its time, UTC
-- column:  cloudtrail_event_id: its CloudTrail event
-- column:  tracking_start_time: since when KMS tracks the key, UTC
-- column:  snapshot_time: when GetKeyLastUsage was asked, UTC
with covered as (
    select
        recipient_account_id as account_id,
        aws_region,
        min(first_event_time) as covered_from_time,
        max(last_event_time) as covered_to_time
    from trail_coverage
    group by
        recipient_account_id,
        aws_region
),

events as (
    select distinct
        key_arn,
        event_id
    from kms_events
    where key_role <> 'target'
)

select
    inventory_last_usage.key_arn,
    case
        when not inventory_last_usage.has_use then case
            when coalesce(inventory_keys.creation_time, inventory_last_usage.key_creation_time)
                >= inventory_last_usage.tracking_start_time - interval '1 day' then 'never_used'
            else 'no_use_tracked'
        end
        when events.event_id is not null then case
            when kms_key_usage.last_used_time > inventory_last_usage.last_used_time then 'later_in_logs'
            else 'found'
        end
        when coalesce(inventory_last_usage.last_used_time > covered.covered_to_time, false) then 'not_yet_covered'
        when coalesce(inventory_last_usage.last_used_time < covered.covered_from_time, false) then 'before_logs'
        else 'missing'
    end as finding,
    inventory_last_usage.operation,
    inventory_last_usage.last_used_time,
    inventory_last_usage.cloudtrail_event_id,
    kms_key_usage.last_used_time as logged_last_used_time,
    inventory_last_usage.tracking_start_time,
    inventory_last_usage.snapshot_time
from inventory_last_usage
left join inventory_keys
    on inventory_keys.key_arn = inventory_last_usage.key_arn
left join kms_key_usage
    on kms_key_usage.key_arn = inventory_last_usage.key_arn
left join events
    on events.key_arn = inventory_last_usage.key_arn
    and events.event_id = inventory_last_usage.cloudtrail_event_id
left join covered
    on covered.account_id = split_part(inventory_last_usage.key_arn, ':', 5)
    and covered.aws_region = split_part(inventory_last_usage.key_arn, ':', 4)
