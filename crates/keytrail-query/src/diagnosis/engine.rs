//! What the engine's errors say, told in the words of the person who typed the statement.
//!
//! Kinds and spans are used where the engine has them; where it has words only, those are read here and nowhere else.
//! Words that are not understood are passed on as they are.

use std::ops::Range;

use arrow_schema::ArrowError;
use chrono::NaiveDate;
use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::{Diagnosis, KnownNames, instead, place, similar, words};
use crate::logical::{is_far_time, written_time};
use crate::statement::dialect;

/// Columns that are listed at most where none is alike.
const LISTED_COLUMNS: usize = 8;
/// Signatures of a function that are listed at most.
const LISTED_SIGNATURES: usize = 3;

/// Words that a statement can begin with.
const FIRST_WORDS: [&str; 7] = ["select", "with", "explain", "describe", "show", "values", "from"];
/// Words between which misspelt ones are looked for.
const CLAUSES: [&str; 14] = [
    "from", "where", "group", "order", "having", "limit", "join", "union", "distinct", "between", "offset", "qualify",
    "and", "by",
];

/// Tells what is wrong with `sql`.
pub(super) fn diagnose(sql: &str, error: &DataFusionError, names: &KnownNames) -> Diagnosis {
    let (error, engine) = innermost(error);
    let span = engine.and_then(|diagnostic| diagnostic.span).and_then(|span| place::of_span(sql, span));
    let told = match error {
        DataFusionError::SQL(error, _) => of_syntax(sql, error),
        DataFusionError::SchemaError(error, _) => of_schema(sql, error),
        DataFusionError::ArrowError(error, _) => of_value(sql, error),
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => of_plan(sql, message, names),
        DataFusionError::NotImplemented(message) => of_unsupported(sql, message),
        DataFusionError::Internal(message) => of_internal(sql, message),
        _ => Diagnosis::default(),
    };
    let told = of_far_time(sql, error).or_else(|| of_pattern(sql, error)).unwrap_or(told);
    // The parser marks the word that it stumbles over; of_token may know better which is wrong.
    let is_syntax = matches!(error, DataFusionError::SQL(..));
    let place = if is_syntax { told.place.or(span) } else { span.or(told.place) };
    let problem = told.problem.as_deref().map(words::in_sql);
    let mut advice: Vec<_> = told.advice.iter().map(|advice| words::in_sql(advice)).collect();
    // The letter is taken for a column, or for the end of what stands before it.
    let escaped = place::of_escaped_text(sql);
    if escaped.is_some_and(|escaped| place.as_ref().is_some_and(|place| escaped.contains(&place.start))) {
        advice = vec![ESCAPED.to_owned()];
    }
    Diagnosis { place, problem, advice, similar: told.similar }
}

/// For texts of PostgreSQL with backslashes.
const ESCAPED: &str = "texts have no escapes: write `'a' || chr(10) || 'b'` for a line end, `chr(9)` for a tab";

/// What the engine does not do, in its own words.
fn of_unsupported(sql: &str, message: &str) -> Diagnosis {
    if message.contains("does not support logical expression Exists") || message.contains("expression InSubquery") {
        return of_question(sql);
    }
    if message.contains("logical expression ScalarSubquery") || message.contains("expression OuterReferenceColumn") {
        return Diagnosis {
            problem: Some(
                "not supported: a subquery whose rows are tied to those outside by more than equalities".to_owned(),
            ),
            place: place::of_value_query(sql),
            advice: vec![TIED.to_owned()],
            ..Diagnosis::default()
        };
    }
    if message.contains("CAST from Map") {
        let problem = Some("not supported: a cast of a map".to_owned());
        return Diagnosis { problem, advice: vec![MAPS.to_owned()], ..Diagnosis::default() };
    }
    if let Some(member) =
        quoted_after(message, "Dot access not supported for non-string expr: Identifier(Ident { value: \"")
    {
        return Diagnosis {
            problem: Some("not supported: a dot behind a value".to_owned()),
            place: place::of_symbol(sql, member),
            advice: vec![format!("write its member in brackets: `(…)['{member}']`")],
            ..Diagnosis::default()
        };
    }
    if message.starts_with("ORDER BY ALL") {
        return Diagnosis {
            problem: Some("not supported: `order by all` beside `*` and expressions".to_owned()),
            place: place::of_name(sql, "all"),
            advice: vec!["write the places of the columns: `order by 1, 2`".to_owned()],
            ..Diagnosis::default()
        };
    }
    if let Some(told) = of_unread(sql, message) {
        return told;
    }
    let word = message.split_whitespace().next().unwrap_or_default();
    Diagnosis {
        problem: Some(format!("not supported: {}", first_line(message))),
        place: place::of_name(sql, word),
        advice: instead::word(word).map(str::to_owned).into_iter().collect(),
        ..Diagnosis::default()
    }
}

/// Parts of a statement that the parser reads and the engine does not.
fn of_unread(sql: &str, message: &str) -> Option<Diagnosis> {
    let told = |problem: String, place, advice: &str| {
        Some(Diagnosis { problem: Some(problem), place, advice: vec![advice.to_owned()], ..Diagnosis::default() })
    };
    if let Some(name) = quoted_after(message, "value: Placeholder(\"") {
        let place = place::of_parameter(sql, name.trim_start_matches(['$', ':']));
        return told(
            format!("not supported: the parameter `{name}` in this place"),
            place,
            "write the value out: `at time zone 'Europe/Berlin'`",
        );
    }
    if message.contains("Unsupported Interval Expression") {
        let place = place::of_name(sql, "interval");
        return told(
            "not supported: an interval of two units".to_owned(),
            place,
            "write `interval '1 hour 30 minutes'`",
        );
    }
    if message.contains("unary operator BitwiseNot") {
        return told("not supported: `~`".to_owned(), place::of_symbol(sql, "~"), "write `-n - 1`");
    }
    if message.contains("NationalStringLiteral") {
        return told("not supported: `N'…'`".to_owned(), None, "write the text without the letter: `'…'`");
    }
    let (_, name) = message.split_once("Unsupported SQL type ")?;
    let bare = name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    told(
        format!("not supported: the type `{}`", first_line(name).to_lowercase()),
        place::of_name(sql, bare),
        "types are `text`, `bigint`, `double`, `decimal(38, 0)`, `boolean`, `date`, `timestamp` and `interval`",
    )
}

/// What the engine takes for a mistake of its own, without its words about that: the statement is one that it cannot run.
fn of_internal(sql: &str, message: &str) -> Diagnosis {
    if message.contains("Expected a Map type") {
        return Diagnosis {
            problem: Some("a map is expected".to_owned()),
            place: place::of_name(sql, "element_at"),
            advice: vec![
                "an element of a list is `resources[1]`, a value of a map `encryption_context['aws:s3:arn']`"
                    .to_owned(),
            ],
            ..Diagnosis::default()
        };
    }
    Diagnosis {
        problem: Some(format!("not supported: {}", lower_first(first_line(message)))),
        advice: vec!["write it in another way: take its parts apart, `select … from (select …)`".to_owned()],
        ..Diagnosis::default()
    }
}

/// A question about rows of a query where the engine has no answer for it.
fn of_question(sql: &str) -> Diagnosis {
    let place = ["exists", "in"].iter().find_map(|word| place::of_word_before_query(sql, word));
    Diagnosis {
        problem: Some("not supported: `exists` or `in` over a subquery in this place".to_owned()),
        place,
        advice: vec![
            "ask it in `where`, or in the select list of a query of its own: `select … from (select *, exists (…) as is_found from …)`"
                .to_owned(),
        ],
        ..Diagnosis::default()
    }
}

/// The error below all wrappers, and what the engine's own diagnosis says on the way.
fn innermost(mut error: &DataFusionError) -> (&DataFusionError, Option<&Diagnostic>) {
    let mut diagnostic = None;
    loop {
        error = match error {
            DataFusionError::Diagnostic(found, inner) => {
                diagnostic = Some(found.as_ref());
                inner
            }
            DataFusionError::Context(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Collection(errors) if !errors.is_empty() => &errors[0],
            _ => return (error, diagnostic),
        }
    }
}

/// A text that the parser does not take: `Expected: WHAT, found: TOKEN at Line: 1, Column: 2`.
fn of_syntax(sql: &str, error: &ParserError) -> Diagnosis {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => {
            return Diagnosis {
                problem: Some("the statement is nested too deeply".to_owned()),
                ..Diagnosis::default()
            };
        }
    };
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, position)) => (what, line_and_column(position).and_then(|(l, c)| place::of_line(sql, l, c))),
        None => (message, None),
    };
    if what.starts_with("Unterminated string") {
        let advice = vec!["a quote within a text is written twice: `'it''s'`".to_owned()];
        return Diagnosis { problem: Some("a text is not closed".to_owned()), place, advice, ..Diagnosis::default() };
    }
    if what.starts_with("No infix parser for token Sharp") {
        return Diagnosis {
            problem: Some("no such operator: `#`".to_owned()),
            place,
            advice: vec!["the exclusive or is `(a | b) - (a & b)`".to_owned()],
            ..Diagnosis::default()
        };
    }
    let Some((expected, found)) = what.strip_prefix("Expected: ").and_then(|what| what.split_once(", found: ")) else {
        return Diagnosis { problem: Some(lower_first(what)), place, ..Diagnosis::default() };
    };
    if let Some(told) = place.as_ref().and_then(|place| of_inner_query(sql, expected, place)) {
        return told;
    }
    of_token(sql, expected, found.trim(), place)
}

/// A query in brackets that is none. The parser takes them for those of a join then, and stumbles over the first comma.
fn of_inner_query(sql: &str, expected: &str, place: &Range<usize>) -> Option<Diagnosis> {
    if !expected.starts_with("joined table") {
        return None;
    }
    let inner = place::of_brackets_around(sql, place)?;
    let text = sql.get(inner.clone())?;
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_query = ["select", "with", "values", "from"].iter().any(|word| first.eq_ignore_ascii_case(word));
    let error = if is_query { dialect::parse_statements(text).err()? } else { return None };
    let (DataFusionError::SQL(error, _), _) = innermost(&error) else { return None };
    let told = of_syntax(text, error);
    let place = told.place.map(|place| place.start + inner.start..place.end + inner.start);
    Some(Diagnosis { place, ..told })
}

/// A token that the parser did not expect.
fn of_token(sql: &str, expected: &str, found: &str, place: Option<Range<usize>>) -> Diagnosis {
    let expected = lower_first(expected.trim_end_matches('.'));
    if found == "EOF" {
        let end = sql.trim_end().len();
        let problem = Some(format!("the statement ends too early: {expected} is missing"));
        let last =
            place::word_before(sql, &(end..end)).map(|(word, _)| format!("complete it, or end it before `{word}`"));
        return Diagnosis {
            problem,
            place: Some(end..end),
            advice: last.into_iter().collect(),
            ..Diagnosis::default()
        };
    }
    let is_first = place.as_ref().is_some_and(|place| sql[..place.start].trim().is_empty());
    let known = if is_first { &FIRST_WORDS[..] } else { &CLAUSES[..] };
    let before = place.as_ref().and_then(|place| place::word_before(sql, place));
    let mut told = Diagnosis {
        problem: Some(format!("expected {expected}, found `{found}`")),
        similar: misspelt(found, known),
        advice: instead::word(found).map(str::to_owned).into_iter().collect(),
        place,
    };
    if ["group", "order", "partition"].iter().any(|word| found.eq_ignore_ascii_case(word)) && !is_first {
        told.advice.push(format!("write `{} by`", found.to_ascii_lowercase()));
    }
    if expected == "MATCH_CONDITION" {
        told.advice.extend(instead::word("asof").map(str::to_owned));
    }
    if found == "*" && told.place.as_ref().is_some_and(|place| sql[..place.start].ends_with('*')) {
        told.advice.push("write `power(2, 10)`".to_owned());
    }
    if found.eq_ignore_ascii_case("for") && expected == "]" {
        told.advice.push(
            "there are no expressions over a list: take it apart, `select x + 1 from unnest([1, 2]) x`".to_owned(),
        );
    }
    let is_open = |bracket: &str| place::has_open_bracket(sql, bracket);
    if told.advice.is_empty()
        && told.similar.is_empty()
        && matches!(expected.as_str(), ")" | "]" | "}")
        && is_open(&expected)
    {
        told.advice.push(format!("a bracket is not closed: put `{expected}` in front of `{found}`"));
    }
    // `select a form events`: `form` is a name for `a`, and only `events` is one word too many.
    if let Some((word, place)) = before.filter(|_| told.similar.is_empty() && told.advice.is_empty()) {
        told.advice = instead::word(&word).map(str::to_owned).into_iter().collect();
        told.similar = misspelt(&word, &CLAUSES);
        if !told.similar.is_empty() {
            told.problem = Some(format!("not a word of SQL here: `{word}`"));
        }
        if !(told.similar.is_empty() && told.advice.is_empty()) {
            told.place = Some(place);
        }
    }
    told
}

/// Keywords like a word that is none itself.
fn misspelt(word: &str, known: &[&str]) -> Vec<String> {
    let is_keyword = known.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
    if is_keyword { Vec::new() } else { similar(word, known.iter().copied()) }
}

/// `3, Column: 8`
fn line_and_column(text: &str) -> Option<(u64, u64)> {
    let (line, column) = text.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn of_schema(sql: &str, error: &SchemaError) -> Diagnosis {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => of_unknown_column(sql, field, valid_fields),
        SchemaError::AmbiguousReference { field } => Diagnosis {
            problem: Some(format!("several tables have this column: `{}`", field.name)),
            place: place::of_spans(sql, field.spans()).or_else(|| place::of_name(sql, &field.name)),
            advice: vec![format!("say of which table it is, such as `e.{}`", field.name)],
            ..Diagnosis::default()
        },
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            of_repeated_name(sql, name)
        }
    }
}

fn of_repeated_name(sql: &str, name: &str) -> Diagnosis {
    Diagnosis {
        problem: Some(format!("two columns have one name: `{name}`")),
        place: place::of_name(sql, name),
        advice: vec![format!("give one of them another name with `as`, as in `{name} as other_{name}`")],
        ..Diagnosis::default()
    }
}

/// The name in `Projections require unique expression names but the expression "u.id" at position 0 and …`.
fn repeated_name(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("require unique expression names but the expression \"")?;
    let (expr, _) = rest.split_once("\" at position ")?;
    let name = expr.rsplit_once(" AS ").map_or(expr, |(_, name)| name);
    let name = name.rsplit('.').next().unwrap_or(name);
    // Else it is an expression, of the engine's own making.
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}

fn of_unknown_column(sql: &str, field: &Column, valid: &[Column]) -> Diagnosis {
    let place = place::of_spans(sql, field.spans()).or_else(|| place::of_name(sql, &field.name));
    if valid.is_empty() {
        let problem = Some(format!("no such column: `{}`; the statement reads no table", field.name));
        let advice = vec!["a text stands in single quotes: `'text'`; a table is read with `from`".to_owned()];
        return Diagnosis { problem, place, advice, ..Diagnosis::default() };
    }
    let relations = relations(valid);
    let wanted = field.relation.as_ref().map(|relation| relation.table().to_owned());
    if let Some(unknown) = wanted.filter(|wanted| !relations.iter().any(|known| known == wanted)) {
        return Diagnosis {
            problem: Some(format!("the statement has no table or alias of this name: `{unknown}`")),
            place,
            similar: similar(&unknown, relations.iter().map(String::as_str)),
            advice: match ATHENA.iter().find(|(name, _)| unknown.eq_ignore_ascii_case(name)) {
                Some((_, advice)) => vec![(*advice).to_owned()],
                None => vec![format!("its tables and aliases: {}", relations.join(", "))],
            },
        };
    }
    if place::is_alias(sql, &field.name) {
        let advice = "it is an alias of this select list, which neither its other columns nor `where` know: write the expression again, or ask around it, `select … from (select …) where …`";
        return Diagnosis {
            problem: Some(format!("no such column: `{}`", field.name)),
            place,
            advice: vec![advice.to_owned()],
            ..Diagnosis::default()
        };
    }
    let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let mut told = Diagnosis {
        problem: Some(format!("no such column: `{}`", field.name)),
        place,
        similar: similar(&field.name, names.iter().copied()),
        advice: Vec::new(),
    };
    if told.similar.is_empty() {
        if told.place.as_ref().is_some_and(|place| may_be_text(sql, place)) {
            told.advice.push(format!("if a text was meant, it stands in single quotes: `'{}'`", field.name));
        }
        told.advice.push(match names.len() {
            0..=LISTED_COLUMNS => format!("columns: {}", names.join(", ")),
            _ => format!("`describe {}` lists the columns", relations.first().map_or("NAME", String::as_str)),
        });
    }
    told
}

/// Records of the tables that Athena has for trails, and what they are here.
const ATHENA: [(&str, &str); 4] = [
    ("useridentity", "its parts are columns, `principal_arn`, `role_arn`, or members: `user_identity ->> 'arn'`"),
    ("user_identity", "its parts are columns, `principal_arn`, `role_arn`, or members: `user_identity ->> 'arn'`"),
    ("requestparameters", "a member of a text that is JSON: `request_parameters ->> 'keyId'`"),
    ("responseelements", "a member of a text that is JSON: `response_elements ->> 'keyId'`"),
];

/// Whether the name at a place may have been meant as a text: it stands in double quotes, or behind a comparison.
fn may_be_text(sql: &str, place: &Range<usize>) -> bool {
    sql[place.clone()].starts_with('"') || sql[..place.start].trim_end().ends_with(['=', '<', '>'])
}

/// The tables and aliases that columns belong to, in order, each once.
fn relations(columns: &[Column]) -> Vec<String> {
    let mut relations: Vec<String> = Vec::new();
    for relation in columns.iter().filter_map(|column| column.relation.as_ref()) {
        if relations.last().is_none_or(|last| last != relation.table()) {
            relations.push(relation.table().to_owned());
        }
    }
    relations
}

fn of_plan(sql: &str, message: &str, names: &KnownNames) -> Diagnosis {
    let message = of_coercion(message);
    if let Some(name) = quoted_after(message, "Invalid function '") {
        return of_unknown_function(sql, name, names);
    }
    if let Some((_, rest)) = message.split_once("must be in GROUP BY or an aggregate function") {
        return of_ungrouped(sql, quoted_after(rest, "column \"").unwrap_or_default());
    }
    let aggregate = quoted_after(message, "Function '").filter(|_| message.contains("failed to match any signature"));
    if let Some(name) = quoted_after(message, "satisfy a call to '").or(aggregate) {
        return of_wrong_arguments(sql, name, message);
    }
    if let Some(name) = quoted_after(message, "table '").filter(|_| message.ends_with("not found")) {
        let bare = name.rsplit('.').next().unwrap_or(name);
        let problem = Some(format!("no such table or view: `{}`", name.trim_start_matches("datafusion.")));
        let advice = vec![format!("tables and views stand in no schema: write `{bare}` alone")];
        return Diagnosis { problem, place: place::of_name(sql, bare), advice, ..Diagnosis::default() };
    }
    if let Some(name) = repeated_name(message) {
        return of_repeated_name(sql, name);
    }
    if let Some(told) = of_clause(sql, message) {
        return told;
    }
    if message.contains("subquery can only be used in") {
        return of_question(sql);
    }
    if message.contains("to coerce") && message.contains("in LIKE expression") {
        return of_like(sql, message);
    }
    if message.contains("access field at argument") {
        return of_no_member(sql, message);
    }
    if message.contains("comparison operation") && message.contains("Boolean") && message.contains("Utf8") {
        return Diagnosis {
            problem: Some("a boolean is compared with a text".to_owned()),
            advice: vec!["write `read_only`, `not read_only` or `read_only = true`".to_owned()],
            ..Diagnosis::default()
        };
    }
    if let Some((_, compared)) = message.split_once("common argument type for comparison operation ") {
        let problem = format!("cannot be compared: {}", first_line(compared));
        let is_time = message.contains("Timestamp") || message.contains("Date32");
        let advice = is_time.then(|| TIMES.to_owned()).into_iter().collect();
        return Diagnosis { problem: Some(problem), advice, ..Diagnosis::default() };
    }
    if let Some(qualifier) = message.strip_prefix("Invalid qualifier ") {
        return Diagnosis {
            problem: Some(format!("the statement has no table or alias of this name: `{qualifier}`")),
            place: place::of_name(sql, qualifier),
            advice: vec!["write `*`, or the name or alias that stands in `from`".to_owned()],
            ..Diagnosis::default()
        };
    }
    if message.contains("not supported for Null") {
        return Diagnosis {
            problem: Some("a null without a type is added up".to_owned()),
            advice: vec!["say which it has: `sum(null::bigint)`".to_owned()],
            ..Diagnosis::default()
        };
    }
    if let Some(problem) = of_values(message) {
        return Diagnosis { problem: Some(problem), ..Diagnosis::default() };
    }
    let advice = if message.contains("arithmetic expression") { of_arithmetic(message) } else { None };
    Diagnosis {
        problem: Some(lower_first(first_line(message))),
        advice: advice.map(str::to_owned).into_iter().collect(),
        ..Diagnosis::default()
    }
}

/// Clauses and calls with something that they do not take, in the words of the engine, which names no place.
fn of_clause(sql: &str, message: &str) -> Option<Diagnosis> {
    let told = |problem: &str, place, advice: &str| {
        let (problem, advice) = (Some(problem.to_owned()), vec![advice.to_owned()]);
        Some(Diagnosis { problem, place, advice, ..Diagnosis::default() })
    };
    if message.contains("require unique expression names") {
        return told(
            "two columns or groups are one expression",
            None,
            "leave one of them away, or compute it in a query of its own: `select … from (select … as a from events) group by a`",
        );
    }
    if let Some((_, returning)) = message.split_once("non-boolean predicate ") {
        let found = returning.rsplit_once(" returning ").map_or("", |(_, found)| first_line(found));
        return told(
            &format!("a condition is true or false, not {found}"),
            place::of_name(sql, "where"),
            "compare it: `record_index > 0`",
        );
    }
    if message.contains("aggregate functions are not allowed in the WHERE clause") {
        return told(
            "`where` looks at single rows and knows no aggregates",
            place::of_name(sql, "where"),
            "ask behind `group by`: `having count(*) > 1`",
        );
    }
    if message.contains("is nested inside") {
        return told(
            "an aggregate stands inside another",
            None,
            "take two steps: `select max(n) from (select count(*) as n from events group by event_name)`",
        );
    }
    if message.starts_with("LIMIT must be >= 0") {
        return told(
            "`limit` takes a number from 0 on",
            place::of_name(sql, "limit"),
            "the last rows are the first of the other order: `order by event_time desc limit 10`",
        );
    }
    if let Some((_, rest)) = message.split_once("column out of bounds, specified: ") {
        let (number, most) = rest.split_once(", max: ")?;
        return told(
            &format!("there is no column {number}: the select list has {}", first_line(most)),
            place::of_symbol(sql, number),
            "columns are counted from 1, or named",
        );
    }
    if message.contains("argument type to 'json_") {
        return told(
            "`->` and `->>` take the name of a member, or the place of an element from 0 on",
            place::of_symbol(sql, "->").or_else(|| place::of_symbol(sql, "->>")),
            "write `request_parameters ->> 'keyId'` or `request_parameters -> 'tags' -> 0`",
        );
    }
    if message.contains("Invalid interval arithmetic operation") {
        return told(
            "an interval is not divided",
            None,
            "compute with seconds: `date_part('epoch', interval '1 day') / 2`",
        );
    }
    if message.contains("DATE_BIN stride must be") {
        let place = place::of_name(sql, "time_bucket").or_else(|| place::of_name(sql, "date_bin"));
        return told(
            "a bucket needs a width of more than nothing",
            place,
            "write `time_bucket(interval '1 hour', event_time)`",
        );
    }
    let name = quoted_after(message, "function '").or_else(|| quoted_after(message, "Function '"))?;
    let (_, rest) = message.split_once("requires String, but received ")?;
    let found = rest.split(" (DataType").next().unwrap_or(rest);
    told(
        &format!("`{name}` takes a text, not {found}"),
        place::of_name(sql, name),
        "its text is taken with a cast: `record_index::text`",
    )
}

/// What a function says of its arguments, without what the engine says around it.
fn of_coercion(message: &str) -> &str {
    let Some((_, told)) = message.split_once("user-defined coercion failed with: ") else { return message };
    let told = told.split_once("No function matches the given").map_or(told, |(told, _)| told);
    told.strip_prefix("Error during planning: ").unwrap_or(told).trim_end_matches(['.', ' '])
}

/// Rows of `values` that do not go together, counted from 1; the engine counts from 0.
fn of_values(message: &str) -> Option<String> {
    if let Some((_, rest)) = message.split_once("across values list at row ") {
        let (row, rest) = rest.split_once(" column ")?;
        let (column, types) = rest.split_once(". Was ")?;
        let (row, column) = (row.parse::<usize>().ok()? + 1, column.parse::<usize>().ok()? + 1);
        let types = first_line(types).replace(" but found ", " before, now ");
        return Some(format!("`values` have several types in column {column}, from row {row} on: {types}"));
    }
    let (_, rest) = message.split_once("across values list: got ")?;
    let (got, rest) = rest.split_once(" values in row ")?;
    let (row, expected) = rest.split_once(" but expected ")?;
    let row = row.parse::<usize>().ok()? + 1;
    Some(format!("`values` have {got} columns in row {row}, and {} in the first", first_line(expected)))
}

/// What to write where the engine finds no type to compute in.
fn of_arithmetic(message: &str) -> Option<&'static str> {
    let is_shift = message.contains(" + ") || message.contains(" - ");
    if message.contains("Timestamp") && is_shift {
        return Some("add an interval: `event_time + interval '1 day'`");
    }
    if ["Timestamp", "Duration", "Interval"].iter().any(|kind| message.contains(kind)) {
        return Some("compute with seconds: `date_part('epoch', event_time)`, of a span of time too");
    }
    message.contains("Utf8").then_some("a text is taken for a number with a cast: `'12'::bigint`, `text::double`")
}

/// For a map that is taken for a text.
const MAPS: &str = "take one value, `encryption_context['aws:s3:arn']`, or all of them: `array_to_string(map_values(encryption_context), ' ')`";

/// `like` of something that is no text.
fn of_like(sql: &str, message: &str) -> Diagnosis {
    let place = place::of_name(sql, "like").or_else(|| place::of_name(sql, "ilike"));
    let advice = match message.contains("Timestamp") || message.contains("Date") {
        true => {
            "bound it, `event_time >= '2026-02-01' and event_time < '2026-03-01'`, or compare its text: `event_time::text like '2026-02%'`"
        }
        false if message.contains("Map(") => MAPS,
        false => "compare its text: `record_index::text like '1%'`",
    };
    Diagnosis {
        problem: Some("`like` compares texts".to_owned()),
        place,
        advice: vec![advice.to_owned()],
        ..Diagnosis::default()
    }
}

/// A member of something that has none: most often of a text that is JSON.
fn of_no_member(sql: &str, message: &str) -> Diagnosis {
    let asked = place::of_member(sql);
    let is_text = ["Utf8", "Dictionary"].iter().any(|text| message.contains(&format!("type {text}")));
    let (what, place, advice) = match (asked, is_text) {
        (Some((value, member, place)), true) => {
            let advice = format!(
                "of a text that is JSON it is `{value} ->> '{member}'`, or `{value} -> '{member}'` for more than a text"
            );
            (format!("`{value}` is a text, which has no members"), Some(place), vec![advice])
        }
        (Some((value, _, place)), false) => (format!("`{value}` has no members"), Some(place), Vec::new()),
        (None, _) => {
            let advice = "a name with a dot is a column of a table, or of an alias, that the statement has in `from`";
            ("a value that has no members is asked for one".to_owned(), None, vec![advice.to_owned()])
        }
    };
    Diagnosis { problem: Some(what), place, advice, ..Diagnosis::default() }
}

fn of_unknown_function(sql: &str, name: &str, names: &KnownNames) -> Diagnosis {
    let place = place::of_name(sql, name);
    let problem = Some(format!("no such function: `{name}`"));
    match instead::function(name) {
        Some(other) => Diagnosis { problem, place, advice: vec![format!("write `{other}`")], ..Diagnosis::default() },
        None => Diagnosis {
            problem,
            place,
            similar: names.similar_functions(name),
            advice: vec!["`show functions like '%part%'` finds functions by a part of their names".to_owned()],
        },
    }
}

fn of_ungrouped(sql: &str, column: &str) -> Diagnosis {
    let name = column.rsplit('.').next().unwrap_or(column);
    Diagnosis {
        problem: Some(format!("neither grouped nor aggregated: `{name}`")),
        place: place::of_name(sql, name),
        advice: vec![format!("group by it (`group by all` takes every such column), or take one value: `max({name})`")],
        ..Diagnosis::default()
    }
}

/// A known function whose arguments fit none of its signatures.
fn of_wrong_arguments(sql: &str, name: &str, message: &str) -> Diagnosis {
    let signatures = message.lines().map(str::trim).filter(|line| line.starts_with(&format!("{name}(")));
    let signatures: Vec<&str> = signatures.take(LISTED_SIGNATURES).collect();
    let got = quoted_after(message, "argument types '");
    let counts = message.split_once(" expects ").and_then(|(_, rest)| rest.split_once(" arguments but received "));
    let problem = match (got, counts) {
        (Some(got), _) => format!("no such call: `{got}`"),
        (None, Some((expected, rest))) => {
            let received = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            format!("`{name}` takes {expected} arguments, not {received}")
        }
        (None, None) => format!("wrong arguments for `{name}`"),
    };
    let takes_text = signatures.iter().any(|signature| ["String", "Utf8"].iter().any(|text| signature.contains(text)));
    let is_of = |kinds: &[&str]| got.is_some_and(|got| kinds.iter().any(|kind| got.contains(kind)));
    let is_length = ["length", "char_length", "character_length"].contains(&name);
    let advice = if is_length && is_of(&["Map", "map"]) {
        "the entries of a map are counted with `cardinality(encryption_context)`".to_owned()
    } else if is_of(&["Map"]) && (takes_text || name == "concat") {
        MAPS.to_owned()
    } else if is_of(&["List"]) && takes_text {
        "a list becomes a text with `array_to_string(map_keys(encryption_context), ', ')`".to_owned()
    } else if !signatures.is_empty() && !takes_text && is_of(&["Utf8"]) {
        format!("a text is taken for a number with a cast: `{name}(n::double)`")
    } else if takes_text && is_of(&["Timestamp", "Date32", "Int", "Float"]) {
        "its text is taken with a cast: `event_time::text`".to_owned()
    } else if is_of(&["Timestamp"]) && ["avg", "mean", "median", "sum"].contains(&name) {
        format!("compute with seconds: `to_timestamp({name}(date_part('epoch', event_time)))`")
    } else if signatures.is_empty() {
        format!("`show functions like '{name}'` tells what it takes")
    } else {
        format!("it takes {}", signatures.join(" or "))
    };
    // The engine tells its own name of a function that has several.
    let typed = match name {
        "character_length" => "length",
        "btrim" => "trim",
        name => name,
    };
    let place = place::of_name(sql, name).or_else(|| place::of_name(sql, typed));
    Diagnosis { problem: Some(problem), place, advice: vec![advice], ..Diagnosis::default() }
}

/// How times are written, where something else was.
const TIMES: &str = "times are written `timestamp '2024-01-31 06:00'`, days `date '2024-01-31'`, all in UTC";

/// What to write where the engine cannot take a query for each row apart.
const TIED: &str = "join instead: `left join (select key_arn, max(event_time) as last_time from kms_events group by key_arn) x on …`; for the value of the latest row write `max_by(value, event_time)`, without `order by` and `limit`";

/// A value that cannot be what it is taken for, most often a literal of the statement.
fn of_value(sql: &str, error: &ArrowError) -> Diagnosis {
    match error {
        ArrowError::DivideByZero => {
            return Diagnosis {
                problem: Some("a number is divided by zero".to_owned()),
                place: place::of_division(sql),
                advice: vec!["`a / nullif(b, 0)` gives null instead".to_owned()],
                ..Diagnosis::default()
            };
        }
        ArrowError::ArithmeticOverflow(message) => {
            let what = message.strip_prefix("Overflow happened on: ").unwrap_or(message);
            return Diagnosis {
                problem: Some(format!("a number is too large for its type: {what}")),
                advice: vec![match what.contains("decimal") {
                    true => "compute with doubles: `n::double`".to_owned(),
                    false => "compute with decimals or doubles: `n::decimal(38, 0)`, `n::double`".to_owned(),
                }],
                ..Diagnosis::default()
            };
        }
        ArrowError::InvalidArgumentError(message) => {
            return Diagnosis { problem: Some(lower_first(first_line(message))), ..Diagnosis::default() };
        }
        ArrowError::JsonError(message) if message.starts_with("whilst decoding field '") => {
            let member = quoted_after(message, "field '").unwrap_or_default();
            let found = message.rsplit_once(": ").map_or(message.as_str(), |(_, found)| found);
            return Diagnosis {
                problem: Some(format!("`{member}` of a JSON file is not of one kind: {found}")),
                advice: vec!["write all of them as texts, in quotes, or all as numbers".to_owned()],
                ..Diagnosis::default()
            };
        }
        ArrowError::CastError(message) if message.starts_with("Can't cast value ") => {
            return of_large_number(sql, message);
        }
        _ => {}
    }
    let (ArrowError::ParseError(message) | ArrowError::CastError(message)) = error else {
        return Diagnosis { problem: Some(lower_first(&error.to_string())), ..Diagnosis::default() };
    };
    let literal = literal_of(message);
    let place = literal.and_then(|literal| place::of_literal(sql, literal));
    let literal = literal.unwrap_or_default();
    let folded = message.to_ascii_lowercase();
    let (problem, advice) = if folded.contains("interval") {
        let advice = "intervals are written `interval '90 days'`, `interval '6 hours'`, `interval '1 month'`";
        (format!("not an interval: `{literal}`"), advice.to_owned())
    } else if is_no_day(literal) {
        (format!("no such day: `{literal}`"), "days are written `date '2024-01-31'`, year first".to_owned())
    } else if folded.contains("timestamp") || folded.contains("date") {
        (format!("not a time: `{literal}`"), TIMES.to_owned())
    } else if let Some((_, target)) = message.rsplit_once(" to value of ") {
        let wanted = words::in_sql(target.trim_end_matches(" type"));
        let advice = match place {
            Some(_) => format!("`try_cast(… as {wanted})` gives null instead"),
            // It is not written down: a column has it.
            None => format!(
                "texts of a column are compared with texts in quotes: `event_month = '2026-02'`; `try_cast(… as {wanted})` gives null instead"
            ),
        };
        (format!("not a value of type {wanted}: `{literal}`"), advice)
    } else {
        return Diagnosis { problem: Some(lower_first(first_line(message))), place, ..Diagnosis::default() };
    };
    Diagnosis { problem: Some(problem), place, advice: vec![advice], ..Diagnosis::default() }
}

/// `Can't cast value 2147483648 to type Int32`
fn of_large_number(sql: &str, message: &str) -> Diagnosis {
    let told = message.strip_prefix("Can't cast value ").and_then(|rest| rest.split_once(" to type "));
    let Some((number, target)) = told else {
        return Diagnosis { problem: Some(lower_first(first_line(message))), ..Diagnosis::default() };
    };
    Diagnosis {
        problem: Some(format!("a number is too large for its type: {number} as {target}")),
        place: place::of_symbol(sql, number),
        advice: vec![format!(
            "`bigint`, `double` and `decimal(38, 0)` hold more; `try_cast(… as {target})` gives null instead"
        )],
        ..Diagnosis::default()
    }
}

/// A text that is no regular expression.
fn of_pattern(sql: &str, error: &DataFusionError) -> Option<Diagnosis> {
    let message = error.strip_backtrace();
    let (_, told) = message.split_once("regex parse error:\n")?;
    let pattern = told.lines().next().unwrap_or_default().trim();
    let why = told.rsplit_once("error: ").map_or("", |(_, why)| first_line(why));
    Some(Diagnosis {
        problem: Some(format!("not a regular expression: `{pattern}`: {why}")),
        place: place::of_literal(sql, pattern),
        advice: vec!["a sign that is meant as it is has a backslash in front: `'\\('`".to_owned()],
        ..Diagnosis::default()
    })
}

/// A time that has no nanoseconds, which the engine says without the time.
fn of_far_time(sql: &str, error: &DataFusionError) -> Option<Diagnosis> {
    let message = error.strip_backtrace();
    let is_far = ["can be represented as nanoseconds", "exceeds the representable i64 range"];
    is_far.iter().find(|words| message.contains(**words))?;
    let written = place::of_text(sql, |text| written_time(text).is_some_and(|time| is_far_time(&time)));
    let problem = match &written {
        Some((text, _)) => format!("a time that cannot be computed with: `{text}`"),
        None => "a time that cannot be computed with".to_owned(),
    };
    let advice = "times are computed with from 1677-09-22 to 2262-04-11; a column of times can be compared with any year, as in `event_time < '9999-12-31'`";
    Some(Diagnosis {
        problem: Some(problem),
        place: written.map(|(_, place)| place),
        advice: vec![advice.to_owned()],
        ..Diagnosis::default()
    })
}

/// Whether a text begins as a day is written, and there is no such day.
fn is_no_day(text: &str) -> bool {
    let Some(day) = text.get(..10) else { return false };
    let is_shaped = day.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_shaped && day.parse::<NaiveDate>().is_err()
}

/// The first text in quotes of either kind.
fn literal_of(message: &str) -> Option<&str> {
    let start = message.find(['\'', '"'])?;
    let quote = &message[start..=start];
    let rest = &message[start + 1..];
    Some(&rest[..rest.find(quote)?])
}

/// What stands between `start`, which ends with a quote, and the next quote of that kind.
fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(start)?;
    Some(rest.split_once(start.chars().next_back()?)?.0)
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default().trim_end_matches('.')
}

/// With a small first letter, as messages have it, unless a word of capitals begins it.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}
