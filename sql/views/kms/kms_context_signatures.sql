-- view:    kms_context_signatures
-- summary: The shapes of encryption context that each key is used with: the names of the pairs, without their values
-- grain:   key_arn, context_signature
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   of a call across accounts both copies count, where the logs hold both
-- notes:   a shape that only failed calls named has a row too: a denied call still tells which data needs the key
-- notes:   a service's check of its permission is a call like any other here; kms_ciphertexts leaves it out
-- notes:   key_arn is null for calls whose key cannot be resolved
-- column:  context_signature: names, sorted and joined by commas; empty = no context; null = the record does not tell
-- column:  encrypt_count: calls that succeeded and made a ciphertext or a data key; ReEncrypt for its destination key
-- column:  decrypt_count: calls that succeeded and opened one; ReEncrypt for its source key
-- column:  first_seen_time: earliest call, failed or not, UTC
-- column:  last_seen_time: latest call, failed or not, UTC
with calls as (
    select
        key_arn,
        case when context_state <> 'unknown' then coalesce(context_signature(encryption_context), '') end as context_signature,
        event_time,
        error_code is null and amends_event_id is null as is_counted,
        operation_class = 'decrypt' or key_role = 'source' as is_opening
    from kms_events
    where key_role <> 'target'
        and context_state is not null
)

select
    key_arn,
    context_signature,
    count(*) filter (where is_counted and not is_opening) as encrypt_count,
    count(*) filter (where is_counted and is_opening) as decrypt_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from calls
group by
    key_arn,
    context_signature
