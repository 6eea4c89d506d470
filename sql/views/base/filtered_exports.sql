-- view:    filtered_exports
-- summary: Accounts and regions whose events come from exports only, and look as if a filter had chosen them
-- grain:   recipient_account_id, aws_region
-- reads:   events, trail_coverage
-- notes:   exports are outputs of lookup-events, downloads of event history, query results: all whose name tells no delivery by a trail; lookup-events takes one filter, by name, caller, resource and the like
-- notes:   the events of the place as a whole, or those of every export by themselves where nine of ten are in such of one key, or of 48 events or more: several lookups side by side
-- notes:   of one key at any number of events, of one name from 5 on, of one caller (a role in whatever sessions) from 48 on; a filter on eventSource = kms.amazonaws.com takes no KMS call away
-- column:  filtered_by: what all of them, or those of the greatest export, have in common: event name, caller or key
-- column:  event_count: management events
-- column:  first_event_time: earliest of them, UTC
-- column:  last_event_time: latest of them, UTC
with exported as (
    select
        recipient_account_id,
        aws_region,
        log_file_path,
        event_time,
        event_name,
        key_arn,
        coalesce(role_arn, principal_arn, principal_id, user_name, invoked_by) as caller
    from events
    where delivery_time is null
        and (amends_event_id is null or detail_level in ('full', 'reencoded'))
        and (
            event_group = 'kms'
            or (coalesce(management_event, true) and coalesce(event_category, 'Management') = 'Management')
        )
),

-- Every file by itself, and all of a place together.
exports as (
    select
        recipient_account_id,
        aws_region,
        grouping(log_file_path) = 1 as is_place,
        case
            when min(key_arn) = max(key_arn) and count(key_arn) = count(*) then 'key'
            when min(event_name) = max(event_name) then 'event name'
            when min(caller) = max(caller) and count(caller) = count(*) then 'caller'
        end as filtered_by,
        count(*) as event_count,
        min(event_time) as first_event_time,
        max(event_time) as last_event_time
    from exported
    group by grouping sets (
        (recipient_account_id, aws_region),
        (recipient_account_id, aws_region, log_file_path)
    )
),

places as (
    select
        recipient_account_id,
        aws_region,
        max(filtered_by) filter (where is_place) as filtered_by,
        last_value(filtered_by order by event_count asc, filtered_by asc) filter (
            where not is_place and (filtered_by = 'key' or (filtered_by is not null and event_count >= 48))
        ) as exports_filtered_by,
        sum(event_count) filter (where not is_place and (filtered_by = 'key' or (filtered_by is not null and event_count >= 48))) as filtered_count,
        sum(event_count) filter (where is_place) as event_count,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from exports
    group by
        recipient_account_id,
        aws_region
),

delivered as (
    select
        recipient_account_id,
        aws_region
    from trail_coverage
    where file_count > 0
    group by
        recipient_account_id,
        aws_region
)

select
    places.recipient_account_id,
    places.aws_region,
    coalesce(places.filtered_by, places.exports_filtered_by) as filtered_by,
    places.event_count,
    places.first_event_time,
    places.last_event_time
from places
left join delivered
    on delivered.recipient_account_id = places.recipient_account_id
    and delivered.aws_region = places.aws_region
where (
    case places.filtered_by
        when 'key' then true
        when 'event name' then places.event_count >= 5
        when 'caller' then places.event_count >= 48
    end
    or (places.filtered_count >= 0.9 * places.event_count and places.event_count >= 48)
)
    and delivered.recipient_account_id is null
