-- report:  key/grants
-- summary: Grants on a key that live, as far as the logs show, the latest first; 20 at most, the verdict tells of how many
-- reads:   kms_grants
-- notes:   $key: key ARN
select
    grant_id,
    grantee_principal,
    operations,
    created_time
from kms_grants
where key_arn = $key
    and grant_state = 'live'
order by
    created_time desc nulls last,
    grant_id
limit 20
