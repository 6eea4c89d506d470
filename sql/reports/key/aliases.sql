-- report:  key/aliases
-- summary: Alias names that were seen to stand for a key, the latest first
-- reads:   kms_events
-- notes:   $key: key ARN
-- notes:   an alias may have been moved to another key since
select
    alias_name,
    min(event_time) as first_seen_time,
    max(event_time) as last_seen_time
from kms_events
where key_arn = $key
    and alias_name is not null
    and key_role <> 'source'
    and error_code is null
group by
    alias_name
order by
    last_seen_time desc nulls last,
    alias_name
