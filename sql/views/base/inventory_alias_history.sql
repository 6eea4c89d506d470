-- view:    inventory_alias_history
-- summary: The aliases of all imported list-aliases outputs
-- grain:   alias_arn, snapshot_time
-- reads:   inventory
-- notes:   aliases that stand for no key, such as predefined ones of AWS, are left out
-- column:  alias_arn: ARN of the alias
-- column:  alias_name: name, with `alias/`
-- column:  key_arn: key that it stood for when the output was made
-- column:  updated_time: LastUpdatedDate, UTC: since when it stands for the key; null = not given
-- column:  snapshot_time: when the output was made, UTC
-- column:  imported_time: when it was imported, UTC
select
    item ->> 'AliasArn' as alias_arn,
    item ->> 'AliasName' as alias_name,
    key_arn,
    aws_time(item ->> 'LastUpdatedDate') as updated_time,
    snapshot_time,
    imported_time
from inventory
where item_kind = 'alias'
    and key_arn is not null
