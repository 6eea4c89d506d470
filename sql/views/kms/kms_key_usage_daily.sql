-- view:    kms_key_usage_daily
-- summary: Cryptographic calls per key, operation and UTC day
-- grain:   key_arn, event_date, operation
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   failed calls are counted in failed_count, never in use_event_count
-- notes:   a day without a call has no row; see log_file_coverage for the days that the logs cover
-- column:  event_date: UTC day of event_time
-- column:  operation: eventName of the calls
-- column:  use_event_count: calls that succeeded
-- column:  failed_count: calls that failed
select
    key_arn,
    cast(event_time as date) as event_date,
    event_name as operation,
    count(*) filter (where error_code is null and amends_event_id is null) as use_event_count,
    count(*) filter (where error_code is not null and amends_event_id is null) as failed_count
from kms_events
where key_arn is not null
    and key_role <> 'target'
    and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
group by
    key_arn,
    cast(event_time as date),
    event_name
