//! The commands of the prompt: one table, from which parsing, help and completion follow.
//!
//! Every command has the spelling of psql, with a backslash, and that of the DuckDB and SQLite shells, with a dot. It
//! runs nothing: see [`super::actions`].

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Describe,
    DescribeInFull,
    ListRelations,
    ListViews,
    ListFunctions,
    Definition,
    Examples,
    ShowKey,
    ShowCoverage,
    Expanded,
    SetFormat,
    Rows,
    Last,
    Plot,
    Timing,
    Output,
    Once,
    ReadFile,
    Edit,
    Again,
    AgainExpanded,
    Watch,
    Set,
    Unset,
    Refresh,
    KeywordHelp,
    Help,
    Quit,
}

/// What stands behind a command, which decides what is offered for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Nothing,
    Relation,
    Function,
    Key,
    Format,
    /// A format, or `all`.
    FormatOrAll,
    File,
    OneOf(&'static [&'static str]),
    /// A word of SQL.
    Keyword,
    /// Text that nothing can be offered for.
    Free,
}

/// The part of the help that a command stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Look,
    Results,
    Statements,
    Prompt,
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PromptCommand {
    /// What it does.
    pub(crate) action: Action,
    /// The words that start it: the first with a backslash and the first with a dot are those of the help.
    pub(crate) words: &'static [&'static str],
    /// What may follow.
    pub(crate) argument: Argument,
    /// The same as shown in the help: `[X]` may be left out, `X` may not, nothing takes nothing.
    pub(crate) shown_argument: &'static str,
    /// What it does, in a line.
    pub(crate) summary: &'static str,
    /// Where the help lists it.
    pub(crate) group: Group,
}

impl PromptCommand {
    /// The command that a word starts.
    pub(crate) fn of_word(word: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.words.contains(&word))
    }

    /// The spelling of psql.
    pub(crate) fn backslash_word(&self) -> &'static str {
        self.word_with('\\')
    }

    /// The spelling of the DuckDB shell.
    pub(crate) fn dot_word(&self) -> &'static str {
        self.word_with('.')
    }

    fn word_with(&self, start: char) -> &'static str {
        self.words.iter().find(|word| word.starts_with(start)).copied().unwrap_or_default()
    }

    /// Why it cannot be run with this argument; none = it can.
    pub(crate) fn objection(&self, argument: &str) -> Option<String> {
        let word = self.backslash_word();
        match (self.shown_argument, argument) {
            ("", "") => None,
            ("", _) => Some(format!("`{word}` takes nothing, not `{argument}`")),
            (shown, "") if !shown.starts_with('[') => Some(format!("`{word}` needs {shown}")),
            _ => None,
        }
    }
}

const fn command(
    action: Action,
    words: &'static [&'static str],
    (shown_argument, argument): (&'static str, Argument),
    summary: &'static str,
    group: Group,
) -> PromptCommand {
    PromptCommand { action, words, argument, shown_argument, summary, group }
}

const NOTHING: (&str, Argument) = ("", Argument::Nothing);
const ON_OFF: &[&str] = &["on", "off"];

use Action as A;
use Group::{Look, Prompt, Results, Statements};

/// The commands, in the order of the help.
pub(crate) const COMMANDS: &[PromptCommand] = &[
    command(
        A::Describe,
        &["\\d", ".describe"],
        ("[NAME]", Argument::Relation),
        "tables and views; with a name, its columns",
        Look,
    ),
    command(
        A::DescribeInFull,
        &["\\d+", ".describe+"],
        ("NAME", Argument::Relation),
        "all about one: columns, SQL, an example",
        Look,
    ),
    command(A::ListRelations, &["\\dt", ".tables"], NOTHING, "tables and views", Look),
    command(A::ListViews, &["\\dv", "\\dv+", ".views"], NOTHING, "views", Look),
    command(
        A::ListFunctions,
        &["\\df", ".functions"],
        ("[TEXT]", Argument::Function),
        "functions, those with TEXT in their name",
        Look,
    ),
    command(
        A::Definition,
        &["\\schema", ".schema"],
        ("NAME", Argument::Relation),
        "the SQL of a view, the columns of a table",
        Look,
    ),
    command(
        A::Examples,
        &["\\examples", ".examples"],
        ("[N]", Argument::Free),
        "ten ready questions; with N, runs one",
        Look,
    ),
    command(
        A::ShowKey,
        &["\\key", ".key"],
        ("KEY", Argument::Key),
        "a key: verdict, last use, who, for what data",
        Look,
    ),
    command(A::ShowCoverage, &["\\coverage", ".coverage"], NOTHING, "accounts, regions and days with logs", Look),
    command(
        A::Expanded,
        &["\\x", ".expanded"],
        ("[on|off|auto]", Argument::OneOf(&["on", "off", "auto"])),
        "one line per value instead of columns",
        Results,
    ),
    command(
        A::SetFormat,
        &["\\format", ".mode"],
        ("[FORMAT]", Argument::Format),
        "table, csv, json, markdown, plot, …",
        Results,
    ),
    command(
        A::Rows,
        &["\\rows", ".rows"],
        ("[N|all]", Argument::OneOf(&["all"])),
        "how many rows the screen shows at most",
        Results,
    ),
    command(
        A::Last,
        &["\\last", ".last"],
        ("[FORMAT|all]", Argument::FormatOrAll),
        "the last result again: in FORMAT, or all of it",
        Results,
    ),
    command(A::Plot, &["\\plot", ".plot"], NOTHING, "the last result as a picture", Results),
    command(
        A::Timing,
        &["\\timing", ".timer"],
        ("[on|off]", Argument::OneOf(ON_OFF)),
        "the time of each statement, and where it went",
        Results,
    ),
    command(
        A::Output,
        &["\\o", ".output"],
        ("[FILE]", Argument::File),
        "results go to FILE; without one, to the screen",
        Results,
    ),
    command(
        A::Once,
        &["\\once", ".once"],
        ("FILE", Argument::File),
        "the next result goes to FILE (.csv, .json, …)",
        Results,
    ),
    command(
        A::ReadFile,
        &["\\i", ".read"],
        ("FILE", Argument::File),
        "run the statements and commands of FILE",
        Statements,
    ),
    command(A::Edit, &["\\e", ".edit"], NOTHING, "the last statement in $VISUAL or $EDITOR", Statements),
    command(
        A::Again,
        &["\\g", ".again"],
        ("[FILE]", Argument::File),
        "the last statement again, its rows to FILE",
        Statements,
    ),
    command(
        A::AgainExpanded,
        &["\\gx", ".againx"],
        ("[FILE]", Argument::File),
        "the same, one line per value",
        Statements,
    ),
    command(
        A::Watch,
        &["\\watch", ".watch"],
        ("[SECONDS]", Argument::Free),
        "the same every 2 or N seconds until Ctrl-C",
        Statements,
    ),
    command(
        A::Set,
        &["\\set", ".set"],
        ("[NAME VALUE]", Argument::Free),
        "a value for $NAME; alone, lists them",
        Statements,
    ),
    command(A::Unset, &["\\unset", ".unset"], ("NAME", Argument::Free), "forget it", Statements),
    command(
        A::Refresh,
        &["\\refresh", ".refresh"],
        NOTHING,
        "see what was added to the lake since the start",
        Statements,
    ),
    command(
        A::KeywordHelp,
        &["\\h", ".syntax"],
        ("[WORD]", Argument::Keyword),
        "how a keyword or a function is written",
        Prompt,
    ),
    command(
        A::Help,
        &["\\?", "\\help", ".help"],
        ("[kms]", Argument::OneOf(&["kms"])),
        "this help; `.help kms` teaches the KMS views",
        Prompt,
    ),
    command(A::Quit, &["\\q", "\\quit", ".quit", ".exit"], NOTHING, "end (so does Ctrl-D)", Prompt),
];

/// What does in a script, or in the shell, what the command of a word does at the prompt; none where nothing does.
pub(crate) fn instead_of_command(word: &str) -> Option<&'static str> {
    Some(match PromptCommand::of_word(word)?.action {
        A::Describe | A::DescribeInFull | A::Definition => {
            "`describe NAME` tells columns, `show tables` tables and views, `keytrail views NAME` the SQL of a view"
        }
        A::ListRelations | A::ListViews => "`show tables` lists tables and views, `keytrail views` what a view tells",
        A::ListFunctions => "`show functions like '%TEXT%'` lists functions",
        A::ShowKey => "`keytrail key KEY` is the same",
        A::ShowCoverage => "`keytrail coverage` is the same",
        A::Expanded => "`--format vertical` has one line per value",
        A::SetFormat | A::Last | A::Plot => "`--format FORMAT` sets the format",
        A::Timing => "`--timing` shows the time of each statement",
        A::Output | A::Once => "`-o FILE` writes to a file",
        A::ReadFile => "`-f FILE` runs the statements of a file; it may be repeated",
        A::Set | A::Unset => "`--param NAME=VALUE` gives a parameter its value",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_command_has_both_spellings_and_no_word_two_meanings() {
        let mut words = HashSet::new();
        for command in COMMANDS {
            assert!(command.backslash_word().len() > 1 && command.dot_word().len() > 2, "{command:?}");
            for word in command.words {
                assert!(words.insert(word), "{word}");
                assert_eq!(PromptCommand::of_word(word), Some(command));
            }
        }
        let actions: HashSet<_> = COMMANDS.iter().map(|command| command.action).collect();
        assert_eq!(actions.len(), COMMANDS.len());
    }

    #[test]
    fn what_follows_is_checked_as_the_help_says() {
        for (word, argument, is_fine) in [
            ("\\d", "", true),
            ("\\d", "events", true),
            ("\\d+", "", false),
            ("\\dv", "x", false),
            (".once", "", false),
            (".once", "a.csv", true),
            ("\\q", "", true),
        ] {
            let command = PromptCommand::of_word(word).expect("a command");
            assert_eq!(command.objection(argument).is_none(), is_fine, "{word} {argument}");
        }
    }
}
