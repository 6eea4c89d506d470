-- view:    kms_configuration_dependencies
-- summary: What was configured to use each key: keys named by successful changes in services other than KMS, and by trails that describe-trails told of
-- grain:   key_arn, alias_arn, event_source, event_name, resource
-- reads:   key_mentions, inventory_trails
-- kept:    up to 500,000 rows, until the data changes: keys read it, and its events are parsed once
-- notes:   evidence of a dependency even where no cryptographic call was seen; it does not tell whether the resource still exists
-- notes:   policies that name a key are among them: an iam.amazonaws.com row is a permission, not a dependency
-- notes:   a record that amends another (amends_event_id) is seen, but not counted
-- column:  key_arn: the key; null = named by an alias of which nothing tells what it stood for then
-- column:  alias_arn: the alias that the change named, and which stood for the key then, or stands for it now: some services look it up when they use it; null = the key itself was named
-- column:  event_source: service that was changed
-- column:  event_name: what was done, or the command of the AWS CLI that told of it (describe-trails)
-- column:  resource: best name of what the call made or changed: an ARN, an id or a name; null = nothing looks like one
-- column:  event_count: events; 0 of what an output told
-- column:  first_seen_time: earliest event, or when the output was made, UTC
-- column:  last_seen_time: latest event, likewise, UTC
-- column:  last_event_id: latest event; of several in that second, the greatest id; null = told by an output
select
    key_arn,
    alias_arn,
    event_source,
    event_name,
    resource,
    count(*) filter (where amends_event_id is null) as event_count,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time,
    last_value(event_id order by event_time asc nulls first, event_id asc nulls first) as last_event_id
from key_mentions
group by
    key_arn,
    alias_arn,
    event_source,
    event_name,
    resource

union all

select
    kms_key_arn as key_arn,
    null as alias_arn,
    'cloudtrail.amazonaws.com' as event_source,
    'describe-trails' as event_name,
    trail_arn as resource,
    0 as event_count,
    snapshot_time as first_seen_time,
    snapshot_time as last_seen_time,
    null as last_event_id
from inventory_trails
where strpos(kms_key_arn, ':key/') > 0
