//! The table `events` straight over unconverted log files: the same columns, decoded as they are read.
//!
//! ```text
//! listing ─▶ pruned by delivery ─▶ one queue of files ─▶ per partition, a thread: fetch ahead ─▶ decode ─▶ batches
//! ```
//!
//! Files are pruned by the dates in their paths, in one direction only. A file never holds events later than its
//! delivery, so `event_time >= t` leaves out files delivered before `t` (less [`CLOCK_MARGIN`]). It may hold events from
//! long before, since deliveries are repeated for weeks: an upper bound on `event_time` leaves out nothing.
//!
//! Of a record only the columns are built that a statement reads, and of a group that it does not ask for none. It keeps nothing: every
//! scan reads and decodes again. How a file is decoded is `keytrail-convert`'s business.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use keytrail_convert::raw::{RawCounts, RawDecoder, RawSelection};
use keytrail_convert::source::{self, DeliveryRange, LogFile, Source};
use keytrail_convert::{Deduplicator, EVENTS, LOG_FILES};
use keytrail_events::schema::{EVENT_GROUP, EVENT_MONTH, EventGroup, MENTIONED_KEY_ARNS, table_schema};
use keytrail_lake::StorageOptions;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use crate::error::QueryError;
use crate::locks::lock;
use crate::session::TableSource;
use crate::tables::raw_ledger::RawLedger;

/// The clocks of AWS's services may differ, and a file's name tells its delivery to the minute only.
const CLOCK_MARGIN: TimeDelta = TimeDelta::hours(1);
/// Rows that a partition decodes before it hands them on.
const BATCH_ROWS: usize = 8192;
/// Log files that a partition fetches ahead of the decoding.
const FETCHED_AHEAD: usize = 4;
/// Batches that wait for the statement, for each partition.
const WAITING_BATCHES: usize = 2;

/// Unconverted trail logs.
#[derive(Debug, Clone)]
pub struct RawSource {
    /// Where the logs are.
    pub sources: Vec<Source>,
    /// Takes files that were delivered in this period. Files without a date are always taken.
    pub range: DeliveryRange,
    /// How to reach S3 sources.
    pub storage: StorageOptions,
}

/// The log files of a session, listed once.
pub(crate) struct RawTables {
    files: Arc<[LogFile]>,
    rejects: Arc<RawRejects>,
    work: Arc<RawWork>,
}

impl RawTables {
    /// Lists the log files.
    ///
    /// # Errors
    /// When a source does not exist or cannot be listed, and when there is no log file: every answer would be empty.
    pub(crate) async fn list(source: RawSource) -> Result<Self, QueryError> {
        let RawSource { sources, range, storage } = source;
        let mut files = source::list(&sources, &range, &storage).await?.log_files;
        if files.is_empty() {
            return Err(source::no_log_file(&sources, &range).into());
        }
        // Of two bodies of an event the one read first counts, and that is to be the one delivered last, as in a lake.
        let dated = files.partition_point(|file| file.delivery_date.is_some());
        files[..dated].reverse();
        Ok(Self { files: files.into(), rejects: Arc::default(), work: Arc::default() })
    }

    /// What could not be read so far.
    pub(crate) fn rejects(&self) -> Arc<RawRejects> {
        Arc::clone(&self.rejects)
    }
}

#[async_trait]
impl TableSource for RawTables {
    fn names(&self) -> Vec<String> {
        vec![EVENTS.to_owned(), LOG_FILES.to_owned()]
    }

    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        let (files, rejects, work) = (Arc::clone(&self.files), Arc::clone(&self.rejects), Arc::clone(&self.work));
        let events = RawTable { files, rejects, work };
        if name == LOG_FILES {
            return Ok(Arc::new(RawLedger::list(events).await.map_err(QueryError::planning)?));
        }
        Ok(Arc::new(events))
    }
}

/// Records and files that could not be taken, by log file; an answer without them is incomplete.
#[derive(Debug, Default)]
pub(crate) struct RawRejects(Mutex<BTreeMap<String, u64>>);

impl RawRejects {
    /// A file may be read by several scans; it counts once.
    fn note(&self, file: &LogFile, rejected: u64) {
        if rejected > 0 {
            lock(&self.0).insert(file.path.clone(), rejected);
        }
    }

    /// Log files with rejected records, and how many each; 1 for a file that cannot be read at all.
    pub(crate) fn by_file(&self) -> BTreeMap<String, u64> {
        lock(&self.0).clone()
    }
}

/// What all statements of a session have read of the logs so far; the figures only grow.
#[derive(Debug, Default)]
pub(crate) struct RawWork {
    files_planned: AtomicU64,
    files_read: AtomicU64,
    bytes_read: AtomicU64,
}

impl RawWork {
    /// Log files that scans were planned for, log files read, and their bytes.
    pub(crate) fn counts(&self) -> [u64; 3] {
        [&self.files_planned, &self.files_read, &self.bytes_read].map(|counter| counter.load(Ordering::Relaxed))
    }

    fn plan(&self, files: usize) {
        self.files_planned.fetch_add(files as u64, Ordering::Relaxed);
    }

    fn read(&self, file: &LogFile) {
        self.files_read.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(file.size_bytes, Ordering::Relaxed);
    }
}

/// The table.
pub(crate) struct RawTable {
    files: Arc<[LogFile]>,
    rejects: Arc<RawRejects>,
    work: Arc<RawWork>,
}

impl std::fmt::Debug for RawTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawTable").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl RawTable {
    /// Log files of the session.
    pub(crate) fn file_count(&self) -> u64 {
        self.files.len() as u64
    }

    /// What has been read of them.
    pub(crate) fn work(&self) -> Arc<RawWork> {
        Arc::clone(&self.work)
    }

    /// The log files of the session.
    pub(crate) fn files(&self) -> &[LogFile] {
        &self.files
    }

    /// Reads every log file for what cannot be taken of it: rejected records by log file, as [`RawRejects::by_file`].
    ///
    /// # Errors
    /// When a reader ends without its result, a defect.
    pub(crate) async fn read_rejects(&self, readers: usize) -> Result<BTreeMap<String, u64>> {
        let selection = RawSelection::new(Vec::new(), Vec::new())?;
        let scan = Arc::new(self.scan_of(Arc::clone(&self.files), selection));
        let run = scan.run(0);
        // No row is asked for, so that none is sent.
        let (sender, _receiver) = tokio::sync::mpsc::channel(1);
        let reading: Vec<_> = (0..readers.max(1))
            .map(|_| {
                let (reader, sender) = (RawReader::new(&scan, &run), sender.clone());
                SpawnedTask::spawn_blocking(move || reader.run(&sender))
            })
            .collect();
        for task in reading {
            task.join().await.map_err(|error| DataFusionError::Internal(error.to_string()))??;
        }
        Ok(self.rejects.by_file())
    }

    fn scan_of(&self, files: Arc<[LogFile]>, selection: RawSelection) -> RawScan {
        let (rejects, work) = (Arc::clone(&self.rejects), Arc::clone(&self.work));
        work.plan(files.len());
        RawScan { files, selection, rejects, work, runs: Mutex::default() }
    }

    /// The files that can hold rows for which a predicate is true.
    fn prune(&self, predicate: Option<&PruningPredicate>) -> Arc<[LogFile]> {
        let Some(may_match) = predicate.and_then(|predicate| predicate.prune(&DeliveryBounds(&self.files)).ok()) else {
            return Arc::clone(&self.files);
        };
        self.files.iter().zip(may_match).filter(|(_, may_match)| *may_match).map(|(file, _)| file.clone()).collect()
    }
}

/// All filters at once; none where there are none, or the pruning cannot understand them, which is not an error of the statement.
fn predicate(state: &dyn Session, filters: &[Expr]) -> Result<Option<PruningPredicate>> {
    let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
    let filter = state.create_physical_expr(filter, &DFSchema::try_from(table_schema())?)?;
    Ok(PruningPredicateBuilder::new().with_file_schema(table_schema()).try_build(filter).ok())
}

#[async_trait]
impl TableProvider for RawTable {
    fn schema(&self) -> SchemaRef {
        table_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let predicate = predicate(state, filters)?;
        let groups = predicate.as_ref().and_then(|predicate| predicate.prune(&GroupBounds).ok());
        let places = EventGroup::ALL.into_iter().enumerate();
        let wanted = places.filter(|(place, _)| groups.as_ref().is_none_or(|may_match| may_match[*place]));
        let wanted: Vec<_> = wanted.map(|(_, group)| group).collect();
        let has_rows = !wanted.is_empty();
        let columns = projection.cloned().unwrap_or_else(|| (0..table_schema().fields().len()).collect());
        let selection = RawSelection::new(columns, wanted)?;
        let schema = Arc::clone(selection.schema());
        let files = if has_rows { self.prune(predicate.as_ref()) } else { Arc::default() };
        let scan = Arc::new(self.scan_of(files, selection));
        let partitions = state.config().target_partitions().clamp(1, scan.files.len().max(1));
        let partition = |_| -> Arc<dyn PartitionStream> { Arc::new(RawPartition::new(Arc::clone(&scan))) };
        let partitions = (0..partitions).map(partition).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, None, false, limit)?))
    }
}

/// The groups of events as containers of their rows: nothing is known of them but their names, and that every row that is no KMS event
/// tells the keys that it names.
struct GroupBounds;

impl PruningStatistics for GroupBounds {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        (column.name == EVENT_GROUP)
            .then(|| Arc::new(StringArray::from(EventGroup::ALL.map(EventGroup::as_str).to_vec())) as ArrayRef)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.min_values(column)
    }

    fn num_containers(&self) -> usize {
        EventGroup::ALL.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = EventGroup::ALL.map(|group| (group == EventGroup::Other).then_some(0));
        (column.name == MENTIONED_KEY_ARNS).then(|| Arc::new(UInt64Array::from(counts.to_vec())) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// What the paths tell about the events of files: nothing but how late they can be at most.
struct DeliveryBounds<'a>(&'a [LogFile]);

/// The latest moment at which an event of the file can have happened; none = the path tells no date.
fn latest_event(file: &LogFile) -> Option<DateTime<Utc>> {
    let by_name = file.delivery_time.and_then(DateTime::from_timestamp_micros);
    let by_folder = file.delivery_date.map(|day| day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1));
    by_name.or(by_folder).map(|delivery| delivery + CLOCK_MARGIN)
}

impl PruningStatistics for DeliveryBounds<'_> {
    fn min_values(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        if column.name != "event_time" {
            return None;
        }
        let latest = self.0.iter().map(|file| latest_event(file).map(|time| time.timestamp_micros()));
        Some(Arc::new(latest.collect::<TimestampMicrosecondArray>().with_timezone("UTC")))
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    /// A file holds no event of a month after its delivery; it may hold events without a time, month `unknown`.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if column.name != EVENT_MONTH {
            return None;
        }
        let months: Vec<&str> = values.iter().map(|value| value.try_as_str().flatten()).collect::<Option<_>>()?;
        if !months.iter().all(|month| month.starts_with(|first: char| first.is_ascii_digit())) {
            return None;
        }
        let earliest = months.into_iter().min()?;
        let holds_none = |file: &LogFile| {
            let latest = latest_event(file)?.format("%Y-%m").to_string();
            (latest.as_str() < earliest).then_some(false)
        };
        Some(self.0.iter().map(holds_none).collect())
    }
}

/// One scan of a plan. A plan may be run more than once; each run reads every file and forgets what the others saw.
struct RawScan {
    files: Arc<[LogFile]>,
    selection: RawSelection,
    rejects: Arc<RawRejects>,
    work: Arc<RawWork>,
    runs: Mutex<Vec<Arc<RawRun>>>,
}

impl RawScan {
    /// The state of a run, by number; made by the partition that starts first.
    fn run(&self, number: usize) -> Arc<RawRun> {
        let mut runs = lock(&self.runs);
        while runs.len() <= number {
            runs.push(Arc::default());
        }
        Arc::clone(&runs[number])
    }
}

/// What the partitions of one run share: the queue of files, and which records were seen.
#[derive(Debug, Default)]
struct RawRun {
    next_file: AtomicUsize,
    seen: Arc<Deduplicator>,
}

/// A partition of a scan; it takes the next file from the queue until none is left.
struct RawPartition {
    scan: Arc<RawScan>,
    run_count: AtomicUsize,
}

impl RawPartition {
    fn new(scan: Arc<RawScan>) -> Self {
        Self { scan, run_count: AtomicUsize::new(0) }
    }
}

impl std::fmt::Debug for RawPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawPartition").field("files", &self.scan.files.len()).finish_non_exhaustive()
    }
}

impl PartitionStream for RawPartition {
    fn schema(&self) -> &SchemaRef {
        self.scan.selection.schema()
    }

    /// Decoding is work for a thread of its own: it takes as long as all the rest.
    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let run = self.scan.run(self.run_count.fetch_add(1, Ordering::Relaxed));
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(self.schema()), WAITING_BATCHES);
        let (reader, sender) = (RawReader::new(&self.scan, &run), stream.tx());
        stream.spawn_blocking(move || reader.run(&sender));
        stream.build()
    }
}

/// A log file and its bytes, or why they cannot be read.
type FetchedFile = (LogFile, Result<bytes::Bytes, String>);

/// Reads files of the queue into batches.
struct RawReader {
    runtime: Handle,
    fetched: BoxStream<'static, FetchedFile>,
    decoder: RawDecoder,
    counts: Arc<RawCounts>,
    rejects: Arc<RawRejects>,
    work: Arc<RawWork>,
}

impl RawReader {
    fn new(scan: &Arc<RawScan>, run: &Arc<RawRun>) -> Self {
        let counts = Arc::new(RawCounts::default());
        Self {
            runtime: Handle::current(),
            fetched: fetch_queue(Arc::clone(&scan.files), Arc::clone(run)),
            decoder: RawDecoder::new(scan.selection.clone(), Arc::clone(&run.seen), Arc::clone(&counts)),
            counts,
            rejects: Arc::clone(&scan.rejects),
            work: Arc::clone(&scan.work),
        }
    }

    /// Hands on the rows of files until none is left in the queue, or nobody wants them any more.
    fn run(mut self, batches: &Sender<Result<RecordBatch>>) -> Result<()> {
        while let Some((file, bytes)) = self.runtime.block_on(self.fetched.next()) {
            self.decode(&file, &bytes);
            let is_wanted = self.decoder.row_count() < BATCH_ROWS || self.hand_on(batches);
            if !is_wanted || batches.is_closed() {
                return Ok(());
            }
        }
        self.hand_on(batches);
        Ok(())
    }

    fn decode(&mut self, file: &LogFile, bytes: &Result<bytes::Bytes, String>) {
        let rejected_before = self.counts.rejected.load(Ordering::Relaxed);
        self.decoder.decode(file, bytes);
        self.work.read(file);
        self.rejects.note(file, self.counts.rejected.load(Ordering::Relaxed) - rejected_before);
    }

    /// False when nobody wants them.
    fn hand_on(&mut self, batches: &Sender<Result<RecordBatch>>) -> bool {
        self.decoder.take_batches().into_iter().all(|batch| batches.blocking_send(Ok(batch)).is_ok())
    }
}

/// Files of the queue, fetched ahead of the decoding; those that come over a network, while others are decoded.
fn fetch_queue(files: Arc<[LogFile]>, run: Arc<RawRun>) -> BoxStream<'static, FetchedFile> {
    let queue = std::iter::from_fn(move || files.get(run.next_file.fetch_add(1, Ordering::Relaxed)).cloned());
    let fetch = |file: LogFile| async move {
        if file.is_near() {
            let bytes = file.fetch().await;
            return (file, bytes);
        }
        let of_task = file.clone();
        let bytes = SpawnedTask::spawn(async move { of_task.fetch().await }).join().await;
        (file, bytes.unwrap_or_else(|error| Err(error.to_string())))
    };
    stream::iter(queue).map(fetch).buffered(FETCHED_AHEAD).boxed()
}
