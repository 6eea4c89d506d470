-- question: How many uses of keys are there on each day (try .plot after it)?
-- reads: kms_key_usage_daily
select
    event_date,
    sum(use_event_count) as use_event_count
from kms_key_usage_daily
group by
    event_date
order by
    event_date;
