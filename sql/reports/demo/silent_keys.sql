-- report:  demo/silent_keys
-- summary: Keys without a use in the last 30 days of the trail, the longest silent first
-- reads:   kms_key_verdicts, kms_events
-- notes:   short names, so that a row fits 80 columns
with covered as (
    select max(event_time) as last_event_time
    from kms_events
)

select
    key_id(kms_key_verdicts.key_arn) as key_id,
    kms_key_verdicts.last_used_time,
    kms_key_verdicts.verdict
from kms_key_verdicts
cross join covered
where kms_key_verdicts.last_used_time is null
    or kms_key_verdicts.last_used_time < covered.last_event_time - interval '30 days'
order by
    kms_key_verdicts.last_used_time asc nulls first,
    kms_key_verdicts.key_arn
limit 8
