-- report:  key/access
-- summary: Who may be allowed to use a key; 20 at most, total_count tells of how many
-- reads:   kms_potential_access
-- notes:   $key: key ARN; may be allowed, never is allowed
select
    tier,
    principal,
    via,
    actions,
    is_conditional,
    is_cross_account,
    source,
    as_of_time,
    count(*) over () as total_count
from kms_potential_access
where key_arn = $key
    and has_use_action
order by
    case tier when 'anyone' then 0 when 'named' then 1 when 'grant' then 2 when 'service' then 3 else 4 end,
    principal,
    via
limit 20
