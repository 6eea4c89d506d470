-- view:    trail_coverage
-- summary: What the read log files cover, per account, region and hour, by kinds of traffic
-- grain:   recipient_account_id, aws_region, event_hour
-- reads:   events, log_files
-- kept:    up to 500,000 rows, until the data changes: other views read it many times
-- notes:   an hour without a row is an hour without a single event and without a delivery: nothing can be concluded about it
-- notes:   reads and writes of management are told apart by readOnly; KMS reads and writes by the operation, as readOnly varies there
-- notes:   a summary of an event that is held in full is not counted
-- notes:   log files are counted in the hour of their delivery, some minutes after the events in them
-- column:  recipient_account_id: account the events were delivered to, or that the file's path names; null = neither tells
-- column:  event_hour: start of the hour of event_time, UTC; null for records without a readable time
-- column:  file_count: log files delivered in that hour for the account and region, by their paths; null = no path names such a file
-- column:  record_count: distinct event records of all services and categories
-- column:  kms_read_count: KMS events except management and those made by KMS itself; every cryptographic call is among them
-- column:  kms_marked_write_count: those of kms_read_count that say readOnly = false, which a trail of writes lets pass
-- column:  kms_write_count: KMS key management and events made by KMS itself
-- column:  other_read_count: management events of other services that only read
-- column:  other_write_count: management events of other services that change something, or do not tell
-- column:  partial_detail_count: records in a form that cannot carry an encryption context (CSV, flattened rows)
-- column:  rejected_count: records, or whole files, that could not be taken, by their files' delivery; any may have been a KMS call. Not those of a file that was replaced and read again: they are in rejects only
-- column:  first_event_time: earliest event of that hour, UTC
-- column:  last_event_time: latest event of that hour, UTC
with replaced as (
    select
        damaged.log_file_path,
        damaged.log_file_version
    from log_files as damaged
    inner join log_files
        on log_files.log_file_path = damaged.log_file_path
        and log_files.log_file_version <> damaged.log_file_version
        and log_files.converted_time > damaged.converted_time
    where damaged.rejected_count > 0
    group by
        damaged.log_file_path,
        damaged.log_file_version
),

parts as (
    select
        recipient_account_id,
        aws_region,
        date_trunc('hour', event_time) as event_hour,
        cast(null as bigint) as file_count,
        count(*) as record_count,
        count(*) filter (
            where event_group = 'kms' and coalesce(operation_class, 'unknown') not in ('management', 'service')
        ) as kms_read_count,
        count(*) filter (
            where event_group = 'kms'
                and coalesce(operation_class, 'unknown') not in ('management', 'service')
                and read_only is false
        ) as kms_marked_write_count,
        count(*) filter (
            where event_group = 'kms' and operation_class in ('management', 'service')
        ) as kms_write_count,
        count(*) filter (
            where event_group = 'other'
                and coalesce(management_event, true)
                and coalesce(event_category, 'Management') = 'Management'
                and read_only
        ) as other_read_count,
        count(*) filter (
            where event_group = 'other'
                and coalesce(management_event, true)
                and coalesce(event_category, 'Management') = 'Management'
                and not coalesce(read_only, false)
        ) as other_write_count,
        count(*) filter (where detail_level in ('flattened', 'summary')) as partial_detail_count,
        0 as rejected_count,
        min(event_time) as first_event_time,
        max(event_time) as last_event_time
    from events
    where amends_event_id is null
        or detail_level in ('full', 'reencoded')
    group by
        recipient_account_id,
        aws_region,
        date_trunc('hour', event_time)

    union all

    select
        account_id as recipient_account_id,
        aws_region,
        date_trunc('hour', delivery_time) as event_hour,
        count(distinct log_files.log_file_path) filter (where log_file_kind in ('events', 'empty')) as file_count,
        0 as record_count,
        0 as kms_read_count,
        0 as kms_marked_write_count,
        0 as kms_write_count,
        0 as other_read_count,
        0 as other_write_count,
        0 as partial_detail_count,
        sum(case when replaced.log_file_path is null then rejected_count else 0 end) as rejected_count,
        arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as first_event_time,
        arrow_cast(null, 'Timestamp(Microsecond, Some("UTC"))') as last_event_time
    from log_files
    left join replaced
        on replaced.log_file_path = log_files.log_file_path
        and replaced.log_file_version = log_files.log_file_version
    where (log_file_kind in ('events', 'empty') and account_id is not null)
        or rejected_count > 0
    group by
        account_id,
        aws_region,
        date_trunc('hour', delivery_time)
)

select
    recipient_account_id,
    aws_region,
    event_hour,
    sum(file_count) as file_count,
    sum(record_count) as record_count,
    sum(kms_read_count) as kms_read_count,
    sum(kms_marked_write_count) as kms_marked_write_count,
    sum(kms_write_count) as kms_write_count,
    sum(other_read_count) as other_read_count,
    sum(other_write_count) as other_write_count,
    sum(partial_detail_count) as partial_detail_count,
    sum(rejected_count) as rejected_count,
    min(first_event_time) as first_event_time,
    max(last_event_time) as last_event_time
from parts
group by
    recipient_account_id,
    aws_region,
    event_hour
