//! How SQL texts are read: DuckDB's dialect, which analysts know, with some of its habits left out.
//!
//! - `a -> 'b'` is the JSON operator, never a lambda: the engine runs no lambdas, and trail records are full of JSON.
//! - `a ->> 'b' = 'c'` compares what the operator gives, as in PostgreSQL; it does not look for the member `'b' = 'c'`.
//! - `f(a = b)` compares; it does not name the argument `a`.
//! - `1_000` is a thousand, as DuckDB itself has it, where its dialect reads a column `1` by the name of `_000`.
//!
//! And one mistake of the parser is mended: `a is distinct from b and c` is `(a is distinct from b) and c`, where it takes all that follows
//! for what `a` is compared with (sqlparser 0.62).
//!
//! It decides nothing about what a statement may do: [`crate::statement::read_only`] does.

use std::any::TypeId;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Expr, ExprWithAlias};
use datafusion::sql::sqlparser::dialect::{Dialect, DuckDbDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// How tightly the JSON operators bind: more than arithmetic (40) and comparisons (20), less than `::` (50).
const JSON_PRECEDENCE: u8 = 45;

/// The dialect of every statement, view, report and condition.
#[derive(Debug)]
struct TrailDialect;

/// The dialect that is followed in everything that is not said here.
const BASE: DuckDbDialect = DuckDbDialect;

impl Dialect for TrailDialect {
    /// The parser's own questions after the dialect are answered as for the base.
    fn dialect(&self) -> TypeId {
        BASE.dialect()
    }

    fn supports_lambda_functions(&self) -> bool {
        false
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<std::result::Result<u8, ParserError>> {
        let is_json = matches!(
            parser.peek_token_ref().token,
            Token::Arrow | Token::LongArrow | Token::HashArrow | Token::HashLongArrow
        );
        is_json.then_some(Ok(JSON_PRECEDENCE))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<std::result::Result<Expr, ParserError>> {
        let compared = if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
            Expr::IsDistinctFrom
        } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
            Expr::IsNotDistinctFrom
        } else {
            return None;
        };
        let other = parser.parse_subexpr(self.prec_value(Precedence::Is));
        Some(other.map(|other| compared(Box::new(expr.clone()), Box::new(other))))
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_eq_operator(&self) -> bool {
        false
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    fn supports_trailing_commas(&self) -> bool {
        BASE.supports_trailing_commas()
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        BASE.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        BASE.supports_group_by_expr()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        BASE.supports_bitwise_shift_operators()
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        BASE.supports_named_fn_args_with_assignment_operator()
    }

    fn supports_dictionary_syntax(&self) -> bool {
        BASE.supports_dictionary_syntax()
    }

    fn support_map_literal_syntax(&self) -> bool {
        BASE.support_map_literal_syntax()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        BASE.allow_extract_single_quotes()
    }

    fn supports_explain_with_utility_options(&self) -> bool {
        BASE.supports_explain_with_utility_options()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        BASE.supports_array_typedef_with_brackets()
    }

    fn supports_from_first_select(&self) -> bool {
        BASE.supports_from_first_select()
    }

    fn supports_order_by_all(&self) -> bool {
        BASE.supports_order_by_all()
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        BASE.supports_select_wildcard_exclude()
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        BASE.supports_select_wildcard_replace()
    }

    fn supports_notnull_operator(&self) -> bool {
        BASE.supports_notnull_operator()
    }

    fn supports_comma_separated_trim(&self) -> bool {
        BASE.supports_comma_separated_trim()
    }

    fn supports_load_extension(&self) -> bool {
        BASE.supports_load_extension()
    }

    fn supports_install(&self) -> bool {
        BASE.supports_install()
    }

    fn supports_detach(&self) -> bool {
        BASE.supports_detach()
    }
}

/// The statements of a text.
///
/// # Errors
/// When the text is no SQL.
pub(crate) fn parse_statements(sql: &str) -> Result<Vec<Statement>> {
    let mut parser = DFParserBuilder::new(sql).with_dialect(&TrailDialect).build()?;
    Ok(parser.parse_statements()?.into())
}

/// The one expression that a text is.
///
/// # Errors
/// When the text is no expression, or goes on after it.
pub(crate) fn parse_expression(sql: &str) -> Result<ExprWithAlias> {
    DFParser::parse_sql_into_expr_with_dialect(sql, &TrailDialect)
}

/// The tokens of a text, blanks and comments among them; put together they are the text again.
///
/// # Errors
/// When the text ends within quotes or a comment.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>> {
    let tokenized = Tokenizer::new(&TrailDialect, sql).with_unescape(false).tokenize();
    tokenized.map_err(|error| DataFusionError::SQL(Box::new(error.into()), None))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use datafusion::sql::sqlparser::ast::visit_expressions_mut;

    use super::*;

    #[test]
    fn operators_bind_as_in_postgresql() {
        let cases = [
            ("a is distinct from b and c or d", "(a is distinct from b) and c or d"),
            ("not a is not distinct from b or c", "(not (a is not distinct from b)) or c"),
            ("a is distinct from b = c", "a is distinct from (b = c)"),
            ("a is distinct from b + 1 is null", "(a is distinct from (b + 1)) is null"),
            ("a is distinct from b::text || 'x' and c", "(a is distinct from ((b::text) || 'x')) and c"),
            ("x ->> 'a' is not distinct from y ->> 'b' and c", "((x ->> 'a') is not distinct from (y ->> 'b')) and c"),
            ("a = b is true and c", "((a = b) is true) and c"),
            ("not a = b and c", "(not (a = b)) and c"),
            ("a between b and c and d", "(a between b and c) and d"),
        ];
        for (text, meant) in cases {
            assert_eq!(read(text), read(meant), "{text}");
        }
    }

    /// The expression without its parentheses: what they say stands in its shape.
    fn read(text: &str) -> Expr {
        let mut read = parse_expression(text).expect("an expression").expr;
        let visited = visit_expressions_mut(&mut read, |expr| {
            while let Expr::Nested(inner) = expr {
                *expr = inner.as_ref().clone();
            }
            ControlFlow::<()>::Continue(())
        });
        assert!(visited.is_continue());
        read
    }
}
