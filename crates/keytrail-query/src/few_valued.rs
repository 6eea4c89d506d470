//! Names of columns whose values come again: what several parts of this crate do only for them.
//!
//! A name stands for the column of `events` and of every view that has it. Each set is part of the one before it. A name that no column has
//! would be an error to nobody and cost only time; the test below looks for such.

/// Columns of tables and views that have at most some thousands of values in a million rows: rows are grouped by the numbers of their
/// texts. A statement may give the name to a column of many; then its groups are right too, but slow to make.
pub(crate) const GROUPED: [&str; 27] = [
    "account_id",
    "aws_region",
    "caller_account_id",
    "context_service",
    "detail_level",
    "error_code",
    "event_category",
    "event_group",
    "event_month",
    "event_name",
    "event_source",
    "event_type",
    "event_version",
    "key_arn",
    "key_material_id",
    "key_resolution",
    "key_role",
    "operation_class",
    "other_key_arn",
    "outcome",
    "principal",
    "principal_account_id",
    "principal_type",
    "reason",
    "recipient_account_id",
    "service",
    "source_key_arn",
];

/// Columns of `events` of so few values that a prompt offers them, and that a value which is not among them is told.
pub(crate) const OFFERED: [&str; 9] = [
    "event_source",
    "event_name",
    "event_type",
    "event_category",
    "aws_region",
    "recipient_account_id",
    "principal_type",
    "operation_class",
    "outcome",
];

/// Columns of so few values that no statistics tell files apart by them.
pub(crate) const IN_EVERY_FILE: [&str; 2] = ["operation_class", "outcome"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::session::Session;

    #[tokio::test]
    async fn every_name_is_a_column() {
        let session = Session::over_empty_tables();
        let mut columns = BTreeSet::new();
        let views = session.views().map(|view| view.name.clone());
        for relation in session.table_names().into_iter().chain(views) {
            let schema = session.schema_of(&relation).await.unwrap();
            columns.extend(schema.fields().iter().map(|field| field.name().clone()));
        }
        let unknown: Vec<_> = GROUPED.into_iter().filter(|name| !columns.contains(*name)).collect();
        assert_eq!(unknown, Vec::<&str>::new());
        let of_events = session.schema_of("events").await.unwrap();
        assert!(OFFERED.iter().all(|name| of_events.index_of(name).is_ok() && GROUPED.contains(name)));
        assert!(IN_EVERY_FILE.iter().all(|name| OFFERED.contains(name)));
    }
}
