-- the keytrail lake {lake} as tables of Athena, which read the Delta log and see every commit
-- columns and partitions come from the log; the role needs s3:GetObject and s3:ListBucket on the lake
create database if not exists keytrail;
{tables}
-- calls of each key and the last of them
-- select key_arn, count(*) as uses, max(event_time) as last_used from keytrail.events where event_group = 'kms' and outcome = 'used' group by key_arn order by last_used;
