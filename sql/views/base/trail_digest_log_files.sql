-- view:    trail_digest_log_files
-- summary: The log files that integrity digests name, and which of them are missing
-- grain:   digest_file_path, log_file_path
-- reads:   trail_digests, log_files
-- notes:   digests are taken at their word; `keytrail verify` checks their signatures, and the log files against their hashes
-- column:  recipient_account_id: account that the digest is of, by its path; null = the path does not tell
-- column:  aws_region: region that the digest is of, by its path; null = the path does not tell
-- column:  digest_chain: account, region, trail and its home region, as the digest's name has them: the digests of a trail there follow each other
-- column:  digest_file_path: where the digest was read
-- column:  digest_start_time: start of its hour, UTC
-- column:  digest_end_time: end of its hour, UTC
-- column:  log_file_path: the log file as the digest names it, s3://bucket/key
-- column:  is_missing: whether the lake should hold it and does not: see missing_log_file_count of trail_digests
with named as (
    select
        trail_digests.*,
        unnest(string_to_array(log_files.digest_log_files, chr(10))) as log_file_path
    from trail_digests
    inner join log_files
        on log_files.log_file_path = trail_digests.digest_file_path
    where log_files.digest_log_files <> ''
),

missing as (
    select distinct unnest(string_to_array(missing_log_files, chr(10))) as log_file_path
    from trail_digests
    where missing_log_file_count > 0
)

select distinct
    named.recipient_account_id,
    named.aws_region,
    named.digest_chain,
    named.digest_file_path,
    named.digest_start_time,
    named.digest_end_time,
    named.log_file_path,
    missing.log_file_path is not null as is_missing
from named
left join missing
    on missing.log_file_path = named.log_file_path
