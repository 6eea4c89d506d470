-- report:  coverage
-- summary: Accounts, regions and UTC days that the lake covers
-- reads:   log_file_coverage
select
    recipient_account_id,
    aws_region,
    event_date,
    file_count,
    record_count,
    kms_read_count,
    kms_write_count,
    first_event_time,
    last_event_time
from log_file_coverage
order by
    recipient_account_id,
    aws_region,
    event_date
