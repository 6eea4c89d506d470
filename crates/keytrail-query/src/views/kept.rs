//! A view whose rows are computed once and kept: for small results that other views read many times.
//!
//! The engine computes a relation anew wherever a statement names it; `kms_blind_spots` reads the coverage of the whole lake nine
//! times. Rows stay until the view is opened anew, as the tables of a session do; in a file ([`crate::views::kept_rows`]) they outlast the
//! session. A result that is not small is not kept.
//!
//! Planning a statement over many views takes as long as computing them, and has one thread: so the kept views that it needs are computed
//! beside it ([`compute_ahead`]).

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{MemTable, ViewTable, source_as_provider};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use tokio::sync::OnceCell;

use crate::session::watched_stream;
use crate::views::kept_rows::RowsFile;

/// Most rows that are kept; some 60 MB of `trail_coverage`.
const MAX_ROWS: usize = 500_000;

/// The view, and its rows once a statement has needed them.
#[derive(Debug)]
pub(crate) struct KeptView {
    view: ViewTable,
    max_rows: usize,
    /// Where the rows are to outlast the session; none = nowhere.
    file: Option<RowsFile>,
    /// `None` inside: there are too many rows.
    rows: OnceCell<Option<MemTable>>,
}

impl KeptView {
    pub(crate) fn new(view: ViewTable, file: Option<RowsFile>) -> Self {
        Self { view, max_rows: MAX_ROWS, file, rows: OnceCell::new() }
    }

    async fn compute(&self, state: &dyn Session) -> Result<Option<MemTable>> {
        let plan = state.create_physical_plan(self.view.logical_plan()).await?;
        let schema = plan.schema();
        let Some(rows) = rows_at_most(plan, state, self.max_rows).await? else {
            return Ok(None);
        };
        if let Some(file) = &self.file {
            // Without the file the next session computes the rows again.
            drop(file.write(&schema, &rows));
        }
        MemTable::try_new(schema, vec![rows]).map(Some)
    }
}

/// Begins to compute the kept views that a plan needs and that have no rows yet, those first that others read. They go on until the
/// tasks are dropped; what fails in one of them fails again, and is told, where the statement asks for its rows.
pub(crate) fn compute_ahead(plan: &LogicalPlan, state: &SessionState) -> Result<Vec<SpawnedTask<()>>> {
    let mut needed = Vec::new();
    add_kept(plan, &mut needed)?;
    // One alone is computed at once, as soon as the statement asks for it.
    if needed.len() < 2 {
        return Ok(Vec::new());
    }
    let begin = |provider: Arc<dyn TableProvider>| {
        let state = state.clone();
        SpawnedTask::spawn(async move {
            if let Some(view) = provider.downcast_ref::<KeptView>() {
                drop(view.rows.get_or_try_init(|| view.compute(&state)).await);
            }
        })
    };
    Ok(needed.into_iter().map(begin).collect())
}

fn add_kept(plan: &LogicalPlan, needed: &mut Vec<Arc<dyn TableProvider>>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
            && let Some(view) = provider.downcast_ref::<KeptView>()
            && view.rows.get().is_none()
            && !needed.iter().any(|known| Arc::ptr_eq(known, &provider))
        {
            add_kept(view.view.logical_plan(), needed)?;
            needed.push(provider);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The rows of a plan; none when they are more than `most`.
pub(crate) async fn rows_at_most(
    plan: Arc<dyn ExecutionPlan>,
    state: &dyn Session,
    most: usize,
) -> Result<Option<Vec<RecordBatch>>> {
    let mut stream = watched_stream(plan, state.task_ctx())?;
    let (mut batches, mut row_count) = (Vec::new(), 0);
    while let Some(batch) = stream.try_next().await? {
        row_count += batch.num_rows();
        if row_count > most {
            return Ok(None);
        }
        batches.push(batch);
    }
    Ok(Some(batches))
}

#[async_trait]
impl TableProvider for KeptView {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match self.rows.get_or_try_init(|| self.compute(state)).await? {
            Some(rows) => rows.scan(state, projection, filters, limit).await,
            None => self.view.scan(state, projection, filters, limit).await,
        }
    }
}

/// A view whose rows an earlier session computed.
#[derive(Debug)]
pub(crate) struct StoredView(MemTable);

impl StoredView {
    /// The view with these rows.
    ///
    /// # Errors
    /// When the rows are not of that schema.
    pub(crate) fn try_new(schema: SchemaRef, rows: Vec<RecordBatch>) -> Result<Self> {
        MemTable::try_new(schema, vec![rows]).map(Self)
    }
}

#[async_trait]
impl TableProvider for StoredView {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, filters, limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::DataType;
    use datafusion::common::TableReference;
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use datafusion::prelude::SessionContext;

    use super::*;

    /// The sum over a view that counts how often it is computed, asked for twice in one statement and once more.
    async fn computed(max_rows: usize) -> (usize, Vec<i64>) {
        let count = Arc::new(AtomicUsize::new(0));
        let calls = Arc::clone(&count);
        let counting = move |args: &[ColumnarValue]| {
            calls.fetch_add(1, Ordering::Relaxed);
            Ok(args[0].clone())
        };
        let context = SessionContext::new();
        context.register_udf(create_udf(
            "counted",
            vec![DataType::Int64],
            DataType::Int64,
            Volatility::Volatile,
            Arc::new(counting),
        ));
        let plan = context.sql("select counted(value) as n from generate_series(1, 3)").await.unwrap();
        let view = ViewTable::new(plan.into_unoptimized_plan(), None);
        let kept = KeptView { max_rows, ..KeptView::new(view, None) };
        context.register_table(TableReference::bare("kept"), Arc::new(kept)).unwrap();
        let mut sums = Vec::new();
        for sql in
            ["select sum(a.n) + sum(b.n) from kept a join kept b on a.n = b.n", "select sum(n) from kept where n > 1"]
        {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            let column: &ArrayRef = batches[0].column(0);
            sums.push(column.as_any().downcast_ref::<Int64Array>().unwrap().value(0));
        }
        (count.load(Ordering::Relaxed), sums)
    }

    #[tokio::test]
    async fn views_that_read_each_other_are_computed_ahead_and_once() {
        let context = SessionContext::new();
        let keep = async |name: &str, sql: &str| {
            let plan = context.sql(sql).await.unwrap().into_unoptimized_plan();
            let kept = Arc::new(KeptView::new(ViewTable::new(plan, None), None));
            context.register_table(TableReference::bare(name), Arc::clone(&kept) as _).unwrap();
            kept
        };
        let inner = keep("inner_view", "select value as n from generate_series(1, 3)").await;
        let outer = keep("outer_view", "select sum(n) as n from inner_view").await;
        let unread = keep("unread_view", "select 1 as n").await;
        let plan = context.sql("select n from outer_view").await.unwrap().into_unoptimized_plan();
        let ahead = compute_ahead(&plan, &context.state()).unwrap();
        assert_eq!(ahead.len(), 2);
        for task in ahead {
            task.join().await.unwrap();
        }
        assert!(inner.rows.get().is_some() && outer.rows.get().is_some() && unread.rows.get().is_none());
        assert!(compute_ahead(&plan, &context.state()).unwrap().is_empty(), "they are there");
    }

    #[tokio::test]
    async fn rows_are_computed_once() {
        assert_eq!(computed(3).await, (1, vec![12, 5]));
    }

    #[tokio::test]
    async fn too_many_rows_are_computed_each_time() {
        let (count, sums) = computed(2).await;
        assert_eq!(sums, [12, 5]);
        assert!(count > 3, "{count}");
    }
}
