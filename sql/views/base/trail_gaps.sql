-- view:    trail_gaps
-- summary: Spans of at least 24 hours without a single event, per account and region, while the account's logs go on
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_coverage
-- notes:   a quiet account may truly have had no event; the logs alone cannot tell that from a trail that was off or files that are missing
-- notes:   time before the first event of an account and region is no gap, but not covered either
-- column:  gap_start_time: the last event before the gap, UTC
-- column:  gap_end_time: the first event after it, UTC; null = there is none, though other regions of the account go on
-- column:  gap_hours: whole hours between the two, or to the last event of the account
with silences as (
    select
        recipient_account_id,
        aws_region,
        lag(last_event_time) over (
            partition by recipient_account_id, aws_region
            order by event_hour
        ) as gap_start_time,
        first_event_time as gap_end_time
    from trail_coverage
    where record_count > 0
        and recipient_account_id is not null
        and aws_region is not null
        and event_hour is not null
),

ends as (
    select
        recipient_account_id,
        aws_region,
        max(last_event_time) as gap_start_time,
        max(max(last_event_time)) over (partition by recipient_account_id) as last_event_time
    from trail_coverage
    where record_count > 0
    group by
        recipient_account_id,
        aws_region
)

select
    recipient_account_id,
    aws_region,
    gap_start_time,
    gap_end_time,
    cast(floor(date_part('epoch', gap_end_time - gap_start_time) / 3600) as bigint) as gap_hours
from silences
where gap_end_time - gap_start_time >= interval '24 hours'

union all

select
    recipient_account_id,
    aws_region,
    gap_start_time,
    null as gap_end_time,
    cast(floor(date_part('epoch', last_event_time - gap_start_time) / 3600) as bigint) as gap_hours
from ends
where recipient_account_id is not null
    and aws_region is not null
    and last_event_time - gap_start_time >= interval '24 hours'
