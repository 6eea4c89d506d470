-- report:  key/facts
-- summary: What the logs and imported outputs tell about a key itself
-- reads:   kms_keys
-- notes:   $key: key ARN
-- notes:   first_seen_time is null where only imported outputs know the key
select
    first_seen_time,
    key_manager,
    key_spec,
    key_usage,
    origin,
    description,
    creation_time,
    created_by_principal_arn,
    created_event_id,
    key_state,
    key_state_since_time,
    key_state_event_id,
    key_state_source,
    deletion_time,
    deletion_event_id,
    multi_region_role,
    described_time
from kms_keys
where key_arn = $key
