-- view:    kms_context_patterns
-- summary: What each key protects, in patterns: the values of encryption contexts with ids, dates and numbers taken out
-- grain:   key_arn, context_key, value_pattern
-- reads:   kms_events
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- notes:   of a call across accounts both copies count, where the logs hold both
-- notes:   a pattern that only failed calls named has a row too: a denied call still tells which data needs the key
-- notes:   key_arn is null for calls whose key cannot be resolved
-- notes:   a context key of the caller's own (none of AWS's, no ARNs) that has more than 20 patterns with one key has one row, `*`: names of tenants, customers, files
-- notes:   other words stay as callers wrote them; where they are sensitive, show sha256(context_value) of kms_encryption_contexts instead
-- column:  context_key: name of the pair, such as `aws:s3:arn`
-- column:  value_pattern: its value as context_pattern generalises it; `*` for names whose values are random, or many; null = null in the record
-- column:  value_count: distinct values of that pattern
-- column:  encrypt_count: calls that succeeded and made a ciphertext or a data key; ReEncrypt for its destination key
-- column:  decrypt_count: calls that succeeded and opened one; ReEncrypt for its source key
-- column:  first_seen_time: earliest call, failed or not, UTC
-- column:  last_seen_time: latest call, failed or not, UTC
with calls as (
    select
        key_arn,
        event_time,
        error_code is null and amends_event_id is null as is_counted,
        operation_class = 'decrypt' or key_role = 'source' as is_opening,
        unnest(map_entries(encryption_context)) as entry
    from kms_events
    where key_role <> 'target'
        and encryption_context is not null
),

context_values as (
    select
        key_arn,
        entry['key'] as context_key,
        entry['value'] as context_value,
        count(*) filter (where is_counted and not is_opening) as encrypt_count,
        count(*) filter (where is_counted and is_opening) as decrypt_count,
        min(event_time) as first_seen_time,
        max(event_time) as last_seen_time
    from calls
    group by
        key_arn,
        entry['key'],
        entry['value']
),

patterns as (
    select
        key_arn,
        context_key,
        context_pattern(context_key, context_value) as value_pattern,
        count(context_value) as value_count,
        sum(encrypt_count) as encrypt_count,
        sum(decrypt_count) as decrypt_count,
        min(first_seen_time) as first_seen_time,
        max(last_seen_time) as last_seen_time
    from context_values
    group by
        key_arn,
        context_key,
        context_pattern(context_key, context_value)
),

counted as (
    select
        *,
        count(*) over (partition by key_arn, context_key) as pattern_count
    from patterns
),

collapsed as (
    select
        *,
        case
            when pattern_count > 20 and not (starts_with(context_key, 'aws:') or starts_with(value_pattern, 'arn:')) then '*'
            else value_pattern
        end as shown_pattern
    from counted
)

select
    key_arn,
    context_key,
    shown_pattern as value_pattern,
    cast(sum(value_count) as bigint) as value_count,
    cast(sum(encrypt_count) as bigint) as encrypt_count,
    cast(sum(decrypt_count) as bigint) as decrypt_count,
    min(first_seen_time) as first_seen_time,
    max(last_seen_time) as last_seen_time
from collapsed
group by
    key_arn,
    context_key,
    shown_pattern
