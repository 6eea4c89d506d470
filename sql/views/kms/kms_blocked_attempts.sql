-- view:    kms_blocked_attempts
-- summary: Calls that wanted a key which could not be used: disabled, waiting to be deleted, without its material, gone
-- grain:   key_arn, reason, principal, service
-- reads:   kms_events
-- notes:   each row is live demand for the key: the strongest sign that data still needs it
-- notes:   calls with is_demand, as kms_events has it: those that their caller would not have made but to use the key
-- notes:   a record that amends another (amends_event_id) is one call with it, where both have one reason
-- notes:   key_arn is null for calls whose key cannot be resolved
-- column:  reason: disabled, pending_deletion, pending_import, unavailable, deleted (a DeleteKey event came before), not_found (none did: deleted before the logs begin, or never there), blocked (the message does not tell)
-- column:  principal: as in kms_events; null where the record names nobody
-- column:  service: userIdentity.invokedBy; null = no service in between
-- column:  event_count: failed calls, a correction and the record that it corrects counted once
-- column:  first_seen_time: earliest such call, UTC
-- column:  last_seen_time: latest such call, UTC
-- column:  last_event_id: event of the latest call; of several in that second, the greatest id
with touches as (
    select
        key_arn,
        event_id,
        event_time,
        amends_event_id,
        outcome,
        error_code,
        error_message,
        principal,
        invoked_by as service,
        is_demand,
        min(case when event_name = 'DeleteKey' and error_code is null then event_time end) over (partition by key_arn) as deleted_time
    from kms_events
    where event_name = 'DeleteKey'
        or (
            is_demand
            and outcome in ('blocked', 'not_found')
            and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
        )
),

attempts as (
    select
        key_arn,
        event_id,
        event_time,
        amends_event_id,
        principal,
        service,
        case
            when outcome = 'not_found' and deleted_time <= event_time then 'deleted'
            when outcome = 'not_found' then 'not_found'
            when error_message like '%is pending deletion%' or error_message like '%is pending replica deletion%' then 'pending_deletion'
            when error_message like '%is pending import%' then 'pending_import'
            when error_message like '%is unavailable%' then 'unavailable'
            when error_message like '%is disabled%' or error_code like '%Disabled%' then 'disabled'
            else 'blocked'
        end as reason
    from touches
    where is_demand
        and outcome in ('blocked', 'not_found')
)

select
    key_arn,
    reason,
    principal,
    service,
    count(distinct coalesce(amends_event_id, event_id)) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc nulls first) as last_event_id
from attempts
group by
    key_arn,
    reason,
    principal,
    service
