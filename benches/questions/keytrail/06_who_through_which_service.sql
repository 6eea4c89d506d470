select
    coalesce(role_arn, principal_arn, invoked_by, principal_id) as caller,
    invoked_by as service,
    count(*) as event_count
from kms_events
where key_arn = $key
    and key_role <> 'target'
    and error_code is null
    and event_time >= cast($since as timestamp)
    and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
group by
    caller,
    service
order by
    event_count desc,
    caller,
    service
