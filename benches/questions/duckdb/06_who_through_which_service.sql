select
    coalesce(userIdentity.sessionContext.sessionIssuer.arn, userIdentity.arn, userIdentity.invokedBy, userIdentity.principalId) as principal,
    userIdentity.invokedBy as service,
    count(*) as event_count
from kms_calls
where key_arn = $key
    and errorCode is null
    and eventTime >= cast($since as timestamp)
group by
    principal,
    service
order by
    event_count desc,
    principal,
    service
