-- question: Which keys are used most, and since when?
-- reads: kms_key_usage
select
    key_id(key_arn) as key_id,
    use_count,
    first_used_time,
    principal_count
from kms_key_usage
order by
    use_count desc
limit 20;
