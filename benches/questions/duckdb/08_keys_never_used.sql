select key_arn
from kms_events
where key_arn is not null
group by key_arn
having count(*) filter (where key_role <> 'target' and errorCode is null) = 0
order by key_arn
