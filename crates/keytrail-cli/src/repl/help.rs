//! `\?`, `\h`, `.help kms` and the list of ready questions, for 80 columns. It runs nothing.

use std::io::Write as _;

use keytrail_query::{Example, FunctionInfo, examples};

use super::commands::{COMMANDS, Group, PromptCommand};
use super::keywords::{Keyword, keyword, keywords};
use crate::errors::CliError;
use crate::output::DataWriter;
use crate::pages::layout::Page;
use crate::session::SqlSession;

/// The KMS views on one screen.
const KMS: &str = include_str!("text/kms.txt");

const GROUPS: [(Group, &str); 4] = [
    (Group::Look, "What is there"),
    (Group::Results, "Results"),
    (Group::Statements, "Statements"),
    (Group::Prompt, "The prompt"),
];

const END: &str = "\
SQL ends with `;` and may take several lines. Tab completes, Ctrl-R searches the
history, right arrow takes what is hinted. Ctrl-C cancels a statement or clears
the line; once more, it ends the prompt.
";

/// Writes the help on a topic: on the prompt without one, on the KMS views, on a command, or on a word of SQL.
///
/// # Errors
/// When there is no such topic.
pub(super) fn write(session: &SqlSession, topic: &str, out: &mut DataWriter) -> Result<(), CliError> {
    let command = [topic.to_owned(), format!("\\{topic}"), format!(".{topic}")];
    let command = command.iter().find_map(|word| PromptCommand::of_word(word));
    match (topic, command) {
        ("", _) => Ok(out.write_all(overview().as_bytes())?),
        ("kms", _) => Ok(out.write_all(KMS.as_bytes())?),
        (_, Some(command)) => Ok(writeln!(out, "{}", line(command))?),
        (word, None) => write_word(session, word, out),
    }
}

/// Writes how a keyword or a function is written; without a word, the keywords.
///
/// # Errors
/// When the word is neither.
pub(super) fn write_word(session: &SqlSession, word: &str, out: &mut DataWriter) -> Result<(), CliError> {
    let mut page = Page::for_destination(out.destination());
    if word.is_empty() {
        let words: Vec<&str> = keywords().iter().map(|keyword| keyword.word).collect();
        page.heading("Keywords; `\\h WORD` tells more, also of functions (`\\df` lists them)");
        page.line(&words.join(" "));
        return Ok(out.write_all(page.into_text().as_bytes())?);
    }
    let word = word.to_lowercase();
    let function = session.session.functions().into_iter().find(|function| function.name == word);
    match (keyword(&word), function) {
        (None, None) => {
            return Err(CliError::usage(format!("no help on `{word}`")).with_hint(
                "`\\?` lists the commands, `\\h` the keywords, `\\df` the functions, `\\d` tables and views",
            ));
        }
        (Some(keyword), None) => push_keyword(keyword, &mut page),
        (_, Some(function)) => push_function(&function, &mut page),
    }
    Ok(out.write_all(page.into_text().as_bytes())?)
}

fn push_keyword(keyword: &Keyword, page: &mut Page) {
    page.heading(keyword.syntax);
    if !keyword.meaning.is_empty() {
        page.line(keyword.meaning);
    }
}

fn push_function(function: &FunctionInfo, page: &mut Page) {
    page.heading(if function.syntax.is_empty() { &function.name } else { &function.syntax });
    for line in function.description.lines().map(str::trim).filter(|line| !line.is_empty()) {
        page.line(line);
    }
}

/// Writes the ready questions with their numbers.
pub(super) fn write_examples(out: &mut DataWriter) -> Result<(), CliError> {
    for (index, example) in examples().iter().enumerate() {
        writeln!(out, "{:>3}  {}", index + 1, example.question)?;
    }
    Ok(writeln!(out, "`\\examples N` shows and runs one of them")?)
}

/// The ready question of a number as typed.
///
/// # Errors
/// When there is none.
pub(super) fn numbered_example(number: &str) -> Result<&'static Example, CliError> {
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let found = index.and_then(|index| examples().get(index));
    found.ok_or_else(|| CliError::usage(format!("no such example: `{number}`")).with_hint("`\\examples` lists them"))
}

fn overview() -> String {
    let mut text = String::new();
    for (group, title) in GROUPS {
        text.push_str(title);
        text.push('\n');
        for command in COMMANDS.iter().filter(|command| command.group == group) {
            text.push_str(&line(command));
            text.push('\n');
        }
    }
    text + END
}

fn line(command: &PromptCommand) -> String {
    let written = format!("{} {}", command.backslash_word(), command.shown_argument);
    format!("  {written:18} {:11} {}", command.dot_word(), command.summary)
}

#[cfg(test)]
mod tests {
    use keytrail_query::{Session, SessionOptions, view_catalogue};

    use super::*;
    use crate::output::Destination;
    use crate::spool::Spool;

    fn help(topic: &str) -> Result<String, CliError> {
        let session = Session::over_tables(std::collections::HashMap::new(), &SessionOptions::default());
        let spool = Spool::new();
        let mut out = spool.writer(Destination::Terminal { width: 80 });
        write(&SqlSession::over_data(session.expect("a session")), topic, &mut out)?;
        out.finish().expect("memory");
        Ok(spool.text())
    }

    #[test]
    fn the_help_lists_every_command_in_80_columns() {
        let text = help("").expect("help");
        for command in COMMANDS {
            assert!(text.contains(command.backslash_word()) && text.contains(command.dot_word()), "{command:?}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn the_documentation_shows_the_same_help() {
        let documentation = include_str!("../../../../docs/prompt.md");
        assert!(documentation.contains(&overview()), "docs/prompt.md is to show:\n{}", overview());
    }

    #[test]
    fn the_kms_views_fit_a_screen_and_exist() {
        let text = help("kms").expect("help");
        assert!(text.lines().count() <= 22 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let is_name = |word: &&str| (word.starts_with("kms_") || word.starts_with("log_file_")) && word.len() > 4;
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<&str> = words.filter(is_name).collect();
        assert!(names.len() > 12);
        for name in names {
            assert!(view_catalogue().iter().any(|view| view.name == name), "{name}");
        }
    }

    #[test]
    fn topics_are_commands_keywords_and_functions() {
        for (topic, told) in [
            ("\\watch", "until Ctrl-C"),
            ("watch", "until Ctrl-C"),
            (".once", "next result"),
            ("FILTER", "count(*) filter (where"),
            ("key_id", "key_id("),
        ] {
            assert!(help(topic).expect(topic).contains(told), "{topic}");
        }
        assert!(help("nonsense").is_err());
    }

    #[test]
    fn examples_are_numbered_from_one() {
        assert_eq!(numbered_example("1").expect("an example"), &examples()[0]);
        for wrong in ["0", "11", "x", ""] {
            assert!(numbered_example(wrong).is_err(), "{wrong}");
        }
    }
}
