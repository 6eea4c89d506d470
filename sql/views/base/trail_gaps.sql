-- view:    trail_gaps
-- summary: Spans without a single event, per account and region, while the account's logs go on: of a day or more, or longer than its traffic is ever silent, and not by its own rhythm
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_coverage
-- notes:   a quiet account may truly have had no event; the logs alone cannot tell that from a trail that was off or files that are missing
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
    where record_count > 0
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

silences as (
    select
        counted.*,
        counted.hour_count + counted.silent_hour_count as all_hour_count,
        (counted.silent_hour_count + 1) / (counted.hour_count + counted.silent_hour_count + 1) as silent_share,
        coalesce(
            rhythms.silence_count * power(0.5, counted.silent_hours / rhythms.median_hours) > 0.05,
            false
        ) as is_usual
    from counted
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
    where record_count > 0
        and recipient_account_id is not null
        and aws_region is not null
    group by
        recipient_account_id,
        aws_region
),

silent_ends as (
    select
        ends.*,
        coalesce(
            rhythms.silence_count * power(
                0.5,
                date_part('epoch', ends.last_event_time - ends.gap_start_time) / 3600 / rhythms.median_hours
            ) > 0.05,
            false
        ) as is_usual
    from ends
    left join rhythms
        on rhythms.recipient_account_id = ends.recipient_account_id
        and rhythms.aws_region = ends.aws_region
)

select
    recipient_account_id,
    aws_region,
    gap_start_time,
    gap_end_time,
    cast(floor(date_part('epoch', gap_end_time - gap_start_time) / 3600) as bigint) as gap_hours
from silences
where (gap_end_time - gap_start_time >= interval '24 hours' and not is_usual)
    or (all_hour_count >= 14 * 24 and power(silent_share, silent_hours) * all_hour_count < 0.000001)

union all

select
    recipient_account_id,
    aws_region,
    gap_start_time,
    null as gap_end_time,
    cast(floor(date_part('epoch', last_event_time - gap_start_time) / 3600) as bigint) as gap_hours
from silent_ends
where last_event_time - gap_start_time >= interval '24 hours'
    and not is_usual
