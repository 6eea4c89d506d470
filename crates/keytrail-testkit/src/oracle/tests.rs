//! The oracle on records written by hand, where the right answer can be seen.

use serde_json::{Value, json};

use super::{FileKind, KeyRole, KmsEvent, Oracle, read_file};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/0aaaaaaa-0000-0000-0000-000000000001";
const OTHER: &str = "arn:aws:kms:us-east-1:111122223333:key/0aaaaaaa-0000-0000-0000-000000000002";
const ALIAS: &str = "arn:aws:kms:us-east-1:111122223333:alias/app";

/// A KMS record; `more` overrides and adds members, null removes them.
fn record(id: &str, name: &str, time: &str, more: &Value) -> Value {
    let mut value = json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/app/1", "accountId": "111122223333"},
        "eventTime": time,
        "eventSource": "kms.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "requestParameters": null,
        "eventID": id,
        "resources": [{"ARN": KEY, "accountId": "111122223333", "type": "AWS::KMS::Key"}],
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    });
    for (name, member) in more.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}

fn oracle(records: &[Value]) -> Oracle {
    Oracle::read_files([("a.json".to_owned(), json!({ "Records": records }).to_string().into_bytes())])
}

fn kms(value: Value) -> KmsEvent {
    oracle(&[value]).kms().remove(0)
}

fn key_of(name: &str, more: &Value) -> Option<String> {
    kms(record("1", name, "2026-01-01T00:00:00Z", more)).touches.remove(0).key_arn
}

#[test]
fn keys_are_resolved_in_order() {
    let none = json!(null);
    let id = "0aaaaaaa-0000-0000-0000-000000000002";
    let cases = [
        ("Decrypt", json!({}), Some(KEY)),
        ("Decrypt", json!({"resources": [{"arn": KEY}]}), Some(KEY)),
        ("Decrypt", json!({"resources": [KEY]}), Some(KEY)),
        (
            "UpdateAlias",
            json!({"resources": [{"ARN": ALIAS, "type": "AWS::KMS::Key"}, {"ARN": KEY, "type": "AWS::KMS::Key"}]}),
            Some(KEY),
        ),
        ("CreateKey", json!({"resources": none, "responseElements": {"keyMetadata": {"arn": OTHER}}}), Some(OTHER)),
        ("DisableKey", json!({"resources": none, "responseElements": {"keyId": OTHER}}), Some(OTHER)),
        ("Encrypt", json!({"resources": none, "requestParameters": {"keyId": OTHER}}), Some(OTHER)),
        ("Encrypt", json!({"resources": none, "requestParameters": {"keyId": id}}), Some(OTHER)),
        (
            "CreateAlias",
            json!({"resources": none, "requestParameters": {"targetKeyId": id, "aliasName": "alias/app"}}),
            Some(OTHER),
        ),
        (
            "RotateKey",
            json!({"resources": none, "serviceEventDetails": {"keyId": id}, "userIdentity": {"invokedBy": "AWS Internal"}}),
            Some(OTHER),
        ),
        ("Encrypt", json!({"resources": none, "requestParameters": {"keyId": "alias/app"}}), None),
        ("Encrypt", json!({"resources": none, "requestParameters": {"keyId": ALIAS}}), None),
        (
            "Encrypt",
            json!({"resources": none, "errorCode": "DisabledException", "errorMessage": format!("{OTHER} is disabled.")}),
            Some(OTHER),
        ),
        (
            "Encrypt",
            json!({"resources": [], "errorCode": "NotFoundException", "errorMessage": format!("Key '{OTHER}' does not exist")}),
            Some(OTHER),
        ),
        ("Decrypt", json!({"resources": none, "errorCode": "AccessDenied"}), None),
        ("GenerateRandom", json!({"resources": []}), None),
        ("Encrypt", json!({"resources": none, "requestParameters": "HIDDEN_DUE_TO_SECURITY_REASONS"}), None),
    ];
    for (name, more, expected) in cases {
        assert_eq!(key_of(name, &more).as_deref(), expected, "{name} {more}");
    }
}

#[test]
fn re_encrypt_has_two_sides() {
    let both = json!([{"ARN": KEY}, {"ARN": OTHER}]);
    let one = json!([{"ARN": KEY}]);
    let cases = [
        (both, json!({}), Some(KEY), Some(OTHER)),
        (one.clone(), json!({"destinationKeyId": KEY}), None, Some(KEY)),
        (one.clone(), json!({"sourceKeyId": KEY}), Some(KEY), None),
        (one.clone(), json!({"destinationKeyId": OTHER}), Some(KEY), Some(OTHER)),
        (one, json!({"destinationKeyId": "alias/app"}), None, None),
        (json!(null), json!({"sourceKeyId": KEY, "destinationKeyId": OTHER}), Some(KEY), Some(OTHER)),
    ];
    for (resources, request, source, destination) in cases {
        let event = kms(record(
            "1",
            "ReEncrypt",
            "2026-01-01T00:00:00Z",
            &json!({"resources": resources, "requestParameters": request}),
        ));
        let key =
            |role| event.touches.iter().find(|touch| touch.role == role).and_then(|touch| touch.key_arn.as_deref());
        assert_eq!((key(KeyRole::Source), key(KeyRole::Destination)), (source, destination), "{request} {resources}");
    }
}

#[test]
fn usage_counts_each_event_once_per_key() {
    let same = json!({
        "resources": [{"ARN": KEY}, {"ARN": KEY}],
        "requestParameters": {"sourceEncryptionContext": {"a": "1"}, "destinationEncryptionContext": {"a": "1", "b": "2"}},
    });
    let trail = oracle(&[
        record("1", "ReEncrypt", "2026-01-01T00:00:00Z", &same),
        record("2", "Decrypt", "2026-01-01T00:00:01Z", &json!({"sharedEventID": "s"})),
        record(
            "3",
            "Decrypt",
            "2026-01-01T00:00:01Z",
            &json!({"sharedEventID": "s", "recipientAccountId": "999988887777", "userIdentity": {"type": "AWSAccount"}}),
        ),
        record("4", "Sign", "2026-01-02T00:00:00Z", &json!({"userIdentity": {"invokedBy": "x.amazonaws.com"}})),
        record("5", "Encrypt", "2026-01-03T00:00:00Z", &json!({"errorCode": "DisabledException"})),
        record("6", "DescribeKey", "2026-01-04T00:00:00Z", &json!({})),
        record("7", "DescribeKey", "2026-01-04T00:00:00Z", &json!({"resources": [{"ARN": OTHER}]})),
    ]);
    let usage = trail.kms_key_usage();
    let row = &usage[0];
    assert_eq!((row.key_arn.as_str(), row.use_event_count, row.use_count), (KEY, 4, 3));
    assert_eq!((row.decrypt_count, row.ciphertext_created_count, row.sign_mac_count, row.failed_count), (3, 1, 1, 1));
    assert_eq!((row.principal_count, row.service_count), (1, 1));
    assert_eq!(
        (row.last_used_event_id.as_deref(), row.last_used_operation.as_deref(), row.last_used_principal_arn.as_deref()),
        (Some("4"), Some("Sign"), None)
    );
    assert_eq!((usage[1].key_arn.as_str(), usage[1].use_event_count, usage[1].last_used_time), (OTHER, 0, None));
    let contexts = trail.kms_encryption_contexts();
    assert_eq!(
        contexts.iter().map(|row| (row.context_key.as_str(), row.event_count)).collect::<Vec<_>>(),
        [("a", 1), ("b", 1)]
    );
    assert_eq!(trail.kms_failed_attempts().len(), 1);
    assert_eq!(trail.kms_events().len(), 8);
}

#[test]
fn ties_of_the_last_use_go_to_the_greatest_id() {
    let time = "2026-01-01T00:00:00Z";
    let usage = oracle(&[
        record("b", "Decrypt", time, &json!({})),
        record("c", "Encrypt", time, &json!({})),
        record("a", "Sign", time, &json!({})),
    ])
    .kms_key_usage();
    assert_eq!(usage[0].last_used_event_id.as_deref(), Some("c"));
}

#[test]
fn repeated_records_count_once() {
    let one = record("1", "Decrypt", "2026-01-01T00:00:00Z", &json!({}));
    let elsewhere = record("1", "Decrypt", "2026-01-01T00:00:00Z", &json!({"recipientAccountId": "999988887777"}));
    let mut without_id = one.clone();
    without_id.as_object_mut().unwrap().remove("eventID");
    let trail = oracle(&[one.clone(), elsewhere, without_id.clone(), one, without_id]);
    assert_eq!((trail.summary.records, trail.summary.duplicates, trail.events.len()), (5, 2, 3));
}

#[test]
fn coverage_counts_reads_by_operation() {
    let rows = oracle(&[
        record("1", "Decrypt", "2026-01-01T10:00:00Z", &json!({"readOnly": false})),
        record("2", "DisableKey", "2026-01-01T09:00:00Z", &json!({"readOnly": true})),
        record("3", "GetObject", "2026-01-01T11:00:00Z", &json!({"eventSource": "s3.amazonaws.com"})),
        record("4", "GetObject", "2026-01-02T00:00:00Z", &json!({"eventSource": "s3.amazonaws.com"})),
    ])
    .log_file_coverage();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[0].file_count, rows[0].record_count, rows[0].kms_read_count, rows[0].kms_write_count),
        (None, 3, 1, 1)
    );
    assert_eq!(rows[0].first_event_time.unwrap().to_rfc3339(), "2026-01-01T09:00:00+00:00");
}

#[test]
fn shapes_and_kinds_are_recognised() {
    let event = record("1", "Decrypt", "2026-01-01T00:00:00Z", &json!({})).to_string();
    let network =
        record("2", "Decrypt", "2026-01-01T00:00:00Z", &json!({"eventCategory": "NetworkActivity"})).to_string();
    let cases = [
        (event.clone(), FileKind::Events, 1),
        (format!("[{event},{event}]"), FileKind::Events, 2),
        (format!("{event}\n{event}\n"), FileKind::Events, 2),
        (format!("{event}{event}"), FileKind::Events, 2),
        (format!("\u{feff}{{\"Records\": [{event}]}}"), FileKind::Events, 1),
        ("{\"Records\":[]}".to_owned(), FileKind::Events, 0),
        (format!("{{\"Records\":[{network}]}}"), FileKind::NetworkActivity, 0),
        (format!("{{\"detail-type\":\"AWS API Call via CloudTrail\",\"detail\":{event}}}"), FileKind::Events, 1),
        ("{\"digestS3Object\":\"x\",\"logFiles\":[]}".to_owned(), FileKind::Digest, 0),
        (
            "{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\"}]}".to_owned(),
            FileKind::Notification,
            0,
        ),
    ];
    for (text, kind, count) in cases {
        let (found, records) = read_file(text.as_bytes()).unwrap();
        assert_eq!((found, records.len()), (kind, count), "{text}");
        assert!(records.iter().all(|record| record.text == event));
    }
    assert!(read_file(b"{\"Records\":[").is_none());
}
