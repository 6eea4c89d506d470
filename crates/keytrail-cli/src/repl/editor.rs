//! The line editor: statements over several lines, history, completion, hints and colour, put together for rustyline.
//!
//! It reads texts and understands none: see [`super::input`].

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::path::PathBuf;

use fs_err as fs;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper};

use super::catalogue::Known;
use super::{complete, highlight, history, input};
use crate::output;

/// Entries that the history keeps.
const HISTORY_ENTRIES: usize = 5_000;
/// Candidates that are listed without asking.
const LISTED: usize = 200;

/// What the person at the prompt did.
pub(crate) enum Line {
    /// A complete command or statements.
    Text(String),
    /// Ctrl-C: what was typed so far is dropped.
    Cleared {
        /// Nothing had been typed.
        was_empty: bool,
    },
    /// Ctrl-D on an empty line.
    End,
}

/// A line editor with its history file, if there is a place for one.
pub(crate) struct LineEditor<K: Known> {
    editor: Editor<PromptHelper<K>, FileHistory>,
    history: Option<PathBuf>,
    /// As long as something may print beside it the editor waits for more than keys, and so hears of a resized window: the signal may reach
    /// any of our threads, and the editor's own would not be woken by it. None where there is no terminal.
    _resizes: Option<Box<dyn ExternalPrinter>>,
}

impl<K: Known> LineEditor<K> {
    /// Opens the editor and reads the history of earlier sessions; `known` is what completions are made of.
    pub(crate) fn open(known: K, history: Option<PathBuf>) -> rustyline::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(LISTED)
            .max_history_size(HISTORY_ENTRIES)?
            .history_ignore_space(true)
            // The helper decides about colour, and keeps control characters from the terminal without it, too.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor = Editor::with_config(config)?;
        let printer = editor.create_external_printer().ok();
        let resizes = printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter>);
        let is_coloured = output::colour_is_wanted();
        editor.set_helper(Some(PromptHelper {
            known,
            is_coloured,
            failed: HashSet::new(),
            is_empty: Cell::new(true),
            is_final: Cell::new(false),
        }));
        let history = history.filter(|path| {
            let made = history::make_private(path);
            made.inspect_err(|error| output::warning(format!("no history: {error}"))).is_ok()
        });
        if let Some(path) = &history {
            // A history that cannot be read is none; there is none before the first session.
            drop(editor.load_history(path));
            if history::forget_unwanted(editor.history_mut())? {
                // An empty history is not written: what was unwanted would stay.
                drop(fs::remove_file(path));
                drop(editor.save_history(path));
            }
        }
        Ok(Self { editor, history, _resizes: resizes })
    }

    /// Reads until a command or a statement is complete, beginning with a text that can be changed.
    pub(crate) fn read(&mut self, prompt: &str, begun: &str) -> rustyline::Result<Line> {
        if let Some(helper) = self.editor.helper() {
            helper.is_empty.set(begun.is_empty());
        }
        match self.editor.readline_with_initial(prompt, (begun, "")) {
            Ok(line) => {
                self.remember(&line);
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Interrupted) => {
                let was_empty = self.editor.helper().is_some_and(|helper| helper.is_empty.get());
                Ok(Line::Cleared { was_empty })
            }
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(error),
        }
    }

    /// Does not offer a text again that has failed; the history keeps it, to be mended.
    pub(crate) fn note_failure(&mut self, text: &str) {
        if let Some(helper) = self.editor.helper_mut() {
            helper.failed.insert(text.trim().to_owned());
        }
    }

    /// A history that cannot be written is no reason to interrupt the work at the prompt.
    fn remember(&mut self, text: &str) {
        if !history::is_worth_keeping(text) {
            return;
        }
        let is_new = self.editor.add_history_entry(text.trim()).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| is_new) {
            drop(self.editor.append_history(path));
        }
    }
}

struct PromptHelper<K: Known> {
    known: K,
    is_coloured: bool,
    /// Texts that failed.
    failed: HashSet<String>,
    /// Whether the line has nothing in it, as of the last key.
    is_empty: Cell<bool>,
    /// Whether the text is shown for the last time: no cursor is on it any more.
    is_final: Cell<bool>,
}

impl<K: Known> Helper for PromptHelper<K> {}

/// What stands behind the cursor, dimmed.
#[derive(Debug, PartialEq, Eq)]
enum DimText {
    /// The rest of an earlier text, which the right arrow takes.
    Offered(String),
    /// What the line waits for.
    Told(&'static str),
}

impl Hint for DimText {
    fn display(&self) -> &str {
        match self {
            Self::Offered(text) => text,
            Self::Told(text) => text,
        }
    }

    fn completion(&self) -> Option<&str> {
        match self {
            Self::Offered(text) => Some(text),
            Self::Told(_) => None,
        }
    }
}

/// On an empty line below the first: psql has another prompt there, which the line editor has not.
const GOES_ON: &str = "… the statement goes on: `;` ends it, Ctrl-C drops it";

fn goes_on(line: &str) -> Option<DimText> {
    (line.ends_with('\n') && !line.trim().is_empty()).then_some(DimText::Told(GOES_ON))
}

impl<K: Known> Hinter for PromptHelper<K> {
    type Hint = DimText;

    fn hint(&self, line: &str, position: usize, context: &Context<'_>) -> Option<DimText> {
        self.is_empty.set(line.is_empty());
        // Without colour nobody could tell the hint from what was typed.
        if !self.is_coloured || position < line.len() {
            return None;
        }
        let offered = history::hint(line, context.history(), |entry| !self.failed.contains(entry));
        offered.map(DimText::Offered).or_else(|| goes_on(line))
    }
}

impl<K: Known> Highlighter for PromptHelper<K> {
    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        let cursor = (!self.is_final.get()).then_some(position);
        Cow::Owned(match self.is_coloured {
            true => highlight::highlighted(line, cursor),
            false => highlight::safe(line),
        })
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        if self.is_coloured { Cow::Owned(highlight::painted("1", prompt)) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(highlight::painted("2", hint))
    }

    fn highlight_char(&self, _line: &str, _position: usize, kind: CmdKind) -> bool {
        self.is_final.set(kind == CmdKind::ForcedRefresh);
        true
    }
}

impl<K: Known> Validator for PromptHelper<K> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let is_complete = input::is_complete(context.input());
        Ok(if is_complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl<K: Known> Completer for PromptHelper<K> {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::complete(&self.known, line, position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_of_a_statement_tells_what_ends_it() {
        assert_eq!(goes_on("select 1\n"), Some(DimText::Told(GOES_ON)));
        for line in ["", "\n", "select 1", "select 1\n  as a"] {
            assert_eq!(goes_on(line), None, "{line:?}");
        }
        assert_eq!(DimText::Told(GOES_ON).completion(), None, "the right arrow does not take it");
    }
}
