select
    key_arn,
    errorCode,
    count(*) as event_count
from kms_calls
where key_arn is not null
    and errorCode is not null
group by
    key_arn,
    errorCode
order by
    key_arn,
    errorCode
