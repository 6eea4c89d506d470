-- view:    kms_blind_spots
-- summary: Where and when the logs cannot show a use of a KMS key, by their own evidence
-- grain:   account_id, aws_region, kind, from_time
-- reads:   trail_coverage, trail_gaps, trail_changes, kms_keys
-- kept:    for the session, up to 500,000 rows: every verdict reads it
-- notes:   no KMS call in a span is a blind spot only where other traffic goes on, for 7 days or as long as the logs reach
-- notes:   a change of a trail makes one only where the KMS reads stop with it: else another trail's files are there
-- column:  account_id: account whose KMS calls may be missing; null = files whose place is not known
-- column:  kind: no_logs (keys live there, no event does), gap (no event for a day or more), write_only (nothing that reads is logged), kms_writes_only (KMS writes, other reads, but no KMS reads), no_kms_calls (other reads go on without any KMS call), logging_stopped, kms_excluded (by event selectors), partial_detail (formats that cannot carry an encryption context), rejected (input that could not be taken)
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

numbered as (
    select
        *,
        sum(case when kms_read_count > 0 then 1 else 0 end) over (
            partition by account_id, aws_region
            order by event_date
        ) as span
    from days
),

silent_spans as (
    select
        account_id,
        aws_region,
        min(first_event_time) as from_time,
        max(last_event_time) as to_time,
        count(*) as day_count,
        sum(kms_write_count) as kms_write_count,
        sum(other_read_count) as other_read_count
    from numbered
    where kms_read_count = 0
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
        kms_effect,
        lead(event_time) over (
            partition by
                recipient_account_id,
                trail_name,
                event_name = 'PutEventSelectors'
            order by event_time, event_id
        ) as until_time
    from trail_changes
    where kms_effect is not null
        and kms_effect <> 'unknown'
),

-- What was logged from the hour after a change to the hour of the next.
lost_spans as (
    select
        changes.account_id,
        places.aws_region,
        changes.event_id,
        changes.trail_name,
        changes.kms_effect,
        changes.event_time as from_time,
        changes.until_time as to_time,
        coalesce(sum(trail_coverage.record_count), 0) as record_count,
        coalesce(sum(trail_coverage.kms_read_count), 0) as kms_read_count
    from changes
    inner join places
        on places.account_id = changes.account_id
    left join trail_coverage
        on trail_coverage.recipient_account_id = places.account_id
        and trail_coverage.aws_region = places.aws_region
        and trail_coverage.event_hour > changes.event_time
        and trail_coverage.event_hour < coalesce(changes.until_time, places.last_event_time) - interval '1 hour'
    where changes.kms_effect in ('stopped', 'excluded', 'reads_excluded')
    group by
        changes.account_id,
        places.aws_region,
        changes.event_id,
        changes.trail_name,
        changes.kms_effect,
        changes.event_time,
        changes.until_time
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
        concat(silent_spans.day_count, ' days with ', other_read_count, ' other reads, ', kms_write_count, ' KMS writes and no KMS read')
            as detail
    from silent_spans
    inner join places
        on places.account_id = silent_spans.account_id
        and places.aws_region = silent_spans.aws_region
    where silent_spans.day_count >= 7
        or silent_spans.day_count = places.day_count

    union all

    select
        account_id,
        aws_region,
        case when kms_effect = 'stopped' then 'logging_stopped' else 'kms_excluded' end as kind,
        from_time,
        to_time,
        event_id,
        concat('trail ', coalesce(trail_name, 'without a name'), ': ', record_count, ' events since, no KMS read') as detail
    from lost_spans
    where kms_read_count = 0
        and (kms_effect <> 'stopped' or record_count = 0)

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
