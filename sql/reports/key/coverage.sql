-- report:  key/coverage
-- summary: What the log files cover in a key's account and region
-- reads:   trail_coverage
-- notes:   $account_id, $region: of the key
select
    min(first_event_time) as first_event_time,
    max(last_event_time) as last_event_time,
    min(cast(event_hour as date)) as first_event_date,
    max(cast(event_hour as date)) as last_event_date,
    count(distinct cast(event_hour as date)) as covered_day_count,
    sum(record_count) as record_count,
    sum(kms_read_count) as kms_read_count,
    sum(kms_write_count) as kms_write_count
from trail_coverage
where recipient_account_id = $account_id
    and aws_region = $region
    and management_count > 0
