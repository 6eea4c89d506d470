//! What the query crate gives to a prompt: ready questions, values to offer, functions, the look into a statement.

use std::collections::HashMap;

use keytrail_query::{QueryError, Session, SessionOptions, StatementRun, examples};

use crate::cells::{rows, value};
use crate::{fixture, oracle};

#[tokio::test]
async fn the_ready_questions_run_on_every_lake() {
    let generated = oracle::generated().await.session;
    for example in examples() {
        let rows = generated.execute(&example.sql, &[]).await.unwrap().collect().await.unwrap();
        assert_ne!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0, "{}", example.question);
        for area in fixture::areas() {
            let session = fixture::session_over(&area).await;
            session.execute(&example.sql, &[]).await.unwrap().collect().await.unwrap();
        }
    }
}

#[tokio::test]
async fn names_of_the_data_are_offered() {
    let session = oracle::generated().await.session;
    let events = session.event_names().await.unwrap();
    let distinct = value(&session, "select count(distinct event_name) from events").await.unwrap();
    assert_eq!(events.len().to_string(), distinct);
    let most_frequent =
        value(&session, "select event_name from events group by 1 order by count(*) desc, event_name limit 1").await;
    assert_eq!(events.first(), most_frequent.as_ref());
    let keys = session.key_names().await.unwrap();
    assert!(keys.iter().any(|name| name.starts_with("arn:aws:kms:")) && keys.is_sorted());
    assert!(keys.iter().any(|name| name.starts_with("alias/")));
    let regions = session.values_of("aws_region").await.unwrap();
    assert!(regions.len() > 1 && regions.is_sorted() && regions.contains(&"us-east-1".to_owned()), "{regions:?}");
    assert_eq!(session.values_of("event_id").await.unwrap(), Vec::<String>::new());
    let nothing = Session::over_tables(HashMap::new(), &SessionOptions::default()).unwrap();
    assert!(matches!(nothing.event_names().await, Err(QueryError::UnknownRelation { .. })));
}

#[tokio::test]
async fn texts_that_no_event_has_are_found_with_those_that_were_meant() {
    let session = fixture::session().await;
    let absent = async |sql: &str, parameters: &[(&str, &str)]| {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let found = session.absent_values(sql, &parameters).await.unwrap();
        found
            .iter()
            .map(|absent| format!("{} {} {}", absent.column, absent.value, absent.similar.join(",")))
            .collect::<Vec<_>>()
    };
    let none = &[][..];
    for (sql, parameters, expected) in [
        ("select 1 from events where aws_region = 'us-esat-1'", none, vec!["aws_region us-esat-1 us-east-1"]),
        (
            "select 1 from kms_events e where 'kms.amazonaw.com' = e.event_source",
            none,
            vec!["event_source kms.amazonaw.com kms.amazonaws.com"],
        ),
        ("select 1 from events where event_name in ('Decrypt', 'decrpt')", none, vec!["event_name decrpt Decrypt"]),
        (
            "select count(*) from kms_key_usage where key_arn in (select key_arn from events where aws_region = $place)",
            &[("place", "us-east-9")][..],
            vec!["aws_region us-east-9 us-east-1"],
        ),
        ("select 1 from events where event_name = 'Nothing'", none, vec!["event_name Nothing "]),
        (
            "select count(*) from kms_events where key_arn = '22222222-2222-2222-2222-222222222222'",
            none,
            vec![
                "key_arn 22222222-2222-2222-2222-222222222222 arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222",
            ],
        ),
        ("select 1 from kms_key_usage where key_arn = 'alias/nowhere'", none, vec!["key_arn alias/nowhere "]),
        ("select 1 from events where event_name = 'Decrypt' and event_id = 'none'", none, vec![]),
        ("select 1 from events where event_name <> 'Nothing' and event_name not in ('None')", none, vec![]),
        ("select event_name = 'Nothing' from events where event_id = 'none'", none, vec![]),
        ("select 1 from kms_key_usage where false", none, vec![]),
        ("select 1 where 'a' = 'b'", none, vec![]),
    ] {
        assert_eq!(absent(sql, parameters).await, expected, "{sql}");
    }
    let (_folder, raw) = fixture::raw_session(&["{}"]).await;
    let sql = "select 1 from events where aws_region = 'us-esat-1'";
    assert_eq!(raw.absent_values(sql, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_statement_tells_which_files_it_read() {
    let session = fixture::session().await;
    let StatementRun { result, metrics } = session
        .start("select count(*) from events where event_month = '2024-01' and event_id > ''", &[])
        .await
        .unwrap();
    let planned = metrics.counts();
    assert!(planned.files_to_read > 0 && planned.files_pruned > 0, "{planned:?}");
    assert_eq!((planned.files_read, planned.bytes_read, planned.scanned_rows), (0, 0, 0));
    result.collect().await.unwrap();
    let done = metrics.counts();
    assert_eq!((done.files_read, done.files_to_read), (planned.files_to_read, planned.files_to_read));
    assert!(done.bytes_read > 0 && done.scanned_rows > 0, "{done:?}");
}

#[tokio::test]
async fn a_file_counts_once_however_often_it_is_read() {
    let session = fixture::session().await;
    let key = "arn:aws:kms:us-east-1:111122223333:key/22222222-2222-2222-2222-222222222222";
    for sql in [
        "select count(*) from kms_events",
        "select count(*) from kms_events a join kms_events b using (event_id)",
        &format!("select count(*) from kms_events where key_arn = '{key}' or event_id = 'e'"),
    ] {
        let counts = session.start(sql, &[]).await.unwrap().metrics.counts();
        // KMS in two months of two files each, others in two files.
        assert_eq!((counts.files_to_read, counts.files_pruned), (4, 2), "{sql}");
    }
}

#[tokio::test]
async fn a_statement_without_a_scan_reads_no_file() {
    let session = fixture::session().await;
    let StatementRun { result, metrics } =
        session.start("select * from events where event_month = '1999-01'", &[]).await.unwrap();
    result.collect().await.unwrap();
    let counts = metrics.counts();
    assert_eq!((counts.files_to_read, counts.bytes_read), (0, 0));
    assert!(counts.files_pruned > 0);
}

#[tokio::test]
async fn columns_are_described_in_the_words_of_sql() {
    let session = fixture::session().await;
    let types = async |name: &str| {
        let described = rows(&session, &format!("describe {name}")).await;
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        described.iter().map(|cells| (text(&cells[0]), text(&cells[1]))).collect::<HashMap<_, _>>()
    };
    // What is null in one part of a union has the type of the others.
    let verdicts = types("kms_key_verdicts").await;
    for (column, expected) in [
        ("key_state", "text"),
        ("creation_time", "timestamp"),
        ("last_unmet_event_id", "text"),
        ("probe_count", "bigint"),
    ] {
        assert_eq!(verdicts[column], expected, "{column}");
    }
    for view in session.views().map(|view| view.name.clone()).collect::<Vec<_>>() {
        assert!(types(&view).await.values().all(|name| name != "Null"), "{view}");
    }
}
