-- view:    kms_logging_losses
-- summary: Spans in which a change of a trail or an event data store took KMS calls out of the logs
-- grain:   account_id, aws_region, kind, from_time
-- reads:   trail_changes, trail_coverage
-- notes:   a change is a loss only where the KMS reads stop with it, for a day, or until the change is taken back, or another trail is started: else another trail's files are there; the first hour after it is not looked at, as what was called before is still delivered
-- notes:   so does an update of a trail that moves its files or its regions, and selectors that the record does not tell, where other events go on for a day
-- notes:   selectors that choose KMS calls by name, caller or kind always make one, in all accounts whose log files' paths name the organization of the changed one: nothing tells what they leave out
-- notes:   a trail may be an organization's: where the KMS reads stop in its own account, other accounts that had some in the day before, and then none for a day or more until the change was taken back, or that account's own came back, are taken for its members; so are those whose log files' paths name the same organization, whether or not they had any in the day before, or any event where the trail was stopped
-- column:  account_id: account whose KMS calls are missing
-- column:  kind: logging_stopped (or an update of the trail took the KMS reads away), kms_excluded (by event selectors), kms_partial (event selectors choose among KMS calls)
-- column:  from_time: when the trail was changed, UTC
-- column:  to_time: when that was taken back, or the KMS reads came again, UTC; null = not yet
-- column:  event_id: the change of the trail; of several at once, the least id
-- column:  detail: numbers behind it, in words
with places as (
    select
        recipient_account_id as account_id,
        aws_region,
        max(last_event_time) as last_event_time
    from trail_coverage
    where management_count > 0
    group by
        recipient_account_id,
        aws_region
),

changes as (
    select
        recipient_account_id as account_id,
        event_time,
        event_id,
        trail_name,
        case
            when event_name = 'UpdateTrail' then 'moved'
            -- It stands beside a trail more often than for one: only what goes missing with it counts.
            when event_name = 'UpdateEventDataStore' and kms_effect = 'partial' then 'unknown'
            else kms_effect
        end as kms_effect,
        case
            -- Another trail may take its place.
            when kms_effect = 'stopped' then min(case when kms_effect = 'started' then event_time end) over (
                partition by recipient_account_id
                order by event_time, event_id
                rows between 1 following and unbounded following
            )
            else min(
                case
                    when event_name in ('PutEventSelectors', 'DeleteTrail', 'UpdateEventDataStore', 'DeleteEventDataStore')
                        and kms_effect <> 'unknown' then event_time
                end
            ) over (
                partition by recipient_account_id, trail_name
                order by event_time, event_id
                rows between 1 following and unbounded following
            )
        end as until_time,
        min(case when kms_effect = 'started' then event_time end) over (
            partition by recipient_account_id
            order by event_time, event_id
            rows between 1 following and unbounded following
        ) as started_time
    from trail_changes
    where kms_effect is not null
),

-- What is logged from an hour after a change.
followed as (
    select
        changes.account_id,
        places.aws_region,
        changes.event_id,
        changes.trail_name,
        changes.kms_effect,
        changes.event_time as from_time,
        changes.until_time,
        changes.started_time,
        max(places.last_event_time) as last_event_time,
        coalesce(
            sum(trail_coverage.management_count) filter (
                where trail_coverage.event_hour < coalesce(changes.until_time, places.last_event_time) - interval '1 hour'
            ),
            0
        ) as event_count,
        min(
            case when changes.kms_effect = 'stopped' or trail_coverage.kms_read_count > 0 then trail_coverage.event_hour end
        ) as resumed_time
    from changes
    inner join places
        on places.account_id = changes.account_id
    left join trail_coverage
        on trail_coverage.recipient_account_id = places.account_id
        and trail_coverage.aws_region = places.aws_region
        and trail_coverage.management_count > 0
        and trail_coverage.event_hour >= changes.event_time + interval '1 hour'
    where changes.kms_effect in ('stopped', 'moved', 'excluded', 'reads_excluded', 'unknown')
    group by
        changes.account_id,
        places.aws_region,
        changes.event_id,
        changes.trail_name,
        changes.kms_effect,
        changes.event_time,
        changes.until_time,
        changes.started_time
),

lost_spans as (
    select
        account_id,
        aws_region,
        event_id,
        trail_name,
        kms_effect,
        case when kms_effect in ('stopped', 'moved') then 'logging_stopped' else 'kms_excluded' end as kind,
        from_time,
        until_time,
        case
            when resumed_time < until_time or until_time is null then resumed_time
            else until_time
        end as to_time,
        event_count
    from followed
    where (
        resumed_time is null
        -- What may have stopped the reads shows in a day of other events.
        and (kms_effect not in ('moved', 'unknown') or last_event_time >= from_time + interval '25 hours')
    )
        or resumed_time >= until_time - interval '1 hour'
        or resumed_time >= from_time + interval '25 hours'
        -- Another trail took its place.
        or (kms_effect <> 'stopped' and resumed_time >= started_time - interval '1 hour')
),

-- Until the change is taken back, or, where the logs do not tell of that, until the account's own reads come back.
lost_trails as (
    select
        account_id,
        event_id,
        from_time,
        kind,
        concat(
            'trail ',
            coalesce(trail_name, 'without a name'),
            ' of account ',
            account_id,
            case when kms_effect = 'stopped' then ': no event since' else ': no KMS read since' end
        ) as detail,
        kms_effect = 'stopped' as is_stopped,
        coalesce(until_time, max(to_time)) as until_time
    from lost_spans
    group by
        account_id,
        event_id,
        trail_name,
        from_time,
        kind,
        kms_effect,
        until_time
),

read_hours as (
    select
        recipient_account_id as account_id,
        aws_region,
        event_hour as read_hour,
        lead(event_hour) over (
            partition by recipient_account_id, aws_region
            order by event_hour
        ) as next_read_hour
    from trail_coverage
    where kms_read_count > 0
        and recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
),

member_spans as (
    select
        read_hours.account_id,
        read_hours.aws_region,
        lost_trails.kind,
        lost_trails.from_time,
        lost_trails.until_time as to_time,
        lost_trails.event_id,
        lost_trails.detail
    from lost_trails
    inner join read_hours
        on read_hours.account_id <> lost_trails.account_id
        and not lost_trails.is_stopped
        and read_hours.read_hour > lost_trails.from_time - interval '25 hours'
        and read_hours.read_hour < lost_trails.from_time + interval '1 hour'
        and (
            read_hours.next_read_hour is null
            or (
                read_hours.next_read_hour >= lost_trails.until_time - interval '1 hour'
                and read_hours.next_read_hour >= lost_trails.from_time + interval '25 hours'
            )
        )
),

-- Paths name the organization whose trail delivered: members without what was taken away meanwhile, however rare theirs is.
members as (
    select distinct
        organization_id,
        recipient_account_id as account_id
    from trail_coverage
    where organization_id is not null
        and recipient_account_id is not null
),

-- Where the trail of a change may log.
reached as (
    select
        account_id as changed_account_id,
        account_id
    from places

    union

    select
        changed.account_id as changed_account_id,
        members.account_id
    from members as changed
    inner join members
        on members.organization_id = changed.organization_id
),

quiet_member_spans as (
    select
        places.account_id,
        places.aws_region,
        lost_trails.kind,
        lost_trails.from_time,
        lost_trails.until_time as to_time,
        lost_trails.event_id,
        lost_trails.detail
    from members as changed
    inner join members
        on members.organization_id = changed.organization_id
        and members.account_id <> changed.account_id
    inner join lost_trails
        on lost_trails.account_id = changed.account_id
    inner join places
        on places.account_id = members.account_id
        and places.last_event_time > lost_trails.from_time
    left join trail_coverage
        on trail_coverage.recipient_account_id = places.account_id
        and trail_coverage.aws_region = places.aws_region
        and trail_coverage.event_hour >= lost_trails.from_time + interval '1 hour'
        and coalesce(trail_coverage.event_hour < lost_trails.until_time - interval '1 hour', true)
        and trail_coverage.management_count > 0
        and (trail_coverage.kms_read_count > 0 or lost_trails.is_stopped)
    where places.aws_region is not null
        and trail_coverage.event_hour is null
),

organization_spans as (
    select
        account_id,
        aws_region,
        kind,
        from_time,
        case when bool_and(to_time is not null) then max(to_time) end as to_time,
        min(event_id) as event_id,
        min(detail) as detail
    from (
        select *
        from member_spans

        union all

        select *
        from quiet_member_spans
    ) as spans
    group by
        account_id,
        aws_region,
        kind,
        from_time
)

select
    account_id,
    aws_region,
    kind,
    from_time,
    to_time,
    event_id,
    concat('trail ', coalesce(trail_name, 'without a name'), ': ', event_count, ' events since, no KMS read') as detail
from lost_spans

union all

select
    account_id,
    aws_region,
    kind,
    from_time,
    to_time,
    event_id,
    detail
from organization_spans

union all

select
    places.account_id,
    places.aws_region,
    'kms_partial' as kind,
    changes.event_time as from_time,
    changes.until_time as to_time,
    changes.event_id,
    concat('trail ', coalesce(changes.trail_name, 'without a name'), ': KMS calls are chosen by name, caller or kind')
        as detail
from changes
inner join reached
    on reached.changed_account_id = changes.account_id
inner join places
    on places.account_id = reached.account_id
where changes.kms_effect = 'partial'
