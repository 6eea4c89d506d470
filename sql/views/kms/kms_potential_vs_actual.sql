-- view:    kms_potential_vs_actual
-- summary: Who may be allowed to use a key and was never seen to, and who used it and is named by nothing that allows it
-- grain:   key_arn, principal, finding
-- reads:   kms_potential_access, kms_key_principals
-- notes:   services, and identities that a whole account or everyone stands for, cannot be told apart: they are left out of never_seen, and root users of the whole
-- notes:   a principal that is no longer named may be allowed by what keytrail has not been given, IAM policies above all
-- column:  finding: never_seen (may be allowed, no use in the logs), no_longer_named (used the key, and no policy or grant known now names it), seen (both)
-- column:  tiers: how it may be allowed, sorted and comma-separated; empty = not at all
-- column:  use_event_count: successful cryptographic calls in the logs
-- column:  last_used_time: its last call on the key, failed or not, UTC; null = none seen
-- column:  principal: user or role, as its ARN
with potential as (
    select
        key_arn,
        principal_role(principal) as principal,
        string_agg(distinct tier, ',' order by tier) as tiers
    from kms_potential_access
    where tier in ('named', 'account_delegation', 'grant')
        and principal like 'arn:%'
        and not principal like '%:root'
    group by
        key_arn,
        principal_role(principal)
),

-- Whom nothing has to name: everyone, or all of an account.
unnamed as (
    select distinct
        key_arn,
        case
            when tier = 'anyone' then '*'
            when principal like 'arn:%' then split_part(principal, ':', 5)
            else principal
        end as account_id
    from kms_potential_access
    where tier = 'anyone'
        or (tier = 'named' and (principal like '%:root' or not principal like 'arn:%'))
),

actual as (
    select
        key_arn,
        principal,
        use_event_count,
        last_seen_time
    from kms_key_principals
    where principal like 'arn:%'
        and not principal like '%:root'
        and use_event_count > 0
)

-- Two parts instead of a full join, so that a condition on the key reaches what each of them reads.
select
    potential.key_arn,
    potential.principal,
    case when actual.principal is null then 'never_seen' else 'seen' end as finding,
    potential.tiers,
    coalesce(actual.use_event_count, 0) as use_event_count,
    actual.last_seen_time as last_used_time
from potential
left join actual
    on actual.key_arn = potential.key_arn
    and actual.principal = potential.principal

union all

select
    actual.key_arn,
    actual.principal,
    'no_longer_named' as finding,
    '' as tiers,
    actual.use_event_count,
    actual.last_seen_time as last_used_time
from actual
where actual.key_arn in (select key_arn from kms_potential_access)
    and not exists (
        select 1
        from unnamed
        where unnamed.key_arn = actual.key_arn
            and unnamed.account_id in ('*', split_part(actual.principal, ':', 5))
    )
    and not exists (
        select 1
        from potential
        where potential.key_arn = actual.key_arn
            and potential.principal = actual.principal
    )
