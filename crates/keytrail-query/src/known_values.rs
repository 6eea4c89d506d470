//! Values of the data that a prompt can offer: names of events, keys and aliases.
//!
//! Each is one query over the session's tables, bounded by the query itself (`sql/reports/prompt/`). When to ask and how
//! long to wait is up to the caller.

use crate::catalogue::report_sql;
use crate::error::QueryError;
use crate::rows::Rows;
use crate::session::Session;

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

    async fn texts(&self, sql: &str, column: &str) -> Result<Vec<String>, QueryError> {
        let rows = Rows::collect(self.execute(sql, &[]).await?).await?;
        rows.map(|row| row.required_text(column))
    }
}
