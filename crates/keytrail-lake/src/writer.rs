//! Sorted record batches as Parquet: how the files of a table are laid out, and the check that rows are in order.
//!
//! It works on bytes in memory; where they go is in [`crate::table`] and [`crate::compact`]. It does not sort.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema, SchemaRef, SortOptions};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use uuid::Uuid;

use crate::block_sums::Tail;
use crate::checksum::Checksum;
use crate::clock;
use crate::encoder::FileEncoder;
use crate::error::LakeError;
use crate::keyed_chunk::{is_same_dictionary, keyed_texts};
use crate::partition::{PartitionValues, data_file_path};
use crate::snapshot::DataFile;
use crate::statistics::StatisticsCollector;
use crate::storage::Storage;
use crate::table::{Table, TableSpec};

/// One key's years are then a few row groups, and a writer holds little.
pub(crate) const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Rows of a page where rows are found by the first column they are sorted by: a page is the least that is read, and most
/// keys have fewer rows in a file. 1 % more bytes than pages of 20,000.
const LOOKUP_PAGE_ROWS: usize = 2048;
/// Rows of a page elsewhere.
const PAGE_ROWS: usize = 20_000;
/// Ends a row group early where rows are huge, which bounds what a writer and a reader hold.
pub(crate) const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;
/// zstd(1) has the size of zstd(3) at 1.6 times its speed (measured on a trail). Texts that are all but random, such as ids, are
/// larger with any more.
const QUICK_LEVEL: i32 = 1;
/// Keeps a key ARN whole, and cuts texts that their beginning tells apart.
pub(crate) const STATISTICS_BYTES: usize = 128;
/// One row group in a hundred is read in vain.
const BLOOM_FILTER_FALSE_POSITIVES: f64 = 0.01;

/// Ascending, nulls first.
pub(crate) const SORT_OPTIONS: SortOptions = SortOptions { descending: false, nulls_first: true };

/// How hard a file's pages are compressed; docs/decisions/0006-parquet-layout.md has the bytes and the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A conversion, for which somebody waits.
    Quick,
    /// A compaction writes once what is kept for years.
    Thorough,
}

impl Effort {
    /// For texts by keys, of which most that can be compressed is.
    pub(crate) fn keyed_level(self) -> i32 {
        match self {
            Self::Quick => QUICK_LEVEL,
            Self::Thorough => 15,
        }
    }

    /// For all other columns.
    fn level(self) -> i32 {
        match self {
            Self::Quick => QUICK_LEVEL,
            Self::Thorough => 9,
        }
    }

    /// Where a dictionary is this large, its row group ends. More saves bytes, because a text stands once in a row group, and makes a
    /// reader unpack more for one key.
    pub(crate) fn dictionary_bytes(self) -> usize {
        match self {
            Self::Quick => 16 * 1024 * 1024,
            Self::Thorough => 32 * 1024 * 1024,
        }
    }
}

/// A data file that is encoded but nowhere stored.
#[derive(Debug)]
pub struct EncodedFile {
    file: DataFile,
    bytes: Bytes,
}

impl EncodedFile {
    /// The count of rows.
    pub fn row_count(&self) -> u64 {
        self.file.row_count
    }

    /// The size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.file.size_bytes
    }

    /// The partition that the rows belong to.
    pub fn partition(&self) -> &PartitionValues {
        &self.file.partition
    }

    pub(crate) fn into_parts(self) -> (DataFile, Bytes) {
        (self.file, self.bytes)
    }
}

impl Table {
    /// Encodes sorted batches of one partition as one file; takes CPU time and does no I/O. Columns may come as dictionaries.
    ///
    /// # Errors
    ///
    /// [`LakeError::InvalidRows`] when there is no row, a batch has not the columns of [`Table::file_schema`], the
    /// rows are not sorted by the partition's sort columns, or the partition's columns are not the table's.
    pub fn encode(
        &self,
        partition: &PartitionValues,
        batches: impl Iterator<Item = RecordBatch>,
    ) -> Result<EncodedFile, LakeError> {
        let mut file = NewFile::try_new(self, partition)?;
        let schema = SchemaRef::clone(self.file_schema());
        let failed = |error| LakeError::parquet(self.storage(), error);
        let layout = FileLayout::try_new(self.spec(), &schema, partition, Effort::Quick).map_err(failed)?;
        let mut encoder = FileEncoder::try_new(schema, layout).map_err(failed)?;
        for batch in batches {
            file.accept(&batch)?;
            encoder.write(&batch).map_err(failed)?;
        }
        let (bytes, tail) = encoder.finish().map_err(failed)?;
        let bytes = Bytes::from(bytes);
        Ok(EncodedFile { file: file.finish(bytes.len() as u64, Checksum::of(&bytes), tail)?, bytes })
    }
}

/// What becomes a [`DataFile`] while its batches pass: its path, order check and statistics.
pub(crate) struct NewFile {
    path: String,
    partition: PartitionValues,
    schema: SchemaRef,
    storage: Storage,
    order: OrderCheck,
    statistics: StatisticsCollector,
    row_count: u64,
}

impl NewFile {
    pub(crate) fn try_new(table: &Table, partition: &PartitionValues) -> Result<Self, LakeError> {
        let spec = table.spec();
        // An empty text is null to the protocol, and a null in a column without nulls makes the log unreadable.
        let has_value = |column: &&str| partition.get(*column).is_some_and(|value| !value.is_empty());
        if partition.len() != spec.partition_columns.len() || !spec.partition_columns.iter().all(has_value) {
            return Err(LakeError::invalid_rows(table.storage(), &format!("partition values {partition:?}")));
        }
        Ok(Self {
            path: data_file_path(spec.partition_columns, partition, Uuid::new_v4()),
            partition: partition.clone(),
            schema: SchemaRef::clone(table.file_schema()),
            storage: table.storage().clone(),
            order: OrderCheck::new((spec.sort_columns)(partition)),
            statistics: StatisticsCollector::new(&spec.statistics_columns_of(partition)),
            row_count: 0,
        })
    }

    /// The path below the table's root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Takes note of a batch that follows the ones before it.
    pub(crate) fn accept(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let invalid = |reason: String| LakeError::invalid_rows(&self.storage, &reason);
        if let Some(difference) = column_difference(&self.schema, &batch.schema()) {
            return Err(invalid(difference));
        }
        if let Some(row) = self.order.first_unsorted(batch).map_err(|error| invalid(error.to_string()))? {
            return Err(invalid(format!("row {} is out of order", self.row_count + row as u64)));
        }
        self.statistics.update(batch);
        self.row_count += batch.num_rows() as u64;
        Ok(())
    }

    pub(crate) fn finish(self, size_bytes: u64, sha256: String, tail: Tail) -> Result<DataFile, LakeError> {
        if self.row_count == 0 {
            return Err(LakeError::invalid_rows(&self.storage, &"no rows"));
        }
        Ok(DataFile {
            path: self.path,
            size_bytes,
            row_count: self.row_count,
            partition: self.partition,
            statistics: self.statistics.finish(),
            modified_ms: clock::now().timestamp_millis(),
            sha256: Some(sha256),
            tail: Some(tail),
            awaits_edit: false,
        })
    }
}

/// The first column in which a batch is not of the expected names and types; a dictionary is of its values' type.
pub(crate) fn column_difference(expected: &Schema, found: &Schema) -> Option<String> {
    if expected.fields().len() != found.fields().len() {
        return Some(format!("{} columns instead of {}", found.fields().len(), expected.fields().len()));
    }
    let is_same = |(expected, found): (&FieldRef, &FieldRef)| {
        expected.name() == found.name() && expected.data_type() == value_type(found.data_type())
    };
    let (expected, found) =
        expected.fields().iter().zip(found.fields()).find(|(expected, found)| !is_same((expected, found)))?;
    Some(format!(
        "column {} {} instead of {} {}",
        found.name(),
        found.data_type(),
        expected.name(),
        expected.data_type()
    ))
}

fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        plain => plain,
    }
}

/// Whether rows come in the table's order, also across batches; a reader counts on it without looking.
pub(crate) struct OrderCheck {
    columns: &'static [&'static str],
    /// The last row of the batch before.
    last: Option<RecordBatch>,
}

impl OrderCheck {
    pub(crate) fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, last: None }
    }

    /// The first row of the batch that belongs before the row ahead of it.
    pub(crate) fn first_unsorted(&mut self, batch: &RecordBatch) -> Result<Option<usize>, ArrowError> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        if let Some(last) = &self.last
            && compare_rows(&self.comparators(last, batch)?, 0, 0) == Ordering::Greater
        {
            return Ok(Some(0));
        }
        let within = self.comparators(batch, batch)?;
        let unsorted = (1..batch.num_rows()).find(|row| compare_rows(&within, row - 1, *row) == Ordering::Greater);
        self.last = Some(batch.slice(batch.num_rows() - 1, 1));
        Ok(unsorted)
    }

    fn comparators(&self, left: &RecordBatch, right: &RecordBatch) -> Result<Vec<DynComparator>, ArrowError> {
        self.columns
            .iter()
            .map(|name| {
                let column =
                    |batch: &RecordBatch| Ok::<_, ArrowError>(batch.column(batch.schema().index_of(name)?).clone());
                let (left, right) = (column(left)?, column(right)?);
                match comparator_of_keys(&left, &right) {
                    Some(comparator) => Ok(comparator),
                    None => make_comparator(&left, &right, SORT_OPTIONS),
                }
            })
            .collect()
    }
}

/// Compares two columns of one dictionary; neighbours mostly have the same key, whose text is then not looked at. Nulls are first.
fn comparator_of_keys(left: &ArrayRef, right: &ArrayRef) -> Option<DynComparator> {
    let ((left, texts), (right, others)) = (keyed_texts(left)?, keyed_texts(right)?);
    if !is_same_dictionary(texts, others) {
        return None;
    }
    let (left, right, texts) = (left.clone(), right.clone(), texts.clone());
    let key = |keys: &UInt32Array, row: usize| keys.is_valid(row).then(|| keys.value(row));
    Some(Box::new(move |row, other| match (key(&left, row), key(&right, other)) {
        (Some(one), Some(other)) if one != other => texts.value(one as usize).cmp(texts.value(other as usize)),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }))
}

fn compare_rows(comparators: &[DynComparator], left: usize, right: usize) -> Ordering {
    comparators.iter().map(|compare| compare(left, right)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// How the files of a partition are written.
pub(crate) struct FileLayout {
    pub(crate) leaves: SchemaDescriptor,
    pub(crate) properties: WriterProperties,
    /// For dictionaries of our own: see [`TableSpec::grouped_columns`].
    pub(crate) grouped_columns: &'static [&'static str],
    pub(crate) effort: Effort,
}

impl FileLayout {
    pub(crate) fn try_new(
        spec: &TableSpec,
        schema: &Schema,
        partition: &PartitionValues,
        effort: Effort,
    ) -> Result<Self, ParquetError> {
        let leaves = ArrowSchemaConverter::new().convert(schema)?;
        let properties = writer_properties(spec, &leaves, partition, effort)?;
        Ok(Self { leaves, properties, grouped_columns: spec.grouped_columns, effort })
    }
}

fn compression(level: i32) -> Result<Compression, ParquetError> {
    Ok(Compression::ZSTD(ZstdLevel::try_new(level)?))
}

fn writer_properties(
    spec: &TableSpec,
    leaves: &SchemaDescriptor,
    partition: &PartitionValues,
    effort: Effort,
) -> Result<WriterProperties, ParquetError> {
    let sort_columns = (spec.sort_columns)(partition);
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("keytrail ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression(effort.level())?)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(page_rows(spec, sort_columns))
        .set_dictionary_page_size_limit(effort.dictionary_bytes())
        .set_sorting_columns(sorting_columns(sort_columns, leaves))
        // Statistics of long texts cost time and bytes, and nobody asks for their range.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_bloom_filter_fpp(BLOOM_FILTER_FALSE_POSITIVES)
        .set_bloom_filter_enabled(false);
    for name in spec.statistics_columns_of(partition) {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Page);
    }
    for name in spec.bloom_filter_columns {
        // Sized for a row group of unique values, then folded to what the distinct values need.
        builder = builder
            .set_column_bloom_filter_enabled(ColumnPath::from(*name), true)
            .set_column_bloom_filter_fpp(ColumnPath::from(*name), BLOOM_FILTER_FALSE_POSITIVES);
    }
    for name in spec.plain_columns {
        builder = builder.set_column_compression(ColumnPath::from(*name), compression(QUICK_LEVEL)?);
    }
    for (name, encoding) in encodings(spec, leaves, sort_columns) {
        let column = ColumnPath::from(name);
        builder = builder.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding);
    }
    Ok(builder.build())
}

/// A bloom filter on the first sort column says that it is looked up by value.
fn page_rows(spec: &TableSpec, sort_columns: &[&'static str]) -> usize {
    let is_looked_up = sort_columns.first().is_some_and(|column| spec.bloom_filter_columns.contains(column));
    if is_looked_up { LOOKUP_PAGE_ROWS } else { PAGE_ROWS }
}

/// The columns that a dictionary makes larger, and what is smaller; docs/decisions/0006-parquet-layout.md has the bytes.
fn encodings(
    spec: &TableSpec,
    leaves: &SchemaDescriptor,
    sort_columns: &[&'static str],
) -> Vec<(&'static str, Encoding)> {
    let is_of = |name: &str, physical: Type| {
        leaves.columns().iter().any(|leaf| leaf.path().parts() == [name] && leaf.physical_type() == physical)
    };
    // Lengths apart from the texts: the compressor then sees nothing but the texts.
    let texts = spec.plain_columns.iter().filter(|name| is_of(name, Type::BYTE_ARRAY));
    let texts = texts.map(|name| (*name, Encoding::DELTA_LENGTH_BYTE_ARRAY));
    let hashes = spec.plain_columns.iter().filter(|name| is_of(name, Type::INT32));
    let hashes = hashes.map(|name| (*name, Encoding::PLAIN));
    // A sorted time is a small step from the one before.
    let steps = sort_columns.iter().filter(|name| is_of(name, Type::INT64));
    texts.chain(hashes).chain(steps.map(|name| (*name, Encoding::DELTA_BINARY_PACKED))).collect()
}

/// The sort columns by their position among Parquet's leaf columns, which differs from the Arrow field's behind a map.
fn sorting_columns(columns: &[&str], leaves: &SchemaDescriptor) -> Option<Vec<SortingColumn>> {
    let position = |name: &str| leaves.columns().iter().position(|leaf| leaf.path().parts() == [name]);
    let sorting: Option<Vec<_>> = columns
        .iter()
        .map(|name| {
            let column_idx = i32::try_from(position(name)?).ok()?;
            Some(SortingColumn {
                column_idx,
                descending: SORT_OPTIONS.descending,
                nulls_first: SORT_OPTIONS.nulls_first,
            })
        })
        .collect();
    sorting.filter(|sorting| !sorting.is_empty())
}
