-- view:    kms_potential_access
-- summary: Who may be allowed to use or manage each key, by key policies, IAM policies and grants, and how
-- grain:   key_arn, tier, principal, via
-- reads:   kms_key_policies, kms_grants, inventory_key_policies, inventory_iam_statements
-- kept:    up to 500,000 rows, until the data changes: every answer about a key reads it
-- notes:   may be allowed, never is allowed: permissions boundaries, organisation, session and endpoint policies are not weighed, denials of the key policy and of the identity's own policies only as a condition
-- notes:   policies and grants from the logs and from imported outputs; IAM policies from imported outputs only: without them the tier account_delegation names accounts only
-- notes:   a statement about all principals but some (NotPrincipal), or all resources but some (NotResource), is narrowed down
-- column:  tier: named (the key policy names the principal), account_delegation (the key policy leaves it to the IAM policies of an account: the account itself, which gives nobody access, and each user or role of it whose IAM policy allows it), grant, service, anyone, unknown (the policy in force is not told, or cannot be read: anybody may be allowed)
-- column:  principal: as the policy or grant names it, `all but …` of NotPrincipal; of account_delegation the account as the key policy names it, or the user or role; null = unknown
-- column:  via: what allows it: the statement of the key policy (its Sid, or its place), the IAM policy, or the grant
-- column:  actions: actions or operations, comma-separated, `all but …` of NotAction; null = none named
-- column:  has_use_action: they take in a cryptographic operation: else it is management only; true where they are unknown
-- column:  is_conditional: conditions, constraints, a permissions boundary, exceptions or denials narrow it down
-- column:  is_cross_account: the principal belongs to another account than the key; null = it belongs to none
-- column:  source: logs or inventory
-- column:  as_of_time: since when it holds by the logs, or when the output was made, UTC; null = unknown
with key_statements as (
    select
        key_arn,
        statement_index,
        effect,
        principal,
        principal_kind,
        is_principal_negated,
        coalesce(statement_id, concat('statement ', statement_index)) as via,
        case when is_action_negated then concat('all but ', actions) else actions end as actions,
        has_use_action,
        conditions,
        is_cross_account,
        'logs' as source,
        valid_from as as_of_time
    from kms_key_policies
    where valid_to is null

    union all

    select
        key_arn,
        statement_index,
        effect,
        principal,
        principal_kind,
        is_principal_negated,
        coalesce(statement_id, concat('statement ', statement_index)) as via,
        case when is_action_negated then concat('all but ', actions) else actions end as actions,
        has_use_action,
        conditions,
        is_cross_account,
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

-- Whom the key policy denies uses: many, or those that it names.
denials as (
    select
        key_arn,
        bool_or(is_principal_negated or principal_kind <> 'principal') as is_of_many,
        string_agg(distinct principal, ',' order by principal) as principals
    from current_statements
    where effect = 'Deny'
        and has_use_action
    group by
        key_arn
),

in_force as (
    select
        key_arn,
        principal,
        principal_kind,
        via,
        actions,
        has_use_action,
        conditions is not null as is_conditional,
        is_cross_account,
        source,
        as_of_time
    from current_statements
    where effect = 'Allow'
        and principal is not null
        and not coalesce(is_principal_negated, false)

    union all

    -- The principals that a statement leaves out are one row.
    select
        key_arn,
        concat('all but ', string_agg(distinct principal, ',' order by principal)) as principal,
        'anyone' as principal_kind,
        via,
        actions,
        has_use_action,
        true as is_conditional,
        null as is_cross_account,
        source,
        as_of_time
    from current_statements
    where effect = 'Allow'
        and is_principal_negated
    group by
        key_arn,
        statement_index,
        via,
        actions,
        has_use_action,
        source,
        as_of_time
),

delegations as (
    select
        key_arn,
        case when principal like 'arn:%' then split_part(principal, ':', 5) else principal end as account_id,
        bool_and(is_conditional) as is_conditional,
        bool_or(has_use_action) as has_use_action
    from in_force
    where principal_kind = 'account'
    group by
        key_arn,
        case when principal like 'arn:%' then split_part(principal, ':', 5) else principal end
),

denied_identities as (
    select
        principal_arn
    from inventory_iam_statements
    where effect = 'Deny'
        and has_use_action
    group by
        principal_arn
),

allowances as (
    select
        statements.principal_arn,
        statements.policy_name,
        case when statements.is_action_negated then concat('all but ', statements.actions) else statements.actions end as allowed_actions,
        concat(',', lower(statements.actions), ',') as listed_actions,
        coalesce(statements.is_action_negated, false) as is_action_negated,
        statements.has_use_action,
        statements.conditions is not null
            or statements.has_boundary
            or coalesce(statements.is_resource_negated, false)
            or denied_identities.principal_arn is not null as is_conditional,
        statements.snapshot_time,
        case when statements.is_resource_negated then '*' else coalesce(statements.resources, '') end as resource_list,
        case when statements.is_resource_negated then concat(',', statements.resources, ',') else '' end as left_out_list
    from inventory_iam_statements as statements
    left join denied_identities
        on denied_identities.principal_arn = statements.principal_arn
    where statements.effect = 'Allow'
),

iam_statements as (
    select
        principal_arn,
        policy_name,
        allowed_actions,
        has_use_action,
        is_conditional,
        snapshot_time,
        left_out_list,
        unnest(string_to_array(resource_list, ',')) as resource
    from allowances
    where case
        when is_action_negated
            then not (listed_actions like '%,kms:*,%' or listed_actions like '%,*,%' or listed_actions like '%,*:*,%')
        else listed_actions like '%,kms:%' or listed_actions like '%,*,%' or listed_actions like '%,*:*,%'
    end
),

allowed as (
    select distinct
        key_arn,
        case
            when principal_kind = 'account' then 'account_delegation'
            when principal_kind in ('anyone', 'service') then principal_kind
            else 'named'
        end as tier,
        principal,
        via,
        actions,
        has_use_action,
        is_conditional,
        is_cross_account,
        source,
        as_of_time
    from in_force

    union all

    select distinct
        delegations.key_arn,
        'account_delegation' as tier,
        iam_statements.principal_arn as principal,
        iam_statements.policy_name as via,
        iam_statements.allowed_actions as actions,
        iam_statements.has_use_action and delegations.has_use_action as has_use_action,
        iam_statements.is_conditional or delegations.is_conditional as is_conditional,
        delegations.account_id <> split_part(delegations.key_arn, ':', 5) as is_cross_account,
        'inventory' as source,
        iam_statements.snapshot_time as as_of_time
    from delegations
    inner join iam_statements
        on split_part(iam_statements.principal_arn, ':', 5) = delegations.account_id
    where delegations.key_arn like replace(replace(iam_statements.resource, '*', '%'), '?', '_')
        and strpos(iam_statements.left_out_list, concat(',', delegations.key_arn, ',')) = 0

    union all

    select
        key_arn,
        'grant' as tier,
        grantee_principal as principal,
        grant_id as via,
        operations as actions,
        operations is null
            or regexp_like(operations, 'Encrypt|Decrypt|DataKey|Sign|Verify|Mac|SharedSecret|capsulate') as has_use_action,
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
        true as has_use_action,
        false as is_conditional,
        null as is_cross_account,
        source,
        as_of_time
    from current_statements
    where effect is null
)

select
    allowed.key_arn,
    allowed.tier,
    allowed.principal,
    allowed.via,
    allowed.actions,
    coalesce(allowed.has_use_action, false) as has_use_action,
    allowed.is_conditional
        or (
            allowed.tier <> 'unknown'
            and allowed.has_use_action
            and coalesce(denials.is_of_many or strpos(denials.principals, allowed.principal) > 0, false)
        ) as is_conditional,
    allowed.is_cross_account,
    allowed.source,
    allowed.as_of_time
from allowed
left join denials
    on denials.key_arn = allowed.key_arn
