-- report:  key/alias_first_keys
-- summary: The keys that an alias stood for, by logs and imported outputs, the first first
-- reads:   kms_aliases
-- notes:   $alias: alias name, `alias/` and the rest; aliases of one name can exist in every account and region
select
    key_arn,
    min(valid_from) as first_valid_from
from kms_aliases
where alias_name = $alias
    and valid_from is not null
group by
    key_arn
order by
    first_valid_from,
    key_arn
