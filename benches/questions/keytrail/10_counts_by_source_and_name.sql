select
    event_source,
    event_name,
    count(*) as event_count
from events
group by
    event_source,
    event_name
order by
    event_source,
    event_name
