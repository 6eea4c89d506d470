//! `policy_statements(text)`: a key policy as a list of rows, one for each statement and principal that it names.
//!
//! It reads what a policy says and judges nothing: whether a caller is allowed is a question to AWS. A text that is no
//! policy gives one row in which everything is null, so that no policy is lost.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use keytrail_events::kms::OPERATIONS;
use keytrail_events::kms::arn::is_account_id;
use serde_json::Value;
use url::form_urlencoded;

use super::documentation;
use crate::rules::glob::Glob;

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PolicyStatements {
    signature: Signature,
    documentation: Documentation,
}

impl PolicyStatements {
    pub(super) fn new() -> Self {
        let description = "A key policy as a list of rows, one for each statement and principal that it names; of a text that is no policy one row of nulls.";
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: documentation("policy_statements(policy)", description),
        }
    }
}

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    Fields::from(vec![
        Field::new("statement_index", DataType::Int64, true),
        text("statement_id"),
        text("effect"),
        text("principal"),
        text("principal_kind"),
        text("principal_account_id"),
        text("actions"),
        text("conditions"),
        flag("is_principal_negated"),
        flag("is_action_negated"),
        text("resources"),
        flag("is_resource_negated"),
        flag("has_use_action"),
    ])
});

fn item_field() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(FIELDS.clone()), false))
}

impl ScalarUDFImpl for PolicyStatements {
    fn name(&self) -> &str {
        "policy_statements"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [_] => Ok(vec![DataType::Utf8]),
            _ => plan_err!("policy_statements takes a text, got {} arguments", arg_types.len()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item_field()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let policies: Vec<_> = texts.as_string::<i32>().iter().map(|text| rows_of(text.unwrap_or_default())).collect();
        let offsets = OffsetBuffer::from_lengths(policies.iter().map(Vec::len));
        let rows: Vec<_> = policies.into_iter().flatten().collect();
        let list = ListArray::try_new(item_field(), offsets, Arc::new(columns(&rows)?), None)?;
        Ok(ColumnarValue::Array(Arc::new(list) as ArrayRef))
    }
}

fn columns(rows: &[StatementRow]) -> Result<StructArray> {
    let text = |value: fn(&StatementRow) -> Option<&str>| {
        Arc::new(rows.iter().map(value).collect::<StringArray>()) as ArrayRef
    };
    let flag = |value: fn(&StatementRow) -> Option<bool>| {
        Arc::new(rows.iter().map(value).collect::<BooleanArray>()) as ArrayRef
    };
    let columns = vec![
        Arc::new(rows.iter().map(|row| row.statement.index).collect::<Int64Array>()) as ArrayRef,
        text(|row| row.statement.id.as_deref()),
        text(|row| row.statement.effect.as_deref()),
        text(|row| row.principal.as_ref().map(|principal| principal.text.as_str())),
        text(|row| row.principal.as_ref().map(|principal| principal.kind)),
        text(|row| row.principal.as_ref().and_then(|principal| principal.account_id.as_deref())),
        text(|row| row.statement.actions.as_deref()),
        text(|row| row.statement.conditions.as_deref()),
        flag(|row| row.statement.is_principal_negated),
        flag(|row| row.statement.is_action_negated),
        text(|row| row.statement.resources.as_deref()),
        flag(|row| row.statement.is_resource_negated),
        flag(|row| row.statement.has_use_action),
    ];
    Ok(StructArray::try_new(FIELDS.clone(), columns, None)?)
}

/// What a statement says, its principals apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Statement {
    /// Place among the statements, from 0.
    index: Option<i64>,
    id: Option<String>,
    effect: Option<String>,
    /// As written, separated by commas.
    actions: Option<String>,
    /// JSON text, names sorted.
    conditions: Option<String>,
    is_principal_negated: Option<bool>,
    is_action_negated: Option<bool>,
    /// As written, separated by commas.
    resources: Option<String>,
    is_resource_negated: Option<bool>,
    /// Its actions, or what they leave out, take in a cryptographic one.
    has_use_action: Option<bool>,
}

/// One principal of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Principal {
    text: String,
    kind: &'static str,
    account_id: Option<String>,
}

/// A statement with one of its principals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct StatementRow {
    statement: Arc<Statement>,
    principal: Option<Principal>,
}

fn rows_of(text: &str) -> Vec<StatementRow> {
    // IAM's own API encodes the text as a part of a URL; the AWS CLI decodes it.
    let decoded = text.starts_with("%7B").then(|| form_urlencoded::parse(text.as_bytes()).next()).flatten();
    let text = decoded.as_ref().map_or(text, |(text, _)| text.as_ref());
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = member(&policy, "Statement").map(items).unwrap_or_default();
    let rows: Vec<_> = (0..).zip(statements).flat_map(|(index, statement)| statement_rows(index, statement)).collect();
    if rows.is_empty() { vec![StatementRow::default()] } else { rows }
}

fn statement_rows(index: i64, value: &Value) -> Vec<StatementRow> {
    let text_of = |name: &str| member(value, name).and_then(Value::as_str).map(str::to_owned);
    let (principals, is_principal_negated) = either(value, "Principal", "NotPrincipal");
    let (actions, is_action_negated) = either(value, "Action", "NotAction");
    let (resources, is_resource_negated) = either(value, "Resource", "NotResource");
    let statement = Arc::new(Statement {
        index: Some(index),
        id: text_of("Sid"),
        effect: text_of("Effect"),
        actions: actions.map(joined),
        conditions: member(value, "Condition").map(Value::to_string),
        has_use_action: actions.map(|actions| has_use_action(&items(actions), is_action_negated == Some(true))),
        is_principal_negated,
        is_action_negated,
        resources: resources.map(joined),
        is_resource_negated,
    });
    let principals = principals.map(principals_of).unwrap_or_default();
    let row = |principal| StatementRow { statement: Arc::clone(&statement), principal };
    if principals.is_empty() { vec![row(None)] } else { principals.into_iter().map(|one| row(Some(one))).collect() }
}

/// The IAM actions of the operations that are uses of a key, in lower case: those of ReEncrypt are two, for its two keys.
static USE_ACTIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tracked = OPERATIONS.iter().filter(|operation| operation.is_usage_tracked);
    let actions = tracked.flat_map(|operation| match operation.name {
        "ReEncrypt" => vec!["ReEncryptFrom", "ReEncryptTo"],
        name => vec![name],
    });
    actions.map(|action| format!("kms:{}", action.to_ascii_lowercase())).collect()
});

/// Whether patterns take in the action of a use; a `?` is taken for a `*`, which lets in more.
fn has_use_action(actions: &[&Value], is_negated: bool) -> bool {
    let patterns: Vec<Glob> =
        actions.iter().map(|action| Glob::new(&plain(action).to_ascii_lowercase().replace('?', "*"))).collect();
    let is_named = |action: &String| patterns.iter().any(|pattern| pattern.matches(action));
    USE_ACTIONS.iter().any(|action| is_named(action) != is_negated)
}

/// A text or a list of texts, separated by commas.
fn joined(value: &Value) -> String {
    items(value).iter().map(|item| plain(item)).collect::<Vec<_>>().join(",")
}

/// A member by one of two names, and whether it is the negated one.
fn either<'v>(value: &'v Value, name: &str, negated: &str) -> (Option<&'v Value>, Option<bool>) {
    match (member(value, name), member(value, negated)) {
        (Some(found), _) => (Some(found), Some(false)),
        (None, Some(found)) => (Some(found), Some(true)),
        (None, None) => (None, None),
    }
}

/// The principals of `"*"`, `{"AWS": "x"}`, `{"AWS": ["x", "y"], "Service": "z"}`; each once.
fn principals_of(value: &Value) -> Vec<Principal> {
    let mut principals = Vec::new();
    let mut add = |principal: Principal| {
        if !principals.contains(&principal) {
            principals.push(principal);
        }
    };
    match value {
        Value::Object(kinds) => {
            for (kind, names) in kinds {
                items(names).into_iter().for_each(|name| add(principal(kind, plain(name))));
            }
        }
        _ => items(value).into_iter().for_each(|name| add(principal("AWS", plain(name)))),
    }
    principals
}

fn principal(kind: &str, text: String) -> Principal {
    let account_id = account_of(&text).map(str::to_owned);
    let kind = match kind.to_ascii_lowercase().as_str() {
        "service" => "service",
        "federated" => "federated",
        _ if text == "*" => "anyone",
        _ if text.ends_with(":root") || account_id.as_ref() == Some(&text) => "account",
        _ => "principal",
    };
    Principal { text, kind, account_id }
}

/// The account of an ARN or of a bare account id.
fn account_of(text: &str) -> Option<&str> {
    let account = if text.starts_with("arn:") { text.split(':').nth(4)? } else { text };
    is_account_id(account).then_some(account)
}

/// A member by its name, in any case.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The elements of a list; anything else is a list of one.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// A text without its quotes; anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principals(policy: &str) -> Vec<(i64, String, &'static str, Option<String>)> {
        let one = |row: StatementRow| {
            let principal = row.principal.unwrap();
            (row.statement.index.unwrap(), principal.text, principal.kind, principal.account_id)
        };
        rows_of(policy).into_iter().map(one).collect()
    }

    #[test]
    fn principals_have_many_shapes() {
        let root = "arn:aws:iam::111122223333:root";
        let role = "arn:aws:iam::444455556666:role/app";
        let own = Some("111122223333".to_owned());
        let other = Some("444455556666".to_owned());
        let policy = format!(
            r#"{{"Statement":[
                {{"Effect":"Allow","Principal":"*"}},
                {{"Effect":"Allow","Principal":{{"AWS":"{root}"}}}},
                {{"Effect":"Allow","Principal":{{"AWS":["111122223333","{role}","{role}"]}}}},
                {{"Effect":"Allow","Principal":{{"Service":"logs.amazonaws.com","AWS":"AIDAEXAMPLE"}}}},
                {{"Effect":"Deny","NotPrincipal":{{"Federated":"arn:aws:iam::444455556666:saml-provider/x"}}}}
            ]}}"#
        );
        let expected = [
            (0, "*", "anyone", None),
            (1, root, "account", own.clone()),
            (2, "111122223333", "account", own),
            (2, role, "principal", other.clone()),
            (3, "AIDAEXAMPLE", "principal", None),
            (3, "logs.amazonaws.com", "service", None),
            (4, "arn:aws:iam::444455556666:saml-provider/x", "federated", other),
        ];
        let expected = expected.map(|(index, text, kind, account)| (index, text.to_owned(), kind, account));
        assert_eq!(principals(&policy), expected);
        assert_eq!(rows_of(&policy)[6].statement.is_principal_negated, Some(true));
    }

    #[test]
    fn one_statement_need_not_be_a_list() {
        // Domain checklist 27.
        let row = &rows_of(
            r#"{"Statement":{"Sid":"a","Effect":"Allow","Principal":{"AWS":"*"},"Action":["kms:Decrypt","kms:Encrypt"],
                "Condition":{"StringEquals":{"b":"1","a":"2"}}}}"#,
        )[0];
        assert_eq!(row.statement.id.as_deref(), Some("a"));
        assert_eq!(row.statement.actions.as_deref(), Some("kms:Decrypt,kms:Encrypt"));
        assert_eq!(row.statement.conditions.as_deref(), Some(r#"{"StringEquals":{"a":"2","b":"1"}}"#));
        assert_eq!((row.statement.is_principal_negated, row.statement.is_action_negated), (Some(false), Some(false)));
    }

    #[test]
    fn uses_are_told_from_management() {
        for (element, actions, expected) in [
            ("Action", r#""kms:Decrypt""#, true),
            ("Action", r#"["kms:Describe*","KMS:GENERATEDATAKEY*"]"#, true),
            ("Action", r#""kms:ReEncrypt*""#, true),
            ("Action", r#""kms:*""#, true),
            ("Action", r#""*""#, true),
            ("Action", r#""k?s:Sig?""#, true),
            ("Action", r#"["kms:Describe*","kms:List*","kms:Put*","kms:Create*","kms:ScheduleKeyDeletion"]"#, false),
            ("Action", r#""s3:*""#, false),
            ("NotAction", r#""iam:*""#, true),
            ("NotAction", r#"["kms:Decrypt","kms:Encrypt"]"#, true),
            ("NotAction", r#""kms:*""#, false),
        ] {
            let policy = format!(r#"{{"Statement":{{"Effect":"Allow","{element}":{actions}}}}}"#);
            assert_eq!(rows_of(&policy)[0].statement.has_use_action, Some(expected), "{element} {actions}");
        }
        assert_eq!(rows_of(r#"{"Statement":{"Effect":"Allow"}}"#)[0].statement.has_use_action, None);
    }

    #[test]
    fn what_is_no_policy_is_one_empty_row() {
        for text in ["", "{", "null", "[]", "{}", r#"{"Statement":[]}"#, "HIDDEN_DUE_TO_SECURITY_REASONS"] {
            assert_eq!(rows_of(text), [StatementRow::default()], "{text}");
        }
        let odd = rows_of(r#"{"Statement":["x",{"Principal":7,"Action":null}]}"#);
        assert_eq!(odd.len(), 2);
        assert!(odd.iter().all(|row| row.statement.effect.is_none()));
    }
}
