//! The rows that one thread builds, by partition.

use keytrail_events::{BuiltColumns, EventBatchBuilder, EventPartition, EventRecord, EventRows};

use crate::dedupe::Hour;

/// Empty builders that are kept for their capacity.
const MAX_IDLE_BUILDERS: usize = 4;

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

    /// The rows so far.
    pub(crate) fn finish_rows(&mut self) -> impl Iterator<Item = (&EventPartition, EventRows)> {
        self.finish_large(0)
    }

    /// The rows so far of each partition that has at least so many bytes of them. What is handed over in pieces of one size needs capacity
    /// of one size: a builder's is right for its next rows.
    pub(crate) fn finish_large(&mut self, min_bytes: usize) -> impl Iterator<Item = (&EventPartition, EventRows)> {
        self.drop_idle();
        let is_large = move |builder: &EventBatchBuilder| builder.row_count() > 0 && builder.size_bytes() >= min_bytes;
        let large = self.builders.iter_mut().filter(move |(_, builder)| is_large(builder));
        large.map(|(partition, builder)| (&*partition, builder.finish_rows()))
    }

    /// Drops empty builders, those of the partitions that came first, but for a few.
    fn drop_idle(&mut self) {
        let idle = self.builders.iter().filter(|(_, builder)| builder.row_count() == 0).count();
        let mut surplus = idle.saturating_sub(MAX_IDLE_BUILDERS);
        self.builders.retain(|(_, builder)| {
            let is_dropped = surplus > 0 && builder.row_count() == 0;
            surplus -= usize::from(is_dropped);
            !is_dropped
        });
        self.last_used = None;
    }
}

#[cfg(test)]
mod tests {
    use keytrail_events::Lineage;

    use super::*;

    fn append(builders: &mut PartitionBuilders, month: u32, count: usize) {
        let text = format!(r#"{{"eventSource":"kms.amazonaws.com","eventTime":"2024-{month:02}-01T00:00:00Z"}}"#);
        let record = EventRecord::parse(&text).expect("a record");
        let builder = builders.of(&record, Hour::of(record.event_time()), true);
        (0..count).for_each(|_| builder.append(&record, &Lineage::default()));
    }

    #[test]
    fn large_partitions_are_taken_and_small_ones_wait() {
        let mut builders = PartitionBuilders::default();
        append(&mut builders, 1, 2);
        append(&mut builders, 2, 1000);
        let taken: Vec<_> =
            builders.finish_large(10_000).map(|(of, rows)| (of.event_month.clone(), rows.row_count())).collect();
        assert_eq!(taken, [("2024-02".to_owned(), 1000)]);
        assert_eq!(builders.finish_rows().map(|(_, rows)| rows.row_count()).collect::<Vec<_>>(), [2]);
        assert_eq!(builders.finish_rows().count(), 0);
    }

    #[test]
    fn rows_find_their_builder_after_others_were_dropped() {
        let mut builders = PartitionBuilders::default();
        for month in 1..=12 {
            append(&mut builders, month, 1);
        }
        assert_eq!(builders.finish_rows().count(), 12);
        assert_eq!(builders.finish_rows().count(), 0);
        assert_eq!(builders.builders.len(), MAX_IDLE_BUILDERS);
        append(&mut builders, 12, 1);
        append(&mut builders, 1, 1);
        let months: Vec<_> = builders.finish_rows().map(|(partition, _)| partition.event_month.clone()).collect();
        assert_eq!(months, ["2024-12", "2024-01"]);
    }
}
