-- view:    trail_silences
-- summary: Spans without a single management event, per account and region, while the account's logs go on, that neither chance nor rhythm explains: gaps, unless integrity digests tell that nothing was delivered
-- grain:   recipient_account_id, aws_region, gap_start_time
-- reads:   trail_rhythms
-- kept:    up to 500,000 rows, until the data changes: trail_gaps reads it more than once
-- notes:   data events do not count, as a trail of those holds no KMS call; a quiet account may truly have had no event; the logs alone cannot tell that from a trail that was off or files that are missing
-- notes:   a span of a day or more is none where the place is silent so by its rhythm: see trail_rhythms.is_usual. Where half of the silences last one hour no day is left out but the weekends of a place that sleeps at night; where they last eight hours silences of up to four days are
-- notes:   a span of less than 24 hours is a gap where the logs reach over two weeks or more and so many hours in a row without an event come about once in a million such windows, were the silent hours spread evenly: with events in 99 of 100 hours that is 5 hours, with events in half of them never
-- notes:   time before the first event of an account and region is no gap, but not covered either
-- column:  gap_start_time: the last management event before the silence, UTC
-- column:  gap_end_time: the first one after it, UTC; null = there is none, though other regions of the account go on
-- column:  silent_until_time: the same, or the last management event of the account, UTC
-- column:  is_beyond_chance: were all other silent hours of the place spread evenly, as long a silence would come less than once in a million windows
select
    recipient_account_id,
    aws_region,
    start_time as gap_start_time,
    end_time as gap_end_time,
    until_time as silent_until_time,
    expected_count < 0.000001 as is_beyond_chance
from trail_rhythms
where traffic = 'management'
    and (
        (until_time - start_time >= interval '24 hours' and not is_usual)
        or (end_time is not null and silent_hours < 24 and reach_hours >= 14 * 24 and expected_count < 0.000001)
    )
