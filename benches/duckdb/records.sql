-- Times are written with their offset by some; all are UTC here.
set timezone = 'UTC';

-- The trail's records as DuckDB reads them fastest: one column, declared, nothing detected.
-- `records = true` matters most: without it every file is sampled first, at 14 ms a file.
create or replace temp view records as
select unnest(Records) as record
from read_json(
    getvariable('trail') || '/**/*_CloudTrail_*.json.gz',
    format = 'unstructured',
    records = true,
    maximum_object_size = 134217728,
    ignore_errors = true,
    columns = {
        Records: 'struct(
            eventVersion varchar,
            userIdentity struct(
                "type" varchar,
                principalId varchar,
                arn varchar,
                accountId varchar,
                accessKeyId varchar,
                userName varchar,
                invokedBy varchar,
                sessionContext struct(
                    sessionIssuer struct("type" varchar, principalId varchar, arn varchar, accountId varchar, userName varchar)
                )
            ),
            eventTime timestamptz,
            eventSource varchar,
            eventName varchar,
            awsRegion varchar,
            sourceIPAddress varchar,
            userAgent varchar,
            errorCode varchar,
            errorMessage varchar,
            requestParameters json,
            responseElements json,
            additionalEventData json,
            requestID varchar,
            eventID varchar,
            readOnly varchar,
            resources struct(ARN varchar, accountId varchar, "type" varchar)[],
            eventType varchar,
            apiVersion varchar,
            managementEvent varchar,
            recipientAccountId varchar,
            sharedEventID varchar,
            vpcEndpointId varchar,
            eventCategory varchar,
            tlsDetails json,
            serviceEventDetails json
        )[]'
    }
);

-- Insight and aggregated files lie in the same tree; their records are no API events.
create or replace temp view api_events as
select
    unnest(record),
    case
        when record.eventSource <> 'kms.amazonaws.com' then null
        when len(record.resources) > 0 then list_filter(record.resources, lambda resource: resource.ARN like '%:key/%')[-1].ARN
        when record.requestParameters->>'keyId' like 'arn:%:key/%' then record.requestParameters->>'keyId'
        when record.errorCode is not null then nullif(regexp_extract(record.errorMessage, 'arn:[^ ]*:key/[0-9a-z-]+'), '')
    end as key_arn,
    case
        when record.eventName = 'ReEncrypt' and record.eventSource = 'kms.amazonaws.com'
            then list_filter(record.resources, lambda resource: resource.ARN like '%:key/%')[1].ARN
    end as source_key_arn,
    case
        when record.eventSource <> 'kms.amazonaws.com' then null
        when record.eventName = 'ReEncrypt' then record.requestParameters->'destinationEncryptionContext'
        else record.requestParameters->'encryptionContext'
    end as encryption_context,
    case when record.eventSource = 'kms.amazonaws.com' then 'kms' else 'other' end as event_group,
    strftime(cast(record.eventTime as timestamp), '%Y-%m') as event_month
from records
where record.eventSource is not null
    and record.eventSource <> 'aws:s3';
