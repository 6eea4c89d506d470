-- view:    kms_blind_spots
-- summary: Where and when the logs cannot show a use of a KMS key, by their own evidence
-- grain:   account_id, aws_region, kind, from_time
-- reads:   trail_coverage, trail_gaps, trail_digests, trail_changes, unfinished_conversions, kms_keys
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- notes:   no KMS call in a span is a blind spot only where other traffic goes on, for 7 days or as long as the logs reach, and where other regions of the account are without KMS reads, too, on more than half of the days, as which calls are logged is a setting of a trail, not of a region; or where keys of the place were managed three times or more
-- notes:   a change of a trail makes one only where the KMS reads stop with it, for a day or until the change is taken back: else another trail's files are there; the first hour after it is not looked at, as what was called before is still delivered
-- notes:   so does an update of a trail that moves its files or its regions, and selectors that the record does not tell, where other events go on for a day
-- notes:   selectors that choose KMS calls by name, caller or kind always make one: nothing tells what they leave out
-- notes:   a trail may be an organization's: where the KMS reads stop in its own account, other accounts that had some in the day before, and then none for a day or more until the change was taken back, or that account's own came back, are taken for its members; so are those whose log files' paths name the same organization, whether or not they had any in the day before
-- column:  account_id: account whose KMS calls may be missing; null = files whose place is not known
-- column:  kind: no_logs (keys live there, no event does), gap (no event for a day or more, or for longer than the traffic there is ever silent: see trail_gaps; or none any more for a day or more while other regions of the account go on), write_only (nothing that reads is logged, but for KMS calls that are marked as writes), kms_writes_only (KMS writes, other reads, but no KMS reads), no_kms_calls (other reads go on without any KMS call), kms_calls_stopped (no KMS read of the account for a day or more, which neither chance nor the rhythm of its KMS reads explains, while other events go on), logging_stopped (or an update of the trail took the KMS reads away), kms_excluded (by event selectors), kms_partial (event selectors choose among KMS calls), partial_detail (formats that cannot carry an encryption context), rejected (input that could not be taken), missing_log_file (log files that an integrity digest names are not in the lake, nor the digest that the next one names: see trail_digests), unfinished_conversion (log files that a conversion left unread: see unfinished_conversions)
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
    where management_count > 0
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
        sum(kms_management_count) as kms_management_count,
        sum(other_read_count) as other_read_count,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from trail_coverage
    where recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
        and management_count > 0
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
        sum(kms_management_count) as kms_management_count,
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
        event_count
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

-- Paths name the organization whose trail delivered: members without any KMS read meanwhile, however rare theirs are.
members as (
    select distinct
        organization_id,
        recipient_account_id as account_id
    from trail_coverage
    where organization_id is not null
        and recipient_account_id is not null
),

quiet_member_spans as (
    select
        places.account_id,
        places.aws_region,
        lost_trails.from_time,
        lost_trails.until_time as to_time,
        lost_trails.event_id,
        concat('trail ', coalesce(lost_trails.trail_name, 'without a name'), ' of account ', lost_trails.account_id) as trail
    from members as changed
    inner join members
        on members.organization_id = changed.organization_id
        and members.account_id <> changed.account_id
    inner join lost_trails
        on lost_trails.account_id = changed.account_id
    inner join places
        on places.account_id = members.account_id
        and places.last_event_time > lost_trails.from_time
    left join read_hours
        on read_hours.account_id = places.account_id
        and read_hours.aws_region = places.aws_region
        and read_hours.read_hour >= lost_trails.from_time + interval '1 hour'
        and coalesce(read_hours.read_hour < lost_trails.until_time - interval '1 hour', true)
    where places.aws_region is not null
        and read_hours.read_hour is null
),

organization_spans as (
    select
        account_id,
        aws_region,
        from_time,
        case when bool_and(to_time is not null) then max(to_time) end as to_time,
        min(event_id) as event_id,
        min(trail) as trail
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
        from_time
),

-- The account's hours with KMS reads, of whatever region: which calls are logged is a setting of a trail.
account_hours as (
    select
        recipient_account_id as account_id,
        event_hour,
        sum(kms_read_count) as kms_read_count,
        max(event_hour) over (partition by recipient_account_id) as last_hour
    from trail_coverage
    where recipient_account_id is not null
        and event_hour is not null
        and management_count > 0
    group by
        recipient_account_id,
        event_hour
),

account_reads as (
    select
        account_id,
        event_hour,
        coalesce(lead(event_hour) over (partition by account_id order by event_hour), last_hour) as next_hour
    from account_hours
    where kms_read_count > 0
),

read_silences as (
    select
        *,
        (date_part('epoch', next_hour) - date_part('epoch', event_hour)) / 3600 - 1 as silent_hours
    from account_reads
),

read_rhythms as (
    select
        account_id,
        count(*) as hour_count,
        coalesce(sum(silent_hours) filter (where silent_hours > 0), 0) as silent_hour_count,
        count(*) filter (where silent_hours > 0) as silence_count,
        median(case when silent_hours > 0 then silent_hours end) as median_hours
    from read_silences
    group by account_id
),

-- All hours but those of the silence itself, and how many of them are silent.
measured_silences as (
    select
        read_silences.*,
        read_rhythms.hour_count,
        read_rhythms.silence_count,
        read_rhythms.median_hours,
        read_rhythms.hour_count + read_rhythms.silent_hour_count as reach_hours,
        read_rhythms.silent_hour_count - read_silences.silent_hours as other_silent_hours
    from read_silences
    inner join read_rhythms
        on read_rhythms.account_id = read_silences.account_id
    where read_silences.silent_hours >= 24
),

-- As in trail_gaps: neither by chance, nor by a rhythm.
odd_silences as (
    select
        *,
        hour_count + other_silent_hours as other_hour_count
    from measured_silences
    where reach_hours >= 14 * 24
        and power((other_silent_hours + 1.0) / (hour_count + other_silent_hours + 1), silent_hours)
        * (hour_count + other_silent_hours) < 0.000001
        and not coalesce(
            silence_count >= 10 and silence_count * power(0.5, silent_hours / median_hours) > 0.05,
            false
        )
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
        and (
            other_read_count = 0
            -- Who manages keys reads them, too.
            or kms_management_count >= 3
            or elsewhere_day_count * 2 < silent_spans.day_count
        )

    union all

    select
        odd_silences.account_id,
        trail_coverage.aws_region,
        'kms_calls_stopped' as kind,
        min(trail_coverage.first_event_time) as from_time,
        max(trail_coverage.last_event_time) as to_time,
        null as event_id,
        concat(
            cast(odd_silences.silent_hours as bigint),
            ' hours without a KMS read of the account, where ',
            cast(round(100.0 * odd_silences.hour_count / odd_silences.other_hour_count) as bigint),
            ' of 100 other hours have one, and ',
            sum(trail_coverage.management_count),
            ' other events'
        ) as detail
    from odd_silences
    inner join trail_coverage
        on trail_coverage.recipient_account_id = odd_silences.account_id
        and trail_coverage.event_hour > odd_silences.event_hour
        and trail_coverage.event_hour < odd_silences.next_hour
    where trail_coverage.management_count > 0
        and trail_coverage.aws_region is not null
    group by
        odd_silences.account_id,
        trail_coverage.aws_region,
        odd_silences.event_hour,
        odd_silences.silent_hours,
        odd_silences.hour_count,
        odd_silences.other_hour_count

    union all

    select
        account_id,
        aws_region,
        case when kms_effect in ('stopped', 'moved') then 'logging_stopped' else 'kms_excluded' end as kind,
        from_time,
        to_time,
        event_id,
        concat('trail ', coalesce(trail_name, 'without a name'), ': ', event_count, ' events since, no KMS read') as detail
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
    from organization_spans

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

    -- Their events are mostly of that hour and the one before.
    select
        recipient_account_id as account_id,
        aws_region,
        'missing_log_file' as kind,
        digest_start_time - interval '1 hour' as from_time,
        digest_end_time as to_time,
        null as event_id,
        concat(
            'named by a digest and not in the lake: ',
            min(split_part(missing_log_files, chr(10), 1)),
            case
                when max(missing_log_file_count) > 1
                    then concat(' and ', max(missing_log_file_count) - 1, ' more: see trail_digest_log_files')
            end
        ) as detail
    from trail_digests
    where missing_log_file_count > 0
    group by
        recipient_account_id,
        aws_region,
        digest_start_time,
        digest_end_time

    union all

    -- As its digests, so its log files.
    select
        recipient_account_id as account_id,
        aws_region,
        'missing_log_file' as kind,
        previous_end_time - interval '1 hour' as from_time,
        digest_start_time as to_time,
        null as event_id,
        concat('the digest of these hours, which the next one names, is not in the lake: ', min(previous_digest)) as detail
    from trail_digests
    where is_previous_missing
        and digest_start_time > previous_end_time
    group by
        recipient_account_id,
        aws_region,
        previous_end_time,
        digest_start_time

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
                when 'begun' then 'a run that goes on, or was killed'
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
