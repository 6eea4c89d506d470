-- view:    inventory_keys
-- summary: KMS keys as the AWS CLI last listed or described them, one row per key
-- grain:   key_arn
-- reads:   inventory
-- notes:   empty until `keytrail import` has added the outputs of list-keys and describe-key
-- notes:   keys that were only listed have nulls in what describe-key tells
-- column:  snapshot_time: when the newest of the outputs was made, UTC
-- column:  described_time: when the newest describe-key output was made, UTC; null = only listed
-- column:  key_manager: CUSTOMER or AWS; null = only listed
-- column:  key_state: KeyState; null = only listed
-- column:  creation_time: CreationDate, UTC
-- column:  deletion_time: DeletionDate, UTC; null = none scheduled
-- column:  material_expiry_time: ValidTo of imported key material, UTC; null = it does not expire, or there is none
-- column:  custom_key_store_id: CustomKeyStoreId; null = none
-- column:  primary_key_arn: of a multi-Region set; null for a single-Region key
-- column:  rotation_enabled: whether it is rotated automatically, by get-key-rotation-status; null = not imported
-- column:  rotation_told_time: when that was asked, UTC; null = not imported
-- column:  last_rotated_time: latest rotation by list-key-rotations, UTC; null = none, or not imported
-- column:  rotated_material_id: material that it was rotated to; null = none, or the output does not tell
-- column:  key_id: last part of the ARN
-- column:  account_id: owner, by the ARN
-- column:  key_spec: such as SYMMETRIC_DEFAULT; null = only listed
-- column:  key_usage: such as ENCRYPT_DECRYPT; null = only listed
-- column:  origin: AWS_KMS, EXTERNAL, AWS_CLOUDHSM or EXTERNAL_KEY_STORE; null = only listed
-- column:  description: Description; null = only listed
with described as (
    select
        key_arn,
        snapshot_time,
        row_number() over (
            partition by key_arn
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank,
        item
    from inventory
    where item_kind = 'key_metadata'
        and key_arn is not null
),

listed as (
    select
        key_arn,
        max(account_id) as account_id,
        max(aws_region) as aws_region,
        max(key_id) as key_id,
        max(snapshot_time) as snapshot_time
    from inventory
    where item_kind in ('key', 'key_metadata', 'key_rotation', 'key_rotation_status')
        and key_arn is not null
    group by
        key_arn
),

rotations as (
    select
        key_arn,
        last_value(json_as_text(item, 'KeyRotationEnabled') = 'true' order by snapshot_time asc nulls first, imported_time asc) filter (
            where item_kind = 'key_rotation_status'
        ) as rotation_enabled,
        max(snapshot_time) filter (where item_kind = 'key_rotation_status') as rotation_told_time,
        max(aws_time(json_as_text(item, 'RotationDate'))) filter (where item_kind = 'key_rotation') as last_rotated_time,
        last_value(item ->> 'KeyMaterialId' order by aws_time(json_as_text(item, 'RotationDate')) asc nulls first) filter (
            where item_kind = 'key_rotation'
        ) as rotated_material_id
    from inventory
    where item_kind in ('key_rotation_status', 'key_rotation')
        and key_arn is not null
    group by
        key_arn
)

select
    listed.key_arn,
    listed.key_id,
    listed.account_id,
    listed.aws_region,
    listed.snapshot_time,
    described.snapshot_time as described_time,
    described.item ->> 'KeyManager' as key_manager,
    described.item ->> 'KeyState' as key_state,
    described.item ->> 'KeySpec' as key_spec,
    described.item ->> 'KeyUsage' as key_usage,
    described.item ->> 'Origin' as origin,
    described.item ->> 'Description' as description,
    aws_time(json_as_text(described.item, 'CreationDate')) as creation_time,
    aws_time(json_as_text(described.item, 'DeletionDate')) as deletion_time,
    aws_time(json_as_text(described.item, 'ValidTo')) as material_expiry_time,
    described.item ->> 'CustomKeyStoreId' as custom_key_store_id,
    json_as_text(described.item, 'MultiRegionConfiguration', 'PrimaryKey', 'Arn') as primary_key_arn,
    rotations.rotation_enabled,
    rotations.rotation_told_time,
    rotations.last_rotated_time,
    rotations.rotated_material_id
from listed
left join described
    on described.key_arn = listed.key_arn
    and described.rank = 1
left join rotations
    on rotations.key_arn = listed.key_arn
