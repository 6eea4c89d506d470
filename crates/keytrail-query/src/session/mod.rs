//! A session: the engine set up for this data, its tables and views, and the one way to run a statement.
//!
//! Tables and views are opened when a statement first names them, so that `select 1` costs nothing; what was opened
//! stays as it was until [`Session::refresh`], so that the statements of a session agree with one another.
//! It does not decide what a table is made of: [`crate::tables::lake_table`] and [`crate::tables::raw_table`] do.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemoryCatalogProviderList, TableProvider};
use datafusion::common::config::Dialect;
use datafusion::common::{DFSchema, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, SendableRecordBatchStream};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::sql::parser::Statement;
use futures::TryStreamExt;
use keytrail_lake::Lake;

use crate::diagnosis::KnownNames;
use crate::error::QueryError;
use crate::files::FileTables;
use crate::functions;
use crate::logical::analyzer_rules;
use crate::physical::few_text_groups::FewTextGroups;
use crate::physical::named_filters;
use crate::physical::utc_floor::UtcFloors;
use crate::physical::yielding::YieldingJoins;
use crate::prompt::describe::{shows_tables, tables_in_order, with_sql_types};
use crate::prompt::function_list::shown_functions;
use crate::rules::context_rules::ContextRules;
use crate::rules::observers::Observers;
use crate::statement::boolean_texts::BooleanTexts;
use crate::statement::interval_products::IntervalProducts;
use crate::statement::json_operators::JsonOperators;
use crate::statement::narrow::narrow;
use crate::statement::parameters::{bind, declare_truths, declare_types};
use crate::statement::read_only::{self, Paths};
use crate::statement::texts::{self, StatementText};
use crate::statement::{
    clauses, column_names, dialect, exact_numbers, from_first, json_paths, merged_columns, spellings, sql_statement,
    statement_size,
};
use crate::tables::damage::OpenedFiles;
use crate::tables::lake_table::LakeTables;
use crate::tables::raw_table::{RawRejects, RawSource, RawTables};
use crate::tables::stores::LakeStores;
use crate::views::catalogue::{RESERVED, ViewDefinition, load_views};
use crate::views::kept::compute_ahead;
use crate::views::kept_rows::{ContentDigest, KeptRowsOptions};

mod memory;
mod opening;
mod spill_folders;

pub(crate) use memory::watched_stream;
use memory::{MemoryWatch, SharedMemory};
pub use spill_folders::SpillFolders;

/// Bytes of Parquet footers and page indexes that a session keeps.
const METADATA_CACHE_BYTES: usize = 256 * 1024 * 1024;
/// Longest `in (…)` list that still prunes files and row groups.
const PRUNED_IN_LIST: usize = 200;
/// Batches that are read ahead of whoever takes the rows of a table in order.
const BATCHES_AHEAD: usize = 2;
/// Consumers of memory that an out-of-memory error names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).expect("not zero");

/// What a session may use. The default: all cores, memory without a limit, the system's temporary folder.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Bytes of memory that queries may use before they spill; null = no limit.
    pub memory_limit_bytes: Option<usize>,
    /// Partitions that a query runs on; null = one per core.
    pub target_partitions: Option<usize>,
    /// Folder for spill files; null = the system's.
    pub temp_directory: Option<PathBuf>,
    /// Learns of the folders of spill files that the session makes.
    pub spill_folders: SpillFolders,
    /// Folder with the user's own views, one `.sql` file each, rules about contexts in `context_rules.csv` and observers in
    /// `observer_principals.txt`; null = none.
    pub views_dir: Option<PathBuf>,
    /// Where the rows of kept views outlast the session; null = nowhere. Over a lake only.
    pub kept_rows: Option<KeptRowsOptions>,
    /// Folders whose CSV, JSON and Parquet files statements may read by their path; empty = no file.
    pub allowed_folders: Vec<PathBuf>,
    /// Files that are tables of the session, by name.
    pub attached_files: Vec<(String, PathBuf)>,
}

/// Where a session's tables come from.
#[async_trait]
pub(crate) trait TableSource: Send + Sync {
    /// Names of the tables, sorted.
    fn names(&self) -> Vec<String>;
    /// Opens a table as it is now.
    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>, QueryError>;
    /// Where the tables are; none = nowhere that a later session could find them.
    fn place(&self) -> Option<String> {
        None
    }
    /// The data files that were opened last, each time that one of the tables was read.
    fn opened_files(&self) -> Arc<OpenedFiles> {
        Arc::default()
    }
    /// What the rows of an opened table follow from; none = not known.
    fn digest(&self, _table: &dyn TableProvider) -> Option<ContentDigest> {
        None
    }
}

/// The rows of a statement, as they come.
pub struct QueryResult {
    /// The columns.
    pub schema: SchemaRef,
    stream: SendableRecordBatchStream,
    opened: Arc<OpenedFiles>,
}

impl QueryResult {
    /// Waits for all rows; dropping the future cancels the query.
    ///
    /// # Errors
    /// [`QueryError::OutOfMemory`], [`QueryError::Engine`], and [`QueryError::Lake`] for a damaged data file.
    pub async fn collect(self) -> Result<Vec<RecordBatch>, QueryError> {
        let Self { stream, opened, .. } = self;
        opened.named(async { stream.try_collect().await.map_err(QueryError::running) }).await
    }

    /// The next batch of rows, none at the end; dropping the result cancels the query.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        let Self { stream, opened, .. } = self;
        opened.named(async { stream.try_next().await.map_err(QueryError::running) }).await
    }
}

/// Tables, views and functions to run statements on.
pub struct Session {
    context: SessionContext,
    source: Arc<dyn TableSource>,
    views: BTreeMap<String, ViewDefinition>,
    files: FileTables,
    raw_rejects: Option<Arc<RawRejects>>,
    kept_rows: Option<KeptRowsOptions>,
    /// The user's own rules and observers, which functions of views answer by.
    rules_text: String,
    /// What the rows of relations follow from, as far as it was asked for since the last refresh; see `opening`.
    digests: Mutex<HashMap<String, Option<ContentDigest>>>,
    /// Held while tables and views are opened, so that each is opened once.
    opening: tokio::sync::Mutex<()>,
}

impl Session {
    /// A session over the tables of a lake.
    ///
    /// # Errors
    /// When the user's views cannot be loaded.
    #[expect(clippy::unused_async, reason = "the contract leaves room for reading the log here")]
    pub async fn over_lake(lake: &Lake, options: &SessionOptions) -> Result<Self, QueryError> {
        Self::over_source(Arc::new(LakeTables::new(lake)), options)
    }

    /// A session over unconverted log files: the tables `events` and `log_files`, and every view that needs no other.
    ///
    /// # Errors
    /// When the log files cannot be listed or the user's views cannot be loaded.
    pub async fn over_raw(source: RawSource, options: &SessionOptions) -> Result<Self, QueryError> {
        let tables = RawTables::list(source).await?;
        let rejects = tables.rejects();
        Ok(Self { raw_rejects: Some(rejects), ..Self::over_source(Arc::new(tables), options)? })
    }

    /// A session over tables that the caller made, by name.
    ///
    /// # Errors
    /// When the user's views cannot be loaded.
    pub fn over_tables(
        tables: HashMap<String, Arc<dyn TableProvider>>,
        options: &SessionOptions,
    ) -> Result<Self, QueryError> {
        Self::over_source(Arc::new(GivenTables(tables)), options)
    }

    fn over_source(source: Arc<dyn TableSource>, options: &SessionOptions) -> Result<Self, QueryError> {
        let views = load_views(options.views_dir.as_deref())?;
        let rules = ContextRules::load(options.views_dir.as_deref())?;
        let observers = Observers::load(options.views_dir.as_deref())?;
        let files = FileTables::try_new(&options.allowed_folders, &options.attached_files)?;
        let is_taken = |name: &&str| views.contains_key(*name) || names_table(name, &*source);
        if let Some(name) = files.names().find(is_taken).map(str::to_owned) {
            return Err(QueryError::Attach { name, reason: "a table or view has this name".to_owned() });
        }
        let watch = Arc::<MemoryWatch>::default();
        let runtime = runtime(options, &watch)?;
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config(options).with_extension(watch))
            .with_runtime_env(runtime)
            .with_analyzer_rules(analyzer_rules())
            .with_physical_optimizer_rules(named_filters::optimizer_rules())
            .with_physical_optimizer_rule(Arc::new(UtcFloors))
            .with_physical_optimizer_rule(Arc::new(FewTextGroups))
            .with_physical_optimizer_rule(Arc::new(YieldingJoins))
            .build();
        let mut context = SessionContext::new_with_state(state);
        let rules_text = format!("{}\n{}", rules.user_text(), observers.text());
        // Before that of the JSON functions, which would take the operator for another function.
        context.register_expr_planner(Arc::new(JsonOperators)).map_err(QueryError::planning)?;
        functions::register(&mut context, rules, observers, options.memory_limit_bytes)
            .map_err(QueryError::planning)?;
        context.register_expr_planner(Arc::new(BooleanTexts)).map_err(QueryError::planning)?;
        context.register_expr_planner(Arc::new(IntervalProducts)).map_err(QueryError::planning)?;
        Ok(Self {
            context,
            source,
            views,
            files,
            raw_rejects: None,
            kept_rows: options.kept_rows.clone(),
            rules_text,
            digests: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
        })
    }

    /// Runs one statement; `parameters` are names and the texts that `$name` or `:name` stands for. A name may carry the
    /// parameter's type, as in `since:timestamp` (see [`crate::ParameterType`]); else it has the type that its place asks for.
    ///
    /// # Errors
    /// When the statement is not one read-only query, cannot be planned, or a parameter has no value or none of its type.
    pub async fn execute(&self, sql: &str, parameters: &[(String, String)]) -> Result<QueryResult, QueryError> {
        let plan = self.plan(sql, parameters).await?;
        let (_, result) = self.start_plan(&self.context.state(), &plan).await?;
        Ok(result)
    }

    /// As [`Self::start_plan`], for a query that is built in code.
    pub(crate) async fn run(&self, frame: DataFrame) -> Result<QueryResult, QueryError> {
        let (state, plan) = frame.into_parts();
        let (_, result) = self.start_plan(&state, &plan).await?;
        Ok(result)
    }

    /// Begins to compute the rows of a plan, which the operators beside them do: the one way in which anything is run. Kept views are
    /// computed for it, if they are not there.
    pub(crate) async fn start_plan(
        &self,
        state: &SessionState,
        plan: &LogicalPlan,
    ) -> Result<(Arc<dyn ExecutionPlan>, QueryResult), QueryError> {
        let ahead = compute_ahead(plan, state).map_err(QueryError::planning)?;
        let planned = async { state.create_physical_plan(plan).await.map_err(QueryError::planning) };
        let operators = self.opened_files().named(planned).await?;
        drop(ahead);
        let stream = watched_stream(Arc::clone(&operators), state.task_ctx()).map_err(QueryError::planning)?;
        Ok((operators, QueryResult { schema: stream.schema(), stream, opened: self.opened_files() }))
    }

    /// The data file that is to blame for a row that cannot be as it was written: one of those that statements opened last, and whose
    /// bytes have changed; none = they are all sound, as far as that can be told in some seconds.
    pub async fn damaged_file(&self) -> Option<QueryError> {
        self.opened_files().damage().await
    }

    /// The data files that statements opened last.
    fn opened_files(&self) -> Arc<OpenedFiles> {
        self.source.opened_files()
    }

    /// The rows of a table for which a condition is true, all of them without one, with the named columns only: data file by data file,
    /// in the order of their paths, and each file's rows as they lie in it. That order costs no memory.
    ///
    /// The condition is one boolean SQL expression over the columns of the table; it cannot name another relation.
    ///
    /// # Errors
    /// [`QueryError::Sql`] when the condition is no such expression, or why the table cannot be opened.
    pub async fn rows_where(
        &self,
        table: &str,
        condition: Option<&str>,
        columns: &[&str],
    ) -> Result<QueryResult, QueryError> {
        self.schema_of(table).await?;
        let mut frame = self.context.table(table).await.map_err(QueryError::planning)?;
        if let Some(condition) = condition {
            let condition = self.condition(condition, frame.schema())?;
            frame = frame.filter(condition).map_err(QueryError::planning)?;
        }
        let frame = frame.select_columns(columns).map_err(QueryError::planning)?;
        let (mut state, plan) = frame.into_parts();
        read_only::check_plan(&plan)?;
        // Partitions are read side by side, and their rows come as they are done.
        state.config_mut().options_mut().execution.target_partitions = 1;
        let QueryResult { schema, stream, opened } = self.run(DataFrame::new(state, plan)).await?;
        Ok(QueryResult { schema, stream: spawn_buffered(stream, BATCHES_AHEAD), opened })
    }

    fn condition(&self, condition: &str, columns: &DFSchema) -> Result<Expr, QueryError> {
        let mut condition = dialect::parse_expression(condition).map_err(QueryError::planning)?;
        read_only::check_condition(&condition)?;
        statement_size::balance(&mut condition);
        statement_size::check(&condition)?;
        spellings::write_out(&mut condition)?;
        json_paths::write_out(&mut condition)?;
        exact_numbers::write_out(&mut condition);
        let planned = self.context.state().create_logical_expr_from_sql_expr(condition, columns);
        planned.map_err(QueryError::planning)
    }

    /// Parses, checks and plans a statement, its parameters bound.
    pub(crate) async fn plan(&self, sql: &str, parameters: &[(String, String)]) -> Result<LogicalPlan, QueryError> {
        let mut statement = Self::parse(sql)?;
        statement_size::balance_statement(&mut statement);
        statement_size::check_statement(&statement)?;
        // Only then: the text of an expression is made by recursion.
        column_names::name_columns(&mut statement);
        Self::write_out(&mut statement)?;
        declare_types(&mut statement, parameters);
        if let Some(statement) = sql_statement(&mut statement) {
            declare_truths(statement);
        }
        let paths = if self.files.allows_paths() { Paths::LookedUp } else { Paths::Refused };
        read_only::check_statement(&statement, paths)?;
        self.open_relations(&statement).await?;
        self.name_outer_tables(&mut statement).await?;
        if let Some(filter) = shown_functions(&statement) {
            return self.function_table(filter);
        }
        let are_tables_shown = shows_tables(&statement);
        let plan = self.context.state().statement_to_plan(statement).await.map_err(QueryError::planning)?;
        read_only::check_plan(&plan)?;
        let plan = if are_tables_shown { tables_in_order(plan)? } else { with_sql_types(plan)? };
        Ok(narrow(bind(plan, parameters)?, &self.context.state()))
    }

    /// The one statement of a text. Counting is for what is wrong: it takes the text apart once more.
    fn parse(sql: &str) -> Result<Statement, QueryError> {
        let mut parsed = dialect::parse_statements(sql);
        if let Ok(statements) = &mut parsed
            && statements.len() == 1
            && let Some(mut statement) = statements.pop()
        {
            from_first::complete(&mut statement);
            return Ok(statement);
        }
        let count = texts::split(sql)?.len();
        if count != 1 {
            return Err(QueryError::StatementCount { count });
        }
        parsed.map_err(QueryError::planning)?.pop().ok_or(QueryError::StatementCount { count: 0 })
    }

    /// Writes out what the engine reads in another way than SQL says, and what it has no words for.
    fn write_out(statement: &mut Statement) -> Result<(), QueryError> {
        if let Some(statement) = sql_statement(statement) {
            clauses::write_statement(statement);
            spellings::write_out(statement)?;
            json_paths::write_out(statement)?;
            exact_numbers::write_out(statement);
        }
        merged_columns::write_out(statement)
    }

    /// A session over the same data in which a relation is replaced by what `replacement` makes of it: views read that one. Kept views
    /// are those of this session, of all rows.
    pub(crate) async fn with_replaced(
        &self,
        name: &str,
        replacement: impl FnOnce(Arc<dyn TableProvider>) -> Arc<dyn TableProvider>,
    ) -> Result<Self, QueryError> {
        let _guard = self.opening.lock().await;
        // A log is followed by tasks, which would wait for what the replacement begins.
        self.open_tables().await?;
        // Before the views, so that what it begins goes on while they are opened.
        let replaced = replacement(self.provider(name).await?);
        let kept = self.views.values().filter(|view| view.is_kept).map(|view| view.name.clone());
        let shared: Vec<String> = self.source.names().into_iter().chain(kept).collect();
        // An existing state has its default catalogue; here it is made anew.
        let config = self.context.copied_config().with_create_default_catalog_and_schema(true);
        let state = SessionStateBuilder::new_from_existing(self.context.state())
            .with_config(config)
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .build();
        let context = SessionContext::new_with_state(state);
        for shared in &shared {
            let provider = self.provider(shared).await?;
            context.register_table(TableReference::bare(shared.as_str()), provider).map_err(QueryError::planning)?;
        }
        context.register_table(TableReference::bare(name), replaced).map_err(QueryError::planning)?;
        Ok(Self {
            context,
            source: Arc::clone(&self.source),
            views: self.views.clone(),
            files: FileTables::default(),
            raw_rejects: self.raw_rejects.clone(),
            kept_rows: None,
            rules_text: self.rules_text.clone(),
            digests: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
        })
    }

    /// Forgets what was opened: the next statement sees the tables as they are then.
    ///
    /// # Errors
    /// Only when the engine's catalogue is broken.
    pub fn refresh(&self) -> Result<(), QueryError> {
        self.known_digests().clear();
        for name in self.relation_names() {
            self.context.deregister_table(TableReference::bare(name)).map_err(QueryError::planning)?;
        }
        Ok(())
    }

    /// Log files with records that could not be taken, and how many each, as far as statements have read them; empty
    /// over a lake, whose table `rejects` tells. An answer without them is incomplete.
    pub fn raw_rejects(&self) -> BTreeMap<String, u64> {
        self.raw_rejects.as_ref().map(|rejects| rejects.by_file()).unwrap_or_default()
    }

    /// Whether the tables are read from log files.
    pub(crate) fn is_over_logs(&self) -> bool {
        self.raw_rejects.is_some()
    }

    /// The engine, for the parts of this crate that look into it.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Names of the tables, sorted, then those of attached files.
    pub fn table_names(&self) -> Vec<String> {
        self.source.names().into_iter().chain(self.files.names().map(str::to_owned)).collect()
    }

    /// Files that statements may read and whose paths are like this one.
    pub(crate) fn similar_files(&self, path: &str) -> Vec<String> {
        self.files.similar(path)
    }

    /// What a statement can name.
    pub(crate) fn known_names(&self) -> KnownNames {
        let state = self.context.state();
        let functions = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        let functions = functions.chain(state.window_functions().keys()).chain(state.table_functions().keys());
        KnownNames { relations: self.relation_names(), functions: functions.cloned().collect() }
    }

    /// The views, compiled in and the user's own, by name.
    pub fn views(&self) -> impl Iterator<Item = &ViewDefinition> {
        self.views.values()
    }

    /// The view of this name.
    pub fn view(&self, name: &str) -> Option<&ViewDefinition> {
        self.views.get(name)
    }

    /// Names of all tables and of the views that they suffice for.
    fn relation_names(&self) -> Vec<String> {
        self.table_names().into_iter().chain(self.views.keys().cloned()).collect()
    }

    /// The columns of a table or view.
    pub(crate) async fn schema_of(&self, name: &str) -> Result<SchemaRef, QueryError> {
        let _guard = self.opening.lock().await;
        Ok(self.provider(name).await?.schema())
    }

    /// The statements of a text, which stand between `;` outside of quotes and comments, with their places.
    ///
    /// # Errors
    /// When the text ends within quotes or a comment.
    pub fn statements(sql: &str) -> Result<Vec<StatementText>, QueryError> {
        texts::split(sql)
    }

    /// As [`Session::statements`], for callers that need no places.
    ///
    /// # Errors
    /// When the text ends within quotes or a comment.
    pub fn split_statements(sql: &str) -> Result<Vec<String>, QueryError> {
        Ok(texts::split(sql)?.into_iter().map(|statement| statement.text).collect())
    }

    /// Whether the text ends with a `;` outside of quotes and comments: a prompt need not ask for more.
    pub fn is_complete(sql: &str) -> bool {
        texts::is_complete(sql)
    }
}

fn config(options: &SessionOptions) -> SessionConfig {
    let mut config = SessionConfig::new().with_information_schema(true);
    if let Some(partitions) = options.target_partitions {
        config = config.with_target_partitions(partitions);
    }
    let settings = config.options_mut();
    settings.sql_parser.dialect = Dialect::DuckDB;
    // `now()`, `to_timestamp(…)` and `timestamptz` are instants, as `event_time` is: `at time zone` tells them elsewhere.
    settings.execution.time_zone = Some("UTC".to_owned());
    // Errors tell where in the statement they are.
    settings.sql_parser.collect_spans = true;
    // The rule names columns of `events` beside a view's own and fails on `kms_events`, whose source rows rename them;
    // what it would push down (a member of a map or of a JSON text) the files cannot read by itself anyway.
    settings.optimizer.enable_leaf_expression_pushdown = false;
    settings.execution.parquet.pushdown_filters = true;
    settings.execution.parquet.reorder_filters = true;
    settings.execution.parquet.max_in_list_size = PRUNED_IN_LIST;
    config
}

fn runtime(options: &SessionOptions, watch: &Arc<MemoryWatch>) -> Result<Arc<RuntimeEnv>, QueryError> {
    let mut builder = RuntimeEnvBuilder::new()
        .with_metadata_cache_limit(METADATA_CACHE_BYTES)
        .with_object_store_registry(Arc::new(LakeStores::default()));
    if let Some(limit) = options.memory_limit_bytes {
        let pool = TrackConsumersPool::new(SharedMemory::new(limit, Arc::clone(watch)), NAMED_CONSUMERS);
        builder = builder.with_memory_pool(Arc::new(pool));
    }
    if let Some(folder) = &options.temp_directory {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        builder = builder.with_disk_manager_builder(disk);
    }
    let runtime = builder.build_arc().map_err(QueryError::planning)?;
    options.spill_folders.watch(&runtime);
    Ok(runtime)
}

fn names_table(name: &str, source: &dyn TableSource) -> bool {
    RESERVED.contains(&name) || source.names().iter().any(|table| table == name)
}

/// Tables that the caller of [`Session::over_tables`] made.
struct GivenTables(HashMap<String, Arc<dyn TableProvider>>);

#[async_trait]
impl TableSource for GivenTables {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().cloned().collect();
        names.sort();
        names
    }

    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
        let table = self.0.get(name).map(Arc::clone);
        table.ok_or_else(|| QueryError::UnknownRelation { name: name.to_owned() })
    }
}

#[cfg(test)]
impl Session {
    /// A session over the tables of a lake, without a row.
    pub(crate) fn over_empty_tables() -> Self {
        let tables = keytrail_convert::lake_spec().tables.into_iter().map(|spec| {
            let table: Arc<dyn TableProvider> = Arc::new(datafusion::datasource::empty::EmptyTable::new(spec.schema));
            (spec.name.to_owned(), table)
        });
        Self::over_tables(tables.collect(), &SessionOptions::default()).expect("nothing here is the user's")
    }
}
