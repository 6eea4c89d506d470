//! Places in a statement's text: from lines and columns, names and literals to ranges of bytes.

use std::ops::Range;

use datafusion::common::{Span, Spans};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::statement::dialect;

/// The bytes of a span that the engine kept; none for the span of nothing.
pub(super) fn of_span(sql: &str, span: Span) -> Option<Range<usize>> {
    let start = offset(sql, span.start.line, span.start.column)?;
    let end = offset(sql, span.end.line, span.end.column).unwrap_or(sql.len());
    Some(start..end.max(start))
}

/// The bytes of the first of several spans.
pub(super) fn of_spans(sql: &str, spans: &Spans) -> Option<Range<usize>> {
    of_span(sql, spans.first()?)
}

/// The token at a line and a column, both from 1, or the end of the text behind them.
pub(super) fn of_line(sql: &str, line: u64, column: u64) -> Option<Range<usize>> {
    let start = offset(sql, line, column)?;
    let token = tokens(sql).into_iter().find(|(_, place)| place.start == start);
    Some(token.map_or(start..start, |(_, place)| place))
}

/// The byte at a line and a column, which count characters from 1.
fn offset(sql: &str, line: u64, column: u64) -> Option<usize> {
    let line_index = usize::try_from(line.checked_sub(1)?).ok()?;
    let column_index = usize::try_from(column.checked_sub(1)?).ok()?;
    let start: usize = sql.split_inclusive('\n').take(line_index).map(str::len).sum();
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column_index).map_or(rest.len(), |(at, _)| at))
}

/// The first place of a name, quoted or not; upper and lower case are one.
pub(super) fn of_name(sql: &str, name: &str) -> Option<Range<usize>> {
    let is_name = |token: &Token| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text == name,
        _ => false,
    };
    tokens(sql).into_iter().find(|(token, _)| is_name(token)).map(|(_, place)| place)
}

/// The first place of a text literal.
pub(super) fn of_literal(sql: &str, literal: &str) -> Option<Range<usize>> {
    let is_literal = |token: &Token| matches!(token, Token::SingleQuotedString(text) if text == literal);
    tokens(sql).into_iter().find(|(token, _)| is_literal(token)).map(|(_, place)| place)
}

/// The first place of an operator.
pub(super) fn of_symbol(sql: &str, symbol: &str) -> Option<Range<usize>> {
    let is_symbol = |token: &Token| !matches!(token, Token::Whitespace(_)) && token.to_string() == symbol;
    tokens(sql).into_iter().find(|(token, _)| is_symbol(token)).map(|(_, place)| place)
}

/// The first text that is written as PostgreSQL has texts with escapes: `E'a\nb'`.
pub(super) fn of_escaped_text(sql: &str) -> Option<Range<usize>> {
    tokens(sql).windows(2).find_map(|window| match window {
        [(Token::Word(word), letter), (Token::SingleQuotedString(_), text)]
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("e") =>
        {
            Some(letter.start..text.end)
        }
        _ => None,
    })
}

/// What stands in the innermost round brackets around a place; to the end of the text where they are not closed.
pub(super) fn of_brackets_around(sql: &str, place: &Range<usize>) -> Option<Range<usize>> {
    let tokens = tokens(sql);
    let mut open = Vec::new();
    for (token, found) in &tokens {
        match token {
            Token::LParen if found.start < place.start => open.push(found.end),
            Token::RParen if found.start < place.start => {
                open.pop();
            }
            _ => {}
        }
    }
    let start = open.pop()?;
    let mut depth = 0_usize;
    for (token, found) in tokens.iter().filter(|(_, found)| found.start >= start) {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return Some(start..found.start),
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    Some(start..sql.len())
}

/// Whether more brackets are opened than closed, of the kind that this one closes.
pub(super) fn has_open_bracket(sql: &str, closing: &str) -> bool {
    let opening = match closing {
        ")" => "(",
        "]" => "[",
        _ => "{",
    };
    let count = |bracket: &str| tokens(sql).iter().filter(|(token, _)| token.to_string() == bracket).count();
    count(opening) > count(closing)
}

/// Whether a select list gives something this name, with or without `as`.
pub(super) fn is_alias(sql: &str, name: &str) -> bool {
    let mut tokens: Vec<Token> = tokens(sql)
        .into_iter()
        .map(|(token, _)| token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    tokens.push(Token::EOF);
    let is_word =
        |token: &Token, name: &str| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(name));
    let mut is_in_list = false;
    tokens.windows(3).any(|window| {
        let [before, word, behind] = window else { return false };
        is_in_list = (is_in_list || is_word(before, "select")) && !is_word(before, "from");
        let is_value = match before {
            Token::Word(word) => word.keyword == Keyword::NoKeyword || word.keyword == Keyword::AS,
            Token::RParen | Token::RBracket | Token::Number(..) | Token::SingleQuotedString(_) => true,
            _ => false,
        };
        is_in_list
            && is_word(word, name)
            && is_value
            && (matches!(behind, Token::Comma | Token::EOF) || is_word(behind, "from"))
    })
}

/// The first text literal of a kind, and its place.
pub(super) fn of_text(sql: &str, is_meant: impl Fn(&str) -> bool) -> Option<(String, Range<usize>)> {
    tokens(sql).into_iter().find_map(|(token, place)| match token {
        Token::SingleQuotedString(text) if is_meant(&text) => Some((text, place)),
        _ => None,
    })
}

/// The first place of a parameter, `$name` or `:name`.
pub(super) fn of_parameter(sql: &str, name: &str) -> Option<Range<usize>> {
    let is_parameter = |window: &[(Token, Range<usize>)]| match window {
        [(Token::Placeholder(found), place), ..] if found[1..] == *name => Some(place.clone()),
        [(Token::Colon, colon), (Token::Word(word), place)] if word.value == name => Some(colon.start..place.end),
        _ => None,
    };
    let mut tokens = tokens(sql);
    tokens.push((Token::EOF, sql.len()..sql.len()));
    tokens.windows(2).find_map(is_parameter)
}

/// The first place of a word behind which a query stands in parentheses.
pub(super) fn of_word_before_query(sql: &str, word: &str) -> Option<Range<usize>> {
    let tokens: Vec<_> = tokens(sql).into_iter().filter(|(token, _)| !matches!(token, Token::Whitespace(_))).collect();
    let is_word =
        |token: &Token, word: &str| matches!(token, Token::Word(found) if found.value.eq_ignore_ascii_case(word));
    let is_query = |token: &Token| ["select", "with", "values", "from"].iter().any(|first| is_word(token, first));
    let at = |place: usize| tokens.get(place).map(|(token, _)| token);
    (0..tokens.len()).find_map(|place| {
        let mut inner = place + 1;
        while at(inner) == Some(&Token::LParen) {
            inner += 1;
        }
        let is_found = is_word(&tokens[place].0, word) && inner > place + 1 && at(inner).is_some_and(is_query);
        is_found.then(|| tokens[place].1.clone())
    })
}

/// The first member that is asked for in brackets by its name, as in `request_parameters['keyId']`: the value's name, the member's, and the
/// place of all of it.
pub(super) fn of_member(sql: &str) -> Option<(String, String, Range<usize>)> {
    tokens(sql).windows(4).find_map(|window| match window {
        [
            (Token::Word(value), start),
            (Token::LBracket, _),
            (Token::SingleQuotedString(member), _),
            (Token::RBracket, end),
        ] => Some((value.value.clone(), member.clone(), start.start..end.end)),
        _ => None,
    })
}

/// The only division of a statement, or the first one by a zero that stands there, from its sign on.
pub(super) fn of_division(sql: &str) -> Option<Range<usize>> {
    let tokens: Vec<_> = tokens(sql).into_iter().filter(|(token, _)| !matches!(token, Token::Whitespace(_))).collect();
    let is_division = |token: &Token| matches!(token, Token::Div | Token::Mod);
    let by_zero = tokens.windows(2).find_map(|window| match window {
        [(division, start), (Token::Number(number, _), end)] if is_division(division) => {
            number.parse::<f64>().is_ok_and(|number| number == 0.0).then_some(start.start..end.end)
        }
        _ => None,
    });
    let mut divisions = tokens.iter().filter(|(token, _)| is_division(token));
    by_zero.or_else(|| match (divisions.next(), divisions.next()) {
        (Some((_, place)), None) => Some(place.clone()),
        _ => None,
    })
}

/// The first query in parentheses that stands where a value can, from its bracket to its first word.
pub(super) fn of_value_query(sql: &str) -> Option<Range<usize>> {
    let tokens: Vec<_> = tokens(sql).into_iter().filter(|(token, _)| !matches!(token, Token::Whitespace(_))).collect();
    let is_one_of = |token: &Token, words: &[&str]| matches!(token, Token::Word(found) if words.iter().any(|word| found.value.eq_ignore_ascii_case(word)));
    let of_rows =
        ["from", "join", "as", "in", "exists", "union", "all", "except", "intersect", "any", "some", "lateral"];
    tokens.windows(3).find_map(|window| match window {
        [(before, _), (Token::LParen, start), (first, end)]
            if is_one_of(first, &["select", "with"]) && !is_one_of(before, &of_rows) =>
        {
            Some(start.start..end.end)
        }
        _ => None,
    })
}

/// The word in front of a place, if nothing but blanks stand between.
pub(super) fn word_before(sql: &str, place: &Range<usize>) -> Option<(String, Range<usize>)> {
    let mut before = tokens(sql)
        .into_iter()
        .filter(|(token, found)| found.end <= place.start && !matches!(token, Token::Whitespace(_)));
    match before.next_back()? {
        (Token::Word(word), found) if word.quote_style.is_none() => Some((word.value, found)),
        _ => None,
    }
}

/// The tokens with their bytes; none where the text cannot be taken apart.
fn tokens(sql: &str) -> Vec<(Token, Range<usize>)> {
    let mut end = 0;
    let place = |token: Token| {
        let start = end;
        end += token.to_string().len();
        (token, start..end)
    };
    let tokens: Vec<_> = dialect::tokens(sql).unwrap_or_default().into_iter().map(place).collect();
    // Line ends of two characters come back as one; then no place would be right.
    if end == sql.len() { tokens } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_give_bytes() {
        let sql = "select 'é', a\nfrom \"T\"";
        assert_eq!(of_line(sql, 1, 13).map(|place| &sql[place]), Some("a"));
        assert_eq!(of_line(sql, 2, 6).map(|place| &sql[place]), Some("\"T\""));
        assert_eq!(of_line(sql, 9, 9), Some(sql.len()..sql.len()));
        assert_eq!(of_line(sql, 0, 0), None);
        assert_eq!(of_name(sql, "t").map(|place| &sql[place]), Some("\"T\""));
        assert_eq!(of_name(sql, "nowhere"), None);
        assert_eq!(of_literal(sql, "é").map(|place| &sql[place]), Some("'é'"));
    }

    #[test]
    fn parameters_are_found_in_both_spellings() {
        let sql = "select a::text, ':b', $c, :b";
        assert_eq!(of_parameter(sql, "b").map(|place| &sql[place]), Some(":b"));
        assert_eq!(of_parameter(sql, "c").map(|place| &sql[place]), Some("$c"));
        assert_eq!(of_parameter(sql, "text"), None);
    }

    #[test]
    fn a_word_is_found_before_a_query() {
        let sql = "select 1 union all select a from t where a > all ( (select 2))";
        assert_eq!(of_word_before_query(sql, "ALL"), Some(45..48));
        assert_eq!(of_word_before_query("select 1 union all (1)", "ALL"), None);
    }

    #[test]
    fn divisions_members_and_queries_are_found() {
        for (sql, place) in [
            ("select 1 / 2, 3/0", Some("/0")),
            ("select 5 % 0.0", Some("% 0.0")),
            ("select a / b", Some("/")),
            ("select a / b, c / d", None),
            ("select '/ 0'", None),
        ] {
            assert_eq!(of_division(sql).map(|place| &sql[place]), place, "{sql}");
        }
        let sql = "select tags[1], e.request_parameters['keyId'] from events e";
        let (value, member, place) = of_member(sql).unwrap();
        assert_eq!((value.as_str(), member.as_str()), ("request_parameters", "keyId"));
        assert_eq!(&sql[place], "request_parameters['keyId']");
        let sql = "select x from (select 1 as x) where x in (select 1) and x = ( select 2)";
        assert_eq!(of_value_query(sql).map(|place| &sql[place]), Some("( select"));
        assert_eq!(of_value_query("with a as (select 1) select 1 from a"), None);
    }

    #[test]
    fn the_word_before_skips_blanks() {
        let sql = "select a form /* x */ events";
        let place = of_name(sql, "events").unwrap();
        assert_eq!(word_before(sql, &place).map(|(word, _)| word), Some("form".to_owned()));
        assert_eq!(word_before(sql, &(0..6)), None);
    }
}
