-- view:    key_mentions
-- summary: KMS keys that successful changes in other services name: volumes, databases, secrets, buckets, trails, policies
-- grain:   recipient_account_id, event_id, key_arn
-- reads:   events
-- notes:   key ARNs anywhere in requestParameters and responseElements, and bare key ids under members such as kmsKeyId
-- notes:   both are found at conversion; of rows from a lake of format 1, which has mentioned_key_arns null, they are found here
-- notes:   aliases are not resolved; data events (an object that names its key) are left out
-- column:  key_arn: ARN of a key that the event names; a bare id is taken for a key of the event's account and region
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
)

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
    unnest(string_to_array(mentioned_key_arns, ' ')) as key_arn,
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
    ) as key_arn,
    call_resource(resources, request_parameters, response_elements) as resource
from changes
where mentioned_key_arns is null
