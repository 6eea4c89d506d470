//! A table of the lake as the engine sees it: the file list, partition values, statistics and sort order of the Delta
//! log, turned into a plain Parquet scan.
//!
//! ```text
//! snapshot ─▶ partition filters (exact) ─▶ statistics (PruningPredicate) ─▶ file groups ─▶ DataSourceExec(ParquetSource)
//! ```
//!
//! There is no scan operator here: the plan is made of the engine's own parts only, so that it can be serialised.
//! It does not open a data file to plan: everything comes from the log.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, SortOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, ColumnStatistics, DFSchema, DataFusionError, Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use keytrail_convert::{EVENTS, refuse_lost_rows};
use keytrail_lake::{Bound, DataFile, Lake, ScalarStat, Snapshot, Table};
use object_store::ObjectMeta;

use crate::error::QueryError;
use crate::session::TableSource;
use crate::tables::damage::OpenedFiles;
use crate::tables::footers::VerifyingReaderFactory;
use crate::views::kept_rows::ContentDigest;

/// The tables of a lake.
pub(crate) struct LakeTables {
    lake: Lake,
    opened: Arc<OpenedFiles>,
}

impl LakeTables {
    /// The tables of the lake; each is read from its log when it is opened.
    pub(crate) fn new(lake: &Lake) -> Self {
        Self { lake: lake.clone(), opened: Arc::default() }
    }
}

#[async_trait]
impl TableSource for LakeTables {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.lake.tables().iter().map(|table| table.spec().name.to_owned()).collect();
        names.sort();
        names
    }

    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        let table = self.lake.table(name);
        let snapshot = table.snapshot().await?;
        if name == EVENTS {
            refuse_lost_rows(&self.lake, &snapshot).await?;
        }
        let opened = Arc::clone(&self.opened);
        Ok(Arc::new(LakeTable::try_new(table.clone(), &snapshot, opened).map_err(QueryError::planning)?))
    }

    fn place(&self) -> Option<String> {
        Some(self.lake.location().to_string())
    }

    fn opened_files(&self) -> Arc<OpenedFiles> {
        Arc::clone(&self.opened)
    }

    /// Data files are named at random and never changed: their names stand for their rows.
    fn digest(&self, table: &dyn TableProvider) -> Option<ContentDigest> {
        let table = (table as &dyn Any).downcast_ref::<LakeTable>()?;
        Some(ContentDigest::of(table.files.iter().map(|file| file.path.as_bytes())))
    }
}

/// One table at one version of its log.
pub(crate) struct LakeTable {
    table: Table,
    /// The store's URL, by which plans name it.
    store_url: ObjectStoreUrl,
    /// File columns and partition columns, text as views.
    schema: TableSchema,
    files: Vec<Arc<DataFile>>,
    opened: Arc<OpenedFiles>,
}

impl std::fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.table.spec().name;
        f.debug_struct("LakeTable").field("name", &name).field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl LakeTable {
    /// The table as the snapshot has it.
    ///
    /// # Errors
    /// When the store's URL is none that the engine can name.
    pub(crate) fn try_new(table: Table, snapshot: &Snapshot, opened: Arc<OpenedFiles>) -> Result<Self> {
        let store_url = ObjectStoreUrl::parse(table.storage().url())?;
        let schema = table_schema(&table.spec().schema, table.spec().partition_columns);
        Ok(Self { store_url, schema, files: snapshot.files().to_vec(), table, opened })
    }

    /// Data files of the table.
    pub(crate) fn file_count(&self) -> u64 {
        self.files.len() as u64
    }

    /// Whether a condition compares a column with values by which files and pages are found.
    pub(crate) fn finds_rows_by(&self, condition: &Expr) -> bool {
        let spec = self.table.spec();
        let finds = |column: &Expr| {
            let Expr::Column(Column { name, .. }) = column else { return false };
            spec.bloom_filter_columns.contains(&name.as_str())
        };
        let compares = |part: &Expr| match part {
            Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
                [(left, right), (right, left)].iter().any(|(column, value)| finds(column) && is_literal(value))
            }
            Expr::InList(list) => finds(&list.expr),
            Expr::Like(like) => finds(&like.expr),
            Expr::Between(between) => finds(&between.expr),
            _ => false,
        };
        condition.exists(|part| Ok(compares(part))).unwrap_or(true)
    }

    fn partition_columns(&self) -> &'static [&'static str] {
        self.table.spec().partition_columns
    }

    /// Whether only partition columns occur in the filter, so that it can be decided file by file; a constant can, which the engine may
    /// have made of such a filter after it was pushed here.
    fn is_partition_filter(&self, filter: &Expr) -> bool {
        if matches!(filter, Expr::Literal(ScalarValue::Boolean(_), _)) {
            return true;
        }
        let columns = filter.column_refs();
        let is_partition = |column: &&Column| self.partition_columns().contains(&column.name.as_str());
        !columns.is_empty() && columns.iter().all(is_partition) && !filter.is_volatile() && !has_subquery(filter)
    }

    /// Whether the statistics prove a filter for every row: that a column is null, or something else. Then its columns are not read.
    fn is_true_of_all(&self, filter: &Expr) -> bool {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                self.is_true_of_all(left) || self.is_true_of_all(right)
            }
            Expr::IsNull(tested) => match tested.as_ref() {
                Expr::Column(column) => self.files.iter().all(|file| null_count(file, column) == Some(file.row_count)),
                _ => false,
            },
            _ => false,
        }
    }

    /// The files that can hold rows for which all filters are true.
    fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<DataFile>>> {
        let to_decide = filters.iter().filter(|filter| !self.is_true_of_all(filter)).cloned();
        let (partition_filters, filters): (Vec<_>, Vec<_>) =
            to_decide.partition(|filter| self.is_partition_filter(filter));
        let files = match conjunction(partition_filters) {
            Some(filter) if !self.files.is_empty() => self.prune_by_partition(state, filter)?,
            _ => self.files.clone(),
        };
        match conjunction(filters) {
            Some(filter) if !files.is_empty() => self.prune_by_statistics(state, filter, files),
            _ => Ok(files),
        }
    }

    fn prune_by_partition(&self, state: &dyn Session, filter: Expr) -> Result<Vec<Arc<DataFile>>> {
        let schema = Arc::new(Schema::new(self.schema.table_partition_cols().clone()));
        let values = |field: &FieldRef| {
            let values = self.files.iter().map(|file| partition_value(file, field.name()));
            ScalarValue::iter_to_array(values)
        };
        let columns = schema.fields().iter().map(values).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.files.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let filter = physical(state, filter, &schema)?;
        let is_kept = filter.evaluate(&batch)?.into_array(self.files.len())?;
        let is_kept = is_kept.as_boolean();
        Ok(kept(&self.files, |index| is_kept.is_valid(index) && is_kept.value(index)))
    }

    fn prune_by_statistics(
        &self,
        state: &dyn Session,
        filter: Expr,
        files: Vec<Arc<DataFile>>,
    ) -> Result<Vec<Arc<DataFile>>> {
        let schema = self.schema.table_schema();
        let filter = physical(state, filter, schema)?;
        // A filter that the pruning cannot understand prunes nothing; it is not an error of the statement.
        let Ok(predicate) = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(filter)
        else {
            return Ok(files);
        };
        let bounds = FileBounds { files: &files, schema, partition_columns: self.partition_columns() };
        let Ok(may_match) = predicate.prune(&bounds) else {
            return Ok(files);
        };
        Ok(kept(&files, |index| may_match[index]))
    }

    /// The files in contiguous groups, one per partition of the plan.
    fn file_groups(&self, files: &[Arc<DataFile>], partitions: usize) -> Result<Vec<FileGroup>> {
        let files = files.iter().map(|file| self.partitioned_file(file)).collect::<Result<Vec<_>>>()?;
        let size = files.len().div_ceil(partitions.max(1)).max(1);
        Ok(files.chunks(size).map(|chunk| FileGroup::new(chunk.to_vec())).collect())
    }

    fn partitioned_file(&self, file: &Arc<DataFile>) -> Result<PartitionedFile> {
        let meta = ObjectMeta {
            location: self.table.file_path(file).map_err(|error| DataFusionError::External(Box::new(error)))?,
            last_modified: chrono::DateTime::from_timestamp_millis(file.modified_ms).unwrap_or_default(),
            size: file.size_bytes,
            e_tag: None,
            version: None,
        };
        let values = self.partition_columns().iter().map(|name| partition_value(file, name)).collect();
        let statistics = file_statistics(file, self.schema.file_schema());
        // The order matters: statistics of the partition columns are added from the values that are there already.
        let file = PartitionedFile::new_from_meta(meta).with_extension(Arc::clone(file));
        Ok(file.with_partition_values(values).with_statistics(Arc::new(statistics)))
    }

    /// The order of the rows of a scan over these files; none when they are sorted differently, or may overlap.
    fn ordering(&self, files: &[Arc<DataFile>], groups: &[FileGroup]) -> Option<LexOrdering> {
        let orders: HashSet<_> = files.iter().map(|file| (self.table.spec().sort_columns)(&file.partition)).collect();
        let columns = <[_; 1]>::try_from(orders.into_iter().collect::<Vec<_>>()).ok()?[0];
        let is_one_file_each = groups.iter().all(|group| group.len() <= 1);
        if !is_one_file_each && files.iter().any(|file| has_nulls(file, columns)) {
            // The engine compares smallest and largest values, which nulls are not among.
            return None;
        }
        let schema = self.schema.table_schema();
        let options = SortOptions { descending: false, nulls_first: true };
        let sort = columns.iter().map(|name| {
            let index = schema.index_of(name).ok()?;
            Some(PhysicalSortExpr::new(Arc::new(PhysicalColumn::new(name, index)), options))
        });
        LexOrdering::new(sort.collect::<Option<Vec<_>>>()?)
    }

    /// Whether bloom filters can tell more than the page index, which is in memory: not of the column that all files are sorted by first.
    fn needs_bloom_filters(&self, filters: &[Expr], files: &[Arc<DataFile>]) -> bool {
        let spec = self.table.spec();
        let is_sorted_by =
            |name: &str| files.iter().all(|file| (spec.sort_columns)(&file.partition).first() == Some(&name));
        let is_looked_up =
            |column: &&Column| spec.bloom_filter_columns.contains(&column.name.as_str()) && !is_sorted_by(&column.name);
        filters.iter().any(|filter| filter.column_refs().iter().any(is_looked_up))
    }

    fn source(&self, state: &dyn Session, filters: &[Expr], files: &[Arc<DataFile>]) -> ParquetSource {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let reader = VerifyingReaderFactory::new(&self.table, cache, Arc::clone(&self.opened));
        let mut options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        // Else the engine decodes all rows between those that it wants, and copies a column anew for each page of them.
        options.global.force_filter_selections |= filters.iter().any(|filter| asks_for_few_rows(filter, files));
        options.global.bloom_filter_on_read &= self.needs_bloom_filters(filters, files);
        ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader))
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match self.is_partition_filter(filter) || self.is_true_of_all(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.prune(state, filters)?;
        if files.is_empty() {
            let schema = match projection {
                Some(indices) => Arc::new(self.schema().project(indices)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        state.runtime_env().register_object_store(self.store_url.as_ref(), self.table.storage().store());
        let groups = self.file_groups(&files, state.config().target_partitions())?;
        let ordering = self.ordering(&files, &groups);
        let (groups, statistics) = merge_statistics(groups, self.schema.table_schema())?;
        let source = Arc::new(self.source(state, filters, &files));
        let config = FileScanConfigBuilder::new(self.store_url.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_output_ordering(ordering.into_iter().collect())
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The engine reads text fastest as views into the pages.
fn table_schema(schema: &Schema, partition_columns: &[&str]) -> TableSchema {
    let as_view = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::clone(field).with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    let (partition, file): (Vec<_>, Vec<_>) =
        schema.fields().iter().map(as_view).partition(|field| partition_columns.contains(&field.name().as_str()));
    TableSchema::builder(Arc::new(Schema::new(file))).with_table_partition_cols(partition).build()
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

pub(crate) fn has_subquery(filter: &Expr) -> bool {
    filter
        .exists(|expr| Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_))))
        .unwrap_or(true)
}

fn physical(state: &dyn Session, filter: Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)
}

fn kept(files: &[Arc<DataFile>], is_kept: impl Fn(usize) -> bool) -> Vec<Arc<DataFile>> {
    files.iter().enumerate().filter(|(index, _)| is_kept(*index)).map(|(_, file)| Arc::clone(file)).collect()
}

fn partition_value(file: &DataFile, column: &str) -> ScalarValue {
    ScalarValue::Utf8View(file.partition.get(column).cloned())
}

/// Whether a filter asks that a column is not null which nearly always is, as `error_code`: rows here and there.
fn asks_for_few_rows(filter: &Expr, files: &[Arc<DataFile>]) -> bool {
    /// The rows of which at most one is wanted.
    const ROWS_FOR_ONE: u64 = 16;
    let Expr::IsNotNull(tested) = filter else { return false };
    let Expr::Column(column) = tested.as_ref() else { return false };
    let row_count: u64 = files.iter().map(|file| file.row_count).sum();
    let null_count: Option<u64> = files.iter().map(|file| null_count(file, column)).sum();
    null_count.is_some_and(|null_count| row_count.saturating_sub(null_count) < row_count / ROWS_FOR_ONE)
}

fn null_count(file: &DataFile, column: &Column) -> Option<u64> {
    file.statistics.column(&column.name)?.null_count
}

fn has_nulls(file: &DataFile, columns: &[&str]) -> bool {
    let count = |name: &&str| file.statistics.column(name).and_then(|column| column.null_count);
    columns.iter().any(|name| count(name) != Some(0))
}

fn scalar(value: &ScalarStat, data_type: &DataType) -> Option<ScalarValue> {
    match (value, data_type) {
        (ScalarStat::Text(text), DataType::Utf8View) => Some(ScalarValue::Utf8View(Some(text.clone()))),
        (ScalarStat::Time(micros), DataType::Timestamp(_, zone)) => {
            Some(ScalarValue::TimestampMicrosecond(Some(*micros), zone.clone()))
        }
        (ScalarStat::Integer(value), DataType::Int64) => Some(ScalarValue::Int64(Some(*value))),
        (ScalarStat::Boolean(value), DataType::Boolean) => Some(ScalarValue::Boolean(Some(*value))),
        _ => None,
    }
}

/// What the log knows about a file, in the engine's words; a rounded bound is inexact.
fn file_statistics(file: &DataFile, schema: &Schema) -> Statistics {
    let column = |field: &FieldRef| {
        let Some(known) = file.statistics.column(field.name()) else {
            return ColumnStatistics::new_unknown();
        };
        ColumnStatistics {
            null_count: known.null_count.and_then(count).map_or(Precision::Absent, Precision::Exact),
            min_value: precision(known.min.as_ref(), field.data_type()),
            max_value: precision(known.max.as_ref(), field.data_type()),
            ..ColumnStatistics::new_unknown()
        }
    };
    Statistics {
        num_rows: count(file.row_count).map_or(Precision::Absent, Precision::Exact),
        total_byte_size: count(file.size_bytes).map_or(Precision::Absent, Precision::Inexact),
        column_statistics: schema.fields().iter().map(column).collect(),
    }
}

/// Gives every group the statistics of its files, and the scan those of all.
fn merge_statistics(groups: Vec<FileGroup>, schema: &Schema) -> Result<(Vec<FileGroup>, Statistics)> {
    let with_statistics = |group: FileGroup| {
        let of_files = group.iter().filter_map(|file| file.statistics.as_deref());
        let merged = Statistics::try_merge_iter(of_files, schema)?;
        Ok(group.with_statistics(Arc::new(merged)))
    };
    let groups = groups.into_iter().map(with_statistics).collect::<Result<Vec<_>>>()?;
    let merged = Statistics::try_merge_iter(groups.iter().filter_map(|group| group.file_statistics(None)), schema)?;
    Ok((groups, merged))
}

fn count(count: u64) -> Option<usize> {
    usize::try_from(count).ok()
}

fn precision(bound: Option<&Bound>, data_type: &DataType) -> Precision<ScalarValue> {
    let value = bound.and_then(|bound| Some((scalar(&bound.value, data_type)?, bound.is_exact)));
    match value {
        Some((value, true)) => Precision::Exact(value),
        Some((value, false)) => Precision::Inexact(value),
        None => Precision::Absent,
    }
}

/// The bounds of some files, column by column, for pruning; rounded bounds prune as well as exact ones.
struct FileBounds<'a> {
    files: &'a [Arc<DataFile>],
    schema: &'a SchemaRef,
    partition_columns: &'a [&'a str],
}

impl FileBounds<'_> {
    fn is_partition_column(&self, column: &Column) -> bool {
        self.partition_columns.contains(&column.name.as_str())
    }

    fn bounds(
        &self,
        column: &Column,
        pick: impl Fn(&keytrail_lake::ColumnStatistics) -> Option<&Bound>,
    ) -> Option<ArrayRef> {
        if self.is_partition_column(column) {
            let values = self.files.iter().map(|file| partition_value(file, &column.name));
            return ScalarValue::iter_to_array(values).ok();
        }
        let data_type = self.schema.field_with_name(&column.name).ok()?.data_type();
        let unknown = ScalarValue::try_from(data_type).ok()?;
        let values = self.files.iter().map(|file| {
            let bound = file.statistics.column(&column.name).and_then(&pick);
            bound.and_then(|bound| scalar(&bound.value, data_type)).unwrap_or_else(|| unknown.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |statistics| statistics.min.as_ref())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |statistics| statistics.max.as_ref())
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let null_count = |file: &Arc<DataFile>| match self.is_partition_column(column) {
            true => file.partition.contains_key(&column.name).then_some(0),
            false => file.statistics.column(&column.name)?.null_count,
        };
        Some(Arc::new(self.files.iter().map(null_count).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| Some(file.row_count)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
