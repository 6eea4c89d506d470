-- report:  key/services
-- summary: AWS services through which a key was used or tried, the most uses first
-- reads:   kms_key_services
-- notes:   $key: key ARN
select
    service,
    use_event_count,
    failed_count,
    first_seen_time,
    last_seen_time
from kms_key_services
where key_arn = $key
order by
    use_event_count desc,
    failed_count desc,
    service
