-- view:    trail_changes
-- summary: Changes of trails and event data stores that the logs themselves record, with what each means for the logging of KMS calls
-- grain:   recipient_account_id, event_id
-- reads:   events
-- kept:    up to 500,000 rows, until the data changes: kms_logging_losses reads it four times
-- notes:   successful calls only; an effect is that on one trail, and the lake may hold the files of another
-- column:  trail_name: name of the trail, or id of the event data store, without its ARN; null where the record names none
-- column:  trail_arn: its ARN where the record gives it
-- column:  principal_arn: who made the change
-- column:  kms_effect: stopped (nothing is logged any more), started, logged (KMS reads and writes are logged), reads_excluded, writes_excluded, excluded (no KMS call is logged), partial (KMS calls are chosen by caller, name or kind), unknown; null = none
with changes as (
    select
        event_time,
        event_id,
        recipient_account_id,
        aws_region,
        event_name,
        coalesce(
            request_parameters ->> 'trailName',
            request_parameters ->> 'eventDataStore',
            request_parameters ->> 'name',
            response_elements ->> 'trailARN',
            response_elements ->> 'name'
        ) as trail_text,
        principal_arn,
        kms_logging_effect(event_name, request_parameters) as kms_effect,
        request_parameters
    from events
    where event_group = 'other'
        and event_source = 'cloudtrail.amazonaws.com'
        and event_name in (
            'CreateTrail',
            'UpdateTrail',
            'DeleteTrail',
            'StartLogging',
            'StopLogging',
            'PutEventSelectors',
            'UpdateEventDataStore',
            'DeleteEventDataStore',
            'RestoreEventDataStore',
            'StartEventDataStoreIngestion',
            'StopEventDataStoreIngestion'
        )
        and error_code is null
        and amends_event_id is null
)

select
    event_time,
    event_id,
    recipient_account_id,
    aws_region,
    event_name,
    case
        when strpos(trail_text, ':trail/') > 0 then split_part(trail_text, ':trail/', 2)
        when strpos(trail_text, ':eventdatastore/') > 0 then split_part(trail_text, ':eventdatastore/', 2)
        else trail_text
    end as trail_name,
    case when strpos(trail_text, ':trail/') > 0 or strpos(trail_text, ':eventdatastore/') > 0 then trail_text end as trail_arn,
    principal_arn,
    kms_effect,
    request_parameters
from changes
