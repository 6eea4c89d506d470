select
    eventTime,
    eventID,
    eventName,
    userIdentity.arn
from kms_calls
where key_arn = $key
    and errorCode is null
order by
    eventTime desc,
    eventID desc
limit 1
