//! Colour for SQL as it is typed, and the pair of the bracket at the cursor.
//!
//! What could steer the terminal, from a pasted log line say, is shown as space of the same width. Nothing else is
//! changed: the editor counts on every character being where it was.

use unicode_width::UnicodeWidthChar as _;

use super::commands::PromptCommand;
use super::keywords::keyword;
use super::scan::{Kind, Token, tokens};
use crate::escape;

const KEYWORD: &str = "1;34";
const TEXT: &str = "32";
const NUMBER: &str = "35";
const COMMENT: &str = "2";
const PAIR: &str = "7";
const COMMAND: &str = "1;36";

/// The text with colour; `cursor` is where brackets are matched, none = nowhere.
pub(super) fn highlighted(text: &str, cursor: Option<usize>) -> String {
    if let Some((word, rest)) = command_word(text) {
        return painted(COMMAND, &safe(word)) + &safe(rest);
    }
    let tokens = tokens(text);
    let pair = cursor.and_then(|cursor| pair(&tokens, cursor));
    let is_paired = |token: &Token<'_>| pair.is_some_and(|(one, other)| token.start == one || token.start == other);
    tokens.iter().map(|token| if is_paired(token) { painted(PAIR, token.text) } else { coloured(token) }).collect()
}

/// The text without colour, and without what could steer the terminal.
pub(super) fn safe(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character.to_string(),
        _ if escape::is_unsafe(character) => " ".repeat(character.width().unwrap_or(0)),
        _ => character.to_string(),
    };
    text.chars().map(shown).collect()
}

/// The text in a colour of the terminal.
pub(super) fn painted(code: &str, text: &str) -> String {
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn command_word(text: &str) -> Option<(&str, &str)> {
    let at = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(at);
    PromptCommand::of_word(word).map(|_| (word, rest))
}

fn coloured(token: &Token<'_>) -> String {
    let text = safe(token.text);
    match token.kind {
        Kind::Word if keyword(token.text).is_some() => painted(KEYWORD, &text),
        Kind::Text => painted(TEXT, &text),
        Kind::Number => painted(NUMBER, &text),
        Kind::Comment => painted(COMMENT, &text),
        _ => text,
    }
}

/// Where the bracket at the cursor, or else before it, and its partner stand.
fn pair(tokens: &[Token<'_>], cursor: usize) -> Option<(usize, usize)> {
    let is_bracket = |token: &&Token<'_>| token.kind == Kind::Symbol && "()[]{}".contains(token.text);
    let brackets: Vec<&Token<'_>> = tokens.iter().filter(is_bracket).collect();
    let at = brackets.iter().position(|token| token.start == cursor);
    let at = at.or_else(|| brackets.iter().position(|token| token.end() == cursor))?;
    let mut open: Vec<usize> = Vec::new();
    for (index, bracket) in brackets.iter().enumerate() {
        if let Some(opening) = opening(bracket.text) {
            let partner = open.pop().filter(|partner| brackets[*partner].text == opening)?;
            if partner == at || index == at {
                return Some((brackets[partner].start, bracket.start));
            }
        } else {
            open.push(index);
        }
    }
    None
}

/// The bracket that a closing one closes.
fn opening(bracket: &str) -> Option<&'static str> {
    match bracket {
        ")" => Some("("),
        "]" => Some("["),
        "}" => Some("{"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_colour(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        plain + rest
    }

    #[test]
    fn words_texts_and_numbers_have_their_colour() {
        assert_eq!(highlighted("Select x", None), "\u{1b}[1;34mSelect\u{1b}[0m x");
        assert_eq!(highlighted("'a' 5", None), "\u{1b}[32m'a'\u{1b}[0m \u{1b}[35m5\u{1b}[0m");
        assert_eq!(highlighted(".views", None), "\u{1b}[1;36m.views\u{1b}[0m");
        for text in ["select count(*) from t where a = 'b' -- c", "\\d x", "", "'open"] {
            assert_eq!(without_colour(&highlighted(text, Some(3))), text);
        }
    }

    #[test]
    fn brackets_are_paired_outside_of_quotes() {
        let paired = |text: &str, cursor| pair(&tokens(text), cursor);
        assert_eq!(paired("f(a, ')')", 1), Some((1, 8)));
        assert_eq!(paired("f(a, ')')", 9), Some((1, 8)));
        assert_eq!(paired("(([x]))", 3), Some((2, 4)));
        assert_eq!(paired("(a", 0), None);
        assert_eq!(paired("(a]", 0), None);
        assert_eq!(paired("abc", 1), None);
    }

    #[test]
    fn what_was_pasted_cannot_steer_the_terminal() {
        for text in ["select '\u{1b}[2J\u{7}\u{9b}31m\u{202e}';", "\\d \u{1b}[2J"] {
            let plain = without_colour(&highlighted(text, None));
            assert!(!plain.contains(escape::is_unsafe), "{plain:?}");
            assert!(!safe(text).contains(escape::is_unsafe));
        }
        assert_eq!(safe("a\nb\tc"), "a\nb\tc");
    }
}
