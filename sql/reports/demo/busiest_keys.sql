-- report:  demo/busiest_keys
-- summary: The keys with the most uses
-- reads:   kms_key_usage
-- notes:   short names, so that a row fits 80 columns
select
    key_id(key_arn) as key_id,
    use_count as uses,
    service_count as services,
    last_used_time
from kms_key_usage
order by
    use_count desc,
    key_arn
limit 5
