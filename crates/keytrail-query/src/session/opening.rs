//! How a session opens what statements name: tables of its source, files of the user's own, and views with what they read.
//!
//! It decides for each view what it is to the engine: rows that an earlier process left, rows kept once they are asked for, one leaf of a
//! plan, or its text in the place of its name.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::future::{BoxFuture, try_join_all};
use keytrail_convert::{INVENTORY, RUNS, inventory_schema, runs_schema};

use super::Session;
use crate::error::QueryError;
use crate::locks::lock;
use crate::statement::narrow::narrow;
use crate::statement::outer_names::{self, KnownColumns};
use crate::statement::read_only::{self, Paths};
use crate::statement::{sql_statement, statement_size};
use crate::views::catalogue::ViewDefinition;
use crate::views::flat_view::FlatView;
use crate::views::kept::{KeptView, StoredView};
use crate::views::kept_rows::{ContentDigest, RowsFile};

impl Session {
    /// Opens every table and view that the statement names, and those that they read.
    pub(super) async fn open_relations(&self, statement: &Statement) -> Result<(), QueryError> {
        let _guard = self.opening.lock().await;
        if lists_relations(statement) {
            return self.open_all().await;
        }
        for reference in self.references(statement)? {
            match reference.schema() {
                Some("information_schema") => self.open_all().await?,
                _ => self.open_named(reference.table(), &mut Vec::new()).await?,
            }
        }
        Ok(())
    }

    /// Gives tables other names where a query within the query has columns of their names; the relations are open.
    pub(super) async fn name_outer_tables(&self, statement: &mut Statement) -> Result<(), QueryError> {
        if !sql_statement(statement).is_some_and(outer_names::are_used) {
            return Ok(());
        }
        let mut columns = KnownColumns::new();
        for reference in self.references(statement)? {
            let name = reference.table().to_owned();
            // What is no table of the session has columns that nobody knows here.
            let Ok(table) = self.context.table_provider(reference).await else { continue };
            columns.insert(name, table.schema().fields().iter().map(|field| field.name().clone()).collect());
        }
        if let Some(statement) = sql_statement(statement) {
            outer_names::write_out(statement, &columns);
        }
        Ok(())
    }

    fn references(&self, statement: &Statement) -> Result<Vec<TableReference>, QueryError> {
        self.context.state().resolve_table_references(statement).map_err(QueryError::planning)
    }

    /// Opens all tables, and the views that can be: a list of relations is not to fail because of one broken view.
    async fn open_all(&self) -> Result<(), QueryError> {
        for name in self.table_names() {
            self.open_named(&name, &mut Vec::new()).await?;
        }
        for name in self.views.keys() {
            match self.open_named(name, &mut Vec::new()).await {
                Err(error) if !error.is_usage() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens all tables of the source, side by side; the caller holds `opening`.
    pub(super) async fn open_tables(&self) -> Result<(), QueryError> {
        let names = self.source.names();
        try_join_all(names.iter().map(async |name| self.open_named(name, &mut Vec::new()).await)).await?;
        Ok(())
    }

    /// Opens a table or view by name; `outer` are the views that are being opened because of which this one is.
    fn open_named<'a>(&'a self, name: &'a str, outer: &'a mut Vec<String>) -> BoxFuture<'a, Result<(), QueryError>> {
        Box::pin(async move {
            if self.context.table_exist(TableReference::bare(name)).map_err(QueryError::planning)? {
                return Ok(());
            }
            let file = self.files.open(name, &self.context).await?;
            let provider = match (self.views.get(name), file) {
                (Some(view), _) => self.open_view(view, outer).await?,
                (None, Some(file)) => file,
                _ if self.source.names().iter().any(|table| table == name) => self.source.open(name).await?,
                _ if name == INVENTORY => Arc::new(EmptyTable::new(inventory_schema())),
                // Logs that are read as they are have no conversions.
                _ if name == RUNS && !outer.is_empty() => Arc::new(EmptyTable::new(runs_schema())),
                _ if self.context.state().table_functions().contains_key(name) => return Ok(()),
                _ => return Err(QueryError::UnknownRelation { name: name.to_owned() }),
            };
            self.context.register_table(TableReference::bare(name), provider).map_err(QueryError::planning)?;
            Ok(())
        })
    }

    async fn open_view(
        &self,
        view: &ViewDefinition,
        outer: &mut Vec<String>,
    ) -> Result<Arc<dyn TableProvider>, QueryError> {
        let view_error = |source| QueryError::View { view: view.name.clone(), source: Box::new(source) };
        if outer.contains(&view.name) {
            let message = format!("the view reads itself, by way of {}", outer.join(", "));
            return Err(view_error(datafusion::common::DataFusionError::Plan(message)));
        }
        let file = self.rows_file(view).await?;
        if let Some((schema, rows)) = file.as_ref().and_then(RowsFile::read) {
            return Ok(Arc::new(StoredView::try_new(schema, rows).map_err(view_error)?));
        }
        outer.push(view.name.clone());
        let mut statement = Self::parse(&view.sql)?;
        statement_size::check_statement(&statement)?;
        Self::write_out(&mut statement)?;
        read_only::check_statement(&statement, Paths::Refused)?;
        for reference in self.references(&statement)? {
            self.open_named(reference.table(), outer).await?;
        }
        outer.pop();
        self.name_outer_tables(&mut statement).await?;
        let plan = self.context.state().statement_to_plan(statement).await.map_err(view_error)?;
        read_only::check_plan(&plan)?;
        let plan = narrow(plan, &self.context.state());
        if !view.is_kept {
            // A column that is null in the first part of a union has no type before.
            let plan = self.analyzed(plan).map_err(view_error)?;
            return Ok(match FlatView::of(&plan, &view.sql) {
                Some(flat) => Arc::new(flat),
                None => Arc::new(ViewTable::new(plan, Some(view.sql.clone()))),
            });
        }
        // Only the optimizer settles the types of columns, such as those that are null in one part of a union.
        let plan = self.context.state().optimize(&plan).map_err(view_error)?;
        Ok(Arc::new(KeptView::new(ViewTable::new(plan, Some(view.sql.clone())), file)))
    }

    /// The plan with types settled and operators replaced by functions.
    fn analyzed(&self, plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
        let state = self.context.state();
        state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
    }

    /// Where the rows of a view outlast the session; none for views that are not kept, and where they cannot. A user's own view may
    /// ask for the time of day, which no digest knows of: its rows are kept for the session only.
    async fn rows_file(&self, view: &ViewDefinition) -> Result<Option<RowsFile>, QueryError> {
        let outlasts = view.is_kept && !view.area.is_empty();
        let (Some(options), Some(place), true) = (&self.kept_rows, self.source.place(), outlasts) else {
            return Ok(None);
        };
        let Some(content) = self.digest(&view.name, &mut Vec::new()).await? else {
            return Ok(None);
        };
        let parts = [options.program.as_bytes(), self.rules_text.as_bytes(), content.as_bytes()];
        Ok(Some(RowsFile::new(options, &place, &view.name, ContentDigest::of(parts))))
    }

    /// What the rows of a relation follow from: the SQL of views and the data of tables. None where one of them cannot tell, or a
    /// view reads itself, which is said when it is opened.
    fn digest<'a>(
        &'a self,
        name: &'a str,
        outer: &'a mut Vec<String>,
    ) -> BoxFuture<'a, Result<Option<ContentDigest>, QueryError>> {
        Box::pin(async move {
            let known = self.known_digests().get(name).copied();
            if let Some(digest) = known {
                return Ok(digest);
            }
            let digest = match self.views.get(name) {
                Some(view) => self.view_digest(view, outer).await?,
                None => self.table_digest(name).await?,
            };
            self.known_digests().insert(name.to_owned(), digest);
            Ok(digest)
        })
    }

    async fn view_digest(
        &self,
        view: &ViewDefinition,
        outer: &mut Vec<String>,
    ) -> Result<Option<ContentDigest>, QueryError> {
        if outer.contains(&view.name) {
            return Ok(None);
        }
        outer.push(view.name.clone());
        let mut digests = vec![ContentDigest::of([view.sql.as_bytes()])];
        for reference in self.references(&Self::parse(&view.sql)?)? {
            match self.digest(reference.table(), outer).await? {
                Some(digest) => digests.push(digest),
                None => return Ok(None),
            }
        }
        outer.pop();
        Ok(Some(ContentDigest::of(digests.iter().map(ContentDigest::as_bytes))))
    }

    pub(super) fn known_digests(&self) -> MutexGuard<'_, HashMap<String, Option<ContentDigest>>> {
        lock(&self.digests)
    }

    async fn table_digest(&self, name: &str) -> Result<Option<ContentDigest>, QueryError> {
        Ok(self.source.digest(self.provider(name).await?.as_ref()))
    }

    /// Opens a relation; the caller holds `opening`.
    pub(super) async fn provider(&self, name: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        self.open_named(name, &mut Vec::new()).await?;
        self.context.table_provider(TableReference::bare(name)).await.map_err(QueryError::planning)
    }
}

/// Whether the statement's answer is about all relations.
fn lists_relations(statement: &Statement) -> bool {
    let Statement::Statement(statement) = statement else {
        return false;
    };
    matches!(**statement, SqlStatement::ShowTables { .. } | SqlStatement::ShowColumns { .. })
}
