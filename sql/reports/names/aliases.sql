-- report:  names/aliases
-- summary: Every alias name that logs and imported outputs know, for telling a misspelt one
-- reads:   kms_aliases, inventory_aliases
select
    alias_name as name
from kms_aliases

union

select
    alias_name as name
from inventory_aliases
