//! Holes that the logs' own records, or outputs beside them, prove: each on a few records beside a day's traffic.

use crate::cells::rows;
use crate::fixture::{raw_session, session_with_outputs};
use crate::verdicts::{ACCOUNT, KEY, OTHER_KEY, placed, record, resources, traffic, verdict_of, verdict_with};

const CALLER_ACCOUNT: &str = "444455556666";

fn list_of(key: &str) -> (&'static str, String) {
    ("list-keys.json", format!(r#"{{"Keys":[{{"KeyId":"k","KeyArn":"{key}"}}]}}"#))
}

/// The verdict on a key by records and outputs.
async fn verdict_by(records: &[String], outputs: &[(&str, String)], key: &str) -> String {
    verdict_of(&session_with_outputs(records, outputs).await, key).await
}

/// An owner of one key asks lookup-events for that key, and tells nothing of any other.
#[tokio::test]
async fn item_54_an_export_of_one_key_shows_nothing_of_another() {
    for count in [1, 5] {
        let calls: Vec<_> = (0..count)
            .map(|hour| record("kms", "Decrypt", &format!("2025-03-15T0{hour}:00:00Z"), &resources(&[OTHER_KEY])))
            .collect();
        assert_eq!(verdict_by(&calls, &[list_of(KEY)], KEY).await, "incomplete filtered_export", "{count}");
    }
    let calls: Vec<_> = (0..60)
        .map(|minute| {
            let role = format!(
                r#""arn":"arn:aws:sts::{ACCOUNT}:assumed-role/app/s{minute}","sessionContext":{{"sessionIssuer":{{"type":"Role","arn":"arn:aws:iam::{ACCOUNT}:role/app"}}}}"#
            );
            let name = ["DescribeInstances", "DescribeVolumes"][minute % 2];
            let call = record("ec2", name, &format!("2025-03-15T10:{minute:02}:00Z"), "");
            call.replace(&format!(r#""arn":"arn:aws:iam::{ACCOUNT}:user/ec2-user""#), &role)
        })
        .collect();
    assert_eq!(verdict_by(&calls, &[list_of(KEY)], KEY).await, "incomplete filtered_export,no_kms_calls");
}

/// Secrets Manager decrypts a secret whenever it is read.
#[tokio::test]
async fn secrets_that_are_read_without_a_kms_call_show_a_hole() {
    let reads = |count: u32| -> Vec<String> {
        let read = |minute| {
            let time = format!("2025-03-15T10:{minute:02}:00Z");
            placed("secretsmanager", "GetSecretValue", &time, ACCOUNT, "eu-west-1", "")
        };
        let other = placed("ec2", "DescribeInstances", "2025-03-15T09:00:00Z", ACCOUNT, "eu-west-1", "");
        [traffic("us-east-1"), vec![other], (0..count).map(read).collect()].concat()
    };
    let key = KEY.replace("us-east-1", "eu-west-1");
    assert_eq!(verdict_by(&reads(3), &[list_of(&key)], &key).await, "incomplete no_kms_calls");
    assert_eq!(verdict_by(&reads(2), &[list_of(&key)], &key).await, "no_use_found ");
}

/// All trails are known, and none logs the region, whose few events are no KMS calls.
#[tokio::test]
async fn item_55_a_region_that_no_trail_logs_is_a_hole() {
    let trails = |region: &str, is_multi_region: bool| {
        format!(
            r#"{{"trailList":[{{"Name":"t","TrailARN":"arn:aws:cloudtrail:{region}:{ACCOUNT}:trail/t","HomeRegion":"{region}","IsMultiRegionTrail":{is_multi_region},"HasCustomEventSelectors":false,"IsOrganizationTrail":false}}]}}"#
        )
    };
    let other = record("ec2", "DescribeInstances", "2025-03-15T10:00:00Z", "");
    let records = [traffic("eu-west-1"), vec![other]].concat();
    for (region, is_multi_region, expected) in [
        ("eu-west-1", false, "incomplete trail_settings"),
        ("eu-west-1", true, "no_use_found "),
        ("us-east-1", false, "no_use_found "),
    ] {
        let outputs = [list_of(KEY), ("describe-trails.json", trails(region, is_multi_region))];
        let verdict = verdict_by(&records, &outputs, KEY).await;
        assert_eq!(verdict, expected, "{region} {is_multi_region}");
    }
}

/// A call across accounts is logged in both.
#[tokio::test]
async fn item_51_a_copy_that_the_owner_s_logs_lack_is_a_hole_of_all_its_keys() {
    let call = |time: &str, account: &str| {
        let rest = [r#""sharedEventID":"s1""#, &resources(&[OTHER_KEY])].join(",");
        let call = placed("kms", "Decrypt", time, account, "us-east-1", &rest);
        let caller = format!(r#""accountId":"{CALLER_ACCOUNT}""#);
        call.replacen(&format!(r#""accountId":"{account}""#), &caller, 1)
    };
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let over = async |calls: &[String]| {
        let (_folder, session) =
            raw_session(&[traffic("us-east-1"), vec![described.clone()], calls.to_vec()].concat()).await;
        verdict_of(&session, KEY).await
    };
    let within = "2025-03-15T10:30:00Z";
    assert_eq!(over(&[call(within, CALLER_ACCOUNT)]).await, "incomplete missing_use");
    assert_eq!(over(&[call(within, CALLER_ACCOUNT), call(within, ACCOUNT)]).await, "no_use_found ");
    // Where the owner's logs end nothing can be said.
    assert_eq!(over(&[call("2025-03-15T12:30:00Z", CALLER_ACCOUNT)]).await, "no_use_found ");
}

/// What was done to a key while the logs were kept is in them.
#[tokio::test]
async fn grants_and_rotations_that_are_told_of_and_not_logged_are_a_hole() {
    let hours = ["13T12", "13T23", "14T12", "14T23", "15T23", "16T12", "16T23", "17T12"];
    let around = hours.map(|hour| record("ec2", "DescribeInstances", &format!("2025-03-{hour}:00:00Z"), ""));
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let records = [traffic("us-east-1"), vec![described], around.to_vec()].concat();
    let grant = |time: &str| {
        let grant = format!(
            r#"{{"Grants":[{{"GrantId":"g1","KeyId":"{KEY}","CreationDate":"{time}","GranteePrincipal":"p","Operations":["Decrypt"]}}]}}"#
        );
        ("list-grants.json", grant)
    };
    let rotation = |time: &str| {
        let rotation =
            format!(r#"{{"Rotations":[{{"KeyId":"{KEY}","RotationDate":"{time}","RotationType":"ON_DEMAND"}}]}}"#);
        ("list-key-rotations.json", rotation)
    };
    for (output, expected) in [
        (grant("2025-03-15T10:00:00Z"), "incomplete missing_event"),
        (grant("2025-03-13T12:30:00Z"), "no_use_found "),
        (rotation("2025-03-15T12:30:00Z"), "incomplete missing_event"),
        (rotation("2025-03-13T18:00:00Z"), "no_use_found "),
    ] {
        assert_eq!(verdict_by(&records, std::slice::from_ref(&output), KEY).await, expected, "{output:?}");
    }
    let request = r#""requestParameters":{"keyId":"KEY","granteePrincipal":"p","operations":["Decrypt"]},"responseElements":null,"#;
    let made = record("kms", "CreateGrant", "2025-03-15T10:00:01Z", &[request, &*resources(&[KEY])].concat());
    let logged = [records.clone(), vec![made]].concat();
    assert_eq!(verdict_by(&logged, &[grant("2025-03-15T10:00:00Z")], KEY).await, "no_use_found ");
    let rotated = record("kms", "RotateKey", "2025-03-15T12:30:02Z", &resources(&[KEY]));
    let logged = [records, vec![rotated]].concat();
    assert_eq!(verdict_by(&logged, &[rotation("2025-03-15T12:30:00Z")], KEY).await, "no_use_found ");
}

/// KMS refused some key of the place, and the service does not tell which.
#[tokio::test]
async fn failures_of_services_that_name_no_key_may_have_needed_any() {
    for (service, name, members) in [
        ("s3", "GetObject", r#""errorCode":"KMS.DisabledException","eventCategory":"Data","managementEvent":false"#),
        ("secretsmanager", "GetSecretValue", r#""errorCode":"DecryptionFailure","errorMessage":"can't decrypt""#),
        ("rds", "StartDBInstance", r#""errorCode":"KMSKeyNotAccessibleFault","errorMessage":"An error occurred.""#),
    ] {
        let call = record(service, name, "2025-03-15T10:00:00Z", members);
        assert_eq!(verdict_with(&[call]).await, "incomplete unattributed_demand", "{service}");
    }
    let missing = r#""errorCode":"KMS.NotFoundException","eventCategory":"Data","managementEvent":false"#;
    let call = record("s3", "PutObject", "2025-03-15T10:00:00Z", missing);
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![call]].concat()).await;
    let counts = "select distinct verdict, unattributed_failure_count from kms_key_verdicts";
    assert_eq!(rows(&session, counts).await, [[Some("in_use".to_owned()), Some("1".to_owned())]]);
}

/// A service has no account of its own; what it is denied in the key's account is the account's own trouble.
#[tokio::test]
async fn a_service_that_the_key_s_policy_denies_is_a_sign() {
    let denied = r#""errorCode":"AccessDenied","errorMessage":"User: cloudtrail.amazonaws.com is not authorized to perform: kms:GenerateDataKey on resource: KEY with an explicit deny in a resource-based policy","#;
    let call = record("kms", "GenerateDataKey", "2025-03-15T10:00:00Z", &[denied, &*resources(&[KEY])].concat());
    let start = call.find(r#""userIdentity":{"#).unwrap();
    let end = start + call[start..].find('}').unwrap() + 1;
    let service = r#""userIdentity":{"type":"AWSService","invokedBy":"cloudtrail.amazonaws.com"}"#;
    let call = [&call[..start], service, &call[end..]].concat();
    assert_eq!(verdict_with(&[call]).await, "incomplete denied_by_key_policy");
}
