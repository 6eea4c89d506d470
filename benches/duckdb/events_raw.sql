-- The logs themselves; each distinct event once, as everywhere.
create or replace temp view events as
select distinct on (recipientAccountId, case when eventID is null then api_events::varchar else eventID end)
    * replace (cast(eventTime as timestamp) as eventTime)
from api_events;
