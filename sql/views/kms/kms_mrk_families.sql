-- view:    kms_mrk_families
-- summary: Multi-Region keys taken together: the members of each family, its primary, and use of any of them
-- grain:   family_id
-- reads:   kms_keys, kms_key_usage
-- notes:   a ciphertext of one member can be opened by every other: whether a member may be deleted is a question to the family
-- notes:   members are those that any event names, deleted ones too; a replica in a region without logs is known by its creation only
-- column:  family_id: partition, account and key id, as in aws:111122223333:mrk-1234abcd…
-- column:  key_count: members seen
-- column:  primary_key_arn: primary key, by the last event that tells; null = unknown
-- column:  key_arns: ARNs of the members, sorted, separated by commas
-- column:  aws_regions: their regions, sorted, separated by commas
-- column:  first_used_time: earliest use of any member, UTC; null = no use seen
-- column:  last_used_time: latest use of any member, UTC; null = no use seen
-- column:  last_used_key_arn: member of that use
-- column:  last_used_event_id: event of that use
-- column:  use_event_count: uses of all members
-- column:  failed_count: cryptographic calls on a member that failed
-- column:  not_deleted_key_count: members whose deletion is not in the logs
with usage as (
    select
        key_arn,
        first_used_time,
        last_used_time,
        last_used_event_id,
        use_event_count,
        failed_count
    from kms_key_usage
    where key_arn like '%:key/mrk-%'
),

members as (
    select
        kms_keys.key_arn,
        split_part(kms_keys.key_arn, ':', 2) || ':' || kms_keys.account_id || ':' || kms_keys.key_id as family_id,
        kms_keys.aws_region,
        kms_keys.primary_key_arn,
        kms_keys.deleted_time,
        usage.first_used_time,
        usage.last_used_time,
        usage.last_used_event_id,
        coalesce(usage.use_event_count, 0) as use_event_count,
        coalesce(usage.failed_count, 0) as failed_count
    from kms_keys
    left join usage
        on usage.key_arn = kms_keys.key_arn
    where kms_keys.key_arn like '%:key/mrk-%'
)

select
    family_id,
    count(*) as key_count,
    max(primary_key_arn) as primary_key_arn,
    array_to_string(array_agg(key_arn order by key_arn), ',') as key_arns,
    array_to_string(array_sort(array_agg(distinct aws_region)), ',') as aws_regions,
    min(first_used_time) as first_used_time,
    max(last_used_time) as last_used_time,
    last_value(key_arn order by last_used_time asc, last_used_event_id asc) filter (
        where last_used_time is not null
    ) as last_used_key_arn,
    last_value(last_used_event_id order by last_used_time asc, last_used_event_id asc) filter (
        where last_used_time is not null
    ) as last_used_event_id,
    sum(use_event_count) as use_event_count,
    sum(failed_count) as failed_count,
    count(*) filter (where deleted_time is null) as not_deleted_key_count
from members
group by
    family_id
