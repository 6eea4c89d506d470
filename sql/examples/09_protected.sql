-- question: What kinds of data do the keys protect?
-- reads: kms_protected_resources
select
    service,
    resource_kind,
    count(distinct key_arn) as key_count,
    count(distinct resource) as resource_count,
    max(last_decrypt_time) as last_decrypt_time
from kms_protected_resources
group by
    service,
    resource_kind
order by
    resource_count desc;
