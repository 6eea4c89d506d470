select
    eventID,
    eventTime,
    eventName
from events
where requestParameters like $pattern
order by
    eventTime,
    eventID
