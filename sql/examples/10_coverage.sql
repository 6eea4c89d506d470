-- question: Which accounts and regions do the logs cover, and how densely?
-- reads: log_file_coverage
select
    recipient_account_id,
    aws_region,
    count(*) as day_count,
    min(event_date) as first_date,
    max(event_date) as last_date,
    sum(record_count) as record_count
from log_file_coverage
group by
    recipient_account_id,
    aws_region
order by
    recipient_account_id,
    aws_region;
