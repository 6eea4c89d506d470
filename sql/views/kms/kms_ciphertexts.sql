-- view:    kms_ciphertexts
-- summary: How much ciphertext each key made and opened, by the names in the encryption context and by month
-- grain:   key_arn, context_signature, event_month
-- reads:   kms_events
-- notes:   successful calls only; a record that amends another (amends_event_id) is seen, but not counted
-- notes:   of a call across accounts both copies count, where the logs hold both
-- notes:   what a service or CloudTrail encrypts to try its permission is thrown away and not counted (outcome probe)
-- notes:   AWS keeps no count of ciphertexts: one that was made before the logs begin may still need the key
-- column:  context_signature: names of the encryption context, sorted and joined by commas; empty = no context; null = the record does not tell
-- column:  ciphertext_created_count: calls that made a ciphertext: Encrypt, Encapsulate, and ReEncrypt for its destination key
-- column:  data_key_created_count: calls that made a wrapped data key or a wrapped private key
-- column:  opened_count: calls that opened one: Decrypt, Decapsulate, and ReEncrypt for its source key
-- column:  is_call_per_object: true = each of the calls stands for one object; false = at least some stand for many (Bucket Keys, services that keep data keys); null = not known
-- column:  first_created_time: earliest call that made one, UTC; null = none
-- column:  last_created_time: latest such call, UTC
-- column:  first_opened_time: earliest call that opened one, UTC; null = none
-- column:  last_opened_time: latest such call, UTC
with calls as (
    select
        key_arn,
        case when context_state <> 'unknown' or context_state is null then coalesce(context_signature(encryption_context), '') end as context_signature,
        event_month,
        event_time,
        amends_event_id,
        operation_class in ('encrypt', 'encapsulate') or key_role = 'destination' as is_ciphertext_created,
        operation_class = 'generate_data_key' as is_data_key_created,
        operation_class in ('decrypt', 'decapsulate') or key_role = 'source' as is_opened,
        context_resource(encryption_context)['is_call_per_object'] as is_call_per_object
    from kms_events
    where key_arn is not null
        and outcome = 'used'
        and operation_class in ('encrypt', 'encapsulate', 'generate_data_key', 'decrypt', 'decapsulate', 're_encrypt')
)

select
    key_arn,
    context_signature,
    event_month,
    count(*) filter (where is_ciphertext_created and amends_event_id is null) as ciphertext_created_count,
    count(*) filter (where is_data_key_created and amends_event_id is null) as data_key_created_count,
    count(*) filter (where is_opened and amends_event_id is null) as opened_count,
    case
        when count(*) filter (where not is_call_per_object) > 0 then false
        when count(*) = count(is_call_per_object) then true
    end as is_call_per_object,
    min(event_time) filter (where not is_opened) as first_created_time,
    max(event_time) filter (where not is_opened) as last_created_time,
    min(event_time) filter (where is_opened) as first_opened_time,
    max(event_time) filter (where is_opened) as last_opened_time
from calls
group by
    key_arn,
    context_signature,
    event_month
