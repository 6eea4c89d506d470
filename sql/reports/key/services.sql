-- report:  key/services
-- summary: AWS services through which a key was used or tried, the most uses first
-- reads:   kms_key_services
-- notes:   $key: key ARN
-- notes:   a service that does not name itself goes by its encryption context
select
    coalesce(context_service, service) as service,
    cast(sum(use_event_count) as bigint) as use_event_count,
    cast(sum(failed_count) as bigint) as failed_count,
    min(first_seen_time) as first_seen_time,
    max(last_seen_time) as last_seen_time
from kms_key_services
where key_arn = $key
group by
    coalesce(context_service, service)
order by
    use_event_count desc,
    failed_count desc,
    service
