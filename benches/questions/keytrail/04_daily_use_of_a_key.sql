select
    event_date,
    sum(use_event_count) as use_event_count
from kms_key_usage_daily
where key_arn = $key
group by event_date
order by event_date
