//! The answer about one key, on the fixed lake.

use chrono::TimeDelta;
use keytrail_query::{Caveat, KeyAnswer, KeyQuestion, QueryError, Reason, Session, Verdict, key_answer};

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
async fn an_alias_before_its_time_is_told_with_its_first_key() {
    let session = fixture::session().await;
    let asked = |key: &str| KeyQuestion { at: Some("2020-01-01T00:00:00Z".parse().unwrap()), ..question(key) };
    for name in ["alias/app", "arn:aws:kms:us-east-1:111122223333:alias/app"] {
        match key_answer(&session, &asked(name)).await.unwrap_err() {
            QueryError::AliasNotYet { key_arn, since, .. } => {
                assert_eq!((key_arn, since.to_rfc3339().get(..7)), (arn(1), Some("2024-01")), "{name}");
            }
            other => panic!("{name}: {other}"),
        }
    }
    for name in ["alias/none", "arn:aws:kms:eu-west-1:111122223333:alias/app"] {
        let error = key_answer(&session, &asked(name)).await.unwrap_err();
        assert!(matches!(error, QueryError::KeyNotFound { .. }), "{name}: {error}");
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
    let elsewhere =
        answer(&session, "arn:aws:kms:ap-south-1:999999999999:key/00000000-0000-4000-8000-00000000000a").await;
    assert_eq!(elsewhere.coverage, Default::default());
}

/// A key of the area `coverage`, by its account and the last digit of its id.
fn planted(account: &str, digit: &str) -> String {
    format!("arn:aws:kms:us-east-1:{account}:key/00000000-0000-0000-0000-00000000000{digit}")
}

async fn verdict_of(area: &str, key: &str) -> (Verdict, String) {
    let answer = answer(&fixture::session_over(area).await, key).await;
    (answer.verdict.verdict, answer.verdict.reason_words().join(","))
}

#[tokio::test]
async fn item_40_a_disabled_key_in_demand_is_blocked_until_it_is_used_again() {
    let blocked = verdict_of("coverage", &planted("111100001111", "3")).await;
    assert_eq!(blocked, (Verdict::BlockedDemand, "blocked".to_owned()));
    let used_again = verdict_of("coverage", &planted("111100001111", "4")).await;
    assert_eq!(used_again, (Verdict::InUse, "use".to_owned()));
}

#[tokio::test]
async fn item_39_a_check_of_permission_is_use_and_named_as_a_check() {
    let probed = verdict_of("coverage", &planted("111100001111", "6")).await;
    assert_eq!(probed, (Verdict::InUse, "only_probes".to_owned()));
}

#[tokio::test]
async fn item_45_a_sibling_s_use_keeps_the_whole_set() {
    let session = fixture::session_over("coverage").await;
    let key = "arn:aws:kms:us-east-1:111100001111:key/mrk-00000000000000000000000000000007";
    let answer = answer(&session, key).await;
    assert_eq!(answer.verdict.verdict, Verdict::InUse);
    assert_eq!(answer.verdict.reasons, [Reason::SiblingUsed]);
    assert_eq!(answer.family.len(), 1);
    assert!(answer.family[0].key_arn.contains(":eu-west-1:") && answer.family[0].use_event_count == 8);
    assert!(answer.caveats.contains(&Caveat::MultiRegion));
}

#[tokio::test]
async fn item_53_stopped_and_excluding_trails_make_the_answer_incomplete() {
    let excluded = verdict_of("coverage", &planted("333300003333", "a")).await;
    assert_eq!(excluded, (Verdict::Incomplete, "kms_excluded,no_kms_calls".to_owned()));
    let stopped = verdict_of("coverage", &planted("444400004444", "b")).await;
    assert_eq!(stopped, (Verdict::Incomplete, "gap,logging_stopped".to_owned()));
}

#[tokio::test]
async fn item_54_a_trail_of_writes_proves_nothing() {
    let write_only = verdict_of("coverage", &planted("222200002222", "9")).await;
    assert_eq!(write_only, (Verdict::Incomplete, "write_only".to_owned()));
}

#[tokio::test]
async fn item_55_a_place_without_logs_is_no_data() {
    let unknown = "arn:aws:kms:us-east-1:999999999999:key/abcdef12-3456-4abc-8def-abcdef123456";
    for key in [planted("555500005555", "8"), unknown.to_owned()] {
        assert_eq!(verdict_of("coverage", &key).await, (Verdict::Incomplete, "no_logs".to_owned()), "{key}");
    }
}

#[tokio::test]
async fn item_56_a_window_shorter_than_asked_for_is_incomplete() {
    let session = fixture::session_over("coverage").await;
    let mut question = question(&planted("111100001111", "2"));
    for (days, expected) in [(1, Verdict::NoUseFound), (400, Verdict::Incomplete)] {
        question.min_window = Some(TimeDelta::days(days));
        let answer = key_answer(&session, &question).await.unwrap();
        assert_eq!(answer.verdict.verdict, expected, "{days}");
    }
}

#[tokio::test]
async fn item_57_a_use_that_only_kms_knows_is_a_hole() {
    let missing = verdict_of("inventory", &planted("111100001111", "5")).await;
    assert_eq!(missing, (Verdict::Incomplete, "missing_use,missing_event".to_owned()));
}

#[tokio::test]
async fn item_58_keys_that_aws_manages_and_keys_older_than_the_logs_are_told() {
    let session = fixture::session_over("inventory").await;
    let managed = answer(&session, &planted("111100001111", "4")).await;
    assert!(managed.caveats.contains(&Caveat::AwsManaged), "{:?}", managed.caveats);
    assert!(managed.caveats.contains(&Caveat::OlderThanWindow), "{:?}", managed.caveats);
    let own = answer(&fixture::session_over("coverage").await, &planted("111100001111", "2")).await;
    assert!(!own.caveats.contains(&Caveat::OlderThanWindow), "{:?}", own.caveats);
    assert!(own.verdict.is_whole_life_covered);
}

#[tokio::test]
async fn an_alias_is_taken_at_the_moment_asked_for() {
    let session = fixture::session().await;
    let mut question = question("alias/app");
    for (at, expected) in [("2024-01-01T11:00:00Z", arn(1)), ("2030-01-01T00:00:00Z", arn(2))] {
        question.at = Some(at.parse().unwrap());
        assert_eq!(key_answer(&session, &question).await.unwrap().key_arn, expected, "{at}");
    }
}

#[tokio::test]
async fn a_key_that_only_the_inventory_knows_is_found_by_its_names() {
    let session = fixture::session_over("inventory").await;
    for name in ["00000000-0000-0000-0000-000000000003", "alias/ledger"] {
        let answer = answer(&session, name).await;
        assert_eq!(answer.key_arn, planted("111100001111", "3"), "{name}");
        assert!(!answer.is_seen && answer.facts.key_state.as_deref() == Some("PendingDeletion"), "{name}");
    }
}

/// Item 49: what a context says can be personal; equal values stay equal.
#[tokio::test]
async fn item_49_context_values_can_be_hashed() {
    let session = fixture::session().await;
    let mut answer = answer(&session, &arn(1)).await;
    let plain: Vec<_> = answer.contexts.iter().map(|context| context.context_value.clone()).collect();
    answer.hash_context_values();
    for (context, plain) in answer.contexts.iter().zip(&plain) {
        assert_eq!(context.context_value.is_some(), plain.is_some());
        assert!(
            context.context_value.iter().all(|value| value.starts_with("sha256:") && value.len() == 23),
            "{context:?}"
        );
    }
    let equal = |left: usize, right: usize| answer.contexts[left].context_value == answer.contexts[right].context_value;
    for (left, right) in [(0, 1), (0, 0), (1, 1)] {
        assert_eq!(equal(left, right), plain[left] == plain[right]);
    }
}
