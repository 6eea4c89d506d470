//! Rows that wait to be written, per partition. How they are sorted is in [`crate::sorted_rows`].

use std::collections::BTreeMap;

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

    /// Takes the partition that holds the most bytes.
    pub(crate) fn take_largest(&mut self) -> Option<(EventPartition, Buffer)> {
        let largest = self.partitions.iter().max_by_key(|(_, buffer)| buffer.bytes)?.0.clone();
        self.partitions.remove_entry(&largest)
    }

    pub(crate) fn take_all(&mut self) -> BTreeMap<EventPartition, Buffer> {
        std::mem::take(&mut self.partitions)
    }
}

#[cfg(test)]
mod tests {
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
        let partition = |month: &str| EventPartition { event_group: "kms", event_month: month.to_owned() };
        let mut buffers = Buffers::default();
        buffers.push(&partition("2024-01"), rows(1));
        buffers.push(&partition("2024-02"), rows(5000));
        assert_eq!(buffers.take_largest().map(|(partition, _)| partition.event_month), Some("2024-02".to_owned()));
        assert_eq!(buffers.take_all().len(), 1);
    }
}
