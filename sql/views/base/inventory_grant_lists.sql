-- view:    inventory_grant_lists
-- summary: When the grants of each key were last listed by list-grants
-- grain:   key_arn
-- reads:   inventory
-- notes:   an output without any grant is one of a key where its file's name, or the output, tells of which
-- column:  snapshot_time: when the newest output that is no page before the last was made, UTC; null = there are such pages only
select
    key_arn,
    max(snapshot_time) filter (where item ->> 'Truncated' is null) as snapshot_time
from inventory
-- An output without any grant is an item of its own.
where item_kind in ('grant', 'grant_none')
    and key_arn is not null
group by
    key_arn
