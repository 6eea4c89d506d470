//! The lake's tables: what `keytrail-lake` must know of each.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use keytrail_events::schema::{
    EVENT_GROUP, EventGroup, MENTIONED_KEY_ARNS, MENTIONING_RESOURCE, PARTITION_COLUMNS, sort_columns, table_schema,
};
use keytrail_lake::{LakeSpec, PartitionValues, TableSpec};

/// One row per distinct event record.
pub const EVENTS: &str = "events";
/// One row per delivered object ever read.
pub const LOG_FILES: &str = "log_files";
/// One row per record or file that could not be taken.
pub const REJECTS: &str = "rejects";
/// One row per conversion that changed the lake.
pub const RUNS: &str = "runs";
/// One row per item of what the AWS CLI printed about keys and who may use them.
pub const INVENTORY: &str = "inventory";
/// The version of the lake's layout that this code writes and the newest it reads. 2 has the keys that other
/// services' events name, 3 the log files that digests name.
pub const FORMAT_VERSION: u32 = 3;

/// The tables of a lake.
pub fn lake_spec() -> LakeSpec {
    LakeSpec { tables: vec![events(), log_files(), rejects(), runs(), inventory()], format_version: FORMAT_VERSION }
}

fn events() -> TableSpec {
    TableSpec {
        name: EVENTS,
        schema: table_schema(),
        partition_columns: &PARTITION_COLUMNS,
        sort_columns: |partition: &PartitionValues| {
            // A folder of no known group is nobody's: no file is written there.
            let group = partition.get(EVENT_GROUP).and_then(|word| EventGroup::parse(word));
            group.map_or(&[], sort_columns)
        },
        bloom_filter_columns: &["event_id", "key_arn", "source_key_arn"],
        statistics_columns: &[
            "event_time",
            "event_source",
            "event_name",
            "aws_region",
            "recipient_account_id",
            "error_code",
            "operation_class",
            "key_arn",
            "source_key_arn",
            MENTIONED_KEY_ARNS,
            "principal_arn",
            "role_arn",
            "delivery_time",
            // Mostly null in all rows of a file: then no query has to read it.
            "amends_event_id",
        ],
        plain_columns: &["event_id", "request_id", "shared_event_id", "body_hash"],
        later_columns: &[MENTIONED_KEY_ARNS, MENTIONING_RESOURCE],
        grouped_columns: &["user_identity", "request_parameters", "log_file_path"],
    }
}

fn log_files() -> TableSpec {
    TableSpec {
        statistics_columns: &["log_file_path", "delivery_time"],
        plain_columns: &["log_file_path", "log_file_version"],
        later_columns: &[DIGEST_START_TIME, DIGEST_END_TIME, DIGEST_LOG_FILES, PREVIOUS_DIGEST],
        ..small(LOG_FILES, log_files_schema(), |_| &["log_file_path"])
    }
}

fn rejects() -> TableSpec {
    TableSpec {
        statistics_columns: &["log_file_path"],
        ..small(REJECTS, rejects_schema(), |_| &["log_file_path", "record_index"])
    }
}

fn runs() -> TableSpec {
    small(RUNS, runs_schema(), |_| &["started_time"])
}

fn inventory() -> TableSpec {
    TableSpec {
        plain_columns: &["item"],
        ..small(INVENTORY, inventory_schema(), |_| &["item_kind", "key_arn", "snapshot_time"])
    }
}

/// A table without partitions, and without means to find single rows.
fn small(
    name: &'static str,
    schema: SchemaRef,
    sort_columns: fn(&PartitionValues) -> &'static [&'static str],
) -> TableSpec {
    TableSpec {
        name,
        schema,
        partition_columns: &[],
        sort_columns,
        bloom_filter_columns: &[],
        statistics_columns: &[],
        plain_columns: &[],
        later_columns: &[],
        grouped_columns: &[],
    }
}

fn text(name: &str, is_nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, is_nullable)
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
}

fn count(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

const DIGEST_START_TIME: &str = "digest_start_time";
const DIGEST_END_TIME: &str = "digest_end_time";
const DIGEST_LOG_FILES: &str = "digest_log_files";
const PREVIOUS_DIGEST: &str = "previous_digest";

/// `log_files`: the ledger. `records = rows + duplicates + rejected` holds in every row; `conflict_count` counts rows whose id was known
/// with another body. Times are UTC. The `digest_` columns tell what an integrity digest says, verified or not: its hour, and the log
/// files delivered in it as `s3://bucket/key`, a line break between two, empty = none. `previous_digest` is the one before it, likewise,
/// null = it starts a chain. All are null where the file is no digest, or was read into a lake of format 2. The times of events of a digest
/// are those of the log files that it names. An entry made of what a killed run left (`notes` says so) has the version `unknown: RUN` where nothing
/// tells it.
pub(crate) fn log_files_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("log_file_path", false),
        text("log_file_version", false),
        text("log_file_kind", true),
        text("status", true),
        text("organization_id", true),
        text("account_id", true),
        text("aws_region", true),
        time("delivery_time"),
        time("last_modified_time"),
        count("size_bytes"),
        count("uncompressed_bytes"),
        count("record_count"),
        count("row_count"),
        count("duplicate_count"),
        count("conflict_count"),
        count("rejected_count"),
        count("ignored_count"),
        count("kms_read_count"),
        count("kms_write_count"),
        time("first_event_time"),
        time("last_event_time"),
        time(DIGEST_START_TIME),
        time(DIGEST_END_TIME),
        text(DIGEST_LOG_FILES, true),
        text(PREVIOUS_DIGEST, true),
        text("notes", true),
        text("run_id", true),
        time("converted_time"),
        text("keytrail_version", true),
    ]))
}

/// `rejects`: what could not be taken, with its bytes (the first [`crate::ledger::MAX_RAW_BYTES`]; `raw_length` tells the whole).
/// Those count whose `run_id` is that of the ledger's entry: others are what a run that was killed has left, until they are dropped.
pub(crate) fn rejects_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("log_file_path", false),
        text("log_file_version", false),
        count("record_index"),
        count("byte_offset"),
        text("reason", true),
        Field::new("raw_bytes", DataType::Binary, true),
        count("raw_length"),
        text("run_id", true),
        time("rejected_time"),
    ]))
}

/// `runs`: what each conversion was asked for and what it came to; `status` is begun (it goes on, or was killed), complete, stopped or
/// failed. `record_count = row_count + duplicate_count + rejected_count`; times are UTC, `since_time` and `until_time` bound the delivery,
/// null = unbounded; `shard` null = all.
pub fn runs_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("run_id", false),
        time("started_time"),
        time("ended_time"),
        text("status", true),
        text("sources", true),
        time("since_time"),
        time("until_time"),
        text("shard", true),
        count("worker_count"),
        count("log_file_count"),
        count("known_log_file_count"),
        count("changed_log_file_count"),
        count("unread_log_file_count"),
        count("record_count"),
        count("row_count"),
        count("duplicate_count"),
        count("conflict_count"),
        count("rejected_count"),
        count("ignored_count"),
        count("size_bytes"),
        count("uncompressed_bytes"),
        count("data_file_count"),
        count("data_file_bytes"),
        text("keytrail_version", true),
    ]))
}

/// `inventory`: what users hold beside the logs, an item a row, as the AWS CLI printed it (`item`, JSON). `key_arn` and the place are
/// null where neither the item nor its file's path tells them; `snapshot_time` is when the output was made, UTC. An item of a list that says
/// that more follow has `Truncated`.
pub fn inventory_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("import_id", false),
        time("snapshot_time"),
        text("item_kind", false),
        text("account_id", true),
        text("aws_region", true),
        text("key_arn", true),
        text("key_id", true),
        text("item", true),
        text("source_path", true),
        count("item_index"),
        time("imported_time"),
        text("keytrail_version", true),
    ]))
}
