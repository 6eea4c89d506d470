-- view:    inventory_grant_lists
-- summary: When the grants of each key were last listed by list-grants
-- grain:   key_arn
-- reads:   inventory
-- notes:   an output without any grant is one of a key where its file's name, or the output, tells of which
-- notes:   list-retirable-grants prints the same of some grants only: an output whose grants all name one retiring principal is taken for one of those, unless its file's name has list-grants in it
-- column:  snapshot_time: when the newest output that is no page before the last, nor of some grants only, was made, UTC; null = there are none but such
with lists as (
    select
        key_arn,
        snapshot_time,
        bool_or(item ->> 'Truncated' is null)
            and (
                bool_or(item_kind = 'grant_none')
                or bool_or(source_path like '%list-grants%')
                or bool_or(coalesce(item ->> 'RetiringPrincipal', item ->> 'RetiringServicePrincipal') is null)
                or min(item ->> 'RetiringPrincipal') <> max(item ->> 'RetiringPrincipal')
            ) as is_whole
    from inventory
    -- An output without any grant is an item of its own.
    where item_kind in ('grant', 'grant_none')
        and key_arn is not null
    group by
        key_arn,
        snapshot_time,
        source_path
)

select
    key_arn,
    max(snapshot_time) filter (where is_whole) as snapshot_time
from lists
group by
    key_arn
