-- view:    kms_key_verdicts
-- summary: For every key what the logs show about its use, and what is missing for the logs to show it
-- grain:   key_arn
-- reads:   kms_keys, kms_key_usage, kms_events, kms_grants, kms_mrk_families, kms_blind_spots, trail_coverage, inventory_last_usage
-- notes:   a verdict is about the covered window of the key's own account and region, which receive every call on the key, also those of other accounts
-- notes:   no_use_found is no proof: cached data keys, Bucket Keys, attached volumes and public keys are used without a KMS call
-- notes:   a key that neither an event nor an imported output names has no row here; `keytrail key ARN` answers for it too
-- column:  verdict: in_use, blocked_demand (calls that needed the key failed, and none succeeded since), no_use_found, incomplete (no use found, but the logs have holes)
-- column:  reasons: what the verdict follows from, sorted and comma-separated: use, only_probes, multi_region_sibling_used, outcomes of the failed calls, or kinds of kms_blind_spots, and missing_event (GetKeyLastUsage names a use that the logs do not hold); empty for no_use_found
-- column:  key_state: as last known from the logs; null = the logs do not tell
-- column:  last_used_event_id: the evidence of the last use
-- column:  probe_count: calls among the uses by which a service only checked its permission
-- column:  unmet_count: cryptographic calls that show demand but failed: the key's state, a key that is gone, a passing fault, a signature or MAC that did not match
-- column:  last_unmet_event_id: the evidence of the latest of them
-- column:  denied_count: cryptographic calls that failed for want of permission
-- column:  unattributed_failure_count: failed cryptographic calls in the key's account and region that name no key: any may have meant this one
-- column:  live_grant_count: grants that were created and not ended, as far as the logs show
-- column:  family_last_used_time: last use of any member of the multi-Region set, this one included; null = no set, or no use
-- column:  covered_from_time: first event of any service in the key's account and region, UTC; null = not covered at all
-- column:  covered_to_time: the last one, UTC
-- column:  covered_day_count: UTC days with at least one event
-- column:  is_whole_life_covered: the key was created inside the window; else uses before it cannot be seen
-- column:  last_unmet_time: time of the latest of them, UTC; null = none
-- column:  creation_time: time of its creation, UTC; null = older than the logs
-- column:  first_used_time: earliest use, UTC; null = no use seen
-- column:  last_used_time: latest use, UTC; null = no use seen
-- column:  use_event_count: events that are a use of the key, as in kms_key_usage
with facts as (
    select
        key_arn,
        first_used_time,
        last_used_time,
        last_used_event_id,
        use_event_count,
        0 as probe_count,
        0 as unmet_count,
        null as unmet_outcomes,
        0 as denied_count,
        null as last_unmet_time,
        null as last_blocked_time,
        null as last_unmet_event_id,
        0 as live_grant_count,
        null as creation_time,
        null as key_state,
        null as tracked_used_time
    from kms_key_usage

    union all

    select
        key_arn,
        null as first_used_time,
        null as last_used_time,
        null as last_used_event_id,
        0 as use_event_count,
        count(*) filter (where error_code is null and outcome = 'probe') as probe_count,
        count(*) filter (where outcome <> 'probe' and outcome <> 'denied') as unmet_count,
        string_agg(distinct outcome, ',' order by outcome) filter (where outcome <> 'probe' and outcome <> 'denied') as unmet_outcomes,
        count(*) filter (where outcome = 'denied') as denied_count,
        max(event_time) filter (where outcome <> 'probe' and outcome <> 'denied') as last_unmet_time,
        max(event_time) filter (where outcome in ('blocked', 'not_found')) as last_blocked_time,
        max_by(event_id, event_time) filter (where outcome <> 'probe' and outcome <> 'denied') as last_unmet_event_id,
        0 as live_grant_count,
        null as creation_time,
        null as key_state,
        null as tracked_used_time
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and outcome in ('probe', 'denied', 'blocked', 'transient', 'not_found', 'verify_failed')
        and amends_event_id is null
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
    group by
        key_arn

    union all

    select
        key_arn,
        null as first_used_time,
        null as last_used_time,
        null as last_used_event_id,
        0 as use_event_count,
        0 as probe_count,
        0 as unmet_count,
        null as unmet_outcomes,
        0 as denied_count,
        null as last_unmet_time,
        null as last_blocked_time,
        null as last_unmet_event_id,
        count(*) as live_grant_count,
        null as creation_time,
        null as key_state,
        null as tracked_used_time
    from kms_grants
    where key_arn is not null
        and grant_state = 'live'
    group by
        key_arn

    union all

    select
        key_arn,
        null as first_used_time,
        null as last_used_time,
        null as last_used_event_id,
        0 as use_event_count,
        0 as probe_count,
        0 as unmet_count,
        null as unmet_outcomes,
        0 as denied_count,
        null as last_unmet_time,
        null as last_blocked_time,
        null as last_unmet_event_id,
        0 as live_grant_count,
        creation_time,
        key_state,
        null as tracked_used_time
    from kms_keys

    union all

    select
        key_arn,
        null as first_used_time,
        null as last_used_time,
        null as last_used_event_id,
        0 as use_event_count,
        0 as probe_count,
        0 as unmet_count,
        null as unmet_outcomes,
        0 as denied_count,
        null as last_unmet_time,
        null as last_blocked_time,
        null as last_unmet_event_id,
        0 as live_grant_count,
        null as creation_time,
        null as key_state,
        last_used_time as tracked_used_time
    from inventory_last_usage
),

keys as (
    select
        key_arn,
        split_part(key_arn, ':', 5) as account_id,
        split_part(key_arn, ':', 4) as aws_region,
        case
            when split_part(key_arn, ':key/', 2) like 'mrk-%'
                then concat(split_part(key_arn, ':', 2), ':', split_part(key_arn, ':', 5), ':', split_part(key_arn, ':key/', 2))
        end as family_id,
        max(key_state) as key_state,
        max(creation_time) as creation_time,
        max(tracked_used_time) as tracked_used_time,
        min(first_used_time) as first_used_time,
        max(last_used_time) as last_used_time,
        max(last_used_event_id) as last_used_event_id,
        sum(use_event_count) as use_event_count,
        sum(probe_count) as probe_count,
        sum(unmet_count) as unmet_count,
        max(unmet_outcomes) as unmet_outcomes,
        max(last_unmet_time) as last_unmet_time,
        max(last_blocked_time) as last_blocked_time,
        max(last_unmet_event_id) as last_unmet_event_id,
        sum(denied_count) as denied_count,
        sum(live_grant_count) as live_grant_count
    from facts
    group by
        key_arn
),

coverage as (
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

-- A file that could not be read and names no place may belong to any.
blind_kinds as (
    select distinct
        account_id,
        aws_region,
        kind
    from kms_blind_spots
),

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
),

unattributed as (
    select
        recipient_account_id as account_id,
        aws_region,
        count(*) as event_count
    from kms_events
    where key_arn is null
        and key_role <> 'target'
        and error_code is not null
        and amends_event_id is null
    group by
        recipient_account_id,
        aws_region
),

judged as (
    select
        keys.*,
        kms_mrk_families.last_used_time as family_last_used_time,
        coverage.covered_from_time,
        coverage.covered_to_time,
        coalesce(coverage.covered_day_count, 0) as covered_day_count,
        coalesce(unattributed.event_count, 0) as unattributed_failure_count,
        concat_ws(
            ',',
            case when coverage.account_id is null then 'no_logs' else blind_spots.kinds end,
            case when keys.tracked_used_time > coalesce(keys.last_used_time, timestamp '1970-01-01') then 'missing_event' end
        ) as blind_kinds,
        case
            -- Whatever failed otherwise may have been tried again with success.
            when keys.last_blocked_time is not null
                and coalesce(keys.last_used_time < keys.last_blocked_time, true) then 'blocked_demand'
            when keys.use_event_count > 0 or keys.last_used_time is not null then 'in_use'
            when kms_mrk_families.last_used_time is not null then 'in_use'
            when keys.unmet_count > 0 then 'blocked_demand'
            when coverage.account_id is null or blind_spots.kinds is not null or keys.tracked_used_time is not null then 'incomplete'
            else 'no_use_found'
        end as verdict
    from keys
    left join kms_mrk_families
        on kms_mrk_families.family_id = keys.family_id
    left join coverage
        on coverage.account_id = keys.account_id
        and coverage.aws_region = keys.aws_region
    left join blind_spots
        on blind_spots.account_id = keys.account_id
        and blind_spots.aws_region = keys.aws_region
    left join unattributed
        on unattributed.account_id = keys.account_id
        and unattributed.aws_region = keys.aws_region
)

select
    key_arn,
    verdict,
    case
        when verdict = 'blocked_demand' then unmet_outcomes
        when verdict = 'in_use' and last_used_time is null then 'multi_region_sibling_used'
        when verdict = 'in_use' and use_event_count <= probe_count then 'only_probes'
        when verdict = 'in_use' then 'use'
        when verdict = 'incomplete' then blind_kinds
        else ''
    end as reasons,
    key_state,
    creation_time,
    first_used_time,
    last_used_time,
    last_used_event_id,
    use_event_count,
    probe_count,
    unmet_count,
    last_unmet_time,
    last_unmet_event_id,
    denied_count,
    unattributed_failure_count,
    live_grant_count,
    family_last_used_time,
    covered_from_time,
    covered_to_time,
    covered_day_count,
    coalesce(creation_time >= covered_from_time, false) as is_whole_life_covered
from judged
