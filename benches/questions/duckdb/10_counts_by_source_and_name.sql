select
    eventSource,
    eventName,
    count(*) as event_count
from events
group by
    eventSource,
    eventName
order by
    eventSource,
    eventName
