-- view:    kms_read_silences
-- summary: Spans without a KMS read while other events go on that neither chance, nor rhythm, nor the place explains: KMS reads that are not logged
-- grain:   account_id, aws_region, kind, from_time
-- reads:   trail_coverage, trail_rhythms
-- notes:   a silence of one region is one for 7 days, or as long as the logs reach, where other regions of the account are without KMS reads, too, on more than half of the days, as which calls are logged is a setting of a trail, not of a region; or where keys of the place were managed three times or more; of whatever length, where secrets were read three times or more meanwhile, as each such read is a KMS call
-- notes:   a silence of the whole account is one that comes by chance less than once in a million windows, over two weeks or more, and, if it lasts a day or more, not by rhythm: see trail_rhythms. With KMS reads in all hours that is 5 hours, with reads in half of them never
-- notes:   a silence of one region is one for 24 hours, too, where three callers or more called KMS there in 18 of the 24 hours before it: one job may end, but not all of them in one hour. Where a region has three such silences they are its rhythm
-- column:  account_id: account whose KMS calls are missing
-- column:  kind: write_only (nothing that reads is logged, but for KMS calls that are marked as writes), kms_writes_only (KMS writes, other reads, but no KMS reads), no_kms_calls (other reads go on without any KMS call), kms_calls_stopped (no KMS read of the account, or none of the region and of several callers, though other events go on and other days have them)
-- column:  from_time: the first other event of it, or the first hour of kms_calls_stopped, UTC
-- column:  to_time: the last one, or the end of the last hour, UTC
-- column:  detail: numbers behind it, in words
with places as (
    select
        recipient_account_id as account_id,
        aws_region,
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
        sum(secret_read_count) as secret_read_count,
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
        sum(other_read_count) as other_read_count,
        sum(secret_read_count) as secret_read_count
    from numbered
    where not has_kms_read
    group by
        account_id,
        aws_region,
        span
),

-- When the KMS reads of a region end, and in how many of the hours before that several callers had some.
read_ends as (
    select
        recipient_account_id as account_id,
        aws_region,
        event_hour + interval '1 hour' as from_time,
        lead(event_hour) over (partition by recipient_account_id, aws_region order by event_hour) as next_read_hour,
        sum(case when kms_caller_count >= 3 then 1 else 0 end) over (
            partition by recipient_account_id, aws_region
            order by event_hour
            range between interval '23 hours' preceding and current row
        ) as busy_hour_count
    from trail_coverage
    where recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
        and management_count > 0
        and kms_read_count > 0
),

region_stops as (
    select
        read_ends.account_id,
        read_ends.aws_region,
        read_ends.from_time,
        coalesce(read_ends.next_read_hour, max(trail_coverage.event_hour) + interval '1 hour') as to_time,
        read_ends.busy_hour_count,
        sum(trail_coverage.management_count) as other_count
    from read_ends
    inner join trail_coverage
        on trail_coverage.recipient_account_id = read_ends.account_id
        and trail_coverage.aws_region = read_ends.aws_region
        and trail_coverage.event_hour >= read_ends.from_time
        and (read_ends.next_read_hour is null or trail_coverage.event_hour < read_ends.next_read_hour)
    where read_ends.busy_hour_count >= 18
        -- Before the hours after them are looked at.
        and (read_ends.next_read_hour is null or read_ends.next_read_hour >= read_ends.from_time + interval '24 hours')
        and trail_coverage.management_count > 0
    group by
        read_ends.account_id,
        read_ends.aws_region,
        read_ends.from_time,
        read_ends.next_read_hour,
        read_ends.busy_hour_count
),

counted_stops as (
    select
        *,
        count(*) over (partition by account_id, aws_region) as stop_count
    from region_stops
    where to_time - from_time >= interval '24 hours'
),

silences as (
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
        concat(
            silent_spans.day_count,
            ' days with ',
            other_read_count,
            ' other reads, ',
            kms_write_count,
            ' KMS writes and no KMS read',
            case when secret_read_count > 0 then concat(', though secrets were read ', secret_read_count, ' times') end,
            case when kms_read_count > 0 then concat(' but ', kms_read_count, ' that say readOnly = false') end
        ) as detail
    from silent_spans
    inner join places
        on places.account_id = silent_spans.account_id
        and places.aws_region = silent_spans.aws_region
    where secret_read_count >= 3
        or (
            (silent_spans.day_count >= 7 or silent_spans.day_count = places.day_count)
            and (
                other_read_count = 0
                -- Who manages keys reads them, too.
                or kms_management_count >= 3
                or elsewhere_day_count * 2 < silent_spans.day_count
            )
        )

    union all

    select
        rhythms.recipient_account_id as account_id,
        trail_coverage.aws_region,
        'kms_calls_stopped' as kind,
        rhythms.from_hour as from_time,
        rhythms.until_hour as to_time,
        concat(
            cast(rhythms.silent_hours as bigint),
            ' hours without a KMS read of the account, where ',
            cast(round(100.0 * rhythms.hour_count / (rhythms.hour_count + rhythms.other_silent_hours)) as bigint),
            ' of 100 other hours have one, and ',
            sum(trail_coverage.management_count),
            ' other events'
        ) as detail
    from trail_rhythms as rhythms
    inner join trail_coverage
        on trail_coverage.recipient_account_id = rhythms.recipient_account_id
        and trail_coverage.event_hour >= rhythms.from_hour
        and trail_coverage.event_hour < rhythms.until_hour
    where rhythms.traffic = 'kms_reads'
        and rhythms.reach_hours >= 14 * 24
        and rhythms.expected_count < 0.000001
        and (
            (rhythms.silent_hours >= 24 and not rhythms.is_usual)
            -- In its first hours an account may not have come to use KMS yet.
            or (rhythms.silent_hours < 24 and rhythms.start_time is not null)
        )
        and trail_coverage.management_count > 0
        and trail_coverage.aws_region is not null
    group by
        rhythms.recipient_account_id,
        trail_coverage.aws_region,
        rhythms.from_hour,
        rhythms.until_hour,
        rhythms.silent_hours,
        rhythms.hour_count,
        rhythms.other_silent_hours

    union all

    select
        account_id,
        aws_region,
        'kms_calls_stopped' as kind,
        from_time,
        to_time,
        concat(
            cast((date_part('epoch', to_time) - date_part('epoch', from_time)) / 3600 as bigint),
            ' hours without a KMS read of the region, where three callers or more had some in ',
            busy_hour_count,
            ' of the 24 hours before, and ',
            other_count,
            ' other events'
        ) as detail
    from counted_stops
    where stop_count < 3
)

-- Where an account uses one region only, both its reads and those of the region stop.
select
    account_id,
    aws_region,
    kind,
    from_time,
    max(to_time) as to_time,
    min(detail) as detail
from silences
group by
    account_id,
    aws_region,
    kind,
    from_time
