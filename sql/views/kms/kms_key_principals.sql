-- view:    kms_key_principals
-- summary: Who used each key, or tried to: one row per key and principal, sessions of a role taken together
-- grain:   key_arn, principal
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- column:  principal: as in kms_events; null where the record names nobody
-- column:  principal_type: userIdentity.type of the principal's calls
-- column:  principal_account_id: account of the principal; null = the records do not tell
-- column:  use_event_count: cryptographic calls that succeeded
-- column:  failed_count: cryptographic calls that failed
-- column:  first_seen_time: earliest such call, failed or not, UTC
-- column:  last_seen_time: latest such call, failed or not, UTC
-- column:  instance_ids: EC2 instances that the role's sessions are named after, sorted: its instances, and those that EC2 itself attached volumes to; null = none told
-- column:  workload_arns: Lambda functions and ECS tasks that the credentials were issued to (inScopeOf), sorted; null = none told
-- column:  on_behalf_of_user_ids: Identity Center users behind the sessions, sorted; null = none told
with touches as (
    select
        key_arn,
        principal,
        principal_type,
        principal_account_id,
        event_time,
        error_code,
        amends_event_id,
        case when starts_with(role_session_name, 'i-') then role_session_name end as instance_id,
        -- Few records tell it, and looking for the name is a fraction of reading JSON.
        coalesce(
            in_scope_of_source_arn,
            case when user_identity like '%credentialsIssuedTo%' then user_identity -> 'inScopeOf' ->> 'credentialsIssuedTo' end
        ) as workload_arn,
        on_behalf_of_user_id
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
)

select
    key_arn,
    principal,
    max(principal_type) as principal_type,
    max(principal_account_id) as principal_account_id,
    count(*) filter (where error_code is null and amends_event_id is null) as use_event_count,
    count(*) filter (where error_code is not null and amends_event_id is null) as failed_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    array_sort(array_agg(distinct instance_id) filter (where instance_id is not null)) as instance_ids,
    array_sort(array_agg(distinct workload_arn) filter (where workload_arn is not null)) as workload_arns,
    array_sort(
        array_agg(distinct on_behalf_of_user_id) filter (where on_behalf_of_user_id is not null)
    ) as on_behalf_of_user_ids
from touches
group by
    key_arn,
    principal
