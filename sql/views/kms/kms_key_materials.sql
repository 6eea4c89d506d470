-- view:    kms_key_materials
-- summary: The key material behind each key's calls: after a rotation the old one still opens what it once encrypted
-- grain:   key_arn, key_material_id
-- reads:   kms_events, inventory_keys
-- notes:   KMS tells the material of symmetric calls since about May 2025; calls before that, and failed ones, are not here, nor are those that only sign or make a MAC
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   of a call across accounts both copies count, where the logs hold both
-- notes:   the members of a multi-Region set are rotated as one, by events of the primary: what is current is told by the primary's rows, a replica's are by its own calls
-- notes:   rotations are told by RotateKey events and by imported list-key-rotations outputs
-- column:  key_material_id: 64 hex digits
-- column:  is_current: no other material of the key encrypted, or was rotated to, later; two of them where both did so in one second
-- column:  is_needed_after_rotation: old material that opened something after the current one was rotated to or had begun to encrypt
-- column:  rotated_time: rotation that made it the current one, UTC; null = neither the logs nor an output tell
-- column:  encrypt_count: calls that made a ciphertext or a data key; ReEncrypt for its destination key
-- column:  decrypt_count: calls that opened one; ReEncrypt for its source key
-- column:  first_encrypt_time: earliest call that made one, UTC; null = none seen
-- column:  last_encrypt_time: latest such call, UTC
-- column:  first_decrypt_time: earliest call that opened one, UTC; null = none seen
-- column:  last_decrypt_time: latest such call, UTC
with calls as (
    select
        key_arn,
        case
            when event_name = 'RotateKey' then service_event_details ->> 'currentKeyMaterialId'
            else key_material_id
        end as key_material_id,
        event_time,
        case
            when event_name = 'RotateKey' then 'rotating'
            when operation_class = 'decrypt' or key_role = 'source' then 'opening'
            else 'making'
        end as part,
        amends_event_id is null as is_counted
    from kms_events
    where key_arn is not null
        and error_code is null
        and (
            event_name = 'RotateKey'
            or (
                key_role <> 'target'
                and key_material_id is not null
                and operation_class in ('encrypt', 'decrypt', 'generate_data_key', 're_encrypt')
            )
        )

    union all

    select
        key_arn,
        rotated_material_id as key_material_id,
        last_rotated_time as event_time,
        'rotating' as part,
        false as is_counted
    from inventory_keys
),

materials as (
    select
        key_arn,
        key_material_id,
        count(*) filter (where is_counted and part = 'making') as encrypt_count,
        count(*) filter (where is_counted and part = 'opening') as decrypt_count,
        min(event_time) filter (where part = 'making') as first_encrypt_time,
        max(event_time) filter (where part = 'making') as last_encrypt_time,
        min(event_time) filter (where part = 'opening') as first_decrypt_time,
        max(event_time) filter (where part = 'opening') as last_decrypt_time,
        max(event_time) filter (where part = 'rotating') as rotated_time,
        min(event_time) filter (where part <> 'opening') as first_current_time,
        max(event_time) filter (where part <> 'opening') as last_current_time
    from calls
    where key_material_id is not null
    group by
        key_arn,
        key_material_id
),

ranked as (
    select
        *,
        coalesce(last_current_time = max(last_current_time) over (partition by key_arn), false) as is_current
    from materials
),

rotated as (
    select
        *,
        min(case when is_current then first_current_time end) over (partition by key_arn) as current_since_time
    from ranked
)

select
    key_arn,
    key_material_id,
    is_current,
    not is_current and coalesce(last_decrypt_time >= current_since_time, false) as is_needed_after_rotation,
    encrypt_count,
    decrypt_count,
    first_encrypt_time,
    last_encrypt_time,
    first_decrypt_time,
    last_decrypt_time,
    rotated_time
from rotated
