//! Parts of SQL as it is being typed: quotes may still be open and words half written. For colour and completion.
//!
//! It understands no grammar; what a statement means is the query crate's business.

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    Comment,
    /// A name, a keyword or a function.
    Word,
    Number,
    /// `'text'`, perhaps without its end.
    Text,
    /// `"name"`, perhaps without its end.
    QuotedName,
    Symbol,
}

/// A part; put together they are the text again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it begins, in bytes.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is this word, whatever the case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether a quote, or a comment over lines, is still to be closed.
    pub(super) fn is_open(&self) -> bool {
        match self.kind {
            Kind::Text => is_open_quote(self.text, '\''),
            Kind::QuotedName => is_open_quote(self.text, '"'),
            Kind::Comment => self.text.starts_with("/*") && (self.text.len() < 4 || !self.text.ends_with("*/")),
            _ => false,
        }
    }
}

fn is_open_quote(text: &str, quote: char) -> bool {
    !text.chars().filter(|character| *character == quote).count().is_multiple_of(2)
}

/// The parts of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = part(first, rest);
        tokens.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    tokens
}

fn part(first: char, rest: &str) -> (Kind, usize) {
    let until = |is_inside: fn(char) -> bool| rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
    match first {
        _ if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        _ if rest.starts_with("/*") => (Kind::Comment, rest[2..].find("*/").map_or(rest.len(), |at| at + 4)),
        '\'' => (Kind::Text, quoted(rest, '\'')),
        '"' => (Kind::QuotedName, quoted(rest, '"')),
        c if c.is_whitespace() => (Kind::Space, until(char::is_whitespace)),
        c if c.is_ascii_digit() => (Kind::Number, until(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))),
        c if is_in_word(c) => (Kind::Word, until(is_in_word)),
        c => (Kind::Symbol, c.len_utf8()),
    }
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

/// To the closing quote; a doubled one belongs to the text.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote).map(|found| at + found + 1) {
        if !text[end..].starts_with(quote) {
            return end;
        }
        at = end + 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_lose_nothing() {
        use Kind::{Comment, Number, QuotedName, Space, Symbol, Text, Word};
        let sql = "select 'it''s', \"a b\" -- x\n/* y */1.5+$n";
        let found = tokens(sql);
        assert_eq!(found.iter().map(|token| token.text).collect::<String>(), sql);
        let kinds: Vec<_> = found.iter().map(|token| token.kind).filter(|kind| *kind != Space).collect();
        assert_eq!(kinds, [Word, Text, Symbol, QuotedName, Comment, Comment, Number, Symbol, Word]);
        assert!(found.iter().all(|token| !token.is_open()));
    }

    #[test]
    fn open_quotes_and_comments_are_seen() {
        for (text, is_open) in [
            ("'abc", true),
            ("'a''", true),
            ("'a'''", false),
            ("\"a", true),
            ("/* a", true),
            ("/*/", true),
            ("-- a", false),
        ] {
            let last = *tokens(text).last().expect("a token");
            assert_eq!((last.is_open(), last.text), (is_open, text));
        }
    }

    #[test]
    fn any_text_is_cut_at_characters() {
        for text in ["", "é漢'字", "\u{1b}[2J\"", "a.b::c->>'d'", "'''", "/**/"] {
            assert_eq!(tokens(text).iter().map(|token| token.text).collect::<String>(), text);
        }
    }
}
