-- report:  key/keys_by_arn
-- summary: The key of an ARN, where an event names it
-- reads:   kms_keys
-- notes:   $key: key ARN; a key that only imported outputs know is left out
select
    key_arn
from kms_keys
where key_arn = $key
    and first_seen_time is not null
