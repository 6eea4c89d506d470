-- report:  key/aliases
-- summary: Alias names that stood for a key, by logs and imported outputs, those that still do first
-- reads:   kms_aliases
-- notes:   $key: key ARN
-- notes:   ended_time: when the alias was moved to another key or deleted; null = it still stands for this one, as far as is known
select
    alias_name,
    min(valid_from) as first_seen_time,
    max(last_seen_time) as last_seen_time,
    case when bool_and(valid_to is not null) then max(valid_to) end as ended_time
from kms_aliases
where key_arn = $key
group by
    alias_name
order by
    ended_time desc nulls first,
    last_seen_time desc nulls last,
    alias_name
