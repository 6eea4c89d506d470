create or replace view {table} as
select *
from read_parquet(
  [
{files}
  ],
  hive_partitioning = {is_partitioned},
  hive_types_autocast = false
);
