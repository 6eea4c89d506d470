//! The ledgers on the hand-made records of `ledgers/`, by the items of the domain checklist that they are there for.

use keytrail_query::Session;

use crate::cells::value;
use crate::fixture;

const KEY_1: &str = "key_arn like '%:key/11111111-%'";
const KEY_2: &str = "key_arn like '%:key/22222222-%'";
const KEY_3: &str = "key_arn like '%:key/33333333-%'";

async fn session() -> Session {
    fixture::session_over("ledgers").await
}

/// Each query has one value.
async fn assert_answers(cases: &[(String, Option<&str>)]) {
    let session = session().await;
    for (sql, expected) in cases {
        assert_eq!(value(&session, sql).await.as_deref(), *expected, "{sql}");
    }
}

#[tokio::test]
async fn item_24_of_two_events_in_one_second_the_likelier_order_is_taken() {
    assert_answers(&[
        (format!("select key_state from kms_keys where {KEY_1}"), Some("Enabled")),
        (
            format!("select string_agg(lifecycle_event, ',' order by sequence_number) from kms_key_lifecycle where {KEY_1} and event_time = timestamp '2024-01-07T09:00:00'"),
            Some("deletion_cancelled,enabled"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn item_26_deletion_dates_are_texts() {
    assert_answers(&[
        ("select deletion_time from kms_key_lifecycle where event_id = 'e14'".to_owned(), Some("2024-01-13T00:00:00Z")),
        // Without a response the waiting period tells.
        ("select deletion_time from kms_key_lifecycle where event_id = 'e33'".to_owned(), Some("2024-01-22T09:00:00Z")),
        // A primary waits for its replicas first.
        ("select deletion_time from kms_key_lifecycle where event_id = 'e52'".to_owned(), None),
    ])
    .await;
}

#[tokio::test]
async fn item_27_policies_are_json_in_a_text_and_may_be_broken() {
    assert_answers(&[
        ("select count(*) from kms_key_policies where source_event_id = 'e06'".to_owned(), Some("5")),
        ("select count(*) from kms_key_policies where source_event_id = 'e23' and effect is null and policy_text is not null".to_owned(), Some("1")),
        ("select source from kms_key_policies where source_event_id = 'e18'".to_owned(), Some("default")),
        ("select source from kms_key_policies where source_event_id = 'e71'".to_owned(), Some("unknown")),
        ("select count(*) from kms_key_policies where is_cross_account".to_owned(), Some("1")),
        ("select string_agg(source_event_id, ',' order by source_event_id) from kms_key_policies where principal_kind = 'anyone'".to_owned(), Some("e06,e44")),
    ])
    .await;
}

#[tokio::test]
async fn item_30_a_key_may_be_typed_as_id_arn_or_alias() {
    let events = "('e03', 'e04', 'e05')";
    assert_answers(&[(
        format!("select count(*) from kms_key_lifecycle where {KEY_1} and event_id in {events}"),
        Some("3"),
    )])
    .await;
}

#[tokio::test]
async fn item_31_aliases_among_the_resources_are_no_keys() {
    assert_answers(&[
        ("select count(*) from kms_keys where key_arn like '%:alias/%'".to_owned(), Some("0")),
        // Alias first or key first.
        ("select count(distinct key_arn) from kms_aliases where alias_name = 'alias/app'".to_owned(), Some("2")),
    ])
    .await;
}

#[tokio::test]
async fn item_38_a_dry_run_or_a_failure_makes_no_grant() {
    assert_answers(&[
        ("select count(*) from kms_grants where created_event_id in ('e59', 'e60')".to_owned(), Some("0")),
        ("select count(*) from kms_grants".to_owned(), Some("6")),
        // A retry answers with the same grant.
        ("select created_event_id from kms_grants where grant_name = 'once'".to_owned(), Some("e53")),
        ("select count(*) from kms_grants where is_created_before_window".to_owned(), Some("2")),
        ("select grant_state from kms_grants where created_event_id = 'e63'".to_owned(), Some("key_deleted")),
    ])
    .await;
}

#[tokio::test]
async fn item_40_the_message_tells_disabled_from_pending_deletion() {
    let state = |key: &str| {
        format!("select key_state || ' ' || key_state_source from kms_keys where key_arn like '%:key/{key}-%'")
    };
    assert_answers(&[
        (state("55555555"), Some("Disabled observed")),
        (state("66666666"), Some("PendingDeletion observed")),
        // Of the two keys of a ReEncrypt only the one that the message names.
        (state("77777777"), Some("Enabled observed")),
        ("select key_state_event_id from kms_keys where key_arn like '%:key/55555555-%'".to_owned(), Some("e37")),
    ])
    .await;
}

#[tokio::test]
async fn item_44_imported_material_expires_and_comes_back() {
    assert_answers(&[
        (
            format!(
                "select string_agg(key_state_after, ',' order by sequence_number) from kms_key_lifecycle where {KEY_3}"
            ),
            Some("PendingImport,Enabled,PendingImport,Enabled,Disabled"),
        ),
        (format!("select key_state || ' ' || origin from kms_keys where {KEY_3}"), Some("Disabled EXTERNAL")),
    ])
    .await;
}

#[tokio::test]
async fn item_45_a_family_lives_while_one_member_is_used_and_its_primary_moves() {
    assert_answers(&[
        (
            "select split_part(primary_key_arn, ':', 4) from kms_mrk_families where key_count = 2".to_owned(),
            Some("eu-west-1"),
        ),
        ("select last_used_event_id from kms_mrk_families where key_count = 2".to_owned(), Some("e50")),
        (
            "select multi_region_role from kms_keys where key_arn like '%:us-east-1:%:key/mrk-aaaa%'".to_owned(),
            Some("replica"),
        ),
        (
            "select multi_region_role from kms_keys where key_arn like '%:eu-west-1:%:key/mrk-aaaa%'".to_owned(),
            Some("primary"),
        ),
        ("select multi_region_role from kms_keys where key_arn like '%:key/mrk-bbbb%'".to_owned(), Some("member")),
    ])
    .await;
}

#[tokio::test]
async fn item_46_an_alias_is_a_matter_of_time() {
    assert_answers(&[
        ("select count(*) from kms_aliases where alias_name = 'alias/app'".to_owned(), Some("4")),
        (format!("select count(*) from kms_aliases where alias_name = 'alias/app' and {KEY_1}"), Some("2")),
        (
            format!(
                "select valid_from from kms_aliases where alias_name = 'alias/app' and valid_to is null and {KEY_2}"
            ),
            Some("2024-01-21T09:30:00Z"),
        ),
        // The key's deletion ends it.
        ("select ended_event_id from kms_aliases where alias_name = 'alias/old'".to_owned(), Some("e34")),
        ("select ended_event_id from kms_aliases where alias_name = 'alias/gone'".to_owned(), Some("e69")),
    ])
    .await;
}

#[tokio::test]
async fn item_58_deleted_keys_and_those_of_aws_are_told_apart() {
    assert_answers(&[
        ("select key_state from kms_keys where key_arn like '%:key/44444444-%'".to_owned(), Some("Deleted")),
        ("select key_manager from kms_keys where key_arn like '%:key/77777777-%'".to_owned(), Some("AWS")),
        (
            format!("select key_manager || ' ' || creation_time from kms_keys where {KEY_1}"),
            Some("CUSTOMER 2024-01-01T09:00:00Z"),
        ),
    ])
    .await;
}
