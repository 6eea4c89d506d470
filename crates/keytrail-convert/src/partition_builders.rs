//! The rows that one thread builds, by partition.

use keytrail_events::{BuiltColumns, EventBatchBuilder, EventPartition, EventRecord, EventRows};

use crate::dedupe::Hour;

/// One builder per partition; a few, as neighbours in time are decoded together.
#[derive(Debug)]
pub(crate) struct PartitionBuilders {
    built: BuiltColumns,
    builders: Vec<(EventPartition, EventBatchBuilder)>,
    /// The hour of the last row, whether it was one of KMS, and its builder: neighbours are mostly of one hour, and an hour is of one month.
    last_used: Option<(Hour, bool, usize)>,
}

impl Default for PartitionBuilders {
    fn default() -> Self {
        Self::new(BuiltColumns::ALL)
    }
}

impl PartitionBuilders {
    /// Builds these columns.
    pub(crate) fn new(built: BuiltColumns) -> Self {
        Self { built, builders: Vec::new(), last_used: None }
    }

    /// The builder for a record, of which the hour is known, and whether it is one of KMS.
    pub(crate) fn of(&mut self, record: &EventRecord<'_>, hour: Hour, is_kms: bool) -> &mut EventBatchBuilder {
        let last_used = self.last_used.filter(|(of_hour, of_kms, _)| (*of_hour, *of_kms) == (hour, is_kms));
        let position = match last_used {
            Some((_, _, position)) => position,
            None => self.position_of(EventPartition::of(record)),
        };
        self.last_used = Some((hour, is_kms, position));
        &mut self.builders[position].1
    }

    fn position_of(&mut self, partition: EventPartition) -> usize {
        let position = self.builders.iter().position(|(known, _)| *known == partition);
        position.unwrap_or_else(|| {
            self.builders.push((partition, EventBatchBuilder::of(&self.built)));
            self.builders.len() - 1
        })
    }

    pub(crate) fn row_count(&self) -> usize {
        self.builders.iter().map(|(_, builder)| builder.row_count()).sum()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.builders.iter().map(|(_, builder)| builder.size_bytes()).sum()
    }

    /// The rows so far. Builders are kept for their capacity, but for those that had nothing to give.
    pub(crate) fn finish_rows(&mut self) -> impl Iterator<Item = (&EventPartition, EventRows)> {
        self.builders.retain(|(_, builder)| builder.row_count() > 0);
        self.last_used = None;
        self.builders.iter_mut().map(|(partition, builder)| (&*partition, builder.finish_rows()))
    }
}
