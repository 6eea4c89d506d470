-- report:  key/family
-- summary: The other members of a multi-Region key's set, which open the same ciphertexts
-- reads:   kms_keys, kms_key_usage, trail_coverage
-- notes:   $key: key ARN; $key_suffix: `:key/` and the key id
with coverage as (
    select
        recipient_account_id as account_id,
        aws_region,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from trail_coverage
    where management_count > 0
    group by
        recipient_account_id,
        aws_region
)

select
    kms_keys.key_arn,
    kms_keys.key_state,
    kms_key_usage.last_used_time,
    kms_key_usage.use_event_count,
    coverage.first_event_time,
    coverage.last_event_time
from kms_keys
left join coverage
    on coverage.account_id = kms_keys.account_id
    and coverage.aws_region = kms_keys.aws_region
left join kms_key_usage
    on kms_key_usage.key_arn = kms_keys.key_arn
where ends_with(kms_keys.key_arn, $key_suffix)
    and starts_with(split_part(kms_keys.key_arn, ':key/', 2), 'mrk-')
    and split_part(kms_keys.key_arn, ':', 5) = split_part($key, ':', 5)
    and kms_keys.key_arn <> $key
order by
    kms_keys.key_arn
