//! Functions and operators that the engine has not, or not by default.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use keytrail_query::{QueryError, Session};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::cells::{rows, value};
use crate::{fixture, oracle};

#[tokio::test]
async fn functions_give_what_analysts_expect() {
    let session = fixture::session().await;
    let cases = [
        ("select max_by(v, k) from (values ('a', 1), ('b', 3), ('c', 2), ('d', null)) t(v, k)", Some("b")),
        ("select min_by(v, k) from (values ('a', 1), ('b', 3), ('c', 2), ('d', null)) t(v, k)", Some("a")),
        ("select arg_max(v, k) from (values ('a', 1), ('b', 3)) t(v, k)", Some("b")),
        ("select arg_min(v, k) from (values ('a', 1), ('b', 3)) t(v, k)", Some("a")),
        ("select max_by(v, k) filter (where k < 3) from (values ('a', 1), ('b', 3), ('c', 2)) t(v, k)", Some("c")),
        ("select max_by(v, k) from (values ('a', cast(null as int))) t(v, k)", None),
        ("select max_by(v, k) from (values (cast(null as text), 2), ('a', 1)) t(v, k)", None),
        ("select max_by(event_id, event_time) from events", Some("e24")),
        ("select time_bucket(interval '1 day', timestamp '2024-01-05T13:00:00')", Some("2024-01-05T00:00:00")),
        ("select time_bucket(interval '7 days', timestamp '2024-01-05T13:00:00')", Some("2024-01-01T00:00:00")),
        ("select time_bucket(interval '1 month', timestamp '2024-02-29T13:00:00')", Some("2024-02-01T00:00:00")),
        ("select time_bucket(interval '15 minutes', timestamp '2024-02-29T13:44:59')", Some("2024-02-29T13:30:00")),
        ("select length([1, 2, 3])", Some("3")),
        ("select length(map_keys(encryption_context)) from events where event_id = 'e01'", Some("2")),
        ("select length('abc')", Some("3")),
        ("select request_parameters ->> 'bucketName' from events where event_id = 'o01'", Some("bucket")),
        ("select request_parameters ->> 'n' from events where event_id = 'o01'", Some("12345678901234567890")),
        ("select request_parameters -> 'tags' ->> 1 from events where event_id = 'o01'", Some("b")),
        ("select json_get_str(request_parameters, 'bucketName') from events where event_id = 'o01'", Some("bucket")),
        ("select json_contains(request_parameters, 'tags') from events where event_id = 'o01'", Some("true")),
        ("select json_get_json(request_parameters, 'tags') from events where event_id = 'o01'", Some("[\"a\",\"b\"]")),
        ("select count(*) from events where request_parameters ->> 'bucketName' = 'bucket'", Some("1")),
        ("select request_parameters ->> 'bucketName' || '!' from events where event_id = 'o01'", Some("bucket!")),
        ("select request_parameters ->> 'none' is null from events where event_id = 'o01'", Some("true")),
        ("select coalesce(event_name = 'PutBucketEncryption', false) from events where event_id = 'o01'", Some("true")),
        ("select encryption_context['app'] from events where event_id = 'e01'", Some("billing")),
        ("select aws_time('Sep 12, 2023, 12:00:00 AM')", Some("2023-09-12T00:00:00Z")),
        ("select aws_time('soon')", None),
        (r#"select policy_statements('{"Statement":{"Effect":"Deny","Principal":"*"}}')[1]['effect']"#, Some("Deny")),
        ("select cardinality(policy_statements('no policy'))", Some("1")),
    ];
    for (sql, expected) in cases {
        assert_eq!(value(&session, sql).await.as_deref(), expected, "{sql}");
    }
}

#[tokio::test]
async fn functions_take_arns_and_contexts_apart() {
    let session = fixture::session().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let elsewhere = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let foreign = "arn:aws:kms:eu-west-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let single = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let session_arn = "arn:aws:sts::111122223333:assumed-role/app/i-1";
    let cases = [
        (format!("arn_part('{key}', 'account')"), Some("111122223333")),
        (format!("arn_part('{key}', 'resource')"), Some("key/mrk-1234abcd12ab34cd56ef1234567890ab")),
        (format!("arn_part('{key}', 'service') || arn_part('{key}', 'partition')"), Some("kmsaws")),
        ("arn_part('arn:aws:s3:::bucket', 'region')".to_owned(), None),
        ("arn_part('bucket', 'service')".to_owned(), None),
        ("arn_part(null, 'service')".to_owned(), None),
        (format!("key_id('{key}')"), Some("mrk-1234abcd12ab34cd56ef1234567890ab")),
        ("key_id('arn:aws:kms:us-east-1:111122223333:alias/app')".to_owned(), None),
        ("key_id('arn:aws:s3:::key/x')".to_owned(), None),
        (format!("principal_role('{session_arn}')"), Some("arn:aws:iam::111122223333:role/app")),
        ("principal_role('arn:aws:iam::111122223333:user/ana')".to_owned(), Some("arn:aws:iam::111122223333:user/ana")),
        ("principal_role('AROA1')".to_owned(), Some("AROA1")),
        ("principal_role('AROA1:session')".to_owned(), Some("AROA1")),
        ("principal_role('accounts.google.com:app:user')".to_owned(), Some("accounts.google.com:app:user")),
        ("principal_role(null)".to_owned(), None),
        (format!("same_key_family('{key}', '{elsewhere}')"), Some("true")),
        (format!("same_key_family('{key}', '{foreign}')"), Some("false")),
        (format!("same_key_family('{single}', '{single}')"), Some("true")),
        (format!("same_key_family('{single}', '{key}')"), Some("false")),
        (format!("same_key_family('{single}', null)"), None),
        ("context_pattern('arn:aws:s3:::bucket/logs/2024/01/x.gz')".to_owned(), Some("arn:aws:s3:::bucket/logs/*")),
        ("context_pattern('aws-crypto-public-key', 'A1')".to_owned(), Some("*")),
        ("context_pattern(null)".to_owned(), None),
    ];
    for (expression, expected) in cases {
        assert_eq!(value(&session, &format!("select {expression}")).await.as_deref(), expected, "{expression}");
    }
    let of_event = [
        ("context_get(encryption_context, 'app')", Some("billing")),
        ("context_get(encryption_context, 'App')", None),
        ("context_get(map(['a'], ['b']), 'a')", Some("b")),
        ("context_signature(encryption_context)", Some("app,stage")),
        ("context_resource(encryption_context)['service']", None),
        ("key_id(key_arn)", Some("11111111-1111-1111-1111-111111111111")),
        ("same_key_family(key_arn, key_arn)", Some("true")),
        ("principal_role(principal_arn)", Some("arn:aws:iam::111122223333:role/app")),
    ];
    for (expression, expected) in of_event {
        let sql = format!("select {expression} from events where event_id = 'e01'");
        assert_eq!(value(&session, &sql).await.as_deref(), expected, "{expression}");
    }
    for bad in ["arn_part(key_arn, 'zone')", "key_id()", "context_get(key_arn, 'a')", "context_pattern('a', 'b', 'c')"]
    {
        let result = session.execute(&format!("select {bad} from events"), &[]).await;
        let failed = match result {
            Ok(result) => result.collect().await.is_err(),
            Err(_) => true,
        };
        assert!(failed, "{bad}");
    }
}

/// What functions look for in a text, whole and broken.
fn any_text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 36] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        " ",
        "\\",
        "\\é",
        "\\u",
        "\\ud83d",
        "\\u00e",
        "é",
        "😀",
        "\0",
        "-",
        "/",
        "*",
        "arn:aws:kms:",
        "arn:aws:iam::111122223333:",
        "us-east-1",
        "111122223333",
        ":key/",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-",
        "kmsKeyId",
        "Statement",
        "Principal",
        "\"AWS\"",
        "assumed-role/",
        "aws:s3:arn",
        "Sep 12, 2023, ",
        "2023-09-12T00:00:00",
        "25:61:61 PM",
        "9223372036854775808",
    ];
    let pieces = proptest::collection::vec(proptest::sample::select(PIECES.as_slice()), 0..14);
    let quoted = pieces.clone().prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let member =
        (any_piece(), pieces.clone()).prop_map(|(name, value)| format!("{{\"{name}\":\"{}\"}}", value.concat()));
    prop_oneof![4 => pieces.prop_map(|pieces| pieces.concat()), 2 => quoted, 2 => member, 1 => ".{0,20}"]
}

fn any_piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(["kmsKeyId", "name", "bucket", "Statement", "aws:s3:arn", "é", ""].as_slice())
}

/// Nobody checks what a caller gives to a function: it has a value or an error, and takes nothing down.
#[tokio::test]
async fn functions_take_any_text() {
    const CALLS: [&str; 21] = [
        "a -> b ->> c",
        "arn_part(a, 'account')",
        "arn_part(a, 'resource')",
        "arn_part(a, b)",
        "aws_time(a)",
        "call_resource(a, b, c)",
        "cardinality(policy_statements(a))",
        "context_get(map([a], [b]), c)",
        "context_pattern(a)",
        "context_pattern(a, b)",
        "context_resource(map([a], [b]))",
        "context_resource(map(['aws:s3:arn'], [a]))",
        "context_signature(map([a], [b]))",
        "histogram(a)",
        "is_observer(a)",
        "json_get_str(a, b)",
        "key_id(a)",
        "key_mentions(a, b, c, a)",
        "key_mentions('\"kms ' || a, '{\"kmsKeyId\":\"' || b || '\"}', 'us-east-1', '111122223333')",
        "principal_role(a)",
        "same_key_family(a, b)",
    ];
    let session = fixture::session().await;
    let mut runner = TestRunner::new(ProptestConfig::default());
    let texts = proptest::array::uniform3(proptest::option::weighted(0.95, any_text()));
    for call in CALLS {
        let mut generated = || texts.new_tree(&mut runner).expect("texts").current();
        let rows: Vec<String> = (0..300).map(|_| row_of(&generated())).collect();
        // An error ends a statement: then every row is asked for alone.
        if !matches!(outcome(&session, call, &rows.join(", ")).await, Ok(Ok(()))) {
            for row in rows {
                assert!(outcome(&session, call, &row).await.is_ok(), "{call} of {row}");
            }
        }
    }
}

fn row_of(texts: &[Option<String>; 3]) -> String {
    let literal = |text: &Option<String>| match text {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "cast(null as text)".to_owned(),
    };
    format!("({})", texts.each_ref().map(literal).join(", "))
}

/// A value or an error within; outside it is a panic.
async fn outcome(session: &Session, call: &str, rows: &str) -> std::thread::Result<Result<(), QueryError>> {
    let sql = format!("select {call} from (values {rows}) t(a, b, c)");
    let values = async { session.execute(&sql, &[]).await?.collect().await.map(drop) };
    AssertUnwindSafe(values).catch_unwind().await
}

#[tokio::test]
async fn functions_of_its_own_are_documented() {
    let session = fixture::session().await;
    for name in [
        "arn_part",
        "call_resource",
        "context_get",
        "context_pattern",
        "context_resource",
        "context_signature",
        "histogram",
        "key_id",
        "key_mentions",
        "principal_role",
        "same_key_family",
    ] {
        let sql = format!(
            "select distinct description, syntax_example from information_schema.routines where routine_name = '{name}'"
        );
        let found = rows(&session, &sql).await;
        assert!(matches!(&found[..], [row] if row.iter().all(Option::is_some)), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn histograms_count_values_by_group_and_overall() {
    let session = fixture::session().await;
    let cases = [
        ("select histogram(x) from (values ('b'), ('a'), ('b'), (null)) t(x)", Some("{a: 1, b: 2}")),
        ("select histogram(x) filter (where x > 1) from (values (1), (2), (2), (10)) t(x)", Some("{10: 1, 2: 2}")),
        ("select histogram(x) from (select 1 as x where false)", Some("{}")),
        (
            "select histogram(time_bucket(interval '1 day', x))['2024-01-31T00:00:00'] from (values (timestamp '2024-01-31 06:00:00'), (timestamp '2024-01-31 07:00:00')) t(x)",
            Some("2"),
        ),
        ("select sum(n) from (select unnest(map_values(histogram(event_name))) as n from events)", Some("26")),
        (
            "select count(*) from (select event_source, histogram(event_name) as h from events group by event_source) where cardinality(h) = 0",
            Some("0"),
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(value(&session, sql).await.as_deref(), expected, "{sql}");
    }
    // As many partial counts as there are partitions give one.
    let sql = "select histogram(value % 3) from generate_series(1, 30000) as t(value)";
    assert_eq!(value(&session, sql).await.as_deref(), Some("{0: 10000, 1: 10000, 2: 10000}"));
    for bad in ["histogram()", "histogram(event_name, 2)", "histogram(encryption_context)"] {
        assert!(session.execute(&format!("select {bad} from events"), &[]).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn buckets_keep_the_time_zone_and_extremes_go_by_group() {
    let session = fixture::session().await;
    let sql = "select time_bucket(interval '1 week', event_time) as week, max_by(event_id, event_time) as latest \
               from events where event_time < timestamp '2024-01-09' group by week order by week";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows(&session, sql).await, [vec![text("2024-01-01T00:00:00Z"), text("e20")]]);
}

/// What an analyst types first, over a lake and over log files; both must give the same, and something.
#[tokio::test(flavor = "multi_thread")]
async fn idioms_give_the_same_over_a_lake_and_over_raw_logs() {
    let (lake, raw) = (oracle::generated().await.session, oracle::raw().await);
    for sql in [
        "describe events",
        "describe kms_events",
        "describe kms_key_usage",
        "select request_parameters ->> 'keyId' as ref, count(*) from kms_events group by ref order by ref nulls first",
        "select request_parameters -> 'encryptionContext' ->> 'aws:s3:arn' as arn, count(*) from kms_events group by arn order by arn nulls first",
        "select user_identity -> 'sessionContext' -> 'sessionIssuer' ->> 'userName' as role, count(*) from events group by role order by role nulls first",
        "select count(*) from events where request_parameters ->> 'keyId' = requested_key_ref",
        "select encryption_context['aws:s3:arn'] as arn, count(*) from kms_events group by arn order by arn nulls first",
        "select count(*) from kms_events where encryption_context['aws:s3:arn'] like 'arn:aws:s3:::%'",
        "select key_arn, max_by(event_id, (event_time, event_id)) from kms_events group by key_arn order by key_arn nulls first",
        "select key_arn, max_by(event_name, event_id), min_by(event_name, event_id) from kms_events group by key_arn order by key_arn nulls first",
        "select time_bucket(interval '1 day', event_time) as day, count(*) from events group by day order by day nulls first",
        "select time_bucket(interval '6 hours', event_time) as part, key_arn, count(*) from kms_events group by all order by part nulls first, key_arn nulls first",
        "select date_trunc('month', event_time) as month, count(*) filter (where error_code is not null) as failed from kms_events group by month order by month nulls first",
        "select event_name, count(*) from events group by all order by count(*) desc, event_name limit 10",
        "select coalesce(error_code = 'AccessDenied', false) as is_denied, count(*) from kms_events group by is_denied order by is_denied",
        "select unnest(map_keys(encryption_context)) as name, count(*) from kms_events group by name order by name",
    ] {
        let (over_lake, over_raw) = (rows(&lake, sql).await, rows(&raw, sql).await);
        if !sql.starts_with("describe") {
            assert_eq!(over_lake, over_raw, "{sql}");
        }
        let names = |rows: &[Vec<Option<String>>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
        assert_eq!(names(&over_lake), names(&over_raw), "{sql}");
        assert!(over_lake.iter().flatten().any(|cell| cell.as_deref().is_some_and(|text| text != "0")), "{sql}");
        assert!(
            sql.contains("count(*) from events where")
                || sql.contains("where encryption_context")
                || over_lake.len() > 1,
            "{sql}"
        );
    }
}
