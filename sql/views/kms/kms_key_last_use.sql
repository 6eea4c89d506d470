-- view:    kms_key_last_use
-- summary: The last use of each key as AWS's GetKeyLastUsage defines it, to be compared with what AWS answers
-- grain:   key_arn
-- reads:   kms_events
-- notes:   counted are successes of the operations that AWS tracks, a service's check of its permission too; nothing else
-- notes:   a key without such a call has no row; AWS tells of calls since 2026-04-23 only, and up to an hour late
-- notes:   of a call across accounts AWS names the copy of the key's own account; it comes before the caller's copy here too
-- column:  operation: eventName
-- column:  last_used_time: time of the event, UTC
-- column:  event_id: to be looked for in what AWS answers as CloudTrailEventId; of several in that second, the greatest id
-- column:  request_id: to be looked for as KmsRequestId
-- column:  principal_arn: who made it; null for AWS services and on the owner's copy of a cross-account call
with uses as (
    select
        key_arn,
        event_time,
        event_id,
        arn_part(key_arn, 'account') = recipient_account_id as is_owner_copy,
        named_struct(
            'operation', event_name,
            'event_id', event_id,
            'request_id', request_id,
            'principal_arn', principal_arn
        ) as touch
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and outcome in ('used', 'probe')
        and error_code is null
),

last_uses as (
    select
        key_arn,
        max(event_time) as last_used_time,
        last_value(touch order by event_time asc nulls first, is_owner_copy asc nulls first, event_id asc nulls first) as last_use
    from uses
    group by
        key_arn
)

select
    key_arn,
    last_use['operation'] as operation,
    last_used_time,
    last_use['event_id'] as event_id,
    last_use['request_id'] as request_id,
    last_use['principal_arn'] as principal_arn
from last_uses
