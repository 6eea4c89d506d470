-- view:    kms_grants
-- summary: Every grant from its creation to its end: for whom, for what, under which constraints, live or ended
-- grain:   key_arn, grant_id
-- reads:   kms_events, inventory_grants, inventory_grant_lists
-- kept:    up to 500,000 rows, until the data changes: verdicts and permissions read it
-- notes:   successful events only: a CreateGrant that failed or was a dry run makes no grant
-- notes:   a retried CreateGrant with the same name answers with the same grant: one row, created by the earliest
-- notes:   a record that amends another (amends_event_id) stands for it where the other is not in the logs; what a correction says of the grant goes before what it corrects
-- notes:   grants that were made before the logs begin and that nobody ended within them are known from imported list-grants outputs only
-- notes:   what the logs tell of a grant goes before what list-grants does; that one is not listed any more tells of an end that is not logged
-- column:  key_arn: the key; null = only ends of the grant are logged, without the key
-- column:  grant_id: id of the grant; null = the record of its creation does not tell
-- column:  grant_name: name that the creator gave; null = none, or creation not seen
-- column:  created_time: time of CreateGrant, or CreationDate, UTC; null = created before the logs begin, not listed
-- column:  created_event_id: CreateGrant event; null = created before the logs begin
-- column:  created_by_principal_arn: who made it; null = creation not seen, or AWS names none
-- column:  created_by_service: AWS service that made it, for itself or with the principal's credentials; null = none stood between
-- column:  grantee_principal: who may use the key by it: an ARN, a service, an instance, a unique id; null = creation not seen, not listed
-- column:  retiring_principal: who else may retire it; null = nobody named, or creation not seen
-- column:  operations: what it permits, sorted, separated by commas; null = creation not seen
-- column:  constraints: constraints as JSON text: encryptionContextSubset, encryptionContextEquals, sourceArn; null = none, or creation not seen
-- column:  ended_time: time of RetireGrant, RevokeGrant or DeleteKey, UTC; null = live as far as the logs tell, or not_listed
-- column:  ended_event_id: event that ended it; null = live, or not_listed
-- column:  grant_state: live, retired, revoked, key_deleted, not_listed (a list-grants output of its key that is an hour newer than it, or more, holds it no longer); live = nothing tells of its end
-- column:  is_created_before_window: no CreateGrant in the logs tells of it
-- column:  listed_time: when the newest list-grants output that holds it was made, UTC; null = none does
with grant_events as (
    select
        grant_id,
        -- A record without its answer tells of a grant, and not of which.
        coalesce(grant_id, event_id) as grant_key,
        key_arn,
        event_id,
        event_time,
        event_name,
        principal_arn,
        invoked_by,
        request_parameters,
        amends_event_id
    from kms_events
    where key_role = 'target'
        and event_name in ('CreateGrant', 'RetireGrant', 'RevokeGrant')
        and (grant_id is not null or (event_name = 'CreateGrant' and key_arn is not null and amends_event_id is null))
        and outcome = 'succeeded'
),

grants as (
    select
        grant_key,
        max(grant_id) as grant_id,
        max(key_arn) as key_arn,
        -- The copies that several accounts get of one call: who made it stands in the caller's.
        first_value(event_id order by event_time asc, amends_event_id is not null asc, principal_arn is null asc, event_id asc) filter (
            where event_name = 'CreateGrant'
        ) as created_event_id,
        first_value(principal_arn order by event_time asc, amends_event_id is not null asc, principal_arn is null asc, event_id asc) filter (
            where event_name = 'CreateGrant'
        ) as created_by_principal_arn,
        first_value(invoked_by order by event_time asc, amends_event_id is not null asc, principal_arn is null asc, event_id asc) filter (
            where event_name = 'CreateGrant'
        ) as created_by_service,
        first_value(
            request_parameters
            order by
                coalesce(amends_event_id <> event_id, false) desc,
                event_time asc,
                amends_event_id is not null asc,
                principal_arn is null asc,
                event_id asc
        ) filter (
            where event_name = 'CreateGrant'
        ) as request,
        min(event_time) filter (where event_name = 'CreateGrant') as created_time,
        first_value(event_id order by event_time asc, amends_event_id is not null asc, principal_arn is null asc, event_id asc) filter (
            where event_name <> 'CreateGrant'
        ) as ended_event_id,
        first_value(event_name order by event_time asc, amends_event_id is not null asc, principal_arn is null asc, event_id asc) filter (
            where event_name <> 'CreateGrant'
        ) as ended_by,
        min(event_time) filter (where event_name <> 'CreateGrant') as ended_time
    from grant_events
    group by
        grant_key
),

deletions as (
    select
        key_arn,
        event_time,
        event_id
    from kms_events
    where key_role = 'target'
        and event_name = 'DeleteKey'
        and key_arn is not null
        and error_code is null
        and amends_event_id is null
),

-- A replica may be made again after its deletion.
ends as (
    select
        grants.grant_key,
        min(deletions.event_time) as deleted_time,
        min_by(deletions.event_id, deletions.event_time) as deleted_event_id
    from grants
    inner join deletions
        on deletions.key_arn = grants.key_arn
        and deletions.event_time >= coalesce(grants.created_time, deletions.event_time)
    group by
        grants.grant_key
),

logged as (
    select
        grants.key_arn,
        grants.grant_id,
        grants.request ->> 'name' as grant_name,
        grants.created_time,
        grants.created_event_id,
        grants.created_by_principal_arn,
        grants.created_by_service,
        coalesce(grants.request ->> 'granteePrincipal', grants.request ->> 'granteeServicePrincipal') as grantee_principal,
        coalesce(grants.request ->> 'retiringPrincipal', grants.request ->> 'retiringServicePrincipal') as retiring_principal,
        replace(
            array_to_string(array_sort(array_distinct(json_get_array(grants.request, 'operations'))), ','),
            '"',
            ''
        ) as operations,
        json_get_json(grants.request, 'constraints') as constraints,
        case when grants.ended_event_id is null then ends.deleted_time else grants.ended_time end as ended_time,
        coalesce(grants.ended_event_id, ends.deleted_event_id) as ended_event_id,
        case
            when grants.ended_by = 'RetireGrant' then 'retired'
            when grants.ended_by = 'RevokeGrant' then 'revoked'
            when ends.deleted_event_id is not null then 'key_deleted'
            else 'live'
        end as grant_state,
        grants.created_event_id is null as is_created_before_window
    from grants
    left join ends
        on ends.grant_key = grants.grant_key
)

select
    coalesce(logged.key_arn, listed.key_arn) as key_arn,
    coalesce(logged.grant_id, listed.grant_id) as grant_id,
    coalesce(logged.grant_name, nullif(listed.grant_name, '')) as grant_name,
    coalesce(logged.created_time, listed.created_time) as created_time,
    logged.created_event_id,
    logged.created_by_principal_arn,
    logged.created_by_service,
    coalesce(logged.grantee_principal, listed.grantee_principal) as grantee_principal,
    coalesce(logged.retiring_principal, listed.retiring_principal) as retiring_principal,
    coalesce(logged.operations, listed.operations) as operations,
    coalesce(logged.constraints, listed.constraints) as constraints,
    logged.ended_time,
    logged.ended_event_id,
    case
        when logged.grant_state = 'live'
            and listed.grant_id is null
            and logged.grant_id is not null
            -- Pages of one list may be made within an hour.
            and logged.created_time < lists.snapshot_time - interval '1 hour' then 'not_listed'
        else coalesce(logged.grant_state, 'live')
    end as grant_state,
    logged.created_event_id is null as is_created_before_window,
    listed.snapshot_time as listed_time
from logged
full join inventory_grants as listed
    on listed.grant_id = logged.grant_id
left join inventory_grant_lists as lists
    on lists.key_arn = logged.key_arn
