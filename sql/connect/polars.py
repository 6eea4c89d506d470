# the keytrail lake as Polars frames, which read the Delta log and see every commit: pip install polars deltalake
import polars as pl

lake = {lake}
{tables}
# calls of each key and the last of them
uses = (
    events.filter(pl.col("event_group") == "kms", pl.col("outcome") == "used")
    .group_by("key_arn")
    .agg(uses=pl.len(), last_used=pl.col("event_time").max())
    .sort("last_used")
)
print(uses.collect())
