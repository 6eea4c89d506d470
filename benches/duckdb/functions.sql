-- keytrail's functions as far as DuckDB can express them, so that it can run keytrail's views over keytrail's own files.
-- Each does the same work for the rows of a generated trail; odd inputs, which keytrail's own answer too, are not handled.
create or replace temp macro context_get(context, name) as context[name];
create or replace temp macro context_signature(context) as array_to_string(list_sort(map_keys(context)), ',');
create or replace temp macro arn_part(arn, part) as case part
    when 'partition' then split_part(arn, ':', 2)
    when 'service' then split_part(arn, ':', 3)
    when 'region' then split_part(arn, ':', 4)
    when 'account' then split_part(arn, ':', 5)
    else split_part(arn, ':', 6)
end;
create or replace temp macro is_observer(principal) as false;
create or replace temp macro json_get_json(document, name) as json_extract(document, '$.' || name);
create or replace temp macro json_as_text(document, name) as json_extract_string(document, '$.' || name);
create or replace temp macro principal_role(arn) as case
    when arn like '%:assumed-role/%' then regexp_replace(replace(arn, ':sts:', ':iam:'), ':assumed-role/(.*)/[^/]*$', ':role/\1')
    else arn
end;
