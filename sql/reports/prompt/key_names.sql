-- report:  prompt/key_names
-- summary: ARNs of keys and names of aliases for the prompt to offer
-- reads:   kms_events
with names as (
    select
        key_arn as key_name
    from kms_events
    where key_arn is not null

    union all

    select
        alias_name as key_name
    from kms_events
    where alias_name is not null
)

select
    key_name
from names
group by
    key_name
order by
    key_name
limit 20000
