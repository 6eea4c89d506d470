//! Texts of statements: where one ends and the next begins.
//!
//! It knows quotes and comments, not what a statement means; see [`crate::statement::dialect`] for that.

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::QueryError;
use crate::statement::dialect;

/// One statement of a longer text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    /// The statement without the `;` that ends it and without blanks around it; comments stay.
    pub text: String,
    /// The line of the longer text on which it begins, from 1.
    pub line: usize,
    /// The character of that line, from 1.
    pub column: usize,
}

/// Splits a text into its statements, at every `;` outside of quotes and comments.
///
/// # Errors
/// When the text ends within quotes or a comment.
pub(crate) fn split(sql: &str) -> Result<Vec<StatementText>, QueryError> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { line: 1, column: 1 };
    let mut statements = Vec::new();
    for part in tokens.split_inclusive(|token| *token == Token::SemiColon) {
        let content = part.strip_suffix(&[Token::SemiColon]).unwrap_or(part);
        let blank_count = content.iter().take_while(|token| is_space(token)).count();
        let (before, content) = content.split_at(blank_count);
        before.iter().for_each(|token| cursor.pass(&token.to_string()));
        let (line, column) = (cursor.line, cursor.column);
        let text: String = content.iter().map(Token::to_string).collect();
        cursor.pass(&text);
        cursor.pass(";");
        if !content.iter().all(is_blank) {
            statements.push(StatementText { text: text.trim_end().to_owned(), line, column });
        }
    }
    Ok(statements)
}

/// Whether the text ends with a `;` outside of quotes and comments.
pub(crate) fn is_complete(sql: &str) -> bool {
    let last = tokens(sql).ok().and_then(|tokens| tokens.into_iter().rev().find(|token| !is_blank(token)));
    last == Some(Token::SemiColon)
}

fn tokens(sql: &str) -> Result<Vec<Token>, QueryError> {
    dialect::tokens(sql).map_err(QueryError::planning)
}

/// True for blanks and comments.
fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::EOF)
}

/// True for blanks only.
fn is_space(token: &Token) -> bool {
    is_blank(token) && token.to_string().trim().is_empty()
}

/// Where the text read so far ends.
struct Cursor {
    line: usize,
    column: usize,
}

impl Cursor {
    fn pass(&mut self, text: &str) {
        match text.rsplit_once('\n') {
            Some((_, last)) => {
                self.line += text.matches('\n').count();
                self.column = 1 + last.chars().count();
            }
            None => self.column += text.chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sql: &str) -> Vec<(String, usize, usize)> {
        let statements = split(sql).unwrap();
        statements.into_iter().map(|statement| (statement.text, statement.line, statement.column)).collect()
    }

    #[test]
    fn statements_know_where_they_begin() {
        let place = |text: &str, line, column| (text.to_owned(), line, column);
        for (sql, expected) in [
            ("select 1", vec![place("select 1", 1, 1)]),
            ("  select 1 ;; select\n 2;", vec![place("select 1", 1, 3), place("select\n 2", 1, 15)]),
            ("-- é;\nselect ';' ;\n\n  select 2", vec![place("-- é;\nselect ';'", 1, 1), place("select 2", 4, 3)]),
            ("select 'é'; select 2", vec![place("select 'é'", 1, 1), place("select 2", 1, 13)]),
            ("\r\nselect 1;\r\nselect 2", vec![place("select 1", 2, 1), place("select 2", 3, 1)]),
            (" ; /* nothing */ ;", vec![]),
        ] {
            assert_eq!(places(sql), expected, "{sql:?}");
        }
    }

    #[test]
    fn a_text_that_ends_within_quotes_is_refused() {
        for sql in ["select 'a", "select \"a", "/* a"] {
            assert!(split(sql).is_err(), "{sql}");
        }
    }
}
