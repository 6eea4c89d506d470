-- report:  coverage_places
-- summary: Accounts and regions that the lake covers: first and last UTC day, days with events, days between without one, events of all services
-- reads:   log_file_coverage
select
    recipient_account_id as account_id,
    aws_region,
    min(event_date) as first_date,
    max(event_date) as last_date,
    count(event_date) as days,
    cast((date_part('epoch', max(event_date)) - date_part('epoch', min(event_date))) / 86400 as bigint)
        + 1 - count(event_date) as holes,
    sum(record_count) as events
from log_file_coverage
group by
    recipient_account_id,
    aws_region
order by
    recipient_account_id,
    aws_region
