-- view:    inventory_key_policies
-- summary: The key policy of the newest get-key-policy output of each key, one row per statement and principal
-- grain:   key_arn, statement_index, principal
-- reads:   inventory
-- notes:   what a policy says, not who is allowed
-- column:  snapshot_time: when the output was made, UTC
-- column:  statement_index: place of the statement in the policy, from 0; null = the text could not be read as a policy
-- column:  effect: Allow or Deny; null = the text could not be read as a policy
-- column:  principal_kind: account, principal, service, federated or anyone; null = none named
-- column:  is_action_negated: the statement means everything but its actions (NotAction)
-- column:  is_principal_negated: the statement means everyone but its principals (NotPrincipal)
-- column:  is_cross_account: the principal's account is another one than the key's; null = it names no account
-- column:  has_use_action: the actions, wildcards and all, take in a cryptographic operation; null = none named
-- column:  conditions: Condition as JSON text; null = unconditional
-- column:  is_account_delegation: allows the key's own account as such, so that IAM policies of the account can permit use
-- column:  statement_id: Sid; null = none
-- column:  principal: one principal as the policy names it; null = none named
-- column:  actions: actions as written, comma-separated; null = none named
with ranked as (
    select
        key_arn,
        snapshot_time,
        coalesce(item ->> 'Policy', item) as policy_text,
        row_number() over (
            partition by key_arn
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank
    from inventory
    where item_kind = 'key_policy'
        and key_arn is not null
),

statements as (
    select
        key_arn,
        snapshot_time,
        unnest(policy_statements(policy_text)) as statement
    from ranked
    where rank = 1
)

select
    key_arn,
    snapshot_time,
    statement['statement_index'] as statement_index,
    statement['statement_id'] as statement_id,
    statement['effect'] as effect,
    statement['principal'] as principal,
    statement['principal_kind'] as principal_kind,
    statement['is_principal_negated'] as is_principal_negated,
    statement['principal_account_id'] <> split_part(key_arn, ':', 5) as is_cross_account,
    statement['actions'] as actions,
    statement['is_action_negated'] as is_action_negated,
    statement['has_use_action'] as has_use_action,
    statement['conditions'] as conditions,
    coalesce(
        statement['effect'] = 'Allow'
            and statement['principal_kind'] = 'account'
            and statement['principal_account_id'] = split_part(key_arn, ':', 5)
            and not statement['is_principal_negated'],
        false
    ) as is_account_delegation
from statements
