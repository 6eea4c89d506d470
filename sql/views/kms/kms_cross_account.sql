-- view:    kms_cross_account
-- summary: Use of each key from other accounts than its own
-- grain:   key_arn, caller_account_id
-- reads:   kms_events
-- notes:   a call is logged in both accounts; the copies have different event ids, and use_count counts them once
-- notes:   a call that was refused for want of access is logged in the caller's account only: the owner's logs do not show it
-- notes:   calls by AWS services that name no account are no calls across accounts, whatever their sharedEventID
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- column:  key_account_id: account of the key
-- column:  caller_account_id: account of the caller
-- column:  use_event_count: events of successful cryptographic calls, in whichever account's logs
-- column:  use_count: the same, with the copies that several accounts received of one call counted once
-- column:  failed_count: events of cryptographic calls that failed
-- column:  is_seen_by_owner: the logs hold copies of the key's account
-- column:  is_seen_by_caller: the logs hold copies of the caller's account
-- column:  principals: who called, sorted: roles and ARNs from the caller's copies, unique ids (`AROA…`) from the owner's
-- column:  first_seen_time: earliest call, failed or not, UTC
-- column:  last_seen_time: latest call, failed or not, UTC
with calls as (
    select
        key_arn,
        coalesce(principal_account_id, recipient_account_id) as caller_account_id,
        coalesce(role_arn, principal_role(principal_arn), nullif(principal_role(principal_id), ''), invoked_by) as principal,
        event_time,
        account_side,
        error_code is null and amends_event_id is null as is_counted_use,
        error_code is not null and amends_event_id is null as is_counted_failure,
        case
            when shared_event_id is not null then concat(shared_event_id, ' ', event_name, ' ', cast(event_time as bigint))
        end as shared_call
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and is_cross_account
        and (principal_account_id is not null or principal_type is distinct from 'AWSService')
        and not (key_role = 'source' and key_arn is not distinct from other_key_arn)
),

pairs as (
    select
        key_arn,
        caller_account_id,
        count(*) filter (where is_counted_use) as use_event_count,
        count(*) filter (where is_counted_use and shared_call is null) as own_use_count,
        count(distinct shared_call) filter (where is_counted_use) as shared_use_count,
        count(*) filter (where is_counted_failure) as failed_count,
        coalesce(bool_or(account_side = 'owner'), false) as is_seen_by_owner,
        coalesce(bool_or(account_side = 'caller'), false) as is_seen_by_caller,
        array_sort(array_agg(distinct principal) filter (where principal is not null)) as principals,
        min(event_time) as first_seen_time,
        max(event_time) as last_seen_time
    from calls
    group by
        key_arn,
        caller_account_id
)

select
    key_arn,
    arn_part(key_arn, 'account') as key_account_id,
    caller_account_id,
    use_event_count,
    own_use_count + shared_use_count as use_count,
    failed_count,
    is_seen_by_owner,
    is_seen_by_caller,
    principals,
    first_seen_time,
    last_seen_time
from pairs
