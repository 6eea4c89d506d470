-- question: Through which AWS services are keys used?
-- reads: kms_key_services
select
    coalesce(context_service, service) as service,
    count(distinct key_arn) as key_count,
    sum(use_event_count) as use_event_count,
    sum(failed_count) as failed_count
from kms_key_services
group by
    coalesce(context_service, service)
order by
    use_event_count desc;
