-- view:    kms_events
-- summary: KMS events, one row per event and key that it touched
-- grain:   recipient_account_id, event_id, key_role
-- reads:   events
-- notes:   ReEncrypt has a row for its destination key and, where the source key is known, one for its source key
-- notes:   in a source row key_arn, requested_key_ref, encryption_context, context_state and key_material_id are those of the source side
-- notes:   an event whose key cannot be resolved keeps one row, with key_arn null
-- notes:   a summary of an event (event history, rows of a query) that is held in full has no row; another full record of an event has rows, with amends_event_id, and counts of events leave them out
-- column:  key_role: used (cryptographic operation), source and destination (the sides of ReEncrypt), target (management, metadata)
-- column:  other_key_arn: ReEncrypt: the key on the other side; null otherwise, or where that key is not resolvable
-- column:  use_mark: calls that tell little about data: key_access_probe (Secrets Manager tries whether it may use the key), trail_config_check (so does CloudTrail), trail_log_encryption (CloudTrail's own log files), dry_run, console_browsing (metadata shown in the console), observer (a principal that the user's observer_principals.txt names); null = an ordinary call
-- column:  is_demand: the call failed, and its caller wanted the key: its state, a key that is gone, a passing fault, a signature or MAC that did not match; cryptographic calls, CreateGrant, where a service that attaches a volume fails before it would decrypt, GetPublicKey, whose callers use the key without KMS, ReplicateKey, DescribeKey by which a service finds that the key is gone, and operations that keytrail does not know and that do more than read; of the two keys of a ReEncrypt only the one that the message names, if it names one
-- column:  is_attested: additionalEventData.recipient is there: the answer was for an enclave or an attested instance only
-- column:  is_cross_account: the key is of another account than the caller or than the recipient of this copy; null = key not resolvable
-- column:  account_side: whose copy this is: caller (the key is another account's), owner (the caller is another account, or a service that names none), both (one account); null = not told
-- column:  principal: the role behind a session (by its issuer, else by the session's ARN), else the principal's ARN, else the AWS service, else the bare principal id (of a session the role's), else the Identity Center user, else the user's name (rows of the event history tell no more); a federated user by its own ARN; a caller of another account, in the owner's copy, by the bare id, else by the account, whichever service called on its behalf; null where the record names nobody
select
    event_id,
    event_time,
    event_source,
    event_name,
    event_version,
    event_type,
    event_category,
    aws_region,
    source_ip_address,
    user_agent,
    error_code,
    error_message,
    request_id,
    read_only,
    management_event,
    recipient_account_id,
    shared_event_id,
    vpc_endpoint_id,
    vpc_endpoint_account_id,
    api_version,
    session_credential_from_console,
    annotation,
    principal_type,
    principal_id,
    principal_arn,
    principal_account_id,
    access_key_id,
    user_name,
    identity_provider,
    credential_id,
    invoked_by,
    role_arn,
    role_session_name,
    session_issuer_type,
    session_issuer_account_id,
    session_issuer_user_name,
    session_creation_time,
    mfa_authenticated,
    source_identity,
    ec2_role_delivery,
    federated_provider,
    on_behalf_of_user_id,
    in_scope_of_source_arn,
    invoked_by_delegate_account_id,
    user_identity,
    request_parameters,
    response_elements,
    additional_event_data,
    service_event_details,
    resources,
    tls_details,
    addendum,
    event_context,
    unknown_fields,
    operation_class,
    outcome,
    key_arn,
    source_key_arn,
    requested_key_ref,
    source_requested_key_ref,
    key_resolution,
    encryption_context,
    source_encryption_context,
    context_state,
    source_context_state,
    grant_id,
    key_material_id,
    source_key_material_id,
    alias_name,
    algorithm,
    log_file_path,
    record_index,
    delivery_time,
    detail_level,
    amends_event_id,
    body_hash,
    record_layout,
    raw_record,
    event_group,
    event_month,
    cast(
        case
            when operation_class = 're_encrypt' then 'destination'
            when operation_class in (
                'decrypt',
                'encrypt',
                'generate_data_key',
                'sign',
                'verify',
                'mac',
                'derive',
                'encapsulate',
                'decapsulate',
                'random'
            ) then 'used'
            else 'target'
        end as text
    ) as key_role,
    source_key_arn as other_key_arn,
    case
        when context_get(encryption_context, 'SecretVersionId') = 'RequestToValidateKeyAccess' then 'key_access_probe'
        when operation_class = 'generate_data_key'
            and context_get(encryption_context, 'aws:cloudtrail:arn') is not null
            and context_get(encryption_context, 'aws:s3:arn') || '/' like '%/AWSLogs/%'
            and context_get(encryption_context, 'aws:s3:arn') not like '%.gz' then 'trail_config_check'
        when operation_class = 'generate_data_key'
            and context_get(encryption_context, 'aws:cloudtrail:arn') is not null
            and coalesce(invoked_by, source_ip_address) like 'cloudtrail.%' then 'trail_log_encryption'
        when outcome = 'probe' then 'dry_run'
        when operation_class = 'metadata'
            and (
                session_credential_from_console = 'true'
                or invoked_by = 'signin.amazonaws.com'
                or user_agent in ('console.amazonaws.com', 'signin.amazonaws.com')
                or user_agent like 'Mozilla/%'
                or user_agent like 'AWS-Console%'
            ) then 'console_browsing'
        when is_observer(coalesce(role_arn, principal_arn)) then 'observer'
    end as use_mark,
    coalesce(
        case
            when outcome = 'verify_failed' then true
            when not outcome in ('blocked', 'not_found', 'transient') then false
            when strpos(error_message, source_key_arn) > 0 then strpos(error_message, key_arn) > 0
            -- Services look at a key before they use it; those that only take stock do not want it.
            when event_name = 'DescribeKey' then outcome = 'not_found'
                and invoked_by is not null
                and not regexp_like(invoked_by, '^(access-analyzer|config|resource-explorer-2|securityhub|signin|trustedadvisor)\.')
            when operation_class in ('management', 'metadata', 'service') then event_name in ('CreateGrant', 'ReplicateKey')
            when operation_class = 'unknown' then not (
                starts_with(event_name, 'Get')
                or starts_with(event_name, 'List')
                or starts_with(event_name, 'Describe')
            )
            else outcome is not null
        end,
        false
    ) as is_demand,
    additional_event_data -> 'recipient' is not null as is_attested,
    case
        when key_arn is not null then coalesce(arn_part(key_arn, 'account') <> principal_account_id, false)
            or coalesce(arn_part(key_arn, 'account') <> recipient_account_id, false)
    end as is_cross_account,
    case
        when arn_part(key_arn, 'account') <> recipient_account_id then case
            when coalesce(principal_account_id, recipient_account_id) = recipient_account_id then 'caller'
        end
        when arn_part(key_arn, 'account') = principal_account_id then 'both'
        when arn_part(key_arn, 'account') = recipient_account_id then 'owner'
    end as account_side,
    coalesce(
        case
            when principal_type = 'FederatedUser' then principal_arn
            when principal_type = 'AWSAccount' then coalesce(
                principal_arn,
                nullif(principal_role(principal_id), ''),
                principal_account_id
            )
        end,
        role_arn,
        principal_role(principal_arn),
        invoked_by,
        principal_role(principal_id),
        on_behalf_of_user_id,
        user_name
    ) as principal
from events
where event_group = 'kms'
    and (amends_event_id is null or detail_level in ('full', 'reencoded'))

union all

select
    event_id,
    event_time,
    event_source,
    event_name,
    event_version,
    event_type,
    event_category,
    aws_region,
    source_ip_address,
    user_agent,
    error_code,
    error_message,
    request_id,
    read_only,
    management_event,
    recipient_account_id,
    shared_event_id,
    vpc_endpoint_id,
    vpc_endpoint_account_id,
    api_version,
    session_credential_from_console,
    annotation,
    principal_type,
    principal_id,
    principal_arn,
    principal_account_id,
    access_key_id,
    user_name,
    identity_provider,
    credential_id,
    invoked_by,
    role_arn,
    role_session_name,
    session_issuer_type,
    session_issuer_account_id,
    session_issuer_user_name,
    session_creation_time,
    mfa_authenticated,
    source_identity,
    ec2_role_delivery,
    federated_provider,
    on_behalf_of_user_id,
    in_scope_of_source_arn,
    invoked_by_delegate_account_id,
    user_identity,
    request_parameters,
    response_elements,
    additional_event_data,
    service_event_details,
    resources,
    tls_details,
    addendum,
    event_context,
    unknown_fields,
    operation_class,
    outcome,
    source_key_arn as key_arn,
    source_key_arn,
    source_requested_key_ref as requested_key_ref,
    source_requested_key_ref,
    key_resolution,
    source_encryption_context as encryption_context,
    source_encryption_context,
    source_context_state as context_state,
    source_context_state,
    grant_id,
    source_key_material_id as key_material_id,
    source_key_material_id,
    alias_name,
    algorithm,
    log_file_path,
    record_index,
    delivery_time,
    detail_level,
    amends_event_id,
    body_hash,
    record_layout,
    raw_record,
    event_group,
    event_month,
    cast('source' as text) as key_role,
    key_arn as other_key_arn,
    case
        when outcome = 'probe' then 'dry_run'
        when is_observer(coalesce(role_arn, principal_arn)) then 'observer'
    end as use_mark,
    coalesce(
        outcome in ('blocked', 'not_found', 'transient')
            and not coalesce(strpos(error_message, key_arn) > 0 and strpos(error_message, source_key_arn) = 0, false),
        false
    ) as is_demand,
    additional_event_data -> 'recipient' is not null as is_attested,
    case
        when source_key_arn is not null then coalesce(arn_part(source_key_arn, 'account') <> principal_account_id, false)
            or coalesce(arn_part(source_key_arn, 'account') <> recipient_account_id, false)
    end as is_cross_account,
    case
        when arn_part(source_key_arn, 'account') <> recipient_account_id then case
            when coalesce(principal_account_id, recipient_account_id) = recipient_account_id then 'caller'
        end
        when arn_part(source_key_arn, 'account') = principal_account_id then 'both'
        when arn_part(source_key_arn, 'account') = recipient_account_id then 'owner'
    end as account_side,
    coalesce(
        case
            when principal_type = 'FederatedUser' then principal_arn
            when principal_type = 'AWSAccount' then coalesce(
                principal_arn,
                nullif(principal_role(principal_id), ''),
                principal_account_id
            )
        end,
        role_arn,
        principal_role(principal_arn),
        invoked_by,
        principal_role(principal_id),
        on_behalf_of_user_id,
        user_name
    ) as principal
from events
where event_group = 'kms'
    and (amends_event_id is null or detail_level in ('full', 'reencoded'))
    and source_key_arn is not null
