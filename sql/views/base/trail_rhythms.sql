-- view:    trail_rhythms
-- summary: Silences between the events of a place, and how far chance or the place's own rhythm explains them
-- grain:   traffic, recipient_account_id, aws_region, from_hour
-- reads:   trail_coverage
-- kept:    up to 500,000 rows, until the data changes: trail_silences and kms_read_silences read it
-- notes:   a silence is a number of whole hours in a row without an event; only management events count, as a trail of data events holds no KMS call
-- column:  traffic: management (events of an account and region), kms_reads (those of an account in all its regions, as which calls are logged is a setting of a trail)
-- column:  aws_region: null for kms_reads
-- column:  from_hour: first silent hour, UTC
-- column:  until_hour: the hour after the last silent one, UTC
-- column:  start_time: the last event before the silence, UTC; null = it began with the account's logs (of kms_reads only)
-- column:  end_time: the first event after it, UTC; null = there is none, though the account's logs go on
-- column:  until_time: the same, or the last management event of the account, UTC
-- column:  silent_hours: how many hours it lasts
-- column:  hour_count: hours of the place with events
-- column:  reach_hours: hours of the place with events, and all silent ones
-- column:  other_silent_hours: silent hours of the place outside of this silence
-- column:  expected_count: as long silences to be expected by chance, were the place's silent hours spread evenly: those outside of this silence, or, where it lasts less than a day, those of all silences of less than a day
-- column:  is_usual: the place has such silences by its rhythm, over two weeks or more. Either it has ten silences or more, and so long a one is to be expected in more than one of twenty such windows, were silences as long as often as half of them are shorter than the median, and is not as seldom as once in a million by the silences of less than a day alone, which come every night; or it is silent for 6 to 23 hours twice a week or more, as places are that sleep at night, and for a day or more, about as long, at the same time of three of four weeks, of four or more
with hours as (
    select
        'management' as traffic,
        recipient_account_id,
        aws_region,
        event_hour,
        first_event_time,
        last_event_time
    from trail_coverage
    where management_count > 0
        and recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null

    union all

    select
        'kms_reads' as traffic,
        recipient_account_id,
        null as aws_region,
        event_hour,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from trail_coverage
    where kms_read_count > 0
        and management_count > 0
        and recipient_account_id is not null
        and event_hour is not null
    group by
        recipient_account_id,
        event_hour
),

accounts as (
    select
        recipient_account_id,
        min(event_hour) as first_hour,
        max(event_hour) as last_hour,
        max(last_event_time) as last_event_time
    from trail_coverage
    where management_count > 0
        and recipient_account_id is not null
        and event_hour is not null
    group by recipient_account_id
),

neighbours as (
    select
        *,
        lag(event_hour) over (partition by traffic, recipient_account_id, aws_region order by event_hour) as previous_hour,
        lag(last_event_time) over (partition by traffic, recipient_account_id, aws_region order by event_hour) as previous_time,
        lead(event_hour) over (partition by traffic, recipient_account_id, aws_region order by event_hour) as next_hour,
        count(*) over (partition by traffic, recipient_account_id, aws_region) as hour_count
    from hours
),

spans as (
    select
        neighbours.traffic,
        neighbours.recipient_account_id,
        neighbours.aws_region,
        coalesce(neighbours.previous_hour + interval '1 hour', accounts.first_hour) as from_hour,
        neighbours.event_hour as until_hour,
        neighbours.previous_time as start_time,
        neighbours.first_event_time as end_time,
        neighbours.first_event_time as until_time,
        neighbours.hour_count
    from neighbours
    inner join accounts
        on accounts.recipient_account_id = neighbours.recipient_account_id
    -- A region may be taken into use at any time.
    where neighbours.previous_hour is not null
        or neighbours.traffic = 'kms_reads'

    union all

    select
        neighbours.traffic,
        neighbours.recipient_account_id,
        neighbours.aws_region,
        neighbours.event_hour + interval '1 hour' as from_hour,
        accounts.last_hour + interval '1 hour' as until_hour,
        neighbours.last_event_time as start_time,
        null as end_time,
        accounts.last_event_time as until_time,
        neighbours.hour_count
    from neighbours
    inner join accounts
        on accounts.recipient_account_id = neighbours.recipient_account_id
    where neighbours.next_hour is null
),

measured as (
    select
        *,
        (date_part('epoch', until_hour) - date_part('epoch', from_hour)) / 3600 as silent_hours,
        -- Hours since a Thursday 00:00, when nobody's week ends.
        cast((date_part('epoch', until_hour) + date_part('epoch', from_hour)) / 7200 as bigint) % 168 as week_hour
    from spans
    where until_hour > from_hour
),

compared as (
    select
        *,
        sum(silent_hours) over (partition by traffic, recipient_account_id, aws_region) as all_silent_hours,
        coalesce(
            sum(case when silent_hours < 24 then silent_hours end) over (partition by traffic, recipient_account_id, aws_region),
            0
        ) as short_silent_hours,
        sum(case when silent_hours between 6 and 23 then 1 else 0 end) over (
            partition by traffic, recipient_account_id, aws_region
        ) as night_count,
        count(*) over (
            partition by traffic, recipient_account_id, aws_region, silent_hours >= 24
            order by week_hour
            range between 6 preceding and 6 following
        ) as weekly_count,
        avg(silent_hours) over (
            partition by traffic, recipient_account_id, aws_region, silent_hours >= 24
            order by week_hour
            range between 6 preceding and 6 following
        ) as weekly_hours
    from measured
),

-- Half of the silences last no longer than the median: a few holes, however long, do not move it.
medians as (
    select
        traffic,
        recipient_account_id,
        aws_region,
        count(*) as silence_count,
        median(silent_hours) as median_hours
    from measured
    group by
        traffic,
        recipient_account_id,
        aws_region
)

select
    compared.traffic,
    compared.recipient_account_id,
    compared.aws_region,
    compared.from_hour,
    compared.until_hour,
    compared.start_time,
    compared.end_time,
    compared.until_time,
    compared.silent_hours,
    compared.hour_count,
    compared.hour_count + compared.all_silent_hours as reach_hours,
    compared.all_silent_hours - compared.silent_hours as other_silent_hours,
    case
        when compared.silent_hours < 24 then (compared.hour_count + compared.short_silent_hours) * power(
            (compared.short_silent_hours + 1.0) / (compared.hour_count + compared.short_silent_hours + 1),
            compared.silent_hours
        )
        else (compared.hour_count + compared.all_silent_hours - compared.silent_hours) * power(
            (compared.all_silent_hours - compared.silent_hours + 1.0)
            / (compared.hour_count + compared.all_silent_hours - compared.silent_hours + 1),
            compared.silent_hours
        )
    end as expected_count,
    compared.hour_count + compared.all_silent_hours >= 14 * 24
        and (
            (
                medians.silence_count >= 10
                and medians.silence_count * power(0.5, compared.silent_hours / medians.median_hours) > 0.05
                and not (
                    compared.hour_count + compared.short_silent_hours >= 14 * 24
                    and (compared.hour_count + compared.short_silent_hours) * power(
                        (compared.short_silent_hours + 1.0) / (compared.hour_count + compared.short_silent_hours + 1),
                        compared.silent_hours
                    ) < 0.000001
                )
            )
            or (
                compared.silent_hours >= 24
                and compared.silent_hours <= 1.25 * compared.weekly_hours
                and compared.weekly_count >= 4
                and compared.weekly_count * 168 >= 0.75 * (compared.hour_count + compared.all_silent_hours)
                and compared.night_count * 168 >= 2 * (compared.hour_count + compared.all_silent_hours)
            )
        ) as is_usual
from compared
inner join medians
    on medians.traffic = compared.traffic
    and medians.recipient_account_id = compared.recipient_account_id
    and medians.aws_region is not distinct from compared.aws_region
