-- view:    key_evidence
-- summary: What records of other services prove of a KMS key: data that it encrypts, and calls that failed for its state
-- grain:   key_arn, account_id, aws_region, proof, event_source, event_name
-- reads:   events, kms_aliases
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- notes:   data events are in the logs only where a trail asks for them; keys are found as for key_mentions
-- notes:   an alias that a failed call, or its error's message, names counts for the key that it stood for then, or stands for now
-- notes:   what changes in other services name is in key_mentions
-- column:  key_arn: the key that the error's message names, else the keys that the record names; of an alias the key that it stood for; null = KMS refused the service, and neither tells for which key
-- column:  account_id: account of the key, or of the call where no key is told; null = not told
-- column:  aws_region: its region, likewise
-- column:  proof: protects (a data event that succeeded names the key, as that of what it wrote), encrypted (a call that succeeded made a volume, a snapshot, a database, a secret or the like with it), blocked (KMS refused the service for the key's state, as KMS.DisabledException in S3, or a message that says so), not_found (so it did as the key is not there), inaccessible (the service could not use the key, and its error does not tell whether for its state or for want of permission, as KMSKeyNotAccessibleFault of RDS)
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
            when error_code is null and (event_category = 'Data' or management_event is false) then 'protects'
            when error_code is null then 'encrypted'
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
        -- The first key or alias of the message.
        regexp_match(error_message, 'arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]+:(?:key|alias)/[A-Za-z0-9/_-]+')[1] as message_arn,
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
            -- None of them is done without a data key.
            or (
                error_code is null
                and coalesce(mentioned_key_arns <> '', true)
                and regexp_like(
                    concat(split_part(event_source, '.', 1), ':', event_name),
                    '^(ec2:(RunInstances|CreateVolume|CreateSnapshots?|CopySnapshot|ImportSnapshot|CopyImage)|rds:(CreateDB(Instance|Cluster|InstanceReadReplica|Snapshot|ClusterSnapshot)|CopyDB(Cluster)?Snapshot|RestoreDB(Instance|Cluster)\w+)|secretsmanager:(CreateSecret|PutSecretValue)|ssm:PutParameter|elasticfilesystem:CreateFileSystem|fsx:(CreateFileSystem\w*|CreateVolume|CreateBackup)|redshift:(CreateCluster|CreateClusterSnapshot|RestoreFromClusterSnapshot)|dynamodb:(CreateTable|CreateBackup|RestoreTable\w+)|elasticache:(CreateReplicationGroup|CreateSnapshot|CopySnapshot)|es:Create(Elasticsearch)?Domain|memorydb:Create(Cluster|Snapshot)|kafka:CreateCluster|dms:CreateReplicationInstance|workspaces:CreateWorkspaces|route53:CreateKeySigningKey)\w*$'
                )
            )
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
        account_id,
        aws_region,
        message_arn as named_arn
    from records
    where error_code is not null
        and message_arn is not null

    union all

    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        account_id,
        aws_region,
        unnest(string_to_array(mentioned_key_arns, ' ')) as named_arn
    from records
    where mentioned_key_arns <> ''
        and message_arn is null

    union all

    -- Rows of a lake of format 1.
    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        account_id,
        aws_region,
        unnest(key_mentions(request_parameters, response_elements, aws_region, account_id)) as named_arn
    from records
    where mentioned_key_arns is null
        and message_arn is null

    union all

    select
        event_id,
        event_time,
        event_source,
        event_name,
        proof,
        account_id,
        aws_region,
        null as named_arn
    from records
    where mentioned_key_arns = ''
        and message_arn is null
),

-- An alias that was moved may have meant two keys, or one twice.
keys as (
    select distinct
        named.event_id,
        named.event_time,
        named.event_source,
        named.event_name,
        named.proof,
        named.account_id,
        named.aws_region,
        case when strpos(named.named_arn, ':alias/') = 0 then named.named_arn else kms_aliases.key_arn end as key_arn
    from named
    left join kms_aliases
        on kms_aliases.alias_arn = named.named_arn
        and (
            kms_aliases.valid_to is null
            or (
                coalesce(kms_aliases.possible_from <= named.event_time, true)
                and coalesce(named.event_time < kms_aliases.valid_to, true)
            )
        )
)

select
    key_arn,
    coalesce(split_part(key_arn, ':', 5), account_id) as account_id,
    coalesce(split_part(key_arn, ':', 4), aws_region) as aws_region,
    proof,
    event_source,
    event_name,
    count(*) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc) as last_event_id
from keys
where (strpos(key_arn, ':kms:') > 0 and strpos(key_arn, ':key/') > 0)
    or (key_arn is null and proof in ('blocked', 'not_found', 'inaccessible'))
group by
    key_arn,
    coalesce(split_part(key_arn, ':', 5), account_id),
    coalesce(split_part(key_arn, ':', 4), aws_region),
    proof,
    event_source,
    event_name
