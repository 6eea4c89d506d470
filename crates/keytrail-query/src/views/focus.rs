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
use datafusion::physical_plan::ExecutionPlan;
use keytrail_events::kms::arn::{is_multi_region, key_id_of};
use tokio::sync::OnceCell;

use crate::views::kept::rows_at_most;

/// Most rows that are kept; some 200 MB.
const MAX_ROWS: usize = 500_000;

/// The columns that the reports under `sql/reports/key/` read, by way of the views.
const COLUMNS: [&str; 19] = [
    "event_id",
    "event_time",
    "event_name",
    "error_code",
    "shared_event_id",
    "principal_type",
    "principal",
    "principal_account_id",
    "principal_arn",
    "source_ip_address",
    "invoked_by",
    "operation_class",
    "outcome",
    "key_arn",
    "encryption_context",
    "source_encryption_context",
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
    /// Of all KMS events those that touch the key or a member of its multi-Region set. Those that name no key are in a view that is kept.
    pub(crate) fn new(all: Arc<dyn TableProvider>, key_arn: &str) -> Self {
        let schema = all.schema();
        // A table without one of them is asked for it in vain; `kms_events` has them all.
        let columns = COLUMNS.iter().filter_map(|name| schema.index_of(name).ok()).collect();
        Self { all, condition: condition(key_arn), columns, max_rows: MAX_ROWS, rows: OnceCell::new() }
    }

    async fn read(&self, state: &dyn EngineSession) -> Result<Option<MemTable>> {
        let plan = self.all.scan(state, Some(&self.columns), std::slice::from_ref(&self.condition), None).await?;
        let schema = plan.schema();
        let rows = rows_at_most(plan, state, self.max_rows).await?;
        rows.map(|rows| MemTable::try_new(schema, vec![rows])).transpose()
    }

    /// Begins to read the rows before a statement asks for them. An error is told to the statement that does.
    pub(crate) async fn read_ahead(&self, state: &dyn EngineSession) {
        drop(self.rows.get_or_try_init(|| self.read(state)).await);
    }

    /// Places among the kept columns; none when one of them is not kept.
    fn kept_places(&self, projection: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        let place = |wanted: &usize| self.columns.iter().position(|kept| kept == wanted);
        projection?.iter().map(place).collect()
    }
}

fn condition(key_arn: &str) -> Expr {
    match key_id_of(key_arn).filter(|id| is_multi_region(id)) {
        Some(id) => col("key_arn").like(lit(format!("%:key/{id}"))),
        None => col("key_arn").eq(lit(key_arn)),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use arrow_array::RecordBatch;
    use arrow_array::cast::AsArray;
    use arrow_schema::DataType;
    use datafusion::arrow::compute::cast;
    use datafusion::common::TableReference;
    use datafusion::datasource::ViewTable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::session::Session;
    use crate::views::catalogue::report_files;

    /// `kms_events`, and which of its columns were asked for.
    #[derive(Debug)]
    struct Asked {
        all: Arc<dyn TableProvider>,
        columns: Arc<Mutex<BTreeSet<String>>>,
    }

    #[async_trait]
    impl TableProvider for Asked {
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
            let schema = self.all.schema();
            let places = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
            let names = places.iter().map(|place| schema.field(*place).name().clone());
            self.columns.lock().unwrap().extend(names);
            self.all.scan(state, projection, filters, limit).await
        }
    }

    /// One column too few would have every answer read the files again, one too many be read in vain.
    #[tokio::test]
    async fn the_kept_columns_are_those_that_the_reports_ask_for() {
        let columns = Arc::<Mutex<BTreeSet<String>>>::default();
        let asked = |all| Arc::new(Asked { all, columns: Arc::clone(&columns) }) as Arc<dyn TableProvider>;
        let session = Session::over_empty_tables().with_replaced("kms_events", asked).await.unwrap();
        let parameters = ["key", "key_suffix", "account_id", "region"].map(|name| (name.to_owned(), "x".to_owned()));
        for (name, sql) in report_files("key/").filter(|(name, _)| !OF_NAMES.contains(name)) {
            if let Err(error) = session.execute(sql, &parameters).await {
                panic!("{name}: {error}");
            }
        }
        let expected: BTreeSet<_> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(*columns.lock().unwrap(), expected);
    }

    /// Reports that find the key which is meant, among all.
    const OF_NAMES: [&str; 3] = ["alias_first_keys", "keys_by_alias", "keys_by_id"];

    const EVENTS: &str = "select * from (values \
        ('arn:aws:kms:r:1:key/a', 'of the key', 'cli'), \
        ('arn:aws:kms:r:1:key/b', 'of another', 'cli'), \
        ('arn:aws:kms:q:1:key/mrk-a', 'of a sibling', 'cli'), \
        (null, 'of no key', 'sdk')) t(key_arn, event_id, user_agent)";

    /// The events about a key, read by a statement that needs kept columns only or another one too.
    async fn events(key_arn: &str, max_rows: usize, column: &str) -> Vec<String> {
        let context = SessionContext::new();
        let plan = context.sql(EVENTS).await.unwrap().into_unoptimized_plan();
        let all = Arc::new(ViewTable::new(plan, None));
        let focused = FocusedEvents { max_rows, ..FocusedEvents::new(all, key_arn) };
        context.register_table(TableReference::bare("kms_events"), Arc::new(focused)).unwrap();
        let sql = format!("select concat(event_id, left({column}, 0)) as id from kms_events order by id");
        let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
        let texts = |batch: &RecordBatch| {
            let ids = cast(batch.column(0), &DataType::Utf8).unwrap();
            ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        batches.iter().flat_map(texts).collect()
    }

    #[tokio::test]
    async fn what_bears_on_a_key_is_the_same_kept_and_read_again() {
        for (key, expected) in [("arn:aws:kms:r:1:key/a", "of the key"), ("arn:aws:kms:r:1:key/mrk-a", "of a sibling")]
        {
            for (max_rows, column) in [(MAX_ROWS, "event_id"), (1, "event_id"), (MAX_ROWS, "user_agent")] {
                assert_eq!(events(key, max_rows, column).await, [expected], "{key} {max_rows} {column}");
            }
        }
    }
}
