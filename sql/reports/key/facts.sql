-- report:  key/facts
-- summary: What the logs and imported outputs tell about a key itself; of two states the later one
-- reads:   kms_keys, inventory_keys
-- notes:   $key: key ARN
with logged as (
    select *
    from kms_keys
    where key_arn = $key
),

described as (
    select *
    from inventory_keys
    where key_arn = $key
),

both as (
    select
        coalesce(described.key_manager, logged.key_manager) as key_manager,
        coalesce(described.key_spec, logged.key_spec) as key_spec,
        coalesce(described.key_usage, logged.key_usage) as key_usage,
        coalesce(described.origin, logged.origin) as origin,
        coalesce(described.description, logged.description) as description,
        coalesce(described.creation_time, logged.creation_time) as creation_time,
        logged.created_by_principal_arn,
        logged.key_state as logged_state,
        logged.key_state_since_time,
        logged.key_state_event_id,
        described.key_state as described_state,
        described.described_time,
        logged.deletion_time as logged_deletion_time,
        described.deletion_time as described_deletion_time,
        logged.multi_region_role,
        described.key_state is not null
            and coalesce(logged.key_state_since_time < described.described_time, true) as is_described_later
    from logged
    full join described
        on described.key_arn = logged.key_arn
)

select
    key_manager,
    key_spec,
    key_usage,
    origin,
    description,
    creation_time,
    created_by_principal_arn,
    case when is_described_later then described_state else logged_state end as key_state,
    case
        when is_described_later and described_state is distinct from logged_state then described_time
        else key_state_since_time
    end as key_state_since_time,
    case when not is_described_later or described_state is not distinct from logged_state then key_state_event_id end as key_state_event_id,
    case when is_described_later then described_deletion_time else logged_deletion_time end as deletion_time,
    multi_region_role
from both
