//! What other databases write and the engine does not read so: long numbers, escapes, paths, semi joins, questions in the select list.

use keytrail_query::{QueryError, Session};

use crate::cells::{chain, rows, value};
use crate::fixture;
use crate::semantics::column;

/// The only value of a query, as a text.
async fn text(session: &Session, sql: &str) -> String {
    value(session, sql).await.unwrap_or_else(|| "null".to_owned())
}

#[tokio::test]
async fn numbers_keep_their_digits_where_they_are_to_be_exact() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select 99999999999999999999999::decimal(38,0)", "99999999999999999999999"),
        ("select 123456789012345678.123456789::decimal(38,9)", "123456789012345678.123456789"),
        ("select 1.005::decimal(10,2)", "1.01"),
        ("select -1.005::decimal(10,2)", "-1.01"),
        ("select cast((-1.005) as numeric(10,2))", "-1.01"),
        ("select try_cast(1.005 as decimal(10,2))", "1.01"),
        ("select 99999999999999999999999", "99999999999999999999999"),
        ("select -9223372036854775809", "-9223372036854775809"),
        ("select 18446744073709551616 - 1", "18446744073709551615"),
        ("select 1 < 99999999999999999999999", "true"),
        ("select arrow_typeof(18446744073709551615)", "UInt64"),
        ("select 1_000 + 1", "1001"),
        ("select 1_000.5", "1000.5"),
        // These are doubles as before.
        ("select arrow_typeof(1.5)", "Float64"),
        ("select 1.0 / 3", "0.3333333333333333"),
        ("select 1e3::decimal(10,1)", "1000.0"),
        ("select arrow_typeof(1e30)", "Float64"),
    ] {
        assert_eq!(text(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn an_escape_character_is_what_the_pattern_says() {
    let session = fixture::session().await;
    for (condition, expected) in [
        ("'a%b' like 'a!%b' escape '!'", "true"),
        ("'axb' like 'a!%b' escape '!'", "false"),
        ("'a_b' like 'a#_%' escape '#'", "true"),
        ("'axb' like 'a#_%' escape '#'", "false"),
        ("'a!b' like 'a!!b' escape '!'", "true"),
        ("'a\\b' like 'a\\b' escape '!'", "true"),
        ("'A%B' ilike 'a!%b' escape '!'", "true"),
        ("'a%b' not like 'a!%b' escape '!'", "false"),
        ("'a\\%' like 'a\\%' escape ''", "true"),
        ("'a%' like 'a\\%' escape '\\'", "true"),
    ] {
        assert_eq!(text(&session, &format!("select {condition}")).await, expected, "{condition}");
    }
}

#[tokio::test]
async fn tables_are_joined_and_made_of_lists_as_other_databases_write_it() {
    let session = fixture::session().await;
    let tables = "with t(a) as (values (1), (2), (3), (null)), u(a) as (values (2), (3), (3))";
    for (sql, expected) in [
        ("select a from t semi join u using (a)", "2 3"),
        ("select a from t anti join u using (a)", "1 null"),
        ("select t.a from (t semi join u on t.a = u.a)", "2 3"),
        ("select x from unnest([3, 1]) as l(x)", "1 3"),
        ("select x + 1 from unnest([3, 1]) x", "2 4"),
        ("select unnest from unnest([3, 1])", "1 3"),
        ("select x + a from t cross join unnest([10, 20]) as l(x) where a < 3", "11 12 21 22"),
        ("select a from t where a in (select * from unnest([1, 2]))", "1 2"),
    ] {
        assert_eq!(column(&session, &format!("{tables} {sql}")).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn json_paths_lead_to_members() {
    let session = fixture::session().await;
    let json = "(values ('{\"a\":{\"b c\":[5,{\"d\":\"x\"}]},\"$.a\":1}')) t(j)";
    for (path, expected) in [
        ("j ->> '$.a.\"b c\"[1].d'", "x"),
        ("j ->> '$[''a''][''b c''][0]'", "5"),
        ("j -> '$.a' -> 'b c' ->> 0", "5"),
        ("j ->> '$.b'", "null"),
    ] {
        assert_eq!(text(&session, &format!("select {path} from {json}")).await, expected, "{path}");
    }
    let refused = session.execute("select user_identity ->> '$..type' from events", &[]).await;
    let Err(error @ QueryError::Unsupported { .. }) = refused else { panic!("it is taken") };
    let diagnosis = session.diagnose("select user_identity ->> '$..type' from events", &error);
    assert!(diagnosis.place.is_some() && diagnosis.advice[0].contains("->>"), "{diagnosis:?}");
}

#[tokio::test]
async fn questions_about_other_rows_are_answered_in_columns_and_aggregates() {
    let session = fixture::session().await;
    let tables = "with t(a) as (values (1), (2), (null)), u(a) as (values (2), (5)), n(a) as (values (2), (null))";
    for (sql, expected) in [
        ("select exists (select 1 from u where u.a = t.a) from t", "false false true"),
        ("select not exists (select 1 from u where u.a = t.a limit 1) from t", "false true true"),
        ("select exists (select 1 from u) from t", "true true true"),
        ("select exists (select 1 from u where a > 9) from t", "false false false"),
        ("select a in (select a from u) from t", "false true null"),
        ("select a not in (select a from u) from t", "false true null"),
        ("select a in (select a from n) from t", "true null null"),
        ("select a in (select a from u where a > 9) from t", "false false false"),
        ("select case when exists (select 1 from u where u.a = t.a) then 'y' else 'n' end from t", "n n y"),
        ("select count(*) filter (where exists (select 1 from u where u.a = t.a)) from t", "1"),
        ("select sum(case when a in (select a from u) then 10 else 1 end) from t", "12"),
        ("select count(*) from t group by exists (select 1 from u where u.a = t.a)", "1 2"),
        ("select exists (select 1)", "true"),
    ] {
        assert_eq!(column(&session, &format!("{tables} {sql}")).await, expected, "{sql}");
    }
    let named = session.execute("select exists (select 1) as is_one, exists (select 1)", &[]).await;
    let schema = named.unwrap_or_else(|error| panic!("{}", chain(&error))).schema;
    assert_eq!(schema.field(0).name(), "is_one");
    assert_eq!(schema.field(1).name(), "EXISTS (SELECT 1)");
}

#[tokio::test]
async fn an_interval_is_taken_a_number_of_times() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select interval '1 day' * 7 = interval '7 days'", "true"),
        ("select 3 * interval '1 month' = interval '3 months'", "true"),
        ("select date '2024-01-31' + 2 * interval '1 day'", "2024-02-02T00:00:00"),
        ("select interval (n) day = interval '3 days' from (values (3)) t(n)", "true"),
        ("select interval (1 + 1) hour = interval '2 hours'", "true"),
        ("select interval 30 day = interval '30 days'", "true"),
        ("select interval -3 day = interval '-3 days'", "true"),
        ("select count(*) from (values (1), (null)) t(n) where interval '2 hours' * n is null", "1"),
    ] {
        assert_eq!(text(&session, sql).await, expected, "{sql}");
    }
    let parameters = [("n".to_owned(), "30".to_owned())];
    let result = session.execute("select interval '1 day' * :n = interval '30 days' as same", &parameters).await;
    let rows = result.unwrap_or_else(|error| panic!("{}", chain(&error))).collect().await.expect("rows");
    assert_eq!(crate::cells::cells(&rows)[0][0].as_deref(), Some("true"));
}

#[tokio::test]
async fn numbers_that_their_type_cannot_hold_are_errors() {
    let session = fixture::session().await;
    let most = "9223372036854775807";
    for sql in [
        format!("select {most} + 1"),
        format!("select -{most} - 2"),
        format!("select {most} * 2"),
        format!("select x + 1 from (values ({most})) t(x)"),
        format!("select record_index * {most} from (select record_index + 2 as record_index from events)"),
        format!("select count(*) from events where record_index + {most} > 0"),
        format!("select sum(x) from (values ({most}), (1)) t(x)"),
        format!("select g, sum(x) from (values (1, {most}), (1, 1), (2, 0)) t(g, x) group by g"),
        format!("select sum(x) over (order by x) from (values ({most}), (1)) t(x)"),
    ] {
        let error = match session.execute(&sql, &[]).await {
            Err(error) => error,
            Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
        };
        let problem = session.diagnose(&sql, &error).problem.unwrap_or_else(|| panic!("{sql}: {}", chain(&error)));
        assert!(problem.starts_with("a number is too large for its type"), "{sql}: {problem}");
    }
    for (sql, expected) in [
        (format!("select {most} + 0 - 1"), "9223372036854775806"),
        (format!("select sum(x) from (values ({most}), (1), (-1)) t(x)"), most),
        (format!("select sum(x) from (values ({most}), (null)) t(x) where x < 0"), "null"),
        (format!("select sum(distinct x) from (values ({most}), ({most})) t(x)"), most),
        ("select sum(x) filter (where x > 1) from (values (1), (2), (3)) t(x)".to_owned(), "5"),
        ("select sum(x + 1) from (values (1), (2)) t(x)".to_owned(), "5"),
        ("select sum(x) from (values (1.5), (2)) t(x)".to_owned(), "3.5"),
        ("select (1 + 2) * 3".to_owned(), "9"),
    ] {
        assert_eq!(text(&session, &sql).await, expected, "{sql}");
    }
    let sliding =
        "select sum(x) over (order by x rows between 1 preceding and current row) from (values (1), (2), (4)) t(x)";
    assert_eq!(column(&session, sliding).await, "1 3 6");
}

#[tokio::test]
async fn a_column_that_comes_again_is_numbered() {
    let session = fixture::session().await;
    for (sql, names) in [
        ("select 1 a, 2 a, 3 a", "a a_2 a_3"),
        ("select 1 a, 2 as \"a_2\", 3 A", "a a_2 a_3"),
        ("select event_id, events.event_id from events order by event_id", "event_id event_id_2"),
        ("select count(*), count(*) from events", "count(*) count(*)_2"),
        ("select 1, 1 union all select 2, 3", "1 1_2"),
    ] {
        let result = session.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
        let found: Vec<_> = result.schema.fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(found.join(" "), names, "{sql}");
        result.collect().await.unwrap_or_else(|error| panic!("{sql}: {}", chain(&error)));
    }
}

#[tokio::test]
async fn clauses_of_other_databases_are_taken() {
    let session = fixture::session().await;
    let table = "with t(a, b) as (values (2, 'x'), (1, 'y'), (1, 'x'), (3, null))";
    for (sql, expected) in [
        ("select count(*) from (select a from t fetch first 2 rows only)", "2"),
        ("select count(*) from (select a from t order by a offset 3 rows fetch next 5 rows only)", "1"),
        ("select count(*) from (select a from t fetch first row only)", "1"),
        ("select interval '04:05:06' = interval '4 hours 5 minutes 6 seconds'", "true"),
        ("select interval '1 day -00:30' = interval '1 day -30 minutes'", "true"),
        (
            "select '1 year 2 months 3 days 04:05:06'::interval = interval '1 year 2 months 3 days 4 hours 5 minutes 6 seconds'",
            "true",
        ),
        ("select (timestamp '2024-07-01 10:00' at time zone 'europe/zurich')::text", "2024-07-01T10:00:00+02:00"),
        ("select (timestamp '2024-07-01 10:00' at time zone 'utc')::text", "2024-07-01T10:00:00Z"),
    ] {
        assert_eq!(text(&session, &format!("{table} {sql}")).await, expected, "{sql}");
    }
    for (sql, expected) in [
        ("select a || coalesce(b, '-') from t order by all", "1x 1y 2x 3-"),
        ("select a || coalesce(b, '-'), a from t order by all desc", "3- 2x 1y 1x"),
        ("select count(*) as n, b from t group by all order by all", "1 1 2"),
    ] {
        let shown = rows(&session, &format!("{table} {sql}")).await;
        let shown: Vec<_> = shown.into_iter().map(|row| row[0].clone().unwrap()).collect();
        assert_eq!(shown.join(" "), expected, "{sql}");
    }
    let described = rows(&session, "describe log_files").await;
    assert_eq!(rows(&session, "show columns from log_files").await, described);
}

#[tokio::test]
async fn what_means_something_else_here_is_refused() {
    let session = fixture::session().await;
    for (sql, marked, advice) in [
        ("select 2^10", "^", "power(2, 10)"),
        ("select 7 // 2", "//", "7 / 2"),
        ("select 5 # 3", "#", "(a | b) - (a & b)"),
        ("select 2**10", "*", "power(2, 10)"),
        ("select event_id from events fetch first 2 rows with ties", "fetch", "qualify"),
        ("select event_time at time zone 'Mars/Olympus' from events", "'Mars/Olympus'", "Europe/Zurich"),
        ("select event_time at time zone 'Europe/Zürich' from events", "'Europe/Zürich'", "Europe/Zurich"),
    ] {
        let Err(error) = session.execute(sql, &[]).await else { panic!("{sql} runs") };
        assert!(error.is_usage(), "{sql}: {}", chain(&error));
        let diagnosis = session.diagnose(sql, &error);
        let place = diagnosis.place.clone().unwrap_or_else(|| panic!("{sql}: {diagnosis:?}"));
        assert_eq!(&sql[place], marked, "{sql}: {diagnosis:?}");
        assert!(diagnosis.advice.iter().any(|told| told.contains(advice)), "{sql}: {diagnosis:?}");
    }
    let zone = session.execute("select event_time at time zone 'Europe/Zurrich' from events", &[]).await;
    let Err(error) = zone else { panic!("it runs") };
    let similar = session.diagnose("select event_time at time zone 'Europe/Zurrich' from events", &error).similar;
    assert_eq!(similar.first().map(String::as_str), Some("Europe/Zurich"));
}

#[tokio::test]
async fn decimals_keep_to_their_digits() {
    let session = fixture::session().await;
    let largest = "99999999999999999999999999999999999999::decimal(38, 0)";
    let two = format!("(values ({largest}), ({largest})) t(x)");
    for sql in [
        format!("select sum(x) from {two}"),
        format!("select sum(x) over () from {two}"),
        format!("select sum(x) over (order by x rows between 1 preceding and current row) from {two}"),
        format!("select k, sum(x) from (select 1 as k, x from {two}) group by k"),
        format!("select {largest} + 1"),
        format!("select {largest} - (-1)"),
        format!("select x + x from {two}"),
        format!("select x * 10 from {two}"),
    ] {
        let error = match session.execute(&sql, &[]).await {
            Err(error) => error,
            Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
        };
        let diagnosis = session.diagnose(&sql, &error);
        let problem = diagnosis.problem.unwrap_or_default();
        assert!(problem.starts_with("a number is too large for its type"), "{sql}: {problem}");
        assert!(diagnosis.advice[0].ends_with("`n::double`"), "{sql}: {:?}", diagnosis.advice);
    }
    for (sql, expected) in [
        ("select sum(x) from (values (1.25::decimal(5, 2)), (2.5::decimal(5, 2)), (null)) t(x)", "3.75"),
        ("select sum(x) from (values (null::decimal(5, 2))) t(x)", "null"),
        (
            "select max(s) from (select sum(x) over (order by x rows between 1 preceding and current row) as s from (values (1::decimal(5, 2)), (2::decimal(5, 2)), (3::decimal(5, 2))) t(x))",
            "5.00",
        ),
        (
            "select string_agg(s::text, ' ' order by k) from (select k, sum(x) as s from (values (1, 1.5::decimal(5, 1)), (2, 2::decimal(5, 1)), (1, 2::decimal(5, 1))) t(k, x) group by k)",
            "3.5 2.0",
        ),
        ("select 99999999999999999999999999999999999998::decimal(38, 0) + 1", "99999999999999999999999999999999999999"),
        ("select 1.5::decimal(5, 2) * 2 + 1", "4.00"),
        (
            "select sum(x) from (values (99999999999999999999999999999999999999999::decimal(60, 0)), (1::decimal(60, 0))) t(x)",
            "100000000000000000000000000000000000000000",
        ),
    ] {
        assert_eq!(text(&session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn times_are_written_without_seconds_too() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select timestamp '2026-01-01 10:00'", "2026-01-01T10:00:00"),
        ("select '2026-01-01T10:00Z'::timestamp", "2026-01-01T10:00:00"),
        ("select try_cast('2026-01-01 10:00' as timestamp)", "2026-01-01T10:00:00"),
        ("select try_cast('at ten' as timestamp)", "null"),
        ("select to_timestamp('2026-01-01 10:00')", "2026-01-01T10:00:00Z"),
        (
            "select max(x::timestamp) from (values ('2026-01-01 10:00'), ('2025-01-01 10:00:01')) t(x)",
            "2026-01-01T10:00:00",
        ),
        ("select count(*) from (values ('2026-01-01 10:00')) t(x) where try_cast(x as timestamp) is null", "0"),
        ("select count(*) from events where event_time > '2026-01-01 10:00'", "0"),
        ("select count(*) from events where event_time not between '2020-01-01 10:00' and '2026-01-01 10:00'", "0"),
        ("select to_timestamp(1.5)", "1970-01-01T00:00:01.500Z"),
    ] {
        assert_eq!(text(&session, sql).await, expected, "{sql}");
    }
    for sql in ["select to_timestamp(1e300)", "select to_timestamp(-1e20)", "select to_timestamp('nan'::double)"] {
        let error = match session.execute(sql, &[]).await {
            Err(error) => error,
            Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
        };
        let problem = session.diagnose(sql, &error).problem.unwrap_or_default();
        assert!(problem.starts_with("no time has so many seconds"), "{sql}: {problem}");
    }
}
