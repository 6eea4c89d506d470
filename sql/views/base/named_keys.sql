-- view:    named_keys
-- summary: Every KMS key that a record of another service than KMS names, in whatever call, and since when
-- grain:   key_arn
-- reads:   events, kms_configuration_dependencies
-- notes:   calls that failed, that read, and data events too; what successful changes name, and for what, is in key_mentions
-- notes:   rows of a lake of format 1 tell of keys in successful changes only
-- column:  key_arn: ARN of the key
-- column:  first_seen_time: earliest record that names it, UTC
-- column:  last_seen_time: latest record that names it, UTC
with name_lists as (
    -- Data events come in millions and name few keys.
    select
        mentioned_key_arns,
        min(event_time) as first_seen_time,
        max(event_time) as last_seen_time
    from events
    where event_group = 'other'
        and (amends_event_id is null or detail_level in ('full', 'reencoded'))
        and mentioned_key_arns <> ''
    group by
        mentioned_key_arns
),

names as (
    select
        unnest(string_to_array(mentioned_key_arns, ' ')) as named_arn,
        first_seen_time,
        last_seen_time
    from name_lists

    union all

    -- Of rows of a lake of format 1.
    select
        key_arn as named_arn,
        first_seen_time,
        last_seen_time
    from kms_configuration_dependencies
    where alias_arn is null
)

select
    named_arn as key_arn,
    min(first_seen_time) as first_seen_time,
    max(last_seen_time) as last_seen_time
from names
where strpos(named_arn, ':key/') > 0
group by
    named_arn
