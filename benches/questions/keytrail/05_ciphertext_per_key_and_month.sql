select
    key_arn,
    event_month,
    count(*) as event_count
from kms_events
where key_arn is not null
    and error_code is null
    and (operation_class in ('encrypt', 'generate_data_key', 'encapsulate') or key_role = 'destination')
group by
    key_arn,
    event_month
order by
    key_arn,
    event_month
