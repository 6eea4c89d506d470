-- report:  key/keys_by_alias
-- summary: The keys that an alias was seen to stand for, the latest first
-- reads:   kms_events
-- notes:   $alias: alias name, `alias/` and the rest; aliases of one name can exist in every account and region
select
    key_arn,
    max(event_time) as last_seen_time
from kms_events
where alias_name = $alias
    and key_arn is not null
    and key_role <> 'source'
    and error_code is null
group by
    key_arn
order by
    last_seen_time desc nulls last,
    key_arn
