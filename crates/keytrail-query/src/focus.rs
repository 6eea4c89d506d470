//! `kms_events` as the reports about one key read it: the rows that bear on the key, read once and kept in memory.
//!
//! Some fifteen statements make one answer. Each would read the same rows of the same files again, and families of multi-Region keys
//! would be looked for among all keys. What a statement wants beyond the kept columns is read from the files, under the same
//! condition; too many rows are not kept at all. The answers are the same either way.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session as EngineSession, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, TableType, col, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::TryStreamExt;
use tokio::sync::OnceCell;

/// Most rows that are kept; some 200 MB.
const MAX_ROWS: usize = 500_000;

/// The columns that the reports under `sql/reports/key/` read, by way of the views.
const COLUMNS: [&str; 22] = [
    "event_id",
    "event_time",
    "event_name",
    "aws_region",
    "error_code",
    "recipient_account_id",
    "shared_event_id",
    "principal_type",
    "principal_id",
    "principal_arn",
    "invoked_by",
    "role_arn",
    "on_behalf_of_user_id",
    "operation_class",
    "outcome",
    "key_arn",
    "encryption_context",
    "source_encryption_context",
    "alias_name",
    "amends_event_id",
    "key_role",
    "other_key_arn",
];

/// The events that bear on one key.
#[derive(Debug)]
pub(crate) struct FocusedEvents {
    all: Arc<dyn TableProvider>,
    condition: Expr,
    /// Places of the kept columns, in the order of the kept rows.
    columns: Vec<usize>,
    max_rows: usize,
    /// `None` inside: there are too many rows.
    rows: OnceCell<Option<MemTable>>,
}

impl FocusedEvents {
    /// Of all KMS events those that touch the key or a member of its multi-Region set, and failures that name no key.
    pub(crate) fn new(all: Arc<dyn TableProvider>, key_arn: &str) -> Self {
        let schema = all.schema();
        let columns = COLUMNS.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        Self { all, condition: condition(key_arn), columns, max_rows: MAX_ROWS, rows: OnceCell::new() }
    }

    async fn read(&self, state: &dyn EngineSession) -> Result<Option<MemTable>> {
        let plan = self.all.scan(state, Some(&self.columns), std::slice::from_ref(&self.condition), None).await?;
        let schema = plan.schema();
        let mut stream = execute_stream(plan, state.task_ctx())?;
        let (mut batches, mut row_count) = (Vec::new(), 0);
        while let Some(batch) = stream.try_next().await? {
            row_count += batch.num_rows();
            if row_count > self.max_rows {
                return Ok(None);
            }
            batches.push(batch);
        }
        MemTable::try_new(schema, vec![batches]).map(Some)
    }

    /// Places among the kept columns; none when one of them is not kept.
    fn kept_places(&self, projection: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        let place = |wanted: &usize| self.columns.iter().position(|kept| kept == wanted);
        projection?.iter().map(place).collect()
    }
}

fn condition(key_arn: &str) -> Expr {
    let id = key_arn.rsplit_once(":key/").map_or("", |(_, id)| id);
    let of_key = match id.starts_with("mrk-") {
        true => col("key_arn").like(lit(format!("%:key/{id}"))),
        false => col("key_arn").eq(lit(key_arn)),
    };
    of_key.or(col("key_arn").is_null().and(col("error_code").is_not_null()))
}

#[async_trait]
impl TableProvider for FocusedEvents {
    fn schema(&self) -> SchemaRef {
        self.all.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn EngineSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(places) = self.kept_places(projection)
            && let Some(rows) = self.rows.get_or_try_init(|| self.read(state)).await?
        {
            return rows.scan(state, Some(&places), filters, limit).await;
        }
        self.all.scan(state, projection, std::slice::from_ref(&self.condition), None).await
    }
}
