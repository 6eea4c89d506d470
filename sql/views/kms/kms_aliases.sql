-- view:    kms_aliases
-- summary: Which key an alias stood for, and when
-- grain:   alias_arn, valid_from
-- reads:   kms_events, inventory_alias_history
-- kept:    up to 500,000 rows, until the data changes: every name of a key is looked up in it
-- notes:   an alias that was moved twice has three rows; one that was deleted and made again for the same key has two
-- notes:   told by CreateAlias, UpdateAlias and DeleteAlias that succeeded, by every successful event that names the alias and the key that KMS took it for, and by imported list-aliases outputs
-- notes:   what calls show within five minutes after an alias event is not taken into account: a change takes effect after a while
-- notes:   DeleteKey ends what still stands for that key
-- notes:   where an alias event is missing in the logs, valid_from and valid_to are the times of observations: the change happened between last_seen_time and valid_to
-- notes:   of an alias of which only its deletion tells, valid_from and valid_to are the time of that
-- column:  alias_arn: the alias's ARN; its account and region are those of the key
-- column:  alias_name: `alias/` and the rest, case-sensitive
-- column:  account_id: account of the alias
-- column:  aws_region: region of the alias
-- column:  key_arn: the key that it stood for
-- column:  valid_from: event or first observation from which it did, UTC
-- column:  possible_from: time from which it may have stood for it, UTC: valid_from where that is told; else when the alias was last seen to stand for another key, or for none; null = since before the logs
-- column:  valid_to: event or observation that ended it, UTC; null = it still does, as far as the logs tell
-- column:  source: event (valid_from is the time of CreateAlias or UpdateAlias), observed (the time of a call), inventory (what list-aliases tells)
-- column:  source_event_id: event at valid_from; null = told by an output
-- column:  ended_event_id: event at valid_to; null = not ended, or told by an output
-- column:  last_seen_time: latest alias event, call or output that shows it, UTC
with mentions as (
    select
        event_id,
        event_time,
        alias_name,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        case when event_name <> 'DeleteAlias' then key_arn end as key_arn,
        event_name in ('CreateAlias', 'UpdateAlias', 'DeleteAlias') as is_change,
        case event_name
            when 'DeleteAlias' then 0
            when 'CreateAlias' then 1
            when 'UpdateAlias' then 2
            else 3
        end as second_order,
        'observed' as witness
    from kms_events
    where key_role <> 'source'
        and alias_name is not null
        and key_arn is not null
        and error_code is null
        and amends_event_id is null

    union all

    -- In a source row alias_name is that of the destination.
    select
        event_id,
        event_time,
        substr(requested_key_ref, strpos(requested_key_ref, 'alias/')) as alias_name,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        key_arn,
        false as is_change,
        3 as second_order,
        'observed' as witness
    from kms_events
    where key_role = 'source'
        and (starts_with(requested_key_ref, 'alias/') or strpos(requested_key_ref, ':alias/') > 0)
        and error_code is null
        and amends_event_id is null

    union all

    -- A DeleteAlias shows what the alias stood for until then.
    select
        event_id,
        event_time,
        alias_name,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        key_arn,
        false as is_change,
        -1 as second_order,
        'observed' as witness
    from kms_events
    where key_role = 'target'
        and event_name = 'DeleteAlias'
        and alias_name is not null
        and key_arn is not null
        and error_code is null
        and amends_event_id is null

    union all

    -- A DeleteAlias that names no key.
    select
        event_id,
        event_time,
        alias_name,
        case
            when starts_with(aws_region, 'cn-') then 'aws-cn'
            when starts_with(aws_region, 'us-gov-') then 'aws-us-gov'
            when starts_with(aws_region, 'us-iso-') then 'aws-iso'
            when starts_with(aws_region, 'us-isob-') then 'aws-iso-b'
            when starts_with(aws_region, 'eu-isoe-') then 'aws-iso-e'
            when starts_with(aws_region, 'us-isof-') then 'aws-iso-f'
            when starts_with(aws_region, 'eusc-') then 'aws-eusc'
            else 'aws'
        end as arn_partition,
        aws_region,
        recipient_account_id as account_id,
        null as key_arn,
        true as is_change,
        0 as second_order,
        'observed' as witness
    from kms_events
    where key_role = 'target'
        and event_name = 'DeleteAlias'
        and error_code is null
        and key_arn is null
        and alias_name is not null
        and amends_event_id is null

    union all

    -- What list-aliases shows is an observation at LastUpdatedDate, and one when the output was made.
    select
        null as event_id,
        updated_time as event_time,
        alias_name,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        key_arn,
        false as is_change,
        4 as second_order,
        'inventory' as witness
    from inventory_alias_history

    union all

    select
        null as event_id,
        snapshot_time as event_time,
        alias_name,
        split_part(key_arn, ':', 2) as arn_partition,
        split_part(key_arn, ':', 4) as aws_region,
        split_part(key_arn, ':', 5) as account_id,
        key_arn,
        false as is_change,
        4 as second_order,
        'inventory' as witness
    from inventory_alias_history
),

dated as (
    select
        *,
        max(case when is_change then event_time end) over (
            partition by arn_partition, aws_region, account_id, alias_name
            order by
                event_time asc,
                second_order asc,
                event_id asc
            rows between unbounded preceding and current row
        ) as last_change_time
    from mentions
    where event_time is not null
),

compared as (
    select
        *,
        lag(key_arn) over (
            partition by arn_partition, aws_region, account_id, alias_name
            order by
                event_time asc,
                second_order asc,
                event_id asc
        ) as previous_key_arn
    from dated
    where is_change
        or last_change_time is null
        or event_time > last_change_time + interval '5 minutes'
),

numbered as (
    select
        *,
        sum(case when key_arn is distinct from previous_key_arn then 1 else 0 end) over (
            partition by arn_partition, aws_region, account_id, alias_name
            order by
                event_time asc,
                second_order asc,
                event_id asc
            rows between unbounded preceding and current row
        ) as interval_number
    from compared
),

intervals as (
    select
        arn_partition,
        aws_region,
        account_id,
        alias_name,
        interval_number,
        max(key_arn) as key_arn,
        min(event_time) as valid_from,
        max(event_time) as last_seen_time,
        first_value(event_id order by event_time asc, second_order asc, event_id asc) as source_event_id,
        first_value(witness order by event_time asc, second_order asc, event_id asc) as witness,
        min(event_time) filter (where is_change) as first_change_time
    from numbered
    group by
        arn_partition,
        aws_region,
        account_id,
        alias_name,
        interval_number
),

bounded as (
    select
        *,
        lead(valid_from) over (
            partition by arn_partition, aws_region, account_id, alias_name
            order by interval_number asc
        ) as next_time,
        lead(source_event_id) over (
            partition by arn_partition, aws_region, account_id, alias_name
            order by interval_number asc
        ) as next_event_id,
        case
            when first_change_time = valid_from or witness <> 'observed' then valid_from
            else lag(last_seen_time) over (
                partition by arn_partition, aws_region, account_id, alias_name
                order by interval_number asc
            )
        end as possible_from
    from intervals
),

deletions as (
    select
        key_arn,
        min(event_time) as deleted_time,
        min(event_id) as deleted_event_id
    from kms_events
    where key_role = 'target'
        and event_name = 'DeleteKey'
        and key_arn is not null
        and error_code is null
        and amends_event_id is null
    group by
        key_arn
)

select
    concat_ws(':', 'arn', bounded.arn_partition, 'kms', bounded.aws_region, bounded.account_id, bounded.alias_name) as alias_arn,
    bounded.alias_name,
    bounded.account_id,
    bounded.aws_region,
    bounded.key_arn,
    bounded.valid_from,
    bounded.possible_from,
    coalesce(least(bounded.next_time, deletions.deleted_time), bounded.next_time, deletions.deleted_time) as valid_to,
    case when bounded.first_change_time = bounded.valid_from then 'event' else bounded.witness end as source,
    bounded.source_event_id,
    case
        when deletions.deleted_time < coalesce(bounded.next_time, deletions.deleted_time + interval '1 second')
        then deletions.deleted_event_id
        else bounded.next_event_id
    end as ended_event_id,
    bounded.last_seen_time
from bounded
left join deletions
    on deletions.key_arn = bounded.key_arn
    and deletions.deleted_time > bounded.valid_from
where bounded.key_arn is not null
    and (
        bounded.next_time is null
        or bounded.next_time > bounded.valid_from
        -- Only its deletion tells of it.
        or bounded.next_event_id = bounded.source_event_id
    )
