-- view:    kms_potential_access
-- summary: Who may be allowed to use each key, by key policies, IAM policies and grants, and how
-- grain:   key_arn, tier, principal, via
-- reads:   kms_key_policies, kms_grants, inventory_key_policies, inventory_iam_statements
-- kept:    up to 500,000 rows, until the data changes: every answer about a key reads it
-- notes:   may be allowed, never is allowed: denials, conditions, permissions boundaries, organisation, session and endpoint policies are not weighed
-- notes:   policies and grants from the logs and from imported outputs; IAM policies from imported outputs only: without them the tier account_delegation has no rows
-- notes:   a statement about all principals or resources but some (NotPrincipal, NotResource) counts as one about all, narrowed down
-- notes:   IAM identities of other accounts, which a key policy may let in, are not known
-- column:  tier: named (the key policy names the principal, or another account), account_delegation (the key policy leaves it to IAM, and an IAM policy of the account allows it), grant, service, anyone, unknown (the policy in force is not told, or cannot be read: anybody may be allowed)
-- column:  principal: as the policy or grant names it; of account_delegation the user or role; null = unknown
-- column:  via: what allows it: the statement of the key policy (its Sid, or its place), the IAM policy, or the grant
-- column:  actions: actions or operations, comma-separated, `all but …` of NotAction; null = none named
-- column:  is_conditional: conditions, constraints, a permissions boundary or exceptions narrow it down
-- column:  is_cross_account: the principal belongs to another account than the key; null = it belongs to none
-- column:  source: logs or inventory
-- column:  as_of_time: since when it holds by the logs, or when the output was made, UTC; null = unknown
with key_statements as (
    select
        key_arn,
        effect,
        principal,
        principal_kind,
        is_principal_negated,
        coalesce(statement_id, concat('statement ', statement_index)) as via,
        case when is_action_negated then concat('all but ', actions) else actions end as actions,
        conditions,
        is_cross_account,
        is_account_delegation,
        'logs' as source,
        valid_from as as_of_time
    from kms_key_policies
    where valid_to is null

    union all

    select
        key_arn,
        effect,
        principal,
        principal_kind,
        is_principal_negated,
        coalesce(statement_id, concat('statement ', statement_index)) as via,
        case when is_action_negated then concat('all but ', actions) else actions end as actions,
        conditions,
        is_cross_account,
        is_account_delegation,
        'inventory' as source,
        snapshot_time as as_of_time
    from inventory_key_policies
),

-- The newer one, where the logs and an output tell of the policy of one key.
newest as (
    select
        key_arn,
        max(as_of_time) as as_of_time
    from key_statements
    group by
        key_arn
),

current_statements as (
    select key_statements.*
    from key_statements
    inner join newest
        on newest.key_arn = key_statements.key_arn
        and newest.as_of_time is not distinct from key_statements.as_of_time
),

in_force as (
    select *
    from current_statements
    where effect = 'Allow'
        and principal is not null
),

delegations as (
    select
        key_arn,
        split_part(key_arn, ':', 5) as account_id,
        bool_and(conditions is not null) as is_conditional
    from in_force
    where is_account_delegation
    group by
        key_arn
),

allowances as (
    select
        principal_arn,
        policy_name,
        case when is_action_negated then concat('all but ', actions) else actions end as allowed_actions,
        concat(',', lower(actions), ',') as listed_actions,
        coalesce(is_action_negated, false) as is_action_negated,
        conditions is not null or has_boundary or coalesce(is_resource_negated, false) as is_conditional,
        snapshot_time,
        case when is_resource_negated then '*' else coalesce(resources, '') end as resource_list
    from inventory_iam_statements
    where effect = 'Allow'
),

iam_statements as (
    select
        principal_arn,
        policy_name,
        allowed_actions,
        is_conditional,
        snapshot_time,
        unnest(string_to_array(resource_list, ',')) as resource
    from allowances
    where case
        when is_action_negated
            then not (listed_actions like '%,kms:*,%' or listed_actions like '%,*,%' or listed_actions like '%,*:*,%')
        else listed_actions like '%,kms:%' or listed_actions like '%,*,%' or listed_actions like '%,*:*,%'
    end
)

select distinct
    key_arn,
    case
        when is_principal_negated then 'anyone'
        when principal_kind in ('anyone', 'service') then principal_kind
        else 'named'
    end as tier,
    case when is_principal_negated then '*' else principal end as principal,
    via,
    actions,
    conditions is not null or is_principal_negated as is_conditional,
    case when not is_principal_negated then is_cross_account end as is_cross_account,
    source,
    as_of_time
from in_force
where not is_account_delegation

union all

select distinct
    delegations.key_arn,
    'account_delegation' as tier,
    iam_statements.principal_arn as principal,
    iam_statements.policy_name as via,
    iam_statements.allowed_actions as actions,
    iam_statements.is_conditional or delegations.is_conditional as is_conditional,
    false as is_cross_account,
    'inventory' as source,
    iam_statements.snapshot_time as as_of_time
from delegations
inner join iam_statements
    on split_part(iam_statements.principal_arn, ':', 5) = delegations.account_id
where delegations.key_arn like replace(replace(iam_statements.resource, '*', '%'), '?', '_')

union all

select
    key_arn,
    'grant' as tier,
    grantee_principal as principal,
    grant_id as via,
    operations as actions,
    constraints is not null as is_conditional,
    case
        when grantee_principal like 'arn:%' then split_part(grantee_principal, ':', 5) <> split_part(key_arn, ':', 5)
    end as is_cross_account,
    case when is_created_before_window and listed_time is not null then 'inventory' else 'logs' end as source,
    case when is_created_before_window and listed_time is not null then listed_time else created_time end as as_of_time
from kms_grants
where grant_state = 'live'

union all

select distinct
    key_arn,
    'unknown' as tier,
    null as principal,
    'a key policy that is not told, or cannot be read' as via,
    null as actions,
    false as is_conditional,
    null as is_cross_account,
    source,
    as_of_time
from current_statements
where effect is null
