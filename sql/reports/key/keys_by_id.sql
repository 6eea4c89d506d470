-- report:  key/keys_by_id
-- summary: The keys that an id stands for; the members of a multi-Region key share theirs
-- reads:   kms_keys
-- notes:   $key_suffix: `:key/` and the key id
select
    key_arn
from kms_keys
where ends_with(key_arn, $key_suffix)
order by
    key_arn
