//! Parameters are values: whatever a text holds, it is compared as it is and never read as SQL.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, SecondsFormat};
use keytrail_query::{QueryError, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::cells::cells;
use crate::fixture;

/// Texts that have been SQL to somebody.
const HOSTILE: [&str; 12] = [
    "' or '1' = '1",
    "'; drop table events; --",
    "\\'; select 1",
    "$p",
    ":p",
    "$$",
    "/*",
    "\" union select 1 --",
    "x'\u{0}y",
    "‘ or 1=1",
    "null",
    "",
];

async fn echo(session: &Session, sql: &str, value: &str) -> Vec<Vec<Option<String>>> {
    let parameters = [("p".to_owned(), value.to_owned())];
    let result = session.execute(sql, &parameters).await.unwrap_or_else(|error| panic!("{value:?}: {error}"));
    cells(&result.collect().await.unwrap())
}

/// The value comes back as it is, and finds itself and nothing else.
async fn assert_is_a_value(session: &Session, value: &str) {
    for sql in ["select :p", "select $p", "select x from (select :p as x) where x = $p"] {
        assert_eq!(echo(session, sql, value).await, [[Some(value.to_owned())]], "{sql}: {value:?}");
    }
    for sql in
        ["select event_id from events where event_id = :p", "select key_arn from kms_key_usage where key_arn = $p"]
    {
        assert!(echo(session, sql, value).await.is_empty(), "{sql}: {value:?}");
    }
}

#[test]
fn no_text_is_read_as_sql() {
    let runtime = Runtime::new().unwrap();
    let session = runtime.block_on(fixture::session());
    for value in HOSTILE {
        runtime.block_on(assert_is_a_value(&session, value));
    }
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let texts = prop_oneof![any::<String>(), "['\";:$\\-/*() a-z0-9]{0,40}"];
    let outcome = runner.run(&texts, |text| {
        runtime.block_on(assert_is_a_value(&session, &text));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn numbers_and_times_are_typed_by_their_place() {
    let runtime = Runtime::new().unwrap();
    let session = runtime.block_on(fixture::session());
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&any::<i64>(), |number| {
        let sql = "select value = :p from (select cast(arrow_cast($p, 'Utf8') as bigint) as value)";
        let given = [("p:int".to_owned(), number.to_string())];
        let rows = runtime.block_on(async { session.execute(sql, &given).await.unwrap().collect().await.unwrap() });
        prop_assert_eq!(cells(&rows), vec![vec![Some("true".to_owned())]]);
        Ok(())
    });
    outcome.unwrap();
    let bad = |sql: &str, name: &str, value: &str| {
        let given = [(name.to_owned(), value.to_owned())];
        runtime.block_on(async { session.execute(sql, &given).await.map(|_| ()).unwrap_err() })
    };
    let since = "select 1 from events where event_time >= :p";
    for (sql, name, value) in [
        (since, "p", "yesterday"),
        (since, "p", ""),
        (since, "p", "2024-02-30"),
        ("select :p", "p:int", "5; select 1"),
        ("select :p", "p:nothing", "5"),
        ("select 1 from events where record_index = :p", "p", "0 or 1 = 1"),
        ("select 1 from events limit :p", "p", "many"),
    ] {
        assert!(matches!(bad(sql, name, value), QueryError::BadParameter { .. }), "{sql}: {value}");
    }
}

#[test]
fn a_time_is_the_same_moment_however_it_is_written() {
    let runtime = Runtime::new().unwrap();
    let session = runtime.block_on(fixture::session());
    let value = |sql: &str, name: &str, text: &str| {
        let given = [(name.to_owned(), text.to_owned())];
        let rows = runtime.block_on(async { session.execute(sql, &given).await.unwrap().collect().await.unwrap() });
        cells(&rows).concat()
    };
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    // From 1700 to 2199.
    let moments = (-8_520_336_000_000_000..7_258_118_400_000_000_i64, -14 * 60..=14 * 60);
    let outcome = runner.run(&moments, |(micros, offset_minutes)| {
        let moment = DateTime::from_timestamp_micros(micros).unwrap();
        let offset = FixedOffset::east_opt(offset_minutes * 60).unwrap();
        let there = moment.with_timezone(&offset);
        for text in [
            moment.to_rfc3339_opts(SecondsFormat::Micros, true),
            there.to_rfc3339_opts(SecondsFormat::Micros, false),
            moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        ] {
            let found = value("select arrow_cast(:p, 'Int64')", "p:timestamp", &text);
            prop_assert_eq!(found, vec![Some(micros.to_string())], "{}", text);
        }
        let date = moment.date_naive();
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        let found = value("select arrow_cast(:p, 'Int32')", "p:date", &date.to_string());
        prop_assert_eq!(found, vec![Some(days.to_string())]);
        // What a date is compared with begins it.
        let next = date.checked_add_days(Days::new(1)).unwrap();
        let found = value(
            &format!("select arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))') < :p"),
            "p:timestamp",
            &next.to_string(),
        );
        prop_assert_eq!(found, vec![Some("true".to_owned())]);
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_declared_type_holds_where_the_place_asks_for_another() {
    let session = fixture::session().await;
    let value = async |sql: &str, parameter: &str, text: &str| {
        let parameters = [(parameter.to_owned(), text.to_owned())];
        let result = session.execute(sql, &parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        cells(&result.collect().await.unwrap())[0][0].clone()
    };
    for (sql, parameter, text, expected) in [
        ("select timestamp '2024-01-01' + :i", "i:interval", "1 day", "2024-01-02T00:00:00"),
        ("select timestamp '2024-01-01' - (:i)", "i:interval", "1 day", "2023-12-31T00:00:00"),
        ("select :i + timestamp '2024-01-01'", "i:interval", "1 day", "2024-01-02T00:00:00"),
        ("explain select timestamp '2024-01-01' + $i", "i:interval", "1 day", "logical_plan"),
        ("select count(*) > 0 from events where event_time + :i > now()", "i:interval", "100 years", "true"),
        (
            "select count(*) from events where event_time > :t - interval '1 day'",
            "t:timestamp",
            "2024-02-03T00:00:00Z",
            "1",
        ),
        ("select :t - interval '1 day'", "t:timestamp", "2024-01-02", "2024-01-01T00:00:00Z"),
        ("select :d + interval '1 day'", "d:date", "2024-01-01", "2024-01-02"),
        ("select 1 + :n", "n:int", "2", "3"),
    ] {
        assert_eq!(value(sql, parameter, text).await.as_deref(), Some(expected), "{sql}");
    }
}

#[tokio::test]
async fn a_parameter_in_the_place_of_a_truth_value_is_one() {
    let session = fixture::session().await;
    for (sql, value, expected) in [
        ("select not :p", "false", Some("true")),
        ("select 1 where not (:p)", "true", None),
        ("select 1 where :p", "true", Some("1")),
        ("select 1 where $p and 1 = 1", "false", None),
        ("select count(*) having :p or false", "true", Some("1")),
    ] {
        let rows = echo(&session, sql, value).await;
        assert_eq!(rows.first().and_then(|row| row[0].as_deref()), expected, "{sql}");
    }
    let wrong = session.execute("select not :p", &[("p".to_owned(), "perhaps".to_owned())]).await;
    assert!(matches!(wrong, Err(QueryError::BadParameter { ref expected, .. }) if expected == "bool"));
}
