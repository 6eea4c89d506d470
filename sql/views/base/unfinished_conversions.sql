-- view:    unfinished_conversions
-- summary: Conversions that left log files of their sources unread, and that none has made good since
-- grain:   source, since_time, until_time, shard
-- reads:   runs
-- notes:   what those files hold is unknown, for any account and region: kms_blind_spots has a row for each
-- notes:   made good by a conversion of the same source, or of a folder above it, that read everything: in one run, or in all its shards
-- notes:   a conversion of several sources counts for each of them
-- notes:   a run that goes on, or that was killed, has begun and not ended
-- column:  source: what was to be converted
-- column:  since_time: log files delivered before were not asked for, UTC; null = from the first
-- column:  until_time: log files delivered from then on were not asked for, UTC; null = to the last
-- column:  shard: the part of the listing; null = all of it
-- column:  reason: unread (log files could not be read), begun (it goes on, or was killed), stopped (before its end), failed, missing_shard (no run of this part, though of others)
-- column:  unread_log_file_count: log files that could not be read; null = not known
-- column:  last_run_id: its latest run; null = there is none
-- column:  last_run_time: start of that run, of a missing shard the start of the latest run of another part, UTC
with asked as (
    select
        unnest(string_to_array(sources, chr(10))) as place,
        since_time,
        until_time,
        shard,
        run_id,
        started_time,
        status,
        unread_log_file_count
    from runs
    -- What --retry-rejected cannot read stays in rejects.
    where sources <> ''
),

-- Earlier versions wrote a slash at the end where there was one.
named as (
    select
        *,
        coalesce(nullif(rtrim(place, '/'), ''), place) as source
    from asked
),

ranked as (
    select
        source,
        since_time,
        until_time,
        shard,
        split_part(coalesce(shard, '1/1'), '/', 2) as shard_count,
        run_id,
        started_time,
        status,
        coalesce(unread_log_file_count, 0) as unread_log_file_count,
        row_number() over (
            partition by source, since_time, until_time, shard
            order by started_time desc, run_id desc
        ) as recency
    from named
),

latest as (
    select
        *,
        status = 'complete' and unread_log_file_count = 0 as is_whole
    from ranked
    where recency = 1
),

-- A run of everything, or runs of all shards.
wholes as (
    select
        source,
        since_time,
        until_time,
        min(started_time) as started_time
    from latest
    where is_whole
    group by
        source,
        since_time,
        until_time,
        shard is null,
        shard_count
    having count(*) = cast(shard_count as bigint)
),

parts as (
    select
        source,
        since_time,
        until_time,
        shard_count,
        max(started_time) as started_time,
        unnest(range(1, cast(shard_count as bigint) + 1)) as shard_number
    from latest
    where shard is not null
    group by
        source,
        since_time,
        until_time,
        shard_count
),

unfinished as (
    select
        source,
        since_time,
        until_time,
        shard,
        case when status = 'complete' then 'unread' else status end as reason,
        unread_log_file_count,
        run_id as last_run_id,
        started_time as last_run_time
    from latest
    where not is_whole

    union all

    select
        parts.source,
        parts.since_time,
        parts.until_time,
        concat(parts.shard_number, '/', parts.shard_count) as shard,
        'missing_shard' as reason,
        null as unread_log_file_count,
        null as last_run_id,
        parts.started_time as last_run_time
    from parts
    left join latest
        on latest.source = parts.source
        and latest.since_time is not distinct from parts.since_time
        and latest.until_time is not distinct from parts.until_time
        and latest.shard = concat(parts.shard_number, '/', parts.shard_count)
    where latest.run_id is null
)

select unfinished.*
from unfinished
left join wholes
    on (wholes.source = unfinished.source or starts_with(unfinished.source, concat(rtrim(wholes.source, '/'), '/')))
    and (wholes.since_time is null or wholes.since_time <= unfinished.since_time)
    and (wholes.until_time is null or wholes.until_time >= unfinished.until_time)
    and wholes.started_time > unfinished.last_run_time
where wholes.source is null
