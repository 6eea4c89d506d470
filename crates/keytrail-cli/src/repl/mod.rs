//! The prompt: reads a text, does what it says, and goes on whatever happened.
//!
//! ```text
//! text ─▶ input::pieces ─┬─▶ results: statements ─▶ rows      Ctrl-C ends the statement, not the prompt
//!                        └─▶ actions: the commands of the one table in `commands`
//! ```
//! It holds no SQL and formats no rows.

mod actions;
mod catalogue;
mod commands;
mod complete;
mod describe;
mod editor;
mod files;
mod help;
mod highlight;
mod history;
mod input;
mod keywords;
mod results;
mod scan;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use self::catalogue::SessionCatalogue;
pub(crate) use self::commands::instead_of_command;
use self::editor::{Line, LineEditor};
use self::history::history_path;
use self::input::Input;
pub(crate) use self::input::{command_word, is_complete};
use self::results::LastResult;
use self::settings::Settings;
use crate::engine::StatementThreads;
use crate::errors::{CliError, Exit};
use crate::init::Init;
use crate::output;
use crate::render::Format;
use crate::session::SqlSession;
use crate::signals::Interruption;

/// Said at the start of a prompt that has nothing to ask.
const NO_LAKE: &str = "no lake is open, so there are no events: Ctrl-D ends; start over a lake with
`keytrail sql --lake LAKE`, over logs with `keytrail sql --raw SOURCE`;
`keytrail demo` makes a lake to try";

/// Files that read one another; more is a circle.
const MAX_OPEN_FILES: usize = 16;

/// What the prompt works on, how it shows rows, and what was last.
pub(crate) struct Prompt {
    session: SqlSession,
    settings: Settings,
    threads: StatementThreads,
    interruption: Interruption,
    last_sql: Option<String>,
    last: Option<LastResult>,
    /// The text that the next line begins with.
    begun: Option<String>,
    /// Files that are being read, the outermost first.
    open_files: Vec<String>,
    init: Init,
}

/// Whether the prompt goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// With the next line.
    Line,
    /// With the next line; what else was to be run is dropped.
    Cancelled,
    /// Not: the person ended it.
    End,
    /// Not: it was left.
    Leave(Exit),
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
        Ok(Self {
            session,
            settings: Settings::new(parameters, format),
            threads: StatementThreads::start().map_err(|error| no_threads(&error))?,
            interruption: Interruption::new(),
            last_sql: None,
            last: None,
            begun: None,
            open_files: Vec::new(),
            init: Init::default(),
        })
    }

    /// Whether the time of each statement is shown from the start.
    pub(crate) fn with_timing(mut self, is_timed: bool) -> Self {
        self.settings.is_timed = is_timed;
        self
    }

    /// The file that results go to from the start; none = the screen.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn with_output(mut self, file: Option<PathBuf>) -> Result<Self, CliError> {
        if let Some(file) = file {
            output::note(self.write_to_file(file)?);
        }
        Ok(self)
    }

    /// Lines to begin with.
    pub(crate) fn with_init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Does what the lines to begin with say; one that fails is told, and the others are done.
    async fn begin(&mut self) -> Result<Next, CliError> {
        let init = std::mem::take(&mut self.init);
        for entry in &init.entries {
            match self.handle(entry).await {
                Ok(Next::Line | Next::Cancelled) => {}
                Ok(next) => return Ok(next),
                Err(error) if error.is_broken_pipe() => return Err(error),
                Err(error) => output::error(&error.within(format!("in `{}`", init.path.display()))),
            }
        }
        Ok(Next::Line)
    }

    /// Does what a complete text says, up to the first part that fails.
    pub(crate) async fn handle(&mut self, text: &str) -> Result<Next, CliError> {
        for piece in input::pieces(text) {
            let next = self.handle_piece(piece.input).await?;
            if next != Next::Line {
                return Ok(next);
            }
        }
        Ok(Next::Line)
    }

    async fn handle_piece(&mut self, input: Input) -> Result<Next, CliError> {
        match input {
            Input::Sql(sql) => self.run_statements(&sql).await,
            Input::ExpandedSql(sql) => self.run_expanded(&sql).await,
            Input::Begun(_) if !self.open_files.is_empty() => {
                Err(CliError::usage("a command stands inside a statement that has no end")
                    .with_hint("end the statement with `;` before it"))
            }
            Input::Begun(sql) => {
                self.begun = Some(format!("{sql}\n"));
                Ok(Next::Line)
            }
            Input::Command(command, argument) => self.act(command, &argument).await,
            Input::Wrong(why) => Err(CliError::usage(why).with_hint("`\\?` lists the commands")),
        }
    }

    /// Does what a file says; an error tells the place.
    async fn read_file(&mut self, name: &str) -> Result<Next, CliError> {
        if self.open_files.len() == MAX_OPEN_FILES {
            return Err(CliError::usage(format!("files read one another too deep: `{name}`")));
        }
        let text = files::read(&files::path(name))?;
        self.open_files.push(name.to_owned());
        let done = self.handle_file(name, &text).await;
        self.open_files.pop();
        done
    }

    async fn handle_file(&mut self, name: &str, text: &str) -> Result<Next, CliError> {
        for piece in input::pieces(text) {
            let line = piece.line;
            let next = self.handle_piece(piece.input).await;
            match next.map_err(|error| error.within(format!("stopped at line {line} of `{name}`")))? {
                Next::Line => {}
                next => return Ok(next),
            }
        }
        Ok(Next::Line)
    }
}

/// Reads and handles texts until the person ends it.
///
/// # Errors
/// When the terminal or stdout fails; errors of a text are told and the prompt goes on.
pub(crate) async fn run(mut prompt: Prompt, interruption: &Interruption) -> Result<Exit, CliError> {
    interruption.keep_interrupts();
    prompt.interruption = interruption.clone();
    let known = SessionCatalogue::new(Arc::clone(&prompt.session.session), Handle::current());
    let mut editor = LineEditor::open(known, history_path()).map_err(|error| terminal_error(&error))?;
    output::note("`\\?` helps, `\\d` lists tables and views, `.help kms` teaches them, Ctrl-D ends");
    if !prompt.session.has_data() {
        output::note(NO_LAKE);
    }
    match prompt.begin().await? {
        Next::Line | Next::Cancelled => {}
        Next::End => return Ok(Exit::Done),
        Next::Leave(exit) => return Ok(exit),
    }
    let mut is_interrupted = false;
    loop {
        let begun = prompt.begun.take().unwrap_or_default();
        let line = editor.read("keytrail> ", &begun).map_err(|error| terminal_error(&error))?;
        let next = match line {
            Line::End => Ok(Next::End),
            Line::Cleared { was_empty: true } if is_interrupted => Ok(Next::Leave(Exit::Interrupted)),
            Line::Cleared { was_empty } => {
                if was_empty {
                    output::note("Ctrl-C once more, or Ctrl-D, ends");
                }
                is_interrupted = was_empty;
                continue;
            }
            Line::Text(text) => {
                let next = prompt.handle(&text).await;
                if next.is_err() {
                    editor.note_failure(&text);
                }
                next
            }
        };
        is_interrupted = matches!(next, Ok(Next::Cancelled));
        match next {
            Ok(Next::Line | Next::Cancelled) => {}
            Ok(Next::End) => return Ok(Exit::Done),
            Ok(Next::Leave(exit)) => return Ok(exit),
            Err(error) if error.is_broken_pipe() => return Err(error),
            Err(error) => output::error(&error.for_prompt()),
        }
    }
}

fn no_threads(error: &std::io::Error) -> CliError {
    CliError::input_output("cannot start threads", error)
}

fn terminal_error(error: &rustyline::error::ReadlineError) -> CliError {
    CliError::new(Exit::InputOutput, "cannot read from the terminal").with_cause(error)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use keytrail_query::{Session, SessionOptions};

    use super::*;

    fn prompt() -> Prompt {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).expect("a session");
        Prompt::try_new(SqlSession::over_data(session), Vec::new(), None).expect("a prompt")
    }

    #[tokio::test]
    async fn lines_change_settings_and_end_the_prompt() {
        let mut prompt = prompt();
        assert_eq!(prompt.handle("\\x").await.expect("a setting"), Next::Line);
        assert_eq!(prompt.settings.screen_format(), Format::Vertical);
        prompt.handle("\\x").await.expect("a setting");
        prompt.handle(".mode ndjson").await.expect("a setting");
        assert_eq!(prompt.settings.screen_format(), Format::Ndjson);
        prompt.handle("\\timing\n\\set who me").await.expect("settings");
        assert!(prompt.settings.is_timed && prompt.settings.parameters.len() == 1);
        assert_eq!(prompt.handle("\\q").await.expect("an end"), Next::End);
    }

    #[tokio::test]
    async fn a_command_inside_a_statement_gives_the_statement_back() {
        let mut prompt = prompt();
        assert_eq!(prompt.handle("select 1,\n\\timing on").await.expect("a setting"), Next::Line);
        assert!(prompt.settings.is_timed);
        assert_eq!(prompt.begun.take().as_deref(), Some("select 1,\n"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("in.sql");
        fs_err::write(&file, "select 1\n.timer off\n").expect("a file");
        let error = prompt.handle(&format!(".read {}", file.display())).await.expect_err("an error");
        assert!(error.text().contains("stopped at line 1") && error.text().contains("has no end"), "{}", error.text());
        assert!(prompt.settings.is_timed && prompt.begun.is_none());
    }

    #[tokio::test]
    async fn a_statement_is_shown_expanded_without_a_change_of_settings() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs_err::read_to_string(folder.path().join(name)).expect("a file");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut prompt = prompt();
        prompt.handle(&format!(".once {}\nselect 1 as a \\gx", file("one"))).await.expect("a result");
        prompt.handle(&format!("\\gx {}", file("again"))).await.expect("a result");
        for name in ["one", "again"] {
            assert!(read(name).contains("a | 1"), "{}", read(name));
        }
        assert_eq!(prompt.settings.screen_format(), Format::Table);
    }

    #[tokio::test]
    async fn an_error_leaves_the_prompt_as_it_was() {
        let mut prompt = prompt();
        for line in [
            "select nonsense;",
            "select * from nowhere;",
            "\\nonsense",
            "\\d nowhere",
            "copy x to 'y';",
            ".last",
            "\\g",
            ".plot",
            "\\examples 99",
            "\\unset nothing",
            "\\watch soon",
            "\\o x.parquet",
        ] {
            assert_eq!(prompt.handle(line).await.expect_err(line).exit(), Exit::Usage, "{line}");
        }
        assert_eq!(prompt.handle("-- a comment").await.expect("nothing"), Next::Line);
    }

    #[tokio::test]
    async fn results_go_to_files_in_the_format_of_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let read = |name: &str| fs_err::read_to_string(folder.path().join(name)).expect("a file");
        let mut prompt = prompt();
        let text = format!(".once {}\nselect 1 as a;\n\\g {}\n", file("once.csv"), file("again.json"));
        prompt.handle(&text).await.expect("two files");
        assert_eq!((read("once.csv").as_str(), read("again.json").as_str()), ("a\n1\n", "[\n{\"a\":1}\n]\n"));
        prompt.handle(&format!("\\o {}\nselect 1 as a; select 2 as b;\n\\o", file("all.csv"))).await.expect("a file");
        assert_eq!(read("all.csv"), "a\n1\nb\n2\n");
        assert_eq!(prompt.settings.output, None);
    }

    #[tokio::test]
    async fn results_can_go_to_a_file_from_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("out.csv");
        let mut prompt = prompt().with_output(Some(file.clone())).expect("a file");
        prompt.handle("select 1 as a;\n\\o\n").await.expect("a result");
        assert_eq!((fs_err::read_to_string(&file).expect("a file").as_str(), prompt.settings.output), ("a\n1\n", None));
    }

    #[tokio::test]
    async fn files_are_read_with_commands_and_statements_and_errors_tell_their_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs_err::write(folder.path().join(name), text).expect("a file");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut prompt = prompt();
        write("in.sql", &format!(".once {}\nselect $who as who\n", file("out.csv")));
        prompt.handle(&format!("\\set who me\n\\i {}", file("in.sql"))).await.expect("a file");
        assert_eq!(fs_err::read_to_string(file("out.csv")).expect("a file"), "who\nme\n");
        write("bad.sql", "\\timing on\n\nselect nonsense;\n");
        let error = prompt.handle(&format!(".read {}", file("bad.sql"))).await.expect_err("an error");
        assert!(error.text().starts_with("stopped at line 3 of"), "{}", error.text());
        write("circle.sql", &format!("\\i {}", file("circle.sql")));
        let error = prompt.handle(&format!("\\i {}", file("circle.sql"))).await.expect_err("an error");
        assert!(error.text().contains("too deep"), "{}", error.text());
        assert_eq!(prompt.open_files.len(), 0);
    }

    #[tokio::test]
    async fn every_command_runs_or_says_what_it_lacks() {
        // Those that write pages are run in a terminal (tests/cli/prompt.rs); the editor waits for a person.
        let is_quiet = |command: &&commands::PromptCommand| {
            use commands::{Action, Group};
            command.group != Group::Look && !matches!(command.action, Action::Edit | Action::Help | Action::KeywordHelp)
        };
        for command in commands::COMMANDS.iter().filter(is_quiet) {
            for word in command.words {
                let argument = if command.shown_argument.starts_with('[') { "" } else { "nothing" };
                let argument = if command.shown_argument.is_empty() { "" } else { argument };
                match prompt().handle(&format!("{word} {argument}")).await {
                    Ok(next) => assert!(matches!(next, Next::Line | Next::End), "{word}"),
                    Err(error) => assert_ne!(error.exit(), Exit::Software, "{word}: {}", error.text()),
                }
            }
        }
    }
}
