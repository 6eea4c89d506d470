-- One sorted file per partition; a partitioned COPY keeps no order within its files.
copy (
    select * exclude (event_group, event_month)
    from events
    where event_group = getvariable('event_group')
        and event_month = getvariable('event_month')
    order by
        case when getvariable('event_group') = 'kms' then key_arn else eventSource end nulls first,
        case when getvariable('event_group') = 'kms' then '' else eventName end,
        eventTime
) to (getvariable('file')) (format parquet, compression zstd, compression_level 1, row_group_size 122880)
