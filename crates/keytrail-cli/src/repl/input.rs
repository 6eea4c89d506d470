//! What a line at the prompt is: a command of the prompt, or SQL that may need more lines.
//!
//! It runs nothing and knows no table.

use clap::ValueEnum as _;
use keytrail_query::Session;

use crate::render::Format;

/// A command of the prompt as the help lists it.
pub(crate) struct PromptCommand {
    /// The word that starts it.
    pub(crate) word: &'static str,
    /// Its argument as shown in the help; empty without one.
    pub(crate) argument: &'static str,
    /// What it does.
    pub(crate) summary: &'static str,
}

const fn command(word: &'static str, argument: &'static str, summary: &'static str) -> PromptCommand {
    PromptCommand { word, argument, summary }
}

/// The commands, in the order of the help.
pub(crate) const COMMANDS: &[PromptCommand] = &[
    command("\\d", "[NAME]", "list tables and views; with a name, its columns"),
    command("\\d+", "NAME", "the same with everything that the view's header says"),
    command("\\dv", "", "list views with their summaries"),
    command("\\x", "", "one line per value instead of columns, on or off"),
    command("\\format", "NAME", "table, vertical, csv, tsv, json, ndjson, markdown, html"),
    command("\\timing", "", "show the time of each statement, on or off"),
    command("\\?", "", "this help"),
    command("\\q", "", "end (so does Ctrl-D)"),
];

/// A line that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing but space and comments.
    Nothing,
    /// Statements to run.
    Sql(String),
    /// `\d` and `\dv`.
    List(Listing),
    /// `\d NAME`
    Describe {
        /// Table or view.
        name: String,
        /// With everything that its header says.
        is_full: bool,
    },
    /// `\x`
    ToggleVertical,
    /// `\timing`
    ToggleTiming,
    /// `\format`; none shows the current one.
    Format(Option<Format>),
    /// `\?`
    Help,
    /// `\q`
    Quit,
    /// Something that is no command; the text says why.
    Wrong(String),
}

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Tables and views.
    All,
    /// Views only.
    Views,
}

/// Understands a complete line.
pub(crate) fn parse(line: &str) -> Input {
    let line = line.trim();
    if line.starts_with('\\') {
        return parse_command(line.trim_end_matches(';').trim_end());
    }
    match line {
        "help" | "help;" => Input::Help,
        "quit" | "quit;" | "exit" | "exit;" => Input::Quit,
        _ if is_blank(line) => Input::Nothing,
        _ => Input::Sql(line.to_owned()),
    }
}

fn parse_command(line: &str) -> Input {
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    match (word, argument) {
        ("\\d" | "\\d+" | "\\dt", "") => Input::List(Listing::All),
        ("\\dv" | "\\dv+", "") => Input::List(Listing::Views),
        ("\\d", name) => Input::Describe { name: name.to_owned(), is_full: false },
        ("\\d+", name) => Input::Describe { name: name.to_owned(), is_full: true },
        ("\\x", "") => Input::ToggleVertical,
        ("\\timing", "") => Input::ToggleTiming,
        ("\\format", "") => Input::Format(None),
        ("\\format", name) => parse_format(name),
        ("\\?" | "\\h" | "\\help", _) => Input::Help,
        ("\\q" | "\\quit", _) => Input::Quit,
        _ => Input::Wrong(format!("unknown command: `{line}`")),
    }
}

fn parse_format(name: &str) -> Input {
    match Format::from_str(name, true) {
        Ok(format) if format.is_binary() => Input::Wrong(format!("not a format for the prompt: `{name}`")),
        Ok(format) => Input::Format(Some(format)),
        Err(_unknown) => Input::Wrong(format!("unknown format: `{name}`")),
    }
}

/// True when the line can be run: a command, nothing, or statements that end with `;` outside quotes and comments.
pub(crate) fn is_complete(line: &str) -> bool {
    let trimmed = line.trim();
    trimmed.starts_with('\\')
        || matches!(trimmed, "help" | "quit" | "exit")
        || is_blank(trimmed)
        || Session::is_complete(trimmed)
}

/// True for space and comments only.
fn is_blank(sql: &str) -> bool {
    Session::split_statements(sql).is_ok_and(|statements| statements.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_outside_quotes_and_comments() {
        for (text, expected) in [
            ("", true),
            ("  \n", true),
            ("-- only a comment", true),
            ("select 1", false),
            ("select 1;", true),
            ("select 1; -- done", true),
            ("select 1 /* ; */", false),
            ("select ';", false),
            ("select ';'", false),
            ("select 'it''s';", true),
            ("select \"a;b\"\n;", true),
            ("/* open ;", false),
            ("select 1; select 2", false),
            ("\\d", true),
            ("quit", true),
        ] {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }

    #[test]
    fn commands_are_understood() {
        let describe = |name: &str, is_full| Input::Describe { name: name.to_owned(), is_full };
        for (line, expected) in [
            ("\\d", Input::List(Listing::All)),
            ("\\d ;", Input::List(Listing::All)),
            ("\\dv", Input::List(Listing::Views)),
            ("\\d events", describe("events", false)),
            ("\\d+ kms_events;", describe("kms_events", true)),
            ("\\x", Input::ToggleVertical),
            ("\\timing", Input::ToggleTiming),
            ("\\format CSV", Input::Format(Some(Format::Csv))),
            ("\\format", Input::Format(None)),
            ("\\?", Input::Help),
            ("\\q", Input::Quit),
            ("exit", Input::Quit),
            ("-- nothing", Input::Nothing),
            (" select 1; ", Input::Sql("select 1;".to_owned())),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
        for line in ["\\nonsense", "\\format parquet", "\\format nonsense", "\\x on"] {
            assert!(matches!(parse(line), Input::Wrong(_)), "{line}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for command in COMMANDS {
            let argument = if command.word == "\\format" { "csv" } else { command.argument.trim_matches(['[', ']']) };
            let line = format!("{} {argument}", command.word);
            assert!(!matches!(parse(&line), Input::Wrong(_)), "{line}");
        }
    }
}
