-- view:    inventory_grants
-- summary: The grants of the newest list-grants output of each key
-- grain:   key_arn, grant_id
-- reads:   inventory, inventory_grant_lists
-- notes:   a grant of an older output that the newest of its key does not hold is not in it; nor is any where that is empty, and its file's name tells of which key
-- notes:   outputs of a key that were made within an hour are taken for pages of one; a page that says that more follow ends no grant that it does not hold
-- column:  grantee_principal: who may use the key by it; a service stands for several real grantees
-- column:  operations: sorted, comma-separated
-- column:  constraints: JSON text; null = none
-- column:  created_time: CreationDate, UTC
-- column:  snapshot_time: when the output was made, UTC
-- column:  grant_name: Name; null or empty = none
-- column:  retiring_principal: who may retire it; null = none named
-- column:  issuing_account: account that made it, as an ARN
with grants as (
    select
        inventory.key_arn,
        inventory.snapshot_time,
        inventory.item,
        inventory.item ->> 'GrantId' as grant_id,
        row_number() over (
            partition by inventory.key_arn, inventory.item ->> 'GrantId'
            order by inventory.snapshot_time desc nulls last, inventory.imported_time desc
        ) as rank
    from inventory
    inner join inventory_grant_lists as newest
        on newest.key_arn = inventory.key_arn
        and (
            newest.snapshot_time is null
            or inventory.snapshot_time > newest.snapshot_time - interval '1 hour'
        )
    where inventory.item_kind = 'grant'
)

select
    key_arn,
    grant_id,
    item ->> 'Name' as grant_name,
    coalesce(item ->> 'GranteePrincipal', item ->> 'GranteeServicePrincipal') as grantee_principal,
    coalesce(item ->> 'RetiringPrincipal', item ->> 'RetiringServicePrincipal') as retiring_principal,
    item ->> 'IssuingAccount' as issuing_account,
    replace(
        array_to_string(array_sort(array_distinct(json_get_array(item, 'Operations'))), ','),
        '"',
        ''
    ) as operations,
    item ->> 'Constraints' as constraints,
    aws_time(item ->> 'CreationDate') as created_time,
    snapshot_time
from grants
where rank = 1
