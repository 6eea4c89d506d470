select
    key_arn,
    min(eventTime) filter (where is_use) as first_used_time,
    max(eventTime) filter (where is_use) as last_used_time,
    arg_max(eventID, (eventTime, eventID)) filter (where is_use) as last_used_event_id,
    arg_max(eventName, (eventTime, eventID)) filter (where is_use) as last_used_operation,
    arg_max(userIdentity.arn, (eventTime, eventID)) filter (where is_use) as last_used_principal_arn,
    count(*) filter (where is_use and is_first_side) as use_event_count,
    count(*) filter (where is_use and is_first_side and sharedEventID is null)
        + count(distinct sharedEventID || eventName || epoch(eventTime)) filter (where is_use) as use_count,
    count(*) filter (where is_use and (eventName = 'Decrypt' or key_role = 'source')) as decrypt_count,
    count(*) filter (
        where is_use and (eventName like 'GenerateDataKey%' or eventName in ('Encrypt', 'Encapsulate') or key_role = 'destination')
    ) as ciphertext_created_count,
    count(*) filter (where is_use and eventName in ('Sign', 'Verify', 'GenerateMac', 'VerifyMac')) as sign_mac_count,
    count(*) filter (where not is_use and key_role <> 'target' and is_first_side) as failed_count,
    count(distinct userIdentity.arn) filter (where is_use) as principal_count,
    count(distinct userIdentity.invokedBy) filter (where is_use) as service_count
from (
    select
        *,
        key_role <> 'target' and errorCode is null as is_use,
        not (key_role = 'source' and key_arn is not distinct from other_key_arn) as is_first_side
    from kms_events
    where key_arn = $key
)
group by key_arn
