//! What `->` gives: JSON text where it is shown, and a number, a text or a truth value where its place asks for one.

use keytrail_query::{QueryError, Session, is_json_field};

use crate::cells::{chain, rows, value};
use crate::fixture;
use crate::semantics::column;

/// Rows of JSON: numbers of both kinds, texts, a truth value, JSON's null, an object, nothing.
const ROWS: &str = r#"with t(i, j) as (values
    (1, '{"a":9}'), (2, '{"a":10}'), (3, '{"a":2.5}'), (4, '{"a":2.0}'), (5, '{"a":"8"}'), (6, '{"a":"x"}'),
    (7, '{"a":true}'), (8, '{"a":null}'), (9, '{"a":{"b":[1,{"c":"d"}]}}'), (10, '{}'), (11, '{"a":9007199254740993}'))"#;

async fn ids(session: &Session, condition: &str) -> String {
    let sql = format!("{ROWS} select i from t where {condition} order by i");
    let ids = rows(session, &sql).await.into_iter().map(|row| row[0].clone().unwrap());
    ids.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn it_is_compared_as_what_it_stands_beside() {
    let session = fixture::session().await;
    for (condition, expected) in [
        ("j -> 'a' > 2", "1 2 3 5 11"),
        ("j -> 'a' > 2.0", "1 2 3 5 11"),
        ("2 < j -> 'a'", "1 2 3 5 11"),
        ("j -> 'a' = 2", "4"),
        ("j -> 'a' = 2.5::decimal(5, 2)", "3"),
        ("j -> 'a' = 9007199254740993", "11"),
        ("j -> 'a' = 9007199254740992", ""),
        ("j -> 'a' between 2.5 and 9", "1 3 5"),
        ("j -> 'a' not between 3 and 9007199254740993", "3 4"),
        ("j -> 'a' in (2, 9, 10)", "1 2 4"),
        ("j -> 'a' in (2.5, 9.0)", "1 3"),
        ("j -> 'a' not in (2, 9, 10, 9007199254740993)", "3 5"),
        ("j -> 'a' = 'x'", "6"),
        ("j -> 'a' = '10'", "2"),
        ("j -> 'a' in ('x', '9')", "1 6"),
        ("j -> 'a' like '%0%'", "2 4 11"),
        ("j -> 'a' = true", "7"),
        ("j -> 'a' is null", "8 10"),
        ("j -> 'a' is distinct from 9 and i < 3", "2"),
        ("j -> 'a' -> 'b' -> 1 -> 'c' = 'd'", "9"),
        ("j -> 'a' -> 'b' -> 0 = 1", "9"),
        (r#"(select '{"a":9}' -> 'a') = 9 and i = 1"#, "1"),
        ("j -> 'a' in (select 9)", "1"),
        ("j -> 'a' in (select 'x')", "6"),
        ("case j -> 'a' when 9 then true when 'x' then true else false end", "1 6"),
        ("upper(j -> 'a') = 'X'", "6"),
        ("coalesce(j -> 'a', 'none') = 'none'", "8 10"),
        ("(j -> 'a')::double > 9 and i < 11", "2"),
        ("(j -> 'a')::bigint = 10", "2"),
        ("(j -> 'a')::decimal(20, 2) = 2.5 and i = 3", "3"),
        ("(j -> 'a')::text = 'x'", "6"),
    ] {
        assert_eq!(ids(&session, condition).await, expected, "{condition}");
    }
    // As a column of a query, too.
    let outer = format!("{ROWS}, u as (select i, j -> 'a' as a from t)");
    for (sql, expected) in [
        ("select i from u where a > 2.0", "1 11 2 3 5"),
        ("select i from u where a = 'x'", "6"),
        ("select i from u where a -> 'b' ->> 0 = '1'", "9"),
        ("select u.i from u join (values ('x'), ('9')) v(x) on u.a = v.x", "1 6"),
    ] {
        assert_eq!(column(&session, &format!("{outer} {sql}")).await, expected, "{sql}");
    }
    let parameters = [("least".to_owned(), "50.5".to_owned())];
    let sql = r#"select '{"limit":100}' -> 'limit' > :least::double"#;
    let rows = session.execute(sql, &parameters).await.unwrap().collect().await.unwrap();
    assert_eq!(crate::cells::cells(&rows)[0][0].as_deref(), Some("true"));
}

#[tokio::test]
async fn it_is_json_text_where_it_is_shown() {
    let session = fixture::session().await;
    let sql = format!("{ROWS} select j -> 'a' as a from t order by i");
    let result = session.execute(&sql, &[]).await.unwrap();
    assert!(is_json_field(result.schema.field(0)));
    let shown: Vec<_> = rows(&session, &sql).await.into_iter().map(|row| row[0].clone()).collect();
    let expected = ["9", "10", "2.5", "2.0", "\"8\"", "\"x\"", "true"].map(|text| Some(text.to_owned()));
    assert_eq!(shown[..7], expected);
    assert_eq!((shown[7].as_deref(), shown[8].as_deref()), (None, Some(r#"{"b":[1,{"c":"d"}]}"#)));
    for (sql, expected) in [
        ("select count(j -> 'a') from t", "9"),
        ("select count(distinct j -> 'a') from t", "9"),
        ("select string_agg(j -> 'a', ',' order by i) from t where i < 3", "9,10"),
        ("select max_by(j -> 'a', i) from t where i < 7", "x"),
        ("select sum(n) from (select j -> 'a', count(*) as n from t group by 1)", "11"),
        ("select json_get(j, 'a') from t where i = 5", "\"8\""),
        ("select json_length(j -> 'a' -> 'b') from t where i = 9", "2"),
        ("select arrow_typeof(j -> 'a') from t where i = 1", "Utf8"),
    ] {
        assert_eq!(value(&session, &format!("{ROWS} {sql}")).await.as_deref(), Some(expected), "{sql}");
    }
    let sql = "select user_identity -> 'type' from events limit 1";
    let named = session.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(named.schema.field(0).name(), "user_identity -> 'type'");
}

#[tokio::test]
async fn it_is_refused_where_nothing_tells_what_it_is() {
    let session = fixture::session().await;
    for sql in [
        "select j from t order by j -> 'a'",
        "select j -> 'a' as a from t order by a",
        "select row_number() over (order by j -> 'a') from t",
        "select max(j -> 'a') from t",
        "select min(j -> 'a') over () from t",
        "select max_by(i, j -> 'a') from t",
        "select greatest(j -> 'a', 1) from t",
        "select 1 from t where j -> 'a' > '2024-01-01'",
        "select 1 from t where j -> 'a' = j -> 'b'",
        "select 1 from t where i::text in (select j -> 'a' from t)",
        "select array_agg(i order by j -> 'a') from t",
    ] {
        let sql = format!("{ROWS} {sql}");
        let error = match session.execute(&sql, &[]).await {
            Err(error) => error,
            Ok(result) => result.collect().await.err().unwrap_or_else(|| panic!("{sql} runs")),
        };
        assert!(matches!(error, QueryError::Unsupported { .. }), "{sql}: {}", chain(&error));
        let diagnosis = session.diagnose(&sql, &error);
        assert!(diagnosis.place.is_some(), "{sql}: {diagnosis:?}");
        assert!(diagnosis.advice[0].contains("->>"), "{sql}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn it_is_no_number_to_compute_with() {
    let session = fixture::session().await;
    for sql in ["select sum(j -> 'a') from t", "select avg(j -> 'a') from t", "select (j -> 'a') + 1 from t"] {
        let sql = format!("{ROWS} {sql}");
        let Err(error) = session.execute(&sql, &[]).await else { panic!("{sql} runs") };
        let diagnosis = session.diagnose(&sql, &error);
        assert!(diagnosis.advice.iter().any(|advice| advice.contains("::double")), "{sql}: {diagnosis:?}");
    }
}

#[tokio::test]
async fn maps_have_brackets() {
    let session = fixture::session().await;
    for operator in ["->>", "->"] {
        let sql = format!("select encryption_context {operator} 'aws:s3:arn' from events");
        let Err(error @ QueryError::Unsupported { .. }) = session.execute(&sql, &[]).await else {
            panic!("it is taken")
        };
        let diagnosis = session.diagnose(&sql, &error);
        assert_eq!(&sql[diagnosis.place.clone().unwrap()], operator, "{diagnosis:?}");
        assert_eq!(diagnosis.advice, ["write `encryption_context['aws:s3:arn']`"]);
    }
}
