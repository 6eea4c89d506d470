-- view:    trail_digests
-- summary: Integrity digests: what was delivered in each hour, and how much of it the lake holds
-- grain:   digest_file_path
-- reads:   log_files
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- notes:   an hour whose digest names no log file is one in which that trail delivered nothing; an hour without a digest tells nothing
-- notes:   digests are taken at their word; `keytrail verify` checks their signatures, and the log files against their hashes
-- notes:   log files are known by their names, whatever folder or bucket they were read from, unpacked or not; those inside of archives, and those that somebody renamed, are not known
-- notes:   trail_digest_log_files has a row for each log file that a digest names
-- column:  recipient_account_id: account that the digest is of, by its path; null = the path does not tell
-- column:  aws_region: region that the digest is of, by its path; null = the path does not tell
-- column:  digest_chain: account, region, trail and its home region, as the digest's name has them: the digests of a trail there follow each other
-- column:  digest_file_path: where the digest was read
-- column:  digest_start_time: start of its hour, UTC
-- column:  digest_end_time: end of its hour, UTC
-- column:  is_backfill: whether it names log files that the digests of their hours left out: a chain of its own
-- column:  log_file_count: log files that it names
-- column:  held_log_file_count: those of them of which the lake has read records
-- column:  missing_log_file_count: those that the lake lacks, while it holds others of that chain, and log files of that account and region that were delivered before and after them, or in the same minute: it is no matter of where the conversion began and ended; and nothing of that hour came under names that are not AWS's
-- column:  missing_log_files: these, as s3://bucket/key, a line break between two; null = none
-- column:  is_whole: whether it tells all that was delivered in its hour: it is of one hour, no backfill, and does not name events without a log file, and the lake holds every log file that it names
-- column:  previous_digest: the digest before it, s3://bucket/key; null = it starts a chain
-- column:  is_previous_missing: whether the lake lacks that one, though it has earlier ones of the chain
-- column:  previous_end_time: end of the digest before it that the lake has, UTC; null = none
with digests as (
    select
        account_id as recipient_account_id,
        aws_region,
        regexp_replace(
            split_part(log_file_path, '/', -1),
            '_CloudTrail-Digest_(.*)_[0-9]{8}T[0-9]{6}Z.*$',
            '_\1'
        ) as digest_chain,
        log_file_path as digest_file_path,
        split_part(log_file_path, '/', -1) as digest_name,
        max(digest_start_time) as digest_start_time,
        max(digest_end_time) as digest_end_time,
        min(first_event_time) as first_event_time,
        max(log_file_version) as log_file_version,
        max(previous_digest) as previous_digest,
        row_number() over (order by log_file_path) as digest_number
    from log_files
    where digest_log_files is not null
    group by
        account_id,
        aws_region,
        log_file_path
),

files as (
    select
        *,
        -- <account>_CloudTrail_<region>_<time>_<text>.json.gz
        split_part(log_file_path, '_', -2) as delivered,
        concat(
            split_part(log_file_path, '_', -3),
            split_part(log_file_path, '_', -2),
            split_part(split_part(log_file_path, '_', -1), '.', 1)
        ) as log_file_id
    from log_files
    where coalesce(log_file_kind, 'events') = 'events'
        -- Of unconverted logs the counts are not known.
        and coalesce(record_count, 1) > 0
),

windows as (
    select
        account_id,
        aws_region,
        min(delivered) as first_delivered,
        max(delivered) as last_delivered
    from files
    where delivery_time is not null
    group by
        account_id,
        aws_region
),

named as (
    select
        digests.digest_number,
        unnest(string_to_array(log_files.digest_log_files, chr(10))) as log_file_path
    from digests
    inner join log_files
        on log_files.log_file_path = digests.digest_file_path
        and log_files.log_file_version = digests.log_file_version
    where log_files.digest_log_files <> ''
),

-- Names may be many: what is joined has nothing else.
known as (
    select
        named.digest_number,
        named.log_file_path,
        held.log_file_id is not null as is_held
    -- The smaller side stands first: it is held in memory.
    from (select distinct log_file_id from files) as held
    right join named
        on held.log_file_id = concat(
            split_part(named.log_file_path, '_', -3),
            split_part(named.log_file_path, '_', -2),
            split_part(split_part(named.log_file_path, '_', -1), '.', 1)
        )
),

bounds as (
    select
        digests.digest_number,
        windows.first_delivered,
        windows.last_delivered
    from digests
    left join windows
        on windows.account_id = digests.recipient_account_id
        and windows.aws_region = digests.aws_region
),

counted as (
    select
        bounds.digest_number,
        count(*) as log_file_count,
        count(*) filter (where known.is_held) as held_log_file_count,
        array_sort(array_agg(known.log_file_path) filter (
            where not known.is_held
                and split_part(known.log_file_path, '_', -2) between bounds.first_delivered and bounds.last_delivered
        )) as other_log_files
    from bounds
    inner join known
        on known.digest_number = bounds.digest_number
    group by bounds.digest_number
),

linked as (
    select
        digests.*,
        digests.digest_file_path like '%\_backfill.json%' as is_backfill,
        coalesce(counted.log_file_count, 0) as log_file_count,
        coalesce(counted.held_log_file_count, 0) as held_log_file_count,
        case
            when bool_or(counted.held_log_file_count > 0) over (partition by digests.digest_chain)
                then counted.other_log_files
        end as lacking_log_files,
        previous.digest_name as previous_name
    from digests
    left join counted
        on counted.digest_number = digests.digest_number
    left join (select distinct digest_name from digests) as previous
        on previous.digest_name = split_part(digests.previous_digest, '/', -1)
),

-- Archives, and what somebody renamed: any log file may be in them.
renamed as (
    select distinct linked.digest_file_path
    from linked
    inner join files
        on coalesce(files.account_id = linked.recipient_account_id, true)
        and coalesce(files.aws_region = linked.aws_region, true)
        and coalesce(files.first_event_time <= linked.digest_end_time, true)
        and coalesce(files.last_event_time >= linked.digest_start_time - interval '1 hour', true)
    where linked.lacking_log_files is not null
        and not regexp_like(
            split_part(files.log_file_path, '/', -1),
            '^[0-9]{12}_CloudTrail_[a-z0-9-]+_[0-9]{8}T[0-9]{4}Z_[^_. ]+\.json(\.gz)?$'
        )
),

followed as (
    select
        linked.*,
        case when renamed.digest_file_path is null then linked.lacking_log_files end as missing_log_files,
        max(linked.digest_end_time) over (
            partition by linked.digest_chain, linked.is_backfill
            order by linked.digest_start_time, linked.digest_end_time, linked.digest_file_path
            rows between unbounded preceding and 1 preceding
        ) as previous_end_time
    from linked
    left join renamed
        on renamed.digest_file_path = linked.digest_file_path
)

select
    recipient_account_id,
    aws_region,
    digest_chain,
    digest_file_path,
    digest_start_time,
    digest_end_time,
    is_backfill,
    log_file_count,
    held_log_file_count,
    coalesce(array_length(missing_log_files), 0) as missing_log_file_count,
    array_to_string(missing_log_files, chr(10)) as missing_log_files,
    not is_backfill
        and held_log_file_count = log_file_count
        and digest_end_time - digest_start_time <= interval '2 hours'
        and (log_file_count > 0 or first_event_time is null) as is_whole,
    previous_digest,
    previous_digest is not null
        and previous_name is null
        and previous_end_time is not null as is_previous_missing,
    previous_end_time
from followed
