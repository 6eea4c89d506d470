-- view:    kms_unresolved_calls
-- summary: Cryptographic calls whose record names no key, with the key that their alias stood for, as far as the logs know it
-- grain:   recipient_account_id, event_id, key_arn
-- reads:   kms_events, kms_aliases
-- kept:    for the session, up to 500,000 rows: every verdict reads it, more than once
-- notes:   kms_events has them with key_arn null, and so have the views that are built on it; kms_key_verdicts and `keytrail key` take them into account
-- notes:   an alias name is one of the caller's account; for five minutes after an alias changed a call may have meant either key, and has a row for each
-- notes:   GenerateRandom, which needs no key, is left out
-- column:  alias_name: the alias that the call named; null = none: any key of the account and region may have been meant
-- column:  key_arn: the key that the alias stood for when the call was made; null = no alias, or one that the logs do not know at that time
-- column:  principal: the role behind a session, else the principal's ARN, else the AWS service, else the bare principal id; null where the record names nobody
with calls as (
    select
        event_id,
        event_time,
        event_name,
        aws_region,
        recipient_account_id,
        coalesce(role_arn, principal_arn, invoked_by, principal_id) as principal,
        error_code,
        outcome,
        amends_event_id,
        case
            when starts_with(requested_key_ref, 'alias/') then requested_key_ref
            when strpos(requested_key_ref, ':alias/') > 0
                then substr(requested_key_ref, strpos(requested_key_ref, ':alias/') + 1)
        end as alias_name,
        case
            when starts_with(requested_key_ref, 'alias/') then coalesce(principal_account_id, recipient_account_id)
            else split_part(requested_key_ref, ':', 5)
        end as alias_account_id,
        case
            when starts_with(requested_key_ref, 'alias/') then aws_region
            else split_part(requested_key_ref, ':', 4)
        end as alias_region
    from kms_events
    where key_arn is null
        and key_role <> 'target'
        and operation_class <> 'random'
        and (error_code is not null or outcome in ('used', 'probe'))
)

select distinct
    calls.event_id,
    calls.event_time,
    calls.event_name,
    calls.aws_region,
    calls.recipient_account_id,
    calls.principal,
    calls.error_code,
    calls.outcome,
    calls.amends_event_id,
    calls.alias_name,
    kms_aliases.key_arn
from calls
left join kms_aliases
    on kms_aliases.alias_name = calls.alias_name
    and kms_aliases.account_id = calls.alias_account_id
    and kms_aliases.aws_region = calls.alias_region
    and kms_aliases.valid_from <= calls.event_time
    and (kms_aliases.valid_to is null or calls.event_time < kms_aliases.valid_to + interval '5 minutes')
