-- the keytrail lake {lake} as views of DuckDB, without an extension
-- these are the files that are in the lake now: print this again after `keytrail convert` or `keytrail compact`
-- with DuckDB's extension `delta`, which sees every commit: create view events as select * from delta_scan('{lake}/events');
{access}{views}
-- calls of each key and the last of them
-- select key_arn, count(*) as uses, max(event_time) as last_used from events where event_group = 'kms' and outcome = 'used' group by key_arn order by last_used;
