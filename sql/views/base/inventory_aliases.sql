-- view:    inventory_aliases
-- summary: The aliases of the newest list-aliases output of each alias
-- grain:   alias_arn
-- reads:   inventory_alias_history
-- column:  alias_arn: ARN of the alias
-- column:  alias_name: name, with `alias/`
-- column:  key_arn: key that it stood for when the output was made
-- column:  updated_time: LastUpdatedDate, UTC: since when it stands for the key; null = not given
-- column:  snapshot_time: when the output was made, UTC
with ranked as (
    select
        *,
        row_number() over (
            partition by alias_arn
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank
    from inventory_alias_history
)

select
    alias_arn,
    alias_name,
    key_arn,
    updated_time,
    snapshot_time
from ranked
where rank = 1
