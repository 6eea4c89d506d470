//! What the columns of the tables beside `events` mean, for whoever describes them; those of `events` stand in its schema.
//!
//! Times are UTC, with microseconds. Counts are of the row's own log file or run.

use crate::spec::{INVENTORY, LOG_FILES, REJECTS, RUNS};

/// A column and what it means.
type Meaning = (&'static str, &'static str);

/// What a column of one of these tables means; none for other tables and columns.
pub fn column_meaning(table: &str, column: &str) -> Option<&'static str> {
    let meanings = match table {
        LOG_FILES => LOG_FILE_COLUMNS,
        REJECTS => REJECT_COLUMNS,
        RUNS => RUN_COLUMNS,
        INVENTORY => INVENTORY_COLUMNS,
        _ => return None,
    };
    meanings.iter().find(|(name, _)| *name == column).map(|(_, meaning)| *meaning)
}

const LOG_FILE_COLUMNS: &[Meaning] = &[
    ("log_file_path", "absolute path or s3://bucket/key of the delivered object; never null"),
    (
        "log_file_version",
        "what changes when the object does: its ETag, or size and modification time; a row for each version that was read; never null",
    ),
    (
        "log_file_kind",
        "what the file holds: events, digest, insight, network_activity, aggregated, notification, control_message, query_signature, security_lake, empty, prose or unknown",
    ),
    (
        "status",
        "committed (all taken), partial (some records rejected), rejected (nothing taken), archived (S3 has to restore it first)",
    ),
    ("organization_id", "organization by the path; null where it names none"),
    ("account_id", "account by the folders or the file's name; null where neither tells it, or they differ"),
    ("aws_region", "region, likewise"),
    ("delivery_time", "when it was delivered by its name, UTC, minute resolution; null where the name tells none"),
    ("last_modified_time", "when the object was last written, UTC; null where its store does not tell"),
    ("size_bytes", "bytes as delivered, compressed"),
    ("uncompressed_bytes", "bytes after unpacking"),
    (
        "record_count",
        "event records read = row_count + duplicate_count + rejected_count; ignored ones are not among them",
    ),
    ("row_count", "records that became rows of events"),
    ("duplicate_count", "records that the lake, or an earlier part of the file, held already"),
    ("conflict_count", "among the rows, those whose event id was known with another body; both are kept"),
    ("rejected_count", "records, or the file as one, that could not be taken; table rejects has them"),
    ("ignored_count", "records of other kinds, which are no API events (Insights, digests, …)"),
    ("kms_read_count", "events of KMS whose operation only reads, duplicates too"),
    ("kms_write_count", "the other events of KMS, duplicates too"),
    (
        "first_event_time",
        "earliest event_time, UTC, duplicates too; of a digest, of the log files that it names; null = none",
    ),
    ("last_event_time", "latest event_time, UTC, likewise"),
    (
        "digest_start_time",
        "begin of the hour that an integrity digest is about, UTC; null = no digest, or read into a lake of format 2",
    ),
    ("digest_end_time", "end of that hour, UTC; null likewise"),
    (
        "digest_log_files",
        "log files delivered in that hour by the digest, as s3://bucket/key, a line break between two; empty = none; null as digest_start_time",
    ),
    ("previous_digest", "the digest before it, as s3://bucket/key; null = it starts a chain, or as digest_start_time"),
    ("notes", "oddities of the file and of its reading, `; ` between two; null = none"),
    ("run_id", "run of `keytrail convert` that read it; see table runs"),
    ("converted_time", "when that run began, UTC"),
    ("keytrail_version", "version of keytrail that read it"),
];

const REJECT_COLUMNS: &[Meaning] = &[
    ("log_file_path", "log file it was found in, as in log_files; never null"),
    ("log_file_version", "version of that file, as in log_files; never null"),
    ("record_index", "position of the record in the file, from 0; null = the whole file"),
    ("byte_offset", "where it begins in the unpacked text that holds it, in bytes from 0"),
    ("reason", "why it could not be taken"),
    ("raw_bytes", "its bytes, at most the first MiB"),
    ("raw_length", "how many bytes it has in all"),
    ("run_id", "run of `keytrail convert` that rejected it; see table runs"),
    ("rejected_time", "when that run began, UTC"),
];

const RUN_COLUMNS: &[Meaning] = &[
    ("run_id", "id of the run; never null"),
    ("started_time", "when it began, UTC"),
    ("ended_time", "when it ended, UTC; null = it goes on, or was killed"),
    (
        "status",
        "complete (all that was listed is in the lake), stopped (asked to end before), failed, or begun (it goes on, or was killed)",
    ),
    ("sources", "places that it read, sorted, a line break between two"),
    ("since_time", "earliest delivery that it was asked for, UTC; null = unbounded"),
    ("until_time", "end of the deliveries that it was asked for, UTC; null = unbounded"),
    ("shard", "part of the listing that it took, as I/N; null = all of it"),
    ("worker_count", "workers that read side by side"),
    ("log_file_count", "log files read"),
    ("known_log_file_count", "log files left alone, as the lake held them"),
    ("changed_log_file_count", "among those read, objects of which the lake held another version"),
    ("unread_log_file_count", "log files whose bytes could not be had; the next run reads them again"),
    ("record_count", "event records read = row_count + duplicate_count + rejected_count"),
    ("row_count", "records that became rows of events"),
    ("duplicate_count", "records that the lake, or an earlier file of the run, held already"),
    ("conflict_count", "among the rows, those whose event id was known with another body; both are kept"),
    ("rejected_count", "records and files that could not be taken"),
    ("ignored_count", "records of other kinds, which are no API events"),
    ("size_bytes", "bytes of the log files as delivered, compressed"),
    ("uncompressed_bytes", "their bytes after unpacking"),
    ("data_file_count", "data files added to events"),
    ("data_file_bytes", "their size in bytes"),
    ("keytrail_version", "version of keytrail that ran"),
];

const INVENTORY_COLUMNS: &[Meaning] = &[
    ("import_id", "import that added the row; never null"),
    (
        "snapshot_time",
        "when the output was made, UTC: as told, or when its file was last written; null = neither is known",
    ),
    (
        "item_kind",
        "what the item is about, by the list of the output that it stood in; grant_none = the list of a key's grants was empty; never null",
    ),
    ("account_id", "account of the item; null where neither it nor its file's path tells"),
    ("aws_region", "region of the item; null likewise"),
    ("key_arn", "key that the item is about; null = about none, or nothing tells its ARN"),
    ("key_id", "id of that key; null likewise"),
    ("item", "the item as the AWS CLI printed it, JSON; one of a list that goes on has `Truncated`"),
    ("source_path", "file that it was read from"),
    ("item_index", "position of the item in that file, from 0"),
    ("imported_time", "when the import began, UTC"),
    ("keytrail_version", "version of keytrail that imported it"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{EVENTS, lake_spec};

    #[test]
    fn every_column_means_something_and_nothing_else_does() {
        let tables = lake_spec().tables.into_iter().filter(|table| table.name != EVENTS);
        let mut described = 0;
        for table in tables {
            for field in table.schema.fields() {
                let meaning = column_meaning(table.name, field.name());
                assert!(meaning.is_some_and(|meaning| meaning.len() > 5), "{}.{}", table.name, field.name());
                let is_time = field.name().ends_with("_time");
                assert!(!is_time || meaning.is_some_and(|meaning| meaning.contains("UTC")), "{}", field.name());
                described += 1;
            }
        }
        let known = [LOG_FILE_COLUMNS, REJECT_COLUMNS, RUN_COLUMNS, INVENTORY_COLUMNS];
        assert_eq!(known.iter().map(|meanings| meanings.len()).sum::<usize>(), described);
    }
}
