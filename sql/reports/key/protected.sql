-- report:  key/protected
-- summary: What a key protects, by service and kind of resource, the most resources first; 20 kinds at most
-- reads:   kms_protected_resources
-- notes:   $key: key ARN
select
    service,
    resource_kind,
    count(*) as resource_count,
    count(*) filter (where is_written_never_read) as never_read_count,
    bool_or(is_latent) as is_latent,
    max(greatest(last_encrypt_time, last_decrypt_time)) as last_seen_time
from kms_protected_resources
where key_arn = $key
group by
    service,
    resource_kind
order by
    resource_count desc,
    service,
    resource_kind
limit 20
