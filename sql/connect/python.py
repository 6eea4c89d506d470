# the keytrail lake as datasets of PyArrow, which read the Delta log and see every commit: pip install deltalake pyarrow
import pyarrow.compute as pc
from deltalake import DeltaTable

lake = {lake}
{tables}
# calls of each key and the last of them
is_use = (pc.field("event_group") == "kms") & (pc.field("outcome") == "used")
uses = events.to_table(columns=["key_arn", "event_time"], filter=is_use)
print(uses.group_by("key_arn").aggregate([([], "count_all"), ("event_time", "max")]).sort_by("event_time_max"))
