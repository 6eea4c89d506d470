-- view:    trail_gaps
-- summary: Spans without a single management event, per account and region, while the account's logs go on: of a day or more, or longer than its traffic is ever silent, and not by its own rhythm
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_silences, trail_digests, log_files
-- notes:   trail_silences says which spans are looked at
-- notes:   integrity digests can: a span is no gap where a trail's digests of all its hours are in the lake, and all log files that they name, where that trail delivered all that the lake has of the days around it, and where the silence is not beyond all rhythm: as long a one, were the silent hours spread evenly, is to be expected in more than one of a million windows (20 days in a region with one event a day, six hours where 98 of 100 hours have some)
-- column:  gap_start_time: the last event before the gap, UTC
-- column:  gap_end_time: the first event after it, UTC; null = there is none, though other regions of the account go on
-- column:  gap_hours: whole hours between the two, or to the last event of the account
with whole_digests as (
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
        gaps.silent_until_time,
        told_spans.digest_chain
    from trail_silences as gaps
    inner join told_spans
        on told_spans.recipient_account_id = gaps.recipient_account_id
        and told_spans.aws_region = gaps.aws_region
        and told_spans.from_time <= gaps.gap_start_time
        -- The digest of the hour after the last event may not be there yet, and what is left is no gap.
        and told_spans.to_time >= coalesce(gaps.gap_end_time, gaps.silent_until_time - interval '24 hours')
    -- Where there was always something, nothing is no rhythm: selectors take events away, and the trail goes on.
    where not gaps.is_beyond_chance
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
        and told_gaps.silent_until_time + interval '26 hours'
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
            silent_until_time
        from told_gaps
    ) as told
    inner join log_files
        on log_files.account_id = told.recipient_account_id
        and log_files.aws_region = told.aws_region
        and log_files.delivery_time between told.gap_start_time - interval '24 hours'
        and told.silent_until_time + interval '24 hours'
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
    cast(floor(date_part('epoch', gaps.silent_until_time - gaps.gap_start_time) / 3600) as bigint) as gap_hours
from trail_silences as gaps
left join neighbours
    on neighbours.recipient_account_id = gaps.recipient_account_id
    and neighbours.aws_region = gaps.aws_region
    and neighbours.gap_start_time = gaps.gap_start_time
where not coalesce(neighbours.are_named, false)
