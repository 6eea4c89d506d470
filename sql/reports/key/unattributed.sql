-- report:  key/unattributed
-- summary: Cryptographic calls in a key's account and region that name neither a key nor an alias that is known
-- reads:   kms_unresolved_calls
-- notes:   $account_id, $region: of the key; any of these calls, and of those whose record names no place, may have meant it
select
    count(distinct coalesce(amends_event_id, event_id)) filter (where error_code is null) as use_count,
    count(distinct coalesce(amends_event_id, event_id)) filter (where error_code is not null) as failure_count,
    count(*) filter (where is_demand) as demand_count
from kms_unresolved_calls
where key_arn is null
    and coalesce(key_account_id, $account_id) = $account_id
    and coalesce(key_region, $region) = $region
