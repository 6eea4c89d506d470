-- question: Which keys have gone the longest without a use?
-- reads: kms_key_usage
select
    key_id(key_arn) as key_id,
    last_used_time,
    use_count
from kms_key_usage
order by
    last_used_time asc nulls first
limit 20;
