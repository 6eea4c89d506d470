select key_arn
from kms_key_usage
where use_event_count = 0
order by key_arn
