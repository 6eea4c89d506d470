//! Record batches as the bytes of one Parquet file, in memory.
//!
//! It writes what parquet's `ArrowWriter` would. Texts that repeat go through [`crate::keyed_chunk`], whether they come as dictionaries or
//! written out ([`crate::interned_chunk`]); all other columns go through parquet's own column writers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};

use crate::block_sums::{BlockSummer, Tail};
use crate::interned_chunk::InternedChunk;
use crate::keyed_chunk::{KeyedChunk, KeyedChunkConfig, PageCompressor, keyed_texts};
use crate::writer::{FileLayout, ROW_GROUP_BYTES, ROW_GROUP_ROWS};

/// Fewer rows are not worth filling a dictionary to its last byte.
const MIN_ROWS: usize = 256;

/// One file under way.
pub(crate) struct FileEncoder {
    writer: SerializedFileWriter<Vec<u8>>,
    /// For the columns without keys; made for the first rows, which show them.
    factory: Option<ArrowRowGroupWriterFactory>,
    properties: WriterPropertiesPtr,
    schema: SchemaRef,
    /// Columns whose dictionaries have alike texts side by side.
    grouped_columns: &'static [&'static str],
    row_group: Option<RowGroup>,
    /// Where a dictionary is this large, its row group ends.
    dictionary_bytes: usize,
    compressor: PageCompressor,
    /// Of the bytes that were taken.
    sums: BlockSummer,
}

/// Room for the bytes of most files of a conversion; what is not used costs no memory.
const EXPECTED_BYTES: usize = 8 << 20;

impl FileEncoder {
    /// An empty file of `schema`.
    pub(crate) fn try_new(schema: SchemaRef, layout: FileLayout) -> Result<Self> {
        let (properties, grouped_columns) = (WriterPropertiesPtr::new(layout.properties), layout.grouped_columns);
        let bytes = Vec::with_capacity(EXPECTED_BYTES);
        let writer = SerializedFileWriter::new(bytes, layout.leaves.root_schema_ptr(), properties.clone())?;
        let compressor = PageCompressor::try_new(layout.effort)?;
        let dictionary_bytes = layout.effort.dictionary_bytes();
        Ok(Self {
            writer,
            factory: None,
            properties,
            schema,
            grouped_columns,
            row_group: None,
            dictionary_bytes,
            compressor,
            sums: BlockSummer::default(),
        })
    }

    /// Appends rows. A column that comes as a dictionary has the same one in all batches.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rest = batch.clone();
        while rest.num_rows() > 0 {
            let mut row_group = match self.row_group.take() {
                Some(row_group) => row_group,
                None => self.new_row_group(&rest)?,
            };
            let count = rest.num_rows().min(row_group.room(self.dictionary_bytes));
            row_group.write(&self.schema, &rest.slice(0, count))?;
            rest = rest.slice(count, rest.num_rows() - count);
            match row_group.room(self.dictionary_bytes) {
                0 => self.append(row_group)?,
                _ => self.row_group = Some(row_group),
            }
        }
        Ok(())
    }

    /// The bytes of the row groups that are done, as far as they were not taken before.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(self.writer.inner_mut());
        self.sums.update(&bytes);
        bytes
    }

    /// The file's bytes, as far as they were not taken before, and what the log tells of its tail.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Tail)> {
        if let Some(row_group) = self.row_group.take() {
            self.append(row_group)?;
        }
        self.writer.flush()?;
        let (offset, untaken) = (self.writer.bytes_written() as u64, self.writer.inner().len());
        self.sums.update(self.writer.inner());
        self.writer.write_all(&self.sums.finish())?;
        let bytes = self.writer.into_inner()?;
        let tail = Tail { offset, crc32: crc32fast::hash(&bytes[untaken..]) };
        Ok((bytes, tail))
    }

    fn new_row_group(&mut self, first: &RecordBatch) -> Result<RowGroup> {
        let number = self.writer.flushed_row_groups().len();
        let factory = match self.factory.take() {
            Some(factory) => factory,
            None => self.factory_of_others(first)?,
        };
        let mut writers = factory.create_column_writers(number)?.into_iter();
        self.factory = Some(factory);
        let leaves = self.writer.schema_descr();
        let mut columns = Vec::new();
        let mut leaf = 0;
        for (index, column) in first.columns().iter().enumerate() {
            let end = (leaf..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) != index);
            let count = end.unwrap_or(leaves.num_columns()) - leaf;
            columns.push(match self.way_of(self.schema.field(index), column) {
                Way::Keyed(texts) => {
                    let descriptor = leaves.column(leaf);
                    let config = self.keyed_config(&descriptor);
                    ColumnEncoder::Keyed(Box::new(KeyedChunk::new(descriptor, texts.clone(), config)))
                }
                Way::Interned => {
                    let descriptor = leaves.column(leaf);
                    let config = self.keyed_config(&descriptor);
                    ColumnEncoder::Interned(Box::new(InternedChunk::new(descriptor, config)))
                }
                Way::Arrow => ColumnEncoder::Arrow(writers.by_ref().take(count).collect()),
            });
            leaf += count;
        }
        Ok(RowGroup { columns, row_count: 0 })
    }

    /// Parquet's writers for the columns without keys. A writer has a compressor and more, so none is made for the others.
    fn factory_of_others(&self, first: &RecordBatch) -> Result<ArrowRowGroupWriterFactory> {
        let columns = self.schema.fields().iter().zip(first.columns());
        let others = columns.filter(|(field, column)| matches!(self.way_of(field, column), Way::Arrow));
        let schema = Arc::new(Schema::new(others.map(|(field, _)| Arc::clone(field)).collect::<Vec<_>>()));
        let leaves = ArrowSchemaConverter::new().convert(&schema)?;
        let writer = SerializedFileWriter::new(std::io::sink(), leaves.root_schema_ptr(), self.properties.clone())?;
        Ok(ArrowRowGroupWriterFactory::new(&writer, schema))
    }

    /// How a column is written, as its first rows show.
    fn way_of<'c>(&self, field: &Field, column: &'c ArrayRef) -> Way<'c> {
        if !self.properties.dictionary_enabled(&ColumnPath::from(field.name().as_str())) {
            return Way::Arrow;
        }
        match (keyed_texts(column), column.data_type()) {
            (Some((_, texts)), _) => Way::Keyed(texts),
            (None, DataType::Utf8) => Way::Interned,
            (None, _) => Way::Arrow,
        }
    }

    fn keyed_config(&self, leaf: &ColumnDescPtr) -> KeyedChunkConfig {
        KeyedChunkConfig {
            page_rows: self.properties.data_page_row_count_limit(),
            is_grouped: self.grouped_columns.iter().any(|name| leaf.path().parts() == [*name]),
            has_bounds: self.properties.statistics_enabled(leaf.path()) != EnabledStatistics::None,
            bloom_filter: self.properties.bloom_filter_properties(leaf.path()).map(|filter| filter.fpp()),
        }
    }

    fn append(&mut self, row_group: RowGroup) -> Result<()> {
        let mut target = self.writer.next_row_group()?;
        for column in row_group.columns {
            match column {
                ColumnEncoder::Keyed(chunk) => chunk.append_to_row_group(&mut target, &mut self.compressor)?,
                ColumnEncoder::Interned(chunk) => chunk.append_to_row_group(&mut target, &mut self.compressor)?,
                ColumnEncoder::Arrow(writers) => {
                    for writer in writers {
                        writer.close()?.append_to_row_group(&mut target)?;
                    }
                }
            }
        }
        target.close().map(|_metadata| ())
    }
}

/// Which writer a column goes through.
enum Way<'c> {
    /// Parquet's own.
    Arrow,
    /// By its keys of these texts.
    Keyed(&'c StringArray),
    /// By keys that it gets here.
    Interned,
}

/// A row group under way.
struct RowGroup {
    columns: Vec<ColumnEncoder>,
    row_count: usize,
}

enum ColumnEncoder {
    /// A writer per leaf.
    Arrow(Vec<ArrowColumnWriter>),
    Keyed(Box<KeyedChunk>),
    Interned(Box<InternedChunk>),
}

impl RowGroup {
    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Result<()> {
        for ((field, column), encoder) in schema.fields().iter().zip(batch.columns()).zip(&mut self.columns) {
            encoder.write(field, column)?;
        }
        self.row_count += batch.num_rows();
        Ok(())
    }

    /// How many rows still fit, as far as those before tell.
    ///
    /// Where a dictionary is full the row group ends: parquet's own writer goes on without one, and texts that repeat are then
    /// written again and again.
    fn room(&self, most_dictionary_bytes: usize) -> usize {
        if self.row_count == 0 {
            return ROW_GROUP_ROWS;
        }
        let rows_in = |limit: usize, bytes: usize| limit.saturating_sub(bytes) / (bytes / self.row_count).max(1);
        let bytes = self.columns.iter().map(ColumnEncoder::estimated_bytes).sum();
        let dictionary_bytes = self.columns.iter().map(ColumnEncoder::dictionary_bytes).max().unwrap_or(0);
        let by_dictionary = Some(rows_in(most_dictionary_bytes, dictionary_bytes)).filter(|rows| *rows >= MIN_ROWS);
        (ROW_GROUP_ROWS - self.row_count).min(rows_in(ROW_GROUP_BYTES, bytes)).min(by_dictionary.unwrap_or(0))
    }
}

impl ColumnEncoder {
    fn write(&mut self, field: &Field, column: &ArrayRef) -> Result<()> {
        match self {
            Self::Arrow(writers) => {
                for (writer, leaf) in writers.iter_mut().zip(compute_leaves(field, column)?) {
                    writer.write(&leaf)?;
                }
                Ok(())
            }
            Self::Keyed(chunk) => match keyed_texts(column).filter(|(_, texts)| chunk.has_texts(texts)) {
                Some((keys, _)) => {
                    chunk.write(keys);
                    Ok(())
                }
                None => Err(ParquetError::General(format!("another dictionary of column {}", field.name()))),
            },
            Self::Interned(chunk) => match column.as_string_opt::<i32>() {
                Some(texts) => {
                    chunk.write(texts);
                    Ok(())
                }
                None => Err(ParquetError::General(format!("column {} came written out before", field.name()))),
            },
        }
    }

    fn estimated_bytes(&self) -> usize {
        match self {
            Self::Arrow(writers) => writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum(),
            Self::Keyed(chunk) => chunk.estimated_bytes(),
            Self::Interned(chunk) => chunk.estimated_bytes(),
        }
    }

    fn dictionary_bytes(&self) -> usize {
        match self {
            Self::Arrow(_) => 0,
            Self::Keyed(chunk) => chunk.dictionary_bytes(),
            Self::Interned(chunk) => chunk.dictionary_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow_array::{DictionaryArray, UInt32Array};
    use arrow_cast::cast;
    use arrow_select::concat::concat_batches;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::arrow_writer::ArrowWriterOptions;
    use parquet::basic::{BoundaryOrder, Compression, ZstdLevel};
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::writer::Effort;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("repeated", DataType::Utf8, true),
            Field::new("required", DataType::Utf8, false),
            Field::new("absent", DataType::Utf8, true),
            Field::new("number", DataType::UInt32, true),
        ]))
    }

    /// Rows with texts in runs, alone and missing, as dictionaries.
    fn rows(start: u32, count: u32, texts: &ArrayRef) -> RecordBatch {
        let key = |row: u32| {
            (row % 7 > 1).then(|| if (row / 64).is_multiple_of(2) { (row % 50).pow(2) % 50 } else { row / 640 % 50 })
        };
        let keyed = |keys: UInt32Array| -> ArrayRef { Arc::new(DictionaryArray::new(keys, Arc::clone(texts))) };
        let numbers = start..start + count;
        RecordBatch::try_from_iter_with_nullable([
            ("repeated", keyed(numbers.clone().map(key).collect()), true),
            ("required", keyed(numbers.clone().map(|row| Some(row / 100 % 3)).collect()), false),
            ("absent", keyed(numbers.clone().map(|_| None).collect()), true),
            ("number", Arc::new(UInt32Array::from_iter_values(numbers)), true),
        ])
        .expect("a batch")
    }

    fn texts() -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..50).map(|number| format!("text é {}", "x".repeat(number)))))
    }

    fn plain(batch: &RecordBatch) -> RecordBatch {
        let schema = schema();
        let columns =
            batch.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<_, _>>().expect("casts");
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch")
    }

    fn layout(effort: Effort) -> FileLayout {
        let leaves = ArrowSchemaConverter::new().convert(&schema()).expect("a Parquet schema");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_column_statistics_enabled(ColumnPath::from("repeated"), EnabledStatistics::Page)
            .set_column_statistics_enabled(ColumnPath::from("absent"), EnabledStatistics::Page)
            .set_column_bloom_filter_enabled(ColumnPath::from("repeated"), true)
            .set_column_bloom_filter_fpp(ColumnPath::from("repeated"), 0.01)
            .set_data_page_row_count_limit(4096)
            .build();
        FileLayout { leaves, properties, grouped_columns: &["required"], effort }
    }

    fn encoder() -> FileEncoder {
        FileEncoder::try_new(schema(), layout(Effort::Quick)).expect("an encoder")
    }

    fn encoded(batches: &[RecordBatch]) -> Bytes {
        let mut encoder = encoder();
        batches.iter().for_each(|batch| encoder.write(batch).expect("rows"));
        encoder.finish().expect("a file").0.into()
    }

    /// The file that parquet's own writer makes.
    fn encoded_by_parquet(batch: &RecordBatch) -> Bytes {
        // The Arrow schema in the footer would be as long as a small file, and other engines do not read it.
        let options =
            ArrowWriterOptions::new().with_properties(layout(Effort::Quick).properties).with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema(), options).expect("a writer");
        writer.write(batch).expect("rows");
        writer.into_inner().expect("a file").into()
    }

    fn read(file: &Bytes) -> RecordBatch {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).and_then(|builder| builder.build());
        let batches = reader.expect("a file").collect::<std::result::Result<Vec<_>, _>>().expect("rows");
        let rows = concat_batches(&batches[0].schema(), &batches).expect("one schema");
        RecordBatch::try_new(schema(), rows.columns().to_vec()).expect("the schema")
    }

    #[test]
    fn keys_are_read_as_their_texts() {
        let texts = texts();
        for counts in [&[1][..], &[2048], &[2047, 2, 4095], &[100_000, 40_000]] {
            let batches: Vec<_> = counts.iter().map(|count| rows(0, *count, &texts)).collect();
            let expected: Vec<_> = batches.iter().map(plain).collect();
            let (keyed, written_out) = (encoded(&batches), encoded(&expected));
            let expected = concat_batches(&schema(), &expected).expect("one schema");
            assert_eq!(read(&keyed), expected, "{counts:?}");
            assert!(keyed == written_out, "{counts:?}: {} and {} bytes", keyed.len(), written_out.len());
        }
    }

    #[test]
    fn bytes_can_be_taken_at_any_time() {
        let texts = texts();
        let batches: Vec<_> = [100_000, 40_000, 1].iter().map(|count| rows(0, *count, &texts)).collect();
        let (mut encoder, mut taken) = (encoder(), Vec::new());
        let mut takes = 0;
        for batch in &batches {
            encoder.write(batch).expect("rows");
            let bytes = encoder.take_bytes();
            takes += usize::from(!bytes.is_empty());
            taken.extend(bytes);
        }
        taken.extend(encoder.finish().expect("a file").0);
        assert!(takes > 0 && taken == encoded(&batches), "{takes} takes, {} bytes", taken.len());
    }

    #[test]
    fn the_layout_is_that_of_parquets_own_writer() {
        let batches = [rows(0, 9000, &texts())];
        let [keyed, unkeyed] = [encoded(&batches), encoded_by_parquet(&plain(&batches[0]))].map(|file| {
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
            ArrowReaderMetadata::load(&file, options).expect("a footer").metadata().as_ref().clone()
        });
        assert_eq!(keyed.file_metadata(), unkeyed.file_metadata());
        let page_rows = |metadata: &ParquetMetaData, column: usize| {
            let pages = &metadata.offset_index().expect("an offset index")[0][column];
            pages.page_locations().iter().map(|page| page.first_row_index).collect::<Vec<_>>()
        };
        assert_eq!(page_rows(&keyed, 0), page_rows(&unkeyed, 0));
        assert_eq!(page_rows(&keyed, 1), page_rows(&unkeyed, 1));
        assert_eq!(page_rows(&keyed, 2), [0], "a page of nothing is longer");
        for (keyed, unkeyed) in keyed.row_group(0).columns().iter().zip(unkeyed.row_group(0).columns()) {
            let name = keyed.column_path().string();
            assert_eq!(keyed.num_values(), unkeyed.num_values(), "{name}");
            assert_eq!(keyed.encodings_mask(), unkeyed.encodings_mask(), "{name}");
            assert_eq!(keyed.page_encoding_stats_mask(), unkeyed.page_encoding_stats_mask(), "{name}");
            assert_eq!(keyed.compression(), unkeyed.compression(), "{name}");
            assert_eq!(keyed.statistics(), unkeyed.statistics(), "{name}");
        }
        let bounds = |metadata: &ParquetMetaData, column: usize| {
            let index = &metadata.column_index().expect("a column index")[0][column];
            let ColumnIndexMetaData::BYTE_ARRAY(texts) = index else { panic!("no texts: {index:?}") };
            let of_pages = |values: &mut dyn Iterator<Item = Option<&[u8]>>| -> Vec<Option<Vec<u8>>> {
                values.map(|value| value.map(<[u8]>::to_vec)).collect()
            };
            let bounds = [of_pages(&mut texts.min_values_iter()), of_pages(&mut texts.max_values_iter())];
            (bounds, index.null_counts().cloned(), index.get_boundary_order())
        };
        assert_eq!(bounds(&keyed, 0), bounds(&unkeyed, 0));
        assert_eq!(bounds(&keyed, 2), ([vec![None], vec![None]], Some(vec![9000]), Some(BoundaryOrder::ASCENDING)));
    }

    #[test]
    fn a_bloom_filter_knows_the_texts_that_occur() {
        let file = encoded(&[rows(0, 5000, &texts())]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("a file");
        let filter = reader.get_row_group_column_bloom_filter(0, 0).expect("readable").expect("a filter");
        let found = read(&file);
        let found: BTreeSet<&str> = found.column(0).as_string::<i32>().iter().flatten().collect();
        assert!(found.len() > 10 && found.iter().all(|text| filter.check(*text)), "{found:?}");
        assert!(!filter.check("no such text"));
        assert!(reader.get_row_group_column_bloom_filter(0, 1).expect("readable").is_none());
    }

    #[test]
    fn more_effort_makes_smaller_files_of_the_same_rows() {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..5000u64).map(|number| format!("{:x} of many", number * number)),
        ));
        let keys: ArrayRef = Arc::new(DictionaryArray::new(UInt32Array::from_iter_values(0..5000), Arc::clone(&texts)));
        let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..5000));
        let columns = vec![Arc::clone(&keys), Arc::clone(&keys), keys, numbers];
        let batch = RecordBatch::try_new(rows(0, 1, &texts).schema(), columns).expect("a batch");
        let mut encoder = FileEncoder::try_new(schema(), layout(Effort::Thorough)).expect("an encoder");
        encoder.write(&batch).expect("rows");
        let (quick, thorough) = (encoded(&[batch]), Bytes::from(encoder.finish().expect("a file").0));
        assert!(thorough.len() < quick.len() * 95 / 100, "{} {}", thorough.len(), quick.len());
        assert_eq!(read(&thorough), read(&quick));
    }

    #[test]
    fn a_row_group_ends_where_a_dictionary_is_full() {
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..36_000).map(|number| format!("{number:01000}"))));
        let keys = |start: u32| -> ArrayRef {
            Arc::new(DictionaryArray::new(UInt32Array::from_iter_values(start..start + 1000), Arc::clone(&texts)))
        };
        let batches: Vec<_> = (0..36)
            .map(|number| {
                let columns = [keys(number * 1000), keys(0), keys(0), Arc::new(UInt32Array::from(vec![0; 1000]))];
                RecordBatch::try_new(rows(0, 1, &texts).schema(), columns.to_vec()).expect("a batch")
            })
            .collect();
        let file = encoded(&batches);
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).expect("a footer");
        let counts: Vec<_> = metadata.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        let full = i64::try_from(Effort::Quick.dictionary_bytes() / 1004).expect("some rows");
        assert!(counts.len() == 3 && counts[..2].iter().all(|count| (full - 300..=full).contains(count)), "{counts:?}");
        let expected: Vec<_> = batches.iter().map(plain).collect();
        assert_eq!(read(&file), concat_batches(&schema(), &expected).expect("one schema"));
    }

    #[test]
    fn a_row_group_has_one_dictionary() {
        let mut encoder = encoder();
        encoder.write(&rows(0, 10, &texts())).expect("rows");
        let error = encoder.write(&rows(0, 10, &texts())).expect_err("another dictionary");
        assert!(error.to_string().contains("column repeated"), "{error}");
    }
}
