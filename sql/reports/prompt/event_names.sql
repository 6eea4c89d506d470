-- report:  prompt/event_names
-- summary: Names of events for the prompt to offer, the most frequent first
-- reads:   events
select
    event_name
from events
where event_name is not null
group by
    event_name
order by
    count(*) desc,
    event_name
limit 3000
