//! Values for the `$name` and `:name` of a statement, bound as values of a type and never put into the text.
//!
//! A parameter has the type that it is declared with (`since:timestamp`), else the type that the statement asks for where
//! it stands, else it is a text.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Select, UnaryOperator, Value, ValueWithSpan, VisitMut,
    VisitorMut, visit_expressions_mut,
};

use crate::error::QueryError;

/// A type that a parameter can be declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// A whole number of 64 bits.
    Integer,
    /// A floating-point number of 64 bits.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// A time in UTC.
    Timestamp,
    /// A span of time, such as `90 days`.
    Interval,
    /// A text.
    Text,
}

impl ParameterType {
    /// Names of the types, as they are declared.
    pub const NAMES: [&'static str; 7] = ["int", "float", "bool", "date", "timestamp", "interval", "text"];

    /// The type of a name, or of one of its customary synonyms.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "int" | "integer" | "bigint" => Self::Integer,
            "float" | "double" => Self::Float,
            "bool" | "boolean" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" | "time" => Self::Timestamp,
            "interval" => Self::Interval,
            "text" | "string" => Self::Text,
            _ => return None,
        })
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Text => DataType::Utf8,
        }
    }
}

/// Tells the engine the types of parameters that are added to something or taken from it, where they are declared: it would take
/// `time + :span` for a sum of two times, and plan nothing.
pub(crate) fn declare_types(statement: &mut Statement, parameters: &[(String, String)]) {
    let declared: HashMap<&str, ParameterType> = parameters
        .iter()
        .filter_map(|(name, text)| {
            let (name, (type_name, _)) = declared(name, text);
            Some((name, ParameterType::parse(type_name?)?))
        })
        .collect();
    let statement = match statement {
        Statement::Statement(statement) => statement.as_mut(),
        Statement::Explain(explain) => return declare_types(&mut explain.statement, parameters),
        _ => return,
    };
    if declared.is_empty() {
        return;
    }
    let visited = visit_expressions_mut(statement, |expr| {
        if let SqlExpr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, right } = expr {
            declare_type(left, &declared);
            declare_type(right, &declared);
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(visited.is_continue(), "nothing ends the visit");
}

/// Says of parameters that stand where a truth value has to that they are one: the engine asks for no type there, and they would be texts.
pub(crate) fn declare_truths(statement: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = statement.visit(&mut Truths);
}

struct Truths;

impl VisitorMut for Truths {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        let conditions = [&mut select.selection, &mut select.having, &mut select.qualify];
        conditions.into_iter().flatten().for_each(declare_truth);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<Infallible> {
        match expr {
            SqlExpr::UnaryOp { op: UnaryOperator::Not, expr } => declare_truth(expr),
            SqlExpr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                declare_truth(left);
                declare_truth(right);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn declare_truth(condition: &mut SqlExpr) {
    match condition {
        SqlExpr::Nested(inner) => declare_truth(inner),
        SqlExpr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }) => {
            let parameter = Box::new(condition.clone());
            *condition = SqlExpr::Cast {
                kind: CastKind::Cast,
                expr: parameter,
                data_type: SqlType::Boolean,
                array: false,
                format: None,
            };
        }
        _ => {}
    }
}

/// Puts a parameter into a cast to its declared type.
fn declare_type(operand: &mut SqlExpr, declared: &HashMap<&str, ParameterType>) {
    if let SqlExpr::Nested(inner) = operand {
        return declare_type(inner, declared);
    }
    let SqlExpr::Value(ValueWithSpan { value: Value::Placeholder(id), .. }) = operand else { return };
    let Some(declared) = id.get(1..).and_then(|name| declared.get(name)) else { return };
    let data_type = Value::SingleQuotedString(declared.data_type().to_string());
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    let args = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![argument(operand.clone()), argument(SqlExpr::Value(data_type.into()))],
        clauses: Vec::new(),
    };
    *operand = SqlExpr::Function(Function {
        name: ObjectName::from(vec![Ident::new("arrow_cast")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
}

/// Puts the values in place of the parameters.
///
/// # Errors
/// [`QueryError::MissingParameter`] and [`QueryError::BadParameter`].
pub(crate) fn bind(plan: LogicalPlan, parameters: &[(String, String)]) -> Result<LogicalPlan, QueryError> {
    let wanted = wanted_types(&plan).map_err(QueryError::planning)?;
    if wanted.is_empty() {
        return Ok(plan);
    }
    let given: HashMap<&str, (Option<&str>, &str)> =
        parameters.iter().map(|(name, text)| declared(name, text)).collect();
    let mut names: Vec<_> = wanted.keys().collect();
    names.sort();
    let mut values = HashMap::new();
    for name in names {
        let missing = || QueryError::MissingParameter { name: name.clone() };
        let (type_name, text) = *given.get(name.as_str()).ok_or_else(missing)?;
        values.insert(name.clone(), value(name, type_name, text, &wanted[name])?.into());
    }
    plan.with_param_values(ParamValues::Map(values)).map_err(QueryError::planning)
}

/// `name:type` and a text as name, type and text.
fn declared<'a>(name: &'a str, text: &'a str) -> (&'a str, (Option<&'a str>, &'a str)) {
    match name.split_once(':') {
        Some((name, type_name)) => (name, (Some(type_name), text)),
        None => (name, (None, text)),
    }
}

/// The parameters of a plan with the types that it asks for where they stand.
fn wanted_types(plan: &LogicalPlan) -> Result<HashMap<String, Vec<DataType>>, DataFusionError> {
    let mut wanted: HashMap<String, Vec<DataType>> = HashMap::new();
    plan.apply_with_subqueries(|node| {
        let is_limit = matches!(node, LogicalPlan::Limit(_));
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                // The type of a truth value is said by a cast; others of a user's own may be of texts that are no value of the type yet.
                if let Expr::Cast(Cast { expr, field }) = part
                    && field.data_type() == &DataType::Boolean
                    && let Expr::Placeholder(placeholder) = expr.as_ref()
                {
                    wanted.entry(placeholder.id[1..].to_owned()).or_default().push(DataType::Boolean);
                }
                if let Expr::Placeholder(placeholder) = part {
                    let types = wanted.entry(placeholder.id[1..].to_owned()).or_default();
                    let of_place = placeholder.field.as_ref().map(|field| field.data_type().clone());
                    types.extend(of_place.or_else(|| is_limit.then_some(DataType::Int64)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(wanted)
}

/// The value of a parameter.
fn value(name: &str, type_name: Option<&str>, text: &str, wanted: &[DataType]) -> Result<ScalarValue, QueryError> {
    let bad = |expected: &str| QueryError::BadParameter {
        name: name.to_owned(),
        text: text.to_owned(),
        expected: expected.to_owned(),
    };
    if let Some(type_name) = type_name {
        let declared = ParameterType::parse(type_name).ok_or_else(|| bad(type_name))?;
        return parsed(text, &declared.data_type()).ok_or_else(|| bad(type_name));
    }
    let Some(first) = wanted.first().filter(|first| wanted.iter().all(|other| other == *first)) else {
        return Ok(ScalarValue::Utf8(Some(text.to_owned())));
    };
    let of_place = parsed(text, first);
    // `record_index > $n` may be asked with 1.5.
    let number = || first.is_integer().then(|| parsed(text, &DataType::Float64)).flatten();
    of_place.or_else(number).ok_or_else(|| bad(&type_word(first)))
}

/// The text as a value of a type; none where it is no such value.
fn parsed(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) | DataType::Null => {
            Some(ScalarValue::Utf8(Some(text.to_owned())))
        }
        data_type if data_type.is_nested() => Some(ScalarValue::Utf8(Some(text.to_owned()))),
        data_type => {
            ScalarValue::try_from_string(text.trim().to_owned(), data_type).ok().filter(|value| !value.is_null())
        }
    }
}

/// A type in the words of SQL.
fn type_word(data_type: &DataType) -> String {
    match data_type {
        data_type if data_type.is_integer() => "int".to_owned(),
        data_type if data_type.is_numeric() => "float".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}
