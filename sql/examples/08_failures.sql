-- question: Which calls on keys fail, and why?
-- reads: kms_failed_attempts
select
    error_code,
    outcome,
    sum(event_count) as event_count,
    count(distinct key_arn) as key_count,
    max(last_seen_time) as last_seen_time
from kms_failed_attempts
group by
    error_code,
    outcome
order by
    event_count desc
limit 20;
