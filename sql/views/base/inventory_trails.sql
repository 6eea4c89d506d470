-- view:    inventory_trails
-- summary: The trails that describe-trails last told of, with what their event selectors mean for KMS calls
-- grain:   account_id, trail_arn
-- reads:   inventory
-- notes:   of an organization's trail the ARN names the organization's account; its members are not named
-- column:  account_id: account of the trail's ARN
-- column:  trail_arn: ARN of the trail
-- column:  trail_name: name without the ARN
-- column:  home_region: region where the trail was made
-- column:  is_multi_region: whether it logs all regions
-- column:  is_organization: whether it logs all accounts of an organization
-- column:  kms_effect: as in trail_changes, by get-event-selectors: logged, reads_excluded, writes_excluded, excluded, partial; logged too for a trail without selectors of its own; unknown = it has some that were not imported
-- column:  kms_key_arn: key that encrypts its log files; null = none
-- column:  selectors_time: when get-event-selectors was made, UTC; null = not imported
-- column:  snapshot_time: when describe-trails was made, UTC
with told as (
    select
        item_kind,
        json_as_text(item, 'TrailARN') as trail_arn,
        item,
        snapshot_time,
        row_number() over (
            partition by item_kind, json_as_text(item, 'TrailARN')
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank
    from inventory
    where item_kind in ('trail', 'event_selectors')
        and json_as_text(item, 'TrailARN') is not null
)

select
    split_part(trails.trail_arn, ':', 5) as account_id,
    trails.trail_arn,
    split_part(trails.trail_arn, ':trail/', 2) as trail_name,
    json_as_text(trails.item, 'HomeRegion') as home_region,
    coalesce(json_as_text(trails.item, 'IsMultiRegionTrail') = 'true', false) as is_multi_region,
    coalesce(json_as_text(trails.item, 'IsOrganizationTrail') = 'true', false) as is_organization,
    case
        when selectors.trail_arn is not null then kms_logging_effect('PutEventSelectors', selectors.item)
        when json_as_text(trails.item, 'HasCustomEventSelectors') = 'false' then 'logged'
        else 'unknown'
    end as kms_effect,
    json_as_text(trails.item, 'KmsKeyId') as kms_key_arn,
    selectors.snapshot_time as selectors_time,
    trails.snapshot_time
from told as trails
left join told as selectors
    on selectors.trail_arn = trails.trail_arn
    and selectors.item_kind = 'event_selectors'
    and selectors.rank = 1
where trails.item_kind = 'trail'
    and trails.rank = 1
