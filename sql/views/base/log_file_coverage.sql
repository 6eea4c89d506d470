-- view:    log_file_coverage
-- summary: What the read log files cover, per account, region and UTC day
-- grain:   recipient_account_id, aws_region, event_date
-- reads:   events, log_files
-- notes:   a day without a row is a day without a single event: absence of use cannot be concluded from it
-- notes:   KMS writes without any KMS reads are the mark of a write-only trail, which holds no use of a key at all
-- notes:   a summary of an event that is held in full is not counted
-- column:  recipient_account_id: account the events were delivered to
-- column:  event_date: UTC day of event_time; null for records without a readable one
-- column:  file_count: log files delivered on that day for the account and region, by their paths; null = no path names such a file
-- column:  record_count: distinct event records of all services
-- column:  kms_read_count: KMS events except management and those made by KMS itself; every cryptographic call is among them
-- column:  kms_write_count: KMS key management and events made by KMS itself
-- column:  first_event_time: earliest event of that day, UTC
-- column:  last_event_time: latest event of that day, UTC
with days as (
    select
        recipient_account_id,
        aws_region,
        cast(event_time as date) as event_date,
        count(*) as record_count,
        count(*) filter (
            where event_group = 'kms' and coalesce(operation_class, 'unknown') not in ('management', 'service')
        ) as kms_read_count,
        count(*) filter (
            where event_group = 'kms' and operation_class in ('management', 'service')
        ) as kms_write_count,
        min(event_time) as first_event_time,
        max(event_time) as last_event_time
    from events
    where amends_event_id is null
        or detail_level in ('full', 'reencoded')
    group by
        recipient_account_id,
        aws_region,
        cast(event_time as date)
),

deliveries as (
    select
        account_id,
        aws_region,
        cast(delivery_time as date) as delivery_date,
        count(distinct log_file_path) as file_count
    from log_files
    where log_file_kind in ('events', 'empty')
    group by
        account_id,
        aws_region,
        cast(delivery_time as date)
)

select
    days.recipient_account_id,
    days.aws_region,
    days.event_date,
    deliveries.file_count,
    days.record_count,
    days.kms_read_count,
    days.kms_write_count,
    days.first_event_time,
    days.last_event_time
from days
left join deliveries
    on deliveries.account_id = days.recipient_account_id
    and deliveries.aws_region = days.aws_region
    and deliveries.delivery_date = days.event_date
