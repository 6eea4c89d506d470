//! Statements that must be refused, and statements that must not.

use keytrail_query::{QueryError, Session};

use crate::cells::chain;
use crate::fixture;

const REFUSED: &[&str] = &[
    "create table t as select 1",
    "create view v as select 1",
    "create or replace view kms_events as select 1",
    "create external table t stored as csv location '/etc/passwd'",
    "create unbounded external table t stored as csv location '/etc/passwd'",
    "create schema s",
    "create database d",
    "create function f(int) returns int return $1",
    "create index i on events (event_id)",
    "drop table events",
    "drop view kms_events",
    "drop function time_bucket",
    "alter table events rename to e",
    "insert into events (event_id) values ('x')",
    "insert overwrite events select * from events",
    "update events set event_id = 'x'",
    "delete from events",
    "truncate table events",
    "merge into events using events e on true when matched then delete",
    "copy events to '/tmp/out.parquet'",
    "copy (select 1) to '/tmp/out.csv' stored as csv",
    "explain copy events to '/tmp/out.parquet'",
    "explain analyze copy events to '/tmp/out.parquet'",
    "explain delete from events",
    "explain analyze insert into events (event_id) values ('x')",
    "with x as (select 1) insert into events select * from x",
    "with x as (delete from events returning *) select * from x",
    "select * into t from events",
    "select * from (insert into events (event_id) values ('x')) t",
    "set datafusion.execution.target_partitions = 1",
    "set time zone 'UTC'",
    "reset datafusion.execution.target_partitions",
    "begin",
    "start transaction",
    "commit",
    "rollback",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "use other",
    "vacuum",
    "analyze table events",
    "install httpfs",
    "load httpfs",
    "attach 'x.db'",
    "call f()",
    "kill 1",
    "grant select on events to ana",
    "declare c cursor for select 1",
    "select * from '/etc/passwd'",
    "select * from 'file.parquet'",
    "select * from \"s3://bucket/file.csv\"",
    "select * from events where event_id in (select * from 'ids.csv')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('x.parquet')",
    "select * from events tablesample bernoulli (10)",
    "select * from events tablesample (10 rows)",
    "select * from events tablesample system (50 percent)",
    "select count(*) from (select * from events tablesample (50 percent)) t",
    "with e as (select * from events tablesample (50 percent)) select count(*) from e",
    "select 1 where exists (select 1 from events tablesample (1 percent))",
    "select 1 union all select 1 from events tablesample (1 percent)",
    "explain select * from events tablesample (1 percent)",
    "select * from events for update",
    "select * from events for share",
    "select last_value(event_id) over (w rows between unbounded preceding and 1 preceding) from events window w as (partition by key_arn order by event_time)",
    "select count(*) over (w) from events window w as (partition by key_arn)",
    "select * from (select event_name from events) pivot (count(*) for event_name in ('Decrypt'))",
    "select * from events unpivot (value for name in (event_name, event_source))",
    "select 'ab' similar to 'a%'",
    "select event_name from events where event_name not similar to '(Get|List)%' escape '!'",
    "select to_timestamp('2024-12-31 10', '%Y-%m-%d %H')",
    "select to_timestamp_millis(event_name, '%c', '%d %b %Y %I:%M') from events",
    "select * from events match_recognize (partition by key_arn order by event_time pattern (a) define a as true)",
];

const ALLOWED: &[&str] = &[
    "select 1",
    "select count(*) from events",
    "from events select event_id limit 1",
    "from events limit 1",
    "select to_timestamp('2024-12-31 10:00', '%Y-%m-%d %H:%M'), to_timestamp('31.12.2024', '%d.%m.%Y')",
    "with e as (select event_id from events) select count(*) from e",
    "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select * from n",
    "values (1), (2)",
    "select 1 union all select 2",
    "select * from generate_series(1, 3)",
    "select * from (values (1)) t(a)",
    "explain select * from kms_key_usage",
    "explain analyze select count(*) from kms_key_usage",
    "explain format tree select 1",
    "describe events",
    "describe kms_key_usage",
    "show tables",
    "show columns from kms_key_usage",
    "show all",
    "show datafusion.execution.batch_size",
    "show functions like 'max%'",
    "select table_name from information_schema.tables",
    "select count(*) from information_schema.columns where table_name = 'kms_events'",
    "select * exclude (event_id) from events limit 0",
    "select event_name from events qualify row_number() over (partition by event_name order by event_time) = 1",
    "select count(*) over w from events window w as (partition by event_name)",
    "select event_name, count(*) filter (where error_code is null) from events group by all",
    "-- a comment\nselect 1 /* another */ ;",
];

async fn run(session: &Session, sql: &str) -> Result<usize, QueryError> {
    let batches = session.execute(sql, &[]).await?.collect().await?;
    Ok(batches.iter().map(arrow_array::RecordBatch::num_rows).sum())
}

#[tokio::test]
async fn statements_that_change_or_mislead_are_refused() {
    let session = fixture::session().await;
    for sql in REFUSED {
        match run(&session, sql).await {
            Err(error) => assert!(error.is_usage(), "{sql}: {}", chain(&error)),
            Ok(rows) => panic!("{sql}: was run and gave {rows} rows"),
        }
    }
    assert_eq!(run(&session, "select 1 from events").await.unwrap(), 26);
}

#[tokio::test]
async fn refusals_say_what_was_refused() {
    let session = fixture::session().await;
    let cases = [
        ("create table t as select 1", "only queries are allowed, not CREATE TABLE"),
        ("copy events to 'x.csv'", "only queries are allowed, not COPY"),
        ("set time zone 'UTC'", "only queries are allowed, not SET"),
        ("select * from 'x.csv'", "only queries are allowed, not reading a file: 'x.csv'"),
        ("select * from evnets", "no such table or view: `evnets`"),
        ("select 1; select 2", "expected one statement, got 2"),
        (" -- nothing", "expected one statement, got 0"),
        ("select $key", "no value for the parameter `$key`"),
    ];
    for (sql, expected) in cases {
        assert_eq!(run(&session, sql).await.unwrap_err().to_string(), expected, "{sql}");
    }
    let sample = run(&session, "select * from events tablesample (1 percent)").await.unwrap_err();
    assert!(matches!(sample, QueryError::Unsupported { .. }), "{sample}");
}

#[tokio::test]
async fn queries_run() {
    let session = fixture::session().await;
    for sql in ALLOWED {
        if let Err(error) = run(&session, sql).await {
            panic!("{sql}: {}", chain(&error));
        }
    }
}

#[tokio::test]
async fn parameters_are_values() {
    let session = fixture::session().await;
    let count = async |sql: &str, value: &str| {
        let parameters = [("p".to_owned(), value.to_owned())];
        let batches = session.execute(sql, &parameters).await.unwrap().collect().await.unwrap();
        batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>()
    };
    assert_eq!(count("select 1 from events where event_id = $p", "e01").await, 1);
    assert_eq!(count("select 1 from events where event_id = $p", "e01' or '1' = '1").await, 0);
    assert_eq!(count("select 1 from kms_key_usage where key_arn = $p", "x").await, 0);
    assert_eq!(count("select 1 from events where event_time >= $p", "2024-02-02T00:00:00Z").await, 1);
    assert_eq!(count("select 1 from events where event_time >= cast($p as timestamp)", "2024-02-02").await, 1);
}

#[test]
fn texts_are_split_into_statements() {
    let cases: &[(&str, &[&str], bool)] = &[
        ("select 1", &["select 1"], false),
        ("select 1;", &["select 1"], true),
        ("select ';' ; -- a; b\nselect \"x;y\" ;", &["select ';'", "-- a; b\nselect \"x;y\""], true),
        ("select 1; -- the end", &["select 1"], true),
        ("/* ; */", &[], false),
        ("select 'it''s;';", &["select 'it''s;'"], true),
        (";;", &[], true),
        ("", &[], false),
    ];
    for (sql, statements, is_complete) in cases {
        assert_eq!(Session::split_statements(sql).unwrap(), *statements, "{sql}");
        assert_eq!(Session::is_complete(sql), *is_complete, "{sql}");
    }
    for open in ["select 'a;", "select \"a;", "select /* a;"] {
        assert!(Session::split_statements(open).is_err(), "{open}");
        assert!(!Session::is_complete(open), "{open}");
    }
}
