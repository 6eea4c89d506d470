-- question: Who uses keys, and how many of them?
-- reads: kms_key_principals
select
    principal,
    count(distinct key_arn) as key_count,
    sum(use_event_count) as use_event_count,
    max(last_seen_time) as last_seen_time
from kms_key_principals
where use_event_count > 0
group by
    principal
order by
    use_event_count desc
limit 20;
