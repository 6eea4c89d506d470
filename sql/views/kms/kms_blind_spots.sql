-- view:    kms_blind_spots
-- summary: Where and when the logs cannot show a use of a KMS key, by their own evidence
-- grain:   account_id, aws_region, kind, from_time
-- reads:   kms_events, kms_read_silences, kms_logging_losses, trail_coverage, trail_gaps, trail_digests, unfinished_conversions, filtered_exports, kms_last_usage_check, inventory_trails, kms_keys
-- kept:    up to 500,000 rows, until the data changes: every verdict reads it
-- column:  account_id: account whose KMS calls may be missing; null = files whose place is not known
-- column:  kind: no_logs (keys live there, and no log file of that place holds an event), gap (no event for a day or more, or for longer than the traffic there is ever silent: see trail_gaps; or none any more for a day or more while other regions of the account go on), write_only, kms_writes_only, no_kms_calls, kms_calls_stopped (other events go on, KMS reads do not: see kms_read_silences), logging_stopped, kms_excluded, kms_partial (a change of a trail took KMS calls away: see kms_logging_losses), partial_detail (formats that cannot carry an encryption context), filtered_export (events that no log file of a trail holds, and that all have one name, caller or key: see filtered_exports), rejected (input that could not be taken), missing_use (a use that GetKeyLastUsage names, or that the logs of the account that called hold, is not in those of the key's account: others may be missing with it), trail_settings (no trail that cloudtrail describe-trails and get-event-selectors told of logs all KMS calls there, or none is one of that region: see inventory_trails), missing_log_file (log files that an integrity digest names are not in the lake, nor the digest that the next one names: see trail_digests), unfinished_conversion (log files that a conversion left unread: see unfinished_conversions)
-- column:  from_time: start of the span, UTC; null = the whole time
-- column:  to_time: its end, UTC; null = until now
-- column:  key_count: keys of that account and region that the logs know of
-- column:  event_id: event that proves it: the change of the trail; null = it follows from what is missing
-- column:  detail: numbers behind it, in words
with keys as (
    select
        account_id,
        aws_region,
        count(*) as key_count
    from kms_keys
    group by
        account_id,
        aws_region
),

places as (
    select
        recipient_account_id as account_id,
        aws_region,
        bool_or(organization_id is not null) as is_of_organization,
        coalesce(
            max(case when kms_read_count > 0 then event_hour end) >= max(event_hour) - interval '7 days',
            false
        ) as has_late_reads,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from trail_coverage
    where management_count > 0
    group by
        recipient_account_id,
        aws_region
),

-- Successful calls across accounts: the key's own account gets a copy.
shared_calls as (
    select
        key_arn,
        split_part(key_arn, ':', 5) as account_id,
        split_part(key_arn, ':', 4) as aws_region,
        min(event_time) as event_time,
        min(event_id) as event_id
    from kms_events
    where is_cross_account
        and key_role <> 'target'
        and outcome = 'used'
        and shared_event_id is not null
        and principal_type is distinct from 'AWSService'
    group by
        key_arn,
        shared_event_id
    -- Of a record that does not tell its account nothing is known.
    having bool_and(coalesce(account_side = 'caller', false))
),

missing_uses as (
    select
        split_part(key_arn, ':', 5) as account_id,
        split_part(key_arn, ':', 4) as aws_region,
        last_used_time as event_time,
        cloudtrail_event_id as event_id,
        concat('GetKeyLastUsage names a use of ', key_arn, ' that is not in the logs') as detail
    from kms_last_usage_check
    where finding = 'missing'
        and last_used_time is not null

    union all

    select
        shared_calls.account_id,
        shared_calls.aws_region,
        shared_calls.event_time,
        shared_calls.event_id,
        concat('another account''s logs hold a use of ', shared_calls.key_arn, ' that its own do not') as detail
    from shared_calls
    inner join places
        on places.account_id = shared_calls.account_id
        and places.aws_region = shared_calls.aws_region
        and shared_calls.event_time > places.first_event_time + interval '1 hour'
        and shared_calls.event_time < places.last_event_time - interval '1 hour'
),

spots as (
    select
        keys.account_id,
        keys.aws_region,
        'no_logs' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        'no log file of this account and region holds an event' as detail
    from keys
    left join places
        on places.account_id = keys.account_id
        and places.aws_region = keys.aws_region
    where places.account_id is null

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'gap' as kind,
        gap_start_time as from_time,
        gap_end_time as to_time,
        null as event_id,
        concat(gap_hours, ' hours without an event') as detail
    from trail_gaps

    union all

    select
        account_id,
        aws_region,
        kind,
        from_time,
        to_time,
        null as event_id,
        detail
    from kms_read_silences

    union all

    select
        account_id,
        aws_region,
        kind,
        from_time,
        to_time,
        event_id,
        detail
    from kms_logging_losses

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'partial_detail' as kind,
        min(first_event_time) as from_time,
        max(last_event_time) as to_time,
        null as event_id,
        concat(sum(partial_detail_count), ' records without request parameters or context') as detail
    from trail_coverage
    where partial_detail_count > 0
    group by
        recipient_account_id,
        aws_region

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'rejected' as kind,
        min(event_hour) as from_time,
        max(event_hour) + interval '1 hour' as to_time,
        null as event_id,
        concat(sum(rejected_count), ' records or files were rejected') as detail
    from trail_coverage
    where rejected_count > 0
    group by
        recipient_account_id,
        aws_region

    union all

    select
        recipient_account_id as account_id,
        aws_region,
        'filtered_export' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        concat('all ', event_count, ' events are of one ', filtered_by, ', as in an export that holds nothing else')
            as detail
    from filtered_exports

    union all

    select
        account_id,
        aws_region,
        'missing_use' as kind,
        date_trunc('hour', event_time) as from_time,
        date_trunc('hour', event_time) + interval '1 hour' as to_time,
        min(event_id) as event_id,
        min(detail) as detail
    from missing_uses
    group by
        account_id,
        aws_region,
        date_trunc('hour', event_time)

    union all

    select
        places.account_id,
        places.aws_region,
        'trail_settings' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        coalesce(
            'KMS calls by its selectors, as last told: ' || string_agg(
                distinct concat(inventory_trails.trail_name, ' ', inventory_trails.kms_effect),
                ', '
                order by concat(inventory_trails.trail_name, ' ', inventory_trails.kms_effect)
            ) filter (where is_multi_region or home_region = places.aws_region),
            'none of the trails that describe-trails told of is one of this region'
        ) as detail
    from places
    inner join inventory_trails
        on inventory_trails.account_id = places.account_id
        or (inventory_trails.is_organization and places.is_of_organization)
    group by
        places.account_id,
        places.aws_region,
        places.is_of_organization,
        places.has_late_reads
    -- Where KMS reads are there to the end, another trail delivered them.
    having bool_and(
        not (is_multi_region or home_region = places.aws_region)
            or inventory_trails.kms_effect in ('excluded', 'reads_excluded', 'partial')
    )
        and (
            not places.has_late_reads
            or bool_or((is_multi_region or home_region = places.aws_region) and inventory_trails.kms_effect = 'partial')
        )
        -- The trail that delivered those files may be one that nothing tells of.
        and (not places.is_of_organization or bool_or(inventory_trails.is_organization))

    union all

    -- Their events are mostly of that hour and the one before.
    select
        recipient_account_id as account_id,
        aws_region,
        'missing_log_file' as kind,
        digest_start_time - interval '1 hour' as from_time,
        digest_end_time as to_time,
        null as event_id,
        concat(
            'named by a digest and not in the lake: ',
            min(split_part(missing_log_files, chr(10), 1)),
            case
                when max(missing_log_file_count) > 1
                    then concat(' and ', max(missing_log_file_count) - 1, ' more: see trail_digest_log_files')
            end
        ) as detail
    from trail_digests
    where missing_log_file_count > 0
    group by
        recipient_account_id,
        aws_region,
        digest_start_time,
        digest_end_time

    union all

    -- As its digests, so its log files.
    select
        recipient_account_id as account_id,
        aws_region,
        'missing_log_file' as kind,
        previous_end_time - interval '1 hour' as from_time,
        digest_start_time as to_time,
        null as event_id,
        concat('the digest of these hours, which the next one names, is not in the lake: ', min(previous_digest)) as detail
    from trail_digests
    where is_previous_missing
        and digest_start_time > previous_end_time
    group by
        recipient_account_id,
        aws_region,
        previous_end_time,
        digest_start_time

    union all

    select
        null as account_id,
        null as aws_region,
        'unfinished_conversion' as kind,
        null as from_time,
        null as to_time,
        null as event_id,
        concat(
            case reason
                when 'unread' then concat(unread_log_file_count, ' log files that could not be read')
                when 'missing_shard' then concat('shard ', shard, ' was not converted')
                when 'begun' then 'a run that goes on, or was killed'
                else concat('a run that ', case when reason = 'failed' then reason else 'was stopped' end)
            end,
            ': ',
            source
        ) as detail
    from unfinished_conversions
)

select
    spots.account_id,
    spots.aws_region,
    spots.kind,
    spots.from_time,
    spots.to_time,
    coalesce(keys.key_count, 0) as key_count,
    spots.event_id,
    spots.detail
from spots
left join keys
    on keys.account_id = spots.account_id
    and keys.aws_region = spots.aws_region
