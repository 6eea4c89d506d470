-- report:  key/principals
-- summary: Who used a key or tried to, the most uses first; 20 at most, total_count tells of how many
-- reads:   kms_key_principals
-- notes:   $key: key ARN
select
    principal,
    principal_type,
    principal_account_id,
    use_event_count,
    failed_count,
    first_seen_time,
    last_seen_time,
    count(*) over () as total_count
from kms_key_principals
where key_arn = $key
order by
    use_event_count desc,
    failed_count desc,
    principal
limit 20
