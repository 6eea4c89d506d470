-- view:    inventory_family_members
-- summary: Members of multi-Region sets that describe-key outputs of any member name
-- grain:   key_arn
-- reads:   inventory
-- column:  key_arn: the member; it may live where no output was made
-- column:  primary_key_arn: primary key of the set, by the newest of the outputs
-- column:  snapshot_time: when that output was made, UTC
with configurations as (
    select
        snapshot_time,
        imported_time,
        json_as_text(item, 'MultiRegionConfiguration', 'PrimaryKey', 'Arn') as primary_key_arn,
        json_get_array(item, 'MultiRegionConfiguration', 'ReplicaKeys') as replicas
    from inventory
    where item_kind = 'key_metadata'
        and json_as_text(item, 'MultiRegionConfiguration', 'PrimaryKey', 'Arn') is not null
),

replicas as (
    select
        snapshot_time,
        imported_time,
        primary_key_arn,
        unnest(replicas) as replica
    from configurations
),

members as (
    select
        snapshot_time,
        imported_time,
        primary_key_arn,
        primary_key_arn as key_arn
    from configurations

    union all

    select
        snapshot_time,
        imported_time,
        primary_key_arn,
        replica ->> 'Arn' as key_arn
    from replicas
)

select
    key_arn,
    last_value(primary_key_arn order by snapshot_time asc nulls first, imported_time asc) as primary_key_arn,
    max(snapshot_time) as snapshot_time
from members
where key_arn is not null
group by
    key_arn
