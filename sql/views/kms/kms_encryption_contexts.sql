-- view:    kms_encryption_contexts
-- summary: What each key protects: every pair of an encryption context that cryptographic calls named
-- grain:   key_arn, context_key, context_value
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   successful and failed calls alike: a denied call still tells which data needs the key
-- notes:   key_arn is null for calls whose key cannot be resolved
-- column:  context_key: name of the pair, such as `aws:s3:arn`
-- column:  context_value: its value, written by the caller
-- column:  event_count: calls that named the pair
-- column:  first_seen_time: earliest such call, UTC
-- column:  last_seen_time: latest such call, UTC
with contexts as (
    select
        key_arn,
        event_time,
        amends_event_id,
        -- A ReEncrypt from a key to itself has a row for each side; a pair of both is one.
        case when key_role = 'destination' and key_arn = other_key_arn then source_encryption_context end as other_context,
        unnest(map_entries(encryption_context)) as entry
    from kms_events
    where key_role <> 'target'
        and encryption_context is not null
),

pairs as (
    select
        key_arn,
        event_time,
        entry['key'] as context_key,
        entry['value'] as context_value,
        amends_event_id is null
            and coalesce(context_get(other_context, entry['key']) <> entry['value'], true) as is_counted
    from contexts
)

select
    key_arn,
    context_key,
    context_value,
    count(*) filter (where is_counted) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from pairs
group by
    key_arn,
    context_key,
    context_value
