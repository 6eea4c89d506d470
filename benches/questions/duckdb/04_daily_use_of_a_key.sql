select
    cast(eventTime as date) as event_date,
    count(*) filter (where errorCode is null) as use_event_count
from kms_calls
where key_arn = $key
group by event_date
order by event_date
