-- view:    kms_protected_resources
-- summary: The AWS resources that each key protects, as far as encryption contexts name them
-- grain:   key_arn, service, resource_kind, resource
-- reads:   kms_events, kms_grants
-- notes:   a context names one resource, by the first of the rules that fits; `context_resource` tells them, context_rules.csv beside the user's views adds to them
-- notes:   counts are of calls, not of objects, unless is_call_per_object; a record that amends another (amends_event_id) is seen, but not counted
-- notes:   what a service or CloudTrail encrypts to try its permission protects nothing and has no row (outcome probe)
-- notes:   a ReEncrypt from a key to itself is counted on both sides
-- notes:   a live grant whose constraints name a resource tells of it too, where no call does: EC2 opens a volume by such a grant once, when it is attached
-- notes:   of a call across accounts both copies count, where the logs hold both
-- column:  service: AWS service whose resource it is, as in userIdentity.invokedBy; null = the caller encrypts by himself
-- column:  resource_kind: object, bucket, volume, database, secret, parameter, table, …
-- column:  resource: ARN, id or name, as the context has it; null = the context does not tell which
-- column:  is_call_per_object: true = one call stands for one object written or read; false = one call covers many, or the service keeps the data key; null = not known
-- column:  is_latent: data that may lie for years between two calls and needs the key all the while: volumes, snapshots, backups, databases
-- column:  encrypt_count: calls that succeeded and made a ciphertext or a data key for it
-- column:  decrypt_count: calls that succeeded and opened one
-- column:  failed_count: calls that failed: they wanted the resource, and the key was not given
-- column:  live_grant_count: grants that live, as far as the logs and imported outputs tell, and whose constraints name it
-- column:  first_encrypt_time: earliest success that made one, UTC; null = none seen
-- column:  last_encrypt_time: latest such call, UTC
-- column:  first_decrypt_time: earliest success that opened one, UTC; null = none seen
-- column:  last_decrypt_time: latest such call, UTC
-- column:  is_written_never_read: it was written and, since the first write that the logs show, never opened
with calls as (
    select
        key_arn,
        event_time,
        amends_event_id is null as is_counted,
        error_code is null as is_success,
        operation_class = 'decrypt' or key_role = 'source' as is_opening,
        context_resource(encryption_context) as protected
    from kms_events
    where key_arn is not null
        and key_role <> 'target'
        and encryption_context is not null
        and outcome <> 'probe'
        and context_get(encryption_context, 'SecretVersionId') is distinct from 'RequestToValidateKeyAccess'
),

grants as (
    select
        key_arn,
        cast(null as timestamp) as event_time,
        false as is_counted,
        false as is_success,
        false as is_opening,
        true as is_live_grant,
        context_resource(
            coalesce(
                json_get_json(constraints, 'encryptionContextEquals'),
                json_get_json(constraints, 'encryptionContextSubset'),
                json_get_json(constraints, 'EncryptionContextEquals'),
                json_get_json(constraints, 'EncryptionContextSubset')
            )
        ) as protected
    from kms_grants
    where key_arn is not null
        and grant_state = 'live'
        and constraints is not null
),

tellers as (
    select *
    from calls

    union all by name

    select *
    from grants
),

named as (
    select
        key_arn,
        event_time,
        is_counted,
        is_success,
        is_opening,
        coalesce(is_live_grant, false) as is_live_grant,
        protected['service'] as service,
        protected['resource_kind'] as resource_kind,
        protected['resource'] as resource,
        protected['is_call_per_object'] as is_call_per_object,
        protected['is_latent'] as is_latent
    from tellers
),

resources as (
    select
        key_arn,
        service,
        resource_kind,
        resource,
        bool_and(is_call_per_object) as is_call_per_object,
        bool_or(is_latent) as is_latent,
        count(*) filter (where is_counted and is_success and not is_opening) as encrypt_count,
        count(*) filter (where is_counted and is_success and is_opening) as decrypt_count,
        count(*) filter (where is_counted and not is_success) as failed_count,
        count(*) filter (where is_live_grant) as live_grant_count,
        min(event_time) filter (where is_success and not is_opening) as first_encrypt_time,
        max(event_time) filter (where is_success and not is_opening) as last_encrypt_time,
        min(event_time) filter (where is_success and is_opening) as first_decrypt_time,
        max(event_time) filter (where is_success and is_opening) as last_decrypt_time
    from named
    group by
        key_arn,
        service,
        resource_kind,
        resource
    -- As a condition on rows it would have the rules tried twice, for it and for the columns.
    having count(resource_kind) > 0
)

select
    key_arn,
    service,
    resource_kind,
    resource,
    is_call_per_object,
    is_latent,
    encrypt_count,
    decrypt_count,
    failed_count,
    live_grant_count,
    first_encrypt_time,
    last_encrypt_time,
    first_decrypt_time,
    last_decrypt_time,
    first_encrypt_time is not null
        and (last_decrypt_time is null or last_decrypt_time < first_encrypt_time) as is_written_never_read
from resources
