//! Rows that wait to be written: batches per partition, and their sorting.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, SortOptions};
use arrow_select::interleave::interleave_record_batch;
use keytrail_events::EventPartition;

/// Rows that the writer takes at a time.
const CHUNK_ROWS: usize = 8192;

/// The batches of one partition.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) bytes: usize,
}

/// Batches per partition.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    partitions: BTreeMap<EventPartition, Buffer>,
}

impl Buffers {
    pub(crate) fn push(&mut self, partition: &EventPartition, batch: RecordBatch) -> usize {
        let bytes = batch.get_array_memory_size();
        let buffer = match self.partitions.get_mut(partition) {
            Some(buffer) => buffer,
            None => self.partitions.entry(partition.clone()).or_default(),
        };
        buffer.bytes += bytes;
        buffer.batches.push(batch);
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

/// All rows of `batches`, sorted ascending with nulls first, in chunks; rows that are equal in `columns` keep their order.
pub(crate) fn sorted_chunks<'b>(
    batches: &'b [RecordBatch],
    columns: &[&str],
) -> Result<impl Iterator<Item = RecordBatch> + use<'b>, ArrowError> {
    let rows = sort_keys(batches, columns)?;
    let mut order: Vec<(usize, usize)> =
        rows.iter().enumerate().flat_map(|(batch, keys)| (0..keys.num_rows()).map(move |row| (batch, row))).collect();
    order.sort_by(|left, right| rows[left.0].row(left.1).cmp(&rows[right.0].row(right.1)));
    drop(rows);
    let views: Vec<&RecordBatch> = batches.iter().collect();
    let chunk_count = order.len().div_ceil(CHUNK_ROWS);
    Ok((0..chunk_count).map(move |chunk| {
        let rows = &order[chunk * CHUNK_ROWS..order.len().min((chunk + 1) * CHUNK_ROWS)];
        interleave_record_batch(&views, rows).expect("all batches have one schema")
    }))
}

fn sort_keys(batches: &[RecordBatch], columns: &[&str]) -> Result<Vec<Rows>, ArrowError> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let schema = first.schema();
    let options = SortOptions { descending: false, nulls_first: true };
    let indices = columns.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let fields =
        indices.iter().map(|index| SortField::new_with_options(schema.field(*index).data_type().clone(), options));
    let converter = RowConverter::new(fields.collect())?;
    batches
        .iter()
        .map(|batch| {
            converter.convert_columns(&indices.iter().map(|index| batch.column(*index).clone()).collect::<Vec<_>>())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(keys: &[Option<&str>], times: &[i64]) -> RecordBatch {
        let keys: ArrayRef = Arc::new(StringArray::from(keys.to_vec()));
        let times: ArrayRef = Arc::new(Int64Array::from(times.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("key", keys, true), ("time", times, true)]).expect("batch")
    }

    #[test]
    fn sorts_across_batches_with_nulls_first() {
        let batches = [batch(&[Some("b"), None, Some("a")], &[1, 2, 3]), batch(&[Some("a"), Some("b")], &[1, 0])];
        let sorted: Vec<_> = sorted_chunks(&batches, &["key", "time"]).expect("sorted").collect();
        let times: Vec<_> = sorted[0].column(1).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(times, [2, 1, 3, 0, 1]);
        assert_eq!(sorted_chunks(&[], &["key"]).expect("sorted").count(), 0);
    }

    #[test]
    fn chunks_lose_no_row() {
        let rows = CHUNK_ROWS * 2 + 1;
        let times: Vec<i64> = (0..i64::try_from(rows).expect("small")).rev().collect();
        let batches = [batch(&vec![Some("a"); rows], &times)];
        let sorted: Vec<_> = sorted_chunks(&batches, &["key", "time"]).expect("sorted").collect();
        assert_eq!(sorted.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [CHUNK_ROWS, CHUNK_ROWS, 1]);
        assert_eq!(sorted[2].column(1).as_primitive::<Int64Type>().value(0), times[0]);
    }

    #[test]
    fn the_largest_partition_is_taken_first() {
        let partition = |month: &str| EventPartition { event_group: "kms", event_month: month.to_owned() };
        let mut buffers = Buffers::default();
        buffers.push(&partition("2024-01"), batch(&[Some("a")], &[1]));
        buffers.push(&partition("2024-02"), batch(&vec![Some("a"); 5000], &vec![1; 5000]));
        assert_eq!(buffers.take_largest().map(|(partition, _)| partition.event_month), Some("2024-02".to_owned()));
        assert_eq!(buffers.take_all().len(), 1);
    }
}
