-- report:  key/operations
-- summary: What was done with a key, by operation
-- reads:   kms_key_usage_daily
-- notes:   $key: key ARN
select
    operation,
    sum(use_event_count) as use_event_count,
    sum(failed_count) as failed_count,
    max(event_date) as last_seen_date
from kms_key_usage_daily
where key_arn = $key
group by
    operation
order by
    use_event_count desc,
    operation
