-- view:    kms_unresolved_calls
-- summary: Cryptographic calls whose record names no key, with the key that their alias stood for, as far as the logs know it
-- grain:   recipient_account_id, event_id, key_account_id, key_region, key_arn
-- reads:   kms_events, kms_aliases
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it, more than once
-- notes:   kms_events has them with key_arn null, and so have the views that are built on it; kms_key_verdicts and `keytrail key` take them into account
-- notes:   an alias name is one of the caller's account; a call whose time cannot be read may have meant any key that its alias ever stood for; for five minutes after an alias changed a call may have meant either key, and has a row for each
-- notes:   by a list-aliases output an alias stands for its key since LastUpdatedDate
-- notes:   where an observation is the first that tells of an alias or of its new key, calls before it, since the alias was last seen to stand for another key, may have meant that key too; of those the successful ones have a row without a key as well, as another key may have been used; a call that failed as its alias was gone meant the key that it stood for last
-- notes:   so has a ReEncrypt whose record does not name the key that it opened
-- notes:   GenerateRandom, which needs no key, is left out
-- column:  alias_name: the alias that the call named; null = none: any key of the account and region may have been meant
-- column:  key_arn: the key that the alias stood for, or may have stood for, when the call was made; null = no alias, or one that the logs do not know at that time
-- column:  key_account_id: account of the key that was meant: that of the alias's ARN, else the caller's for an alias's name, else the record's; null = none of them is told
-- column:  key_region: its region, likewise
-- column:  is_demand: it failed for the state of a key, for a signature or MAC that did not match, for a passing fault, or by throttling where the caller has no use after it: whoever called needed the key
-- column:  principal: as in kms_events; null where the record names nobody
with named as (
    select
        *,
        requested_key_ref as named_key_ref
    from kms_events
    where key_arn is null
        and key_role <> 'target'
        and operation_class <> 'random'
        and (error_code is not null or outcome in ('used', 'probe'))

    union all

    -- What a ReEncrypt opened; where its record names that key, kms_events has a row for it.
    select
        *,
        source_requested_key_ref as named_key_ref
    from kms_events
    where key_role = 'destination'
        and other_key_arn is null
        and (error_code is not null or outcome in ('used', 'probe'))
),

calls as (
    select
        event_id,
        event_time,
        event_name,
        aws_region,
        recipient_account_id,
        principal,
        error_code,
        outcome,
        coalesce(outcome = 'transient' and strpos(error_code, 'Throttl') > 0, false) as is_throttled,
        amends_event_id,
        case
            when starts_with(named_key_ref, 'alias/') then named_key_ref
            when strpos(named_key_ref, ':alias/') > 0
                then substr(named_key_ref, strpos(named_key_ref, ':alias/') + 1)
        end as alias_name,
        case
            when starts_with(named_key_ref, 'alias/') then coalesce(principal_account_id, recipient_account_id)
            when strpos(named_key_ref, ':alias/') > 0 then split_part(named_key_ref, ':', 5)
            else recipient_account_id
        end as key_account_id,
        case
            when strpos(named_key_ref, ':alias/') > 0 then split_part(named_key_ref, ':', 4)
            else aws_region
        end as key_region
    from named
),

-- Who is throttled tries again, and succeeds where the key that he wants can be used.
last_uses as (
    select
        principal,
        max(event_time) as last_used_time
    from kms_events
    where key_role <> 'target'
        and error_code is null
    group by
        principal
),

aliases as (
    select
        alias_name,
        account_id,
        aws_region,
        key_arn,
        valid_from,
        possible_from,
        valid_to + interval '5 minutes' as end_time,
        lead(valid_from) over (partition by alias_arn order by valid_from asc) as next_time
    from kms_aliases
),

resolved as (
    select
        calls.*,
        coalesce(calls.outcome in ('blocked', 'transient', 'verify_failed'), false)
            and not (calls.is_throttled and coalesce(last_uses.last_used_time >= calls.event_time, false)) as is_demand,
        unnest(case
            when calls.error_code is null and coalesce(calls.event_time < aliases.valid_from, true)
                then [aliases.key_arn, null]
            else [aliases.key_arn]
        end) as key_arn
    from calls
    left join last_uses
        on last_uses.principal = calls.principal
    left join aliases
        on aliases.alias_name = calls.alias_name
        and aliases.account_id = calls.key_account_id
        and aliases.aws_region = calls.key_region
        and coalesce(aliases.possible_from <= calls.event_time, true)
        and (
            aliases.end_time is null
            or calls.event_time is null
            or calls.event_time < aliases.end_time
            -- Who calls by an alias that is gone wants the key that it stood for.
            or (calls.outcome = 'not_found' and coalesce(calls.event_time < aliases.next_time, true))
        )
)

select
    event_id,
    event_time,
    event_name,
    aws_region,
    recipient_account_id,
    key_account_id,
    key_region,
    principal,
    error_code,
    outcome,
    is_demand,
    amends_event_id,
    min(alias_name) as alias_name,
    key_arn
from resolved
group by
    event_id,
    event_time,
    event_name,
    aws_region,
    recipient_account_id,
    key_account_id,
    key_region,
    principal,
    error_code,
    outcome,
    is_demand,
    amends_event_id,
    key_arn
