//! What a text at the prompt is: commands of the prompt, a line each, and SQL that may need more lines.
//!
//! It runs nothing and knows no table.

use keytrail_query::{Session, similar};

use super::commands::{COMMANDS, PromptCommand};
use super::scan;
use crate::hints::did_you_mean;

/// A part of a text that is run by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Statements to run.
    Sql(String),
    /// Statements whose rows are to be shown one line per value.
    ExpandedSql(String),
    /// The beginning of a statement, in which a command stands.
    Begun(String),
    /// A command with what follows it.
    Command(&'static PromptCommand, String),
    /// Something that is no command; the text says why.
    Wrong(String),
}

/// A part and the line that it begins at, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// What to do.
    pub(crate) input: Input,
    /// Where it stands.
    pub(crate) line: usize,
}

/// The parts of a text, in order; statements need no `;` at its end.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut sql, mut first) = (Vec::new(), String::new(), 1);
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let found = if is_open { command_inside(&sql, line) } else { command(line) };
        if let Some(input) = found {
            if is_open {
                pieces.push(Piece { input: Input::Begun(sql.trim_end().to_owned()), line: first });
            }
            pieces.push(Piece { input, line: index + 1 });
            sql.clear();
            is_open = false;
            continue;
        }
        if !is_open {
            first = index + 1;
        }
        sql.push_str(line);
        sql.push('\n');
        is_open = is_open || !is_blank(&sql);
        if let Some((statement, sent)) = sent_by_word(&sql) {
            pieces.push(Piece { input: sent(statement.trim().to_owned()), line: first });
            sql.clear();
            is_open = false;
        } else if line.contains(';') && Session::is_complete(&sql) {
            push_sql(&mut pieces, &mut sql, first);
            is_open = false;
        }
    }
    push_sql(&mut pieces, &mut sql, first);
    pieces
}

/// What a statement is when a word sends it.
type Sent = fn(String) -> Input;

/// The statement of a text that ends with `\g` or `\gx` in the place of `;`, as psql has it, and what it is then.
fn sent_by_word(sql: &str) -> Option<(&str, Sent)> {
    let sql = sql.trim_end();
    let sends: [(&str, Sent); 2] = [("\\g", Input::Sql), ("\\gx", Input::ExpandedSql)];
    let (statement, sent) = sends.into_iter().find_map(|(word, sent)| Some((sql.strip_suffix(word)?, sent)))?;
    let is_sent = statement.ends_with(char::is_whitespace) && Session::is_complete(&format!("{statement};"));
    is_sent.then_some((statement, sent))
}

/// A line inside a statement that is a command all the same, as psql has it: no SQL begins with a backslash, and a line that
/// begins with the word of a command is hardly ever the rest of a name.
fn command_inside(sql: &str, line: &str) -> Option<Input> {
    let word = line.split_whitespace().next()?.trim_end_matches(';');
    let is_command = word.starts_with('\\') || (word.starts_with('.') && PromptCommand::of_word(word).is_some());
    let is_quoted = || scan::tokens(sql).last().is_some_and(|token| token.is_open());
    if !is_command || is_quoted() {
        return None;
    }
    match (word, line.trim() == word) {
        // Such a word sends the statement.
        ("\\g" | "\\gx", true) => None,
        ("\\g" | "\\gx", false) => Some(Input::Wrong(format!(
            "`{word}` with a file is for the last statement: end this one with `;` before it"
        ))),
        _ => command(line),
    }
}

fn push_sql(pieces: &mut Vec<Piece>, sql: &mut String, line: usize) {
    if !is_blank(sql) {
        pieces.push(Piece { input: Input::Sql(sql.trim().to_owned()), line });
    }
    sql.clear();
}

/// A line that is a command, or wants to be one.
fn command(line: &str) -> Option<Input> {
    let line = line.trim();
    let bare = line.trim_end_matches(';').trim_end();
    let line = match bare {
        "help" => "\\?",
        "quit" | "exit" => "\\q",
        _ if line.starts_with(['\\', '.']) => bare,
        _ => return None,
    };
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    let Some(command) = PromptCommand::of_word(word) else { return Some(Input::Wrong(unknown(word))) };
    Some(match command.objection(argument) {
        Some(objection) => Input::Wrong(objection),
        None => Input::Command(command, argument.to_owned()),
    })
}

/// The word of a command, known or not, that a statement begins with; no SQL begins with a backslash or a dot.
pub(crate) fn command_word(statement: &str) -> Option<&str> {
    let word = statement.split_whitespace().next()?;
    let is_dot_word = || word.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    (word.starts_with('\\') || is_dot_word()).then_some(word)
}

fn unknown(word: &str) -> String {
    let words = COMMANDS.iter().flat_map(|command| command.words).copied().filter(|known| known.len() > 2);
    let near: Vec<&str> = words.clone().filter(|known| begins_alike(known, word)).collect();
    let near: Vec<String> = match near.is_empty() {
        true => misspelt(word, words),
        false => near.into_iter().map(str::to_owned).collect(),
    };
    let meant = did_you_mean(&near).map(|meant| format!("; {meant}")).unwrap_or_default();
    format!("unknown command: `{word}`{meant}")
}

/// Whether one is the beginning of the other, the kind of spelling aside.
fn begins_alike(known: &str, word: &str) -> bool {
    let (known, word) = (&known[1..], word.get(1..).unwrap_or_default());
    !word.is_empty() && (known.starts_with(word) || word.starts_with(known))
}

/// Commands like a word, in the spelling that was begun.
fn misspelt<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some(start) = word.get(..1) else { return Vec::new() };
    let known = known.filter_map(|known| known.strip_prefix(start));
    similar(&word[1..], known).into_iter().map(|meant| format!("{start}{meant}")).collect()
}

/// True when the text can be run: a command, nothing, or statements that end with `;` outside quotes and comments.
pub(crate) fn is_complete(text: &str) -> bool {
    let last_is_command = || {
        let last = pieces(text).pop();
        last.is_some_and(|piece| !matches!(piece.input, Input::Sql(_) | Input::ExpandedSql(_)))
    };
    is_blank(text) || Session::is_complete(text) || sent_by_word(text).is_some() || last_is_command()
}

/// True for space and comments only.
fn is_blank(sql: &str) -> bool {
    sql.trim().is_empty() || Session::split_statements(sql).is_ok_and(|statements| statements.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::commands::Action;
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
            (".tables", true),
            ("quit", true),
            ("select 1;\n\\d", true),
            ("select 1\n.5", false),
            ("select 1 \\g", true),
            ("select 1\n\\g", true),
            ("select '\n \\g", false),
            ("select a\\g", false),
            ("select 1 \\gx", true),
            ("select a\\gx", false),
            ("select 1,\n\\d", true),
            ("select 1,\n.tables", true),
            ("select 1,\n\\nonsense", true),
            ("select '\n\\d", false),
            ("select /*\n.tables", false),
        ] {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }

    fn actions(text: &str) -> Vec<(Action, String)> {
        let action = |piece: Piece| match piece.input {
            Input::Command(command, argument) => (command.action, argument),
            other => panic!("{other:?}"),
        };
        pieces(text).into_iter().map(action).collect()
    }

    #[test]
    fn commands_are_understood_in_both_spellings() {
        for (line, action, argument) in [
            ("\\d", Action::Describe, ""),
            ("\\d ;", Action::Describe, ""),
            ("  \\dv", Action::ListViews, ""),
            (".views", Action::ListViews, ""),
            ("\\d events", Action::Describe, "events"),
            ("\\d+ kms_events;", Action::DescribeInFull, "kms_events"),
            ("\\x on", Action::Expanded, "on"),
            (".timer", Action::Timing, ""),
            ("\\format CSV", Action::SetFormat, "CSV"),
            (".mode", Action::SetFormat, ""),
            (".once my file.csv", Action::Once, "my file.csv"),
            ("\\?", Action::Help, ""),
            (".help kms", Action::Help, "kms"),
            ("help;", Action::Help, ""),
            ("exit", Action::Quit, ""),
        ] {
            assert_eq!(actions(line), [(action, argument.to_owned())], "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_told_with_what_is_near() {
        for (line, told) in [
            ("\\nonsense", "unknown command: `\\nonsense`"),
            (".tabels", "unknown command: `.tabels`; did you mean `.tables`?"),
            (".tablez", "did you mean `.tables`?"),
            ("\\tming", "did you mean `\\timing`?"),
            (".timings", "did you mean `\\timing`?"),
            (".outpu x", "did you mean `.output`?"),
            ("\\dv x", "`\\dv` takes nothing, not `x`"),
            ("\\i", "`\\i` needs FILE"),
        ] {
            let piece = pieces(line).pop().expect("a piece");
            let Input::Wrong(why) = piece.input else { panic!("{line}: {:?}", piece.input) };
            assert!(why.contains(told), "{line}: {why}");
        }
    }

    #[test]
    fn a_command_inside_a_statement_leaves_its_beginning() {
        let found: Vec<Input> = pieces("select a,\n  b\n\\timing on\n").into_iter().map(|piece| piece.input).collect();
        let [Input::Begun(sql), Input::Command(command, argument)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((sql.as_str(), command.action, argument.as_str()), ("select a,\n  b", Action::Timing, "on"));
        let found: Vec<Input> = pieces("select a\n\\g out.csv").into_iter().map(|piece| piece.input).collect();
        assert!(matches!(&found[..], [Input::Begun(_), Input::Wrong(_)]), "{found:?}");
    }

    #[test]
    fn a_text_may_mix_commands_and_statements() {
        let text = "-- a script\n\\timing on\nselect 1;\n\nselect 2,\n  '\\x';\n.views\nselect 3\n";
        let found = pieces(text);
        let lines: Vec<_> = found.iter().map(|piece| piece.line).collect();
        assert_eq!(lines, [2, 3, 5, 7, 8]);
        assert_eq!(found[2].input, Input::Sql("select 2,\n  '\\x';".to_owned()));
        assert_eq!(found[4].input, Input::Sql("select 3".to_owned()));
        let found: Vec<Input> = pieces("select 1,\n 2 \\g\n.views").into_iter().map(|piece| piece.input).collect();
        assert!(matches!(&found[..], [Input::Sql(sql), Input::Command(..)] if sql == "select 1,\n 2"), "{found:?}");
        let found: Vec<Input> = pieces("select 1\n\\gx\n").into_iter().map(|piece| piece.input).collect();
        assert_eq!(found, [Input::ExpandedSql("select 1".to_owned())]);
        assert_eq!(pieces("-- nothing\n"), []);
        assert_eq!(pieces("select 1; select 2;").len(), 1);
    }
}
