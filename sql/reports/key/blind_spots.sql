-- report:  key/blind_spots
-- summary: Where the logs cannot show a use in a key's account and region; the 3 longest of each kind, total_count tells of how many
-- reads:   kms_blind_spots, kms_keys
-- notes:   $account_id, $region: of the key; files that name no place may belong to any
-- notes:   $key: key ARN; what ended before the key was made is left out
with life as (
    select
        max(creation_time) as creation_time
    from kms_keys
    where key_arn = $key
),

spots as (
    select
        kind,
        from_time,
        to_time,
        event_id,
        detail,
        count(*) over () as total_count,
        row_number() over (
            partition by kind
            order by
                date_part('epoch', to_time) - date_part('epoch', from_time) desc nulls first,
                from_time
        ) as rank
    from kms_blind_spots
    cross join life
    where coalesce(account_id, $account_id) = $account_id
        and coalesce(aws_region, $region) = $region
        and (to_time is null or life.creation_time is null or to_time > life.creation_time)
)

select
    kind,
    from_time,
    to_time,
    event_id,
    detail,
    total_count
from spots
where rank <= 3
order by
    kind,
    from_time nulls first
