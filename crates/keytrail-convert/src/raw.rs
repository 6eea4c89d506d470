//! The rows of unconverted log files: what `convert` would write, without a lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_schema::{Schema, SchemaRef};
use keytrail_events::schema::{COLUMNS, EventGroup, PARTITION_COLUMNS, table_schema};
use keytrail_events::{
    BuiltColumns, EventPartition, EventRecord, EventRows, Field, FileDecoder, Lineage, RecordSink, Reject, kms,
};

use crate::dedupe::{Deduplicator, Hour, HourSlot, Place, RecordIdentity, Seen};
use crate::partition_builders::PartitionBuilders;
use crate::source::LogFile;

/// What reading raw files met; shared by all decoders of a query.
#[derive(Debug, Default)]
pub struct RawCounts {
    /// Log files read.
    pub log_files: AtomicU64,
    /// Records and files that could not be taken: an answer without them is incomplete.
    pub rejected: AtomicU64,
}

/// The part of the `events` table that a query reads. All records are read and deduplicated, whatever the part.
#[derive(Debug, Clone)]
pub struct RawSelection {
    /// Places in [`table_schema`], in the order wanted.
    columns: Vec<usize>,
    schema: SchemaRef,
    groups: Vec<EventGroup>,
}

impl RawSelection {
    /// Columns by their places in [`table_schema`], and the rows of these event groups.
    ///
    /// # Errors
    /// There is no column at a place.
    pub fn new(columns: Vec<usize>, groups: Vec<EventGroup>) -> Result<Self, arrow_schema::ArrowError> {
        let schema = Arc::new(table_schema().project(&columns)?);
        Ok(Self { columns, schema, groups })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn takes(&self, is_kms: bool) -> bool {
        self.groups.contains(&EventGroup::of(is_kms))
    }

    fn batch(&self, partition: &EventPartition, rows: &EventRows) -> RecordBatch {
        let constant = |value: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows.row_count())))
        };
        let columns = self.columns.iter().map(|place| match place.checked_sub(COLUMNS.len()) {
            None => rows.written_out(*place),
            Some(0) => constant(partition.event_group.as_str()),
            Some(_) => constant(&partition.event_month),
        });
        const { assert!(PARTITION_COLUMNS.len() == 2, "the group and the month") };
        let options = RecordBatchOptions::new().with_row_count(Some(rows.row_count()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect(), &options)
            .expect("columns follow the schema")
    }
}

/// Decodes log files into batches of the `events` table; each distinct record once.
#[derive(Debug)]
pub struct RawDecoder {
    decoder: FileDecoder,
    selection: RawSelection,
    seen: Arc<Deduplicator>,
    slot: Option<HourSlot>,
    counts: Arc<RawCounts>,
    builders: PartitionBuilders,
}

impl RawDecoder {
    /// A decoder that shares what was seen with the others of the same scan.
    pub fn new(selection: RawSelection, seen: Arc<Deduplicator>, counts: Arc<RawCounts>) -> Self {
        let builders = PartitionBuilders::new(BuiltColumns::at(selection.columns.iter().copied()));
        Self { decoder: FileDecoder::new(), selection, seen, slot: None, counts, builders }
    }

    /// Adds the rows of one log file; `bytes` as [`LogFile::fetch`] gave them.
    pub fn decode(&mut self, file: &LogFile, bytes: &Result<bytes::Bytes, String>) {
        let Self { selection, seen, slot, builders, .. } = self;
        let mut sink = RawSink { file, selection, seen, slot, builders };
        let rejected = match bytes {
            Ok(bytes) => file.decode(&mut self.decoder, bytes, &mut sink).rejected_count,
            Err(_unreadable) => 1,
        };
        self.counts.log_files.fetch_add(1, Ordering::Relaxed);
        self.counts.rejected.fetch_add(rejected, Ordering::Relaxed);
    }

    /// Rows that wait in this decoder.
    pub fn row_count(&self) -> usize {
        self.builders.row_count()
    }

    /// Takes the rows decoded so far, one batch per partition.
    pub fn take_batches(&mut self) -> Vec<RecordBatch> {
        let Self { selection, builders, .. } = self;
        builders.finish_rows().map(|(partition, rows)| selection.batch(partition, &rows)).collect()
    }
}

struct RawSink<'w> {
    file: &'w LogFile,
    selection: &'w RawSelection,
    seen: &'w Deduplicator,
    slot: &'w mut Option<HourSlot>,
    builders: &'w mut PartitionBuilders,
}

impl RecordSink for RawSink<'_> {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        let (hour, identity) = (Hour::of(record.event_time()), RecordIdentity::of(record));
        let seen = self.seen.note(self.slot, hour, &identity, Place::new(&self.file.path, index));
        let is_kms = kms::is_kms_event(record.text_of(Field::EventSource));
        if matches!(seen, Seen::New | Seen::MoreDetailed | Seen::OtherBody) && self.selection.takes(is_kms) {
            let lineage = Lineage {
                log_file_path: &self.file.path,
                record_index: index,
                delivery_time: self.file.delivery_time,
                is_known_id: seen != Seen::New,
            };
            self.builders.of(record, hour, is_kms).append(record, &lineage);
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}
