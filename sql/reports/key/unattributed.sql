-- report:  key/unattributed
-- summary: Failed cryptographic calls in a key's account and region that name no key at all
-- reads:   kms_events
-- notes:   $account_id, $region: of the key; any of these calls may have meant it
select
    count(*) as event_count
from kms_events
where key_arn is null
    and key_role <> 'target'
    and error_code is not null
    and recipient_account_id = $account_id
    and aws_region = $region
