//! Opens data files with their whole footer, page index included, keeps it in the session's cache, and gives the engine no bytes but
//! those that were written.
//!
//! The engine's own factory caches the footer without the page index, because the scan does not ask for it at first;
//! the scan then reads and decodes the index of every file again in every query. For one key's rows that took more time
//! than the rows. And it decodes what it gets: a flipped bit may be a wrong answer. See [`DataFileFooter`].

use std::any::Any;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{HashMap, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata, FileMetadataCache};
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use keytrail_lake::{DataFile, DataFileFooter, Table};
use object_store::ObjectMeta;

use crate::tables::damage::OpenedFiles;

/// Makes readers of a table's data files. A file comes with its [`DataFile`] as an extension.
#[derive(Debug)]
pub(crate) struct VerifyingReaderFactory {
    engine: DefaultParquetFileReaderFactory,
    cache: Arc<FileMetadataCache>,
    table: Table,
    opened: Arc<OpenedFiles>,
}

impl VerifyingReaderFactory {
    /// Readers of the table's files, with their footers in the cache; those that are made are noted.
    pub(crate) fn new(table: &Table, cache: Arc<FileMetadataCache>, opened: Arc<OpenedFiles>) -> Self {
        let engine = DefaultParquetFileReaderFactory::new(table.storage().store());
        Self { engine, cache, table: table.clone(), opened }
    }
}

impl ParquetFileReaderFactory for VerifyingReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        self.opened.note(&self.table, file.path());
        let data_file = file.extension::<Arc<DataFile>>().cloned();
        let object = file.object_meta.clone();
        let engine = self.engine.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        let Some(data_file) = data_file else { return Ok(engine) };
        let name = self.table.storage().name_of(&data_file.path);
        let cache = Arc::clone(&self.cache);
        Ok(Box::new(VerifyingReader { engine, file: data_file, name, object, cache, footer: None }))
    }
}

/// The engine's reader for the bytes, which counts them; what it reads is compared with what was written.
struct VerifyingReader {
    engine: Box<dyn AsyncFileReader + Send>,
    file: Arc<DataFile>,
    name: String,
    object: ObjectMeta,
    cache: Arc<FileMetadataCache>,
    /// Once it was asked for.
    footer: Option<Arc<DataFileFooter>>,
}

impl VerifyingReader {
    async fn footer(&mut self) -> ParquetResult<Arc<DataFileFooter>> {
        if let Some(footer) = &self.footer {
            return Ok(Arc::clone(footer));
        }
        let known = self.cache.get(&self.object.location).filter(|entry| entry.is_valid_for(&self.object));
        let known =
            known.and_then(|entry| Some(entry.file_metadata.as_any().downcast_ref::<CachedFooter>()?.0.clone()));
        let footer = match known {
            Some(footer) => footer,
            None => {
                let read = DataFileFooter::read(self.engine.as_mut(), &self.file, &self.name).await?;
                let footer = Arc::new(read);
                let cached = Arc::new(CachedFooter(Arc::clone(&footer)));
                let entry = CachedFileMetadataEntry::new(self.object.clone(), cached);
                self.cache.put(&self.object.location, entry);
                footer
            }
        };
        self.footer = Some(Arc::clone(&footer));
        Ok(footer)
    }
}

impl AsyncFileReader for VerifyingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let mut read = self.get_byte_ranges(vec![range]).await?;
            read.pop().ok_or_else(|| ParquetError::EOF("nothing was read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let footer = self.footer().await?;
            footer.read_ranges(self.engine.as_mut(), ranges).await
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move { Ok(Arc::clone(self.footer().await?.metadata())) }.boxed()
    }
}

/// A footer in the engine's cache, which has a limit.
struct CachedFooter(Arc<DataFileFooter>);

impl FileMetadata for CachedFooter {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory_size(&self) -> usize {
        self.0.memory_bytes()
    }

    fn extra_info(&self) -> HashMap<String, String> {
        HashMap::new()
    }
}
