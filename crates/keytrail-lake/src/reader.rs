//! Data files read back: footers, rows and single columns, straight from the object store.
//!
//! For compaction, the check and the ledger; queries read the same files through the query engine.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::{ArrowError, FieldRef, Schema, SchemaRef};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask, parquet_to_arrow_schema};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use crate::error::LakeError;
use crate::footer::DataFileFooter;
use crate::merge::SortedStream;
use crate::snapshot::DataFile;
use crate::table::Table;

/// A decoded batch of an input.
const BATCH_BYTES: u64 = 1024 * 1024;
const BATCH_ROWS: u64 = 1024;

/// What a data file's footer says.
pub(crate) struct Footer {
    /// The columns as any reader sees them.
    pub(crate) schema: Schema,
    /// The count of rows.
    pub(crate) row_count: u64,
}

/// Reads the footer of a data file.
pub(crate) async fn read_footer(table: &Table, file: &DataFile) -> std::result::Result<Footer, LakeError> {
    let failed = |error| LakeError::parquet(&table.storage().name_of(&file.path), error);
    let footer = VerifyingReader::open(table, file).await?.footer;
    let file_metadata = footer.metadata().file_metadata();
    let schema =
        parquet_to_arrow_schema(file_metadata.schema_descr(), file_metadata.key_value_metadata()).map_err(failed)?;
    let row_count = u64::try_from(file_metadata.num_rows()).unwrap_or(0);
    Ok(Footer { schema, row_count })
}

impl Table {
    /// Reads a few columns of a data file, a row group at a time; the batches have them in the order asked for.
    ///
    /// # Errors
    ///
    /// [`LakeError::SchemaMismatch`] for a name that is no column of [`Table::file_schema`]; then, and from the
    /// stream, [`LakeError::Corrupt`] for a file that is not there, has other bytes than were written, or cannot be decoded, and
    /// [`LakeError::Storage`].
    pub async fn read_columns(
        &self,
        file: &DataFile,
        columns: &[&str],
    ) -> std::result::Result<impl Stream<Item = std::result::Result<RecordBatch, LakeError>> + Send + use<>, LakeError>
    {
        let schema = self.file_schema();
        let indices = columns.iter().map(|name| schema.index_of(name).map_err(|_error| name));
        let indices = indices.collect::<std::result::Result<Vec<_>, _>>();
        let wanted = indices
            .map_err(|unknown| format!("no column `{unknown}`"))
            .and_then(|indices| schema.project(&indices).map_err(|error| error.to_string()));
        match wanted {
            Ok(wanted) => read_some(self, file, Arc::new(wanted)).await,
            Err(difference) => Err(LakeError::SchemaMismatch { place: self.storage().to_string(), difference }),
        }
    }
}

/// Reads the rows of a data file, a row group at a time.
pub(crate) async fn read_rows(table: &Table, file: &DataFile) -> std::result::Result<SortedStream, LakeError> {
    read_some(table, file, SchemaRef::clone(table.file_schema())).await
}

/// Reads the wanted columns, in their order; later ones that the file lacks are null.
async fn read_some(table: &Table, file: &DataFile, wanted: SchemaRef) -> std::result::Result<SortedStream, LakeError> {
    let name = table.storage().name_of(&file.path);
    let failed = |error| LakeError::parquet(&name, error);
    let reader = VerifyingReader::open(table, file).await?;
    let metadata = Arc::clone(reader.footer.metadata());
    let leaves = metadata.file_metadata().schema_descr();
    let mask = ProjectionMask::columns(leaves, wanted.fields().iter().map(|field| field.name().as_str()));
    let batch_rows = batch_rows(&metadata, &mask);
    let found = parquet_to_arrow_schema(leaves, None).map_err(failed)?;
    let options = ArrowReaderOptions::new().with_schema(table.spec().file_schema_of(&found));
    let metadata = ArrowReaderMetadata::try_new(metadata, options).map_err(failed)?;
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata).with_projection(mask);
    let batches = builder.with_batch_size(batch_rows).build().map_err(failed)?;
    let rows = batches.map(move |batch| {
        let batch = batch.map_err(|error| LakeError::parquet(&name, error))?;
        arranged(&batch, &wanted).map_err(|error| LakeError::corrupt(&name, error))
    });
    Ok(rows.boxed())
}

/// The wanted columns of a batch; one that it lacks is null.
fn arranged(batch: &RecordBatch, wanted: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), batch.num_rows()),
    };
    RecordBatch::try_new(SchemaRef::clone(wanted), wanted.fields().iter().map(column).collect())
}

/// So many rows that a batch stays small, whatever the rows hold.
fn batch_rows(metadata: &ParquetMetaData, mask: &ProjectionMask) -> usize {
    let sizes = metadata.row_groups().iter().map(|group| {
        let chunks = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        // A dictionary hides how long texts are once they are decoded, so both sizes are looked at.
        let sizes = chunks
            .map(|(_, chunk)| chunk.uncompressed_size().max(chunk.unencoded_byte_array_data_bytes().unwrap_or(0)));
        u64::try_from(sizes.sum::<i64>() / group.num_rows().max(1)).unwrap_or(0)
    });
    let bytes_per_row = sizes.max().unwrap_or(0).max(1);
    let rows = (BATCH_BYTES / bytes_per_row).clamp(1, BATCH_ROWS);
    usize::try_from(rows).unwrap_or(1)
}

/// A data file whose bytes are compared with what was written.
#[derive(Clone)]
struct VerifyingReader {
    object: ObjectReader,
    footer: Arc<DataFileFooter>,
}

impl VerifyingReader {
    async fn open(table: &Table, file: &DataFile) -> std::result::Result<Self, LakeError> {
        let name = table.storage().name_of(&file.path).to_string();
        let mut object = ObjectReader::try_new(table, file)?;
        let footer = DataFileFooter::read(&mut object, file, &name).await;
        let footer = Arc::new(footer.map_err(|error| LakeError::parquet(&name, error))?);
        Ok(Self { object, footer })
    }
}

impl AsyncFileReader for VerifyingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let mut read = self.footer.read_ranges(&mut self.object, vec![range]).await?;
            read.pop().ok_or_else(|| ParquetError::EOF("nothing was read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.footer.read_ranges(&mut self.object, ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let metadata = Arc::clone(self.footer.metadata());
        async move { Ok(metadata) }.boxed()
    }
}

/// An object of known size, as the Parquet reader wants it.
#[derive(Clone)]
struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
}

impl ObjectReader {
    fn try_new(table: &Table, file: &DataFile) -> std::result::Result<Self, LakeError> {
        let path = table.file_path(file)?;
        Ok(Self { store: table.storage().store(), path, size_bytes: file.size_bytes })
    }

    /// Says that the file is damaged, where its own words lead out of it; a store would call that a failure of its own.
    fn check_range(&self, range: &Range<u64>) -> Result<()> {
        let reason = || format!("it tells of bytes {} to {}, and has {}", range.start, range.end, self.size_bytes);
        let is_inside = range.start < range.end && range.end <= self.size_bytes;
        if is_inside { Ok(()) } else { Err(ParquetError::EOF(reason())) }
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            self.check_range(&range)?;
            self.store.get_range(&self.path, range).await.map_err(ParquetError::from)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            ranges.iter().try_for_each(|range| self.check_range(range))?;
            self.store.get_ranges(&self.path, &ranges).await.map_err(ParquetError::from)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move { Err(ParquetError::General("the footer is read first".to_owned())) }.boxed()
    }
}
