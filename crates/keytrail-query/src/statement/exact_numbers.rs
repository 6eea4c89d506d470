//! Numbers of more digits than a double has: they keep all of them where the statement asks for an exact type, and where no other can be
//! meant.
//!
//! The engine reads `1.005` as a double and `1.005::decimal(10,2)` as a cast of it, which is 1.00. Here the literal under a cast to a
//! decimal is written as a text, whose digits the engine reads one by one; and a whole number of more than 64 bits as a decimal, which used to
//! be the nearest double. Other literals stay doubles: the engine's decimals keep four digits of a quotient, and `1.0 / 3` has to be a third.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, UnaryOperator, Value, VisitMut, VisitorMut,
};

/// Digits of the longest decimal.
const MAX_DIGITS: usize = 76;

/// Writes out the exact numbers of a statement or an expression.
pub(crate) fn write_out(part: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = part.visit(&mut Numbers);
}

struct Numbers;

impl VisitorMut for Numbers {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Cast { expr: number, data_type, .. } = expr
            && is_decimal(data_type)
            && let Some(digits) = literal(number)
        {
            **number = text(digits);
        } else if let Some(digits) = literal(expr).filter(|digits| is_beyond_64_bits(digits)) {
            *expr = decimal(digits);
        }
        ControlFlow::Continue(())
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal(_) | DataType::Numeric(_))
}

/// A number as it is written, with its sign; none where it is no literal, or has an exponent.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if number.bytes().all(|byte| byte.is_ascii_digit() || b"._".contains(&byte)) => {
                Some(number.replace('_', ""))
            }
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            literal(expr).filter(|digits| !digits.starts_with('-')).map(|digits| format!("-{digits}"))
        }
        _ => None,
    }
}

/// Whether it is a whole number that no integer type can hold, but a decimal can.
fn is_beyond_64_bits(digits: &str) -> bool {
    let is_whole = !digits.contains('.');
    let fits = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
    is_whole && !fits && digit_count(digits) <= MAX_DIGITS
}

fn digit_count(digits: &str) -> usize {
    digits.trim_start_matches('-').trim_start_matches('0').len()
}

fn text(digits: String) -> Expr {
    Expr::Value(Value::SingleQuotedString(digits).into())
}

fn decimal(digits: String) -> Expr {
    let precision = digit_count(&digits) as u64;
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(text(digits)),
        data_type: DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, 0)),
        array: false,
        format: None,
    }
}
