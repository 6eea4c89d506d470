-- view:    key_evidence
-- summary: What data events and failures of other services prove of a KMS key: objects that it encrypts, and calls that failed for its state
-- grain:   key_arn, proof, event_source, event_name
-- reads:   events
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- notes:   data events are in the logs only where a trail asks for them; keys are found as for key_mentions
-- notes:   what changes in other services name is in key_mentions
-- column:  key_arn: the key that the error's message names, else the keys that the record names
-- column:  proof: protects (a data event that succeeded names the key, as that of what it wrote), blocked (KMS refused the service for the key's state, as KMS.DisabledException in S3, or a message that says so), not_found (so it did as the key is not there), inaccessible (the service could not use the key, and its error does not tell whether for its state or for want of permission, as KMSKeyNotAccessibleFault of RDS)
-- column:  event_count: events
-- column:  first_seen_time: earliest of them, UTC
-- column:  last_seen_time: latest of them, UTC
-- column:  last_event_id: event of the latest; of several in that second, the greatest id
with records as (
    select
        event_id,
        event_time,
        event_source,
        event_name,
        case
            when error_code is null then 'protects'
            when strpos(error_code, 'NotFound') > 0 then 'not_found'
            when strpos(error_code, 'NotAccessible') > 0
                or error_code in ('DecryptionFailure', 'EncryptionFailure', 'InaccessibleEncryptionCredentialsException') then case
                    when regexp_like(
                        error_message,
                        'DisabledException|InvalidStateException|InvalidKeyState|is disabled|pending deletion|PendingDeletion'
                    ) then 'blocked'
                    else 'inaccessible'
                end
            else 'blocked'
        end as proof,
        error_code,
        error_message,
        mentioned_key_arns,
        request_parameters,
        response_elements,
        aws_region,
        coalesce(recipient_account_id, principal_account_id) as account_id
    from events
    where event_group = 'other'
        and (amends_event_id is null or detail_level in ('full', 'reencoded'))
        and (
            (error_code is null and (event_category = 'Data' or management_event is false))
            or (
                (starts_with(error_code, 'KMS') or starts_with(error_code, 'Kms'))
                and (
                    strpos(error_code, 'Disabled') > 0
                    or strpos(error_code, 'InvalidState') > 0
                    or strpos(error_code, 'NotFound') > 0
                )
            )
            -- RDS, DocumentDB and Redshift; EC2 and EBS; Secrets Manager; DynamoDB.
            or error_code like '%KMSKeyNotAccessible%'
            or error_code like '%KmsKeyNotAccessible%'
            or error_code like '%InvalidKmsKey.InvalidState%'
            or error_code like '%InvalidKMSKey.InvalidState%'
            or error_code in ('DecryptionFailure', 'EncryptionFailure', 'InaccessibleEncryptionCredentialsException')
            -- Systems Manager and others repeat what KMS said.
            or (
                error_code not like '%AccessDenied%'
                and error_message like '%:key/%'
                and (
                    error_message like '%DisabledException%'
                    or error_message like '%KMSInvalidStateException%'
                    or error_message like '%:key/% is disabled%'
                    or error_message like '%:key/% is pending deletion%'
                )
            )
        )
),

named as (
    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        rtrim(
            split_part(translate(substr(error_message, strpos(error_message, 'arn:')), '''",()[]<>', '         '), ' ', 1),
            '.:;'
        ) as key_arn
    from records
    where error_code is not null
        and strpos(error_message, ':key/') > 0

    union all

    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        unnest(string_to_array(mentioned_key_arns, ' ')) as key_arn
    from records
    where mentioned_key_arns <> ''
        and (error_message is null or strpos(error_message, ':key/') = 0)

    union all

    -- Rows of a lake of format 1.
    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        unnest(key_mentions(request_parameters, response_elements, aws_region, account_id)) as key_arn
    from records
    where mentioned_key_arns is null
        and (error_message is null or strpos(error_message, ':key/') = 0)
)

select
    key_arn,
    proof,
    event_source,
    event_name,
    count(*) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc) as last_event_id
from named
where strpos(key_arn, ':kms:') > 0
    and strpos(key_arn, ':key/') > 0
group by
    key_arn,
    proof,
    event_source,
    event_name
