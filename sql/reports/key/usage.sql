-- report:  key/usage
-- summary: First and last use of a key and its counts
-- reads:   kms_key_usage
-- notes:   $key: key ARN
select
    key_arn,
    first_used_time,
    last_used_time,
    last_used_event_id,
    last_used_operation,
    last_used_principal_arn,
    use_event_count,
    use_count,
    decrypt_count,
    ciphertext_created_count,
    sign_mac_count,
    failed_count,
    principal_count,
    service_count
from kms_key_usage
where key_arn = $key
