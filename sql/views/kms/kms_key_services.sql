-- view:    kms_key_services
-- summary: AWS services through which each key was used, or tried
-- grain:   key_arn, service, context_service
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   calls that no service stands between, and whose encryption context is of no service, have no row here
-- notes:   `AWS Internal` is a service that does not name itself; coalesce(context_service, service) names it where the context does
-- column:  service: userIdentity.invokedBy, such as `s3.amazonaws.com`, else the source address where that is a service's name; null = no service in between, yet the context is a service's
-- column:  context_service: the service that the encryption context belongs to, where service is `AWS Internal` or null; null otherwise, or where the context tells none
-- column:  use_event_count: cryptographic calls that succeeded
-- column:  failed_count: cryptographic calls that failed
-- column:  first_seen_time: earliest such call, failed or not, UTC
-- column:  last_seen_time: latest such call, failed or not, UTC
with uses as (
    select
        key_arn,
        -- Records of before about 2019 name the service so.
        coalesce(
            invoked_by,
            case when source_ip_address like '%.amazonaws.com' or source_ip_address = 'AWS Internal' then source_ip_address end
        ) as service,
        encryption_context,
        event_time,
        error_code,
        amends_event_id
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
),

calls as (
    select
        *,
        case
            when service is null or service in ('AWS Internal', 'internal.amazonaws.com')
                then context_resource(encryption_context)['service']
        end as context_service
    from uses
)

select
    key_arn,
    service,
    context_service,
    count(*) filter (where error_code is null and amends_event_id is null) as use_event_count,
    count(*) filter (where error_code is not null and amends_event_id is null) as failed_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from calls
where service is not null
    or context_service is not null
group by
    key_arn,
    service,
    context_service
