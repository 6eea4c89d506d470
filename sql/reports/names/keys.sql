-- report:  names/keys
-- summary: Every key that logs and imported outputs know, for telling a misspelt one
-- reads:   kms_keys, inventory_keys
select
    key_arn as name
from kms_keys
where key_arn is not null

union

select
    key_arn as name
from inventory_keys
where key_arn is not null
