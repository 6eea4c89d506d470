select
    key_arn,
    error_code,
    sum(event_count) as event_count
from kms_failed_attempts
where key_arn is not null
group by
    key_arn,
    error_code
order by
    key_arn,
    error_code
