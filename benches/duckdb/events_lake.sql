-- DuckDB's own files.
set parquet_metadata_cache = true;
create or replace temp view events as
select *
from read_parquet(getvariable('lake') || '/**/*.parquet', hive_partitioning = true);
