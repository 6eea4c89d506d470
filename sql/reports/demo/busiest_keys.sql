-- report:  demo/busiest_keys
-- summary: The keys with the most uses
-- reads:   kms_key_usage
select
    key_arn,
    use_count,
    principal_count,
    service_count,
    last_used_time
from kms_key_usage
order by
    use_count desc,
    key_arn
limit 5
