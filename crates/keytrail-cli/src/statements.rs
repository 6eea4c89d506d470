//! Statements: running one, and its rows in a format.
//!
//! It plans nothing: a statement is the query crate's business, a row the renderer's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::SchemaRef;
use keytrail_query::{AbsentValue, StatementCounts, StatementRun};

use crate::errors::CliError;
use crate::hints::did_you_mean;
use crate::output::{self, DataWriter};
use crate::progress::{bytes_text, count_text, counted};
use crate::query_progress::{Live, QueryProgress};
use crate::render::{Format, renderer};
use crate::session::SqlSession;
use crate::time_limit;

/// What running a statement gave, beside its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Rows of the result.
    pub(crate) row_count: u64,
    /// It says of nothing: no row, or one of zeros and nulls, as `count(*)` and `max(…)` of no rows give.
    pub(crate) is_of_nothing: bool,
    /// Time from the statement to its last row.
    pub(crate) elapsed: Duration,
    /// The part of it before the first row was asked for.
    pub(crate) planning: Duration,
    /// What was read.
    pub(crate) counts: StatementCounts,
}

/// The first rows of a result, to be shown in any format as often as it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct KeptRows {
    /// The columns.
    pub(crate) schema: SchemaRef,
    /// The rows that were kept.
    pub(crate) batches: Vec<RecordBatch>,
    /// How many they are.
    pub(crate) kept_count: u64,
    /// How many of them are shown where not all are asked for.
    pub(crate) shown_count: u64,
    /// How many the result has.
    pub(crate) row_count: u64,
}

impl KeptRows {
    /// Whether these are all rows of the result.
    pub(crate) fn is_complete(&self) -> bool {
        self.kept_count == self.row_count
    }

    /// All that were kept, as if nothing limited what is shown.
    pub(crate) fn all(&self) -> Self {
        Self { shown_count: self.kept_count, ..self.clone() }
    }

    /// The rows that are shown.
    pub(crate) fn shown(&self) -> impl Iterator<Item = RecordBatch> {
        let mut room = usize::try_from(self.shown_count).unwrap_or(usize::MAX);
        self.batches.iter().map_while(move |batch| {
            let count = room.min(batch.num_rows());
            room -= count;
            (count > 0).then(|| batch.slice(0, count))
        })
    }
}

/// A statement that was planned; its rows come as they are asked for.
struct Running {
    run: StatementRun,
    start: Instant,
    planning: Duration,
    row_count: u64,
    has_value: bool,
}

impl Running {
    async fn start(
        session: &SqlSession,
        sql: &str,
        parameters: &[(String, String)],
        live: &Live,
    ) -> Result<Self, CliError> {
        let start = Instant::now();
        let run = session.session.start(sql, parameters).await.map_err(|error| session.tell(error))?;
        // It is set once: a look belongs to one statement.
        drop(live.set(run.metrics.clone()));
        Ok(Self { run, start, planning: start.elapsed(), row_count: 0, has_value: false })
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.run.result.schema)
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, CliError> {
        let batch = self.run.result.next().await?;
        if let Some(batch) = &batch {
            self.row_count += batch.num_rows() as u64;
            // Of many rows nobody asks.
            self.has_value = self.has_value || self.row_count > 1 || has_value(batch);
        }
        Ok(batch)
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            row_count: self.row_count,
            is_of_nothing: !self.has_value,
            elapsed: self.start.elapsed(),
            planning: self.planning,
            counts: self.run.metrics.counts(),
        }
    }
}

/// Runs one statement and writes its rows as they come, with a line of progress for whoever waits at a terminal.
///
/// # Errors
/// When the statement fails or the rows cannot be written; rows before the failure are written.
pub(crate) async fn run(
    session: &SqlSession,
    sql: &str,
    parameters: &[(String, String)],
    format: Format,
    out: &mut DataWriter,
) -> Result<Outcome, CliError> {
    let mut progress = QueryProgress::start();
    let work = async {
        let mut running = Running::start(session, sql, parameters, &progress.live()).await?;
        let is_on_screen = out.destination().is_terminal();
        let mut renderer = renderer(format, &running.schema(), out)?;
        while let Some(batch) = running.next().await? {
            if is_on_screen {
                progress.finish();
            }
            renderer.write_batch(&batch)?;
        }
        progress.finish();
        renderer.finish()?;
        Ok(running.outcome())
    };
    time_limit::within(session.time_limit, work).await
}

/// The same with the line of progress left to the caller, who can take it off when the statement does not end.
///
/// # Errors
/// As for [`run`].
pub(crate) async fn write(
    session: &SqlSession,
    sql: &str,
    parameters: &[(String, String)],
    live: &Live,
    format: Format,
    out: &mut DataWriter,
) -> Result<Outcome, CliError> {
    let work = async {
        let mut running = Running::start(session, sql, parameters, live).await?;
        let mut renderer = renderer(format, &running.schema(), out)?;
        while let Some(batch) = running.next().await? {
            renderer.write_batch(&batch)?;
        }
        renderer.finish()?;
        Ok(running.outcome())
    };
    time_limit::within(session.time_limit, work).await
}

/// Bytes of rows that are kept to be shown; a row of the lake is about a kilobyte.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;
/// Bytes beyond which rows are not kept that are only shown when all are asked for.
const MAX_SPARE_BYTES: usize = 64 * 1024 * 1024;

/// Runs one statement to its end and keeps its first rows: `limit` of them to be shown, and more where there is room.
///
/// # Errors
/// When the statement fails.
pub(crate) async fn keep(
    session: &SqlSession,
    sql: &str,
    parameters: &[(String, String)],
    live: &Live,
    limit: Option<u64>,
) -> Result<(KeptRows, Outcome), CliError> {
    let work = async {
        let mut running = Running::start(session, sql, parameters, live).await?;
        let limit = limit.unwrap_or(u64::MAX);
        let schema = running.schema();
        let mut kept = KeptRows { schema, batches: Vec::new(), kept_count: 0, shown_count: 0, row_count: 0 };
        let (mut bytes, mut has_room) = (0, true);
        while let Some(batch) = running.next().await? {
            let most = if kept.kept_count < limit { MAX_KEPT_BYTES } else { MAX_SPARE_BYTES };
            // Rows after one that was left out are not kept either.
            has_room = has_room && bytes < most;
            if has_room && batch.num_rows() > 0 {
                bytes += batch.get_array_memory_size();
                kept.kept_count += batch.num_rows() as u64;
                kept.batches.push(batch);
            }
        }
        kept.shown_count = limit.min(kept.kept_count);
        kept.row_count = running.row_count;
        Ok((kept, running.outcome()))
    };
    time_limit::within(session.time_limit, work).await
}

/// Whether a row says more than that there is nothing: another value than null and zero.
fn has_value(batch: &RecordBatch) -> bool {
    batch.columns().iter().any(|column| {
        let numbers = column.as_primitive_opt::<Int64Type>();
        match numbers {
            Some(numbers) => numbers.iter().flatten().any(|number| number != 0),
            None => column.null_count() < column.len(),
        }
    })
}

/// How long the search for what explains an answer without rows may take.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(2);

/// Behind an answer without rows, or about none: texts that the statement asks for and no event has, on stderr.
pub(crate) async fn note_absent_values(
    session: &SqlSession,
    sql: &str,
    parameters: &[(String, String)],
    outcome: Outcome,
) {
    if !outcome.is_of_nothing {
        return;
    }
    let search = async { Ok(session.session.absent_values(sql, parameters).await?) };
    // The answer is right without it.
    let absent = time_limit::within(Some(EXPLANATION_LIMIT), search).await.unwrap_or_default();
    for AbsentValue { column, value, similar } in absent {
        let meant = did_you_mean(&similar).map(|meant| format!("; {meant}")).unwrap_or_default();
        output::warning(format!("no event has the {column} `{value}`{meant}"));
    }
}

/// `(2 rows)`, on stderr.
pub(crate) fn note_rows(outcome: Outcome) {
    let count = outcome.row_count;
    output::note(format!("({count} {})", row_word(count)));
}

/// `time: 12.3 ms`, on stderr; always in milliseconds, for programs that read it.
pub(crate) fn note_time(outcome: Outcome) {
    output::note(format!("time: {}", milliseconds(outcome.elapsed)));
}

/// The same for a person, with where the time went: `time: 12.3 ms (planning 2.0 ms, execution 10.3 ms, 1.6 MiB read,
/// 3 files read, 9 pruned)`.
pub(crate) fn note_split_time(outcome: Outcome) {
    output::note(time_text(outcome));
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn time_text(outcome: Outcome) -> String {
    let mut parts = vec![
        format!("planning {}", milliseconds(outcome.planning)),
        format!("execution {}", milliseconds(outcome.elapsed.saturating_sub(outcome.planning))),
    ];
    let counts = outcome.counts;
    if counts.files_to_read + counts.files_pruned > 0 {
        parts.push(format!("{} read", bytes_text(counts.bytes_read)));
        parts.push(format!(
            "{} read, {} pruned",
            counted(counts.files_to_read, "file"),
            count_text(counts.files_pruned)
        ));
    }
    format!("time: {} ({})", milliseconds(outcome.elapsed), parts.join(", "))
}

/// `row` or `rows`.
pub(crate) fn row_word(count: u64) -> &'static str {
    if count == 1 { "row" } else { "rows" }
}

/// Milliseconds up to ten seconds, then seconds.
pub(crate) fn duration_text(elapsed: Duration) -> String {
    if elapsed.as_secs() < 10 {
        format!("{} ms", elapsed.as_millis())
    } else {
        format!("{:.1} s", elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use keytrail_query::{Session, SessionOptions};

    use super::*;

    fn session() -> SqlSession {
        SqlSession::over_data(Session::over_tables(HashMap::new(), &SessionOptions::default()).expect("a session"))
    }

    #[tokio::test]
    async fn only_the_first_rows_are_shown_but_all_are_counted_and_kept_while_there_is_room() {
        let session = session();
        let kept_of = async |row_count: u64, limit: Option<u64>| {
            let sql = format!("select value, repeat('x', 1000) as text from generate_series(1, {row_count})");
            let (kept, outcome) = keep(&session, &sql, &[], &Live::default(), limit).await.expect("rows");
            assert_eq!((kept.row_count, outcome.row_count), (row_count, row_count));
            assert_eq!(kept.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), kept.kept_count);
            (kept.shown_count, kept.kept_count)
        };
        for (limit, shown_count) in [(Some(10), 10), (Some(0), 0), (Some(20_000), 20_000), (None, 20_000)] {
            assert_eq!(kept_of(20_000, limit).await, (shown_count, 20_000), "{limit:?}");
        }
        let (shown_count, kept_count) = kept_of(200_000, Some(10)).await;
        assert!(shown_count == 10 && (10..200_000).contains(&kept_count), "{kept_count}");
    }

    #[test]
    fn the_time_is_split_into_what_it_was_spent_on() {
        let counts = StatementCounts { bytes_read: 3 << 19, files_to_read: 3, files_pruned: 9, ..Default::default() };
        let (elapsed, planning) = (Duration::from_micros(12_340), Duration::from_millis(2));
        let outcome =
            Outcome { row_count: 1, is_of_nothing: false, elapsed, planning, counts: StatementCounts::default() };
        assert_eq!(time_text(outcome), "time: 12.3 ms (planning 2.0 ms, execution 10.3 ms)");
        assert_eq!(
            time_text(Outcome { counts, ..outcome }),
            "time: 12.3 ms (planning 2.0 ms, execution 10.3 ms, 1.5 MiB read, 3 files read, 9 pruned)"
        );
    }
}
