//! What the Tab key offers at a place in a text: from the words around it and from what the session knows.
//!
//! ```text
//! \d key_u|                                    commands and what their table says of the argument
//! select … from kms_events where event_name = 'De|    values, inside quotes
//! select u.| from kms_key_usage u              columns of the relation that a name stands for
//! select use| from kms_key_usage               columns of the statement's relations, functions, keywords
//! from kms_|                                   relations
//! ```
//! The whole statement is looked at, also what stands behind the cursor.

use std::collections::HashMap;

use keytrail_query::has_few_values;

use super::catalogue::Known;
use super::commands::{Argument, COMMANDS, PromptCommand};
use super::files;
use super::keywords::{keyword, keywords};
use super::scan::{Kind, Token, tokens};
use crate::render::Format;

/// More is no help; the line editor would ask before it lists them anyway.
const MAX_CANDIDATES: usize = 500;

/// Where the word at the cursor begins, and what it may become.
pub(super) fn complete(known: &dyn Known, text: &str, cursor: usize) -> (usize, Vec<String>) {
    let line_start = text[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[line_start..cursor];
    let (start, mut candidates) = match line.starts_with(['\\', '.']) && is_at_start(&text[..line_start]) {
        true => command(known, line, line_start),
        false => sql(known, text, cursor),
    };
    candidates.truncate(MAX_CANDIDATES);
    (start, candidates)
}

/// Nothing but whole statements stands before a command.
fn is_at_start(before: &str) -> bool {
    let last = tokens(before).into_iter().rev().find(|token| !matches!(token.kind, Kind::Space | Kind::Comment));
    last.is_none_or(|token| token.text == ";" || before.trim_start().starts_with(['\\', '.']))
}

fn command(known: &dyn Known, line: &str, line_start: usize) -> (usize, Vec<String>) {
    let Some((word, rest)) = line.split_once(char::is_whitespace) else {
        let words = COMMANDS.iter().flat_map(|command| command.words).map(|word| (*word).to_owned());
        return (line_start, beginning_with(line, words));
    };
    let typed = rest.trim_start();
    let start = line_start + line.len() - typed.len();
    let candidates = PromptCommand::of_word(word).map(|command| arguments(known, command.argument, typed));
    (start, candidates.unwrap_or_default())
}

fn arguments(known: &dyn Known, argument: Argument, typed: &str) -> Vec<String> {
    match argument {
        Argument::Nothing | Argument::Free => Vec::new(),
        Argument::Relation => beginning_with(typed, known.relations()),
        Argument::Function => beginning_with(typed, known.functions().iter().cloned()),
        Argument::Key => values(typed, &known.key_names()),
        Argument::Format => beginning_with(typed, Format::for_the_prompt()),
        Argument::FormatOrAll => beginning_with(typed, Format::for_the_prompt().into_iter().chain(["all".to_owned()])),
        Argument::File => files::beginning_with(typed),
        Argument::OneOf(words) => beginning_with(typed, words.iter().map(|word| (*word).to_owned())),
        Argument::Keyword => {
            let words = keywords().iter().map(|keyword| keyword.word.to_owned());
            beginning_with(typed, words.chain(known.functions().iter().cloned()))
        }
    }
}

fn sql(known: &dyn Known, text: &str, cursor: usize) -> (usize, Vec<String>) {
    let tokens = statement(text, cursor);
    let at = tokens.iter().position(|token| token.start < cursor && cursor <= token.end());
    let before = &tokens[..at.unwrap_or(tokens.len())];
    match at.map(|at| &tokens[at]) {
        Some(token) if token.kind == Kind::Comment => (cursor, Vec::new()),
        Some(token) if token.kind == Kind::Text && (cursor < token.end() || token.is_open()) => {
            let start = token.start + 1;
            let end = if token.is_open() { "'" } else { "" };
            let found = values(&text[start..cursor], &quoted_values(known, before));
            (start, found.into_iter().map(|value| value + end).collect())
        }
        Some(token) if token.kind == Kind::Word => {
            (token.start, words(known, &tokens, before, &text[token.start..cursor]))
        }
        Some(token) if token.text == "." => (cursor, words(known, &tokens, &tokens[..=at.unwrap_or(0)], "")),
        _ if follows_from(before) => (cursor, known.relations()),
        _ if takes_column(before) => (cursor, Named::of(&tokens, &known.relations()).all_columns(known)),
        _ => (cursor, Vec::new()),
    }
}

/// The parts of the statement that the cursor is in.
fn statement(text: &str, cursor: usize) -> Vec<Token<'_>> {
    let tokens = tokens(text);
    let is_end = |token: &&Token<'_>| token.kind == Kind::Symbol && token.text == ";";
    let from = tokens.iter().filter(is_end).map(Token::end).filter(|end| *end <= cursor).max().unwrap_or(0);
    let to = tokens.iter().filter(is_end).map(|token| token.start).find(|start| *start >= cursor).unwrap_or(text.len());
    tokens.into_iter().filter(|token| token.start >= from && token.end() <= to).collect()
}

/// Values for a text in quotes: those of the column that it is compared with, as far as its name tells; nothing for a column whose
/// values are not known.
fn quoted_values(known: &dyn Known, before: &[Token<'_>]) -> Vec<String> {
    let is_glue = |token: &Token<'_>| {
        let is_word = ["in", "like", "ilike", "not", "is", "distinct", "from"].iter().any(|word| token.is_word(word));
        is_word || matches!(token.kind, Kind::Space | Kind::Symbol | Kind::Text)
    };
    let column = before.iter().rev().find(|token| !is_glue(token)).map_or("", |token| token.text).to_lowercase();
    if column == "event_name" || column.ends_with("operation") {
        return known.event_names().to_vec();
    }
    if ["key", "alias", "resource"].iter().any(|part| column.contains(part)) {
        return known.key_names().to_vec();
    }
    if has_few_values(&column) {
        return known.values_of(&column).to_vec();
    }
    let is_column = known.all_columns().contains(&column);
    if is_column { Vec::new() } else { [known.event_names().as_slice(), known.key_names().as_slice()].concat() }
}

/// Names for the word that is typed, `typed` its part before the cursor.
fn words(known: &dyn Known, tokens: &[Token<'_>], before: &[Token<'_>], typed: &str) -> Vec<String> {
    let relations = known.relations();
    let named = Named::of(tokens, &relations);
    if let [.., owner, dot] = before
        && dot.text == "."
    {
        return beginning_with(typed, named.columns(known, owner.text));
    }
    if follows_from(before) {
        return beginning_with(typed, relations.into_iter().chain(named.queries));
    }
    let columns = named.all_columns(known);
    let columns = if named.is_empty() { known.all_columns() } else { columns };
    let functions = known.functions().iter().map(|name| format!("{name}(")).collect::<Vec<_>>();
    let is_upper = typed.chars().any(char::is_uppercase) && !typed.chars().any(char::is_lowercase);
    let keyword = |word: &'static str| if is_upper { word.to_uppercase() } else { word.to_owned() };
    let keywords = keywords().iter().map(|known| keyword(known.word));
    let names = named.aliases.keys().map(|alias| (*alias).to_owned());
    let mut found = beginning_with(typed, columns.into_iter().chain(keywords).chain(functions).chain(names));
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a column is to come, most likely.
fn takes_column(before: &[Token<'_>]) -> bool {
    let last = before.iter().rev().find(|token| !matches!(token.kind, Kind::Space | Kind::Comment));
    last.is_some_and(|token| ["where", "and", "or", "by", "having", "on", "not"].iter().any(|word| token.is_word(word)))
}

/// Whether a relation is to come: after `from` and `join`, or a comma between relations.
fn follows_from(before: &[Token<'_>]) -> bool {
    let mut back = before.iter().rev().filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment));
    match back.next() {
        Some(token) if token.text == "," => {
            // The clause that the comma stands in is told by the last word that begins one.
            let clause = back.find(|token| CLAUSES.iter().any(|word| token.is_word(word)));
            clause.is_some_and(|token| token.is_word("from"))
        }
        Some(token) => token.is_word("from") || token.is_word("join"),
        None => false,
    }
}

const CLAUSES: [&str; 9] = ["select", "from", "where", "on", "using", "by", "having", "with", "values"];

/// The relations that a statement names, and the names that it gives them.
struct Named<'a> {
    relations: Vec<&'a str>,
    /// Relations by the names that stand for them.
    aliases: HashMap<&'a str, &'a str>,
    /// Names of queries in `with`.
    queries: Vec<String>,
}

impl<'a> Named<'a> {
    /// Any word that is a relation's name names it: the statement may lack the `from` that is still to be typed.
    fn of(tokens: &[Token<'a>], relations: &[String]) -> Self {
        let words: Vec<_> = tokens.iter().filter(|token| !matches!(token.kind, Kind::Space | Kind::Comment)).collect();
        let mut named = Self { relations: Vec::new(), aliases: HashMap::new(), queries: Vec::new() };
        for (index, token) in words.iter().enumerate() {
            let next = |distance: usize| words.get(index + distance).copied();
            if token.kind == Kind::Word && relations.iter().any(|relation| relation == token.text) {
                named.relations.push(token.text);
                let skipped = usize::from(next(1).is_some_and(|token| token.is_word("as")));
                if let Some(alias) = next(1 + skipped).filter(|token| is_name(token)) {
                    named.aliases.insert(alias.text, token.text);
                }
            } else if is_name(token)
                && next(1).is_some_and(|as_| as_.is_word("as"))
                && next(2).is_some_and(|t| t.text == "(")
            {
                named.queries.push(token.text.to_owned());
            }
        }
        named
    }

    fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }

    /// Columns of the relation that a name stands for.
    fn columns(&self, known: &dyn Known, name: &str) -> Vec<String> {
        let relation = self.aliases.get(name).copied().unwrap_or(name);
        if self.relations.contains(&relation) { known.columns(relation).to_vec() } else { Vec::new() }
    }

    fn all_columns(&self, known: &dyn Known) -> Vec<String> {
        self.relations.iter().flat_map(|relation| known.columns(relation).to_vec()).collect()
    }
}

fn is_name(token: &Token<'_>) -> bool {
    token.kind == Kind::Word && keyword(token.text).is_none()
}

/// The words that begin as typed, whatever the case.
fn beginning_with(typed: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    let typed = typed.to_lowercase();
    words.into_iter().filter(|word| word.to_lowercase().starts_with(&typed)).collect()
}

/// The values that begin as typed; where none does, the only one that has it inside, such as a key by a part of its id.
fn values(typed: &str, values: &[String]) -> Vec<String> {
    let found = beginning_with(typed, values.iter().cloned());
    if !found.is_empty() || typed.is_empty() {
        return found;
    }
    let typed = typed.to_lowercase();
    let mut inside = values.iter().filter(|value| value.to_lowercase().contains(&typed));
    match (inside.next(), inside.next()) {
        (Some(only), None) => vec![only.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
