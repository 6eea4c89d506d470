-- view:    kms_key_policies
-- summary: The key policies in force over time, one row per statement and principal that it names
-- grain:   key_arn, source_event_id, statement_index, principal
-- reads:   kms_key_lifecycle
-- kept:    up to 500,000 rows, until the data changes: permissions read it, and a policy is parsed once
-- notes:   from CreateKey, ReplicateKey and PutKeyPolicy; each replaces the whole policy, DeleteKey ends it; a policy set before the logs begin has no row
-- notes:   what a policy says, not who is allowed: IAM policies, grants, denials and organisation policies have their say too
-- notes:   a policy that was replaced within the second is left out
-- column:  valid_from: time of the event that set the policy, UTC
-- column:  valid_to: time of the next policy or of DeleteKey, UTC; null = in force as far as the logs tell
-- column:  source: event (the text stands in the event), default (the event sets none, so it is AWS's default policy), unknown (the event does not tell its parameters, or is the CreateKey of a replica, whose policy stands in a ReplicateKey that is not in the logs)
-- column:  source_event_id: event that set the policy
-- column:  statement_index: place of the statement in the policy, from 0; null = the text could not be read as a policy
-- column:  statement_id: Sid; null = none
-- column:  effect: Allow or Deny; null = the text could not be read as a policy
-- column:  principal: one principal as the policy names it: ARN, account id, unique id, service or *; null = none named
-- column:  principal_kind: account (the account's root ARN or its id), principal (user, role, session, unique id), service, federated, anyone; null = none named
-- column:  principal_account_id: account of the principal; null = it names none
-- column:  is_principal_negated: the statement means everyone but its principals (NotPrincipal)
-- column:  is_cross_account: the principal's account is another one than the key's; null = it names no account
-- column:  actions: actions as written, separated by commas; null = none named
-- column:  is_action_negated: the statement means everything but its actions (NotAction)
-- column:  has_use_action: the actions, wildcards and all, take in a cryptographic operation; null = none named
-- column:  conditions: Condition as JSON text, names sorted; null = unconditional
-- column:  is_account_delegation: allows the key's own account as such, so that IAM policies of the account can permit use
-- column:  policy_text: the text, where it could not be read as a policy; null = it could
with settings as (
    select
        key_arn,
        sequence_number,
        event_time as valid_from,
        event_id as source_event_id,
        lifecycle_event,
        case
            when event_name = 'ReplicateKey' then coalesce(
                response_elements ->> 'replicaPolicy',
                request_parameters ->> 'policy'
            )
            else request_parameters ->> 'policy'
        end as policy_text,
        coalesce(json_length(request_parameters) > 0, false)
            and not json_contains(request_parameters, 'omitted')
            and response_elements -> 'keyMetadata' -> 'multiRegionConfiguration' ->> 'multiRegionKeyType' is distinct from 'REPLICA'
            as is_told
    from kms_key_lifecycle
    where lifecycle_event in ('created', 'policy_changed', 'deleted')
),

policies as (
    select
        key_arn,
        valid_from,
        lead(valid_from) over (
            partition by key_arn
            order by sequence_number asc
        ) as valid_to,
        source_event_id,
        lifecycle_event,
        case
            when policy_text is not null then 'event'
            when lifecycle_event = 'created' and is_told then 'default'
            else 'unknown'
        end as source,
        case
            when policy_text is not null then policy_text
            when lifecycle_event = 'created' and is_told then concat(
                '{"Statement":{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:',
                split_part(key_arn, ':', 2),
                ':iam::',
                split_part(key_arn, ':', 5),
                ':root"},"Action":"kms:*","Resource":"*"}}'
            )
        end as policy_text
    from settings
),

statements as (
    select
        key_arn,
        valid_from,
        valid_to,
        source,
        source_event_id,
        policy_text,
        unnest(policy_statements(policy_text)) as statement
    from policies
    where lifecycle_event <> 'deleted'
        and (valid_to is null or valid_to > valid_from)
)

select
    key_arn,
    valid_from,
    valid_to,
    source,
    source_event_id,
    statement['statement_index'] as statement_index,
    statement['statement_id'] as statement_id,
    statement['effect'] as effect,
    statement['principal'] as principal,
    statement['principal_kind'] as principal_kind,
    statement['principal_account_id'] as principal_account_id,
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
    ) as is_account_delegation,
    case when statement['statement_index'] is null then policy_text end as policy_text
from statements
