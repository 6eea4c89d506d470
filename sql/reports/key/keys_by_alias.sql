-- report:  key/keys_by_alias
-- summary: The keys that an alias stood for until a moment, by logs and imported outputs, the latest first
-- reads:   kms_aliases
-- notes:   $alias: alias name, `alias/` and the rest; aliases of one name can exist in every account and region
-- notes:   $at: the moment, RFC 3339; is_ended: the alias stood for the key no more then, but until ended_time
select
    key_arn,
    max(valid_from) as last_valid_from,
    bool_and(coalesce(valid_to <= cast($at as timestamp), false)) as is_ended,
    max(valid_to) as ended_time
from kms_aliases
where alias_name = $alias
    and valid_from <= cast($at as timestamp)
group by
    key_arn
order by
    last_valid_from desc nulls last,
    key_arn
