-- view:    trail_coverage
-- summary: What the read log files cover, per account, region and hour, by kinds of traffic
-- grain:   recipient_account_id, aws_region, event_hour
-- reads:   events, log_files
-- kept:    up to 500,000 rows, until the data changes: other views read it many times
-- notes:   an hour without a row is an hour without a single event and without a delivery: nothing can be concluded about it
-- notes:   reads and writes of management are told apart by readOnly; KMS reads and writes by the operation, as readOnly varies there
-- notes:   a summary of an event that is held in full is not counted
-- notes:   log files are counted in the hour of their delivery, some minutes after the events in them; where any log file's name tells no delivery, no event is taken for late
-- column:  recipient_account_id: account the events were delivered to, or that the file's path names; null = neither tells
-- column:  event_hour: start of the hour of event_time, UTC; null for records without a readable time
-- column:  file_count: log files delivered in that hour for the account and region, by their paths; null = no path names such a file
-- column:  record_count: distinct event records of all services and categories
-- column:  management_count: management events of all services: what a trail holds that would hold a KMS call, too; 0 for what was delivered late, of hours more than two before the first log file of the place was delivered, or after the last: such an event is no sign that its hour is covered; nor is one in another region's log file, of a region without any, as CloudTrail put those of global services (IAM, STS) under us-east-1 into the files of a trail of one region, nor, where file names tell nothing, one of a place that has none but those
-- column:  kms_read_count: KMS events except management and those made by KMS itself; every cryptographic call is among them
-- column:  kms_marked_write_count: those of kms_read_count that say readOnly = false, which a trail of writes lets pass
-- column:  kms_caller_count: different callers of kms_read_count: roles by their name, else principals by their id, else AWS services
-- column:  kms_write_count: KMS key management and events made by KMS itself
-- column:  kms_management_count: those of kms_write_count that a caller made
-- column:  other_read_count: management events of other services that only read
-- column:  other_write_count: management events of other services that change something, or do not tell
-- column:  secret_read_count: reads of secrets (GetSecretValue) that succeeded: Secrets Manager calls KMS for each of them
-- column:  partial_detail_count: management events in a form that cannot carry an encryption context (CSV, flattened rows)
-- column:  rejected_count: records, or whole files, that could not be taken, by their files' delivery; any may have been a KMS call. Not those of a file that was replaced and read again: they are in rejects only
-- column:  organization_id: organization whose trail delivered log files in that hour, by their paths; null = none is named
-- column:  first_event_time: earliest of them in that hour, UTC; null = none
-- column:  last_event_time: latest of them in that hour, UTC; null = none
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

-- What each source tells of an hour; the columns that it has nothing for are null.
parts as (
    select
        recipient_account_id,
        aws_region,
        date_trunc('hour', event_time) as event_hour,
        count(*) as record_count,
        count(*) filter (
            where event_group = 'kms'
                or (coalesce(management_event, true) and coalesce(event_category, 'Management') = 'Management')
        ) as management_count,
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
        count(*) filter (where event_group = 'kms' and operation_class = 'management') as kms_management_count,
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
        count(*) filter (
            where event_group = 'other' and event_name = 'GetSecretValue' and error_code is null
        ) as secret_read_count,
        count(*) filter (
            where detail_level in ('flattened', 'summary')
                and coalesce(management_event, true)
                and coalesce(event_category, 'Management') = 'Management'
        ) as partial_detail_count,
        -- Events of global services are under these regions wherever they were made.
        count(*) filter (
            where not aws_region in ('us-east-1', 'us-gov-west-1', 'cn-north-1')
                or not event_source in (
                    'iam.amazonaws.com',
                    'sts.amazonaws.com',
                    'cloudfront.amazonaws.com',
                    'organizations.amazonaws.com',
                    'route53.amazonaws.com',
                    'signin.amazonaws.com'
                )
        ) as regional_count,
        min(event_time) filter (
            where event_group = 'kms'
                or (coalesce(management_event, true) and coalesce(event_category, 'Management') = 'Management')
        ) as first_event_time,
        max(event_time) filter (
            where event_group = 'kms'
                or (coalesce(management_event, true) and coalesce(event_category, 'Management') = 'Management')
        ) as last_event_time
    from events
    where amends_event_id is null
        or detail_level in ('full', 'reencoded')
    group by
        recipient_account_id,
        aws_region,
        date_trunc('hour', event_time)

    union all by name

    -- By itself: beside the rest the engine counts them in three times the time of all of it.
    select
        recipient_account_id,
        aws_region,
        event_hour,
        count(caller) as kms_caller_count
    from (
        select distinct
            recipient_account_id,
            aws_region,
            date_trunc('hour', event_time) as event_hour,
            coalesce(session_issuer_user_name, principal_id, invoked_by) as caller
        from events
        where event_group = 'kms'
            and coalesce(operation_class, 'unknown') not in ('management', 'service')
            and (amends_event_id is null or detail_level in ('full', 'reencoded'))
    ) as callers
    group by
        recipient_account_id,
        aws_region,
        event_hour

    union all by name

    select
        account_id as recipient_account_id,
        aws_region,
        date_trunc('hour', delivery_time) as event_hour,
        count(distinct log_files.log_file_path) filter (where log_file_kind in ('events', 'empty')) as file_count,
        sum(case when replaced.log_file_path is null then rejected_count else 0 end) as rejected_count,
        max(organization_id) as organization_id
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
),

grouped as (
    select
        recipient_account_id,
        aws_region,
        event_hour,
        sum(file_count) as file_count,
        coalesce(sum(record_count), 0) as record_count,
        coalesce(sum(management_count), 0) as management_count,
        coalesce(sum(kms_read_count), 0) as kms_read_count,
        coalesce(sum(kms_marked_write_count), 0) as kms_marked_write_count,
        coalesce(sum(kms_caller_count), 0) as kms_caller_count,
        coalesce(sum(kms_write_count), 0) as kms_write_count,
        coalesce(sum(kms_management_count), 0) as kms_management_count,
        coalesce(sum(other_read_count), 0) as other_read_count,
        coalesce(sum(other_write_count), 0) as other_write_count,
        coalesce(sum(secret_read_count), 0) as secret_read_count,
        coalesce(sum(partial_detail_count), 0) as partial_detail_count,
        coalesce(sum(regional_count), 0) as regional_count,
        coalesce(sum(rejected_count), 0) as rejected_count,
        max(organization_id) as organization_id,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from parts
    group by
        recipient_account_id,
        aws_region,
        event_hour
),

-- The hours in which log files were delivered, where all that hold events tell when they were.
delivered as (
    select
        *,
        min(case when file_count > 0 then event_hour end) over (partition by recipient_account_id, aws_region) as first_hour,
        max(case when file_count > 0 then event_hour end) over (partition by recipient_account_id, aws_region) as last_hour,
        max(case when file_count > 0 then event_hour end) over (partition by recipient_account_id) as last_hour_of_account,
        sum(regional_count) over (partition by recipient_account_id, aws_region) as regional_count_of_place
    from grouped
),

undated as (
    select count(*) as log_file_count
    from log_files
    where delivery_time is null
        and coalesce(log_file_kind, 'events') = 'events'
        and coalesce(record_count, 1) > 0
),

judged as (
    select
        delivered.*,
        case
            when undated.log_file_count > 0 then regional_count_of_place > 0
            when first_hour is not null then coalesce(event_hour between first_hour - interval '2 hours' and last_hour, true)
            else last_hour_of_account is null or recipient_account_id is null or aws_region is null
        end as is_covered
    from delivered
    cross join undated
)

select
    recipient_account_id,
    aws_region,
    event_hour,
    file_count,
    record_count,
    case when is_covered then management_count else 0 end as management_count,
    kms_read_count,
    kms_marked_write_count,
    kms_caller_count,
    kms_write_count,
    kms_management_count,
    other_read_count,
    other_write_count,
    secret_read_count,
    partial_detail_count,
    rejected_count,
    organization_id,
    case when is_covered then first_event_time end as first_event_time,
    case when is_covered then last_event_time end as last_event_time
from judged
