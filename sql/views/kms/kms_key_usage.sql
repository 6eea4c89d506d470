-- view:    kms_key_usage
-- summary: Use of each KMS key: first and last use, counts by what was done, by whom, and failures
-- grain:   key_arn
-- reads:   kms_events
-- notes:   a use is a cryptographic call that succeeded; describing, listing or managing a key is none
-- notes:   a key that was seen but never used has a row with nulls and zeros; a key that no event names has none
-- notes:   a record that amends another (amends_event_id) is counted nowhere, but first and last use take it into account
-- notes:   a ReEncrypt from a key to itself is one use, counted both as decryption and as created ciphertext
-- column:  first_used_time: time of the earliest use, UTC; null = no use seen
-- column:  last_used_time: time of the latest use, UTC; null = no use seen
-- column:  last_used_event_id: event of the latest use; of several in that second, the greatest id
-- column:  last_used_operation: operation of that event
-- column:  last_used_principal_arn: who made it; null where AWS names none (services, the owner's copy of a cross-account call)
-- column:  use_event_count: events that are a use of the key
-- column:  use_count: the same, with the copies that several accounts received of one call counted once
-- column:  decrypt_count: uses that opened ciphertext: Decrypt, and ReEncrypt for its source key
-- column:  ciphertext_created_count: uses that left new ciphertext: Encrypt, data keys, Encapsulate, and ReEncrypt for its destination key
-- column:  sign_mac_count: Sign, Verify, GenerateMac and VerifyMac
-- column:  failed_count: cryptographic calls that named the key and failed
-- column:  principal_count: distinct principal_arn of uses
-- column:  service_count: distinct AWS services that made uses on somebody's behalf
with touches as (
    select
        key_arn,
        event_id,
        event_time,
        event_name,
        operation_class,
        key_role,
        principal_arn,
        invoked_by,
        -- Only here: the text is costly, and few calls have a second copy.
        case
            when shared_event_id is not null then concat(shared_event_id, ' ', event_name, ' ', cast(event_time as bigint))
        end as shared_call,
        key_role <> 'target' and error_code is null as is_use,
        key_role <> 'target' and error_code is null and amends_event_id is null as is_counted_use,
        key_role <> 'target' and error_code is not null and amends_event_id is null as is_counted_failure,
        not (key_role = 'source' and key_arn is not distinct from other_key_arn) as is_first_side
    from kms_events
    where key_arn is not null
),

usage as (
    select
        key_arn,
        last_value(
            named_struct('event_id', event_id, 'event_name', event_name, 'principal_arn', principal_arn)
            order by event_time asc nulls first, event_id asc nulls first
        ) filter (where is_use) as last_use,
        min(event_time) filter (where is_use) as first_used_time,
        max(event_time) filter (where is_use) as last_used_time,
        count(*) filter (where is_counted_use and is_first_side) as use_event_count,
        count(*) filter (where is_counted_use and is_first_side and shared_call is null) as own_use_count,
        count(distinct shared_call) filter (where is_counted_use) as shared_use_count,
        count(*) filter (where is_counted_use and (operation_class = 'decrypt' or key_role = 'source')) as decrypt_count,
        count(*) filter (
            where is_counted_use
                and (operation_class in ('encrypt', 'generate_data_key', 'encapsulate') or key_role = 'destination')
        ) as ciphertext_created_count,
        count(*) filter (where is_counted_use and operation_class in ('sign', 'verify', 'mac')) as sign_mac_count,
        count(*) filter (where is_counted_failure and is_first_side) as failed_count,
        count(distinct principal_arn) filter (where is_counted_use) as principal_count,
        count(distinct invoked_by) filter (where is_counted_use) as service_count
    from touches
    group by
        key_arn
)

select
    key_arn,
    first_used_time,
    last_used_time,
    last_use['event_id'] as last_used_event_id,
    last_use['event_name'] as last_used_operation,
    last_use['principal_arn'] as last_used_principal_arn,
    use_event_count,
    own_use_count + shared_use_count as use_count,
    decrypt_count,
    ciphertext_created_count,
    sign_mac_count,
    failed_count,
    principal_count,
    service_count
from usage
