-- report:  key/verdict
-- summary: What the logs show about the use of a key: its own row first, then those of its multi-Region set
-- reads:   kms_key_verdicts
-- notes:   $key: key ARN
select
    key_arn = $key as is_own,
    verdict,
    reasons,
    probe_count,
    unmet_count,
    last_unmet_time,
    last_unmet_event_id,
    denied_count,
    alias_use_count,
    live_grant_count,
    family_last_used_time,
    family_last_unmet_time,
    is_whole_life_covered
from kms_key_verdicts
where key_arn = $key
    or (
        starts_with(split_part($key, ':key/', 2), 'mrk-')
        and split_part(key_arn, ':key/', 2) = split_part($key, ':key/', 2)
        and split_part(key_arn, ':', 5) = split_part($key, ':', 5)
    )
order by
    is_own desc,
    key_arn
