-- keytrail's own files: the live ones of its Delta logs.
set parquet_metadata_cache = true;
set timezone = 'UTC';
create or replace temp view events as
select *
from read_parquet(getvariable('files'), hive_partitioning = true);
create or replace temp view log_files as
select *
from read_parquet(getvariable('ledger'), hive_partitioning = true);
