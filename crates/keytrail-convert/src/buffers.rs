//! Rows that wait to be written, per partition. How they are sorted is in [`crate::sorted_rows`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use keytrail_events::{EventPartition, EventRows};

/// The rows of one partition, as workers handed them over.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) parts: Vec<EventRows>,
    pub(crate) bytes: usize,
}

/// Rows per partition.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    partitions: BTreeMap<EventPartition, Buffer>,
}

impl Buffers {
    pub(crate) fn push(&mut self, partition: &EventPartition, rows: EventRows) -> usize {
        let bytes = rows.size_bytes();
        let buffer = match self.partitions.get_mut(partition) {
            Some(buffer) => buffer,
            None => self.partitions.entry(partition.clone()).or_default(),
        };
        buffer.bytes += bytes;
        buffer.parts.push(rows);
        bytes
    }

    /// The bytes of the partition that holds the most.
    pub(crate) fn largest_bytes(&self) -> usize {
        self.partitions.values().map(|buffer| buffer.bytes).max().unwrap_or(0)
    }

    /// Takes the partition that holds the most bytes.
    pub(crate) fn take_largest(&mut self) -> Option<(EventPartition, Buffer)> {
        let largest = self.partitions.iter().max_by_key(|(_, buffer)| buffer.bytes)?.0.clone();
        self.partitions.remove_entry(&largest)
    }

    pub(crate) fn take_all(&mut self) -> BTreeMap<EventPartition, Buffer> {
        std::mem::take(&mut self.partitions)
    }
}

/// Bytes of rows in memory, of all epochs, and when some are to be written.
pub(crate) struct BufferedBytes {
    limit: usize,
    waiting: AtomicUsize,
    being_written: AtomicUsize,
}

impl BufferedBytes {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, waiting: AtomicUsize::new(0), being_written: AtomicUsize::new(0) }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn begin_write(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        self.being_written.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn end_write(&self, bytes: usize) {
        self.being_written.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether the limit asks for a write of the largest partition. While others are being written, their memory is about to come
    /// back: a small partition then goes on waiting, because every file costs every later query.
    pub(crate) fn is_to_be_written(&self, largest_bytes: usize) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let all = waiting + self.being_written.load(Ordering::Relaxed);
        waiting > self.limit || (all > self.limit && largest_bytes >= self.limit / 4)
    }
}

#[cfg(test)]
mod tests {
    use keytrail_events::schema::EventGroup;
    use keytrail_events::{EventBatchBuilder, EventRecord, Lineage};

    use super::*;

    fn rows(count: usize) -> EventRows {
        let mut builder = EventBatchBuilder::new();
        let record = EventRecord::parse(r#"{"eventName":"X","requestID":"r"}"#).expect("a record");
        (0..count).for_each(|_| builder.append(&record, &Lineage::default()));
        builder.finish_rows()
    }

    #[test]
    fn the_largest_partition_is_taken_first() {
        let partition = |month: &str| EventPartition { event_group: EventGroup::Kms, event_month: month.to_owned() };
        let mut buffers = Buffers::default();
        buffers.push(&partition("2024-01"), rows(1));
        buffers.push(&partition("2024-02"), rows(5000));
        assert_eq!(buffers.take_largest().map(|(partition, _)| partition.event_month), Some("2024-02".to_owned()));
        assert_eq!(buffers.take_all().len(), 1);
    }

    #[test]
    fn a_small_partition_waits_while_others_are_being_written() {
        let buffered = BufferedBytes::new(100);
        buffered.add(100);
        assert!(!buffered.is_to_be_written(60));
        buffered.add(10);
        assert!(buffered.is_to_be_written(60));
        buffered.begin_write(60);
        buffered.add(50);
        assert!(buffered.is_to_be_written(25));
        assert!(!buffered.is_to_be_written(24));
        buffered.end_write(60);
        assert!(!buffered.is_to_be_written(25));
    }

    #[test]
    fn many_small_partitions_do_not_wait_for_ever() {
        let buffered = BufferedBytes::new(100);
        buffered.add(101);
        assert!(buffered.is_to_be_written(1));
    }
}
