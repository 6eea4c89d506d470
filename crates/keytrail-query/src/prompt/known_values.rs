//! Values of the data that a prompt can offer: names of events, keys and aliases; and values of a statement that the data does not have.
//!
//! Each is one query over the session's tables, bounded by the query itself (`sql/reports/prompt/`). When to ask and how
//! long to wait is up to the caller.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use keytrail_convert::EVENTS;

use crate::diagnosis::similar;
use crate::error::QueryError;
use crate::few_valued;
use crate::rows::Rows;
use crate::session::Session;
use crate::views::catalogue::report_sql;

/// A column of more values is not looked through.
const MAX_VALUES: usize = 2_000;

/// The column of the ARNs of keys, in `events` and all views of keys.
const KEY_ARN: &str = "key_arn";

/// Whether a column of `events`, and of views that have it, has few values.
pub fn has_few_values(column: &str) -> bool {
    few_valued::OFFERED.contains(&column)
}

/// A text that a statement asks for and that no event has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentValue {
    /// The column of `events`.
    pub column: &'static str,
    /// The text.
    pub value: String,
    /// Texts that some event has there and that may have been meant, best first.
    pub similar: Vec<String>,
}

impl Session {
    /// Names of events, the most frequent first.
    ///
    /// # Errors
    /// When `events` cannot be opened or read.
    pub async fn event_names(&self) -> Result<Vec<String>, QueryError> {
        self.texts(report_sql("prompt/event_names.sql"), "event_name").await
    }

    /// ARNs of keys and names of aliases, sorted.
    ///
    /// # Errors
    /// When the views cannot be opened or read.
    pub async fn key_names(&self) -> Result<Vec<String>, QueryError> {
        self.texts(report_sql("prompt/key_names.sql"), "key_name").await
    }

    /// The texts of a column of `events`, sorted, if it is one of those of few values; none over logs, where all would have to be read.
    ///
    /// # Errors
    /// When `events` cannot be opened or read.
    pub async fn values_of(&self, column: &str) -> Result<Vec<String>, QueryError> {
        if !has_few_values(column) || self.is_over_logs() {
            return Ok(Vec::new());
        }
        let mut values = self.few_values(column).await?.unwrap_or_default();
        values.sort_unstable();
        Ok(values)
    }

    /// Texts that the statement, its parameters included, asks a column of `events` to be, and that no event has there: it explains an
    /// answer without rows. Of the lake it reads the columns that are asked for, if they are among those of few values; over logs,
    /// where that would be all of them, it finds none.
    ///
    /// # Errors
    /// Those of the statement, and when `events` cannot be opened or read.
    pub async fn absent_values(
        &self,
        sql: &str,
        parameters: &[(String, String)],
    ) -> Result<Vec<AbsentValue>, QueryError> {
        if self.is_over_logs() || !self.table_names().iter().any(|name| name == EVENTS) {
            return Ok(Vec::new());
        }
        let plan = self.plan(sql, parameters).await?;
        let is_typed = |text: &str| sql.contains(text) || parameters.iter().any(|(_, value)| value == text);
        let mut absent = Vec::new();
        for column in few_valued::OFFERED {
            // Views ask for values of their own.
            let mut asked = asked_of(&plan, column)?;
            asked.retain(|text| is_typed(text));
            if asked.is_empty() {
                continue;
            }
            let Some(known) = self.few_values(column).await? else { continue };
            asked.retain(|text| !known.contains(text));
            absent.extend(asked.into_iter().map(|value| AbsentValue {
                similar: similar(&value, known.iter().map(String::as_str)),
                column,
                value,
            }));
        }
        absent.extend(self.absent_keys(&plan, is_typed).await?);
        Ok(absent)
    }

    /// Texts that are asked for as `key_arn` and that no key has: most often an id or an alias name, which find nothing there.
    async fn absent_keys(
        &self,
        plan: &LogicalPlan,
        is_typed: impl Fn(&str) -> bool,
    ) -> Result<Vec<AbsentValue>, QueryError> {
        let mut asked = asked_of(plan, KEY_ARN)?;
        asked.retain(|text| is_typed(text));
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.texts(report_sql("names/keys.sql"), "name").await?;
        let mut absent = Vec::new();
        for value in asked.into_iter().filter(|text| !known.contains(text)) {
            let is_id = |arn: &&String| arn.rsplit_once(":key/").is_some_and(|(_, id)| id == value);
            let similar = if value.starts_with("alias/") || value.contains(":alias/") {
                let alias = [("alias".to_owned(), value[value.find("alias/").unwrap_or(0)..].to_owned())];
                let rows = Rows::collect(self.execute(report_sql("prompt/keys_of_alias.sql"), &alias).await?).await?;
                rows.map(|row| row.required_text("key_arn"))?
            } else if value.starts_with("arn:") {
                similar(&value, known.iter().map(String::as_str))
            } else {
                known.iter().filter(is_id).cloned().collect()
            };
            absent.push(AbsentValue { column: KEY_ARN, value, similar });
        }
        Ok(absent)
    }

    /// The texts of a column of `events`; none where there are too many.
    async fn few_values(&self, column: &str) -> Result<Option<Vec<String>>, QueryError> {
        self.schema_of(EVENTS).await?;
        let events = self.context().table(EVENTS).await.map_err(QueryError::planning)?;
        let values =
            events.select_columns(&[column]).and_then(|values| values.distinct()).map_err(QueryError::planning)?;
        let values = values.limit(0, Some(MAX_VALUES + 1)).map_err(QueryError::planning)?;
        let rows = Rows::collect(self.run(values).await?).await?;
        let texts = rows.map(|row| row.text(column))?;
        Ok((texts.len() <= MAX_VALUES).then(|| texts.into_iter().flatten().collect()))
    }

    async fn texts(&self, sql: &str, column: &str) -> Result<Vec<String>, QueryError> {
        let rows = Rows::collect(self.execute(sql, &[]).await?).await?;
        rows.map(|row| row.required_text(column))
    }
}

/// Texts that filters of a plan ask a column to be, each once, in order.
fn asked_of(plan: &LogicalPlan, column: &str) -> Result<Vec<String>, QueryError> {
    let mut texts = Vec::new();
    let visit = |node: &LogicalPlan| {
        if let LogicalPlan::Filter(filter) = node {
            filter.predicate.apply(|part| {
                texts.extend(texts_of(part, column));
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    };
    plan.apply_with_subqueries(visit).map_err(QueryError::planning)?;
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// The texts of `column = 'text'` and `column in ('text', …)`.
fn texts_of(condition: &Expr, column: &str) -> Vec<String> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (is_column(left), is_column(right)) {
            (true, _) => text_of(right).into_iter().collect(),
            (false, true) => text_of(left).into_iter().collect(),
            (false, false) => Vec::new(),
        },
        Expr::InList(InList { expr, list, negated: false }) if is_column(expr) => {
            list.iter().filter_map(text_of).collect()
        }
        _ => Vec::new(),
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => {
            text.clone()
        }
        _ => None,
    }
}
