-- view:    kms_key_verdicts
-- summary: For every key what the logs show about its use, and what is missing for the logs to show it
-- grain:   key_arn
-- reads:   kms_keys, kms_key_lifecycle, kms_key_usage, kms_events, kms_unresolved_calls, key_evidence, kms_grants, kms_blind_spots, trail_coverage, inventory_keys, inventory_last_usage
-- kept:    up to 500,000 rows, until the data changes: a key is judged with its set, so that one key's row takes as long as all
-- notes:   a verdict is about the covered window of the key's own account and region, which receive every call on the key, also those of other accounts
-- notes:   a multi-Region key is judged with its set, whose members open each other's ciphertexts: over the windows of all of them
-- notes:   what is missing before a key was made or after it was deleted hides no use of it, nor was it meant by a call without a key then
-- notes:   no_use_found is no proof: cached data keys, Bucket Keys, attached volumes and public keys are used without a KMS call
-- notes:   a key that neither an event nor an imported output names has no row here; `keytrail key ARN` answers for it too
-- column:  verdict: in_use, blocked_demand (calls that needed the key, or a member of its multi-Region set, failed, and none succeeded since), no_use_found, incomplete (no use found, but the logs have holes, or show what no key without a use would have)
-- column:  reasons: what the verdict follows from, comma-separated: use, only_probes, multi_region_sibling_used, multi_region_sibling_blocked, or the outcomes of the failed calls (blocked_in_service, not_found_in_service, inaccessible_in_service: told by another service's record). Of incomplete: kinds of kms_blind_spots, sorted; unattributed_use (a call in the key's account and region, or in none that is named, succeeded whose record names no key); unattributed_demand (one failed as those of unmet_count do, and not by throttling, or KMS refused a service, for a key that the record does not name); denied_by_key_policy (its policy, or a resource control policy, denies a call of its own account, or of a service there, or allows it no more: somebody there needs it, or tries), other_key_blocked (a ReEncrypt that named it failed for its other key), unknown_failure (a cryptographic call failed, and the error does not tell whether for the key), unknown_operation (a call that keytrail does not know), unopened_ciphertext (a Decrypt or ReEncrypt of what was taken for a ciphertext of the key failed, as it is damaged or its encryption context another one), protects_objects (a data event names it for what was written); encrypted_resource (a volume, a snapshot, a database, a secret or the like was made with it, and the KMS calls for that are not in the logs); not_yet_covered (the logs end before the key was made); tracked_use (GetKeyLastUsage names a use before or after what the logs cover, or at a time that cannot be read); missing_event (GetKeyLastUsage names a use inside the window, or describe-key a creation, list-grants a grant's, or list-key-rotations a rotation inside the window, that the logs do not hold; or its deletion, or the end of its imported material, was due three days before the logs end, and they hold neither that nor what prevented it); multi_region_sibling_incomplete (of a member of its set any of these is true, or KMS told that the set has other members, and nothing names them); empty for no_use_found
-- column:  key_state: as last known from the logs; null = the logs do not tell
-- column:  last_used_event_id: the evidence of the last use
-- column:  alias_use_count: uses among them whose record names an alias of the key and no key: see kms_unresolved_calls; kms_key_usage has not got them
-- column:  probe_count: calls among the uses by which a service only checked its permission
-- column:  unmet_count: calls that show demand but failed: those with is_demand in kms_events, by the key or an alias of it, and those of other services that could not use the key
-- column:  last_unmet_event_id: the evidence of the latest of them
-- column:  denied_count: cryptographic calls that failed for want of permission
-- column:  unattributed_use_count: cryptographic calls in the key's account and region, or in none that is named, that succeeded and name no key, nor an alias that is known: any may have meant this one
-- column:  unattributed_failure_count: those that failed, and calls of other services that failed for a key that their record does not name
-- column:  live_grant_count: grants that were created and not ended, as far as the logs show
-- column:  family_last_used_time: last use of any member of the multi-Region set, this one included; null = no set, or no use
-- column:  family_last_unmet_time: latest call with a member of the set that shows demand but failed, this one included; null = no set, or none
-- column:  covered_from_time: first event of any service in the key's account and region, UTC; null = not covered at all
-- column:  covered_to_time: the last one, UTC
-- column:  covered_day_count: UTC days with at least one event
-- column:  is_whole_life_covered: the key was created inside the window, and the logs hold its creation; else uses before it cannot be seen
-- column:  last_unmet_time: time of the latest of them, UTC; null = none
-- column:  creation_time: time of its creation, UTC; null = older than the logs
-- column:  first_used_time: earliest use, UTC; null = no use seen
-- column:  last_used_time: latest use, UTC; null = no use seen
-- column:  use_event_count: events that are a use of the key, as in kms_key_usage, and those by alias
with calls as (
    select
        key_arn,
        case
            when outcome in ('blocked', 'not_found', 'transient') and not is_demand then 'other_key_blocked'
            when outcome = 'succeeded' then 'unknown_operation'
            when outcome = 'failed' and strpos(error_code, 'InvalidCiphertext') > 0 then 'unopened_ciphertext'
            when outcome = 'failed' then 'unknown_failure'
            -- Whoever denies and watches asks for just this; a stranger's tries are denied for want of a grant.
            when outcome = 'denied'
                -- The second is how it was told once.
                and regexp_like(
                    error_message,
                    'explicit deny in a resource|with an explicit deny\.?$|no resource-based policy allows'
                )
                -- A service has no account but the one in whose logs it stands.
                and coalesce(principal_account_id, recipient_account_id) = split_part(key_arn, ':', 5) then 'denied_by_key_policy'
            else outcome
        end as outcome,
        event_id,
        event_time,
        amends_event_id,
        error_code is null as is_success,
        is_demand as is_unmet,
        false as is_alias_use
    from kms_events
    where key_arn is not null
        and (
            is_demand
            or (key_role <> 'target' and outcome in ('probe', 'denied', 'blocked', 'not_found', 'transient'))
            -- Somebody takes what he holds for a ciphertext of the key; and errors of which nothing says that they are his mistake.
            or (
                key_role <> 'target'
                and outcome = 'failed'
                and not regexp_like(error_code, '^(IncorrectKey|InvalidKeyUsage|InvalidGrantToken|InvalidGrantId|InvalidArn|InvalidParameter|Validation|ValidationError|UnsupportedOperation)(Exception)?$')
            )
            -- What KMS learns to do one day.
            or (
                operation_class = 'unknown'
                and outcome = 'succeeded'
                and not starts_with(event_name, 'Get')
                and not starts_with(event_name, 'List')
                and not starts_with(event_name, 'Describe')
            )
            or (amends_event_id is not null and outcome = 'used')
        )
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)

    union all

    select
        key_arn,
        outcome,
        event_id,
        event_time,
        amends_event_id,
        error_code is null as is_success,
        outcome in ('blocked', 'not_found', 'transient', 'verify_failed') as is_unmet,
        error_code is null as is_alias_use
    from kms_unresolved_calls
    where key_arn is not null
),

coverage as (
    select
        recipient_account_id as account_id,
        aws_region,
        min(first_event_time) as covered_from_time,
        max(last_event_time) as covered_to_time,
        count(distinct cast(event_hour as date)) as covered_day_count
    from trail_coverage
    where management_count > 0
    group by
        recipient_account_id,
        aws_region
),

-- A file that could not be read and names no place may belong to any.
place_kinds as (
    select
        coverage.account_id,
        coverage.aws_region,
        kms_blind_spots.kind,
        case when bool_and(kms_blind_spots.from_time is not null) then min(kms_blind_spots.from_time) end as from_time,
        case when bool_and(kms_blind_spots.to_time is not null) then max(kms_blind_spots.to_time) end as until_time
    from coverage
    inner join kms_blind_spots
        on coalesce(kms_blind_spots.account_id, coverage.account_id) = coverage.account_id
        and coalesce(kms_blind_spots.aws_region, coverage.aws_region) = coverage.aws_region
    group by
        coverage.account_id,
        coverage.aws_region,
        kms_blind_spots.kind
),

-- For keys that only inventory knows, and not when they were made.
blind_places as (
    select
        account_id,
        aws_region,
        string_agg(distinct kind, ',' order by kind) as blind_kinds
    from place_kinds
    group by
        account_id,
        aws_region
),

-- So may a call whose record names no place.
unnamed as (
    select
        coverage.account_id,
        coverage.aws_region,
        count(distinct coalesce(amends_event_id, event_id)) filter (where error_code is null) as use_count,
        count(distinct coalesce(amends_event_id, event_id)) filter (where error_code is not null) as failure_count,
        count(*) filter (where is_demand) as demand_count,
        case when bool_and(event_time is not null) then min(event_time) end as first_time,
        case when bool_and(event_time is not null) then max(event_time) end as last_time
    from coverage
    inner join kms_unresolved_calls
        on coalesce(kms_unresolved_calls.key_account_id, coverage.account_id) = coverage.account_id
        and coalesce(kms_unresolved_calls.key_region, coverage.aws_region) = coverage.aws_region
    where kms_unresolved_calls.key_arn is null
    group by
        coverage.account_id,
        coverage.aws_region

    union all

    -- KMS refused a service, whose record does not tell for which key.
    select
        coverage.account_id,
        coverage.aws_region,
        0 as use_count,
        sum(event_count) as failure_count,
        sum(case when proof <> 'not_found' then event_count else 0 end) as demand_count,
        case when bool_and(first_seen_time is not null) then min(first_seen_time) end as first_time,
        case when bool_and(last_seen_time is not null) then max(last_seen_time) end as last_time
    from coverage
    inner join key_evidence
        on coalesce(key_evidence.account_id, coverage.account_id) = coverage.account_id
        and coalesce(key_evidence.aws_region, coverage.aws_region) = coverage.aws_region
    where key_evidence.key_arn is null
    group by
        coverage.account_id,
        coverage.aws_region
),

unattributed as (
    select
        account_id,
        aws_region,
        sum(use_count) as use_count,
        sum(failure_count) as failure_count,
        sum(demand_count) as demand_count,
        case when bool_and(first_time is not null) then min(first_time) end as first_time,
        case when bool_and(last_time is not null) then max(last_time) end as last_time
    from unnamed
    group by
        account_id,
        aws_region
),

-- What each source tells of a key; the columns that it has nothing for are null.
facts as (
    select
        key_arn,
        first_used_time,
        last_used_time,
        last_used_event_id,
        use_event_count
    from kms_key_usage

    union all by name

    select
        key_arn,
        min(event_time) filter (where is_alias_use) as first_used_time,
        max(event_time) filter (where is_alias_use) as last_used_time,
        last_value(event_id order by event_time asc, event_id asc) filter (where is_alias_use) as last_used_event_id,
        count(distinct coalesce(amends_event_id, event_id)) filter (where is_alias_use) as use_event_count,
        count(distinct coalesce(amends_event_id, event_id)) filter (where is_alias_use) as alias_use_count,
        count(*) filter (where outcome = 'used' and amends_event_id is not null) as amending_use_count,
        count(*) filter (where outcome = 'probe' and is_success and amends_event_id is null) as probe_count,
        count(distinct coalesce(amends_event_id, event_id)) filter (where is_unmet) as unmet_count,
        string_agg(distinct outcome, ',' order by outcome) filter (where is_unmet) as unmet_outcomes,
        max(event_time) filter (where is_unmet) as last_unmet_time,
        max(event_time) filter (where is_unmet and outcome in ('blocked', 'not_found')) as last_blocked_time,
        last_value(event_id order by event_time asc, event_id asc) filter (where is_unmet) as last_unmet_event_id,
        count(distinct coalesce(amends_event_id, event_id)) filter (
            where outcome in ('denied', 'denied_by_key_policy')
        ) as denied_count,
        string_agg(distinct outcome, ',' order by outcome) filter (
            where outcome in ('denied_by_key_policy', 'other_key_blocked', 'unknown_failure', 'unknown_operation', 'unopened_ciphertext')
        ) as signs
    from calls
    group by
        key_arn

    union all by name

    select
        key_arn,
        sum(event_count) filter (where proof not in ('protects', 'encrypted')) as unmet_count,
        string_agg(distinct concat(proof, '_in_service'), ',' order by concat(proof, '_in_service')) filter (
            where proof not in ('protects', 'encrypted')
        ) as service_outcomes,
        max(last_seen_time) filter (where proof not in ('protects', 'encrypted')) as last_unmet_time,
        max(last_seen_time) filter (where proof not in ('protects', 'encrypted')) as last_blocked_time,
        last_value(last_event_id order by last_seen_time asc, last_event_id asc) filter (where proof not in ('protects', 'encrypted')) as last_unmet_event_id,
        bool_or(proof = 'protects') as is_protecting,
        bool_or(proof = 'encrypted') as has_encrypted
    from key_evidence
    where key_arn is not null
    group by
        key_arn

    union all by name

    select
        key_arn,
        count(*) as live_grant_count
    from kms_grants
    where key_arn is not null
        and grant_state = 'live'
    group by
        key_arn

    union all by name

    select
        key_arn,
        creation_time,
        key_state,
        deleted_time,
        case
            when key_state = 'PendingDeletion' then deletion_time
            when key_state in ('Enabled', 'Disabled') then material_expiry_time
        end as due_time,
        created_event_id,
        key_manager,
        true as is_known
    from kms_keys

    union all by name

    -- KMS writes so of keys that have replicas, and of those that became or were the primary of others.
    select
        key_arn,
        true as is_in_set
    from kms_key_lifecycle
    where split_part(key_arn, ':key/', 2) like 'mrk-%'
        and (
            lifecycle_event = 'synchronized'
            or key_state_after = 'PendingReplicaDeletion'
            or (lifecycle_event = 'primary_changed' and split_part(key_arn, ':', 4) <> request_parameters ->> 'primaryRegion')
            or (
                lifecycle_event = 'primary_changed'
                and starts_with(request_parameters ->> 'keyId', 'arn:')
                and request_parameters ->> 'keyId' <> key_arn
            )
        )
    group by
        key_arn

    union all by name

    select
        kms_keys.key_arn,
        string_agg(distinct place_kinds.kind, ',' order by place_kinds.kind) as blind_kinds
    from kms_keys
    inner join place_kinds
        on place_kinds.account_id = kms_keys.account_id
        and place_kinds.aws_region = kms_keys.aws_region
    where (
        kms_keys.creation_time is null
        or place_kinds.until_time is null
        or place_kinds.until_time > kms_keys.creation_time
    )
        and (
            kms_keys.deleted_time is null
            or place_kinds.from_time is null
            or place_kinds.from_time < kms_keys.deleted_time
        )
    group by
        kms_keys.key_arn

    union all by name

    -- A record of its making may lack the id of a grant.
    select
        listed.key_arn,
        true as is_event_missing
    from kms_grants as listed
    inner join coverage
        on coverage.account_id = split_part(listed.key_arn, ':', 5)
        and coverage.aws_region = split_part(listed.key_arn, ':', 4)
        and listed.created_time > coverage.covered_from_time + interval '1 hour'
        and listed.created_time < coverage.covered_to_time - interval '1 hour'
    left join kms_grants as logged
        on logged.key_arn = listed.key_arn
        and logged.created_event_id is not null
        and logged.created_time >= listed.created_time - interval '5 minutes'
        and logged.created_time <= listed.created_time + interval '5 minutes'
    where listed.created_event_id is null
        and logged.key_arn is null

    union all by name

    select
        inventory_keys.key_arn,
        true as is_event_missing
    from inventory_keys
    inner join coverage
        on coverage.account_id = split_part(inventory_keys.key_arn, ':', 5)
        and coverage.aws_region = split_part(inventory_keys.key_arn, ':', 4)
        and inventory_keys.last_rotated_time > coverage.covered_from_time + interval '1 day'
        and inventory_keys.last_rotated_time < coverage.covered_to_time - interval '1 day'
    left join kms_key_lifecycle as logged
        on logged.key_arn = inventory_keys.key_arn
        and logged.lifecycle_event = 'rotated'
        and logged.event_time >= inventory_keys.last_rotated_time - interval '1 day'
        and logged.event_time <= inventory_keys.last_rotated_time + interval '1 day'
    -- The members of a set are rotated as one.
    where inventory_keys.key_arn not like '%:key/mrk-%'
        and logged.key_arn is null

    union all by name

    select
        key_arn,
        last_used_time as tracked_used_time,
        has_use and last_used_time is null as is_tracked_use_undated
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
        max(created_event_id) as created_event_id,
        max(key_manager) as key_manager,
        max(deleted_time) as deleted_time,
        max(due_time) as due_time,
        max(tracked_used_time) as tracked_used_time,
        coalesce(bool_or(is_tracked_use_undated), false) as is_tracked_use_undated,
        coalesce(bool_or(is_event_missing), false) as is_event_missing,
        min(first_used_time) as first_used_time,
        max(last_used_time) as last_used_time,
        last_value(last_used_event_id order by last_used_time asc nulls first, last_used_event_id asc) as last_used_event_id,
        coalesce(sum(use_event_count), 0) as use_event_count,
        coalesce(sum(alias_use_count), 0) as alias_use_count,
        coalesce(sum(amending_use_count), 0) as amending_use_count,
        coalesce(sum(probe_count), 0) as probe_count,
        coalesce(sum(unmet_count), 0) as unmet_count,
        max(unmet_outcomes) as unmet_outcomes,
        max(service_outcomes) as service_outcomes,
        max(last_unmet_time) as last_unmet_time,
        max(last_blocked_time) as last_blocked_time,
        last_value(last_unmet_event_id order by last_unmet_time asc nulls first, last_unmet_event_id asc) as last_unmet_event_id,
        coalesce(sum(denied_count), 0) as denied_count,
        max(signs) as signs,
        coalesce(bool_or(is_protecting), false) as is_protecting,
        coalesce(bool_or(has_encrypted), false) as has_encrypted,
        coalesce(sum(live_grant_count), 0) as live_grant_count,
        max(blind_kinds) as blind_kinds,
        coalesce(bool_or(is_known), false) as is_known,
        coalesce(bool_or(is_in_set), false) as is_in_set
    from facts
    group by
        key_arn
),

placed as (
    select
        keys.*,
        coverage.covered_from_time,
        coverage.covered_to_time,
        coalesce(
            keys.created_event_id is null
                and keys.key_manager = 'CUSTOMER'
                and keys.creation_time > coverage.covered_from_time + interval '1 hour'
                and keys.creation_time < coverage.covered_to_time - interval '1 hour',
            false
        ) as is_creation_missing,
        coalesce(coverage.covered_day_count, 0) as covered_day_count,
        coalesce(unattributed.use_count, 0) as unattributed_use_count,
        coalesce(unattributed.failure_count, 0) as unattributed_failure_count,
        concat_ws(
            ',',
            case
                when coverage.account_id is null then 'no_logs'
                when keys.is_known then keys.blind_kinds
                else blind_places.blind_kinds
            end,
            case when unattributed.use_count > 0 and not coalesce(
                keys.creation_time > unattributed.last_time or keys.deleted_time < unattributed.first_time,
                false
            ) then 'unattributed_use' end,
            case when unattributed.demand_count > 0 and not coalesce(
                keys.creation_time > unattributed.last_time or keys.deleted_time < unattributed.first_time,
                false
            ) then 'unattributed_demand' end,
            keys.signs,
            case when keys.is_protecting then 'protects_objects' end,
            case when keys.has_encrypted then 'encrypted_resource' end,
            case when keys.creation_time > coverage.covered_to_time then 'not_yet_covered' end,
            case
                when keys.is_event_missing
                    or (
                    keys.tracked_used_time > coalesce(keys.last_used_time, timestamp '1970-01-01')
                    and keys.tracked_used_time between coverage.covered_from_time and coverage.covered_to_time
                )
                    or (
                        keys.created_event_id is null
                        and keys.key_manager = 'CUSTOMER'
                        and keys.creation_time > coverage.covered_from_time + interval '1 hour'
                        and keys.creation_time < coverage.covered_to_time - interval '1 hour'
                    )
                    -- Either the key was deleted or its material expired, or somebody prevented that.
                    or keys.due_time < coverage.covered_to_time - interval '3 days' then 'missing_event'
            end,
            case
                when keys.is_tracked_use_undated
                    or (
                        keys.tracked_used_time > coalesce(keys.last_used_time, timestamp '1970-01-01')
                        and not coalesce(
                            keys.tracked_used_time between coverage.covered_from_time and coverage.covered_to_time,
                            false
                        )
                    ) then 'tracked_use'
            end
        ) as own_holes
    from keys
    left join coverage
        on coverage.account_id = keys.account_id
        and coverage.aws_region = keys.aws_region
    left join blind_places
        on blind_places.account_id = keys.account_id
        and blind_places.aws_region = keys.aws_region
    left join unattributed
        on unattributed.account_id = keys.account_id
        and unattributed.aws_region = keys.aws_region
),

-- A key alone is its own family.
families as (
    select
        *,
        max(last_used_time) over (partition by coalesce(family_id, key_arn)) as family_used_time,
        max(last_blocked_time) over (partition by coalesce(family_id, key_arn)) as family_blocked_time,
        max(last_unmet_time) over (partition by coalesce(family_id, key_arn)) as family_unmet_time,
        -- Calls whose time cannot be read are seen, too.
        sum(use_event_count + amending_use_count) over (partition by coalesce(family_id, key_arn)) as family_use_count,
        sum(unmet_count) over (partition by coalesce(family_id, key_arn)) as family_unmet_count,
        sum(case when own_holes <> '' then 1 else 0 end) over (partition by coalesce(family_id, key_arn)) as family_hole_count,
        count(*) over (partition by coalesce(family_id, key_arn)) as family_key_count
    from placed
),

judged as (
    select
        *,
        concat_ws(
            ',',
            nullif(own_holes, ''),
            case
                when family_hole_count > case when own_holes <> '' then 1 else 0 end
                    or (is_in_set and family_key_count = 1) then 'multi_region_sibling_incomplete'
            end
        ) as holes,
        case
            -- Whatever failed otherwise may have been tried again with success.
            when last_blocked_time is not null
                and coalesce(last_used_time < last_blocked_time, true) then 'blocked_demand'
            when use_event_count + amending_use_count > 0 then 'in_use'
            when family_blocked_time is not null
                and coalesce(family_used_time < family_blocked_time, true) then 'blocked_demand'
            when family_use_count > 0 then 'in_use'
            when family_unmet_count > 0 then 'blocked_demand'
            else 'none'
        end as seen
    from families
)

select
    key_arn,
    case
        when seen <> 'none' then seen
        when holes <> '' or tracked_used_time is not null then 'incomplete'
        else 'no_use_found'
    end as verdict,
    case
        when seen = 'blocked_demand' and unmet_count = 0 then 'multi_region_sibling_blocked'
        when seen = 'blocked_demand' then concat_ws(',', unmet_outcomes, service_outcomes)
        when seen = 'in_use' and use_event_count + amending_use_count = 0 then 'multi_region_sibling_used'
        when seen = 'in_use' and use_event_count <= probe_count and amending_use_count = 0 then 'only_probes'
        when seen = 'in_use' then 'use'
        else holes
    end as reasons,
    key_state,
    creation_time,
    first_used_time,
    last_used_time,
    last_used_event_id,
    use_event_count,
    alias_use_count,
    probe_count,
    unmet_count,
    last_unmet_time,
    last_unmet_event_id,
    denied_count,
    unattributed_use_count,
    unattributed_failure_count,
    live_grant_count,
    case when family_id is not null then family_used_time end as family_last_used_time,
    case when family_id is not null then family_unmet_time end as family_last_unmet_time,
    covered_from_time,
    covered_to_time,
    covered_day_count,
    coalesce(creation_time between covered_from_time and covered_to_time, false) and not is_creation_missing as is_whole_life_covered
from judged
