//! Statements at the prompt: running them so that Ctrl-C can stop them, and showing what they give.
//!
//! ```text
//! statement ─▶ rows kept ─▶ the first, as grid or format ─▶ spool ─▶ pager or screen     `.last`, `.plot`: the kept rows again
//!           └▶ all rows ─▶ format ─▶ file                                       `\o`, `.once`, `\g FILE`
//! ```
//! On anything but a terminal rows go out as they come, all of them.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use keytrail_query::Session;
use tokio::task::JoinSet;

use super::{Next, Prompt};
use crate::errors::{CliError, Exit};
use crate::excerpt::Origin;
use crate::output::{self, DataWriter, Destination};
use crate::pager::{self, Paging};
use crate::progress::count_text;
use crate::query_progress::{Live, QueryProgress};
use crate::render::grid::{self, Expanded, GridOptions, GridReport};
use crate::render::{Format, renderer};
use crate::session::SqlSession;
use crate::signals::Interrupts;
use crate::spool::Spool;
use crate::statements::{self, KeptRows, Outcome};

/// How long the prompt waits for a cancelled statement to let go of its threads, and how often it looks.
const CANCEL_LOOKS: u32 = 20;
const CANCEL_PAUSE: Duration = Duration::from_millis(50);

/// How something that can be cancelled ended.
pub(super) enum Ran<T> {
    /// By itself.
    Done(T),
    /// By Ctrl-C.
    Cancelled,
    /// By Ctrl-C, and another one before it had let go.
    Left,
}

/// The last statement, and the rows of it that were kept.
pub(super) struct LastResult {
    pub(super) sql: String,
    pub(super) rows: KeptRows,
}

/// Where the rows of a statement go.
pub(super) enum Target {
    /// Where the settings say.
    Usual(Paging),
    /// To a file of their own.
    File(PathBuf),
}

impl Prompt {
    /// Runs the statements of a text, up to the first that fails or is cancelled.
    pub(super) async fn run_statements(&mut self, text: &str) -> Result<Next, CliError> {
        let mut interrupts = self.interruption.interrupts();
        for sql in Session::split_statements(text)? {
            let next = self.run_statement(sql, Target::Usual(Paging::WhenLong), &mut interrupts).await?;
            if next != Next::Line {
                return Ok(next);
            }
        }
        Ok(Next::Line)
    }

    /// Runs a statement and remembers it.
    pub(super) async fn run_statement(
        &mut self,
        sql: String,
        target: Target,
        interrupts: &mut Interrupts,
    ) -> Result<Next, CliError> {
        self.last_sql = Some(sql.trim().to_owned());
        let ran = self.send(sql.clone(), target, interrupts).await;
        ran.map_err(|error| self.session.locate(error, &sql, &Origin::Typed))
    }

    /// Runs a statement and sends its rows where they are to go.
    async fn send(&mut self, sql: String, target: Target, interrupts: &mut Interrupts) -> Result<Next, CliError> {
        match target {
            Target::File(path) => self.write_file(sql, &path, interrupts).await,
            Target::Usual(paging) => match (self.settings.once.take(), self.settings.output.clone()) {
                (Some(path), _) => self.write_file(sql, &path, interrupts).await,
                (None, Some(path)) => {
                    let out = DataWriter::append(&path)?;
                    self.write_all(sql, self.settings.file_format(&path), out, interrupts).await
                }
                (None, None) => self.show_statement(sql, paging, interrupts).await,
            },
        }
    }

    async fn write_file(&mut self, sql: String, path: &Path, interrupts: &mut Interrupts) -> Result<Next, CliError> {
        let format = self.settings.file_format(path);
        let next = self.write_all(sql, format, DataWriter::file(path)?, interrupts).await?;
        if next == Next::Line {
            output::note(format!("written to `{}` as {}", path.display(), format.name()));
        }
        Ok(next)
    }

    async fn show_statement(
        &mut self,
        sql: String,
        paging: Paging,
        interrupts: &mut Interrupts,
    ) -> Result<Next, CliError> {
        let format = self.settings.screen_format();
        if !output::stdout_destination().is_terminal() {
            return self.write_all(sql, format, DataWriter::stdout(), interrupts).await;
        }
        if format == Format::Plot {
            return self.show_all(sql, format, paging, interrupts).await;
        }
        let (session, parameters, limit) =
            (self.session.clone(), self.settings.parameters.clone(), self.settings.row_limit);
        let statement = sql.clone();
        let keep = |live: Live| async move { statements::keep(&session, &statement, &parameters, &live, limit).await };
        match self.cancellable(keep, interrupts).await? {
            Ran::Done((rows, outcome)) => {
                let report = self.show_rows(&rows, format, paging)?;
                self.note_absent_values(&sql, outcome).await;
                self.last = Some(LastResult { sql, rows });
                self.note_shown(outcome, report);
                Ok(Next::Line)
            }
            other => Ok(cancelled(&other)),
        }
    }

    /// Writes all rows as they come, and syncs and names a file at the end.
    async fn write_all(
        &mut self,
        sql: String,
        format: Format,
        mut out: DataWriter,
        interrupts: &mut Interrupts,
    ) -> Result<Next, CliError> {
        let (session, parameters) = (self.session.clone(), self.settings.parameters.clone());
        let statement = sql.clone();
        let write = |live: Live| async move {
            let outcome = statements::write(&session, &statement, &parameters, &live, format, &mut out).await;
            match outcome {
                Ok(outcome) => out.finish().map(|()| outcome).map_err(CliError::from),
                Err(error) => Err(error),
            }
        };
        match self.cancellable(write, interrupts).await? {
            Ran::Done(outcome) => {
                self.note_absent_values(&sql, outcome).await;
                output::note(count(outcome.row_count));
                self.note_time(outcome);
                Ok(Next::Line)
            }
            other => Ok(cancelled(&other)),
        }
    }

    /// Renders all rows of a statement and shows them; nothing is kept but the text.
    async fn show_all(
        &mut self,
        sql: String,
        format: Format,
        paging: Paging,
        interrupts: &mut Interrupts,
    ) -> Result<Next, CliError> {
        let spool = Spool::new();
        let mut out = spool.writer(output::stdout_destination());
        let (session, parameters) = (self.session.clone(), self.settings.parameters.clone());
        let write = |live: Live| async move {
            let outcome = statements::write(&session, &sql, &parameters, &live, format, &mut out).await?;
            out.finish()?;
            Ok(outcome)
        };
        match self.cancellable(write, interrupts).await? {
            Ran::Done(outcome) => {
                pager::show(&spool, paging)?;
                output::note(count(outcome.row_count));
                self.note_time(outcome);
                Ok(Next::Line)
            }
            other => Ok(cancelled(&other)),
        }
    }

    /// Shows the last result again: in another format, or all of it.
    pub(super) async fn show_last(&mut self, word: &str) -> Result<Next, CliError> {
        let last = self.last.as_ref().ok_or_else(no_result)?;
        // Not run again: without an order other rows could come, and the tables may have changed.
        let (rows, format) = match word {
            "all" => (last.rows.all(), self.settings.screen_format()),
            "" => (last.rows.clone(), self.settings.screen_format()),
            _ => (last.rows.clone(), super::settings::prompt_format(word)?),
        };
        if format == Format::Plot {
            return self.plot_last().await;
        }
        let report = self.show_rows(&rows, format, Paging::WhenLong)?;
        output::note(footer(&rows));
        note_cut(report);
        Ok(Next::Line)
    }

    /// Draws the last result; a picture of a part of it would be a wrong one.
    pub(super) async fn plot_last(&mut self) -> Result<Next, CliError> {
        let last = self.last.as_ref().ok_or_else(no_result)?;
        if last.rows.is_complete() {
            self.show_rows(&last.rows.all(), Format::Plot, Paging::WhenLong)?;
            return Ok(Next::Line);
        }
        let sql = last.sql.clone();
        output::note("not all rows of it were kept: the statement is run again");
        self.show_all(sql, Format::Plot, Paging::WhenLong, &mut self.interruption.interrupts()).await
    }

    fn show_rows(&self, rows: &KeptRows, format: Format, paging: Paging) -> Result<GridReport, CliError> {
        let spool = Spool::new();
        let mut out = spool.writer(output::stdout_destination());
        let report = match (format, out.destination()) {
            (Format::Table | Format::Vertical, Destination::Terminal { width }) => {
                let expanded = if format == Format::Vertical { Expanded::On } else { self.settings.expanded };
                let options = GridOptions { expanded, width, is_coloured: output::stdout_is_coloured() };
                grid::write(&rows.schema, &rows.shown().collect::<Vec<_>>(), options, &mut out)?
            }
            _ => {
                let mut renderer = renderer(format, &rows.schema, &mut out)?;
                rows.shown().try_for_each(|batch| renderer.write_batch(&batch))?;
                renderer.finish()?;
                GridReport::default()
            }
        };
        out.finish()?;
        pager::show(&spool, paging)?;
        Ok(report)
    }

    /// Shows what `write` writes.
    pub(super) fn show(&self, write: impl FnOnce(&mut DataWriter) -> Result<(), CliError>) -> Result<(), CliError> {
        let spool = Spool::new();
        let mut out = spool.writer(output::stdout_destination());
        write(&mut out)?;
        out.finish()?;
        pager::show(&spool, Paging::WhenLong)
    }

    /// Runs work on other threads and leaves it when Ctrl-C comes.
    pub(super) async fn cancellable<T, W>(
        &mut self,
        work: impl FnOnce(Live) -> W,
        interrupts: &mut Interrupts,
    ) -> Result<Ran<T>, CliError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, CliError>> + Send + 'static,
    {
        let mut progress = QueryProgress::start();
        let (running, ended) = mpsc::channel::<()>();
        let work = work(progress.live());
        let run = async move {
            let _running = running;
            work.await
        };
        let mut tasks = JoinSet::new();
        tasks.spawn_on(run, self.threads.handle());
        let joined = tokio::select! {
            joined = tasks.join_next() => joined,
            () = interrupts.next() => None,
        };
        progress.finish();
        match joined {
            Some(Ok(outcome)) => outcome.map(Ran::Done),
            Some(Err(bug)) => Err(CliError::from_source(Exit::Software, &bug).within("this is a bug in keytrail")),
            None => self.cancel(tasks, &ended, interrupts),
        }
    }

    fn cancel<T: 'static>(
        &mut self,
        mut tasks: JoinSet<Result<T, CliError>>,
        ended: &mpsc::Receiver<()>,
        interrupts: &Interrupts,
    ) -> Result<Ran<T>, CliError> {
        tasks.abort_all();
        // Not a timer of the runtime: a query that computes without a pause keeps that from running, too.
        for _ in 0..CANCEL_LOOKS {
            if ended.recv_timeout(CANCEL_PAUSE) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            if interrupts.has_come() {
                return Ok(Ran::Left);
            }
        }
        tasks.detach_all();
        self.threads.leave_behind().map_err(|error| super::no_threads(&error))?;
        Ok(Ran::Cancelled)
    }

    fn note_shown(&self, outcome: Outcome, report: GridReport) {
        if let Some(last) = &self.last {
            output::note(footer(&last.rows));
        }
        note_cut(report);
        self.note_time(outcome);
    }

    async fn note_absent_values(&self, sql: &str, outcome: Outcome) {
        statements::note_absent_values(&self.session, sql, &self.settings.parameters, outcome).await;
    }

    fn note_time(&self, outcome: Outcome) {
        if self.settings.is_timed {
            statements::note_split_time(outcome);
        }
    }

    /// The session, for work on other threads.
    pub(super) fn shared_session(&self) -> SqlSession {
        self.session.clone()
    }
}

/// What the prompt does after something was cancelled.
pub(super) fn cancelled<T>(ran: &Ran<T>) -> Next {
    if matches!(ran, Ran::Left) {
        return Next::Leave(Exit::Interrupted);
    }
    output::note("cancelled; Ctrl-C once more ends the prompt");
    Next::Cancelled
}

fn no_result() -> CliError {
    CliError::usage("there is no result yet")
}

/// `(2 rows)`
fn count(row_count: u64) -> String {
    format!("({} {})", count_text(row_count), statements::row_word(row_count))
}

/// `(2 rows)`, or how many of them are shown and what shows the others.
fn footer(rows: &KeptRows) -> String {
    if rows.shown_count == rows.row_count {
        return count(rows.row_count);
    }
    let others = if rows.is_complete() {
        "`.last all` shows all".to_owned()
    } else if rows.shown_count < rows.kept_count {
        format!("`.last all` shows the {} that were kept", count_text(rows.kept_count))
    } else {
        r"the others were not kept: `\g FILE` runs the statement again and writes all".to_owned()
    };
    format!("({} of {} rows shown; {others})", count_text(rows.shown_count), count_text(rows.row_count))
}

fn note_cut(report: GridReport) {
    if report.cut_count > 0 {
        output::note("(values that end or break with `…` are cut; `.last vertical` shows them whole)");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;

    use super::{KeptRows, footer};

    #[test]
    fn the_footer_tells_how_much_is_shown() {
        for (shown_count, kept_count, row_count, expected) in [
            (1, 1, 1, "(1 row)"),
            (1_000, 1_000, 1_000, "(1,000 rows)"),
            (1_000, 12_345, 12_345, "(1,000 of 12,345 rows shown; `.last all` shows all)"),
            (10, 2_000, 12_345, "(10 of 12,345 rows shown; `.last all` shows the 2,000 that were kept)"),
            (
                2_000,
                2_000,
                12_345,
                r"(2,000 of 12,345 rows shown; the others were not kept: `\g FILE` runs the statement again and writes all)",
            ),
        ] {
            let rows =
                KeptRows { schema: Arc::new(Schema::empty()), batches: Vec::new(), kept_count, shown_count, row_count };
            assert_eq!(footer(&rows), expected);
        }
    }
}
