//! From arguments to an open lake or session. It names places for the libraries; it reads no data itself.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use keytrail_convert::source::DeliveryRange;
use keytrail_convert::{Source, lake_spec};
use keytrail_lake::{Lake, LakeError, Location, RequestCounter, StorageOptions};
use keytrail_query::{Diagnosis, QueryError, RawSource, Session, SessionOptions, SpillFolders};

use crate::args::{EngineArguments, LakeArguments, SqlArguments, StorageArguments};
use crate::cache;
use crate::errors::CliError;
use crate::excerpt::{Origin, excerpt};

/// The AWS settings of the command line.
pub(crate) fn storage_options(arguments: &StorageArguments) -> StorageOptions {
    StorageOptions {
        profile: arguments.profile.clone(),
        credentials: None,
        region: arguments.region.clone(),
        endpoint_url: arguments.endpoint_url.clone(),
        allow_http: arguments.allow_http,
        requests: requests().clone(),
    }
}

/// Counts what this process sends to S3.
pub(crate) fn requests() -> &'static RequestCounter {
    static REQUESTS: OnceLock<RequestCounter> = OnceLock::new();
    REQUESTS.get_or_init(RequestCounter::default)
}

/// The folders of spill files of this process.
pub(crate) fn spill_folders() -> &'static SpillFolders {
    static FOLDERS: OnceLock<SpillFolders> = OnceLock::new();
    FOLDERS.get_or_init(SpillFolders::default)
}

/// Opens the lake to read it.
pub(crate) async fn open_lake(arguments: &LakeArguments) -> Result<Lake, CliError> {
    let location = lake_location(arguments)?;
    Ok(Lake::open(&location, &storage_options(&arguments.storage), lake_spec()).await?)
}

/// As [`open_lake`], for callers that go on without a lake.
pub(crate) async fn try_open_lake(arguments: &LakeArguments) -> Result<Result<Lake, LakeError>, CliError> {
    let location = lake_location(arguments)?;
    Ok(Lake::open(&location, &storage_options(&arguments.storage), lake_spec()).await)
}

/// Opens the lake to write to it; makes it where there is none.
pub(crate) async fn create_or_open_lake(arguments: &LakeArguments) -> Result<Lake, CliError> {
    let location = lake_location(arguments)?;
    Ok(Lake::create_or_open(&location, &storage_options(&arguments.storage), lake_spec()).await?)
}

/// The period between two times.
///
/// # Errors
/// When it ends before it begins.
pub(crate) fn period(since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Result<DeliveryRange, CliError> {
    match (since, until) {
        (Some(since), Some(until)) if until <= since => {
            Err(CliError::usage(format!("the period ends before it begins: --since {since:?} --until {until:?}")))
        }
        _ => Ok(DeliveryRange { since, until }),
    }
}

/// Where the lake of the arguments is; nothing is opened.
///
/// # Errors
/// When none is named or the text is no location.
pub(crate) fn lake_location(arguments: &LakeArguments) -> Result<Location, CliError> {
    let text = arguments.lake.as_deref().filter(|text| !text.is_empty()).ok_or_else(no_lake)?;
    Ok(Location::parse(text)?)
}

fn no_lake() -> CliError {
    CliError::usage("no lake is given").with_hint("name it with `--lake LAKE` or in `KEYTRAIL_LAKE`")
}

/// What statements about events need.
const NAME_DATA: &str = "name a lake with `--lake LAKE` or in `KEYTRAIL_LAKE`, or logs with `--raw SOURCE`";

/// A session over the lake of the arguments.
pub(crate) async fn over_lake(lake: &LakeArguments, engine: &EngineArguments) -> Result<Session, CliError> {
    let lake = open_lake(lake).await?;
    Ok(Session::over_lake(&lake, &session_options(engine)).await?)
}

/// What statements run on.
#[derive(Clone)]
pub(crate) struct SqlSession {
    /// The session.
    pub(crate) session: Arc<Session>,
    /// Whether it was given a lake or logs.
    has_data: bool,
    /// Longest time of a statement; none = no limit.
    pub(crate) time_limit: Option<Duration>,
}

impl SqlSession {
    /// Statements over a lake or over logs.
    pub(crate) fn over_data(session: Session) -> Self {
        Self { session: Arc::new(session), has_data: true, time_limit: None }
    }

    /// Statements without any table.
    fn over_nothing(session: Session) -> Self {
        Self { session: Arc::new(session), has_data: false, time_limit: None }
    }

    /// Shows the place of an error in its statement, and what may have been meant.
    pub(crate) fn locate(&self, error: CliError, sql: &str, origin: &Origin) -> CliError {
        let Some(diagnosis) = error.query().map(|query| self.diagnose(sql, query)) else {
            return error;
        };
        error.about(&diagnosis, excerpt(sql, diagnosis.place.as_ref(), origin))
    }

    fn diagnose(&self, sql: &str, query: &QueryError) -> Diagnosis {
        let mut diagnosis = self.session.diagnose(sql, query);
        if !self.has_data {
            // A table that only a lake has is like many a view, and none of them was meant.
            diagnosis.similar.retain(|_| !matches!(query, QueryError::UnknownRelation { .. }));
        }
        diagnosis
    }

    /// Whether there is a lake, or logs, to ask.
    pub(crate) fn has_data(&self) -> bool {
        self.has_data
    }

    /// Refuses what asks about events where there are none.
    ///
    /// # Errors
    /// When there is neither a lake nor logs.
    pub(crate) fn require_data(&self) -> Result<(), CliError> {
        let no_data = || CliError::usage("no lake is given").with_hint(NAME_DATA);
        if self.has_data { Ok(()) } else { Err(no_data()) }
    }

    /// Tells an error about a name that stands in no statement, with what may have been meant.
    pub(crate) fn tell_name(&self, error: QueryError) -> CliError {
        let diagnosis = self.diagnose("", &error);
        self.tell(error).about(&diagnosis, Vec::new())
    }

    /// Tells an error; when a table is missing only because no lake was named, it says so.
    pub(crate) fn tell(&self, error: QueryError) -> CliError {
        let is_without_lake = !self.has_data && matches!(error, QueryError::UnknownRelation { .. });
        let error = CliError::from(error);
        if is_without_lake {
            return error.with_hint(NAME_DATA);
        }
        error
    }
}

/// A session over log files, over the lake, or over nothing: `select 1` needs no lake.
pub(crate) async fn for_sql(arguments: &SqlArguments) -> Result<SqlSession, CliError> {
    Ok(SqlSession { time_limit: arguments.timeout, ..without_limit(arguments).await? })
}

async fn without_limit(arguments: &SqlArguments) -> Result<SqlSession, CliError> {
    let options = SessionOptions {
        allowed_folders: arguments.files.allow_files.clone(),
        attached_files: arguments.files.attach.clone(),
        ..session_options(&arguments.engine)
    };
    let range = period(arguments.period.since, arguments.period.until)?;
    if arguments.raw.is_empty() && !range.is_unbounded() {
        return Err(CliError::usage("--since and --until are for --raw")
            .with_hint("over a lake, say it in SQL: `where event_time >= timestamp '2024-01-31'`"));
    }
    if !arguments.raw.is_empty() {
        refuse_both(&arguments.lake)?;
        return Ok(SqlSession::over_data(over_raw(arguments, range, &options).await?));
    }
    if arguments.lake.lake.as_deref().is_some_and(|lake| !lake.is_empty()) {
        let lake = open_lake(&arguments.lake).await?;
        return Ok(SqlSession::over_data(Session::over_lake(&lake, &options).await?));
    }
    Ok(SqlSession::over_nothing(Session::over_tables(HashMap::new(), &options)?))
}

/// Refuses `--lake` beside `--raw`; a lake in the environment stands back.
fn refuse_both(arguments: &LakeArguments) -> Result<(), CliError> {
    let from_environment = std::env::var("KEYTRAIL_LAKE").ok();
    if arguments.lake == from_environment || arguments.lake.as_deref().is_none_or(str::is_empty) {
        return Ok(());
    }
    Err(CliError::usage("statements run over a lake or over logs, not both: --lake and --raw")
        .with_hint("leave one of them away"))
}

/// Limits of the engine as the query crate takes them.
pub(crate) fn session_options(arguments: &EngineArguments) -> SessionOptions {
    SessionOptions {
        memory_limit_bytes: Some(arguments.memory_limit),
        target_partitions: arguments.query_workers.map(std::num::NonZeroUsize::get),
        temp_directory: None,
        spill_folders: spill_folders().clone(),
        views_dir: arguments.views_folder.clone(),
        kept_rows: cache::kept_rows(),
        ..SessionOptions::default()
    }
}

/// Log files as the command line names them; `-` reads stdin to its end.
///
/// # Errors
/// When a text is no location, or stdin cannot be read.
pub(crate) fn sources(texts: &[String]) -> Result<Vec<Source>, CliError> {
    texts.iter().map(|text| source(text)).collect()
}

fn source(text: &str) -> Result<Source, CliError> {
    if text != "-" {
        return Ok(Source::Place(Location::parse(text)?));
    }
    let mut content = Vec::new();
    std::io::stdin()
        .read_to_end(&mut content)
        .map_err(|error| CliError::input_output("cannot read log files from stdin", &error))?;
    Ok(Source::Bytes { name: "stdin".to_owned(), content: content.into() })
}

async fn over_raw(
    arguments: &SqlArguments,
    range: DeliveryRange,
    options: &SessionOptions,
) -> Result<Session, CliError> {
    let source =
        RawSource { sources: sources(&arguments.raw)?, range, storage: storage_options(&arguments.lake.storage) };
    Ok(Session::over_raw(source, options).await?)
}
