-- view:    kms_unused_keys
-- summary: Customer keys of the inventory without a use in the logs, with what the logs cover where they live
-- grain:   key_arn
-- reads:   inventory_keys, kms_key_verdicts, kms_blind_spots, trail_coverage
-- notes:   no use in the logs is no proof that a key is not needed: see kms_key_verdicts, and `keytrail key` for one of them
-- notes:   keys pending deletion are in; keys that AWS manages are out
-- column:  verdict: no_use_found or incomplete, as in kms_key_verdicts, for keys that no event names too
-- column:  reasons: kinds of kms_blind_spots where the key lives, sorted, and missing_event; empty = none
-- column:  covered_from_time: first event of the key's account and region, UTC; null = no logs of it at all
-- column:  is_whole_life_covered: the key was created inside the window
-- column:  description: as describe-key gave it; null = only listed
-- column:  key_state: as describe-key gave it; null = only listed
-- column:  creation_time: CreationDate, UTC; null = only listed
-- column:  deletion_time: DeletionDate, UTC; null = none scheduled
-- column:  covered_to_time: last event of the key's account and region, UTC
-- column:  covered_day_count: UTC days with at least one event
with coverage as (
    select
        recipient_account_id as account_id,
        aws_region,
        min(first_event_time) as covered_from_time,
        max(last_event_time) as covered_to_time,
        count(distinct cast(event_hour as date)) as covered_day_count
    from trail_coverage
    where record_count > 0
    group by
        recipient_account_id,
        aws_region
),

blind_kinds as (
    select distinct
        account_id,
        aws_region,
        kind
    from kms_blind_spots
),

-- As in kms_key_verdicts: a file that could not be read and names no place may belong to any.
blind_spots as (
    select
        coverage.account_id,
        coverage.aws_region,
        string_agg(distinct blind_kinds.kind, ',' order by blind_kinds.kind) as kinds
    from coverage
    inner join blind_kinds
        on coalesce(blind_kinds.account_id, coverage.account_id) = coverage.account_id
        and coalesce(blind_kinds.aws_region, coverage.aws_region) = coverage.aws_region
    group by
        coverage.account_id,
        coverage.aws_region
)

select
    inventory_keys.key_arn,
    coalesce(
        kms_key_verdicts.verdict,
        case
            when coverage.account_id is null or blind_spots.kinds is not null then 'incomplete'
            else 'no_use_found'
        end
    ) as verdict,
    coalesce(
        kms_key_verdicts.reasons,
        case when coverage.account_id is null then 'no_logs' else coalesce(blind_spots.kinds, '') end
    ) as reasons,
    inventory_keys.key_state,
    inventory_keys.creation_time,
    inventory_keys.deletion_time,
    inventory_keys.description,
    coverage.covered_from_time,
    coverage.covered_to_time,
    coalesce(coverage.covered_day_count, 0) as covered_day_count,
    coalesce(inventory_keys.creation_time >= coverage.covered_from_time, false) as is_whole_life_covered
from inventory_keys
left join kms_key_verdicts
    on kms_key_verdicts.key_arn = inventory_keys.key_arn
left join coverage
    on coverage.account_id = inventory_keys.account_id
    and coverage.aws_region = inventory_keys.aws_region
left join blind_spots
    on blind_spots.account_id = inventory_keys.account_id
    and blind_spots.aws_region = inventory_keys.aws_region
where coalesce(inventory_keys.key_manager, 'CUSTOMER') = 'CUSTOMER'
    and coalesce(kms_key_verdicts.verdict, 'no_use_found') in ('no_use_found', 'incomplete')
