-- report:  key/coverage
-- summary: What the log files cover in a key's account and region
-- reads:   log_file_coverage
-- notes:   $account_id, $region: of the key
select
    min(first_event_time) as first_event_time,
    max(last_event_time) as last_event_time,
    min(event_date) as first_event_date,
    max(event_date) as last_event_date,
    count(event_date) as covered_day_count,
    sum(record_count) as record_count,
    sum(kms_read_count) as kms_read_count,
    sum(kms_write_count) as kms_write_count
from log_file_coverage
where recipient_account_id = $account_id
    and aws_region = $region
