//! Two lists that one value is looked for in, put together by `and` or `or`.
//!
//! The engine makes one list of them: `a in (1, 2) and a in (2, 3)` becomes `a in (2)`. Where nothing is left it says `false`, and for
//! `a not in (1) or a not in (2)` it says `true`; but of a null nobody can tell, and rows came that should not. It also compares the
//! elements as they are written, though two columns may have the same value. Both are taken out of its hands.

use std::collections::HashSet;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};

use super::Inputs;

#[allow(clippy::unnecessary_wraps, reason = "the signature is that of all of them")]
pub(super) fn mend(expr: Expr, _: &Inputs) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Ok(Transformed::no(expr)) };
    if !matches!(op, Operator::And | Operator::Or) {
        return Ok(Transformed::no(expr));
    }
    let (Some(first), Some(second)) = (Test::of(left), Test::of(right)) else { return Ok(Transformed::no(expr)) };
    if first.value != second.value || !is_put_together(&first, *op, &second) {
        return Ok(Transformed::no(expr));
    }
    if !first.is_of_literals() || !second.is_of_literals() {
        // Comparisons one by one are left as they are.
        let by_one = BinaryExpr { left: Box::new(first.written_out()), op: *op, right: Box::new(second.written_out()) };
        return Ok(Transformed::yes(Expr::BinaryExpr(by_one)));
    }
    let is_left = if first.is_negated == second.is_negated {
        first.elements.iter().any(|element| second.elements.contains(element))
    } else {
        let (list, excluded) = if first.is_negated { (&second, &first) } else { (&first, &second) };
        list.elements.iter().any(|element| !excluded.elements.contains(element))
    };
    if is_left {
        return Ok(Transformed::no(expr));
    }
    let unknown = lit(ScalarValue::Boolean(None));
    let value = first.value.clone();
    Ok(Transformed::yes(match op {
        Operator::And => value.is_null().and(unknown),
        _ => value.is_not_null().or(unknown),
    }))
}

/// Whether the engine makes one list of the two that leaves out elements.
fn is_put_together(first: &Test, op: Operator, second: &Test) -> bool {
    match op {
        Operator::And => !(first.is_negated && second.is_negated),
        _ => first.is_negated && second.is_negated,
    }
}

/// Whether a value is, or is not, one of some elements.
struct Test<'a> {
    value: &'a Expr,
    elements: HashSet<&'a Expr>,
    is_negated: bool,
}

impl<'a> Test<'a> {
    /// A list, or what the engine will make one of: `not` before it, and comparisons of a column with literals.
    fn of(expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::InList(InList { expr, list, negated }) => {
                Some(Self { value: expr, elements: list.iter().collect(), is_negated: *negated })
            }
            Expr::Not(inner) => {
                let test = Self::of(inner)?;
                Some(Self { is_negated: !test.is_negated, ..test })
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let side = |expr: &'a Expr| Self::of_equality(expr).or_else(|| Self::of(expr));
                let (mut first, second) = (side(left)?, side(right)?);
                if first.value != second.value || first.is_negated || second.is_negated {
                    return None;
                }
                first.elements.extend(second.elements);
                Some(first)
            }
            _ => None,
        }
    }

    fn of_equality(expr: &'a Expr) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else { return None };
        let (value, element) = match (left.as_ref(), right.as_ref()) {
            (value @ Expr::Column(_), element @ Expr::Literal(..))
            | (element @ Expr::Literal(..), value @ Expr::Column(_)) => (value, element),
            _ => return None,
        };
        Some(Self { value, elements: HashSet::from([element]), is_negated: false })
    }

    fn is_of_literals(&self) -> bool {
        self.elements.iter().all(|element| matches!(element, Expr::Literal(..)))
    }

    fn written_out(&self) -> Expr {
        let compared = self.elements.iter().map(|element| match self.is_negated {
            true => self.value.clone().not_eq((*element).clone()),
            false => self.value.clone().eq((*element).clone()),
        });
        let put_together = compared.reduce(|all, next| if self.is_negated { all.and(next) } else { all.or(next) });
        put_together.unwrap_or_else(|| lit(self.is_negated))
    }
}
