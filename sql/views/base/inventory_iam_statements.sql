-- view:    inventory_iam_statements
-- summary: What IAM policies of users and roles say, one row per identity, policy and statement
-- grain:   principal_arn, policy_source, policy_name, statement_index
-- reads:   inventory
-- notes:   of the newest get-account-authorization-details output of each identity; a user's own policies and those of its groups
-- notes:   what a policy says, not who is allowed: permissions boundaries, organisation policies and session policies are not in it
-- column:  principal_arn: the user or role
-- column:  policy_source: inline, managed, group_inline or group_managed
-- column:  policy_name: name of an inline policy, ARN of a managed one
-- column:  snapshot_time: when the output was made, UTC
-- column:  has_boundary: a permissions boundary limits the identity further
-- column:  statement_index: place of the statement in the policy, from 0; null = the text could not be read as a policy
-- column:  statement_id: Sid; null = none
-- column:  effect: Allow or Deny
-- column:  actions: actions as written, comma-separated
-- column:  is_action_negated: the statement means everything but its actions (NotAction)
-- column:  has_use_action: the actions, wildcards and all, take in a cryptographic operation of KMS; null = none named
-- column:  resources: resources as written, comma-separated
-- column:  is_resource_negated: the statement means everything but its resources (NotResource)
-- column:  conditions: Condition as JSON text; null = unconditional
with ranked as (
    select
        item_kind,
        item ->> 'Arn' as arn,
        snapshot_time,
        item,
        row_number() over (
            partition by item_kind, item ->> 'Arn'
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank
    from inventory
    where item_kind in ('iam_user', 'iam_role', 'iam_group', 'iam_policy')
),

entities as (
    select
        item_kind,
        arn,
        snapshot_time,
        item,
        json_contains(item, 'PermissionsBoundary') as has_boundary
    from ranked
    where rank = 1
),

versions as (
    select
        arn,
        unnest(json_get_array(item, 'PolicyVersionList')) as version
    from entities
    where item_kind = 'iam_policy'
),

managed_documents as (
    select
        arn as policy_arn,
        version ->> 'Document' as document
    from versions
    where json_get_bool(version, 'IsDefaultVersion')
),

lists as (
    select
        item_kind,
        arn,
        'inline' as policy_source,
        unnest(
            coalesce(
                json_get_array(item, 'UserPolicyList'),
                json_get_array(item, 'RolePolicyList'),
                json_get_array(item, 'GroupPolicyList')
            )
        ) as entry
    from entities
    where item_kind <> 'iam_policy'

    union all

    select
        item_kind,
        arn,
        'managed' as policy_source,
        unnest(json_get_array(item, 'AttachedManagedPolicies')) as entry
    from entities
    where item_kind <> 'iam_policy'
),

documents as (
    select
        lists.item_kind,
        lists.arn,
        lists.policy_source,
        coalesce(lists.entry ->> 'PolicyArn', lists.entry ->> 'PolicyName') as policy_name,
        coalesce(managed_documents.document, lists.entry ->> 'PolicyDocument') as document
    from lists
    left join managed_documents
        on managed_documents.policy_arn = lists.entry ->> 'PolicyArn'
),

memberships as (
    select
        arn as user_arn,
        unnest(json_get_array(item, 'GroupList')) as group_name
    from entities
    where item_kind = 'iam_user'
),

of_identities as (
    select
        arn as principal_arn,
        policy_source,
        policy_name,
        document
    from documents
    where item_kind in ('iam_user', 'iam_role')

    union all

    select
        memberships.user_arn as principal_arn,
        concat('group_', documents.policy_source) as policy_source,
        documents.policy_name,
        documents.document
    from memberships
    inner join documents
        on documents.item_kind = 'iam_group'
        and split_part(documents.arn, ':', 5) = split_part(memberships.user_arn, ':', 5)
        and ends_with(documents.arn, concat('/', btrim(memberships.group_name, '"')))
),

statements as (
    select
        principal_arn,
        policy_source,
        policy_name,
        unnest(policy_statements(document)) as statement
    from of_identities
    where document is not null
)

select
    statements.principal_arn,
    statements.policy_source,
    statements.policy_name,
    statement['statement_index'] as statement_index,
    statement['statement_id'] as statement_id,
    statement['effect'] as effect,
    statement['actions'] as actions,
    statement['is_action_negated'] as is_action_negated,
    statement['has_use_action'] as has_use_action,
    statement['resources'] as resources,
    statement['is_resource_negated'] as is_resource_negated,
    statement['conditions'] as conditions,
    entities.snapshot_time,
    entities.has_boundary
from statements
inner join entities
    on entities.arn = statements.principal_arn
    and entities.item_kind in ('iam_user', 'iam_role')
