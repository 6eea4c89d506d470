-- view:    key_mentions
-- summary: KMS keys that successful changes in other services name: volumes, databases, secrets, buckets, trails, policies
-- grain:   recipient_account_id, event_id, key_arn, alias_arn
-- reads:   events, kms_aliases
-- notes:   key ARNs anywhere in the record, and bare key ids and aliases under members such as kmsKeyId
-- notes:   they are found at conversion; of rows from a lake of format 1, which has mentioned_key_arns null, they are found here, in requestParameters and responseElements
-- notes:   data events (an object that names its key) are left out
-- column:  key_arn: ARN of a key that the event names; a bare id is taken for a key of the event's account and region; null = an alias, and nothing tells what it stood for then
-- column:  alias_arn: the alias by which the event names the key, and which stood for it then, or stands for it now: some services look it up when they use it, and of an alias that was moved since both keys have a row; null = the key itself is named
-- column:  resource: best name of what the call made or changed: an ARN, an id or a name; null = nothing looks like one
with changes as (
    select
        recipient_account_id,
        event_id,
        event_time,
        event_source,
        event_name,
        aws_region,
        principal_arn,
        principal_account_id,
        role_arn,
        invoked_by,
        amends_event_id,
        request_parameters,
        response_elements,
        resources,
        mentioned_key_arns,
        mentioning_resource
    from events
    where event_group = 'other'
        and (amends_event_id is null or detail_level in ('full', 'reencoded'))
        and read_only is not true
        and management_event is not false
        and coalesce(event_category, 'Management') = 'Management'
        and error_code is null
),

named as (
    select
        recipient_account_id,
        event_id,
        event_time,
        event_source,
        event_name,
        aws_region,
        principal_arn,
        role_arn,
        invoked_by,
        amends_event_id,
        unnest(string_to_array(mentioned_key_arns, ' ')) as named_arn,
        mentioning_resource as resource
    from changes
    where mentioned_key_arns <> ''

    union all

    select
        recipient_account_id,
        event_id,
        event_time,
        event_source,
        event_name,
        aws_region,
        principal_arn,
        role_arn,
        invoked_by,
        amends_event_id,
        unnest(
            key_mentions(
                request_parameters,
                response_elements,
                aws_region,
                coalesce(recipient_account_id, principal_account_id)
            )
        ) as named_arn,
        call_resource(resources, request_parameters, response_elements) as resource
    from changes
    where mentioned_key_arns is null
)

select
    named.recipient_account_id,
    named.event_id,
    named.event_time,
    named.event_source,
    named.event_name,
    named.aws_region,
    named.principal_arn,
    named.role_arn,
    named.invoked_by,
    named.amends_event_id,
    case when strpos(named.named_arn, ':alias/') = 0 then named.named_arn else kms_aliases.key_arn end as key_arn,
    case when strpos(named.named_arn, ':alias/') > 0 then named.named_arn end as alias_arn,
    named.resource
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
