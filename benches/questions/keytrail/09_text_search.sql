select
    event_id,
    event_time,
    event_name
from events
where request_parameters like $pattern
order by
    event_time,
    event_id
