-- view:    inventory_aliases
-- summary: The aliases of the newest list-aliases output of each alias
-- grain:   alias_arn
-- reads:   inventory
-- notes:   aliases that stand for no key, such as predefined ones of AWS, are left out
-- column:  alias_arn: ARN of the alias
-- column:  alias_name: name, with `alias/`
-- column:  key_arn: key that it stood for when the output was made
-- column:  updated_time: LastUpdatedDate, UTC: since when it stands for the key; null = not given
-- column:  snapshot_time: when the output was made, UTC
with ranked as (
    select
        key_arn,
        snapshot_time,
        item,
        row_number() over (
            partition by item ->> 'AliasArn'
            order by snapshot_time desc nulls last, imported_time desc
        ) as rank
    from inventory
    where item_kind = 'alias'
        and key_arn is not null
)

select
    item ->> 'AliasArn' as alias_arn,
    item ->> 'AliasName' as alias_name,
    key_arn,
    aws_time(item ->> 'LastUpdatedDate') as updated_time,
    snapshot_time
from ranked
where rank = 1
