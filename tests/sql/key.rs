//! The answer about one key, on the fixed lake.

use keytrail_query::{KeyAnswer, KeyQuestion, QueryError, Session, Verdict, key_answer};

use crate::fixture;

fn arn(digit: u8) -> String {
    let part = |count: usize| digit.to_string().repeat(count);
    format!("arn:aws:kms:us-east-1:111122223333:key/{}-{}-{}-{}-{}", part(8), part(4), part(4), part(4), part(12))
}

fn question(key: &str) -> KeyQuestion {
    KeyQuestion { key: key.to_owned(), ..KeyQuestion::default() }
}

async fn answer(session: &Session, key: &str) -> KeyAnswer {
    key_answer(session, &question(key)).await.unwrap()
}

#[tokio::test]
async fn a_key_is_found_by_all_its_names() {
    let session = fixture::session().await;
    let cases = [
        (arn(1), arn(1)),
        ("11111111-1111-1111-1111-111111111111".to_owned(), arn(1)),
        // The alias was moved from the first key to the second.
        ("alias/app".to_owned(), arn(2)),
        ("arn:aws:kms:us-east-1:111122223333:alias/app".to_owned(), arn(2)),
        ("alias/next".to_owned(), arn(2)),
    ];
    for (name, expected) in cases {
        assert_eq!(answer(&session, &name).await.key_arn, expected, "{name}");
    }
}

#[tokio::test]
async fn names_that_are_no_one_key_are_told_apart() {
    let session = fixture::session().await;
    let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
    match key_answer(&session, &question(mrk)).await.unwrap_err() {
        QueryError::AmbiguousKey { candidates, .. } => {
            let place = |region: &str| format!("arn:aws:kms:{region}:111122223333:key/{mrk}");
            assert_eq!(candidates, [place("eu-west-1"), place("us-east-1")]);
        }
        other => panic!("{other}"),
    }
    for key in ["99999999-9999-9999-9999-999999999999", "alias/none", "arn:aws:kms:eu-west-1:111122223333:alias/app"] {
        assert!(
            matches!(key_answer(&session, &question(key)).await.unwrap_err(), QueryError::KeyNotFound { .. }),
            "{key}"
        );
    }
    for key in ["", "what", "alias/", "arn:aws:s3:::bucket", "1234abcd' or 'a' = 'a"] {
        assert!(matches!(key_answer(&session, &question(key)).await.unwrap_err(), QueryError::NotAKey { .. }), "{key}");
    }
}

#[tokio::test]
async fn a_used_key_is_answered_in_full() {
    let session = fixture::session().await;
    let answer = answer(&session, &arn(1)).await;
    assert!(answer.is_seen);
    assert_eq!((answer.account_id.as_str(), answer.region.as_str()), ("111122223333", "us-east-1"));
    let usage = &answer.usage;
    assert_eq!(usage.first_used_time, Some("2024-01-01T10:00:00Z".parse().unwrap()));
    assert_eq!(usage.last_used_event_id.as_deref(), Some("e13"));
    assert_eq!((usage.use_event_count, usage.use_count, usage.failed_count), (7, 6, 3));
    let operations: Vec<_> = answer.operations.iter().map(|operation| operation.operation.as_str()).collect();
    assert_eq!(operations, ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt"]);
    assert_eq!(answer.principals[0].principal.as_deref(), Some("arn:aws:iam::111122223333:role/app"));
    assert_eq!(answer.principal_total, 5);
    let services: Vec<_> = answer.services.iter().map(|service| service.service.as_str()).collect();
    assert_eq!(services, ["cloudtrail.amazonaws.com", "s3.amazonaws.com"]);
    assert_eq!(answer.context_total, 4);
    let contexts = answer.contexts.iter().find(|context| context.context_key == "app").unwrap();
    assert_eq!((contexts.context_value.as_deref(), contexts.event_count), (Some("billing"), 4));
    let failures: Vec<_> = answer.failures.iter().map(|failure| failure.error_code.as_str()).collect();
    assert_eq!(failures, ["AccessDenied", "DryRunOperationException"]);
    assert_eq!(answer.unattributed_failure_count, 1);
    assert_eq!(answer.aliases.iter().map(|alias| alias.alias_name.as_str()).collect::<Vec<_>>(), ["alias/app"]);
    let coverage = &answer.coverage;
    assert_eq!(coverage.first_event_time, Some("2024-01-01T10:00:00Z".parse().unwrap()));
    assert_eq!(coverage.last_event_time, Some("2024-02-02T05:00:00Z".parse().unwrap()));
    assert_eq!((coverage.covered_day_count, coverage.missing_day_count), (8, 25));
    assert_eq!((coverage.kms_read_count, coverage.kms_write_count), (18, 3));
}

#[tokio::test]
async fn silent_keys_have_an_answer_too() {
    let session = fixture::session().await;
    let described = answer(&session, &arn(3)).await;
    assert!(described.is_seen);
    assert_eq!(described.usage, Default::default());
    assert!(described.operations.is_empty() && described.coverage.record_count > 0);
    let unseen = answer(&session, &arn(7)).await;
    assert!(!unseen.is_seen);
    assert_eq!(unseen.usage, Default::default());
    assert_eq!(unseen.coverage, described.coverage);
    let elsewhere = answer(&session, "arn:aws:kms:ap-south-1:999999999999:key/x").await;
    assert_eq!(elsewhere.coverage, Default::default());
}
