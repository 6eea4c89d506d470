# the keytrail lake as views of Spark, which read the Delta log and see every commit: pip install pyspark delta-spark
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession

builder = (
    SparkSession.builder.appName("keytrail")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
)
spark = configure_spark_with_delta_pip(builder).getOrCreate()

lake = {lake}
{tables}
# calls of each key and the last of them
spark.table("events").where("event_group = 'kms' and outcome = 'used'").groupBy("key_arn").agg(
    {"*": "count", "event_time": "max"}
).show()
