
create external table if not exists keytrail.{table}
location '{lake}/{table}/'
tblproperties ('table_type' = 'DELTA');
