//! What `->` gives where it is not shown, stored, grouped by or asked for a member: the type that its place asks for.
//!
//! It is JSON text, and the engine would compare `"a"` with `a` and `9` with `10` as texts. Beside numbers it is a number, beside texts and in
//! functions what `->>` gives, beside truth values one. Where nothing tells what it is to be (sorted, added to, the greatest of a group) it is
//! refused: a text that is sorted by its letters is as wrong as a number that is.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::logical_expr::expr::{
    AggregateFunction, Alias, Between, Case, Cast, InList, InSubquery, Like, ScalarFunction, Sort, TryCast,
};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, DistinctOn, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, when,
};
use datafusion_functions_json::udfs;

use super::Inputs;
use crate::error::QueryError;
use crate::functions::json_get::{JSON_GET, is_json_field};

/// Functions that compare what they are given, by its type.
const COMPARING: [&str; 9] = ["max", "min", "sum", "avg", "mean", "median", "greatest", "least", "array_sort"];
/// Functions that tell of what they are given.
const LOOKING: [&str; 4] = ["arrow_typeof", "arrow_metadata", "arrow_cast", "arrow_try_cast"];

pub(super) fn mend(expr: Expr, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let is_json = |expr: &Expr| is_json(expr, inputs);
    Ok(match expr {
        Expr::ScalarFunction(function) => return mend_call(function, inputs),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_json(&left) || is_json(&right) => {
            Transformed::yes(beside(*left, op, *right, inputs)?)
        }
        Expr::Cast(Cast { expr, field }) if is_json(&expr) => {
            let value = value_for(field.data_type(), *expr);
            Transformed::yes(Expr::Cast(Cast { expr: Box::new(value), field }))
        }
        Expr::TryCast(TryCast { expr, field }) if is_json(&expr) => {
            let value = value_for(field.data_type(), *expr);
            Transformed::yes(Expr::TryCast(TryCast { expr: Box::new(value), field }))
        }
        Expr::Negative(expr) if is_json(&expr) => return refuse("arithmetic with what `->` gives"),
        Expr::Not(expr) if is_json(&expr) => Transformed::yes(Expr::Not(Box::new(truth(*expr)))),
        Expr::Like(Like { negated, expr, pattern, escape_char, case_insensitive })
            if is_json(&expr) || is_json(&pattern) =>
        {
            let (expr, pattern) = (text_if(is_json(&expr), *expr), text_if(is_json(&pattern), *pattern));
            Transformed::yes(Expr::Like(Like::new(
                negated,
                Box::new(expr),
                Box::new(pattern),
                escape_char,
                case_insensitive,
            )))
        }
        Expr::Between(Between { expr, negated, low, high })
            if [&expr, &low, &high].into_iter().any(|part| is_json(part)) =>
        {
            let above = compared(expr.as_ref().clone(), Operator::GtEq, *low, inputs)?;
            let within = above.and(compared(*expr, Operator::LtEq, *high, inputs)?);
            Transformed::yes(if negated { !within } else { within })
        }
        Expr::InList(InList { expr, list, negated }) if is_json(&expr) || list.iter().any(is_json) => {
            Transformed::yes(among(*expr, list, negated, inputs)?)
        }
        Expr::InSubquery(question) => return mend_question(question, inputs),
        Expr::Case(case) => return mend_case(case, inputs),
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            refuse_orders(&params.order_by, inputs)?;
            let is_changed = mend_arguments(func.name(), &mut params.args, inputs)?;
            Transformed::new_transformed(Expr::AggregateFunction(AggregateFunction { func, params }), is_changed)
        }
        Expr::WindowFunction(mut function) => {
            refuse_orders(&function.params.order_by, inputs)?;
            let name = function.fun.name().to_owned();
            let is_changed = mend_arguments(&name, &mut function.params.args, inputs)?;
            Transformed::new_transformed(Expr::WindowFunction(function), is_changed)
        }
        other => Transformed::no(other),
    })
}

/// Refuses a node of a plan that orders rows by JSON, or joins by it.
pub(super) fn check_node(node: &LogicalPlan, inputs: &Inputs) -> Result<()> {
    match node {
        LogicalPlan::Sort(sort) => refuse_orders(&sort.expr, inputs),
        LogicalPlan::Distinct(Distinct::On(DistinctOn { sort_expr: Some(keys), .. })) => refuse_orders(keys, inputs),
        LogicalPlan::Join(join)
            if join.on.iter().any(|(left, right)| is_json(left, inputs) || is_json(right, inputs)) =>
        {
            refuse("a join by what `->` gives")
        }
        _ => Ok(()),
    }
}

fn refuse_orders(keys: &[Sort], inputs: &Inputs) -> Result<()> {
    match keys.iter().any(|key| is_json(&key.expr, inputs)) {
        true => refuse("sorting by what `->` gives, which may be a number or a text"),
        false => Ok(()),
    }
}

fn refuse<T>(what: &str) -> Result<T> {
    let refused = QueryError::Unsupported { what: what.to_owned(), instead: Some(AS_WHAT.to_owned()) };
    Err(DataFusionError::External(Box::new(refused)))
}

/// What to write instead.
const AS_WHAT: &str =
    "say what it is: a text, `request_parameters ->> 'keyId'`, or a number, `(request_parameters ->> 'limit')::double`";

/// Whether an expression gives JSON, as far as its field says so.
fn is_json(expr: &Expr, inputs: &Inputs) -> bool {
    match expr {
        Expr::Alias(Alias { expr, .. }) => is_json(expr, inputs),
        Expr::ScalarFunction(_) => is_json_get(expr),
        Expr::Column(column) => {
            inputs.has_json()
                && inputs.schema().qualified_field_from_column(column).is_ok_and(|(_, field)| is_json_field(field))
        }
        Expr::OuterReferenceColumn(field, _) => is_json_field(field),
        Expr::ScalarSubquery(query) => has_json(query.subquery.schema()),
        _ => false,
    }
}

fn is_json_get(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if [JSON_GET, "json_get_json"].contains(&call.func.name()))
}

/// Whether a schema has columns of JSON.
pub(super) fn has_json(schema: &DFSchema) -> bool {
    schema.fields().iter().any(|field| is_json_field(field))
}

/// JSON as another function gives it.
fn read(function: Arc<ScalarUDF>, json: Expr) -> Expr {
    let args = match json.unalias_nested().data {
        Expr::ScalarFunction(call) if call.func.name() == JSON_GET => call.args,
        other => vec![other],
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(function, args))
}

fn text(json: Expr) -> Expr {
    read(udfs::json_as_text_udf(), json)
}

fn text_if(is_json: bool, expr: Expr) -> Expr {
    if is_json { text(expr) } else { expr }
}

fn truth(json: Expr) -> Expr {
    read(udfs::json_get_bool_udf(), json)
}

fn number(json: Expr) -> Expr {
    read(udfs::json_get_float_udf(), json)
}

/// JSON as what is cast to a type.
fn value_for(data_type: &DataType, json: Expr) -> Expr {
    match data_type {
        DataType::Boolean => truth(json),
        DataType::Float32 | DataType::Float64 => number(json),
        whole if whole.is_integer() => read(udfs::json_get_int_udf(), json),
        _ => text(json),
    }
}

fn mend_call(mut call: ScalarFunction, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let function = Arc::clone(&call.func);
    let name = function.name();
    let is_changed =
        if name.starts_with("json_") { shorten(&mut call) } else { mend_arguments(name, &mut call.args, inputs)? };
    Ok(Transformed::new_transformed(Expr::ScalarFunction(call), is_changed))
}

/// `a -> 'b' ->> 'c'` reads the text once where the path is written down.
fn shorten(call: &mut ScalarFunction) -> bool {
    let Some(Expr::ScalarFunction(inner)) = call.args.first().map(unaliased) else { return false };
    let is_written = |args: &[Expr]| args.iter().skip(1).all(|step| matches!(step, Expr::Literal(..)));
    let gives_json = inner.func.name() == JSON_GET;
    if !gives_json || call.args.len() < 2 || !is_written(&inner.args) || !is_written(&call.args) {
        return false;
    }
    let mut args = inner.args.clone();
    args.extend(call.args.drain(1..));
    call.args = args;
    true
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(Alias { expr, .. }) => unaliased(expr),
        other => other,
    }
}

/// Gives a function texts for JSON; whether there was any.
fn mend_arguments(name: &str, args: &mut [Expr], inputs: &Inputs) -> Result<bool> {
    if LOOKING.contains(&name) || !args.iter().any(|arg| is_json(arg, inputs)) {
        return Ok(false);
    }
    let is_compared = COMPARING.contains(&name) || (["max_by", "min_by"].contains(&name) && is_json(&args[1], inputs));
    if is_compared {
        return refuse(&format!("{name} of what `->` gives"));
    }
    for arg in args {
        if is_json(arg, inputs) {
            *arg = text(arg.clone());
        }
    }
    Ok(true)
}

/// An operator beside JSON.
fn beside(left: Expr, op: Operator, right: Expr, inputs: &Inputs) -> Result<Expr> {
    let (is_left, is_right) = (is_json(&left, inputs), is_json(&right, inputs));
    match op {
        Operator::And | Operator::Or => {
            let side = |is_json, side| if is_json { truth(side) } else { side };
            Ok(binary(side(is_left, left), op, side(is_right, right)))
        }
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            refuse("arithmetic with what `->` gives")
        }
        _ if is_comparison(op) && is_left => compared(left, op, right, inputs),
        _ if is_comparison(op) => match op.swap() {
            Some(op) => compared(right, op, left, inputs),
            None => refuse("such a comparison of what `->` gives"),
        },
        _ => Ok(binary(text_if(is_left, left), op, text_if(is_right, right))),
    }
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// A comparison, where one side at least is JSON.
fn compared(json: Expr, op: Operator, other: Expr, inputs: &Inputs) -> Result<Expr> {
    match (is_json(&json, inputs), is_json(&other, inputs)) {
        (true, true) => return refuse("a comparison of what `->` gives with another such value"),
        (false, true) => match op.swap() {
            Some(op) => return compared(other, op, json, inputs),
            None => return refuse("such a comparison of what `->` gives"),
        },
        (false, false) => return Ok(binary(json, op, other)),
        (true, false) => {}
    }
    let is_order =
        !matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
    match inputs.type_of(&other) {
        Some(DataType::Boolean) => Ok(binary(truth(json), op, other)),
        Some(kind) if kind.is_integer() => as_number(json, |number| binary(number, op, other.clone())),
        Some(kind) if kind.is_numeric() => {
            Ok(binary(number(json), op, other.cast_to(&DataType::Float64, inputs.schema())?))
        }
        Some(kind) if is_order && kind.is_string() => refuse("ordering what `->` gives by a text"),
        _ => Ok(binary(text(json), op, other)),
    }
}

/// What is asked of a number, of whole ones exactly: doubles have 53 bits.
fn as_number(json: Expr, asked: impl Fn(Expr) -> Expr) -> Result<Expr> {
    let whole = read(udfs::json_get_int_udf(), json.clone());
    when(whole.clone().is_not_null(), asked(whole)).otherwise(asked(number(json)))
}

/// `json in (…)`, `value in (json, …)`
fn among(expr: Expr, list: Vec<Expr>, negated: bool, inputs: &Inputs) -> Result<Expr> {
    if list.iter().any(|element| is_json(element, inputs)) {
        let equal = list.into_iter().map(|element| compared(expr.clone(), Operator::Eq, element, inputs));
        let any = equal.reduce(|any, next| Ok(any?.or(next?)));
        let any = any.unwrap_or_else(|| refuse("an empty list"))?;
        return Ok(if negated { !any } else { any });
    }
    let is_in = |value: Expr| value.in_list(list.clone(), negated);
    let types = list.iter().filter_map(|element| inputs.type_of(element)).filter(|kind| !kind.is_null());
    let types: Vec<DataType> = types.collect();
    if types.is_empty() || types.iter().all(DataType::is_string) {
        return Ok(is_in(text(expr)));
    }
    if types.iter().all(DataType::is_integer) {
        return as_number(expr, is_in);
    }
    if types.iter().all(DataType::is_numeric) {
        return Ok(is_in(number(expr)));
    }
    refuse("a list of several types for what `->` gives")
}

fn mend_question(question: InSubquery, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let InSubquery { expr, subquery, negated } = question;
    let asked = subquery.subquery.schema();
    if has_json(asked) {
        return refuse("a list of what `->` gives");
    }
    if !is_json(&expr, inputs) {
        return Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })));
    }
    let expr = match asked.fields().first().map(|field| field.data_type()) {
        Some(kind) if kind.is_numeric() => number(*expr),
        _ => text(*expr),
    };
    Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr: Box::new(expr), subquery, negated })))
}

fn mend_case(case: Case, inputs: &Inputs) -> Result<Transformed<Expr>> {
    let Case { expr, when_then_expr, else_expr } = case;
    let is_json = |expr: &Expr| is_json(expr, inputs);
    let is_base = expr.as_ref().is_some_and(|base| is_json(base));
    let has_json = when_then_expr.iter().any(|(when, then)| is_json(when) || is_json(then));
    if !is_base && !has_json && !else_expr.as_ref().is_some_and(|value| is_json(value)) {
        return Ok(Transformed::no(Expr::Case(Case { expr, when_then_expr, else_expr })));
    }
    let as_text = |expr: Box<Expr>| Box::new(text_if(is_json(&expr), *expr));
    let branch = |(when, then): (Box<Expr>, Box<Expr>)| {
        let when = match &expr {
            // Compared one by one, as the type of each asks for.
            Some(base) if is_base || is_json(&when) => {
                Box::new(compared(base.as_ref().clone(), Operator::Eq, *when, inputs)?)
            }
            Some(base) if has_json => Box::new(base.as_ref().clone().eq(*when)),
            _ if is_json(&when) => Box::new(truth(*when)),
            _ => when,
        };
        Ok((when, as_text(then)))
    };
    let when_then_expr = when_then_expr.into_iter().map(branch).collect::<Result<Vec<_>>>()?;
    let expr = expr.filter(|_| !is_base && !has_json);
    Ok(Transformed::yes(Expr::Case(Case { expr, when_then_expr, else_expr: else_expr.map(as_text) })))
}
