//! The prompt: reads a line, does what it says, and goes on whatever happened.
//!
//! ```text
//! line ─▶ input::parse ─┬─▶ statements ─▶ rows on stdout      Ctrl-C ends the statement, not the prompt
//!                       └─▶ describe, settings, help
//! ```
//! It holds no SQL and formats no rows.

mod describe;
mod editor;
mod input;

use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use keytrail_query::Session;
use tokio::task::JoinSet;

use self::editor::{Line, LineEditor, history_path};
use self::input::{COMMANDS, Input};
use crate::engine::StatementThreads;
use crate::errors::{CliError, Exit};
use crate::output::{self, DataWriter};
use crate::render::Format;
use crate::session::SqlSession;
use crate::signals::{Interruption, Interrupts};
use crate::statements::{self, Outcome};

/// How long the prompt waits for a cancelled statement to let go of the terminal.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// What the prompt works on and how it shows rows.
pub(crate) struct Prompt {
    session: SqlSession,
    parameters: Vec<(String, String)>,
    format: Format,
    is_vertical: bool,
    is_timed: bool,
    threads: StatementThreads,
}

/// Whether the prompt goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Line,
    End,
}

impl Prompt {
    /// A prompt over a session; without a format, rows are tables.
    ///
    /// # Errors
    /// When the system gives no threads for the statements.
    pub(crate) fn try_new(
        session: SqlSession,
        parameters: Vec<(String, String)>,
        format: Option<Format>,
    ) -> Result<Self, CliError> {
        let format = format.filter(|format| !format.is_binary()).unwrap_or(Format::Table);
        let threads = StatementThreads::start().map_err(|error| no_threads(&error))?;
        Ok(Self { session, parameters, format, is_vertical: false, is_timed: false, threads })
    }

    /// Whether the time of each statement is shown from the start.
    pub(crate) fn with_timing(mut self, is_timed: bool) -> Self {
        self.is_timed = is_timed;
        self
    }

    fn row_format(&self) -> Format {
        if self.is_vertical { Format::Vertical } else { self.format }
    }

    /// Does what a complete line says.
    async fn handle(&mut self, line: &str, interruption: &Interruption) -> Result<Next, CliError> {
        match input::parse(line) {
            Input::Nothing => {}
            Input::Sql(sql) => self.run_statements(&sql, interruption.interrupts()).await?,
            Input::List(listing) => describe::list(&self.session, listing, self.row_format()).await?,
            Input::Describe { name, is_full } => {
                describe::relation(&self.session, &name, is_full, self.row_format()).await?;
            }
            Input::ToggleVertical => {
                self.is_vertical = !self.is_vertical;
                output::note(format!("one line per value: {}", on_or_off(self.is_vertical)));
            }
            Input::ToggleTiming => {
                self.is_timed = !self.is_timed;
                output::note(format!("time of statements: {}", on_or_off(self.is_timed)));
            }
            Input::Format(format) => {
                self.format = format.unwrap_or(self.format);
                output::note(format!("format: {}", self.format.name()));
            }
            Input::Help => write_help()?,
            Input::Quit => return Ok(Next::End),
            Input::Wrong(why) => return Err(CliError::usage(why).with_hint("`\\?` lists the commands")),
        }
        Ok(Next::Line)
    }

    async fn run_statements(&mut self, sql: &str, mut interrupts: Interrupts) -> Result<(), CliError> {
        for statement in Session::split_statements(sql)? {
            match self.run_cancellable(statement, &mut interrupts).await? {
                Some(outcome) => self.note_outcome(outcome),
                None => {
                    output::note("cancelled");
                    break;
                }
            }
        }
        Ok(())
    }

    /// Runs a statement on other threads and leaves it when Ctrl-C comes; none = cancelled.
    async fn run_cancellable(&mut self, sql: String, interrupts: &mut Interrupts) -> Result<Option<Outcome>, CliError> {
        let (session, parameters, format) = (self.session.clone(), self.parameters.clone(), self.row_format());
        let (running, ended) = mpsc::channel::<()>();
        let mut tasks = JoinSet::new();
        let run = async move {
            let _running = running;
            let mut out = DataWriter::stdout();
            let outcome = statements::run(&session, &sql, &parameters, format, &mut out).await;
            out.finish()?;
            outcome
        };
        tasks.spawn_on(run, self.threads.handle());
        tokio::select! {
            Some(joined) = tasks.join_next() => match joined {
                Ok(outcome) => outcome.map(Some),
                Err(bug) => Err(CliError::from_source(Exit::Software, &bug).within("this is a bug in keytrail")),
            },
            () = interrupts.next() => {
                tasks.abort_all();
                // Not a timer of the runtime: a query that computes without a pause keeps that from running, too.
                let (Ok(()) | Err(_)) = ended.recv_timeout(CANCEL_GRACE);
                tasks.detach_all();
                self.threads.leave_behind().map_err(|error| no_threads(&error))?;
                Ok(None)
            }
        }
    }

    fn note_outcome(&self, outcome: Outcome) {
        statements::note_rows(outcome);
        if self.is_timed {
            statements::note_time(outcome);
        }
    }

    /// Words that the Tab key offers: names of relations and columns, commands, keywords.
    async fn words(&self) -> Vec<String> {
        let mut words = describe::names(&self.session).await;
        words.extend(COMMANDS.iter().map(|command| command.word.to_owned()));
        words.extend(KEYWORDS.iter().map(|&word| word.to_owned()));
        words.sort_unstable();
        words.dedup();
        words
    }
}

/// Reads and handles lines until the person ends it.
///
/// # Errors
/// When the terminal or stdout fails; errors of a line are told and the prompt goes on.
pub(crate) async fn run(mut prompt: Prompt, interruption: &Interruption) -> Result<Exit, CliError> {
    interruption.keep_interrupts();
    let words = prompt.words().await;
    let mut editor = LineEditor::open(words, history_path()).map_err(|error| terminal_error(&error))?;
    output::note("`\\?` helps, `\\d` lists tables and views, Ctrl-D ends");
    loop {
        let line = editor.read("keytrail> ").map_err(|error| terminal_error(&error))?;
        let next = match line {
            Line::End => Ok(Next::End),
            Line::Cleared => Ok(Next::Line),
            Line::Text(text) => prompt.handle(&text, interruption).await,
        };
        match next {
            Ok(Next::Line) => {}
            Ok(Next::End) => return Ok(Exit::Done),
            Err(error) if error.is_broken_pipe() => return Err(error),
            Err(error) => output::error(&error),
        }
    }
}

fn no_threads(error: &std::io::Error) -> CliError {
    CliError::input_output("cannot start threads", error)
}

fn terminal_error(error: &rustyline::error::ReadlineError) -> CliError {
    CliError::new(Exit::InputOutput, "cannot read from the terminal").with_cause(error)
}

fn write_help() -> Result<(), CliError> {
    let mut out = DataWriter::stdout();
    for command in COMMANDS {
        writeln!(out, "{:18} {}", format!("{} {}", command.word, command.argument), command.summary)?;
    }
    writeln!(out, "\nSQL ends with `;` and may take several lines.")?;
    writeln!(out, "Ctrl-C cancels a statement or clears the line.")?;
    Ok(out.finish()?)
}

fn on_or_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// Keywords worth completing.
const KEYWORDS: &[&str] = &[
    "and",
    "as",
    "between",
    "case",
    "cast",
    "count",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "filter",
    "from",
    "full",
    "group by",
    "having",
    "ilike",
    "inner",
    "intersect",
    "interval",
    "is not null",
    "is null",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "order by",
    "over",
    "partition by",
    "qualify",
    "select",
    "then",
    "timestamp",
    "union all",
    "unnest",
    "using",
    "when",
    "where",
    "with",
];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use keytrail_query::SessionOptions;

    use super::*;

    fn prompt() -> Prompt {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).expect("a session");
        Prompt::try_new(SqlSession::over_data(session), Vec::new(), None).expect("a prompt")
    }

    #[tokio::test]
    async fn lines_change_settings_and_end_the_prompt() {
        let mut prompt = prompt();
        assert_eq!(prompt.handle("\\x", &Interruption::new()).await.expect("a setting"), Next::Line);
        assert_eq!(prompt.row_format(), Format::Vertical);
        prompt.handle("\\x", &Interruption::new()).await.expect("a setting");
        prompt.handle("\\format ndjson", &Interruption::new()).await.expect("a setting");
        assert_eq!(prompt.row_format(), Format::Ndjson);
        prompt.handle("\\timing", &Interruption::new()).await.expect("a setting");
        assert!(prompt.is_timed);
        assert_eq!(prompt.handle("\\q", &Interruption::new()).await.expect("an end"), Next::End);
    }

    #[tokio::test]
    async fn an_error_leaves_the_prompt_as_it_was() {
        let mut prompt = prompt();
        for line in ["select nonsense;", "select * from nowhere;", "\\nonsense", "\\d nowhere", "copy x to 'y';"] {
            assert_eq!(prompt.handle(line, &Interruption::new()).await.expect_err(line).exit(), Exit::Usage, "{line}");
        }
        assert_eq!(prompt.handle("-- a comment", &Interruption::new()).await.expect("nothing"), Next::Line);
    }
}
