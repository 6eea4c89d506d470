-- view:    kms_key_services
-- summary: AWS services through which each key was used, or tried
-- grain:   key_arn, service
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   calls that no service stands between have no row here
-- notes:   `AWS Internal` is a service that does not name itself; the encryption context often does
-- column:  service: userIdentity.invokedBy, such as `s3.amazonaws.com`
-- column:  use_event_count: cryptographic calls that succeeded
-- column:  failed_count: cryptographic calls that failed
-- column:  first_seen_time: earliest such call, failed or not, UTC
-- column:  last_seen_time: latest such call, failed or not, UTC
select
    key_arn,
    invoked_by as service,
    count(*) filter (where error_code is null and amends_event_id is null) as use_event_count,
    count(*) filter (where error_code is not null and amends_event_id is null) as failed_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from kms_events
where key_arn is not null
    and invoked_by is not null
    and key_role <> 'target'
    and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
group by
    key_arn,
    invoked_by
