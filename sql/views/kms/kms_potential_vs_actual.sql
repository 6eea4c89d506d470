-- view:    kms_potential_vs_actual
-- summary: Who may be allowed to use a key and was never seen to, and who used it, and by what that may be allowed
-- grain:   key_arn, principal, finding
-- reads:   kms_potential_access, kms_key_principals, inventory_iam_statements
-- notes:   of what may be allowed only cryptographic operations count here: who may only manage a key is in kms_potential_access
-- notes:   services, and identities that a whole account or everyone stands for, cannot be told apart: they are never_seen only where something names them, and root users not at all
-- notes:   a principal that is no longer named may be allowed by what keytrail has not been given, IAM policies above all; keys of which no policy and no grant is known have no rows
-- column:  finding: never_seen (may be allowed, no use in the logs), no_longer_named (used the key, and no policy or grant known now allows it), seen (both)
-- column:  tiers: how it may be allowed, sorted and comma-separated; account_delegation also where the key policy leaves it to the IAM policies of the principal's account, and none of that account is imported; empty = not at all
-- column:  use_event_count: successful cryptographic calls in the logs
-- column:  last_used_time: its last call on the key, failed or not, UTC; null = none seen
-- column:  principal: user or role, as its ARN
with told_accounts as (
    select distinct split_part(principal_arn, ':', 5) as account_id
    from inventory_iam_statements
),

named as (
    select
        key_arn,
        tier,
        principal,
        case
            when tier = 'account_delegation' and principal like 'arn:%:root' then split_part(principal, ':', 5)
            when tier = 'account_delegation' and not principal like 'arn:%' then principal
        end as delegated_account_id
    from kms_potential_access
    where has_use_action
),

access as (
    select
        named.key_arn,
        named.tier,
        named.principal,
        case when told_accounts.account_id is null then named.delegated_account_id end as untold_account_id
    from named
    left join told_accounts
        on told_accounts.account_id = named.delegated_account_id
),

potential as (
    select
        key_arn,
        principal_role(principal) as principal,
        string_agg(distinct tier, ',' order by tier) as tiers
    from access
    where tier in ('named', 'account_delegation', 'grant')
        and principal like 'arn:%'
        and not principal like '%:root'
    group by
        key_arn,
        principal_role(principal)
),

actual as (
    select
        key_arn,
        principal,
        split_part(principal, ':', 5) as account_id,
        use_event_count,
        last_seen_time
    from kms_key_principals
    where principal like 'arn:%'
        and not principal like '%:root'
        and use_event_count > 0
),

-- What lets in whoever used the key, without naming him.
unnamed as (
    select
        actual.key_arn,
        actual.principal,
        string_agg(distinct access.tier, ',' order by access.tier) as tiers
    from actual
    inner join access
        on access.key_arn = actual.key_arn
        and (
            access.tier = 'unknown'
            or (access.tier = 'anyone' and strpos(access.principal, actual.principal) = 0)
            or access.untold_account_id = actual.account_id
        )
    group by
        actual.key_arn,
        actual.principal
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
    case when unnamed.principal is null then 'no_longer_named' else 'seen' end as finding,
    coalesce(unnamed.tiers, '') as tiers,
    actual.use_event_count,
    actual.last_seen_time as last_used_time
from actual
left join unnamed
    on unnamed.key_arn = actual.key_arn
    and unnamed.principal = actual.principal
where actual.key_arn in (select key_arn from kms_potential_access)
    and not exists (
        select 1
        from potential
        where potential.key_arn = actual.key_arn
            and potential.principal = actual.principal
    )
