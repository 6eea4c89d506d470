//! The rows of unconverted log files: what `convert` would write, without a lake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use keytrail_events::schema::table_schema;
use keytrail_events::{EventBatchBuilder, EventPartition, EventRecord, FileDecoder, Lineage, RecordSink, Reject};

use crate::dedupe::{Deduplicator, Hour, Place, RecordIdentity, Seen};
use crate::source::LogFile;

/// What reading raw files met; shared by all decoders of a query.
#[derive(Debug, Default)]
pub struct RawCounts {
    /// Log files read.
    pub log_files: AtomicU64,
    /// Records and files that could not be taken: an answer without them is incomplete.
    pub rejected: AtomicU64,
}

/// Decodes log files into batches of the `events` table, partition columns included; each distinct record once.
#[derive(Debug)]
pub struct RawDecoder {
    decoder: FileDecoder,
    seen: Arc<Deduplicator>,
    counts: Arc<RawCounts>,
    builders: BTreeMap<EventPartition, EventBatchBuilder>,
}

impl RawDecoder {
    /// A decoder that shares what was seen with the others of the same scan.
    pub fn new(seen: Arc<Deduplicator>, counts: Arc<RawCounts>) -> Self {
        Self { decoder: FileDecoder::new(), seen, counts, builders: BTreeMap::new() }
    }

    /// Adds the rows of one log file; `bytes` as [`LogFile::fetch`] gave them.
    pub fn decode(&mut self, file: &LogFile, bytes: &Result<bytes::Bytes, String>) {
        let mut sink = RawSink { file, seen: &self.seen, builders: &mut self.builders };
        let rejected = match bytes {
            Ok(bytes) => self.decoder.decode(bytes, &mut sink).rejected_count,
            Err(_unreadable) => 1,
        };
        self.counts.log_files.fetch_add(1, Ordering::Relaxed);
        self.counts.rejected.fetch_add(rejected, Ordering::Relaxed);
    }

    /// Rows that wait in this decoder.
    pub fn row_count(&self) -> usize {
        self.builders.values().map(EventBatchBuilder::row_count).sum()
    }

    /// Takes the rows decoded so far, one batch per partition.
    pub fn take_batches(&mut self) -> Vec<RecordBatch> {
        let builders = std::mem::take(&mut self.builders);
        builders.into_iter().map(|(partition, mut builder)| with_partition(&partition, &builder.finish())).collect()
    }
}

fn with_partition(partition: &EventPartition, batch: &RecordBatch) -> RecordBatch {
    let constant = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, batch.num_rows())))
    };
    let mut columns = batch.columns().to_vec();
    columns.push(constant(partition.event_group));
    columns.push(constant(&partition.event_month));
    RecordBatch::try_new(table_schema(), columns).expect("the file schema and the partition columns")
}

struct RawSink<'w> {
    file: &'w LogFile,
    seen: &'w Deduplicator,
    builders: &'w mut BTreeMap<EventPartition, EventBatchBuilder>,
}

impl RecordSink for RawSink<'_> {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        let (hour, identity) = (Hour::of(record.event_time()), RecordIdentity::of(record));
        let seen = self.seen.note(hour, &identity, Place::new(&self.file.path, index));
        if matches!(seen, Seen::New | Seen::MoreDetailed | Seen::OtherBody) {
            let lineage = Lineage {
                log_file_path: &self.file.path,
                record_index: index,
                delivery_time: self.file.delivery_time,
                is_known_id: seen != Seen::New,
            };
            self.builders.entry(EventPartition::of(record)).or_default().append(record, &lineage);
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}
