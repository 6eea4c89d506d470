//! What SQL says and the engine does not do by itself: nulls in lists, lengths of intervals, far years, repeated sort keys, and results that
//! are larger than the memory.

use keytrail_query::Session;

use crate::cells::{rows, value};
use crate::fixture;

async fn assert_values(session: &Session, cases: &[(&str, Option<&str>)]) {
    for (sql, expected) in cases {
        assert_eq!(value(session, sql).await.as_deref(), *expected, "{sql}");
    }
}

/// The first column, sorted by its text, nulls last, in one line.
async fn column(session: &Session, sql: &str) -> String {
    let mut cells: Vec<_> = rows(session, sql).await.into_iter().map(|row| row[0].clone()).collect();
    cells.sort_by_key(|cell| (cell.is_none(), cell.clone()));
    cells.into_iter().map(|cell| cell.unwrap_or_else(|| "null".to_owned())).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn times_are_compared_with_any_year() {
    let session = fixture::session().await;
    let all = value(&session, "select count(event_time) from events").await;
    for condition in [
        "event_time < '9999-12-31'",
        "'9999-12-31T23:59:59Z' > event_time",
        "event_time <= '9999-12-31 23:59:59.999999'",
        "event_time > '0001-01-01'",
        "event_time <> '2300-01-01'",
        "event_time is distinct from timestamp '2300-01-01'",
        "event_time < timestamp '2300-01-01'",
        "event_time < timestamp '2300-01-01T00:00:00+02:00'",
        "event_time < cast('2300-01-01' as timestamp)",
        "event_time < date '2300-01-01'",
        "event_time > date '0001-01-01'",
        "event_time between '0001-01-01' and '9999-12-31'",
        "event_time between timestamp '1970-01-01' and timestamp '9999-12-31'",
        "event_time not between '2300-01-01' and '9999-12-31'",
        "event_time not in ('2300-01-01', '2024-01-01 00:00:00.5')",
        "coalesce(event_time, '9999-12-31') < '9999-12-31'",
        "least(event_time, timestamp '9999-12-31') = event_time",
        "coalesce(null, event_time, timestamp '9999-12-31') < timestamp '9999-12-31'",
    ] {
        for table in ["events", "kms_events"] {
            let count = async |sql: String| value(&session, &sql).await;
            let found = count(format!("select count(event_time) from {table} where {condition}")).await;
            assert_eq!(found, count(format!("select count(event_time) from {table}")).await, "{condition}");
        }
        // And where no file can be left out.
        let computed =
            format!("select count(event_time) filter (where {condition}) from (select * from events limit 1000)");
        assert_eq!(value(&session, &computed).await, all, "{condition}");
    }
    for condition in
        ["event_time > '9999-12-31'", "event_time = timestamp '2300-01-01'", "event_time in ('2300-01-01')"]
    {
        let sql = format!("select count(*) from events where {condition}");
        assert_eq!(value(&session, &sql).await.as_deref(), Some("0"), "{condition}");
    }
}
