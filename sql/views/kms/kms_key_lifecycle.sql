-- view:    kms_key_lifecycle
-- summary: What was done to each key over its life, and by whom: creation, material, rotation, policy, state, deletion
-- grain:   key_arn, event_id
-- reads:   kms_events
-- kept:    up to 500,000 rows, until the data changes: keys, policies and verdicts read it
-- notes:   successful events only: a failed call or a dry run changes nothing; a correction (a record that amends another event's) stands in its place; another record of the same id only where no success of it is in the logs
-- notes:   ReplicateKey is two rows: replicated for the key that was copied, created for the new replica, whose events stand in another region's logs
-- notes:   KMS logs a CreateKey in the replica's region too (API reference, ReplicateKey): it is left out beside the ReplicateKey, and is the creation where that is not in the logs
-- notes:   importing material sets Enabled unless the key is known to be disabled or pending deletion; deleting material sets PendingImport unless deletion is pending
-- notes:   a key of several materials (imported by rotation on demand) is Enabled when none that was deleted or expired is missing any more; another new material changes nothing, as it waits for a rotation
-- notes:   CloudTrail writes whole seconds: of several events in one second the likelier order is taken, creation first and deletion last
-- column:  sequence_number: place of the event in the key's life as logged, from 1
-- column:  lifecycle_event: created, replicated, primary_changed, synchronized, material_imported, material_deleted, material_expired, enabled, disabled, rotation_enabled, rotation_disabled, rotation_requested, rotated, policy_changed, description_changed, tagged, untagged, deletion_scheduled, deletion_cancelled, deleted
-- column:  key_state_after: state of the key from this event on: Enabled, Disabled, PendingDeletion, PendingReplicaDeletion, PendingImport, Deleted; null = the event does not change the state
-- column:  principal_arn: who did it; null where AWS names none, as for what KMS does by itself
-- column:  invoked_by: AWS service that did it, for itself or with the principal's credentials; null = none stood between
-- column:  detail: what the event sets, as text: spec, usage and origin of a new key, deletion date and waiting period, rotation type or period, expiry of material, primary region, description, tags as JSON; null = nothing more to tell
-- column:  rotation_type: rotated: AUTOMATIC or ON_DEMAND; null = another event, or not told
-- column:  key_material_id: material_imported, material_deleted, material_expired: which material, 64 hex digits; null = another event, or not told, as in records of before 2025
-- column:  deletion_time: deletion_scheduled: when the waiting period ends, by the response, else event time plus waiting period, UTC; null = another event, a record that tells neither, or a primary that waits for its replicas
-- column:  request_parameters: requestParameters, exact JSON text
-- column:  response_elements: responseElements, exact JSON text
with records as (
    select
        key_arn,
        event_id,
        event_time,
        event_name,
        principal_arn,
        invoked_by,
        request_parameters,
        response_elements,
        service_event_details,
        case event_name
            when 'CreateKey' then 'created'
            when 'ReplicateKey' then 'replicated'
            when 'UpdatePrimaryRegion' then 'primary_changed'
            when 'SynchronizeMultiRegionKey' then 'synchronized'
            when 'ImportKeyMaterial' then 'material_imported'
            when 'DeleteImportedKeyMaterial' then 'material_deleted'
            when 'DeleteExpiredKeyMaterial' then 'material_expired'
            when 'EnableKey' then 'enabled'
            when 'DisableKey' then 'disabled'
            when 'EnableKeyRotation' then 'rotation_enabled'
            when 'DisableKeyRotation' then 'rotation_disabled'
            when 'RotateKeyOnDemand' then 'rotation_requested'
            when 'RotateKey' then 'rotated'
            when 'PutKeyPolicy' then 'policy_changed'
            when 'UpdateKeyDescription' then 'description_changed'
            when 'TagResource' then 'tagged'
            when 'UntagResource' then 'untagged'
            when 'ScheduleKeyDeletion' then 'deletion_scheduled'
            when 'CancelKeyDeletion' then 'deletion_cancelled'
            when 'DeleteKey' then 'deleted'
        end as lifecycle_event,
        case event_name
            when 'CreateKey' then 0
            when 'ReplicateKey' then 1
            when 'ImportKeyMaterial' then 2
            when 'CancelKeyDeletion' then 3
            when 'EnableKey' then 4
            when 'DisableKey' then 6
            when 'DeleteImportedKeyMaterial' then 7
            when 'ScheduleKeyDeletion' then 8
            when 'DeleteKey' then 9
            else 5
        end as second_order,
        row_number() over (
            partition by key_arn, coalesce(amends_event_id, event_id)
            order by
                coalesce(amends_event_id <> event_id, false) desc,
                amends_event_id asc nulls first,
                event_time desc,
                event_id desc
        ) as record_number
    from kms_events
    where key_role = 'target'
        and event_name in (
            'CreateKey',
            'ReplicateKey',
            'UpdatePrimaryRegion',
            'SynchronizeMultiRegionKey',
            'ImportKeyMaterial',
            'DeleteImportedKeyMaterial',
            'DeleteExpiredKeyMaterial',
            'EnableKey',
            'DisableKey',
            'EnableKeyRotation',
            'DisableKeyRotation',
            'RotateKeyOnDemand',
            'RotateKey',
            'PutKeyPolicy',
            'UpdateKeyDescription',
            'TagResource',
            'UntagResource',
            'ScheduleKeyDeletion',
            'CancelKeyDeletion',
            'DeleteKey'
        )
        and outcome = 'succeeded'
        and key_arn is not null
),

-- ReplicateKey is an event of the primary, and the creation of the replica.
sides as (
    select
        *,
        unnest(case
            when event_name = 'ReplicateKey'
                and (
                    request_parameters ->> 'replicaRegion' is not null
                    or response_elements -> 'replicaKeyMetadata' ->> 'arn' is not null
                ) then [false, true]
            else [false]
        end) as is_of_replica
    from records
    where record_number = 1
),

writes as (
    select
        case
            when is_of_replica then coalesce(
                response_elements -> 'replicaKeyMetadata' ->> 'arn',
                concat_ws(
                    ':',
                    split_part(key_arn, ':', 1),
                    split_part(key_arn, ':', 2),
                    split_part(key_arn, ':', 3),
                    request_parameters ->> 'replicaRegion',
                    split_part(key_arn, ':', 5),
                    split_part(key_arn, ':', 6)
                )
            )
            else key_arn
        end as key_arn,
        case when is_of_replica then key_arn end as replicated_key_arn,
        event_id,
        event_time,
        event_name,
        case when is_of_replica then 'created' else lifecycle_event end as lifecycle_event,
        case when is_of_replica then 0 else second_order end as second_order,
        principal_arn,
        invoked_by,
        request_parameters,
        response_elements,
        service_event_details,
        -- KMS waits for 30 days where it is asked for none.
        coalesce(
            request_parameters ->> 'pendingWindowInDays',
            response_elements ->> 'pendingWindowInDays',
            case when request_parameters ->> 'keyId' is not null then '30' end
        ) as waiting_days
    from sides
),

events as (
    select
        key_arn,
        event_id,
        event_time,
        event_name,
        lifecycle_event,
        second_order,
        principal_arn,
        invoked_by,
        case lifecycle_event
            when 'created' then case
                when coalesce(
                    response_elements -> 'keyMetadata' ->> 'keyState',
                    response_elements -> 'replicaKeyMetadata' ->> 'origin',
                    response_elements -> 'replicaKeyMetadata' ->> 'keyState',
                    request_parameters ->> 'origin'
                ) in ('EXTERNAL', 'PendingImport') then 'PendingImport'
                else 'Enabled'
            end
            when 'enabled' then 'Enabled'
            when 'disabled' then 'Disabled'
            when 'material_deleted' then 'PendingImport'
            when 'material_expired' then 'PendingImport'
            when 'deletion_scheduled' then coalesce(response_elements ->> 'keyState', 'PendingDeletion')
            when 'deletion_cancelled' then 'Disabled'
            when 'deleted' then 'Deleted'
        end as set_state,
        case lifecycle_event
            when 'created' then coalesce('replica of ' || replicated_key_arn, nullif(
                concat_ws(
                    ', ',
                    coalesce(
                        response_elements -> 'keyMetadata' ->> 'keySpec',
                        response_elements -> 'keyMetadata' ->> 'customerMasterKeySpec',
                        request_parameters ->> 'keySpec',
                        request_parameters ->> 'customerMasterKeySpec'
                    ),
                    coalesce(response_elements -> 'keyMetadata' ->> 'keyUsage', request_parameters ->> 'keyUsage'),
                    coalesce(response_elements -> 'keyMetadata' ->> 'origin', request_parameters ->> 'origin')
                ),
                ''
            ))
            when 'replicated' then request_parameters ->> 'replicaRegion'
            when 'primary_changed' then request_parameters ->> 'primaryRegion'
            when 'material_imported' then nullif(
                concat_ws(
                    ', ',
                    request_parameters ->> 'expirationModel',
                    'valid to ' || (request_parameters ->> 'validTo')
                ),
                ''
            )
            when 'rotation_enabled' then 'every ' || (request_parameters ->> 'rotationPeriodInDays') || ' days'
            when 'rotated' then service_event_details ->> 'rotationType'
            when 'description_changed' then request_parameters ->> 'description'
            when 'tagged' then json_get_json(request_parameters, 'tags')
            when 'untagged' then json_get_json(request_parameters, 'tagKeys')
            when 'deletion_scheduled' then concat_ws(
                ', ',
                response_elements ->> 'deletionDate',
                'after ' || waiting_days || ' days'
            )
        end as detail,
        service_event_details ->> 'rotationType' as rotation_type,
        case
            when starts_with(lifecycle_event, 'material_') then coalesce(
                response_elements ->> 'keyMaterialId',
                request_parameters ->> 'keyMaterialId',
                service_event_details ->> 'keyMaterialId'
            )
        end as key_material_id,
        case
            when lifecycle_event = 'deletion_scheduled'
                and response_elements ->> 'keyState' is distinct from 'PendingReplicaDeletion'
            then coalesce(
                aws_time(response_elements ->> 'deletionDate'),
                event_time + try_cast(waiting_days || ' days' as interval)
            )
        end as deletion_time,
        request_parameters,
        response_elements
    from writes
),

marked as (
    select
        *,
        max(case when lifecycle_event = 'created' and event_name = 'ReplicateKey' then 1 else 0 end) over (
            partition by key_arn
        ) as is_replica,
        sum(case when lifecycle_event = 'material_imported' then 1 else 0 end) over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
            rows between unbounded preceding and current row
        ) as import_count,
        sum(case when lifecycle_event = 'rotated' then 1 else 0 end) over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
            rows between unbounded preceding and current row
        ) as rotation_count
    from events
),

-- Another new material waits for a rotation, and is not missed until then.
materials as (
    select
        *,
        lag(
            case
                when lifecycle_event = 'material_imported'
                    and import_count > 1
                    and request_parameters ->> 'importType' = 'NEW_KEY_MATERIAL' then rotation_count
            end
        ) over (
            partition by key_arn, key_material_id
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
        ) as waiting_since_rotation
    from marked
    where not (is_replica = 1 and event_name = 'CreateKey')
),

losses as (
    select
        *,
        case
            when key_material_id is not null
                and lifecycle_event in ('material_deleted', 'material_expired')
                and (waiting_since_rotation is distinct from rotation_count) then 1
            else 0
        end as is_missing
    from materials
),

changes as (
    select
        *,
        is_missing - coalesce(
            lag(is_missing) over (
                partition by key_arn, key_material_id
                order by
                    event_time asc nulls first,
                    second_order asc,
                    event_id asc
            ),
            0
        ) as missing_change
    from losses
),

numbered as (
    select
        *,
        row_number() over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
        ) as sequence_number,
        last_value(set_state) ignore nulls over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
            rows between unbounded preceding and 1 preceding
        ) as state_before,
        last_value(case when not starts_with(lifecycle_event, 'material_') then set_state end) ignore nulls over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
            rows between unbounded preceding and 1 preceding
        ) as state_but_for_material,
        sum(missing_change) over (
            partition by key_arn
            order by
                event_time asc nulls first,
                second_order asc,
                event_id asc
            rows between unbounded preceding and current row
        ) as missing_material_count
    from changes
)

select
    key_arn,
    event_time,
    event_id,
    sequence_number,
    event_name,
    lifecycle_event,
    case
        when starts_with(lifecycle_event, 'material_')
            and state_but_for_material in ('PendingDeletion', 'PendingReplicaDeletion', 'Deleted')
        then null
        when starts_with(lifecycle_event, 'material_') and waiting_since_rotation = rotation_count then null
        when lifecycle_event = 'material_imported' then case
            when missing_material_count > 0 then null
            when import_count > 1 and request_parameters ->> 'importType' = 'NEW_KEY_MATERIAL' then null
            when state_before is null or state_before <> 'Disabled' then 'Enabled'
        end
        else set_state
    end as key_state_after,
    principal_arn,
    invoked_by,
    detail,
    rotation_type,
    key_material_id,
    deletion_time,
    request_parameters,
    response_elements
from numbered
