//! Items 33 to 51 and 62 to 64 of the checklist, each by the rows that prove it, on the records of `contexts/`.

use keytrail_query::Session;

use crate::cells::{Cells, rows};
use crate::fixture;

/// The rows of a query as words, null as `-`.
async fn answer(session: &Session, sql: &str) -> Vec<String> {
    let text = |row: Cells| row.into_iter().map(|cell| cell.unwrap_or("-".to_owned())).collect::<Vec<_>>().join(" ");
    rows(session, sql).await.into_iter().map(text).collect()
}

async fn assert_answer(sql: &str, expected: &[&str]) {
    let session = fixture::session_over("contexts").await;
    assert_eq!(answer(&session, sql).await, expected, "{sql}");
}

/// Rows of the event history tell a user's name, and nothing else of who called.
#[tokio::test]
async fn item_10_a_row_of_the_event_history_names_who_called() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/11111111-1111-1111-1111-111111111111";
    let row = format!("ann,2024-01-31T10:00:00Z,kms.amazonaws.com,Decrypt,AWS::KMS::Key {key}");
    let table = ["User name,Event time,Event source,Event name,Resources", &row];
    let (_folder, session) = fixture::raw_session(&table).await;
    assert_eq!(answer(&session, "select principal, use_event_count from kms_key_principals").await, ["ann 1"]);
}

#[tokio::test]
async fn item_33_random_bytes_need_no_key() {
    assert_answer("select count(*) from kms_events where event_id = 'c34' and key_arn is null", &["1"]).await;
    assert_answer("select count(*) from kms_key_last_use where event_id = 'c34'", &["0"]).await;
}

#[tokio::test]
async fn item_34_service_events_are_uses_deletions_are_not() {
    let sql = "select event_id, outcome from kms_events where event_type = 'AwsServiceEvent' order by event_id";
    assert_answer(sql, &["c24 succeeded", "c35 used"]).await;
    let sql = "select resource_kind, decrypt_count from kms_protected_resources where service = 'acm.amazonaws.com'";
    assert_answer(sql, &["certificate 1"]).await;
}

#[tokio::test]
async fn item_35_a_shared_id_alone_crosses_no_accounts() {
    let sql = "select event_id, is_cross_account, account_side from kms_events where shared_event_id is not null order by event_id";
    let expected = [
        "c05 false owner",
        "c06 false owner",
        "c16 true caller",
        "c17 true owner",
        "c35 false owner",
        "c47 true owner",
        "c48 true caller",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_36_a_pair_is_one_use_of_both_accounts() {
    let sql = "select caller_account_id, use_event_count, use_count, is_seen_by_owner, is_seen_by_caller, principals \
               from kms_cross_account where key_arn like '%111111'";
    assert_answer(sql, &["444455556666 2 1 true true [AROABEE, arn:aws:iam::444455556666:role/bee]"]).await;
}

/// AWS names the event of the account that owns the key.
#[tokio::test]
async fn item_57_of_a_pair_the_owners_copy_is_the_last_use() {
    assert_answer("select event_id from kms_key_last_use where key_arn like '%777777'", &["c47"]).await;
}

#[tokio::test]
async fn item_38_dry_runs_are_marked_and_no_use() {
    assert_answer("select event_id from kms_events where use_mark = 'dry_run'", &["c29"]).await;
    assert_answer("select count(*) from kms_key_last_use where event_id = 'c29'", &["0"]).await;
}

#[tokio::test]
async fn item_39_probes_are_marked_whatever_became_of_them() {
    let sql = "select event_id, use_mark, outcome from kms_events where use_mark like '%_access_probe' or use_mark like '%_check' order by event_id";
    let expected = ["c06 trail_config_check probe", "c07 key_access_probe probe", "c08 key_access_probe denied"];
    assert_answer(sql, &expected).await;
    // AWS counts them among its last uses; what they encrypted is thrown away.
    let sql =
        "select sum(data_key_created_count) from kms_ciphertexts where context_signature = 'SecretARN,SecretVersionId'";
    assert_answer(sql, &["-"]).await;
}

#[tokio::test]
async fn item_40_41_the_message_tells_why_a_key_was_not_given() {
    let sql = "select right(key_arn, 4), reason, sum(event_count), max(last_event_id) from kms_blocked_attempts group by key_arn, reason order by key_arn, reason";
    let expected = [
        "3333 disabled 2 c26",
        "3333 pending_deletion 1 c22",
        "4444 deleted 1 c25",
        "4444 not_found 1 c23",
        "6666 pending_import 1 c45",
        "6666 unavailable 1 c46",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_42_a_wrong_signature_is_no_last_use() {
    let sql = "select operation, event_id from kms_key_last_use where key_arn like '%555555' or key_arn like '%666666' order by event_id";
    assert_answer(sql, &["Sign c32", "Decapsulate c43"]).await;
}

#[tokio::test]
async fn item_21_22_withheld_empty_and_absent_contexts_differ() {
    let sql = "select coalesce(context_signature, 'withheld'), encrypt_count, decrypt_count from kms_context_signatures \
               where key_arn like '%111111' and (context_signature is null or context_signature = '') order by 1";
    assert_answer(sql, &[" 2 0", "withheld 0 1"]).await;
}

#[tokio::test]
async fn item_47_old_material_that_still_opens_data_is_told() {
    let sql = "select left(key_material_id, 4), is_current, is_needed_after_rotation, encrypt_count, decrypt_count \
               from kms_key_materials where key_arn like '%888888' order by key_material_id";
    assert_answer(sql, &["0a0a false true 1 2", "0b0b true false 1 1"]).await;
}

#[tokio::test]
async fn item_48_calls_with_a_bucket_key_are_no_objects() {
    let sql = "select resource_kind, resource, is_call_per_object, is_written_never_read from kms_protected_resources \
               where service = 's3.amazonaws.com' and key_arn like '%111111' order by resource";
    let expected = [
        "object arn:aws:s3:::data/logs/2024/03/a.gz true false",
        "object arn:aws:s3:::data/logs/2024/03/b.gz true true",
        "bucket arn:aws:s3:::lake false true",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_49_random_values_are_one_pattern() {
    let sql = "select context_key, value_pattern, value_count from kms_context_patterns \
               where context_key in ('aws-crypto-public-key', 'tenant', 'aws:s3:arn') and key_arn like '%111111' order by 1, 2";
    let expected = [
        "aws-crypto-public-key * 1",
        "aws:s3:arn arn:aws:s3:::data/logs/* 2",
        "aws:s3:arn arn:aws:s3:::lake 1",
        "aws:s3:arn arn:aws:s3:::trail/AWSLogs/* 2",
        "tenant t-* 1",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_50_64_services_that_do_not_name_themselves_go_by_the_context() {
    let sql = "select service, context_service, use_event_count from kms_key_services \
               where context_service is not null or service like 'workmail%' order by context_service nulls first, service";
    let expected = [
        "workmail.eu-west-1.amazonaws.com - 1",
        "- lambda.amazonaws.com 1",
        "- novel.amazonaws.com 1",
        "AWS Internal s3.amazonaws.com 2",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_51_sessions_tell_instances_functions_and_people() {
    let sql = "select split_part(principal, '/', 2), instance_ids, workload_arns, on_behalf_of_user_ids from kms_key_principals \
               where key_arn like '%222222' and (instance_ids is not null or workload_arns is not null or on_behalf_of_user_ids is not null) order by 1";
    let expected = [
        "AWSReservedSSO_Admin_8d1f0a3b5c7e9f21 - - [user-1]",
        "app [i-0aaa0000000000001] - -",
        "aws:ec2-infrastructure [i-0bbb0000000000002] - -",
        "checkout-role - [arn:aws:lambda:us-east-1:111122223333:function:checkout] -",
    ];
    assert_answer(sql, &expected).await;
}

#[tokio::test]
async fn item_62_what_strangers_wrote_is_kept_to_the_letter() {
    let sql = "select value_pattern = context_value from kms_context_patterns as patterns \
               join kms_encryption_contexts as contexts on contexts.context_key = patterns.context_key where patterns.context_key = 'note'";
    assert_answer(sql, &["true"]).await;
}

#[tokio::test]
async fn item_63_cloudtrail_encrypting_its_own_files_is_marked_and_a_use() {
    let sql = "select event_id, outcome from kms_events where use_mark = 'trail_log_encryption'";
    assert_answer(sql, &["c05 used"]).await;
}

#[tokio::test]
async fn item_65_rows_are_the_same_every_time() {
    let session = fixture::session_over("contexts").await;
    for view in keytrail_query::view_catalogue() {
        let mut all = [Vec::new(), Vec::new()];
        for found in &mut all {
            *found = answer(&session, &format!("select * from {}", view.name)).await;
            found.sort();
        }
        assert_eq!(all[0], all[1], "{}", view.name);
    }
}

#[tokio::test]
async fn attested_calls_are_told() {
    assert_answer("select event_id from kms_events where is_attested", &["c31"]).await;
}
