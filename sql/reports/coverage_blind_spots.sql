-- report:  coverage_blind_spots
-- summary: How many blind spots there are, in words: `2 gap`
-- reads:   kms_blind_spots
select
    concat(count(*), ' ', kind) as spots
from kms_blind_spots
group by
    kind
order by
    kind
