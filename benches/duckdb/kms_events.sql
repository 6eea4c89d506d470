-- What keytrail's view kms_events gives, over DuckDB's table events: a row per event and key that it touched.
create or replace temp view kms_events as
select
    key_arn,
    source_key_arn as other_key_arn,
    case
        when eventName = 'ReEncrypt' then 'destination'
        when eventName in (
            'Decrypt', 'Encrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair',
            'GenerateDataKeyPairWithoutPlaintext', 'Sign', 'Verify', 'GenerateMac', 'VerifyMac', 'DeriveSharedSecret',
            'Encapsulate', 'Decapsulate', 'GenerateRandom'
        ) then 'used'
        else 'target'
    end as key_role,
    encryption_context,
    eventTime,
    eventID,
    eventName,
    errorCode,
    sharedEventID,
    userIdentity,
    event_month
from events
where event_group = 'kms'
union all
select
    source_key_arn as key_arn,
    key_arn as other_key_arn,
    'source' as key_role,
    requestParameters->'sourceEncryptionContext' as encryption_context,
    eventTime,
    eventID,
    eventName,
    errorCode,
    sharedEventID,
    userIdentity,
    event_month
from events
where event_group = 'kms'
    and source_key_arn is not null;

-- A ReEncrypt from a key to itself is one call.
create or replace temp view kms_calls as
select *
from kms_events
where key_role <> 'target'
    and not (key_role = 'source' and key_arn is not distinct from other_key_arn);
