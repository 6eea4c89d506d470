//! Joins whose sides have columns of one name, and columns that joins make one of; `t` and `u` are files beside the lake.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use keytrail_query::{Session, SessionOptions};
use tempfile::TempDir;

use crate::cells::{chain, rows, value};
use crate::fixture;
use crate::semantics::column;

/// `t (id, g)` has 100 rows, `u (id, g, v)` 20, with nulls in the columns that both have.
async fn session() -> (TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let column = |count: i64, value: fn(i64) -> Option<i64>| -> ArrayRef {
        Arc::new((0..count).map(value).collect::<Int64Array>())
    };
    let t = [("id", column(100, Some)), ("g", column(100, |i| (i % 8 != 7).then_some(i % 8)))];
    let u = [
        ("id", column(20, |i| (i % 5 != 4).then_some(7 * i))),
        ("g", column(20, |i| (i % 4 != 3).then_some(i % 4))),
        ("v", column(20, |i| Some(i - 10))),
    ];
    let files = [("t", RecordBatch::try_from_iter(t).unwrap()), ("u", RecordBatch::try_from_iter(u).unwrap())];
    let attach = |(name, rows): &(&str, RecordBatch)| {
        let path = folder.path().join(format!("{name}.parquet"));
        write(&path, rows);
        ((*name).to_owned(), path)
    };
    let options = SessionOptions { attached_files: files.iter().map(attach).collect(), ..SessionOptions::default() };
    let session = Session::over_lake(&fixture::lake().await, &options).await.unwrap();
    (folder, session)
}

fn write(path: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(fs_err::File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Each row's cells with `,` between them, the rows sorted.
async fn table(session: &Session, sql: &str) -> String {
    let rows = rows(session, sql).await.into_iter();
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_owned());
    let mut lines: Vec<_> = rows.map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join(",")).collect();
    lines.sort();
    lines.join(" ")
}

#[tokio::test]
async fn filters_stay_with_their_columns() {
    let (_folder, session) = session().await;
    for (sql, expected) in [
        ("select u.v from t right join u on t.id = u.id where t.id is null", "-1 -6 4 5 6 7 8 9"),
        ("select u.v from u left join t on t.id = u.id where t.id is null", "-1 -6 4 5 6 7 8 9"),
        ("select u.v from t right join u on t.id = u.id and u.v > 3 where coalesce(t.id, 0) >= u.id", "-10"),
        ("select u.g from t right join u on t.id = u.id where t.g is null group by u.g", "0 1 2 null"),
        (
            "select t.id, t.g from t join u on t.id = u.id where u.g in (select id from t x where x.g = 1)",
            "35,3 7,null 91,3",
        ),
        ("select t.id, t.g from t join u on t.id = u.id join t x on x.id = u.g where x.g = 1", "35,3 7,null 91,3"),
        (
            "select t.id from (select * from t where exists (select 1 from u x where x.g = t.id and x.id <> coalesce(t.g, -5))) t join (select v from u where v = 2) w on t.id = w.v",
            "2",
        ),
        ("select g, id from (select id, g from t union all select g, id from u) order by g, id limit 3", "0,0 0,0 0,8"),
    ] {
        assert_eq!(table(&session, sql).await, expected, "{sql}");
    }
    let sql = "select b.event_id from events a right join events b on a.shared_event_id = b.event_id where a.event_id is null";
    assert_eq!(value(&session, &format!("select count(*) from ({sql})")).await.as_deref(), Some("26"));
}

#[tokio::test]
async fn filters_on_columns_of_one_side_still_reach_its_scan() {
    let (_folder, session) = session().await;
    let sql = "select t.g, u.g, u.v from t right join u on t.id = u.id where u.v = 3";
    let plan = table(&session, &format!("explain format indent {sql}")).await;
    assert!(plan.contains("predicate=v@"), "{plan}");
    // A join's run-time filter goes through another join that has two columns `id`.
    let sql =
        "select t.id, t.g, u.id, u.v from t join u on t.id = u.g join (select v from u where v > 8) w on u.v = w.v";
    let plan = table(&session, &format!("explain format indent {sql}")).await;
    assert!(plan.matches("DynamicFilter").count() >= 2, "{plan}");
}

#[tokio::test]
async fn a_merged_column_has_the_value_of_either_side() {
    let (_folder, session) = session().await;
    let both = "(values (1, 'a'), (2, 'b')) a(g, l) full join (values (2, 'x'), (3, 'y')) b(g, r) using (g)";
    let right = both.replace("full", "right");
    for (sql, expected) in [
        (format!("select g, l, r from {both}"), "1,a,null 2,b,x 3,null,y"),
        (format!("select * from {both}"), "1,a,null 2,b,x 3,null,y"),
        (format!("select G + 1 from {both} where g > 1"), "3 4"),
        (format!("select a.g, b.g from {both}"), "1,null 2,2 null,3"),
        (format!("select g, count(*) from {both} group by g having g <> 2"), "1,1 3,1"),
        (format!("select max(g), sum(g) over (order by g) from {both} group by g"), "1,1 2,3 3,6"),
        (format!("select l from {both} order by g desc limit 1"), "null"),
        (format!("select g as l from {both} order by g desc limit 1"), "3"),
        (format!("select * from {both} order by g desc limit 1"), "3,null,y"),
        (format!("select distinct on (g) g, r from {both}"), "1,null 2,x 3,y"),
        (format!("select count(*) from {both} where g in (select v from u)"), "3"),
        (format!("select z.g from (select * from {both}) z where z.g = 3"), "3"),
        (format!("with z as (select g from {both}) select g from z union all select g from {right}"), "1 2 2 3 3"),
        (format!("select g, l, r from {right}"), "2,b,x 3,null,y"),
        (format!("select * from {right}"), "2,b,x 3,null,y"),
        (format!("select g, n from {both} left join (values (3, 'c')) c(k, n) on c.k = g"), "1,null 2,null 3,c"),
        (format!("select g from {}", both.replace("full", "left")), "1 2"),
        (format!("select g from {}", both.replace("full", "inner")), "2"),
        ("select id from t join u using (id) join t x using (id) where id < 20 order by id".to_owned(), "0 14 7"),
        (
            "select id, x.g from t left join u using (id) join t x using (id) where id < 2 group by id, x.g".to_owned(),
            "0,0 1,1",
        ),
        (
            "select count(*) from t join u using (id) join t x using (id) where exists (select 1 from u z where id = t.id)"
                .to_owned(),
            "12",
        ),
        (
            "select id, count(*) from t full join u using (id) where id > 98 group by id".to_owned(),
            "105,1 112,1 119,1 126,1 99,1",
        ),
    ] {
        assert_eq!(table(&session, &sql).await, expected, "{sql}");
    }
    let names = session.execute(&format!("select g, g + 1 from {both}"), &[]).await.unwrap().schema;
    assert_eq!(names.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["g", "g + 1"]);
    for sql in [
        "select id from t natural full join u",
        "select id from t full join u using (id) join t x using (id)",
        "select * from t full join u using (id), t x",
        "select id from t full join u using (id) where exists (select 1 from u x where x.id = id)",
    ] {
        let error = session.execute(sql, &[]).await.err().unwrap_or_else(|| panic!("{sql} is planned"));
        assert!(error.is_usage() && chain(&error).starts_with("not supported: "), "{sql}: {}", chain(&error));
    }
}

#[tokio::test]
async fn a_query_that_looks_for_a_value_has_three_answers() {
    let (_folder, session) = session().await;
    // Of 2 and null: 2 is among them, of everything else nobody can tell. Of no rows everything is known.
    for (condition, expected) in [
        ("x not in (select y from l) or x = 1", "1"),
        ("x in (select y from l) or x = 1", "1 2"),
        ("(x in (select y from l)) is null", "1 5 null"),
        ("(x not in (select y from l)) is null", "1 5 null"),
        ("(x in (select y from l)) is false", ""),
        ("(x in (select y from l)) is not true", "1 5 null"),
        ("(x in (select y from l where y > 0)) is false", "1 5"),
        ("(x in (select y from l where y > 0)) is null", "null"),
        ("(x in (select y from l where y > 5)) is false", "1 2 5 null"),
        ("coalesce(x in (select y from l), true)", "1 2 5 null"),
        ("case when x not in (select y from l) then false else true end", "1 2 5 null"),
        ("case when x in (select y from l) then false else true end", "1 5 null"),
        ("not (x in (select y from l) or x = 1)", ""),
        ("not (x in (select y from l where y > 0) or x = 1)", "5"),
        ("(x in (select y from l)) = (x = 2)", "2"),
        ("x not in (select y from l)", ""),
        ("x not in (select y from l where y > 0)", "1 5"),
        ("not (x in (select y from l where y > 0))", "1 5"),
        ("x not in (select y from l where y > 5)", "1 2 5 null"),
        ("x not in (select y from l where y > 5) or x = 7", "1 2 5 null"),
        ("x in (select y from l) and x > 0", "2"),
        ("x not in (select y from l where y = x)", "1 5 null"),
        ("x not in (select y from l where y = x or y is null)", ""),
        ("x not in (select y from l where y = x) or x = 2", "1 2 5 null"),
        ("x + 1 not in (select y from l where y > 0) or x is null", "2 5 null"),
        ("x in (select x from n where x > 1) or x not in (select x from n where x is not null)", "2 5"),
    ] {
        let sql = format!(
            "with l as (select y from (values (2), (null)) l(y)), n as (select x from (values (1), (2), (5), (null)) n(x))
             select x from n where {condition}"
        );
        assert_eq!(column(&session, &sql).await, expected, "{condition}");
    }
    assert_eq!(column(&session, "select id from t where g not in (select g from u) or id < 5").await, "0 1 2 3 4");
    assert_eq!(
        value(&session, "select count(*) from t where g not in (select g from u where g is not null) or id < 5").await,
        value(&session, "select count(*) from t where g > 2 or id < 5").await,
    );
    let having =
        "select g from t group by g having count(*) not in (select v from u where v > 5) or g not in (select g from u)";
    assert_eq!(column(&session, having).await, "0 1 2 3 4 5 6 null");
}

#[tokio::test]
async fn a_name_stands_for_a_table_before_it_stands_for_a_column() {
    let (_folder, session) = session().await;
    // `g` and `v` are columns, too.
    for (sql, expected) in [
        ("select g.id from u g where exists (select 1 from t where t.id = g.id) and g.id < 20 order by g.id", "0 14 7"),
        ("select v.g from t v where v.id in (select u.id from u where u.g = v.g and v.id < 50)", "0 2"),
        ("select g.* from (select id from u where v > 7) g where exists (select 1 from t a where a.g = g.id)", ""),
        (
            "with c as (select * from u) select v.id from t v where exists (select 1 from c where c.id = v.id) and id < 9",
            "0 7",
        ),
        ("select id from t g where g.id in (select g.id from u g) and g.g = 0", "0 56"),
        (
            "select g.id from t g where exists (select 1 from (select g.v from u g) x where x.v = g.id) and g.id > 7",
            "8 9",
        ),
    ] {
        assert_eq!(column(&session, sql).await, expected, "{sql}");
    }
}

/// As in PostgreSQL 16 and DuckDB.
#[tokio::test]
async fn queries_are_joined_without_names() {
    let session = fixture::session().await;
    for (sql, expected) in [
        ("select u.n from (select 1 a, 2 n) join (select 1 a, 3 n) u using (a)", "3"),
        ("select a from (select 1 a, 2 n) join (select 1 a, 3 m) using (a)", "1"),
        ("select count(*) > 0 from events join (select 'Decrypt' event_name) using (event_name)", "true"),
    ] {
        assert_eq!(value(&session, sql).await.as_deref(), Some(expected), "{sql}");
    }
}
