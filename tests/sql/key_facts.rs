//! What is told of a key by other services' records, by its custom key store, its material and its set: each on a few records.

use keytrail_query::Session;

use crate::cells::rows;
use crate::fixture::{raw_session, session_with_outputs};
use crate::verdicts::{KEY, record, resources};

const CREATED: &str = "2025-03-01T08:00:00Z";

/// The rows of a query over records, their cells joined by spaces.
async fn answers(records: &[String], sql: &str) -> Vec<String> {
    let (_folder, session) = raw_session(records).await;
    told(&session, sql).await
}

async fn told(session: &Session, sql: &str) -> Vec<String> {
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "null".to_owned());
    let line = |row: Vec<Option<String>>| row.into_iter().map(text).collect::<Vec<_>>().join(" ");
    rows(session, &sql.replace("KEY", KEY)).await.into_iter().map(line).collect()
}

fn created(members: &str) -> String {
    let rest = format!(
        r#""requestParameters":{{{members}}},"responseElements":{{"keyMetadata":{{"keyId":"x","arn":"KEY","keyManager":"CUSTOMER","keyState":"Enabled",{members}}}}},{}"#,
        resources(&[KEY])
    );
    record("kms", "CreateKey", CREATED, &rest)
}

#[tokio::test]
async fn a_key_is_known_wherever_a_record_of_another_service_names_it() {
    let known = [
        ("ec2", "DescribeVolumes", r#""requestParameters":{"filter":"KEY"},"readOnly":true"#),
        (
            "ec2",
            "CreateVolume",
            r#""errorCode":"Client.InvalidKmsKey.NotFound","requestParameters":{"kmsKeyId":"KEY"}"#,
        ),
        ("rds", "StartDBInstance", r#""errorCode":"X","errorMessage":"The key [KEY] cannot be used.""#),
        ("s3", "PutObject", r#""eventCategory":"Data","managementEvent":false,"additionalEventData":{"kmsKey":"KEY"}"#),
        ("backup", "BackupJobCompleted", r#""serviceEventDetails":{"vault":{"encryptionKeyArn":"KEY"}}"#),
        ("config", "PutEvaluations", r#""resources":[{"ARN":"KEY","type":"AWS::KMS::Key"}]"#),
    ];
    for (service, name, members) in known {
        let call = record(service, name, "2025-03-15T10:00:00Z", members);
        let found = answers(&[call], "select key_arn, first_seen_time, last_seen_time from kms_keys").await;
        assert_eq!(found, [format!("{KEY} 2025-03-15T10:00:00Z 2025-03-15T10:00:00Z")], "{service} {name}");
    }
    // Whoever writes a pattern names no key.
    let policy = r#""requestParameters":{"policyDocument":"arn:aws:kms:us-east-1:111122223333:key/*"}"#;
    let call = record("iam", "PutRolePolicy", "2025-03-15T10:00:00Z", policy);
    assert_eq!(answers(&[call], "select key_arn from kms_keys").await, [""; 0]);
}

fn alias_event(name: &str, time: &str, key: &str) -> String {
    let request = format!(r#""requestParameters":{{"aliasName":"alias/app","targetKeyId":"{key}"}},"#);
    record("kms", name, time, &[&request, &*resources(&[key, "arn:aws:kms:us-east-1:111122223333:alias/app"])].concat())
}

#[tokio::test]
async fn a_configuration_by_an_alias_is_one_of_the_key_that_it_stood_for() {
    let other = KEY.replace("aaaaaaaa-", "cccccccc-");
    let secret = |name: &str, day: u32, reference: &str| {
        let members = format!(r#""requestParameters":{{"name":"{name}","kmsKeyId":"{reference}"}}"#);
        record("secretsmanager", "CreateSecret", &format!("2025-03-{day:02}T10:00:00Z"), &members)
    };
    let records = [
        alias_event("CreateAlias", "2025-03-03T08:00:00Z", KEY),
        secret("early", 2, "alias/app"),
        secret("one", 4, "alias/app"),
        secret("two", 5, "arn:aws:kms:us-east-1:111122223333:alias/app"),
        alias_event("UpdateAlias", "2025-03-06T08:00:00Z", &other),
        secret("three", 7, "alias/app"),
        secret("four", 8, "alias/unheard-of"),
    ];
    let sql = "select resource, left(split_part(key_arn, '/', 2), 4), split_part(alias_arn, ':', 6) \
               from kms_configuration_dependencies order by resource, key_arn";
    assert_eq!(
        answers(&records, sql).await,
        [
            "early cccc alias/app",
            "four null alias/unheard-of",
            "one aaaa alias/app",
            "one cccc alias/app",
            "three cccc alias/app",
            "two aaaa alias/app",
            "two cccc alias/app",
        ]
    );
}

#[tokio::test]
async fn failures_of_services_by_an_alias_are_demand_for_its_key() {
    let alias = alias_event("CreateAlias", "2025-03-03T08:00:00Z", KEY);
    for members in [
        r#""errorCode":"Client.InvalidKmsKey.InvalidState","requestParameters":{"kmsKeyId":"alias/app"}"#,
        r#""errorCode":"KMSKeyNotAccessibleFault","errorMessage":"The key [arn:aws:kms:us-east-1:111122223333:alias/app] cannot be used.""#,
    ] {
        let call = record("rds", "StartDBInstance", "2025-03-04T10:00:00Z", members);
        let found = answers(&[alias.clone(), call], "select key_arn from key_evidence").await;
        assert_eq!(found, [KEY], "{members}");
    }
}

#[tokio::test]
async fn item_44_keys_of_a_disconnected_store_are_unavailable() {
    let store = |name: &str, day: u32| {
        let members = r#""requestParameters":{"customKeyStoreId":"cks-1"},"responseElements":null"#;
        record("kms", name, &format!("2025-03-{day:02}T10:00:00Z"), members)
    };
    let of_store = created(r#""origin":"AWS_CLOUDHSM","customKeyStoreId":"cks-1""#);
    let sql = "select key_state, key_state_since_time, key_state_source from kms_keys where key_arn = 'KEY'";
    let gone = [of_store.clone(), store("DisconnectCustomKeyStore", 5)];
    assert_eq!(answers(&gone, sql).await, ["Unavailable 2025-03-05T10:00:00Z event"]);
    let back = [gone.to_vec(), vec![store("ConnectCustomKeyStore", 6)]].concat();
    assert_eq!(answers(&back, sql).await, [format!("Enabled {CREATED} event")]);
    let used = record("kms", "Decrypt", "2025-03-07T10:00:00Z", &resources(&[KEY]));
    assert_eq!(answers(&[gone.to_vec(), vec![used]].concat(), sql).await, [format!("Enabled {CREATED} event")]);
    let elsewhere = created(r#""origin":"AWS_CLOUDHSM","customKeyStoreId":"cks-2""#);
    assert_eq!(answers(&[elsewhere, gone[1].clone()], sql).await, [format!("Enabled {CREATED} event")]);
}

#[tokio::test]
async fn item_44_material_that_was_to_expire_is_told() {
    let import = |day: u32, members: &str| {
        let rest = format!(r#""requestParameters":{{"keyId":"KEY",{members}}},{}"#, resources(&[KEY]));
        record("kms", "ImportKeyMaterial", &format!("2025-03-{day:02}T10:00:00Z"), &rest)
    };
    let expiring = import(2, r#""expirationModel":"KEY_MATERIAL_EXPIRES","validTo":"Mar 9, 2025 8:00:00 AM""#);
    let lasting = import(3, r#""expirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE""#);
    let expired = record("kms", "DeleteExpiredKeyMaterial", "2025-03-09T08:00:00Z", &resources(&[KEY]));
    let sql = "select key_state, material_expiry_time from kms_keys where key_arn = 'KEY'";
    let of_key = created(r#""origin":"EXTERNAL""#);
    let records = [of_key.clone(), expiring.clone()];
    assert_eq!(answers(&records, sql).await, ["Enabled 2025-03-09T08:00:00Z"]);
    assert_eq!(answers(&[of_key.clone(), expiring.clone(), lasting], sql).await, ["Enabled null"]);
    assert_eq!(answers(&[of_key, expiring, expired], sql).await, ["PendingImport null"]);
    // Neither its end nor a new import is in the logs, which go on.
    let later = record("ec2", "DescribeInstances", "2025-03-20T10:00:00Z", "");
    let reasons = "select reasons like '%missing_event%' from kms_key_verdicts where key_arn = 'KEY'";
    assert_eq!(answers(&[records.to_vec(), vec![later]].concat(), reasons).await, ["true"]);
    let sooner = record("ec2", "DescribeInstances", "2025-03-10T10:00:00Z", "");
    assert_eq!(answers(&[records.to_vec(), vec![sooner]].concat(), reasons).await, ["false"]);
}

#[tokio::test]
async fn item_44_a_key_of_several_materials_needs_all_of_them() {
    let of_material = |name: &str, day: u32, id: char, members: &str| {
        let answer = format!(r#""responseElements":{{"keyId":"KEY","keyMaterialId":"{id}"}}"#);
        let request = format!(r#""requestParameters":{{"keyId":"KEY"{members}}}"#);
        record("kms", name, &format!("2025-03-{day:02}T10:00:00Z"), &[request, answer, resources(&[KEY])].join(","))
    };
    // Else the record's builder would put the key's ARN there.
    let expiring = r#","importType":"NEW_K\u0045Y_MATERIAL","validTo":"Apr 9, 2025 8:00:00 AM""#;
    let mut records = vec![
        created(r#""origin":"EXTERNAL""#),
        of_material("ImportKeyMaterial", 2, 'a', expiring),
        of_material("ImportKeyMaterial", 3, 'b', r#","importType":"NEW_K\u0045Y_MATERIAL""#),
    ];
    let sql = "select key_state, material_expiry_time from kms_keys where key_arn = 'KEY'";
    assert_eq!(answers(&records, sql).await, ["Enabled 2025-04-09T08:00:00Z"]);
    // It waits for a rotation: nothing is missing.
    records.push(of_material("DeleteImportedKeyMaterial", 4, 'b', ""));
    assert_eq!(answers(&records, sql).await, ["Enabled 2025-04-09T08:00:00Z"]);
    records.push(of_material("ImportKeyMaterial", 5, 'b', r#","importType":"NEW_K\u0045Y_MATERIAL""#));
    let rotation = r#""serviceEventDetails":{"rotationType":"ON_DEMAND"},"#;
    records.push(record("kms", "RotateKey", "2025-03-06T10:00:00Z", &[rotation, &*resources(&[KEY])].concat()));
    for (name, day, id, expected) in [
        ("DeleteImportedKeyMaterial", 7, 'a', "PendingImport null"),
        ("DeleteImportedKeyMaterial", 8, 'b', "PendingImport null"),
        ("ImportKeyMaterial", 9, 'b', "PendingImport null"),
        ("ImportKeyMaterial", 10, 'a', "Enabled null"),
    ] {
        records.push(of_material(name, day, id, ""));
        assert_eq!(answers(&records, sql).await, [expected], "{name} of {id}");
    }
    let states =
        "select string_agg(coalesce(key_state_after, '-'), ' ' order by sequence_number) from kms_key_lifecycle";
    let expected = "Enabled Enabled - - - - PendingImport PendingImport - Enabled";
    assert_eq!(answers(&records, states).await, [expected]);
}

const PRIMARY: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-22222222222222222222222222222222";

#[tokio::test]
async fn item_45_what_is_synchronised_meanwhile_moves_no_primary_back() {
    let replica = PRIMARY.replace("us-east-1", "eu-west-1");
    let request = format!(
        r#""requestParameters":{{"keyId":"{PRIMARY}","replicaRegion":"eu-west-1","primaryRegion":"eu-west-1"}},"#
    );
    let call = |name: &str, time: &str| record("kms", name, time, &[&request, &*resources(&[PRIMARY])].concat());
    let records = [
        call("ReplicateKey", "2025-03-01T10:00:00Z"),
        call("UpdatePrimaryRegion", "2025-03-02T10:00:00Z"),
        call("SynchronizeMultiRegionKey", "2025-03-02T10:01:26Z"),
    ];
    let sql = "select distinct primary_key_arn from kms_keys";
    assert_eq!(answers(&records, sql).await, [replica]);
    let moved_back = call("SynchronizeMultiRegionKey", "2025-03-03T10:01:26Z");
    assert_eq!(answers(&[records.to_vec(), vec![moved_back]].concat(), sql).await, [PRIMARY.to_owned()]);
}

#[tokio::test]
async fn item_45_a_primary_goes_after_its_last_replica() {
    let replica = PRIMARY.replace("us-east-1", "eu-west-1");
    let of = |key: &str, name: &str, time: &str, members: &str| {
        record("kms", name, time, &[members, &*resources(&[key])].concat())
    };
    let mut records = vec![
        of(PRIMARY, "ReplicateKey", "2025-03-01T10:00:00Z", r#""requestParameters":{"replicaRegion":"eu-west-1"},"#),
        of(
            PRIMARY,
            "ScheduleKeyDeletion",
            "2025-03-02T10:00:00Z",
            r#""requestParameters":{"pendingWindowInDays":7},"responseElements":{"keyState":"PendingReplicaDeletion"},"#,
        ),
    ];
    let sql =
        format!("select key_state, key_state_since_time, deletion_time from kms_keys where key_arn = '{PRIMARY}'");
    assert_eq!(answers(&records, &sql).await, ["PendingReplicaDeletion 2025-03-02T10:00:00Z null"]);
    records.push(of(&replica, "DeleteKey", "2025-03-10T12:00:00Z", ""));
    assert_eq!(answers(&records, &sql).await, ["PendingDeletion 2025-03-10T12:00:00Z 2025-03-17T12:00:00Z"]);
}

#[tokio::test]
async fn item_59_a_live_grant_tells_of_the_volume_that_it_is_for() {
    let rest = format!(
        r#""requestParameters":{{"keyId":"KEY","granteePrincipal":"111122223333:aws:ec2-infrastructure:i-1","operations":["Decrypt"],"constraints":{{"encryptionContextSubset":{{"aws:ebs:id":"vol-1"}}}}}},"responseElements":{{"grantId":"g1","keyId":"KEY"}},{}"#,
        resources(&[KEY])
    );
    let granted = record("kms", "CreateGrant", "2025-03-15T10:00:00Z", &rest);
    let sql = "select resource_kind, resource, is_latent, decrypt_count, live_grant_count, is_written_never_read from kms_protected_resources";
    assert_eq!(answers(std::slice::from_ref(&granted), sql).await, ["volume vol-1 true 0 1 false"]);
    let ended = r#""requestParameters":{"grantId":"g1"},"additionalEventData":{"grantId":"g1"},"#;
    let ended = record("kms", "RetireGrant", "2025-03-16T10:00:00Z", &[ended, &*resources(&[KEY])].concat());
    assert_eq!(answers(&[granted, ended], sql).await, [""; 0]);
}

#[tokio::test]
async fn outputs_that_name_a_key_by_its_id_are_of_the_key_in_the_logs() {
    let id = KEY.rsplit('/').next().unwrap();
    let grants = format!(
        r#"{{"Grants":[{{"GrantId":"g1","KeyId":"{id}","GranteePrincipal":"p","Operations":["Decrypt"]}}],"Truncated":false}}"#
    );
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let session = session_with_outputs(&[described], &[("grants.json", grants)]).await;
    assert_eq!(told(&session, "select grant_id, key_arn from kms_grants").await, [format!("g1 {KEY}")]);
}

/// A grant of which a newer list-grants output of its key tells no more (2025-03-16) has ended, though nothing tells how.
#[tokio::test]
async fn a_grant_that_is_not_listed_any_more_is_not_live() {
    let granted = |grant: &str, time: &str| {
        let response = match grant {
            "" => "null".to_owned(),
            grant => format!(r#"{{"grantId":"{grant}","keyId":"KEY"}}"#),
        };
        let rest = format!(
            r#""requestParameters":{{"keyId":"KEY","granteePrincipal":"p{grant}","operations":["Decrypt"]}},"responseElements":{response},{}"#,
            resources(&[KEY])
        );
        record("kms", "CreateGrant", time, &rest)
    };
    let listed = format!(
        r#"{{"KeyId":"{KEY}","Grants":[{{"GrantId":"g2","KeyId":"{KEY}","GranteePrincipal":"p","Operations":["Decrypt"]}}],"Truncated":false}}"#
    );
    let records = [
        granted("g1", "2025-03-15T10:00:00Z"),
        granted("g2", "2025-03-15T10:01:00Z"),
        granted("g3", "2025-03-17T10:00:00Z"),
        granted("", "2025-03-15T10:02:00Z"),
    ];
    let session = session_with_outputs(&records, &[("grants.json", listed.clone())]).await;
    let sql = "select grantee_principal, grant_id, grant_state from kms_grants order by grantee_principal";
    assert_eq!(told(&session, sql).await, ["p null live", "pg1 g1 not_listed", "pg2 g2 live", "pg3 g3 live"]);
    // As list-retirable-grants prints it: those of one principal.
    let retirable = r#""GranteePrincipal":"p","RetiringPrincipal":"r""#;
    let some = listed.replace(r#""GranteePrincipal":"p""#, retirable);
    let session = session_with_outputs(&records, &[("grants.json", some.clone())]).await;
    assert_eq!(told(&session, sql).await, ["p null live", "pg1 g1 live", "pg2 g2 live", "pg3 g3 live"]);
    let session = session_with_outputs(&records, &[("list-grants.json", some)]).await;
    assert_eq!(told(&session, sql).await, ["p null live", "pg1 g1 not_listed", "pg2 g2 live", "pg3 g3 live"]);
    // Without an output nothing tells of an end.
    let live = answers(&records, "select count(*) from kms_grants where grant_state = 'live'").await;
    assert_eq!(live, ["4"]);
}

/// A federated user is not who issued it; of another account's caller the owner sees an id, whichever service called for it.
#[tokio::test]
async fn item_52_callers_of_other_kinds_have_names_of_their_own() {
    let by = |minute: u32, identity: &str| {
        let time = format!("2025-03-15T10:{minute:02}:00Z");
        let call = record("kms", "Decrypt", &time, &resources(&[KEY]));
        let start = call.find(r#""userIdentity":{"#).unwrap();
        let end = start + call[start..].find('}').unwrap() + 1;
        [&call[..start], r#""userIdentity":{"#, identity, "}", &call[end..]].concat()
    };
    let federated = r#""type":"FederatedUser","arn":"arn:aws:sts::111122223333:federated-user/auditor","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/broker","userName":"broker"}}"#;
    let foreign = |id: &str, rest: &str| format!(r#""type":"AWSAccount",{id}"accountId":"444455556666"{rest}"#);
    let records = [
        by(1, federated),
        by(2, &foreign(r#""principalId":"AROAONE:s","#, r#","invokedBy":"s3.amazonaws.com""#)),
        by(3, &foreign(r#""principalId":"AROATWO:s","#, r#","invokedBy":"s3.amazonaws.com""#)),
        by(4, &foreign("", "")),
        by(5, &foreign(r#""principalId":"","#, "")),
    ];
    let sql = "select principal, principal_account_id, use_event_count from kms_key_principals order by principal";
    let expected = [
        "444455556666 444455556666 2",
        "AROAONE 444455556666 1",
        "AROATWO 444455556666 1",
        "arn:aws:sts::111122223333:federated-user/auditor 111122223333 1",
    ];
    assert_eq!(answers(&records, sql).await, expected);
}

/// Records of before 2019 or so name the service as where the call came from.
#[tokio::test]
async fn a_service_is_told_by_its_address_too() {
    let call = record("kms", "Decrypt", "2025-03-15T10:00:00Z", &resources(&[KEY]));
    let from = |address: &str| call.replacen('{', &format!(r#"{{"sourceIPAddress":"{address}","#), 1);
    let sql = "select service from kms_key_services";
    assert_eq!(answers(&[from("redshift.amazonaws.com")], sql).await, ["redshift.amazonaws.com"]);
    assert_eq!(answers(&[from("192.0.2.1")], sql).await, [""; 0]);
}

/// What rotates the members of a set is an event of the primary.
#[tokio::test]
async fn item_45_a_set_is_rotated_as_one() {
    let replica = PRIMARY.replace("us-east-1", "eu-west-1");
    let of = |key: &str, name: &str, time: &str, members: &str| {
        record("kms", name, time, &[members, &*resources(&[key])].concat())
    };
    let request = format!(r#""requestParameters":{{"keyId":"{PRIMARY}","replicaRegion":"eu-west-1"}},"#);
    let records = [
        of(PRIMARY, "EnableKeyRotation", "2025-03-01T10:00:00Z", ""),
        of(PRIMARY, "ReplicateKey", "2025-03-02T10:00:00Z", &request),
        of(PRIMARY, "RotateKey", "2025-03-06T10:00:00Z", r#""serviceEventDetails":{"rotationType":"AUTOMATIC"},"#),
        of(&replica, "Decrypt", "2025-03-07T10:00:00Z", ""),
    ];
    let sql = "select aws_region, rotation_enabled, last_rotated_time from kms_keys order by aws_region";
    let expected = ["eu-west-1 true 2025-03-06T10:00:00Z", "us-east-1 true 2025-03-06T10:00:00Z"];
    assert_eq!(answers(&records, sql).await, expected);
}

#[tokio::test]
async fn rotations_that_were_listed_are_known_without_anything_else() {
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let used = format!(r#""additionalEventData":{{"keyMaterialId":"{old}"}},{}"#, resources(&[KEY]));
    let used = record("kms", "Decrypt", "2025-03-15T10:00:00Z", &used);
    let listed = format!(
        r#"{{"Rotations":[{{"KeyId":"{KEY}","KeyMaterialId":"{old}","KeyMaterialState":"NON_CURRENT"}},{{"KeyId":"{KEY}","KeyMaterialId":"{new}","KeyMaterialState":"CURRENT","RotationDate":"2025-03-10T00:00:00Z","RotationType":"ON_DEMAND"}}]}}"#
    );
    let session = session_with_outputs(&[used], &[("list-key-rotations.json", listed)]).await;
    let rotated = told(&session, "select last_rotated_time from kms_keys where key_arn = 'KEY'").await;
    assert_eq!(rotated, ["2025-03-10T00:00:00Z"]);
    let sql = "select left(key_material_id, 1), is_current, is_needed_after_rotation from kms_key_materials order by 1";
    assert_eq!(told(&session, sql).await, ["a false true", "b true false"]);
}

/// 30 days are the default of a request that asks for none, not of a record that keeps its request to itself.
#[tokio::test]
async fn item_21_a_waiting_period_that_is_not_told_is_unknown() {
    let scheduled = |request: &str| {
        let members = format!(r#""requestParameters":{request},"responseElements":null,{}"#, resources(&[KEY]));
        record("kms", "ScheduleKeyDeletion", "2025-03-15T10:00:00Z", &members)
    };
    let sql = "select key_state, deletion_time from kms_keys where key_arn = 'KEY'";
    assert_eq!(answers(&[scheduled(r#"{"keyId":"KEY"}"#)], sql).await, ["PendingDeletion 2025-04-14T10:00:00Z"]);
    for unknown in ["null", r#"{"omitted":true}"#, r#""HIDDEN_DUE_TO_SECURITY_REASONS""#] {
        assert_eq!(answers(&[scheduled(unknown)], sql).await, ["PendingDeletion null"], "{unknown}");
    }
}
