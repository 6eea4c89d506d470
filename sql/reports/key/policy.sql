-- report:  key/policy
-- summary: The statements of a key's policy that are in force at the end of the logs
-- reads:   kms_key_policies
-- notes:   $key: key ARN; no rows: the logs do not hold the policy
select
    effect,
    principal,
    principal_kind,
    actions,
    conditions,
    valid_from
from kms_key_policies
where key_arn = $key
    and valid_to is null
order by
    statement_index,
    principal
