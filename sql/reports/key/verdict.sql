-- report:  key/verdict
-- summary: What the logs show about the use of a key
-- reads:   kms_key_verdicts
-- notes:   $key: key ARN
select
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
