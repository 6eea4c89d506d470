//! A statement that runs, and what it has read so far: for a line of progress, and for telling where the time went.
//!
//! The figures are the engine's own, taken from the operators of the plan. What they mean for a person (units, a rate,
//! when to show them) is up to the caller. It runs statements as [`Session::execute`] does.

use std::any::Any;
use std::collections::HashSet;
use std::ptr;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;

use crate::error::QueryError;
use crate::session::{QueryResult, Session};
use crate::tables::lake_table::LakeTable;
use crate::tables::raw_table::{RawTable, RawWork};
use crate::views::flat_view::FlatView;

/// What a statement has read. All figures only grow while it runs, but for `files_pruned`, which planning settles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatementCounts {
    /// Rows that the scans gave to the rest of the plan.
    pub scanned_rows: u64,
    /// Bytes of data files read, footers among them; over logs, the sizes of the log files read.
    pub bytes_read: u64,
    /// Data files, or log files, that are done with.
    pub files_read: u64,
    /// Data files that planning left to read, each once; log files as often as they are to be read.
    pub files_to_read: u64,
    /// Files of the tables that planning found to hold no wanted row.
    pub files_pruned: u64,
}

/// A look into a statement that runs; cheap to copy.
#[derive(Debug, Clone)]
pub struct StatementMetrics {
    plan: Arc<dyn ExecutionPlan>,
    tables: Tables,
}

/// The tables that a statement names.
#[derive(Debug, Clone, Default)]
struct Tables {
    /// Their files.
    files: u64,
    /// Where the counted tables are in memory: one may be named more than once.
    known: HashSet<usize>,
    /// What is read of logs, and what had been before the statement; none over a lake.
    logs: Option<(Arc<RawWork>, [u64; 3])>,
}

/// A planned statement: its rows, which are computed as they are asked for, and the look into it.
pub struct StatementRun {
    /// The rows.
    pub result: QueryResult,
    /// What has been read for them.
    pub metrics: StatementMetrics,
}

impl Session {
    /// Plans one statement; `parameters` are the texts that `$name` stands for. The rows come as they are asked for.
    ///
    /// # Errors
    /// As for [`Session::execute`].
    pub async fn start(&self, sql: &str, parameters: &[(String, String)]) -> Result<StatementRun, QueryError> {
        let plan = self.plan(sql, parameters).await?;
        let tables = Tables::of(&plan)?;
        let (plan, result) = self.start_plan(&self.context().state(), &plan).await?;
        Ok(StatementRun { result, metrics: StatementMetrics { plan, tables } })
    }
}

impl StatementMetrics {
    /// The figures at this moment.
    pub fn counts(&self) -> StatementCounts {
        let mut sums = Sums::default();
        sums.add(self.plan.as_ref());
        // A file may be split among partitions; what a person counts are files.
        let files = sums.files.len() as u64;
        let files_read = (sums.parts_read * files).checked_div(sums.parts).unwrap_or(0).min(files);
        let [log_files, log_files_read, log_bytes] = self.tables.logs_read();
        StatementCounts {
            scanned_rows: sums.rows,
            bytes_read: sums.bytes + log_bytes,
            files_read: files_read + log_files_read,
            files_to_read: files + log_files,
            files_pruned: self.tables.files.saturating_sub(files + log_files),
        }
    }
}

impl Tables {
    /// The tables of a plan, those of subqueries too.
    fn of(plan: &LogicalPlan) -> Result<Self, QueryError> {
        let mut tables = Self::default();
        let visit = |node: &LogicalPlan| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
            {
                tables.add(provider.as_ref());
            }
            Ok(TreeNodeRecursion::Continue)
        };
        plan.apply_with_subqueries(visit).map_err(QueryError::planning)?;
        Ok(tables)
    }

    fn add(&mut self, provider: &dyn Any) {
        if let Some(view) = provider.downcast_ref::<FlatView>() {
            return view.tables().for_each(|table| self.add(table));
        }
        if !self.known.insert(ptr::from_ref(provider).addr()) {
            return;
        }
        if let Some(table) = provider.downcast_ref::<LakeTable>() {
            self.files += table.file_count();
        } else if let Some(table) = provider.downcast_ref::<RawTable>() {
            self.files += table.file_count();
            self.logs.get_or_insert_with(|| (table.work(), table.work().counts()));
        }
    }

    /// Log files planned, log files read and their bytes since the statement began.
    fn logs_read(&self) -> [u64; 3] {
        let Some((work, before)) = &self.logs else { return [0; 3] };
        let now = work.counts();
        std::array::from_fn(|index| now[index].saturating_sub(before[index]))
    }
}

/// Sums over the scans of a plan.
#[derive(Default)]
struct Sums {
    rows: u64,
    bytes: u64,
    /// Parts of files, which partitions take turns at.
    parts_read: u64,
    parts: u64,
    files: HashSet<String>,
}

impl Sums {
    fn add(&mut self, plan: &dyn ExecutionPlan) {
        let children = plan.children();
        if children.is_empty() {
            self.add_scan(plan);
        }
        children.into_iter().for_each(|child| self.add(child.as_ref()));
    }

    fn add_scan(&mut self, scan: &dyn ExecutionPlan) {
        if let Some(metrics) = scan.metrics() {
            self.rows += metrics.output_rows().map_or(0, |rows| rows as u64);
            self.bytes += counter(&metrics, "bytes_scanned");
            self.parts_read += counter(&metrics, "files_processed");
        }
        if let Some(config) = file_scan(scan) {
            let files = || config.file_groups.iter().flat_map(|group| group.iter());
            self.parts += files().count() as u64;
            self.files.extend(files().map(|file| file.path().to_string()));
        }
    }
}

fn counter(metrics: &MetricsSet, name: &str) -> u64 {
    metrics.sum_by_name(name).map_or(0, |value| value.as_usize() as u64)
}

fn file_scan(scan: &dyn ExecutionPlan) -> Option<&FileScanConfig> {
    let scan = (scan as &dyn Any).downcast_ref::<DataSourceExec>()?;
    scan.data_source().downcast_ref::<FileScanConfig>()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::session::SessionOptions;

    #[tokio::test]
    async fn rows_of_scans_are_counted_as_they_come() {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
        let sql = "select count(*) from generate_series(1, 5000)";
        let StatementRun { result, metrics } = session.start(sql, &[]).await.unwrap();
        assert_eq!(metrics.counts(), StatementCounts::default());
        assert_eq!(result.collect().await.unwrap().len(), 1);
        let counts = metrics.counts();
        assert_eq!((counts.bytes_read, counts.files_to_read, counts.files_pruned), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_wrong_statement_does_not_start() {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
        for sql in ["select nonsense", "copy x to 'y'", "select 1; select 2"] {
            assert!(session.start(sql, &[]).await.is_err_and(|error| error.is_usage()), "{sql}");
        }
    }
}
