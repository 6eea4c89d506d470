select *
from kms_key_usage
where key_arn = $key
