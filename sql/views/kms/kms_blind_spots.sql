-- view:    kms_blind_spots
-- summary: Where and when the logs cannot show a use of a KMS key, by their own evidence
-- grain:   account_id, aws_region, kind, from_time
-- reads:   trail_coverage, trail_gaps, trail_changes, unfinished_conversions, kms_keys
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- notes:   no KMS call in a span is a blind spot only where other traffic goes on, for 7 days or as long as the logs reach, and where other regions of the account are without KMS reads, too, on more than half of the days: which calls are logged is a setting of a trail, not of a region
-- notes:   a change of a trail makes one only where the KMS reads stop with it, for a day or until the change is taken back: else another trail's files are there; the first hour after it is not looked at, as what was called before is still delivered
-- notes:   so does an update of a trail that moves its files or its regions, and selectors that the record does not tell, where other events go on for a day
-- notes:   selectors that choose KMS calls by name, caller or kind always make one: nothing tells what they leave out
-- notes:   a trail may be an organization's: where the KMS reads stop in its own account, other accounts that had some in the day before, and then none for a day or more until the change was taken back, or that account's own came back, are taken for its members
-- column:  account_id: account whose KMS calls may be missing; null = files whose place is not known
-- column:  kind: no_logs (keys live there, no event does), gap (no event for a day or more, or for longer than the traffic there is ever silent: see trail_gaps; or none any more for a day or more while other regions of the account go on), write_only (nothing that reads is logged, but for KMS calls that are marked as writes), kms_writes_only (KMS writes, other reads, but no KMS reads), no_kms_calls (other reads go on without any KMS call), logging_stopped (or an update of the trail took the KMS reads away), kms_excluded (by event selectors), kms_partial (event selectors choose among KMS calls), partial_detail (formats that cannot carry an encryption context), rejected (input that could not be taken), unfinished_conversion (log files that a conversion left unread: see unfinished_conversions)
-- column:  from_time: start of the span, UTC; null = the whole time
-- column:  to_time: its end, UTC; null = until now
-- column:  key_count: keys of that account and region that the logs know of
-- column:  event_id: event that proves it: the change of the trail; null = it follows from what is missing
-- column:  detail: numbers behind it, in words
with keys as (
    select
        account_id,
        aws_region,
        count(*) as key_count
    from kms_keys
    group by
        account_id,
        aws_region
),

places as (
    select
        recipient_account_id as account_id,
        aws_region,
        max(last_event_time) as last_event_time,
        count(distinct cast(event_hour as date)) as day_count
    from trail_coverage
    where record_count > 0
    group by
        recipient_account_id,
        aws_region
),

days as (
    select
        recipient_account_id as account_id,
        aws_region,
        cast(event_hour as date) as event_date,
        sum(kms_read_count) as kms_read_count,
        sum(kms_marked_write_count) as kms_marked_write_count,
        sum(kms_write_count) as kms_write_count,
        sum(other_read_count) as other_read_count,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from trail_coverage
    where recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
        and record_count > 0
    group by
        recipient_account_id,
        aws_region,
        cast(event_hour as date)
),

-- A trail of writes lets the KMS reads pass that are marked as writes, and nothing else that reads.
judged_days as (
    select
        *,
        kms_read_count > 0
            and (kms_read_count > kms_marked_write_count or other_read_count > 0) as has_kms_read
    from days
),

numbered as (
    select
        *,
        bool_or(has_kms_read) over (partition by account_id, event_date) as has_kms_read_elsewhere,
        sum(case when has_kms_read then 1 else 0 end) over (
            partition by account_id, aws_region
            order by event_date
        ) as span
    from judged_days
),

silent_spans as (
    select
        account_id,
        aws_region,
        min(first_event_time) as from_time,
        max(last_event_time) as to_time,
        count(*) as day_count,
        count(*) filter (where has_kms_read_elsewhere) as elsewhere_day_count,
        sum(kms_read_count) as kms_read_count,
        sum(kms_write_count) as kms_write_count,
        sum(other_read_count) as other_read_count
    from numbered
    where not has_kms_read
    group by
        account_id,
        aws_region,
        span
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
        end as until_time
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
        max(places.last_event_time) as last_event_time,
        coalesce(
            sum(trail_coverage.record_count) filter (
                where trail_coverage.event_hour < coalesce(changes.until_time, places.last_event_time) - interval '1 hour'
            ),
            0
        ) as record_count,
        min(
            case when changes.kms_effect = 'stopped' or trail_coverage.kms_read_count > 0 then trail_coverage.event_hour end
        ) as resumed_time
    from changes
    inner join places
        on places.account_id = changes.account_id
    left join trail_coverage
        on trail_coverage.recipient_account_id = places.account_id
        and trail_coverage.aws_region = places.aws_region
        and trail_coverage.record_count > 0
        and trail_coverage.event_hour >= changes.event_time + interval '1 hour'
    where changes.kms_effect in ('stopped', 'moved', 'excluded', 'reads_excluded', 'unknown')
    group by
        changes.account_id,
        places.aws_region,
        changes.event_id,
        changes.trail_name,
        changes.kms_effect,
        changes.event_time,
        changes.until_time
),

lost_spans as (
    select
        account_id,
        aws_region,
        event_id,
        trail_name,
        kms_effect,
        from_time,
        until_time,
        case
            when resumed_time < until_time or until_time is null then resumed_time
            else until_time
        end as to_time,
        record_count
    from followed
    where (
        resumed_time is null
        -- What may have stopped the reads shows in a day of other events.
        and (kms_effect not in ('moved', 'unknown') or last_event_time >= from_time + interval '25 hours')
    )
        or resumed_time >= until_time - interval '1 hour'
        or resumed_time >= from_time + interval '25 hours'
),

-- Until the change is taken back, or, where the logs do not tell of that, until the account's own reads come back.
lost_trails as (
    select
        account_id,
        event_id,
        trail_name,
        from_time,
        coalesce(until_time, max(to_time)) as until_time
    from lost_spans
    where kms_effect <> 'stopped'
    group by
        account_id,
        event_id,
        trail_name,
        from_time,
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
        lost_trails.from_time,
        case when bool_and(lost_trails.until_time is not null) then max(lost_trails.until_time) end as to_time,
        min(lost_trails.event_id) as event_id,
        min(concat('trail ', coalesce(lost_trails.trail_name, 'without a name'), ' of account ', lost_trails.account_id)) as trail
    from lost_trails
    inner join read_hours
        on read_hours.account_id <> lost_trails.account_id
        and read_hours.read_hour > lost_trails.from_time - interval '25 hours'
        and read_hours.read_hour < lost_trails.from_time + interval '1 hour'
        and (
            read_hours.next_read_hour is null
            or (
                read_hours.next_read_hour >= lost_trails.until_time - interval '1 hour'
                and read_hours.next_read_hour >= lost_trails.from_time + interval '25 hours'
            )
        )
    group by
        read_hours.account_id,
        read_hours.aws_region,
        lost_trails.from_time
),

spots as (
    select
        keys.account_id,
        keys.aws_region,
        'no_logs' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        'no event of this account and region' as detail
    from keys
    left join places
        on places.account_id = keys.account_id
        and places.aws_region = keys.aws_region
    where places.account_id is null

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'gap' as kind,
        gap_start_time as from_time,
        gap_end_time as to_time,
        null as event_id,
        concat(gap_hours, ' hours without an event') as detail
    from trail_gaps

    union all

    select
        silent_spans.account_id,
        silent_spans.aws_region,
        case
            when other_read_count = 0 then 'write_only'
            when kms_write_count > 0 then 'kms_writes_only'
            else 'no_kms_calls'
        end as kind,
        from_time,
        to_time,
        null as event_id,
        concat(
            silent_spans.day_count,
            ' days with ',
            other_read_count,
            ' other reads, ',
            kms_write_count,
            ' KMS writes and no KMS read',
            case when kms_read_count > 0 then concat(' but ', kms_read_count, ' that say readOnly = false') end
        ) as detail
    from silent_spans
    inner join places
        on places.account_id = silent_spans.account_id
        and places.aws_region = silent_spans.aws_region
    where (silent_spans.day_count >= 7 or silent_spans.day_count = places.day_count)
        and (other_read_count = 0 or elsewhere_day_count * 2 < silent_spans.day_count)

    union all

    select
        account_id,
        aws_region,
        case when kms_effect in ('stopped', 'moved') then 'logging_stopped' else 'kms_excluded' end as kind,
        from_time,
        to_time,
        event_id,
        concat('trail ', coalesce(trail_name, 'without a name'), ': ', record_count, ' events since, no KMS read') as detail
    from lost_spans

    union all

    select
        account_id,
        aws_region,
        'kms_excluded' as kind,
        from_time,
        to_time,
        event_id,
        concat(trail, ': no KMS read since') as detail
    from member_spans

    union all

    select
        changes.account_id,
        places.aws_region,
        'kms_partial' as kind,
        changes.event_time as from_time,
        changes.until_time as to_time,
        changes.event_id,
        concat('trail ', coalesce(changes.trail_name, 'without a name'), ': KMS calls are chosen by name, caller or kind')
            as detail
    from changes
    inner join places
        on places.account_id = changes.account_id
    where changes.kms_effect = 'partial'

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'partial_detail' as kind,
        min(first_event_time) as from_time,
        max(last_event_time) as to_time,
        null as event_id,
        concat(sum(partial_detail_count), ' records without request parameters or context') as detail
    from trail_coverage
    where partial_detail_count > 0
    group by
        recipient_account_id,
        aws_region

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'rejected' as kind,
        min(event_hour) as from_time,
        max(event_hour) + interval '1 hour' as to_time,
        null as event_id,
        concat(sum(rejected_count), ' records or files were rejected') as detail
    from trail_coverage
    where rejected_count > 0
    group by
        recipient_account_id,
        aws_region

    union all

    select
        null as account_id,
        null as aws_region,
        'unfinished_conversion' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        concat(
            case reason
                when 'unread' then concat(unread_log_file_count, ' log files that could not be read')
                when 'missing_shard' then concat('shard ', shard, ' was not converted')
                else concat('a run that ', case when reason = 'failed' then reason else 'was stopped' end)
            end,
            ': ',
            source
        ) as detail
    from unfinished_conversions
)

select
    spots.account_id,
    spots.aws_region,
    spots.kind,
    spots.from_time,
    spots.to_time,
    coalesce(keys.key_count, 0) as key_count,
    spots.event_id,
    spots.detail
from spots
left join keys
    on keys.account_id = spots.account_id
    and keys.aws_region = spots.aws_region
