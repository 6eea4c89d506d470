-- view:    kms_unused_keys
-- summary: Customer keys of the inventory without a use in the logs, with what the logs cover where they live
-- grain:   key_arn
-- reads:   inventory_keys, kms_key_verdicts
-- notes:   no use in the logs is no proof that a key is not needed: see kms_key_verdicts, and `keytrail key` for one of them
-- notes:   keys pending deletion are in; deleted keys, and keys that AWS manages, are out
-- column:  verdict: no_use_found or incomplete, as in kms_key_verdicts
-- column:  reasons: as in kms_key_verdicts: kinds of kms_blind_spots where the key lives, signs of use, missing_event; empty = none
-- column:  covered_from_time: first event of the key's account and region, UTC; null = no logs of it at all
-- column:  is_whole_life_covered: the key was created inside the window
-- column:  description: as describe-key gave it; null = only listed
-- column:  key_state: as describe-key gave it; null = only listed
-- column:  creation_time: CreationDate, UTC; null = only listed
-- column:  deletion_time: DeletionDate, UTC; null = none scheduled
-- column:  covered_to_time: last event of the key's account and region, UTC
-- column:  covered_day_count: UTC days with at least one event
select
    inventory_keys.key_arn,
    kms_key_verdicts.verdict,
    kms_key_verdicts.reasons,
    inventory_keys.key_state,
    inventory_keys.creation_time,
    inventory_keys.deletion_time,
    inventory_keys.description,
    kms_key_verdicts.covered_from_time,
    kms_key_verdicts.covered_to_time,
    kms_key_verdicts.covered_day_count,
    kms_key_verdicts.is_whole_life_covered
from inventory_keys
inner join kms_key_verdicts
    on kms_key_verdicts.key_arn = inventory_keys.key_arn
where coalesce(inventory_keys.key_manager, 'CUSTOMER') = 'CUSTOMER'
    and kms_key_verdicts.verdict in ('no_use_found', 'incomplete')
    and kms_key_verdicts.key_state is distinct from 'Deleted'
