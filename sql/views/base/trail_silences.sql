-- view:    trail_silences
-- summary: Spans without a single management event, per account and region, while the account's logs go on, that neither chance nor rhythm explains: gaps, unless integrity digests tell that nothing was delivered
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_coverage
-- kept:    up to 500,000 rows, until the data changes: trail_gaps reads it more than once
-- notes:   data events do not count, as a trail of those holds no KMS call; a quiet account may truly have had no event; the logs alone cannot tell that from a trail that was off or files that are missing
-- notes:   a span of a day or more is none where so little happens that it comes by itself: where the logs reach over two weeks or more and have ten silences or more, and so long a one is to be expected in more than one of twenty such windows, were silences as long as often as half of them are shorter than the median. With a median of one hour no day is left out, with eight hours silences of up to four days are
-- notes:   a span of less than 24 hours is a gap where the logs reach over two weeks or more and so many hours in a row without an event come about once in a million such windows, were the silent hours spread evenly: with events in 99 of 100 hours that is 5 hours, with events in half of them never
-- notes:   time before the first event of an account and region is no gap, but not covered either
-- column:  gap_start_time: the last management event before the silence, UTC
-- column:  gap_end_time: the first one after it, UTC; null = there is none, though other regions of the account go on
-- column:  silent_until_time: the same, or the last management event of the account, UTC
-- column:  is_beyond_chance: were all other silent hours of the place spread evenly, as long a silence would come less than once in a million windows
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
)

select
    recipient_account_id,
    aws_region,
    gap_start_time,
    gap_end_time,
    silent_until as silent_until_time,
    power(
        (other_silent_hours + 1.0) / (hour_count + other_silent_hours + 1),
        date_part('epoch', silent_until - gap_start_time) / 3600 - 1
    ) * (hour_count + other_silent_hours) < 0.000001 as is_beyond_chance
from gaps
