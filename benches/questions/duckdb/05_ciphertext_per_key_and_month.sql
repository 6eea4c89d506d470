select
    key_arn,
    event_month,
    count(*) as event_count
from kms_events
where key_arn is not null
    and errorCode is null
    and (eventName like 'GenerateDataKey%' or eventName in ('Encrypt', 'Encapsulate') or key_role = 'destination')
group by
    key_arn,
    event_month
order by
    key_arn,
    event_month
