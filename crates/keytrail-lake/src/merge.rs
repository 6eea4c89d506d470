//! Sorted streams of batches become one: a k-way merge that holds a batch or two of each input.
//!
//! It does not know files or tables: see [`crate::compact`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, Schema};
use arrow_select::interleave::interleave_record_batch;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::LakeError;
use crate::writer::SORT_OPTIONS;

/// An output batch ends at this many rows or bytes, whichever comes first.
const OUTPUT_ROWS: usize = 2048;
const OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// A sorted input.
pub(crate) type SortedStream = BoxStream<'static, Result<RecordBatch, LakeError>>;

/// A row's place in the order: its sort columns as bytes, then its input's number, which makes the merge stable.
type Key = (Box<[u8]>, usize);

/// Merges sorted inputs; rows that are equal in the sort columns come in the order of the inputs.
pub(crate) struct SortedMerge {
    name: String,
    converter: RowConverter,
    columns: Vec<usize>,
    cursors: Vec<Cursor>,
    /// The next row of each input that is not at its end.
    heap: BinaryHeap<Reverse<Key>>,
    /// The batches that pending rows and cursors point into.
    held: Vec<RecordBatch>,
    /// The rows of the next output batch: which held batch, which row.
    pending: Vec<(usize, usize)>,
    pending_bytes: usize,
}

/// Where an input stands.
struct Cursor {
    stream: SortedStream,
    /// Sort columns of the current batch; none where the table has no order.
    keys: Option<Rows>,
    /// Number of the current batch among the held ones; none before the first and after the last.
    held: Option<usize>,
    row: usize,
    row_count: usize,
    bytes_per_row: usize,
}

impl Cursor {
    fn new(stream: SortedStream) -> Self {
        Self { stream, keys: None, held: None, row: 0, row_count: 0, bytes_per_row: 0 }
    }

    fn key(&self, input: usize) -> Key {
        let bytes = self.keys.as_ref().map(|keys| Box::from(keys.row(self.row).data()));
        (bytes.unwrap_or_default(), input)
    }
}

impl SortedMerge {
    /// Starts a merge; `name` is what errors name.
    pub(crate) async fn try_new(
        name: String,
        schema: &Schema,
        sort_columns: &[&str],
        inputs: Vec<SortedStream>,
    ) -> Result<Self, LakeError> {
        let failed = |error: ArrowError| LakeError::corrupt(&name, error);
        let columns: Vec<usize> =
            sort_columns.iter().map(|name| schema.index_of(name)).collect::<Result<_, _>>().map_err(failed)?;
        let field =
            |column: &usize| SortField::new_with_options(schema.field(*column).data_type().clone(), SORT_OPTIONS);
        let converter = RowConverter::new(columns.iter().map(field).collect()).map_err(failed)?;
        let cursors: Vec<Cursor> = inputs.into_iter().map(Cursor::new).collect();
        let mut merge = Self {
            name,
            converter,
            columns,
            heap: BinaryHeap::with_capacity(cursors.len()),
            cursors,
            held: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
        };
        for input in 0..merge.cursors.len() {
            merge.advance(input).await?;
        }
        Ok(merge)
    }

    /// The next rows; none at the end of all inputs.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>, LakeError> {
        while !self.is_full() {
            let Some(Reverse((_key, input))) = self.heap.pop() else { break };
            self.take_run(input);
            self.advance(input).await?;
        }
        self.flush().map_err(|error| LakeError::corrupt(&self.name, error))
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= OUTPUT_ROWS || self.pending_bytes >= OUTPUT_BYTES
    }

    /// Takes the input's rows up to the next row of another input, the end of its batch, or a full output.
    fn take_run(&mut self, input: usize) {
        let limit = self.heap.peek();
        let cursor = &mut self.cursors[input];
        let Some(held) = cursor.held else { return };
        loop {
            self.pending.push((held, cursor.row));
            self.pending_bytes += cursor.bytes_per_row;
            cursor.row += 1;
            let is_full = self.pending.len() >= OUTPUT_ROWS || self.pending_bytes >= OUTPUT_BYTES;
            if is_full || cursor.row == cursor.row_count {
                return;
            }
            if limit.is_some_and(|Reverse(limit)| cursor.key(input) > *limit) {
                return;
            }
        }
    }

    /// Puts the input's next row in the heap, from its next batch where the current one has no more.
    async fn advance(&mut self, input: usize) -> Result<(), LakeError> {
        while self.cursors[input].row == self.cursors[input].row_count {
            let Some(batch) = self.cursors[input].stream.next().await else {
                self.cursors[input].held = None;
                return Ok(());
            };
            self.hold(input, batch?).map_err(|error| LakeError::corrupt(&self.name, error))?;
        }
        self.heap.push(Reverse(self.cursors[input].key(input)));
        Ok(())
    }

    fn hold(&mut self, input: usize, batch: RecordBatch) -> Result<(), ArrowError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| batch.column(*column).clone()).collect();
        let cursor = &mut self.cursors[input];
        cursor.keys = match columns.is_empty() {
            true => None,
            false => Some(self.converter.convert_columns(&columns)?),
        };
        cursor.row = 0;
        cursor.row_count = batch.num_rows();
        cursor.bytes_per_row = batch.get_array_memory_size() / batch.num_rows().max(1);
        cursor.held = Some(self.held.len());
        self.held.push(batch);
        Ok(())
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let held: Vec<&RecordBatch> = self.held.iter().collect();
        let output = interleave_record_batch(&held, &self.pending)?;
        self.pending.clear();
        self.pending_bytes = 0;
        self.release();
        Ok(Some(output))
    }

    /// Lets go of the batches that no cursor stands in any more.
    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        for cursor in &mut self.cursors {
            if let Some(number) = cursor.held {
                cursor.held = Some(self.held.len());
                self.held.push(held[number].clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringArray};
    use futures::stream;

    use super::*;

    type Row = (Option<String>, i64);

    fn batch(rows: &[Row]) -> RecordBatch {
        let texts = StringArray::from_iter(rows.iter().map(|(text, _)| text.as_deref()));
        let numbers = Int64Array::from_iter_values(rows.iter().map(|(_, number)| *number));
        RecordBatch::try_from_iter_with_nullable([
            ("text", Arc::new(texts) as ArrayRef, true),
            ("number", Arc::new(numbers) as ArrayRef, false),
        ])
        .expect("a batch")
    }

    fn rows_of(batch: &RecordBatch) -> Vec<Row> {
        let texts = batch.column(0).as_string::<i32>().iter();
        let numbers = batch.column(1).as_primitive::<Int64Type>().iter();
        texts.zip(numbers).map(|(text, number)| (text.map(str::to_owned), number.expect("no null"))).collect()
    }

    async fn merged(inputs: &[Vec<Row>], batch_rows: usize, sort_columns: &[&str]) -> Vec<Row> {
        let schema = batch(&[]).schema();
        let streams = inputs
            .iter()
            .map(|rows| stream::iter(rows.chunks(batch_rows).map(batch).map(Ok).collect::<Vec<_>>()).boxed())
            .collect();
        let merge = SortedMerge::try_new("test".to_owned(), &schema, sort_columns, streams).await;
        let mut merge = merge.expect("a merge");
        let mut rows = Vec::new();
        while let Some(batch) = merge.next_batch().await.expect("a batch") {
            assert!(batch.num_rows() <= OUTPUT_ROWS);
            rows.extend(rows_of(&batch));
        }
        rows
    }

    /// Rows with many equal texts and some nulls; the number tells input and position.
    fn input(number: i64, row_count: i64) -> Vec<Row> {
        let text = |row: i64| (row % 7 != 0).then(|| format!("key-{}", (row * row + number) % 50));
        let mut rows: Vec<Row> = (0..row_count).map(|row| (text(row), 0)).collect();
        rows.sort();
        rows.iter_mut().zip(0..).for_each(|(row, position)| row.1 = number * 1_000_000 + position);
        rows
    }

    #[tokio::test]
    async fn merges_like_a_stable_sort() {
        for (input_count, row_count, batch_rows) in [(1, 10, 3), (3, 0, 1), (5, 1000, 64), (17, 400, 1), (2, 9000, 512)]
        {
            let inputs: Vec<_> = (0..input_count).map(|number| input(number, row_count)).collect();
            let mut expected: Vec<Row> = inputs.concat();
            expected.sort_by(|left, right| left.0.cmp(&right.0));
            assert_eq!(merged(&inputs, batch_rows, &["text"]).await, expected, "{input_count} {row_count}");
        }
    }

    #[tokio::test]
    async fn without_an_order_inputs_follow_each_other() {
        let inputs: Vec<_> = (0..3).map(|number| input(number, 100)).collect();
        assert_eq!(merged(&inputs, 7, &[]).await, inputs.concat());
    }

    #[tokio::test]
    async fn an_inputs_error_ends_the_merge() {
        let schema = batch(&[]).schema();
        let failing = stream::iter([Ok(batch(&[(None, 1)])), Err(LakeError::corrupt(&"file", "bits"))]).boxed();
        let merge = SortedMerge::try_new("test".to_owned(), &schema, &["text"], vec![failing]).await;
        let error = merge.expect("a merge").next_batch().await.expect_err("a broken input");
        assert!(matches!(error, LakeError::Corrupt { .. }), "{error}");
    }
}
