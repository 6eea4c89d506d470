//! What keeps the planning of a statement within seconds, however the statement was made.
//!
//! The engine's planning takes time with the square of the depth of an expression, and `a or b or c or …` is parsed into a tree that is
//! as deep as it has terms. [`balance`] makes it as deep as its logarithm; what stays too large is refused by [`check`] before the
//! engine sees it. Measured (release, two cores, conditions over `kms_events`): 20,000 alternatives were planned for more than 40 s and
//! are now in 3.5 s; chains of 1,000 terms take 1.6 s (`+`) to 2.3 s (`and`), and their time grows with the square.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, ObjectName, Query, Select, SetExpr, UnaryOperator, Visit, VisitMut, Visitor,
    VisitorMut,
};

use crate::error::QueryError;

/// A chain of `or` this long is made a tree.
const MIN_CHAIN: usize = 32;
/// Levels of an expression that are free: a balanced tree has fewer.
const FREE_DEPTH: u64 = 64;
/// The most that the depths of all links of chains may add up to: those of one chain of 1,400 terms.
const MAX_DEPTHS: u64 = 1_000_000;
/// Literals, columns and operators of a statement: a list of this many values is planned in some 3 s.
const MAX_EXPRESSIONS: u64 = 150_000;
/// Queries that `union` and the like put together; the engine's time grows with their square.
const MAX_SET_OPERATIONS: u64 = 1_000;
/// Tables and views of a statement, where `with` is written out.
const MAX_RELATIONS: u64 = 2_000;
/// Tables of a `with` that read one another: so many levels are free.
const FREE_WITH_DEPTH: u64 = 50;
/// The most that the squares of the levels beyond may add up to: those of one chain of some 200. The engine's memory grows with the
/// square; 200 tables over `events` take 330 MB to plan, and 1,000 took 6 GB.
const MAX_WITH_DEPTHS: u64 = 25_000;
/// Grouping sets that a `cube` stands for.
const MAX_GROUPING_SETS: u64 = 1_024;

/// Makes long chains of `or` shallow. The alternatives stay the same, and in their order.
pub(crate) fn balance_statement(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => balance(statement.as_mut()),
        Statement::Explain(explain) => balance_statement(&mut explain.statement),
        _ => {}
    }
}

/// As [`balance_statement`], for a part of one.
pub(crate) fn balance(part: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = part.visit(&mut Balancer);
}

/// Refuses a statement that the engine would plan for more than a few seconds.
///
/// # Errors
/// [`QueryError::TooLarge`].
pub(crate) fn check_statement(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => check(statement.as_ref()),
        Statement::Explain(explain) => check_statement(&explain.statement),
        _ => Ok(()),
    }
}

/// As [`check_statement`], for a part of one.
///
/// # Errors
/// [`QueryError::TooLarge`].
pub(crate) fn check(part: &impl Visit) -> Result<(), QueryError> {
    match part.visit(&mut Measure::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Takes chains of `or` apart and puts them together as trees.
struct Balancer;

impl VisitorMut for Balancer {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if is_long_chain(expr) {
            let mut terms = Vec::new();
            let mut rest = std::mem::replace(expr, Expr::Tuple(Vec::new()));
            while let Expr::BinaryOp { left, op: BinaryOperator::Or, right } = rest {
                terms.push(*right);
                rest = *left;
            }
            terms.push(rest);
            terms.reverse();
            *expr = tree_of(terms);
        }
        ControlFlow::Continue(())
    }
}

fn is_long_chain(expr: &Expr) -> bool {
    let mut left_ones = std::iter::successors(Some(expr), |expr| match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Or, .. } => Some(left.as_ref()),
        _ => None,
    });
    left_ones.nth(MIN_CHAIN).is_some()
}

/// A tree of `or` over these terms, of which there is at least one.
fn tree_of(terms: Vec<Expr>) -> Expr {
    let mut level = terms;
    while level.len() > 1 {
        let mut pairs = Vec::with_capacity(level.len().div_ceil(2));
        let mut terms = level.into_iter();
        while let Some(left) = terms.next() {
            pairs.push(match terms.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Or, right: Box::new(right) },
                None => left,
            });
        }
        level = pairs;
    }
    level.pop().expect("a chain has terms")
}

/// Measures a statement, until one of its sizes is too large.
#[derive(Default)]
struct Measure {
    /// The expressions around the one that is visited.
    outer: Vec<Level>,
    /// How many `and` each conjunction has that is not done; the engine makes a chain of it in any case.
    conjunctions: Vec<u64>,
    /// How deep the links of chains lie, added up.
    links: u64,
    /// The same for conjunctions as the chains that the engine makes of them.
    chained: u64,
    expressions: u64,
    queries: usize,
}

/// What an expression means for those in it.
struct Level {
    /// Whether a `not` turns `or` into `and`.
    is_negated: bool,
    /// Whether an `and` in it belongs to the same conjunction.
    is_conjunction: bool,
    /// Whether a conjunction begins with it.
    is_first: bool,
}

impl Measure {
    fn at_most(what: &'static str, count: u64, limit: u64, advice: &'static str) -> ControlFlow<Box<QueryError>> {
        match count > limit {
            true => ControlFlow::Break(Box::new(QueryError::TooLarge { what, advice })),
            false => ControlFlow::Continue(()),
        }
    }

    fn chains_at_most(&self) -> ControlFlow<Box<QueryError>> {
        Self::at_most(
            "an expression of more than some 1,400 terms one after the other",
            self.links.max(self.chained),
            MAX_DEPTHS,
            "compare with `column in (…)` or `column not in (…)`, or read the values from a file (`--attach NAME=FILE`)",
        )
    }
}

impl Visitor for Measure {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let operations = std::iter::successors(Some(query.body.as_ref()), |body| match body {
            SetExpr::SetOperation { left, .. } => Some(left),
            _ => None,
        });
        Self::at_most(
            "more than a thousand queries put together by UNION and the like",
            operations.count() as u64,
            MAX_SET_OPERATIONS,
            "write one query whose condition is `column in (…)`, or read the values from a file (`--attach NAME=FILE`)",
        )?;
        self.queries += 1;
        if self.queries > 1 {
            return ControlFlow::Continue(());
        }
        let mut relations = Relations::default();
        let ControlFlow::Continue(()) = query.visit(&mut relations);
        Self::at_most(
            "it reads more than two thousand tables, its WITH written out",
            relations.read_count(),
            MAX_RELATIONS,
            "read a table once and group its rows, or run it in steps",
        )?;
        Self::at_most(
            "more than some 200 tables of its WITH read one another in a row",
            relations.read_depths(),
            MAX_WITH_DEPTHS,
            "put the steps of several tables into one query, or run it in steps",
        )
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let GroupByExpr::Expressions(expressions, _) = &select.group_by else { return ControlFlow::Continue(()) };
        let sets = expressions.iter().map(|expression| match expression {
            Expr::Cube(columns) => {
                1_u64.checked_shl(u32::try_from(columns.len()).unwrap_or(u32::MAX)).unwrap_or(u64::MAX)
            }
            Expr::Rollup(columns) => columns.len() as u64 + 1,
            Expr::GroupingSets(sets) => sets.len() as u64,
            _ => 1,
        });
        Self::at_most(
            "its CUBE stands for more than 1,024 ways of grouping",
            sets.fold(1, u64::saturating_mul),
            MAX_GROUPING_SETS,
            "name the groupings that are wanted: `group by grouping sets ((a, b), (a), ())`",
        )
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let outer = self.outer.last();
        let is_negated = outer.is_some_and(|outer| outer.is_negated);
        let is_first = !outer.is_some_and(|outer| outer.is_conjunction);
        if is_first {
            self.conjunctions.push(0);
        }
        let is_and = match expr {
            Expr::BinaryOp { op: BinaryOperator::And, .. } => !is_negated,
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => is_negated,
            _ => false,
        };
        if let Some(count) = self.conjunctions.last_mut().filter(|_| is_and) {
            *count += 1;
        }
        let is_not = matches!(expr, Expr::UnaryOp { op: UnaryOperator::Not, .. });
        let is_conjunction = is_and || is_not || matches!(expr, Expr::Nested(_));
        self.outer.push(Level { is_negated: is_negated ^ is_not, is_conjunction, is_first });
        if is_link(expr) {
            self.links += (self.outer.len() as u64).saturating_sub(FREE_DEPTH);
        }
        self.expressions += 1;
        Self::at_most(
            "more than 150,000 values, columns and operators",
            self.expressions,
            MAX_EXPRESSIONS,
            "put the values in a file, give it with `--attach NAME=FILE`, and write `column in (select … from NAME)`",
        )?;
        self.chains_at_most()
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Self::Break> {
        if self.outer.pop().is_some_and(|level| level.is_first) {
            let count = self.conjunctions.pop().unwrap_or_default().saturating_sub(FREE_DEPTH);
            self.chained += count.saturating_mul(count) / 2;
        }
        self.chains_at_most()
    }
}

/// Whether an expression goes on in its first operand, as `a + b + c` does, and `a::text::int`.
fn is_link(expr: &Expr) -> bool {
    let first = match expr {
        Expr::BinaryOp { left, .. } => left,
        Expr::Cast { expr, .. } | Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => expr,
        Expr::CompoundFieldAccess { root, access_chain } => return access_chain.len() > 1 || is_link(root),
        _ => return false,
    };
    !matches!(first.as_ref(), Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
}

/// What a name of a `with` stands for.
#[derive(Debug, Clone, Copy)]
struct Named {
    /// Tables that it reads; at most one more than is allowed, so that no sum overflows.
    count: u64,
    /// The longest row of tables of a `with` that read one another, itself among them.
    depth: u64,
}

/// Counts the tables that a query reads where each name of a `with` stands for what it is made of, as the engine plans it.
#[derive(Default)]
struct Relations {
    /// Per name of a `with` that holds here.
    named: HashMap<String, Named>,
    /// The names that hold outside of each query around.
    outer: Vec<HashMap<String, Named>>,
    count: u64,
    /// How deep the deepest table of a `with` lies that is read.
    depth: u64,
    /// The squares of the depths beyond what is free, added up for each table that is read at such a depth.
    depths: u64,
    /// Of `count`: tables of a `with`, which are visited once for their name and once where they stand.
    counted_twice: u64,
    /// The same of `depths`.
    depths_twice: u64,
}

impl Relations {
    fn read_count(&self) -> u64 {
        self.count.saturating_sub(self.counted_twice)
    }

    fn read_depths(&self) -> u64 {
        self.depths.saturating_sub(self.depths_twice)
    }
}

impl Visitor for Relations {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        self.outer.push(self.named.clone());
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut of_table = Self { named: std::mem::take(&mut self.named), ..Self::default() };
            let ControlFlow::Continue(()) = table.query.visit(&mut of_table);
            let (count, depths, depth) = (of_table.read_count(), of_table.read_depths(), of_table.depth + 1);
            self.named = of_table.named;
            let of_name = Named { count: count.clamp(1, MAX_RELATIONS + 1), depth };
            self.named.insert(table.alias.name.value.to_lowercase(), of_name);
            self.counted_twice += count;
            self.depths_twice = self.depths_twice.saturating_add(depths);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Infallible> {
        self.named = self.outer.pop().unwrap_or_default();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Infallible> {
        let name = relation.to_string().to_lowercase();
        let Named { count, depth } =
            self.named.get(name.trim_matches('"')).copied().unwrap_or(Named { count: 1, depth: 0 });
        let beyond = depth.saturating_sub(FREE_WITH_DEPTH);
        self.count += count;
        self.depth = self.depth.max(depth);
        self.depths = self.depths.saturating_add(beyond.saturating_mul(beyond).saturating_mul(count));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::dialect::parse_statements;

    fn parsed(sql: &str) -> Statement {
        let mut statements = parse_statements(sql).expect("SQL");
        statements.pop().expect("a statement")
    }

    /// Why a statement is refused once it is balanced.
    fn refused(sql: &str) -> Option<&'static str> {
        let mut statement = parsed(sql);
        balance_statement(&mut statement);
        match check_statement(&statement) {
            Ok(()) => None,
            Err(QueryError::TooLarge { what, .. }) => Some(what),
            Err(other) => panic!("{other}"),
        }
    }

    fn terms(count: usize, operator: &str) -> String {
        (0..count).map(|number| format!("a = {number}")).collect::<Vec<_>>().join(operator)
    }

    /// A conjunction that is shallow as it is written.
    fn balanced(terms: &[&str]) -> String {
        match terms.split_at(terms.len() / 2) {
            ([], right) => right.join(""),
            (left, right) => format!("({} and {})", balanced(left), balanced(right)),
        }
    }

    #[test]
    fn alternatives_keep_their_order() {
        for count in [1, 2, 31, 33, 34, 100, 1000] {
            let sql = format!("SELECT 1 WHERE {}", terms(count, " OR "));
            let mut statement = parsed(&sql);
            balance_statement(&mut statement);
            assert_eq!(statement.to_string(), sql, "a tree is written like a chain");
        }
    }

    #[test]
    fn many_alternatives_are_taken_wherever_they_stand() {
        let alternatives = terms(20_000, " or ");
        for sql in [
            format!("select 1 from t where {alternatives}"),
            format!("explain select 1 from t where {alternatives}"),
            format!("select case when {alternatives} then 1 end from t"),
            format!("select 1 from t where b in (select c from u where {alternatives})"),
            format!("select 1 from t where {}", alternatives.replace(" = 7 or", " = 7 and b = 7 or")),
            format!("select 1 from t where b = 1 and ({alternatives})"),
        ] {
            assert_eq!(refused(&sql), None, "{:.60}", sql);
        }
    }

    #[test]
    fn chains_that_cannot_be_made_shallow_are_refused_from_a_length_on() {
        let deep = Some("an expression of more than some 1,400 terms one after the other");
        for (count, expected) in [(1_000, None), (3_000, deep)] {
            for sql in [
                format!("select 1 from t where {}", terms(count, " and ")),
                format!("select 1 from t where not ({})", terms(count, " or ")),
                format!(
                    "select 1 from t where b = 1 or {}",
                    balanced(&terms(count, ";").split(';').collect::<Vec<_>>())
                ),
                format!("select 1{}", " + 1".repeat(count)),
                format!("select a{} from t", " || 'b'".repeat(count)),
                format!("select a{} from t", " + 1 - 1".repeat(count / 2)),
                format!("select a{} from t", "::text".repeat(count)),
            ] {
                assert_eq!(refused(&sql), expected, "{:.60}", sql);
            }
        }
        let five = vec![terms(1_000, " and "); 5].join("), (");
        assert_eq!(refused(&format!("select ({five})")), deep, "several add up");
    }

    #[test]
    fn a_wide_statement_is_no_deep_one() {
        let columns: Vec<_> = (0..3_000).map(|number| format!("length(a) + {number}")).collect();
        assert_eq!(refused(&format!("select {} from t", columns.join(", "))), None);
        let whens: Vec<_> = (0..3_000).map(|number| format!("when a = {number} then {number}")).collect();
        assert_eq!(refused(&format!("select case {} end from t", whens.join(" "))), None);
    }

    #[test]
    fn long_lists_are_refused_from_a_length_on() {
        let list = |count| format!("select 1 from t where a in ({})", vec!["1"; count].join(", "));
        assert_eq!(refused(&list(100_000)), None);
        assert_eq!(refused(&list(160_000)), Some("more than 150,000 values, columns and operators"));
    }

    #[test]
    fn queries_that_multiply_are_refused() {
        let unions = |count| vec!["select 1"; count].join(" union all ");
        assert_eq!(refused(&unions(1_000)), None);
        assert_eq!(refused(&unions(1_001)), Some("more than a thousand queries put together by UNION and the like"));

        let doubled = |count: usize| {
            let tables = (1..count).map(|number| {
                let before = number - 1;
                format!(", T{number} as (select * from t{before} union all select * from \"t{before}\")")
            });
            format!("with t0 as (select 1 as a){} select * from t{}", tables.collect::<String>(), count - 1)
        };
        assert_eq!(refused(&doubled(11)), None);
        assert_eq!(refused(&doubled(12)), Some("it reads more than two thousand tables, its WITH written out"));
        assert_eq!(refused(&doubled(200)), Some("it reads more than two thousand tables, its WITH written out"));

        // The inner `a` is another one: what the outer ones are made of stays as it was.
        let outer: String = (0..9).map(|number| format!("c{number} as (select * from a), ")).collect();
        let inner = "d as (with a as (select 1 as k) select * from a)";
        let named_twice = format!("with a as (select 1 as k from x, y, z), {outer}{inner} select * from c1");
        assert_eq!(refused(&named_twice), None);
        let tables = |count| vec!["x"; count].join(", ");
        let shadowed = |count| format!("with a as (select 1 from {}), {inner} select * from a, a", tables(count));
        assert_eq!(refused(&shadowed(1_000)), None);
        assert_eq!(refused(&shadowed(1_001)), Some("it reads more than two thousand tables, its WITH written out"));

        let in_a_row = |count: usize| {
            let tables = (1..count).map(|number| format!(", a{number} as (select * from a{})", number - 1));
            format!("with a0 as (select * from events){} select * from a{}", tables.collect::<String>(), count - 1)
        };
        let deep = Some("more than some 200 tables of its WITH read one another in a row");
        for (count, expected) in [(200, None), (220, deep), (2_000, deep)] {
            assert_eq!(refused(&in_a_row(count)), expected, "{count}");
        }
        let twice = in_a_row(180).replace(" select * from a179", ", b as (select * from a179, a179) select * from b");
        assert_eq!(refused(&twice), deep, "several add up");

        assert_eq!(refused("select 1 from t group by cube(a, b, c), rollup(d, e)"), None);
        let cube: Vec<_> = (0..70).map(|number| format!("a{number}")).collect();
        for columns in [11, 70] {
            let sql = format!("select 1 from t group by cube({})", cube[..columns].join(", "));
            assert_eq!(refused(&sql), Some("its CUBE stands for more than 1,024 ways of grouping"));
        }
    }
}
