//! Opens data files with their whole footer, page index included, and keeps it in the session's cache.
//!
//! The engine's own factory caches the footer without the page index, because the scan does not ask for it at first;
//! the scan then reads and decodes the index of every file again in every query. For one key's rows that took more time
//! than the rows. Nothing else differs from the engine's factory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use keytrail_lake::Table;

use crate::damage::OpenedFiles;

/// Makes readers of a table's data files.
#[derive(Debug)]
pub(crate) struct WholeFooterReaderFactory {
    engine: CachedParquetFileReaderFactory,
    table: Table,
    opened: Arc<OpenedFiles>,
}

impl WholeFooterReaderFactory {
    /// Readers of the table's files, with their footers in the cache; those that are made are noted.
    pub(crate) fn new(table: &Table, cache: Arc<FileMetadataCache>, opened: Arc<OpenedFiles>) -> Self {
        let engine = CachedParquetFileReaderFactory::new(table.storage().store(), cache);
        Self { engine, table: table.clone(), opened }
    }
}

impl ParquetFileReaderFactory for WholeFooterReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        self.opened.note(&self.table, file.path());
        let reader = self.engine.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(WholeFooterReader(reader)))
    }
}

/// The engine's reader, always asked for the page index too.
struct WholeFooterReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for WholeFooterReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        async move { self.0.get_metadata(Some(&options)).await }.boxed()
    }
}
