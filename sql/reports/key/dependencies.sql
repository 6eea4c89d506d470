-- report:  key/dependencies
-- summary: Configurations of other services that name a key, the latest first; 20 at most, total_count tells of how many
-- reads:   kms_configuration_dependencies
-- notes:   $key: key ARN
select
    event_source,
    event_name,
    resource,
    alias_arn,
    event_count,
    last_seen_time,
    count(*) over () as total_count
from kms_configuration_dependencies
where key_arn = $key
order by
    last_seen_time desc nulls last,
    event_source,
    event_name,
    resource,
    alias_arn
limit 20
