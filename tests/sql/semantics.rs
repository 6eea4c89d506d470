//! What SQL says and the engine does not do by itself: nulls in lists, lengths of intervals, far years, repeated sort keys, and results that
//! are larger than the memory.

use keytrail_query::{QueryError, Session, SessionOptions};

use crate::cells::{chain, rows, value};
use crate::fixture;

async fn assert_values(session: &Session, cases: &[(&str, Option<&str>)]) {
    for (sql, expected) in cases {
        assert_eq!(value(session, sql).await.as_deref(), *expected, "{sql}");
    }
}

/// The first column, sorted by its text, nulls last, in one line.
pub(crate) async fn column(session: &Session, sql: &str) -> String {
    let mut cells: Vec<_> = rows(session, sql).await.into_iter().map(|row| row[0].clone()).collect();
    cells.sort_by_key(|cell| (cell.is_none(), cell.clone()));
    cells.into_iter().map(|cell| cell.unwrap_or_else(|| "null".to_owned())).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_null_in_a_list_is_an_unknown_value() {
    let session = fixture::session().await;
    for (condition, expected) in [
        ("x not in (1, null)", ""),
        ("x not in (null)", ""),
        ("x in (null)", ""),
        ("x in (1, null)", "1"),
        ("x in (2, 3) and x not in (1, null)", ""),
        ("x not in (1, null) and x in (2, 3)", ""),
        ("not (x in (1, null))", ""),
        ("not (x not in (1, null))", "1"),
        ("x in (1, cast(null as bigint)) or x in (2)", "1 2"),
        ("(x in (1, null)) is null", "2 3 null"),
        ("(x not in (1, null)) is null", "2 3 null"),
    ] {
        let sql = format!("select x from (values (1), (2), (3), (null)) t(x) where {condition}");
        assert_eq!(column(&session, &sql).await, expected, "{condition}");
    }
    // Of columns by which files are left out, and in the views, too.
    for table in ["events", "kms_events"] {
        for condition in [
            "event_month not in ('2024-01', null)",
            "event_month not in (null)",
            "event_group not in ('kms', null)",
            "event_group in ('kms') and event_month like '2024-0_' and event_month not in ('2024-01', null)",
            "event_month <> '2024-01' and event_month not in ('2024-02', null)",
            "event_name not in ('Decrypt', null)",
            "event_name like 'D%' and event_name not in ('Decrypt', null)",
            "not (event_month in ('2024-01', null))",
        ] {
            let sql = format!("select count(*) from {table} where {condition}");
            assert_eq!(value(&session, &sql).await.as_deref(), Some("0"), "{sql}");
        }
        for (condition, same) in [
            ("event_month in ('2024-01', null)", "event_month = '2024-01'"),
            (
                "event_group in ('kms', null) and event_name in ('Decrypt', null)",
                "event_group = 'kms' and event_name = 'Decrypt'",
            ),
        ] {
            let count = async |condition: &str| {
                value(&session, &format!("select count(*) from {table} where {condition}")).await
            };
            assert_eq!(count(condition).await, count(same).await, "{condition}");
            assert_ne!(count(condition).await.as_deref(), Some("0"), "{condition}");
        }
    }
}

#[tokio::test]
async fn of_a_null_no_pair_of_lists_tells() {
    let session = fixture::session().await;
    for (condition, expected) in [
        ("x not in (1, 2) or x not in (3)", "1 2 3"),
        ("not (x in (1, 2) and x in (3, 4))", "1 2 3"),
        ("not (x in (1, 2) and x not in (1, 2, 3))", "1 2 3"),
        ("not (x not in (1, 2, 3) and x in (1, 2))", "1 2 3"),
        ("not ((x = 1 or x = 2) and (x = 3 or x = 4))", "1 2 3"),
        ("(x in (1, 2) and x in (3, 4)) is null", "null"),
        ("(x not in (1) or x not in (2)) is null", "null"),
        ("x in (1, 2) and x in (2, 3)", "2"),
        ("x in (1, 2) and x not in (2, 3)", "1"),
        ("x not in (1, 2) or x not in (2, 3)", "1 3"),
        ("x not in (1) and x not in (2)", "3"),
        ("x in (1) or x in (2)", "1 2"),
        // Other columns may have the same value.
        ("x in (y, 7) and x in (z, 8)", "2"),
        ("x in (y, 7) and x not in (z, 8)", "1"),
        ("x not in (y, 7) or x not in (z, 8)", "1 3"),
    ] {
        let sql = format!(
            "select x from (values (1, 1, 9), (2, 2, 2), (3, 9, 9), (null, 1, 1)) t(x, y, z) where {condition}"
        );
        assert_eq!(column(&session, &sql).await, expected, "{condition}");
    }
    let error_codes = "select count(*) from events where error_code is not null";
    let with_code = value(&session, error_codes).await;
    let either = "select count(*) from events where error_code not in ('A', 'B') or error_code not in ('C')";
    assert_eq!(value(&session, either).await, with_code);
}

#[tokio::test]
async fn intervals_are_compared_by_their_lengths() {
    let session = fixture::session().await;
    assert_values(
        &session,
        &[
            ("select interval '36 hours' > interval '1 day'", Some("true")),
            ("select interval '36 hours' >= interval '2 days'", Some("false")),
            ("select interval '24 hours' = interval '1 day'", Some("true")),
            ("select interval '24 hours' <> interval '1 day'", Some("false")),
            ("select interval '1 month' < interval '31 days'", Some("true")),
            ("select interval '1 month' <= interval '30 days'", Some("true")),
            ("select interval '300 years' > interval '290 years'", Some("true")),
            ("select interval '-1 day' < interval '-1 hour'", Some("true")),
            ("select interval '24 hours' is not distinct from interval '1 day'", Some("true")),
            ("select interval '24 hours' in (interval '2 days', interval '1 day')", Some("true")),
            ("select interval '24 hours' not in (interval '2 days', interval '1 day')", Some("false")),
            ("select interval '36 hours' between interval '1 day' and interval '2 days'", Some("true")),
            ("select timestamp '2024-01-10' - timestamp '2024-01-01' > interval '1 day'", Some("true")),
            ("select timestamp '2024-01-01 01:00:00' - timestamp '2024-01-01' < interval '1 day'", Some("true")),
            ("select interval '1 day' < timestamp '2024-01-10' - timestamp '2024-01-01'", Some("true")),
            ("select timestamp '2024-01-10' - timestamp '2024-01-01' in (interval '9 days')", Some("true")),
            ("select max(event_time) - min(event_time) > interval '30 days' from events", Some("true")),
            ("select max(event_time) - min(event_time) > interval '30 years' from events", Some("false")),
            ("select max(event_time) - min(event_time) > null::interval from events", None),
        ],
    )
    .await;
    let long = |condition: &str| format!("select key_arn from kms_events group by key_arn having {condition}");
    let by_days = column(&session, &long("max(event_time) - min(event_time) > interval '1 day'")).await;
    let by_hours = column(&session, &long("max(event_time) - min(event_time) > interval '24 hours'")).await;
    let by_seconds = column(&session, &long("date_part('epoch', max(event_time) - min(event_time)) > 86400")).await;
    assert_eq!((&by_days, &by_hours), (&by_seconds, &by_seconds));
    assert!(!by_days.is_empty());

    let intervals = "(values (interval '36 hours', 'b'), (interval '2 days', 'c'), (interval '1 day', 'a')) t(i, x)";
    assert_values(
        &session,
        &[
            (&format!("select array_to_string(array_agg(x order by i desc), '') from {intervals}"), Some("cba")),
            (&format!("select first_value(x order by i) from {intervals}"), Some("a")),
            (&format!("select max_by(x, i) from {intervals}"), Some("c")),
        ],
    )
    .await;
    assert_eq!(column(&session, &format!("select x from {intervals} order by i limit 1")).await, "a");
    let ranks = format!("select x || row_number() over (order by i) from {intervals}");
    assert_eq!(column(&session, &ranks).await, "a1 b2 c3");
    for sql in [
        format!("select max(i) from {intervals}"),
        format!("select min(i) over () from {intervals}"),
        "select greatest(interval '36 hours', interval '1 day')".to_owned(),
    ] {
        let error = session.execute(&sql, &[]).await.err().unwrap_or_else(|| panic!("{sql} is planned"));
        assert!(error.is_usage() && chain(&error).contains("takes no intervals"), "{sql}: {}", chain(&error));
    }
    let durations = "select max(delivery_time - event_time) >= min(delivery_time - event_time) from events";
    rows(&session, durations).await;
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

#[tokio::test]
async fn a_sort_key_may_be_named_twice() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select distinct on (a) b from (values (1, 3), (1, 2)) t(a, b) order by a, b, b", "2"),
        ("select last_value(b order by b, b) from (values (1, 2), (1, 3)) t(a, b) group by a", "3"),
        ("select first_value(b order by b, b desc) from (values (1, 2), (1, 3)) t(a, b) group by a", "2"),
        ("select first_value(b order by b, a, b) from (values (1, 2), (1, 3)) t(a, b) group by a", "2"),
        ("select row_number() over (order by b, b) from (values (1, 2), (1, 3)) t(a, b)", "1 2"),
    ] {
        assert_eq!(column(&session, sql).await, expected, "{sql}");
    }
    rows(&session, "select event_name, last_value(event_id order by event_time, event_time) from events group by 1")
        .await;
    let names = session.execute("select last_value(event_id order by event_time, event_time) from events", &[]).await;
    let names = names.unwrap().schema;
    assert_eq!(names.field(0).name(), "last_value(event_id ORDER BY event_time, event_time)");
}

#[tokio::test]
async fn a_query_without_a_select_shows_all_columns() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("from (values (1, 'a'), (2, 'b')) t(a, b)", "1 2"),
        ("from (values (1)) t(a) union all from (values (2)) t(a)", "1 2"),
        ("from (values (1), (2)) t(a) order by a limit 1", "1"),
        ("select a + 1 from (from (values (1)) t(a)) x", "2"),
        ("with x as (from (values (1)) t(a)) from x", "1"),
        ("from (values (1)) t(a) select a + 1", "2"),
    ] {
        assert_eq!(column(&session, sql).await, expected, "{sql}");
    }
    let width = async |sql: &str| session.execute(sql, &[]).await.unwrap().schema.fields().len();
    assert_eq!(width("from events limit 1").await, width("select * from events limit 1").await);
}

#[tokio::test]
async fn a_text_that_says_true_or_false_is_compared_with_a_boolean() {
    let session = fixture::session().await;
    let of = "from (values (true), (false), (null)) t(b)";
    for (condition, expected) in
        [("b = 'true'", "true"), ("'FALSE' = b", "false"), ("b <> 'true'", "false"), ("(b = 'false') is null", "null")]
    {
        let sql = format!("select b {of} where {condition}");
        assert_eq!(column(&session, &sql).await, expected, "{condition}");
    }
    assert_eq!(column(&session, &format!("select b = 'true' {of}")).await, "false true null");
    assert_eq!(column(&session, "select 'true' = 'false'").await, "false");
    let read_only = value(&session, "select count(*) from events where read_only").await;
    assert_eq!(value(&session, "select count(*) from events where read_only = 'true'").await, read_only);
}

#[tokio::test]
async fn a_union_has_the_names_of_its_first_part() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select a from (select x as a from n where false) z union all select y from m", "3 4"),
        ("select a from (select x as a from n where 1 = 0) z union select y from m", "3 4"),
        ("select a from (select x as a from n) z union all select y from m where false", "1 2"),
        ("select a from (select x as a from n) z union all select y from m", "1 2 3 4"),
    ] {
        let with =
            "with n as (select column1 as x from (values (1), (2))), m as (select column1 as y from (values (3), (4)))";
        assert_eq!(column(&session, &format!("{with} {sql}")).await, expected, "{sql}");
    }
    let months =
        "select m from (select event_month as m from events where false) z union all select event_name from events";
    assert_eq!(value(&session, &format!("select count(*) from ({months})")).await.as_deref(), Some("26"));
}

#[tokio::test]
async fn a_result_larger_than_the_memory_is_not_begun() {
    let lake = fixture::lake().await;
    let limited = SessionOptions { memory_limit_bytes: Some(64 << 20), ..SessionOptions::default() };
    for options in [limited, SessionOptions::default()] {
        let session = Session::over_lake(&lake, &options).await.unwrap();
        for sql in [
            "select cardinality(array_repeat(1, 2000000000))",
            "select cardinality(array_repeat('a text that is long', 200000000))",
            "select length(lpad('x', 2000000000, 'y'))",
            "select length(rpad('x', 2000000000))",
            "select length(repeat('x', 2000000000))",
            "select max(length(repeat(event_id, 1000000000))) from events",
            "select count(*) from events where length(repeat(event_id, 1000000000)) > 1",
            "select cardinality(generate_series(1, 2000000000))",
            "select cardinality(range(2000000000))",
            "select cardinality(range(2000000000, 0, -1))",
            "select cardinality(generate_series(timestamp '2024-01-01', timestamp '2026-01-01', interval '1 microsecond'))",
            "select cardinality(array_resize([1], 2000000000))",
            "select cardinality(list_repeat(1, 2000000000))",
        ] {
            let error = match session.execute(sql, &[]).await {
                Err(error) => error,
                Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
            };
            assert!(matches!(error, QueryError::OutOfMemory(_)), "{sql}: {}", chain(&error));
            assert!(chain(&error).contains(" needs ") && chain(&error).contains("GiB"), "{sql}: {}", chain(&error));
        }
        assert_values(
            &session,
            &[
                ("select repeat('ab', 3)", Some("ababab")),
                ("select repeat(cast(null as text), 3)", None),
                ("select repeat('ab', -1)", Some("")),
                ("select lpad('x', 3, 'y')", Some("yyx")),
                ("select rpad('x', 3)", Some("x  ")),
                ("select cardinality(array_repeat('a', 3))", Some("3")),
                ("select cardinality(generate_series(1, 10, 3))", Some("4")),
                ("select cardinality(range(date '2024-01-01', date '2024-02-01', interval '1 day'))", Some("31")),
                ("select cardinality(generate_series(timestamp '2024-01-01', timestamp '2024-01-02', interval '1 hour'))", Some("25")),
                ("select array_resize([1], 3, 0)", Some("[1, 0, 0]")),
                ("select count(*) from events where length(repeat(event_id, 2)) > 1", Some("26")),
            ],
        )
        .await;
    }
}

/// A day is no time: an hour before it is one.
#[tokio::test]
async fn a_day_and_an_interval_of_hours_are_a_time() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select date '2026-01-01' - interval '1 hour'", "2025-12-31T23:00:00"),
        ("select interval '1 hour' + date '2026-01-01'", "2026-01-01T01:00:00"),
        ("select date '2026-01-01' + interval '1 day 12 hours'", "2026-01-02T12:00:00"),
        ("select date '2026-01-01' + interval '1 hour' * 36", "2026-01-02T12:00:00"),
        ("select date '2026-01-01' + interval '7 days'", "2026-01-08"),
        ("select date '2026-01-31' + interval '1 month'", "2026-02-28"),
        ("select timestamp '2026-01-01 06:00' > date '2026-01-01' + interval '12 hours'", "false"),
        (
            "select count(*) from events where event_time >= event_time::date + interval '24 hours' - interval '1 second' and false",
            "0",
        ),
    ] {
        assert_eq!(value(&session, sql).await.as_deref(), Some(expected), "{sql}");
    }
}

/// `now()` and its like are moments, which clocks elsewhere show otherwise.
#[tokio::test]
async fn moments_have_a_zone() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select '2026-07-01T12:00:00Z'::timestamptz at time zone 'Europe/Berlin'", "2026-07-01T14:00:00+02:00"),
        ("select to_timestamp('2026-07-01T12:00:00Z') at time zone 'Europe/Berlin'", "2026-07-01T14:00:00+02:00"),
        ("select to_timestamp(0)", "1970-01-01T00:00:00Z"),
        ("select arrow_typeof(now())", "Timestamp(ns, \"UTC\")"),
        ("select timestamp '2026-07-01 12:00' at time zone 'Europe/Berlin'", "2026-07-01T12:00:00+02:00"),
        ("select date_part('hour', now()) = date_part('hour', now() at time zone '+01:00')", "false"),
    ] {
        assert_eq!(value(&session, sql).await.as_deref(), Some(expected), "{sql}");
    }
}

/// Of a time with a zone, by the clocks of that zone.
#[tokio::test]
async fn buckets_begin_by_the_clocks_of_their_zone() {
    let session = fixture::session().await;
    let at = |time: &str| format!("'{time}'::timestamptz at time zone 'Europe/Berlin'");
    for (call, time, expected) in [
        ("time_bucket(interval '1 day', ", "2026-01-01T12:00:00Z", "2026-01-01T00:00:00+01:00"),
        ("time_bucket(interval '1 day', ", "2026-01-01T23:30:00Z", "2026-01-02T00:00:00+01:00"),
        ("time_bucket(interval '1 month', ", "2026-06-30T22:30:00Z", "2026-07-01T00:00:00+02:00"),
        ("date_bin(interval '1 day', ", "2026-07-01T12:00:00Z", "2026-07-01T00:00:00+02:00"),
        // The day on which clocks go back, and the hour that they show twice.
        ("time_bucket(interval '1 day', ", "2026-10-25T12:00:00Z", "2026-10-25T00:00:00+02:00"),
        ("time_bucket(interval '1 hour', ", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00"),
        ("time_bucket(interval '1 hour', ", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00"),
    ] {
        let sql = format!("select {call}{})", at(time));
        assert_eq!(value(&session, &sql).await.as_deref(), Some(expected), "{sql}");
    }
    let utc = "select time_bucket(interval '1 day', '2026-01-01T12:00:00Z'::timestamptz)";
    assert_eq!(value(&session, utc).await.as_deref(), Some("2026-01-01T00:00:00Z"));
    let column = "select count(distinct time_bucket(interval '1 day', event_time at time zone 'Asia/Tokyo')) =
        count(distinct date_trunc('day', event_time at time zone 'Asia/Tokyo')) from events";
    assert_eq!(value(&session, column).await.as_deref(), Some("true"));
}
