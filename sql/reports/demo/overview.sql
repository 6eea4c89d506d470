-- report:  demo/overview
-- summary: What the demo's lake holds
-- reads:   events
select
    count(*) as event_count,
    count(*) filter (where event_group = 'kms') as kms_event_count,
    count(distinct key_arn) as key_count,
    count(distinct recipient_account_id) as account_count,
    count(distinct aws_region) as region_count,
    min(event_time) as first_event_time,
    max(event_time) as last_event_time
from events
