-- view:    kms_denied_attempts
-- summary: Calls that wanted a key and were refused for want of permission
-- grain:   key_arn, reason, principal, service
-- reads:   kms_events
-- notes:   weak evidence: it tells that somebody tries, not that data needs the key
-- notes:   a refused call across accounts is logged in the caller's account only
-- notes:   cryptographic calls, and CreateGrant; a record that amends another (amends_event_id) is seen, but not counted
-- notes:   key_arn is null for calls whose key cannot be resolved: a refused Decrypt often names none
-- column:  reason: explicit_deny, not_allowed (no policy of the kind that the message names allows it), unstated (the message does not tell)
-- column:  principal: as in kms_events; null where the record names nobody
-- column:  service: userIdentity.invokedBy; null = no service in between
-- column:  event_count: refused calls
-- column:  first_seen_time: earliest such call, UTC
-- column:  last_seen_time: latest such call, UTC
-- column:  last_event_id: event of the latest call; of several in that second, the greatest id
with attempts as (
    select
        key_arn,
        event_id,
        event_time,
        amends_event_id,
        principal,
        invoked_by as service,
        case
            when error_message like '%explicit deny%' then 'explicit_deny'
            when error_message like '%because no %' then 'not_allowed'
            else 'unstated'
        end as reason
    from kms_events
    where outcome = 'denied'
        and (key_role <> 'target' or event_name = 'CreateGrant')
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
)

select
    key_arn,
    reason,
    principal,
    service,
    count(*) filter (where amends_event_id is null) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc nulls first) as last_event_id
from attempts
group by
    key_arn,
    reason,
    principal,
    service
