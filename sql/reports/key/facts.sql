-- report:  key/facts
-- summary: What the logs and imported outputs tell about a key itself
-- reads:   kms_keys, inventory_last_usage
-- notes:   $key: key ARN
-- notes:   first_seen_time is null where only imported outputs know the key
select
    kms_keys.first_seen_time,
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
    material_expiry_time,
    multi_region_role,
    described_time,
    inventory_last_usage.snapshot_time as usage_asked_time,
    inventory_last_usage.last_used_time as tracked_used_time,
    inventory_last_usage.operation as tracked_operation,
    inventory_last_usage.cloudtrail_event_id as tracked_event_id
from kms_keys
left join inventory_last_usage
    on inventory_last_usage.key_arn = kms_keys.key_arn
where kms_keys.key_arn = $key
