-- view:    kms_keys
-- summary: Every key that any event or imported output names, with what they tell of it: kind, family, creation, state, rotation, deletion
-- grain:   key_arn
-- reads:   kms_events, kms_key_lifecycle, named_keys, inventory_keys, inventory_family_members
-- kept:    up to 500,000 rows, until the data changes: verdicts, families and blind spots read it
-- notes:   keys that only records of other services name, or only the inventory, have nulls in what KMS events tell
-- notes:   what describe-key tells goes before the creation's facts; of two states the later one counts
-- notes:   a fact that neither tells is null: the creation of a key, say, that is older than the logs and of which no output is imported
-- notes:   the state is that of the last lifecycle event, unless calls more than five minutes later prove another one: a cryptographic call that succeeded (Enabled), or a failure whose message names the state; five minutes, because a change takes effect after a while
-- notes:   a key whose custom key store was disconnected since is Unavailable; a primary that waits for its replicas to be deleted is pending deletion from the deletion of the last one that is known
-- notes:   a replica is known from the ReplicateKey of its primary, even where its own region has no logs
-- column:  key_id: last part of the ARN; the members of a multi-Region key share theirs
-- column:  account_id: account of the ARN, the owner
-- column:  aws_region: region of the ARN
-- column:  multi_region_role: primary or replica by the last event that tells, member = multi-Region by its id (mrk-), role unknown; null = single-Region
-- column:  primary_key_arn: primary key of its family, by the last event that tells; null = single-Region, or unknown
-- column:  primary_event_id: event that tells the primary
-- column:  key_manager: CUSTOMER (by its creation, or by management that AWS managed keys do not allow), AWS (by its creation, or an alias alias/aws/…); null = unknown
-- column:  key_spec: such as SYMMETRIC_DEFAULT or RSA_2048; null = creation not seen, not described
-- column:  key_usage: such as ENCRYPT_DECRYPT or SIGN_VERIFY; null = creation not seen, not described
-- column:  origin: AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE; null = creation not seen, not described
-- column:  custom_key_store_id: custom key store of its creation; null = none, or creation not seen
-- column:  description: as last set; null = not seen, or withheld
-- column:  description_event_id: event that set the description; null = told by an output
-- column:  creation_time: time of CreateKey or ReplicateKey, or CreationDate, UTC; null = older than the logs, not described
-- column:  created_by_principal_arn: who created it; null = creation not seen, or AWS names none
-- column:  created_event_id: the CreateKey or ReplicateKey event
-- column:  key_state: Enabled, Disabled, PendingDeletion, PendingReplicaDeletion, PendingImport, Unavailable, Deleted; null = unknown
-- column:  key_state_since_time: time of the event that set the state, or of the describe-key output; of an observed state the earliest observation where nothing tells of another state after it, else the latest, UTC
-- column:  key_state_event_id: event of that time; null = none, or told by an output
-- column:  key_state_source: event (a lifecycle event set it), observed (calls prove it), inventory (describe-key said so later); null = unknown
-- column:  material_expiry_time: when imported key material expires, or was to, by the last import that the logs hold of each material the first, or by a later describe-key, UTC; null = it does not, there is none, or nothing tells
-- column:  deletion_time: end of the waiting period of a key that is pending deletion, or was until it was deleted, UTC; null = none scheduled, or the record does not tell when
-- column:  deletion_event_id: ScheduleKeyDeletion event of that time
-- column:  deleted_time: time of DeleteKey, UTC; null = not deleted as far as the logs tell
-- column:  rotation_enabled: automatic rotation, by the last event that tells: creation, EnableKeyRotation, DisableKeyRotation or an automatic rotation, or by get-key-rotation-status where that is newer; of a multi-Region key by what tells of any member; null = unknown
-- column:  rotation_event_id: event that tells; null = an imported output does
-- column:  last_rotated_time: latest completed rotation, by events and by list-key-rotations, UTC; null = none seen
-- column:  last_rotated_event_id: RotateKey event of that time
-- column:  policy_event_id: event that set the key policy in force; null = older than the logs
-- column:  first_seen_time: earliest event that names the key, failed ones too, UTC
-- column:  last_seen_time: latest event that names the key, failed ones too, UTC
-- column:  described_time: when the newest imported describe-key output was made, UTC; null = none
with lives as (
    select
        key_arn,
        min(event_time) as first_seen_time,
        max(event_time) as last_seen_time,
        first_value(event_id order by sequence_number asc) filter (
            where lifecycle_event = 'created'
        ) as creation_event_id,
        first_value(event_name order by sequence_number asc) filter (
            where lifecycle_event = 'created'
        ) as creation_name,
        first_value(event_time order by sequence_number asc) filter (
            where lifecycle_event = 'created'
        ) as creation_time,
        first_value(principal_arn order by sequence_number asc) filter (
            where lifecycle_event = 'created'
        ) as created_by_principal_arn,
        first_value(
            coalesce(
                json_get_json(response_elements, 'keyMetadata'),
                json_get_json(response_elements, 'replicaKeyMetadata')
            )
            order by sequence_number asc
        ) filter (where lifecycle_event = 'created') as metadata,
        first_value(request_parameters order by sequence_number asc) filter (
            where lifecycle_event = 'created'
        ) as request,
        last_value(
            coalesce(
                request_parameters ->> 'description',
                response_elements -> 'replicaKeyMetadata' ->> 'description'
            )
            order by sequence_number asc
        ) filter (where lifecycle_event in ('created', 'description_changed')) as description,
        last_value(event_id order by sequence_number asc) filter (
            where lifecycle_event in ('created', 'description_changed')
        ) as description_event_id,
        max(event_time) filter (where lifecycle_event in ('created', 'description_changed')) as description_time,
        last_value(key_state_after order by sequence_number asc) filter (
            where key_state_after is not null
        ) as life_state,
        last_value(event_time order by sequence_number asc) filter (
            where key_state_after is not null
        ) as life_state_time,
        last_value(event_id order by sequence_number asc) filter (
            where key_state_after is not null
        ) as life_state_event_id,
        -- A replica may be made again after its deletion.
        last_value(deletion_time order by sequence_number asc) filter (
            where lifecycle_event in ('created', 'deletion_scheduled')
        ) as scheduled_deletion_time,
        last_value(case when lifecycle_event = 'deletion_scheduled' then event_id end order by sequence_number asc) filter (
            where lifecycle_event in ('created', 'deletion_scheduled')
        ) as scheduled_deletion_event_id,
        last_value(case when lifecycle_event = 'deleted' then event_time end order by sequence_number asc) filter (
            where lifecycle_event in ('created', 'deleted')
        ) as deleted_time,
        last_value(lifecycle_event order by sequence_number asc) filter (
            where tells_rotation
        ) as rotation_event,
        last_value(event_id order by sequence_number asc) filter (
            where tells_rotation
        ) as rotation_event_id,
        max(event_time) filter (
            where tells_rotation
        ) as rotation_event_time,
        min(
            case when lifecycle_event = 'material_imported' then aws_time(request_parameters ->> 'validTo') end
        ) filter (where is_last_of_material) as material_expiry_time,
        max(event_time) filter (where starts_with(lifecycle_event, 'material_')) as material_event_time,
        last_value(
            coalesce(
                request_parameters ->> 'pendingWindowInDays',
                response_elements ->> 'pendingWindowInDays',
                case when request_parameters ->> 'keyId' is not null then '30' end
            )
            order by sequence_number asc
        ) filter (where lifecycle_event = 'deletion_scheduled') as waiting_days,
        max(event_time) filter (where lifecycle_event = 'rotated') as last_rotated_time,
        last_value(event_id order by sequence_number asc) filter (
            where lifecycle_event = 'rotated'
        ) as last_rotated_event_id,
        last_value(event_id order by sequence_number asc) filter (
            where lifecycle_event in ('created', 'policy_changed')
        ) as policy_event_id,
        count(*) filter (
            where lifecycle_event not in ('created', 'rotated', 'rotation_enabled', 'synchronized')
        ) as customer_write_count
    from (
        select
            *,
            lifecycle_event in ('rotation_enabled', 'rotation_disabled')
                or (lifecycle_event = 'rotated' and rotation_type = 'AUTOMATIC')
                -- A replica rotates as its primary does.
                or (
                    lifecycle_event = 'created'
                    and event_name <> 'ReplicateKey'
                    and response_elements -> 'keyMetadata' -> 'multiRegionConfiguration' ->> 'multiRegionKeyType' is distinct from 'REPLICA'
                ) as tells_rotation,
            -- Where it is not told which, the last of all.
            starts_with(lifecycle_event, 'material_')
                and row_number() over (
                    partition by key_arn, starts_with(lifecycle_event, 'material_'), key_material_id
                    order by sequence_number desc
                ) = 1
                and (
                    key_material_id is not null
                    or row_number() over (
                        partition by key_arn, starts_with(lifecycle_event, 'material_')
                        order by sequence_number desc
                    ) = 1
                ) as is_last_of_material
        from kms_key_lifecycle
    ) as life
    group by
        key_arn
),

calls as (
    select
        key_arn,
        event_time,
        event_id,
        alias_name like 'alias/aws/%' and key_role <> 'source' and error_code is null as is_aws_alias,
        case
            when error_code is null and key_role <> 'target' then 'Enabled'
            when outcome is distinct from 'blocked' then null
            -- Of the two keys of a ReEncrypt the message names the one that stood in the way.
            when strpos(error_message, key_arn) = 0
                and (strpos(error_message, ':key/') > 0 or other_key_arn is not null) then null
            when error_message like '%is disabled%' then 'Disabled'
            when error_message like '%is pending deletion%' then 'PendingDeletion'
            when error_message like '%is pending replica deletion%' then 'PendingReplicaDeletion'
            when error_message like '%is pending import%' then 'PendingImport'
            when error_message like '%is unavailable%' then 'Unavailable'
        end as proven_state
    from kms_events
    where key_arn is not null
),

observations as (
    select
        key_arn,
        proven_state,
        min(event_time) as first_seen_time,
        max(event_time) as last_seen_time,
        first_value(event_id order by event_time asc, event_id asc) filter (
            where proven_state is not null
        ) as first_event_id,
        last_value(event_id order by event_time asc, event_id asc) filter (
            where proven_state is not null
        ) as last_event_id,
        bool_or(is_aws_alias) as has_aws_alias
    from calls
    group by
        key_arn,
        proven_state
),

-- From the events themselves: the family's other members tell too, and the numbering of their lives is not needed.
primary_events as (
    select
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 5) as account_id,
        split_part(split_part(key_arn, ':', 6), '/', 2) as key_id,
        -- What KMS synchronises meanwhile names the primary of before.
        case when event_name = 'UpdatePrimaryRegion' then event_time + interval '1 hour' else event_time end as settled_time,
        event_name,
        event_id,
        case
            when event_name = 'UpdatePrimaryRegion' then concat_ws(
                ':',
                split_part(key_arn, ':', 1),
                split_part(key_arn, ':', 2),
                split_part(key_arn, ':', 3),
                request_parameters ->> 'primaryRegion',
                split_part(key_arn, ':', 5),
                split_part(key_arn, ':', 6)
            )
            -- KMS logs one for each replica too.
            when event_name = 'CreateKey' then coalesce(
                response_elements -> 'keyMetadata' -> 'multiRegionConfiguration' -> 'primaryKey' ->> 'arn',
                case
                    when request_parameters ->> 'multiRegion' = 'true'
                        and response_elements -> 'keyMetadata' -> 'multiRegionConfiguration' ->> 'multiRegionKeyType' is distinct from 'REPLICA'
                    then key_arn
                end
            )
            else key_arn
        end as primary_key_arn
    from kms_events
    where key_role = 'target'
        and event_name in ('CreateKey', 'ReplicateKey', 'UpdatePrimaryRegion', 'SynchronizeMultiRegionKey')
        and key_arn like '%:key/mrk-%'
        and outcome = 'succeeded'
        and (event_name <> 'UpdatePrimaryRegion' or request_parameters ->> 'primaryRegion' is not null)
),

families as (
    select
        arn_partition,
        account_id,
        key_id,
        -- The set begins with a CreateKey: whatever else tells came later.
        last_value(
            primary_key_arn
            order by event_name <> 'CreateKey' asc, settled_time asc, event_name = 'UpdatePrimaryRegion' asc, event_id asc
        ) as primary_key_arn,
        last_value(
            event_id
            order by event_name <> 'CreateKey' asc, settled_time asc, event_name = 'UpdatePrimaryRegion' asc, event_id asc
        ) as primary_event_id
    from primary_events
    where primary_key_arn is not null
    group by
        arn_partition,
        account_id,
        key_id
),

facts as (
    select *
    from lives

    union all by name

    select
        key_arn,
        min(first_seen_time) as first_seen_time,
        max(last_seen_time) as last_seen_time,
        bool_or(has_aws_alias) as has_aws_alias,
        last_value(proven_state order by last_seen_time asc, proven_state asc) filter (
            where proven_state is not null
        ) as observed_state,
        last_value(first_seen_time order by last_seen_time asc, proven_state asc) filter (
            where proven_state is not null
        ) as observed_first_time,
        last_value(last_seen_time order by last_seen_time asc, proven_state asc) filter (
            where proven_state is not null
        ) as observed_last_time,
        last_value(first_event_id order by last_seen_time asc, proven_state asc) filter (
            where proven_state is not null
        ) as observed_first_event_id,
        last_value(last_event_id order by last_seen_time asc, proven_state asc) filter (
            where proven_state is not null
        ) as observed_last_event_id,
        nth_value(last_seen_time, 2 order by last_seen_time desc, proven_state desc) filter (
            where proven_state is not null
        ) as other_observed_time
    from observations
    group by
        key_arn

    union all by name

    -- The primary may be known by nothing else.
    select
        primary_key_arn as key_arn,
        primary_key_arn as family_primary_key_arn,
        primary_event_id as family_primary_event_id
    from families
),

keys as (
    select
        key_arn,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        split_part(split_part(key_arn, ':', 6), '/', 2) as key_id,
        min(first_seen_time) as first_seen_time,
        max(last_seen_time) as last_seen_time,
        bool_or(has_aws_alias) as has_aws_alias,
        max(creation_event_id) as creation_event_id,
        max(creation_time) as creation_time,
        max(created_by_principal_arn) as created_by_principal_arn,
        max(metadata) as metadata,
        case when max(creation_name) = 'CreateKey' then max(request) end as request,
        max(description) as description,
        max(description_event_id) as description_event_id,
        max(description_time) as description_time,
        max(life_state) as life_state,
        max(life_state_time) as life_state_time,
        max(life_state_event_id) as life_state_event_id,
        max(scheduled_deletion_time) as scheduled_deletion_time,
        max(scheduled_deletion_event_id) as scheduled_deletion_event_id,
        max(deleted_time) as deleted_time,
        max(rotation_event) as rotation_event,
        max(rotation_event_id) as rotation_event_id,
        max(rotation_event_time) as rotation_event_time,
        max(material_expiry_time) as material_expiry_time,
        max(material_event_time) as material_event_time,
        max(waiting_days) as waiting_days,
        max(last_rotated_time) as last_rotated_time,
        max(last_rotated_event_id) as last_rotated_event_id,
        max(policy_event_id) as policy_event_id,
        max(customer_write_count) as customer_write_count,
        max(observed_state) as observed_state,
        max(observed_first_time) as observed_first_time,
        max(observed_last_time) as observed_last_time,
        max(observed_first_event_id) as observed_first_event_id,
        max(observed_last_event_id) as observed_last_event_id,
        max(other_observed_time) as other_observed_time,
        max(family_primary_key_arn) as family_primary_key_arn,
        max(family_primary_event_id) as family_primary_event_id
    from facts
    group by
        key_arn
),

judged as (
    select
        keys.*,
        max(family_primary_key_arn) over (partition by arn_partition, account_id, key_id) as primary_key_arn,
        max(family_primary_event_id) over (partition by arn_partition, account_id, key_id) as primary_event_id,
        max(deleted_time) over (partition by arn_partition, account_id, key_id) as family_deleted_time,
        count(*) over (partition by arn_partition, account_id, key_id) as family_key_count,
        sum(case when life_state = 'Deleted' then 1 else 0 end) over (partition by arn_partition, account_id, key_id)
            as family_deleted_count,
        keys.observed_state is not null
            and (keys.observed_state is distinct from keys.life_state)
            and (keys.life_state is distinct from 'Deleted')
            and (
                keys.life_state is null
                or keys.life_state <> 'PendingReplicaDeletion'
                or keys.observed_state <> 'PendingDeletion'
            )
            and (
                keys.life_state is null
                or keys.observed_last_time > keys.life_state_time + interval '5 minutes'
            ) as is_observed,
        (keys.other_observed_time is null or keys.observed_first_time > keys.other_observed_time)
            and (
                keys.life_state is null
                or keys.observed_first_time > keys.life_state_time + interval '5 minutes'
            ) as is_first_conclusive
    from keys
),

-- A primary's own waiting period begins when its last replica is gone.
settled as (
    select
        *,
        case
            when life_state = 'PendingReplicaDeletion'
                and not is_observed
                and family_key_count > 1
                and family_deleted_count = family_key_count - 1
            then greatest(life_state_time, family_deleted_time)
        end as waiting_since_time
    from judged
),

-- What the KMS events tell.
logged as (
    select
        key_arn,
        key_id,
        account_id,
        aws_region,
        case
            when not starts_with(key_id, 'mrk-') then null
            when primary_key_arn is null then 'member'
            when primary_key_arn = key_arn then 'primary'
            else 'replica'
        end as multi_region_role,
        primary_key_arn,
        primary_event_id,
        coalesce(
            metadata ->> 'keyManager',
            case
                when customer_write_count > 0 then 'CUSTOMER'
                when has_aws_alias then 'AWS'
            end
        ) as key_manager,
        coalesce(
            metadata ->> 'keySpec',
            metadata ->> 'customerMasterKeySpec',
            request ->> 'keySpec',
            request ->> 'customerMasterKeySpec'
        ) as key_spec,
        coalesce(metadata ->> 'keyUsage', request ->> 'keyUsage') as key_usage,
        coalesce(metadata ->> 'origin', request ->> 'origin') as origin,
        coalesce(metadata ->> 'customKeyStoreId', request ->> 'customKeyStoreId') as custom_key_store_id,
        description,
        case when description is not null then description_event_id end as description_event_id,
        description_time,
        creation_time,
        created_by_principal_arn,
        creation_event_id as created_event_id,
        case
            when waiting_since_time is not null then 'PendingDeletion'
            when is_observed then observed_state
            else life_state
        end as key_state,
        case
            when waiting_since_time is not null then waiting_since_time
            when is_observed and is_first_conclusive then observed_first_time
            when is_observed then observed_last_time
            else life_state_time
        end as key_state_since_time,
        case
            when waiting_since_time is not null then null
            when is_observed and is_first_conclusive then observed_first_event_id
            when is_observed then observed_last_event_id
            else life_state_event_id
        end as key_state_event_id,
        case
            when is_observed then 'observed'
            when life_state is not null then 'event'
        end as key_state_source,
        case
            when waiting_since_time is not null then waiting_since_time + try_cast(concat(waiting_days, ' days') as interval)
            when deleted_time is not null
                or case when is_observed then observed_state else life_state end in ('PendingDeletion', 'PendingReplicaDeletion')
            then scheduled_deletion_time
        end as deletion_time,
        case
            when deleted_time is not null
                or case when is_observed then observed_state else life_state end in ('PendingDeletion', 'PendingReplicaDeletion')
            then scheduled_deletion_event_id
        end as deletion_event_id,
        deleted_time,
        material_expiry_time,
        material_event_time,
        case when observed_state = 'Enabled' then coalesce(greatest(observed_last_time, life_state_time), observed_last_time) else life_state_time end
            as last_enabled_time,
        rotation_event in ('rotation_enabled', 'rotated') as rotation_enabled,
        rotation_event_id,
        rotation_event_time,
        last_rotated_time,
        last_rotated_event_id,
        policy_event_id,
        first_seen_time,
        last_seen_time
    from settled
),

-- Its keys cannot be used while a store is disconnected.
disconnected_stores as (
    select
        recipient_account_id as account_id,
        aws_region,
        request_parameters ->> 'customKeyStoreId' as custom_key_store_id,
        last_value(event_time order by event_time asc, event_id asc) as disconnected_time,
        last_value(event_id order by event_time asc, event_id asc) as disconnected_event_id
    from kms_events
    where key_role = 'target'
        and event_name in ('ConnectCustomKeyStore', 'DisconnectCustomKeyStore')
        and outcome = 'succeeded'
    group by
        recipient_account_id,
        aws_region,
        request_parameters ->> 'customKeyStoreId'
    having last_value(event_name order by event_time asc, event_id asc) = 'DisconnectCustomKeyStore'
),

-- Each is read once: the engine would compute a relation anew for every place that names it.
known as (
    select
        coalesce(logged.key_arn, mentioned.key_arn, described.key_arn, family.key_arn) as key_arn,
        coalesce(logged.primary_key_arn, described.primary_key_arn, family.primary_key_arn) as primary_key_arn,
        logged.primary_event_id,
        coalesce(described.key_manager, logged.key_manager) as key_manager,
        coalesce(described.key_spec, logged.key_spec) as key_spec,
        coalesce(described.key_usage, logged.key_usage) as key_usage,
        coalesce(described.origin, logged.origin) as origin,
        coalesce(logged.custom_key_store_id, described.custom_key_store_id) as custom_key_store_id,
        case
            when logged.description_time > described.described_time then coalesce(logged.description, described.description)
            else coalesce(described.description, logged.description)
        end as description,
        case
            when described.description is null
                or (described.description is not distinct from logged.description)
                or logged.description_time > described.described_time
                then logged.description_event_id
        end as description_event_id,
        coalesce(described.creation_time, logged.creation_time) as creation_time,
        logged.created_by_principal_arn,
        logged.created_event_id,
        logged.key_state as logged_state,
        logged.key_state_since_time,
        logged.key_state_event_id,
        logged.key_state_source,
        logged.last_enabled_time,
        logged.deletion_time as logged_deletion_time,
        logged.deletion_event_id,
        logged.deleted_time,
        case
            when described.described_time > logged.material_event_time then described.material_expiry_time
            else coalesce(logged.material_expiry_time, described.material_expiry_time)
        end as material_expiry_time,
        case
            when logged.rotation_event_time > described.rotation_told_time then logged.rotation_enabled
            else coalesce(described.rotation_enabled, logged.rotation_enabled)
        end as rotation_enabled,
        case
            when described.rotation_enabled is null or logged.rotation_event_time > described.rotation_told_time
                then logged.rotation_event_id
        end as rotation_event_id,
        coalesce(greatest(logged.rotation_event_time, described.rotation_told_time), logged.rotation_event_time, described.rotation_told_time)
            as rotation_told_time,
        coalesce(
            greatest(logged.last_rotated_time, described.last_rotated_time),
            logged.last_rotated_time,
            described.last_rotated_time
        ) as last_rotated_time,
        case
            when coalesce(described.last_rotated_time <= logged.last_rotated_time, true) then logged.last_rotated_event_id
        end as last_rotated_event_id,
        logged.policy_event_id,
        coalesce(least(logged.first_seen_time, mentioned.first_seen_time), logged.first_seen_time, mentioned.first_seen_time)
            as first_seen_time,
        coalesce(greatest(logged.last_seen_time, mentioned.last_seen_time), logged.last_seen_time, mentioned.last_seen_time)
            as last_seen_time,
        described.key_state as described_state,
        described.deletion_time as described_deletion_time,
        described.described_time,
        described.key_state is not null
            and (logged.key_state is distinct from 'Deleted')
            and coalesce(logged.key_state_since_time < described.described_time, true) as is_described_later
    from logged
    full join named_keys as mentioned
        on mentioned.key_arn = logged.key_arn
    full join inventory_keys as described
        on described.key_arn = coalesce(logged.key_arn, mentioned.key_arn)
    full join inventory_family_members as family
        on family.key_arn = coalesce(logged.key_arn, mentioned.key_arn, described.key_arn)
),

compared as (
    select
        *,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        split_part(split_part(key_arn, ':', 6), '/', 2) as key_id,
        case when is_described_later then described_state else logged_state end as last_state,
        is_described_later and (described_state is distinct from logged_state) as is_state_described,
        case
            when is_described_later then coalesce(greatest(last_enabled_time, described_time), described_time)
            else last_enabled_time
        end as last_shown_time,
        case
            when key_arn like '%:key/mrk-%'
                then concat(split_part(key_arn, ':', 2), ':', split_part(key_arn, ':', 5), ':', split_part(key_arn, ':key/', 2))
            else key_arn
        end as family_id
    from known
)

select
    compared.key_arn,
    compared.key_id,
    compared.account_id,
    compared.aws_region,
    case
        when not starts_with(compared.key_id, 'mrk-') then null
        when compared.primary_key_arn is null then 'member'
        when compared.primary_key_arn = compared.key_arn then 'primary'
        else 'replica'
    end as multi_region_role,
    compared.primary_key_arn,
    compared.primary_event_id,
    compared.key_manager,
    compared.key_spec,
    compared.key_usage,
    compared.origin,
    compared.custom_key_store_id,
    compared.description,
    compared.description_event_id,
    compared.creation_time,
    compared.created_by_principal_arn,
    compared.created_event_id,
    case when stores.disconnected_time is not null then 'Unavailable' else compared.last_state end as key_state,
    case
        when stores.disconnected_time is not null then stores.disconnected_time
        when compared.is_state_described then compared.described_time
        else compared.key_state_since_time
    end as key_state_since_time,
    case
        when stores.disconnected_time is not null then stores.disconnected_event_id
        when not compared.is_state_described then compared.key_state_event_id
    end as key_state_event_id,
    case
        when stores.disconnected_time is not null then 'event'
        when compared.is_state_described then 'inventory'
        else compared.key_state_source
    end as key_state_source,
    case
        when compared.is_described_later then compared.described_deletion_time
        else compared.logged_deletion_time
    end as deletion_time,
    case
        when not compared.is_described_later
            or (compared.described_deletion_time is not distinct from compared.logged_deletion_time)
        then compared.deletion_event_id
    end as deletion_event_id,
    compared.deleted_time,
    compared.material_expiry_time,
    -- The members of a multi-Region set have one material, and are rotated as one.
    first_value(compared.rotation_enabled) over (
        partition by compared.family_id
        order by compared.rotation_enabled is null asc, compared.rotation_told_time desc nulls last
    ) as rotation_enabled,
    first_value(compared.rotation_event_id) over (
        partition by compared.family_id
        order by compared.rotation_enabled is null asc, compared.rotation_told_time desc nulls last
    ) as rotation_event_id,
    max(compared.last_rotated_time) over (partition by compared.family_id) as last_rotated_time,
    first_value(compared.last_rotated_event_id) over (
        partition by compared.family_id
        order by compared.last_rotated_time desc nulls last, compared.last_rotated_event_id asc
    ) as last_rotated_event_id,
    compared.policy_event_id,
    compared.first_seen_time,
    compared.last_seen_time,
    compared.described_time
from compared
left join disconnected_stores as stores
    on stores.custom_key_store_id = compared.custom_key_store_id
    and stores.account_id = compared.account_id
    and stores.aws_region = compared.aws_region
    and compared.last_state = 'Enabled'
    and coalesce(stores.disconnected_time > compared.last_shown_time, true)
