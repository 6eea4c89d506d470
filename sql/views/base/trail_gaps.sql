-- view:    trail_gaps
-- summary: Spans without a single management event, per account and region, while the account's logs go on: of a day or more, or longer than its traffic is ever silent, and not by its own rhythm
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_coverage, trail_digests, log_files
-- notes:   data events do not count, as a trail of those holds no KMS call; a quiet account may truly have had no event; the logs alone cannot tell that from a trail that was off or files that are missing
-- notes:   integrity digests can: a span is no gap where a trail's digests of all its hours are in the lake, and all log files that they name, where that trail delivered all that the lake has of the days around it, and where the silence is not beyond all rhythm: as long a one, were the silent hours spread evenly, is to be expected in more than one of a million windows (20 days in a region with one event a day, six hours where 98 of 100 hours have some)
-- notes:   a span of a day or more is none where so little happens that it comes by itself: where the logs reach over two weeks or more and have ten silences or more, and so long a one is to be expected in more than one of twenty such windows, were silences as long as often as half of them are shorter than the median. With a median of one hour no day is left out, with eight hours silences of up to four days are
-- notes:   a span of less than 24 hours is a gap where the logs reach over two weeks or more and so many hours in a row without an event come about once in a million such windows, were the silent hours spread evenly: with events in 99 of 100 hours that is 5 hours, with events in half of them never
-- notes:   time before the first event of an account and region is no gap, but not covered either
-- column:  gap_start_time: the last event before the gap, UTC
-- column:  gap_end_time: the first event after it, UTC; null = there is none, though other regions of the account go on
-- column:  gap_hours: whole hours between the two, or to the last event of the account
with hours as (
    select
        recipient_account_id,
        aws_region,
        lag(last_event_time) over (
            partition by recipient_account_id, aws_region
            order by event_hour
        ) as gap_start_time,
        first_event_time as gap_end_time,
        (date_part('epoch', event_hour) - date_part('epoch', lag(event_hour) over (
            partition by recipient_account_id, aws_region
            order by event_hour
        ))) / 3600 - 1 as silent_hours
    from trail_coverage
    where management_count > 0
        and recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
),

-- Of the hours that are in no silence of a day or more so many have events, and so many have not.
counted as (
    select
        *,
        count(*) over (partition by recipient_account_id, aws_region) as hour_count,
        coalesce(
            sum(case when gap_end_time - gap_start_time < interval '24 hours' then silent_hours end) over (
                partition by recipient_account_id, aws_region
            ),
            0
        ) as silent_hour_count
    from hours
),

-- Half of the silences last no longer than the median: a few holes, however long, do not move it.
rhythms as (
    select
        recipient_account_id,
        aws_region,
        median(silent_hours) as median_hours,
        case when count(*) >= 10 and max(hour_count) + sum(silent_hours) >= 14 * 24 then count(*) end as silence_count
    from counted
    where silent_hours > 0
    group by
        recipient_account_id,
        aws_region
),

totals as (
    select
        recipient_account_id,
        aws_region,
        max(hour_count) as hour_count,
        coalesce(sum(silent_hours) filter (where silent_hours > 0), 0) as silent_hours
    from counted
    group by
        recipient_account_id,
        aws_region
),

silences as (
    select
        counted.*,
        counted.hour_count + counted.silent_hour_count as all_hour_count,
        (counted.silent_hour_count + 1) / (counted.hour_count + counted.silent_hour_count + 1) as silent_share,
        coalesce(
            rhythms.silence_count * power(0.5, counted.silent_hours / rhythms.median_hours) > 0.05,
            false
        ) as is_usual,
        totals.silent_hours - counted.silent_hours as other_silent_hours
    from counted
    inner join totals
        on totals.recipient_account_id = counted.recipient_account_id
        and totals.aws_region = counted.aws_region
    left join rhythms
        on rhythms.recipient_account_id = counted.recipient_account_id
        and rhythms.aws_region = counted.aws_region
    where counted.silent_hours > 0
),

ends as (
    select
        recipient_account_id,
        aws_region,
        max(last_event_time) as gap_start_time,
        max(max(last_event_time)) over (partition by recipient_account_id) as last_event_time
    from trail_coverage
    where management_count > 0
        and recipient_account_id is not null
        and aws_region is not null
    group by
        recipient_account_id,
        aws_region
),

silent_ends as (
    select
        ends.*,
        totals.hour_count,
        totals.silent_hours as other_silent_hours,
        coalesce(
            rhythms.silence_count * power(
                0.5,
                date_part('epoch', ends.last_event_time - ends.gap_start_time) / 3600 / rhythms.median_hours
            ) > 0.05,
            false
        ) as is_usual
    from ends
    inner join totals
        on totals.recipient_account_id = ends.recipient_account_id
        and totals.aws_region = ends.aws_region
    left join rhythms
        on rhythms.recipient_account_id = ends.recipient_account_id
        and rhythms.aws_region = ends.aws_region
),

gaps as (
    select
        recipient_account_id,
        aws_region,
        gap_start_time,
        gap_end_time,
        gap_end_time as silent_until,
        hour_count,
        other_silent_hours
    from silences
    where (gap_end_time - gap_start_time >= interval '24 hours' and not is_usual)
        or (all_hour_count >= 14 * 24 and power(silent_share, silent_hours) * all_hour_count < 0.000001)

    union all

    select
        recipient_account_id,
        aws_region,
        gap_start_time,
        null as gap_end_time,
        last_event_time as silent_until,
        hour_count,
        other_silent_hours
    from silent_ends
    where last_event_time - gap_start_time >= interval '24 hours'
        and not is_usual
),

whole_digests as (
    select
        *,
        max(digest_end_time) over (
            partition by digest_chain
            order by digest_start_time, digest_end_time, digest_file_path
            rows between unbounded preceding and 1 preceding
        ) as told_until
    from trail_digests
    where is_whole
),

numbered as (
    select
        *,
        sum(case when digest_start_time <= told_until then 0 else 1 end) over (
            partition by digest_chain
            order by digest_start_time, digest_end_time, digest_file_path
        ) as span
    from whole_digests
),

-- Of a trail all digests without a break, and all log files that they name.
told_spans as (
    select
        recipient_account_id,
        aws_region,
        digest_chain,
        min(digest_start_time) as from_time,
        max(digest_end_time) as to_time
    from numbered
    group by
        recipient_account_id,
        aws_region,
        digest_chain,
        span
),

told_gaps as (
    select
        gaps.recipient_account_id,
        gaps.aws_region,
        gaps.gap_start_time,
        gaps.silent_until,
        told_spans.digest_chain
    from gaps
    inner join told_spans
        on told_spans.recipient_account_id = gaps.recipient_account_id
        and told_spans.aws_region = gaps.aws_region
        and told_spans.from_time <= gaps.gap_start_time
        -- The digest of the hour after the last event may not be there yet, and what is left is no gap.
        and told_spans.to_time >= coalesce(gaps.gap_end_time, gaps.silent_until - interval '24 hours')
    -- Where there was always something, nothing is no rhythm: selectors take events away, and the trail goes on.
    where power(
        (gaps.other_silent_hours + 1.0) / (gaps.hour_count + gaps.other_silent_hours + 1),
        date_part('epoch', gaps.silent_until - gaps.gap_start_time) / 3600 - 1
    ) * (gaps.hour_count + gaps.other_silent_hours) >= 0.000001
),

named as (
    select
        told_gaps.recipient_account_id,
        told_gaps.aws_region,
        told_gaps.gap_start_time,
        unnest(string_to_array(log_files.digest_log_files, chr(10))) as log_file_path
    from told_gaps
    inner join trail_digests
        on trail_digests.digest_chain = told_gaps.digest_chain
        and trail_digests.digest_end_time between told_gaps.gap_start_time - interval '26 hours'
        and told_gaps.silent_until + interval '26 hours'
    inner join log_files
        on log_files.log_file_path = trail_digests.digest_file_path
),

told_files as (
    select distinct
        recipient_account_id,
        aws_region,
        gap_start_time,
        split_part(log_file_path, '_', -2) as delivered,
        split_part(split_part(log_file_path, '_', -1), '.', 1) as unique_text
    from named
),

-- The log files delivered about then, and whether a trail that tells of the whole gap names them: else another trail may be silent there.
neighbours as (
    select
        told.recipient_account_id,
        told.aws_region,
        told.gap_start_time,
        bool_and(told_files.gap_start_time is not null) as are_named
    from (
        select distinct
            recipient_account_id,
            aws_region,
            gap_start_time,
            silent_until
        from told_gaps
    ) as told
    inner join log_files
        on log_files.account_id = told.recipient_account_id
        and log_files.aws_region = told.aws_region
        and log_files.delivery_time between told.gap_start_time - interval '24 hours'
        and told.silent_until + interval '24 hours'
    left join told_files
        on told_files.recipient_account_id = told.recipient_account_id
        and told_files.aws_region = told.aws_region
        and told_files.gap_start_time = told.gap_start_time
        and told_files.delivered = split_part(log_files.log_file_path, '_', -2)
        and told_files.unique_text = split_part(split_part(log_files.log_file_path, '_', -1), '.', 1)
    where coalesce(log_files.log_file_kind, 'events') = 'events'
        and coalesce(log_files.record_count, 1) > 0
    group by
        told.recipient_account_id,
        told.aws_region,
        told.gap_start_time
)

select
    gaps.recipient_account_id,
    gaps.aws_region,
    gaps.gap_start_time,
    gaps.gap_end_time,
    cast(floor(date_part('epoch', gaps.silent_until - gaps.gap_start_time) / 3600) as bigint) as gap_hours
from gaps
left join neighbours
    on neighbours.recipient_account_id = gaps.recipient_account_id
    and neighbours.aws_region = gaps.aws_region
    and neighbours.gap_start_time = gaps.gap_start_time
where not coalesce(neighbours.are_named, false)
