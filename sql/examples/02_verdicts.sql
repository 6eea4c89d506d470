-- question: What do the logs show about every key, in one word?
-- reads: kms_key_verdicts
select
    verdict,
    count(*) as key_count,
    min(last_used_time) as oldest_last_use,
    max(last_used_time) as newest_last_use
from kms_key_verdicts
group by
    verdict
order by
    key_count desc;
