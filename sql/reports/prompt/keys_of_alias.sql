-- report:  prompt/keys_of_alias
-- summary: The keys that an alias stood for, for whoever asks for the alias in the place of a key's ARN
-- reads:   kms_aliases
select
    key_arn
from kms_aliases
where alias_name = $alias
    and key_arn is not null
group by
    key_arn
order by
    key_arn
limit 5
