-- report:  key/keys_by_arn
-- summary: The key of an ARN, where an event names it
-- reads:   kms_events
-- notes:   $key: key ARN
select distinct
    key_arn
from kms_events
where key_arn = $key
