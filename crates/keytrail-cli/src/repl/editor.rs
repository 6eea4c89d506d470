//! The line editor: history in the state folder, statements over several lines, completion of names and words.
//!
//! It reads lines and understands none: see [`super::input`].

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::input;
use crate::output;

/// Entries that the history keeps.
const HISTORY_ENTRIES: usize = 5_000;

/// What the person at the prompt did.
pub(crate) enum Line {
    /// A complete command or statements.
    Text(String),
    /// Ctrl-C: what was typed so far is dropped.
    Cleared,
    /// Ctrl-D on an empty line.
    End,
}

/// A line editor with its history file, if there is a place for one.
pub(crate) struct LineEditor {
    editor: Editor<PromptHelper, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// Opens the editor and reads the history of earlier sessions; `words` are offered as completions.
    pub(crate) fn open(words: Vec<String>, history: Option<PathBuf>) -> rustyline::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_ENTRIES)?
            .history_ignore_space(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(PromptHelper { words, is_coloured: output::colour_is_wanted() }));
        let history = history.filter(|path| has_private_history(path));
        if let Some(path) = &history {
            drop(editor.load_history(path));
        }
        Ok(Self { editor, history })
    }

    /// Reads until a command or a statement is complete.
    pub(crate) fn read(&mut self, prompt: &str) -> rustyline::Result<Line> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                self.remember(&line);
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Cleared),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error),
        }
    }

    /// A history that cannot be written is no reason to interrupt the work at the prompt.
    fn remember(&mut self, line: &str) {
        let is_new = self.editor.add_history_entry(line.trim()).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| is_new) {
            drop(self.editor.append_history(path));
        }
    }
}

/// Makes a place for the history that only its owner reads: statements can name what is secret.
fn has_private_history(path: &Path) -> bool {
    make_private(path).inspect_err(|error| output::note(format!("note: no history: {error}"))).is_ok()
}

/// The file itself is made by rustyline, with the version line that it needs.
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.exists() {
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// The history file: `$XDG_STATE_HOME/keytrail/history`, by default below `~/.local/state`; none without a home.
pub(crate) fn history_path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("keytrail/history"))
}

struct PromptHelper {
    /// Sorted, unique.
    words: Vec<String>,
    is_coloured: bool,
}

impl Helper for PromptHelper {}

impl Hinter for PromptHelper {
    type Hint = String;
}

impl Highlighter for PromptHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        if self.is_coloured { Cow::Owned(format!("\u{1b}[1m{prompt}\u{1b}[0m")) } else { Cow::Borrowed(prompt) }
    }
}

impl Validator for PromptHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let is_complete = input::is_complete(context.input());
        Ok(if is_complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Completer for PromptHelper {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(&self.words, &line[..position]))
    }
}

/// The start of the word that ends `text`, and the words that begin like it whatever their case.
fn complete(words: &[String], text: &str) -> (usize, Vec<String>) {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '\\' | '+' | '?');
    let start = text.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(text.len(), |(at, _)| at);
    let typed = text[start..].to_lowercase();
    if typed.is_empty() {
        return (start, Vec::new());
    }
    (start, words.iter().filter(|word| word.to_lowercase().starts_with(&typed)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_whatever_their_case() {
        let words: Vec<String> = ["events", "event_id", "kms_events", "\\d", "\\dv"].map(String::from).to_vec();
        assert_eq!(complete(&words, "select EV"), (7, vec!["events".to_owned(), "event_id".to_owned()]));
        assert_eq!(complete(&words, "select x, kms"), (10, vec!["kms_events".to_owned()]));
        assert_eq!(complete(&words, "\\d"), (0, vec!["\\d".to_owned(), "\\dv".to_owned()]));
        assert_eq!(complete(&words, "select "), (7, vec![]));
    }

    #[test]
    fn the_history_is_private() {
        use rustyline::history::History as _;
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keytrail/history");
        assert!(has_private_history(&path));
        let mut history = FileHistory::new();
        assert!(history.add("select 'secret';").expect("an entry"));
        history.append(&path).expect("a history file");
        assert!(has_private_history(&path));
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
