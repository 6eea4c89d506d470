//! Verdicts that were wrong once: each on a few records that an independent reader of the facts made up, over a day or some days of
//! ordinary traffic.

use chrono::TimeDelta;
use keytrail_convert::lake_spec;
use keytrail_lake::{Lake, Storage};
use keytrail_query::{
    Caveat, KeyAnswer, KeyQuestion, QueryError, Reason, Session, SessionOptions, Verdict, key_answer,
};

use crate::cells::rows;
use crate::fixture::{import_outputs, raw_session, raw_session_over, session_with_outputs};

pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa";
pub(crate) const OTHER_KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/bbbbbbbb-1111-4111-8111-bbbbbbbbbbbb";
/// Used all the time, so that the logs have KMS reads.
const BUSY_KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/ffffffff-1111-4111-8111-ffffffffffff";
const MEMBER: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-11111111111111111111111111111111";
const REPLICA: &str = "arn:aws:kms:eu-west-1:111122223333:key/mrk-11111111111111111111111111111111";
pub(crate) const ACCOUNT: &str = "111122223333";
const DISABLED: &str = r#""errorCode":"DisabledException","errorMessage":"KEY is disabled.""#;

/// A record of a call to a service; `rest` are the members that the case is about, `KEY` in them its key.
pub(crate) fn record(service: &str, name: &str, time: &str, rest: &str) -> String {
    placed(service, name, time, ACCOUNT, "us-east-1", rest)
}

pub(crate) fn placed(service: &str, name: &str, time: &str, account: &str, region: &str, rest: &str) -> String {
    let rest = rest.replace("KEY", KEY);
    let id = format!("{service}-{name}-{time}-{account}-{region}");
    let rest = if rest.is_empty() { rest } else { format!(",{rest}") };
    let read_only = match rest.contains("readOnly") {
        true => String::new(),
        false => format!(
            r#","readOnly":{}"#,
            ["Decrypt", "Encrypt", "Describe", "Get"].iter().any(|verb| name.starts_with(verb))
        ),
    };
    format!(
        r#"{{"eventVersion":"1.08","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::{account}:user/{service}-user","accountId":"{account}"}},"eventTime":"{time}","eventSource":"{service}.amazonaws.com","eventName":"{name}","awsRegion":"{region}","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"{account}"{read_only}{rest}}}"#
    )
}

pub(crate) fn resources(arns: &[&str]) -> String {
    let items: Vec<_> = arns.iter().map(|arn| format!(r#"{{"type":"AWS::KMS::Key","ARN":"{arn}"}}"#)).collect();
    format!(r#""resources":[{}]"#, items.join(","))
}

pub(crate) fn on_key(members: &str) -> String {
    [members, &resources(&[KEY])].join(",")
}

/// The traffic of one day, from nine to noon, in a region.
pub(crate) fn traffic(region: &str) -> Vec<String> {
    let busy = resources(&[&BUSY_KEY.replace("us-east-1", region)]);
    [
        ("kms", "Decrypt", "09:00", busy.as_str()),
        ("ec2", "DescribeInstances", "09:30", ""),
        ("kms", "Decrypt", "12:00", &busy),
    ]
    .map(|(service, name, time, rest)| placed(service, name, &format!("2025-03-15T{time}:00Z"), ACCOUNT, region, rest))
    .to_vec()
}

/// Verdict and reasons of a key over records.
async fn verdict_over(records: &[String], key: &str) -> String {
    let (_folder, session) = raw_session(records).await;
    verdict_of(&session, key).await
}

pub(crate) async fn verdict_of(session: &Session, key: &str) -> String {
    let sql = format!("select concat(verdict, ' ', reasons) from kms_key_verdicts where key_arn = '{key}'");
    let of_view = rows(session, &sql).await.remove(0).remove(0).unwrap();
    let answer = answer(session, key).await;
    let of_answer = format!("{} {}", answer.verdict.verdict.as_str(), answer.verdict.reason_words().join(","));
    assert_eq!(of_view, of_answer, "the fleet's and the key's verdict");
    of_answer
}

async fn answer(session: &Session, key: &str) -> KeyAnswer {
    let question = KeyQuestion { key: key.to_owned(), ..KeyQuestion::default() };
    key_answer(session, &question).await.unwrap()
}

/// The verdict on [`KEY`] with records beside the day's traffic, in which it is described once.
pub(crate) async fn verdict_with(records: &[String]) -> String {
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    verdict_over(&[traffic("us-east-1"), vec![described], records.to_vec()].concat(), KEY).await
}

#[tokio::test]
async fn a_grant_that_a_disabled_key_refused_is_demand() {
    let request = r#""requestParameters":{"keyId":"KEY","granteePrincipal":"p","operations":["Decrypt"]}"#;
    let time = "2025-03-15T10:00:00Z";
    let refused = record("kms", "CreateGrant", time, &on_key(&[request, DISABLED].join(",")));
    assert_eq!(verdict_with(&[refused]).await, "blocked_demand blocked");
    // Other management is no demand.
    let tagged = record("kms", "TagResource", time, &on_key(DISABLED));
    assert_eq!(verdict_with(&[tagged]).await, "no_use_found ");
}

fn alias_event(name: &str, time: &str) -> String {
    let request = r#""requestParameters":{"aliasName":"alias/app","targetKeyId":"KEY"}"#;
    let named = resources(&[KEY, "arn:aws:kms:us-east-1:111122223333:alias/app"]);
    record("kms", name, time, &[request, &named].join(","))
}

#[tokio::test]
async fn a_call_that_names_only_an_alias_is_one_of_its_key() {
    let created = alias_event("CreateAlias", "2025-03-15T08:00:00Z");
    let call = |reference: &str, rest: &str| {
        record(
            "kms",
            "Encrypt",
            "2025-03-15T10:00:00Z",
            &format!(r#""requestParameters":{{"keyId":"{reference}"}}{rest}"#),
        )
    };
    let alias_arn = "arn:aws:kms:us-east-1:111122223333:alias/app";
    let disabled = r#","errorCode":"DisabledException","errorMessage":"disabled""#;
    for (reference, rest, expected) in [
        ("alias/app", "", "in_use use"),
        (alias_arn, "", "in_use use"),
        ("alias/app", disabled, "blocked_demand blocked"),
        ("alias/none", "", "incomplete unattributed_use"),
        ("alias/none", disabled, "incomplete unattributed_demand"),
    ] {
        assert_eq!(verdict_with(&[created.clone(), call(reference, rest)]).await, expected, "{reference} {rest}");
    }
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![created, call("alias/app", "")]].concat()).await;
    let answer = answer(&session, KEY).await;
    assert_eq!(answer.verdict.alias_use_count, 1);
    let [calls] = &answer.alias_calls[..] else { panic!("{:?}", answer.alias_calls) };
    assert_eq!((calls.alias_name.as_str(), calls.operation.as_str(), calls.event_count), ("alias/app", "Encrypt", 1));
    assert_eq!((answer.unattributed_use_count, answer.unattributed_failure_count), (0, 0));
}

#[tokio::test]
async fn an_alias_is_its_key_s_from_its_making_until_a_while_after_its_end() {
    let life = [alias_event("CreateAlias", "2025-03-15T08:00:00Z"), alias_event("DeleteAlias", "2025-03-15T10:00:00Z")];
    for (time, expected) in [
        ("07:59:59", "incomplete unattributed_use"),
        ("08:00:00", "in_use use"),
        ("10:04:59", "in_use use"),
        ("10:05:00", "incomplete unattributed_use"),
    ] {
        let time = format!("2025-03-15T{time}Z");
        let call = record("kms", "Encrypt", &time, r#""requestParameters":{"keyId":"alias/app"}"#);
        assert_eq!(verdict_with(&[&life[..], &[call]].concat()).await, expected, "{time}");
    }
}

#[tokio::test]
async fn a_success_that_names_no_key_may_have_been_any_key_s() {
    let call =
        record("kms", "Decrypt", "2025-03-15T10:00:00Z", r#""requestParameters":{"encryptionContext":{"a":"b"}}"#);
    assert_eq!(verdict_with(std::slice::from_ref(&call)).await, "incomplete unattributed_use");
    let random = record("kms", "GenerateRandom", "2025-03-15T10:00:00Z", "");
    assert_eq!(verdict_with(&[random]).await, "no_use_found ");
    // Of a key that no event names, too.
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![call]].concat()).await;
    let answer = answer(&session, KEY).await;
    assert_eq!(answer.verdict.reasons, [Reason::UnattributedUse]);
    assert_eq!(answer.unattributed_use_count, 1);
    assert!(!answer.is_seen && answer.caveats.contains(&Caveat::UnattributedUses));
}

#[tokio::test]
async fn a_multi_region_key_is_judged_with_its_set() {
    let described = |arn: &str, region: &str| {
        placed("kms", "DescribeKey", "2025-03-15T09:10:00Z", ACCOUNT, region, &resources(&[arn]))
    };
    let both = [traffic("us-east-1"), traffic("eu-west-1"), vec![described(MEMBER, "us-east-1")]].concat();
    let call = |name: &str, time: &str, rest: &str| {
        let rest = format!("{rest}{}", resources(&[REPLICA]));
        placed("kms", name, &format!("2025-03-15T{time}:00Z"), ACCOUNT, "eu-west-1", &rest)
    };
    let disabled = r#""errorCode":"DisabledException","errorMessage":"disabled","#;
    let (used, refused) = (call("Decrypt", "10:00", ""), call("Decrypt", "11:00", disabled));
    let unknown = call("EncryptStream", "10:30", "");
    for (calls, expected) in [
        (vec![call("DescribeKey", "10:00", "")], "no_use_found "),
        (vec![used.clone()], "in_use multi_region_sibling_used"),
        (vec![refused.clone()], "blocked_demand multi_region_sibling_blocked"),
        (vec![used, refused], "blocked_demand multi_region_sibling_blocked"),
        (vec![unknown], "incomplete multi_region_sibling_incomplete"),
    ] {
        assert_eq!(verdict_over(&[both.clone(), calls].concat(), MEMBER).await, expected);
    }
    // A replica where there are no logs.
    let members =
        format!(r#""requestParameters":{{"keyId":"{MEMBER}","replicaRegion":"eu-west-1"}},{}"#, resources(&[MEMBER]));
    let replicated = record("kms", "ReplicateKey", "2025-03-15T10:00:00Z", &members);
    let records = [traffic("us-east-1"), vec![replicated]].concat();
    assert_eq!(verdict_over(&records, MEMBER).await, "incomplete multi_region_sibling_incomplete");
    assert_eq!(verdict_over(&records, REPLICA).await, "incomplete no_logs");
}

pub(crate) fn correction(of: &str, rest: &str) -> String {
    let addendum =
        format!(r#""addendum":{{"reason":"UPDATED_DATA","updatedFields":"errorCode","originalEventID":"{of}"}}"#);
    if rest.is_empty() { addendum } else { [rest, &addendum].join(",") }
}

#[tokio::test]
async fn a_correction_counts_with_and_without_what_it_corrects() {
    let at = "2025-03-15T10:00:00Z";
    let lone = record("kms", "Decrypt", at, &on_key(&correction("elsewhere", DISABLED)));
    assert_eq!(verdict_with(std::slice::from_ref(&lone)).await, "blocked_demand blocked");
    let denied = record("kms", "Decrypt", at, &on_key(r#""errorCode":"AccessDenied","errorMessage":"x""#));
    let corrected = lone
        .replace("elsewhere", &format!("kms-Decrypt-{at}-{ACCOUNT}-us-east-1"))
        .replace(r#""eventID":""#, r#""eventID":"correction-"#);
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![denied, corrected]].concat()).await;
    let answer = answer(&session, KEY).await;
    assert_eq!((answer.verdict.verdict.as_str(), answer.verdict.unmet_count), ("blocked_demand", 1));
    let counts = rows(&session, "select reason, event_count from kms_blocked_attempts").await;
    assert_eq!(counts, [[Some("disabled".to_owned()), Some("1".to_owned())]]);
    let used = record("kms", "Decrypt", at, &on_key(&correction("elsewhere", "")).replace(",,", ","));
    assert_eq!(verdict_with(&[used]).await, "in_use use");
}

#[tokio::test]
async fn a_lone_correction_changes_a_key_s_state_and_makes_its_grant() {
    let at = "2025-03-15T10:00:00Z";
    let granted = r#""requestParameters":{"keyId":"KEY","granteePrincipal":"p","operations":["Decrypt"]},"responseElements":{"grantId":"g","keyId":"KEY"}"#;
    let records = [
        record("kms", "DisableKey", at, &on_key(&correction("elsewhere", r#""requestParameters":{"keyId":"KEY"}"#))),
        record("kms", "CreateGrant", at, &on_key(&correction("elsewhere too", granted))),
    ];
    let (_folder, session) = raw_session(&[traffic("us-east-1"), records.to_vec()].concat()).await;
    let answer = answer(&session, KEY).await;
    assert_eq!(answer.facts.key_state.as_deref(), Some("Disabled"));
    assert_eq!(answer.verdict.live_grant_count, 1);
}

#[tokio::test]
async fn of_a_re_encrypt_the_key_that_stood_in_the_way_is_blocked() {
    let refused = |message: &str| {
        let error = format!(r#""errorCode":"DisabledException","errorMessage":"{message}""#);
        record("kms", "ReEncrypt", "2025-03-15T10:00:00Z", &[&error, resources(&[OTHER_KEY, KEY]).as_str()].join(","))
    };
    let source = refused(&format!("{OTHER_KEY} is disabled."));
    assert_eq!(verdict_with(std::slice::from_ref(&source)).await, "incomplete other_key_blocked");
    let records = [traffic("us-east-1"), vec![source]].concat();
    assert_eq!(verdict_over(&records, OTHER_KEY).await, "blocked_demand blocked");
    let (_folder, session) = raw_session(&records).await;
    let keys = rows(&session, "select key_arn, reason from kms_blocked_attempts").await;
    assert_eq!(keys, [[Some(OTHER_KEY.to_owned()), Some("disabled".to_owned())]]);
    // Where it is not told, it may have been either.
    assert_eq!(verdict_with(&[refused("disabled")]).await, "blocked_demand blocked");
}

#[tokio::test]
async fn what_other_services_say_of_a_key_counts() {
    let at = "2025-03-15T10:00:00Z";
    let object = r#""requestParameters":{"bucketName":"b","key":"o"},"managementEvent":false,"eventCategory":"Data""#;
    let refused = r#""errorCode":"KMS.DisabledException","errorMessage":"KEY is disabled.""#;
    let protected = r#""responseElements":{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"KEY"}"#;
    for (name, members, expected) in [
        ("GetObject", refused, "blocked_demand blocked_in_service"),
        ("GetObject", &refused.replace("Disabled", "NotFound"), "blocked_demand not_found_in_service"),
        ("GetObject", &refused.replace("KMS.Disabled", "AccessDenied"), "no_use_found "),
        ("PutObject", protected, "incomplete protects_objects"),
        ("PutObject", r#""errorCode":"AccessDenied""#, "no_use_found "),
    ] {
        let call = record("s3", name, at, &[object, members].join(","));
        assert_eq!(verdict_with(&[call]).await, expected, "{name} {members}");
    }
}

/// A volume or a secret is not made with a key without a KMS call, and needs the key as long as it is there.
#[tokio::test]
async fn what_other_services_made_with_a_key_is_no_absence_of_use() {
    let named = r#""requestParameters":{"kmsKeyId":"KEY"},"readOnly":false"#;
    let made = r#""responseElements":{"encrypted":true,"kmsKeyId":"KEY"},"readOnly":false"#;
    let failed = [named, r#","errorCode":"Client.Unauthorized""#].concat();
    for (service, name, members, expected) in [
        ("ec2", "CreateVolume", made, "incomplete encrypted_resource"),
        ("ec2", "CreateVolume", &failed, "no_use_found "),
        ("ec2", "DescribeVolumes", made, "no_use_found "),
        ("rds", "RestoreDBInstanceFromDBSnapshot", named, "incomplete encrypted_resource"),
        ("secretsmanager", "CreateSecret", named, "incomplete encrypted_resource"),
        ("ec2", "RunInstances", named, "incomplete encrypted_resource"),
        ("kafka", "CreateClusterV2", named, "incomplete encrypted_resource"),
        ("route53", "CreateKeySigningKey", named, "incomplete encrypted_resource"),
        // Nothing is encrypted yet.
        ("sqs", "SetQueueAttributes", named, "no_use_found "),
    ] {
        let call = record(service, name, "2025-03-15T10:00:00Z", members);
        assert_eq!(verdict_with(std::slice::from_ref(&call)).await, expected, "{name} {members}");
        let used = record("kms", "Decrypt", "2025-03-15T10:00:00Z", &resources(&[KEY]));
        assert_eq!(verdict_with(&[call, used]).await, "in_use use");
    }
}

/// Services look at a key before they use it; what only takes stock does not want it.
#[tokio::test]
async fn a_service_that_finds_a_key_gone_wants_it() {
    let deleted = record("kms", "DeleteKey", "2025-03-15T09:30:00Z", &resources(&[KEY]));
    let looked = |service: &str| {
        let missing = r#""errorCode":"NotFoundException","errorMessage":"Key 'KEY' does not exist","requestParameters":{"keyId":"KEY"}"#;
        record("kms", "DescribeKey", "2025-03-15T10:00:00Z", &on_key(missing))
            .replace(r#""type":"IAMUser","#, &format!(r#""type":"IAMUser",{service}"#))
    };
    for (service, expected) in [
        (r#""invokedBy":"rds.amazonaws.com","#, "blocked_demand not_found"),
        (r#""invokedBy":"config.amazonaws.com","#, "no_use_found "),
        ("", "no_use_found "),
    ] {
        let records = [deleted.clone(), looked(service)];
        assert_eq!(verdict_with(&records).await, expected, "{service}");
        let (_folder, session) = raw_session(&records).await;
        let found = rows(&session, "select reason from kms_blocked_attempts").await;
        assert_eq!(found.len(), usize::from(expected.starts_with("blocked")), "{service}");
    }
}

#[tokio::test]
async fn an_operation_that_nobody_knows_is_no_absence_of_use() {
    let call = |name: &str, rest: &str| {
        record("kms", name, "2025-03-15T10:00:00Z", &on_key(&format!(r#""requestParameters":{{"keyId":"KEY"}}{rest}"#)))
    };
    let disabled = r#","errorCode":"DisabledException","errorMessage":"KEY is disabled.""#;
    assert_eq!(verdict_with(&[call("EncryptStream", "")]).await, "incomplete unknown_operation");
    assert_eq!(verdict_with(&[call("EncryptStream", disabled)]).await, "blocked_demand blocked");
    assert_eq!(verdict_with(&[call("ListSomethingNew", "")]).await, "no_use_found ");
}

#[tokio::test]
async fn a_failure_that_may_be_the_key_s_is_no_absence_of_use() {
    let call = |name: &str, code: &str| {
        let members = format!(r#""requestParameters":{{"keyId":"KEY"}},"errorCode":"{code}","errorMessage":"failed""#);
        record("kms", name, "2025-03-15T10:00:00Z", &on_key(&members))
    };
    for (name, code, expected) in [
        ("Decrypt", "SomethingNewException", "incomplete unknown_failure"),
        ("Sign", "LimitExceededException", "incomplete unknown_failure"),
        ("Decrypt", "InvalidCiphertextException", "incomplete unopened_ciphertext"),
        ("Decrypt", "CustomKeyStoreInvalidStateException", "blocked_demand blocked"),
        ("Decrypt", "IncorrectKeyException", "no_use_found "),
        ("Encrypt", "ValidationException", "no_use_found "),
        ("Encrypt", "ValidationError", "no_use_found "),
        ("DescribeKey", "SomethingNewException", "no_use_found "),
    ] {
        assert_eq!(verdict_with(&[call(name, code)]).await, expected, "{name} {code}");
    }
}

/// Days of March 2025 with a KMS read and another at 00:00, 06:00, …; none of KMS while `is_excluded`, none at all while `is_off`.
fn days(account: &str, is_excluded: impl Fn(&str) -> bool, is_off: impl Fn(&str) -> bool) -> Vec<String> {
    let mut records = Vec::new();
    for day in 1..=20 {
        for hour in ["00", "06", "12", "18"] {
            let time = format!("2025-03-{day:02}T{hour}:00:00Z");
            if is_off(&time) {
                continue;
            }
            records.push(placed("ec2", "DescribeInstances", &time, account, "us-east-1", ""));
            if !is_excluded(&time) {
                let busy = resources(&[&BUSY_KEY.replace(ACCOUNT, account)]);
                records.push(placed("kms", "Decrypt", &time, account, "us-east-1", &busy));
            }
        }
    }
    records.push(placed("kms", "DescribeKey", "2025-03-05T00:00:00Z", account, "us-east-1", &resources(&[KEY])));
    records
}

fn trail_change(name: &str, time: &str, account: &str, request: &str) -> String {
    placed("cloudtrail", name, time, account, "us-east-1", &format!(r#""requestParameters":{{{request}}}"#))
}

/// PutEventSelectors of trail `t` that excludes the sources.
fn excluding(sources: &str, time: &str) -> String {
    let selectors = format!(
        r#""trailName":"t","eventSelectors":[{{"readWriteType":"All","includeManagementEvents":true,"excludeManagementEventSources":[{sources}]}}]"#
    );
    trail_change("PutEventSelectors", time, ACCOUNT, &selectors)
}

const KMS: &str = r#""kms.amazonaws.com""#;

fn never(_: &str) -> bool {
    false
}

/// Later than the moment of one day and earlier than that of another.
fn between(from: &'static str, to: &'static str) -> impl Fn(&str) -> bool {
    move |time| time > from && time < to
}

#[tokio::test]
async fn reads_that_stop_with_an_exclusion_are_missed_whatever_ends_it() {
    let away = between("2025-03-08T00:30", "2025-03-12T23:30");
    let begun = excluding(KMS, "2025-03-08T00:58:00Z");
    let straggler = record("kms", "Decrypt", "2025-03-08T01:02:00Z", &resources(&[BUSY_KEY]));
    let taken_back = vec![excluding("", "2025-03-12T23:59:00Z")];
    let replaced = vec![
        trail_change("DeleteTrail", "2025-03-12T23:50:00Z", ACCOUNT, r#""name":"t""#),
        trail_change("CreateTrail", "2025-03-12T23:51:00Z", ACCOUNT, r#""name":"t2""#),
        trail_change("StartLogging", "2025-03-12T23:51:01Z", ACCOUNT, r#""name":"t2""#),
    ];
    for (end, expected) in [
        (taken_back, "incomplete kms_calls_stopped,kms_excluded"),
        (replaced, "incomplete kms_calls_stopped,kms_excluded,logging_stopped"),
        (Vec::new(), "incomplete kms_calls_stopped,kms_excluded"),
    ] {
        let records = [days(ACCOUNT, &away, never), vec![begun.clone(), straggler.clone()], end].concat();
        assert_eq!(verdict_over(&records, KEY).await, expected);
    }
    // Another trail goes on with it.
    let records = [days(ACCOUNT, never, never), vec![begun]].concat();
    assert_eq!(verdict_over(&records, KEY).await, "no_use_found ");
}

#[tokio::test]
async fn a_stop_is_missed_until_any_trail_logs_again() {
    let off = between("2025-03-08T00:30", "2025-03-08T19:00");
    let straggler = record("kms", "Decrypt", "2025-03-08T01:02:00Z", &resources(&[BUSY_KEY]));
    let restarted = [("StopLogging", "00:58", "t"), ("StartLogging", "20:00", "t")];
    let replaced = [("DeleteTrail", "00:58", "t"), ("StartLogging", "20:00", "t2")];
    for changes in [restarted, replaced] {
        let changes = changes.map(|(name, time, trail)| {
            trail_change(name, &format!("2025-03-08T{time}:00Z"), ACCOUNT, &format!(r#""name":"{trail}""#))
        });
        let records = [days(ACCOUNT, never, &off), vec![straggler.clone()], changes.to_vec()].concat();
        assert_eq!(verdict_over(&records, KEY).await, "incomplete logging_stopped");
    }
}

#[tokio::test]
async fn an_event_data_store_takes_reads_away_as_a_trail_does() {
    let away = between("2025-03-08T00:30", "2025-03-12T23:30");
    let update = |more: &str, time: &str| {
        let selectors = format!(
            r#""eventDataStore":"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/1a2b3c4d","advancedEventSelectors":[{{"fieldSelectors":[{{"field":"eventCategory","equals":["Management"]}}{more}]}}]"#
        );
        trail_change("UpdateEventDataStore", time, ACCOUNT, &selectors)
    };
    let without_kms = r#",{"field":"eventSource","notEquals":["kms.amazonaws.com"]}"#;
    let some_names = r#",{"field":"eventName","equals":["Decrypt"]}"#;
    for (change, expected) in [
        (without_kms, "incomplete kms_calls_stopped,kms_excluded"),
        (some_names, "incomplete kms_calls_stopped,kms_excluded"),
    ] {
        let changes = vec![update(change, "2025-03-08T00:00:30Z"), update("", "2025-03-12T23:59:00Z")];
        let records = [days(ACCOUNT, &away, never), changes.clone()].concat();
        assert_eq!(verdict_over(&records, KEY).await, expected);
        // A trail beside it goes on.
        let records = [days(ACCOUNT, never, never), changes].concat();
        assert_eq!(verdict_over(&records, KEY).await, "no_use_found ");
    }
}

#[tokio::test]
async fn a_region_where_nobody_calls_kms_is_covered_by_a_trail_that_logs_it_elsewhere() {
    let quiet = days(ACCOUNT, |time| time > "2025-03-02", never);
    assert_eq!(verdict_over(&quiet, KEY).await, "incomplete kms_calls_stopped,no_kms_calls");
    let elsewhere = |account: &str| -> Vec<String> {
        days(account, never, never).iter().map(|record| record.replace("us-east-1", "eu-west-1")).collect()
    };
    assert_eq!(verdict_over(&[quiet.clone(), elsewhere(ACCOUNT)].concat(), KEY).await, "no_use_found ");
    assert_eq!(
        verdict_over(&[quiet, elsewhere("999900001111")].concat(), KEY).await,
        "incomplete kms_calls_stopped,no_kms_calls"
    );
    // A trail of writes holds no reads of other services, wherever it logs.
    let writes: Vec<_> = days(ACCOUNT, |_| true, never)
        .into_iter()
        .filter(|record| !record.contains("kms.amazonaws.com"))
        .map(|record| {
            record.replace("DescribeInstances", "RunInstances").replace(r#""readOnly":true"#, r#""readOnly":false"#)
        })
        .chain([record("kms", "EnableKey", "2025-03-05T00:00:00Z", &resources(&[KEY]))])
        .collect();
    let verdict = verdict_over(&[writes, elsewhere(ACCOUNT)].concat(), KEY).await;
    assert!(verdict.starts_with("incomplete") && verdict.contains("write_only"), "{verdict}");
}

/// Who manages keys reads them: where nobody ever does, no reads are logged, whatever other regions have.
#[tokio::test]
async fn keys_that_are_managed_and_never_read_are_a_hole_whatever_other_regions_have() {
    let elsewhere = days(ACCOUNT, never, never).into_iter().map(|record| record.replace("us-east-1", "eu-west-1"));
    let elsewhere: Vec<_> = elsewhere.collect();
    let quiet = days(ACCOUNT, |_| true, never).into_iter().filter(|record| !record.contains("DescribeKey"));
    let quiet: Vec<_> = quiet.collect();
    let tagged = |day: usize| record("kms", "TagResource", &format!("2025-03-{day:02}T00:10:00Z"), &resources(&[KEY]));
    let rotated = |day: usize| record("kms", "RotateKey", &format!("2025-03-{day:02}T00:10:00Z"), &resources(&[KEY]));
    for (managed, expected) in [
        ((2..4).map(tagged).collect::<Vec<_>>(), "no_use_found "),
        ((2..5).map(tagged).collect(), "incomplete kms_writes_only"),
        ((2..12).map(rotated).collect(), "no_use_found "),
    ] {
        let records = [quiet.clone(), elsewhere.clone(), managed].concat();
        assert_eq!(verdict_over(&records, KEY).await, expected);
    }
}

/// A trail of data events holds no KMS call, and says nothing of one that does.
#[tokio::test]
async fn data_events_do_not_hide_that_management_events_are_missing() {
    let is_off = between("2025-03-08T02", "2025-03-12T02");
    let data = |day: u32| {
        let rest = r#""readOnly":true,"managementEvent":false,"eventCategory":"Data""#;
        record("s3", "GetObject", &format!("2025-03-{day:02}T10:00:00Z"), rest)
    };
    let records = [days(ACCOUNT, never, is_off), (1..=20).map(data).collect()].concat();
    assert_eq!(verdict_over(&records, KEY).await, "incomplete gap");
    let (_folder, session) = raw_session(&records).await;
    let days_of = "select covered_day_count from kms_key_verdicts where key_arn = '".to_owned() + KEY + "'";
    assert_eq!(rows(&session, &days_of).await, [[Some("17".to_owned())]]);
}

/// Records of an hour of March, the first being 0, at some minutes of it.
fn in_hour(hour: u32, minutes: std::ops::Range<u32>, record_at: impl Fn(&str) -> String) -> Vec<String> {
    let time = |minute: u32| format!("2025-03-{:02}T{:02}:{minute:02}:00Z", hour / 24 + 1, hour % 24);
    minutes.map(|minute| record_at(&time(minute))).collect()
}

/// With KMS reads in every hour, none for eight hours is no chance, though other calls go on.
#[tokio::test]
async fn kms_reads_that_stop_against_their_rhythm_are_a_hole() {
    let decrypt = |time: &str| record("kms", "Decrypt", time, &resources(&[BUSY_KEY]));
    let silent_in = |silent: std::ops::Range<u32>| {
        let mut records = vec![record("kms", "DescribeKey", "2025-03-18T00:10:00Z", &resources(&[KEY]))];
        for hour in 0..480_u32 {
            records.extend(in_hour(hour, 40..41, |time| record("ec2", "DescribeInstances", time, "")));
            if !silent.contains(&hour) {
                records.extend(in_hour(hour, 5..6, decrypt));
            }
        }
        records
    };
    for (silent, expected) in [
        (240..243, "no_use_found "),
        (240..248, "incomplete kms_calls_stopped"),
        (240..270, "incomplete kms_calls_stopped"),
        // An account may come to use KMS in its first day, and not for days after that.
        (0..20, "no_use_found "),
        (0..60, "incomplete kms_calls_stopped"),
    ] {
        let records = silent_in(silent.clone());
        assert_eq!(verdict_over(&records, KEY).await, expected, "{silent:?}");
        // Reads of another region of the account show that the trail logs them.
        let elsewhere = silent.clone().step_by(3).flat_map(|hour| {
            let busy = resources(&[&BUSY_KEY.replace("us-east-1", "eu-west-1")]);
            in_hour(hour, 5..6, |time| placed("kms", "Decrypt", time, ACCOUNT, "eu-west-1", &busy))
        });
        let verdict = verdict_over(&records.into_iter().chain(elsewhere).collect::<Vec<_>>(), KEY).await;
        assert!(!verdict.contains("kms_calls_stopped"), "{silent:?} {verdict}");
    }
    // One read in the middle is a stray.
    let stray = in_hour(255, 5..6, decrypt);
    let verdict = verdict_over(&[silent_in(240..270), stray].concat(), KEY).await;
    assert_eq!(verdict, "incomplete kms_calls_stopped");
}

/// One job of a region may end. Where all of several callers end in one hour their calls are no longer logged, whatever other regions have.
#[tokio::test]
async fn kms_reads_of_several_callers_that_end_in_one_hour_are_a_hole() {
    let called_by = |caller: u32, hour: u32| {
        let name = format!(r#""type":"IAMUser","principalId":"AIDA{caller}","#);
        in_hour(hour, caller..caller + 1, |time| {
            record("kms", "Decrypt", time, &resources(&[BUSY_KEY])).replace(r#""type":"IAMUser","#, &name)
        })
    };
    let elsewhere = resources(&[&BUSY_KEY.replace("us-east-1", "eu-west-1")]);
    let with = |callers: u32, is_silent: &dyn Fn(u32) -> bool| {
        let mut records = vec![record("kms", "DescribeKey", "2025-03-04T00:10:00Z", &resources(&[KEY]))];
        for hour in 0..480_u32 {
            records.extend(in_hour(hour, 40..41, |time| record("ec2", "DescribeInstances", time, "")));
            records
                .extend(in_hour(hour, 5..6, |time| placed("kms", "Decrypt", time, ACCOUNT, "eu-west-1", &elsewhere)));
            if !is_silent(hour) {
                records.extend((0..callers).flat_map(|caller| called_by(caller, hour)));
            }
        }
        records
    };
    for (callers, silent, expected) in [
        (2, 240..480, "no_use_found "),
        (3, 240..480, "incomplete kms_calls_stopped"),
        (3, 240..264, "incomplete kms_calls_stopped"),
        (3, 240..263, "no_use_found "),
        // They had only begun.
        (3, 16..480, "no_use_found "),
    ] {
        let records = with(callers, &|hour| silent.contains(&hour));
        assert_eq!(verdict_over(&records, KEY).await, expected, "{callers} callers, {silent:?}");
    }
    // Who works for three days and rests for one does so by rhythm.
    assert_eq!(verdict_over(&with(3, &|hour| hour / 24 % 4 == 3), KEY).await, "no_use_found ");
}

/// A place that works from Monday to Friday and sleeps at night has weekends; what else is missing of a week is a gap.
#[tokio::test]
async fn weekends_of_a_place_that_sleeps_at_night_are_no_gaps() {
    // Every hour of the day, or every other one: then most of its silences last an hour.
    for step in [1, 2] {
        let office = |missing: std::ops::Range<u32>| {
            // 2025-03-01 is a Saturday.
            let is_worked =
                |hour: &u32| (hour / 24 + 5) % 7 < 5 && (8..18).contains(&(hour % 24)) && hour.is_multiple_of(step);
            let worked = (0..31 * 24_u32).filter(is_worked).filter(|hour| !missing.contains(hour));
            let called = |time: &str| match time.contains(":09:") {
                true => record("kms", "Decrypt", time, &resources(&[BUSY_KEY])),
                false => record("ec2", "DescribeInstances", time, ""),
            };
            let mut records: Vec<_> = worked.flat_map(|hour| in_hour(hour, 9..11, called)).collect();
            records.push(record("kms", "DescribeKey", "2025-03-31T10:10:00Z", &resources(&[KEY])));
            records
        };
        assert_eq!(verdict_over(&office(0..0), KEY).await, "no_use_found ", "{step}");
        // From Tuesday to Wednesday, and a weekend with the Monday behind it.
        for missing in [10 * 24..12 * 24, 16 * 24..17 * 24] {
            let verdict = verdict_over(&office(missing.clone()), KEY).await;
            assert!(verdict.starts_with("incomplete gap"), "{step} {missing:?} {verdict}");
        }
    }
}

/// An event that came late, or whose clock was wrong, covers no time; what is covered is where log files were delivered.
#[tokio::test]
async fn what_was_delivered_late_stretches_no_window() {
    let folder = tempfile::tempdir().unwrap();
    let at = |time: &str| record("ec2", "DescribeInstances", time, "");
    let mut records = days(ACCOUNT, never, never);
    records.extend([at("2025-02-10T10:00:00Z"), at("2025-05-01T10:00:00Z")]);
    for (number, record) in records.iter().enumerate() {
        let (_, time) = record.split_once(r#""eventTime":""#).unwrap();
        let time = match &time[..10] {
            "2025-02-10" | "2025-05-01" => "2025-03-04T09",
            _ => &time[..13],
        };
        let day =
            folder.path().join(format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{}", time[..10].replace('-', "/")));
        fs_err::create_dir_all(&day).unwrap();
        let name = format!("{ACCOUNT}_CloudTrail_us-east-1_{}05Z_{number:016}.json", time.replace('-', ""));
        fs_err::write(day.join(name), record).unwrap();
    }
    let session = raw_session_over(&[folder.path()]).await;
    assert_eq!(verdict_of(&session, KEY).await, "no_use_found ");
    let window =
        "select covered_from_time, covered_to_time from kms_key_verdicts where key_arn = '".to_owned() + KEY + "'";
    let window = rows(&session, &window).await;
    assert_eq!(window, [["2025-03-01T00:00:00Z", "2025-03-20T18:00:00Z"].map(|time| Some(time.to_owned()))]);
    // Where any log file does not tell its delivery, nothing is known to be late.
    fs_err::write(folder.path().join("more.json"), at("2025-03-05T01:00:00Z")).unwrap();
    let session = raw_session_over(&[folder.path()]).await;
    assert_eq!(verdict_of(&session, KEY).await, "incomplete gap,kms_calls_stopped");
}

/// With events every six hours half of the silences last five hours, and a silence of 53 hours is not to be expected.
#[tokio::test]
async fn a_silence_by_the_place_s_own_rhythm_is_no_gap() {
    for (until, expected) in [
        ("2025-03-09T14", "no_use_found "),
        ("2025-03-09T20", "no_use_found "),
        ("2025-03-10T14", "incomplete gap"),
        ("2025-03-12T02", "incomplete gap"),
    ] {
        let records = days(ACCOUNT, never, between("2025-03-08T02", until));
        assert_eq!(verdict_over(&records, KEY).await, expected, "{until}");
    }
}

/// Over logs that are not converted, too, what could not be read may have been a use.
#[tokio::test]
async fn what_cannot_be_read_of_unconverted_logs_is_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("records.ndjson"), days(ACCOUNT, never, never).join("\n")).unwrap();
    assert_eq!(verdict_of(&raw_session_over(&[folder.path()]).await, KEY).await, "no_use_found ");
    let place = folder.path().join(format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2025/03/10"));
    fs_err::create_dir_all(&place).unwrap();
    let name = format!("{ACCOUNT}_CloudTrail_us-east-1_20250310T1000Z_aaaaaaaaaaaaaaaa.json.gz");
    fs_err::write(place.join(name), b"\x1f\x8b\x08broken").unwrap();
    assert_eq!(verdict_of(&raw_session_over(&[folder.path()]).await, KEY).await, "incomplete rejected");
}

/// An ARN that no event names belongs to the set of its id all the same.
#[tokio::test]
async fn a_member_that_no_event_names_is_judged_with_its_set() {
    let elsewhere: Vec<_> =
        days(ACCOUNT, never, never).iter().map(|record| record.replace("us-east-1", "eu-west-1")).collect();
    for (error, expected) in [
        ("", "in_use multi_region_sibling_used"),
        (r#""errorCode":"DisabledException","#, "blocked_demand multi_region_sibling_blocked"),
    ] {
        let call = record("kms", "Decrypt", "2025-03-15T10:00:00Z", &format!("{error}{}", resources(&[MEMBER])));
        let records = [days(ACCOUNT, never, never), elsewhere.clone(), vec![call]].concat();
        let (_folder, session) = raw_session(&records).await;
        let verdict = answer(&session, REPLICA).await.verdict;
        assert_eq!(format!("{} {}", verdict.verdict.as_str(), verdict.reason_words().join(",")), expected);
        // Another account's key of that id is another key.
        let other = answer(&session, &REPLICA.replace(ACCOUNT, "999900001111")).await.verdict;
        assert_eq!(other.verdict.as_str(), "incomplete");
    }
}

#[tokio::test]
async fn members_of_a_set_that_nothing_names_are_missed() {
    let (place, _) = KEY.split_once(":key/").unwrap();
    let member = format!("{place}:key/mrk-0123456789abcdef0123456789abcdef");
    let call = |name: &str, rest: &str| {
        let rest = format!("{}{rest}", resources(&[&member]));
        record("kms", name, "2025-03-15T10:00:00Z", &rest)
    };
    let replica = member.replace("us-east-1", "eu-west-1");
    for (event, expected) in [
        (call("DescribeKey", ""), "no_use_found "),
        (call("SynchronizeMultiRegionKey", ""), "incomplete multi_region_sibling_incomplete"),
        (
            call("ScheduleKeyDeletion", r#","responseElements":{"keyState":"PendingReplicaDeletion"}"#),
            "incomplete multi_region_sibling_incomplete",
        ),
        (
            call(
                "UpdatePrimaryRegion",
                &format!(r#","requestParameters":{{"keyId":"{replica}","primaryRegion":"us-east-1"}}"#),
            ),
            "incomplete multi_region_sibling_incomplete",
        ),
    ] {
        let records = [days(ACCOUNT, never, never), vec![event.clone()]].concat();
        assert_eq!(verdict_over(&records, &member).await, expected, "{event}");
    }
}

#[tokio::test]
async fn an_organization_s_trail_takes_its_members_reads_away() {
    let home = "999900001111";
    let away = between("2025-03-08T00:30", "2025-03-12T23:30");
    let change = |sources: &str, time: &str| {
        excluding(sources, time)
            .replace(ACCOUNT, home)
            .replace(r#""trailName":"t""#, r#""trailName":"arn:aws:cloudtrail:us-east-1:999900001111:trail/org""#)
    };
    let changes = vec![change(KMS, "2025-03-08T00:00:30Z"), change("", "2025-03-12T23:59:00Z")];
    let records = [days(ACCOUNT, &away, never), days(home, &away, never), changes.clone()].concat();
    assert_eq!(verdict_over(&records, KEY).await, "incomplete kms_calls_stopped,kms_excluded");
    // The logs need not hold that it was taken back.
    let records = [days(ACCOUNT, &away, never), days(home, &away, never), changes[..1].to_vec()].concat();
    assert_eq!(verdict_over(&records, KEY).await, "incomplete kms_calls_stopped,kms_excluded");
    // An account whose reads go on is no member, nor one whose reads come back before.
    let records = [days(ACCOUNT, never, never), days(home, &away, never), changes[..1].to_vec()].concat();
    assert_eq!(verdict_over(&records, KEY).await, "no_use_found ");
    let records = [days(ACCOUNT, never, never), days(home, &away, never), changes].concat();
    assert_eq!(verdict_over(&records, KEY).await, "no_use_found ");
}

/// A member whose KMS is rarely called had no read in the day before; its log files' paths tell that it is one.
#[tokio::test]
async fn an_organization_s_trail_takes_the_reads_of_members_that_have_few() {
    let home = "999900001111";
    let away = between("2025-03-08T00:30", "2025-03-12T23:30");
    let is_quiet =
        |time: &str| !["2025-03-01", "2025-03-06", "2025-03-13", "2025-03-19"].iter().any(|day| time.starts_with(day));
    let selectors = |sources: &str, time: &str| excluding(sources, time).replace(ACCOUNT, home);
    let changes = [selectors(KMS, "2025-03-08T00:00:30Z"), selectors("", "2025-03-12T23:59:00Z")];
    let of_home = [days(home, away, never), changes.to_vec()].concat();
    for (organization, expected) in [("o-abc1234567/", "incomplete kms_excluded"), ("", "no_use_found ")] {
        let folder = tempfile::tempdir().unwrap();
        for (account, records) in [(ACCOUNT, days(ACCOUNT, is_quiet, never)), (home, of_home.clone())] {
            let place = folder.path().join(format!("AWSLogs/{organization}{account}/CloudTrail/us-east-1/2025/03/20"));
            fs_err::create_dir_all(&place).unwrap();
            fs_err::write(place.join("all.ndjson"), records.join("\n")).unwrap();
        }
        assert_eq!(verdict_of(&raw_session_over(&[folder.path()]).await, KEY).await, expected, "{organization}");
    }
}

/// An organization's trail that is stopped is silent in all its accounts, for hours or days.
#[tokio::test]
async fn an_organization_s_trail_that_stops_is_missed_in_its_members() {
    let home = "999900001111";
    let off = between("2025-03-08T01", "2025-03-08T04");
    let switch = |name: &str, time: &str| trail_change(name, time, home, r#""name":"org""#);
    let changes = [switch("StopLogging", "2025-03-08T00:30:00Z"), switch("StartLogging", "2025-03-08T04:30:00Z")];
    let hourly = |account: &str| -> Vec<String> {
        (0..480)
            .flat_map(|hour| {
                in_hour(hour, 5..6, |time| {
                    placed("kms", "Decrypt", time, account, "us-east-1", &resources(&[BUSY_KEY]))
                })
            })
            .filter(|record| !off(&record[record.find("2025-03").unwrap()..][..13]))
            .collect()
    };
    let described = record("kms", "DescribeKey", "2025-03-18T00:10:00Z", &resources(&[KEY]));
    for (organization, expected) in [("o-abc1234567/", "incomplete logging_stopped"), ("", "no_use_found ")] {
        let folder = tempfile::tempdir().unwrap();
        let of_member = [hourly(ACCOUNT), vec![described.clone()]].concat();
        for (account, records) in [(ACCOUNT, of_member), (home, [hourly(home), changes.to_vec()].concat())] {
            let place = folder.path().join(format!("AWSLogs/{organization}{account}/CloudTrail/us-east-1/2025/03/20"));
            fs_err::create_dir_all(&place).unwrap();
            fs_err::write(place.join("all.ndjson"), records.join("\n")).unwrap();
        }
        assert_eq!(verdict_of(&raw_session_over(&[folder.path()]).await, KEY).await, expected, "{organization}");
    }
}

/// Who excludes KMS and then starts a new trail has no reads in between.
#[tokio::test]
async fn an_exclusion_ends_with_another_trail_s_start_too() {
    let away = between("2025-03-08T00:30", "2025-03-08T23:30");
    let excluded = excluding(KMS, "2025-03-08T00:00:30Z");
    let started = trail_change("StartLogging", "2025-03-08T23:35:00Z", ACCOUNT, r#""name":"new""#);
    let records = [days(ACCOUNT, &away, never), vec![excluded.clone()]].concat();
    assert_eq!(verdict_over(&records, KEY).await, "no_use_found ");
    let verdict = verdict_over(&[records, vec![started]].concat(), KEY).await;
    assert_eq!(verdict, "incomplete kms_excluded");
}

#[tokio::test]
async fn selectors_that_choose_among_kms_calls_are_a_blind_spot() {
    let selectors = r#""trailName":"t","advancedEventSelectors":[{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"eventName","notEquals":["Decrypt","Encrypt"]}]}]"#;
    let change = trail_change("PutEventSelectors", "2025-03-15T08:00:00Z", ACCOUNT, selectors);
    assert_eq!(verdict_with(&[change]).await, "incomplete kms_partial");
}

/// What they leave out is left out of all accounts of an organization whose trail it is.
#[tokio::test]
async fn selectors_that_choose_among_kms_calls_are_one_of_their_organization() {
    let selectors = r#""trailName":"t","advancedEventSelectors":[{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]},{"field":"eventName","notEquals":["Decrypt"]}]}]"#;
    let home = "999900001111";
    let change = trail_change("PutEventSelectors", "2025-03-08T08:00:00Z", home, selectors);
    for (organization, expected) in [("o-abc1234567/", "incomplete kms_partial"), ("", "no_use_found ")] {
        let folder = tempfile::tempdir().unwrap();
        let of_home = [days(home, never, never), vec![change.clone()]].concat();
        for (account, records) in [(ACCOUNT, days(ACCOUNT, never, never)), (home, of_home)] {
            let place = folder.path().join(format!("AWSLogs/{organization}{account}/CloudTrail/us-east-1/2025/03/20"));
            fs_err::create_dir_all(&place).unwrap();
            fs_err::write(place.join("all.ndjson"), records.join("\n")).unwrap();
        }
        assert_eq!(verdict_of(&raw_session_over(&[folder.path()]).await, KEY).await, expected, "{organization}");
    }
}

#[tokio::test]
async fn a_trail_of_writes_with_reads_marked_as_writes_is_one() {
    let mut records = Vec::new();
    for day in 1..=20 {
        for hour in ["00", "12"] {
            let time = format!("2025-03-{day:02}T{hour}:00:00Z");
            records.push(record("ec2", "RunInstances", &time, r#""readOnly":false"#));
        }
        if day % 6 == 2 {
            let marked = [r#""readOnly":false"#, &resources(&[BUSY_KEY])].join(",");
            records.push(record("kms", "GenerateDataKey", &format!("2025-03-{day:02}T01:00:00Z"), &marked));
        }
    }
    records.push(record("kms", "DisableKey", "2025-03-05T00:00:00Z", &on_key(r#""readOnly":false"#)));
    assert_eq!(verdict_over(&records, KEY).await, "incomplete write_only");
}

/// A call that names no key may have meant those that there were.
#[tokio::test]
async fn a_call_without_a_key_meant_none_that_was_not_there() {
    let nameless = record("kms", "Decrypt", "2025-03-10T10:00:00Z", "");
    let created = |day: &str| {
        let made = r#""requestParameters":{},"responseElements":{"keyMetadata":{"arn":"KEY","keyState":"Enabled"}}"#;
        record("kms", "CreateKey", &format!("2025-03-{day}T00:10:00Z"), &on_key(made))
    };
    let deleted = |day: &str| record("kms", "DeleteKey", &format!("2025-03-{day}T00:20:00Z"), &resources(&[KEY]));
    for (life, expected) in [
        (vec![created("09")], "incomplete unattributed_use"),
        (vec![created("11")], "no_use_found "),
        (vec![created("02"), deleted("11")], "incomplete unattributed_use"),
        (vec![created("02"), deleted("09")], "no_use_found "),
    ] {
        let records = [days(ACCOUNT, never, never), life, vec![nameless.clone()]].concat();
        let records: Vec<String> = records.into_iter().filter(|record| !record.contains("DescribeKey")).collect();
        assert_eq!(verdict_over(&records, KEY).await, expected);
    }
}

#[tokio::test]
async fn what_began_after_a_key_was_deleted_hides_no_use_of_it() {
    let off = between("2025-03-10T00:30", "2025-03-13T23:00");
    for (day, expected) in [("15", "incomplete gap"), ("09", "no_use_found ")] {
        let deleted = record("kms", "DeleteKey", &format!("2025-03-{day}T00:20:00Z"), &resources(&[KEY]));
        let records = [days(ACCOUNT, never, &off), vec![deleted]].concat();
        assert_eq!(verdict_over(&records, KEY).await, expected, "{day}");
    }
}

#[tokio::test]
async fn what_ended_before_a_key_was_made_hides_no_use_of_it() {
    let off = between("2025-03-02T00:30", "2025-03-04T23:00");
    let created = |day: &str| {
        let made = r#""requestParameters":{},"responseElements":{"keyMetadata":{"arn":"KEY","keyState":"Enabled"}}"#;
        record("kms", "CreateKey", &format!("2025-03-{day}T00:10:00Z"), &on_key(made))
    };
    for (day, expected, spot_count) in [("07", "no_use_found ", 0), ("01", "incomplete gap", 1)] {
        let records = [days(ACCOUNT, never, &off), vec![created(day)]].concat();
        let records: Vec<String> = records.into_iter().filter(|record| !record.contains("DescribeKey")).collect();
        assert_eq!(verdict_over(&records, KEY).await, expected, "{day}");
        let (_folder, session) = raw_session(&records).await;
        assert_eq!(answer(&session, KEY).await.blind_spot_total, spot_count, "{day}");
    }
}

#[tokio::test]
async fn a_mistyped_id_is_no_key_without_a_use() {
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![described]].concat()).await;
    for (wrong, similar) in
        [(KEY.replace("aaaa-1111", "aaab-1111"), vec![KEY]), (KEY.replace("aaaaa", "aabbb"), vec![])]
    {
        let answer = answer(&session, &wrong).await;
        assert_eq!(answer.similar_keys, similar, "{wrong}");
        let expected = if similar.is_empty() { Verdict::NoUseFound } else { Verdict::Incomplete };
        assert_eq!(answer.verdict.verdict, expected, "{wrong}");
    }
    let upper = KEY.replace("aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa", "AAAAAAAA-1111-4111-8111-AAAAAAAAAAAA");
    assert_eq!(answer(&session, &upper).await.key_arn, KEY);
}

#[tokio::test]
async fn the_id_of_another_place_s_key_is_told() {
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let (_folder, session) = raw_session(&[traffic("us-east-1"), vec![described]].concat()).await;
    for wrong in [KEY.replace("us-east-1", "us-west-2"), KEY.replace(ACCOUNT, "444455556666")] {
        let answer = answer(&session, &wrong).await;
        assert_eq!(answer.same_id_keys, [KEY], "{wrong}");
        assert!(answer.verdict.reasons.contains(&Reason::KnownElsewhere), "{:?}", answer.verdict.reasons);
    }
    assert!(answer(&session, KEY).await.same_id_keys.is_empty());
}

#[tokio::test]
async fn a_deleted_alias_stands_for_no_key_at_a_later_moment() {
    let life = [alias_event("CreateAlias", "2025-03-15T08:00:00Z"), alias_event("DeleteAlias", "2025-03-15T10:00:00Z")];
    let (_folder, session) = raw_session(&[traffic("us-east-1"), life.to_vec()].concat()).await;
    for (at, is_found) in [(Some("2025-03-15T09:00:00Z"), true), (Some("2025-03-15T11:00:00Z"), false), (None, true)] {
        let at = at.map(|at| at.parse().unwrap());
        let question = KeyQuestion { key: "alias/app".to_owned(), at, ..KeyQuestion::default() };
        match key_answer(&session, &question).await {
            Ok(answer) => assert!(is_found && answer.key_arn == KEY, "{at:?}"),
            Err(QueryError::AliasGone { key_arn, until, .. }) => {
                assert!(!is_found && key_arn == KEY, "{at:?}");
                assert_eq!(until.to_rfc3339(), "2025-03-15T10:00:00+00:00");
            }
            Err(error) => panic!("{at:?} {error}"),
        }
    }
}

/// A call by the alias that failed, and what became of the key's verdict.
async fn verdict_of_failed_call_by_alias(error: &str, alias_events: &[String]) -> String {
    let rest = format!(r#""requestParameters":{{"keyId":"alias/app"}},"errorCode":"{error}","errorMessage":"not now""#);
    let call = record("kms", "Encrypt", "2025-03-15T10:00:00Z", &rest);
    verdict_with(&[vec![call], alias_events.to_vec()].concat()).await
}

#[tokio::test]
async fn a_call_by_an_alias_is_its_key_s_whenever_that_is_told() {
    let alias_event = |name, hour| alias_event(name, &format!("2025-03-15T{hour}:30:00Z"));
    let request = r#""requestParameters":{"keyId":"alias/app"}"#;
    let observed = record("kms", "DescribeKey", "2025-03-15T11:30:00Z", &on_key(request));
    for (error, told, expected) in [
        ("ThrottlingException", vec![alias_event("DeleteAlias", "11")], "blocked_demand transient"),
        ("ThrottlingException", vec![observed], "blocked_demand transient"),
        // The alias was made after the call.
        ("ThrottlingException", vec![alias_event("CreateAlias", "11")], "no_use_found "),
        (
            "NotFoundException",
            vec![alias_event("CreateAlias", "08"), alias_event("DeleteAlias", "09")],
            "blocked_demand not_found",
        ),
        // For another reason the call may have failed had the alias stood for any key.
        (
            "ThrottlingException",
            vec![alias_event("CreateAlias", "08"), alias_event("DeleteAlias", "09")],
            "no_use_found ",
        ),
    ] {
        assert_eq!(verdict_of_failed_call_by_alias(error, &told).await, expected, "{error}: {told:?}");
    }
}

#[tokio::test]
async fn a_use_by_an_alias_that_is_told_later_only_may_have_been_of_any_key() {
    let alias = r#""requestParameters":{"keyId":"alias/app"}"#;
    let of_other = |name: &str, hour: &str, members: &str| {
        let rest = [members, &resources(&[OTHER_KEY])].join(",");
        record("kms", name, &format!("2025-03-15T{hour}:30:00Z"), &rest)
    };
    let used = record("kms", "Encrypt", "2025-03-15T10:00:00Z", alias);
    let observed = |hour| of_other("DescribeKey", hour, alias);
    let made = r#""requestParameters":{"aliasName":"alias/app","targetKeyId":"k"}"#;
    for (told, expected) in [
        (vec![observed("11")], "incomplete unattributed_use"),
        (vec![observed("09"), observed("11")], "no_use_found "),
        (vec![of_other("CreateAlias", "08", made)], "no_use_found "),
    ] {
        assert_eq!(verdict_with(&[vec![used.clone()], told.clone()].concat()).await, expected, "{told:?}");
        let records = [traffic("us-east-1"), vec![used.clone()], told].concat();
        assert_eq!(verdict_over(&records, OTHER_KEY).await, "in_use use");
    }
}

#[tokio::test]
async fn what_names_no_place_or_no_time_may_be_any_key_s() {
    let used = record("kms", "Decrypt", "2025-03-15T10:00:00Z", r#""requestParameters":{}"#);
    for record in [
        used.clone(),
        used.replace(r#""recipientAccountId":"111122223333""#, r#""vpcEndpointId":"v""#),
        used.replace(r#""awsRegion":"us-east-1""#, r#""vpcEndpointId":"v""#),
    ] {
        assert_eq!(verdict_with(std::slice::from_ref(&record)).await, "incomplete unattributed_use", "{record}");
    }
    let life = alias_event("CreateAlias", "2025-03-15T08:00:00Z");
    let failed = r#""requestParameters":{"keyId":"alias/app"},"errorCode":"ThrottlingException","errorMessage":"-""#;
    let failed = record("kms", "Decrypt", "2024-13-45", failed);
    assert_eq!(verdict_with(&[life, failed]).await, "blocked_demand transient");
}

#[tokio::test]
async fn a_re_encrypt_opened_what_its_record_does_not_name() {
    let re_encrypt = |source: &str| {
        let request = format!(r#""requestParameters":{{{source}"destinationKeyId":"{OTHER_KEY}"}}"#);
        let rest = [request.as_str(), &resources(&[OTHER_KEY])].join(",");
        record("kms", "ReEncrypt", "2025-03-15T10:00:00Z", &rest)
    };
    let by_alias = re_encrypt(r#""sourceKeyId":"alias/app","#);
    let refused = by_alias.replacen('{', r#"{"errorCode":"ThrottlingException","errorMessage":"-","#, 1);
    let life = alias_event("CreateAlias", "2025-03-15T08:00:00Z");
    for (records, expected) in [
        (vec![re_encrypt("")], "incomplete unattributed_use"),
        (vec![by_alias.clone()], "incomplete unattributed_use"),
        (vec![by_alias, life.clone()], "in_use use"),
        (vec![refused, life], "blocked_demand transient"),
        (vec![re_encrypt(&format!(r#""sourceKeyId":"{OTHER_KEY}","#))], "no_use_found "),
    ] {
        assert_eq!(verdict_with(&records).await, expected, "{records:?}");
    }
}

#[tokio::test]
async fn a_call_that_a_key_s_state_refused_may_have_needed_this_one() {
    let refused = |error: &str, name: &str, request: &str| {
        let rest = format!(r#""errorCode":"{error}","errorMessage":"-","requestParameters":{request}"#);
        record("kms", name, "2025-03-15T10:00:00Z", &rest)
    };
    for (record, expected) in [
        (refused("DisabledException", "Decrypt", "{}"), "incomplete unattributed_demand"),
        (refused("KMSInvalidStateException", "Decrypt", "null"), "incomplete unattributed_demand"),
        // Whoever is throttled tries again: this one did, in the traffic of the day.
        (refused("ThrottlingException", "Decrypt", "null"), "no_use_found "),
        (
            refused("ThrottlingException", "Decrypt", "null").replace("kms-user", "another-user"),
            "incomplete unattributed_demand",
        ),
        (refused("ThrottlingException", "CreateGrant", r#"{"keyId":"KEY"}"#), "blocked_demand transient"),
    ] {
        assert_eq!(verdict_with(std::slice::from_ref(&record)).await, expected, "{record}");
    }
}

#[tokio::test]
async fn a_call_by_an_alias_of_another_account_may_have_been_any_key_s_there() {
    let caller = "444455556666";
    let request = r#""requestParameters":{"keyId":"arn:aws:kms:us-east-1:111122223333:alias/old"}"#;
    let used = placed("kms", "Encrypt", "2025-03-15T10:00:00Z", caller, "us-east-1", request);
    assert_eq!(verdict_with(std::slice::from_ref(&used)).await, "incomplete unattributed_use");
    let its_own = request.replace(ACCOUNT, caller);
    let used = placed("kms", "Encrypt", "2025-03-15T10:00:00Z", caller, "us-east-1", &its_own);
    assert_eq!(verdict_with(std::slice::from_ref(&used)).await, "no_use_found ");
}

/// The verdict on a key by the day's traffic in both regions, in which it is described, and by outputs.
async fn verdict_with_outputs(records: &[String], outputs: &[(&str, String)], key: &str) -> String {
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let records = [traffic("us-east-1"), traffic("eu-west-1"), vec![described], records.to_vec()].concat();
    verdict_of(&session_with_outputs(&records, outputs).await, key).await
}

#[tokio::test]
async fn an_alias_stood_for_another_key_before_its_last_update() {
    let call = record("kms", "Encrypt", "2025-03-15T10:00:00Z", r#""requestParameters":{"keyId":"alias/app"}"#);
    let described = record("kms", "DescribeKey", "2025-03-15T09:20:00Z", &resources(&[OTHER_KEY]));
    let records = [call, described];
    for (updated, of_other, of_key) in [
        ("2025-03-15T09:30:00Z", "in_use use", "no_use_found "),
        ("2025-03-15T10:30:00Z", "incomplete unattributed_use", "incomplete unattributed_use"),
    ] {
        let aliases = format!(
            r#"{{"Aliases":[{{"AliasName":"alias/app","AliasArn":"arn:aws:kms:us-east-1:111122223333:alias/app","TargetKeyId":"bbbbbbbb-1111-4111-8111-bbbbbbbbbbbb","CreationDate":"2023-01-01T00:00:00Z","LastUpdatedDate":"{updated}"}}]}}"#
        );
        let outputs = [("list-aliases.json", aliases)];
        for (key, expected) in [(OTHER_KEY, of_other), (KEY, of_key)] {
            let verdict = verdict_with_outputs(&records, &outputs, key).await;
            assert_eq!(verdict, expected, "{updated} {key}");
        }
    }
}

#[tokio::test]
async fn a_use_that_kms_tracked_before_the_logs_begin_is_no_hole_in_them() {
    let usage = format!(
        r#"{{"KeyId":"{KEY}","TrackingStartDate":"2024-01-01T00:00:00Z","KeyLastUsage":{{"Operation":"Decrypt","Timestamp":"2024-06-02T10:00:00Z","CloudTrailEventId":"early"}}}}"#
    );
    let outputs = [("get-key-last-usage.json", usage)];
    assert_eq!(verdict_with_outputs(&[], &outputs, KEY).await, "incomplete tracked_use");
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
    let session = session_with_outputs(&[traffic("us-east-1"), vec![described]].concat(), &outputs).await;
    assert_eq!(rows(&session, "select finding from kms_last_usage_check").await, [[Some("before_logs".to_owned())]]);
    let facts = answer(&session, KEY).await.facts;
    assert_eq!(
        (facts.tracked_event_id.as_deref(), facts.tracked_operation.as_deref()),
        (Some("early"), Some("Decrypt"))
    );
}

/// KMS forgets no use: neither a time that cannot be read nor a newer output without a use takes it back.
#[tokio::test]
async fn a_use_that_kms_tracked_is_not_taken_back() {
    let said = |usage: &str| {
        format!(r#"{{"KeyId":"{KEY}","TrackingStartDate":"2024-01-01T00:00:00Z","KeyLastUsage":{usage}}}"#)
    };
    let missing = r#"{"Operation":"Decrypt","Timestamp":"2025-03-15T10:00:00Z","CloudTrailEventId":"missing"}"#;
    for (older, newer, expected) in [
        ("{}", "{}", "no_use_found "),
        ("{}", r#"{"Operation":"Decrypt"}"#, "incomplete tracked_use"),
        ("{}", r#"{"Timestamp":"bad","CloudTrailEventId":"x"}"#, "incomplete tracked_use"),
        (missing, "{}", "incomplete missing_use,missing_event"),
    ] {
        let outputs = [("get-key-last-usage-older.json", said(older)), ("get-key-last-usage.json", said(newer))];
        assert_eq!(verdict_with_outputs(&[], &outputs, KEY).await, expected, "{older} {newer}");
    }
}

/// An event that KMS names and the logs lack is a hole though they know a later use; a key as old as the tracking was never used.
#[tokio::test]
async fn what_kms_names_is_compared_with_the_logs() {
    let said = |created: &str, usage: &str| {
        format!(
            r#"{{"KeyId":"{KEY}","KeyCreationDate":"{created}","TrackingStartDate":"2025-01-01T00:00:00Z","KeyLastUsage":{usage}}}"#
        )
    };
    let used = |event: &str| {
        format!(r#"{{"Operation":"Decrypt","Timestamp":"2025-03-15T10:00:00Z","CloudTrailEventId":"{event}"}}"#)
    };
    let decrypt = |time: &str| record("kms", "Decrypt", time, &resources(&[KEY]));
    let (named, later) = (decrypt("2025-03-15T10:00:00Z"), decrypt("2025-03-15T11:00:00Z"));
    let id = format!("kms-Decrypt-2025-03-15T10:00:00Z-{ACCOUNT}-us-east-1");
    for (output, records, expected) in [
        (said("2024-01-01T00:00:00Z", &used("gone")), vec![later.clone()], "missing"),
        (said("2024-01-01T00:00:00Z", &used(&id)), vec![named.clone(), later], "later_in_logs"),
        (said("2024-01-01T00:00:00Z", &used(&id)), vec![named], "found"),
        (said("2025-01-01T00:00:00Z", "{}"), vec![], "never_used"),
        (said("2024-01-01T00:00:00Z", "{}"), vec![], "no_use_tracked"),
    ] {
        let records = [traffic("us-east-1"), records].concat();
        let session = session_with_outputs(&records, &[("get-key-last-usage.json", output.clone())]).await;
        let finding = rows(&session, "select finding from kms_last_usage_check").await;
        assert_eq!(finding, [[Some(expected.to_owned())]], "{output}");
    }
}

/// What was told last of a key's description counts, be it by its events or by `describe-key` (of 2025-03-16).
#[tokio::test]
async fn the_newer_description_counts() {
    let described = format!(
        r#"{{"KeyMetadata":{{"KeyId":"x","Arn":"{KEY}","AWSAccountId":"{ACCOUNT}","Description":"told","KeyState":"Enabled","KeyManager":"CUSTOMER"}}}}"#
    );
    for (time, expected) in [("2025-03-15T10:00:00Z", "told"), ("2025-03-17T10:00:00Z", "set")] {
        let set = record(
            "kms",
            "UpdateKeyDescription",
            time,
            &on_key(r#""requestParameters":{"keyId":"KEY","description":"set"}"#),
        );
        let session = session_with_outputs(&[set], &[("describe-key.json", described.clone())]).await;
        let sql = format!("select description from kms_keys where key_arn = '{KEY}'");
        assert_eq!(rows(&session, &sql).await, [[Some(expected.to_owned())]], "{time}");
    }
}

#[tokio::test]
async fn what_kms_knows_of_a_sibling_counts_for_the_set() {
    let members = [MEMBER, REPLICA].map(|arn| {
        let region = if arn == MEMBER { "us-east-1" } else { "eu-west-1" };
        placed("kms", "DescribeKey", "2025-03-15T09:10:00Z", ACCOUNT, region, &resources(&[arn]))
    });
    let usage = format!(
        r#"{{"KeyId":"{REPLICA}","TrackingStartDate":"2025-01-01T00:00:00Z","KeyLastUsage":{{"Operation":"Decrypt","Timestamp":"2025-03-15T10:00:00Z","CloudTrailEventId":"missing"}}}}"#
    );
    let outputs = [("get-key-last-usage.json", usage)];
    let verdict = verdict_with_outputs(&members, &outputs, REPLICA).await;
    assert_eq!(verdict, "incomplete missing_use,missing_event");
    let verdict = verdict_with_outputs(&members, &outputs, MEMBER).await;
    assert_eq!(verdict, "incomplete multi_region_sibling_incomplete");
}

#[tokio::test]
async fn logs_that_end_before_a_key_was_made_show_nothing_of_it() {
    let made = OTHER_KEY;
    let described = format!(
        r#"{{"KeyMetadata":{{"KeyId":"bbbbbbbb-1111-4111-8111-bbbbbbbbbbbb","Arn":"{made}","AWSAccountId":"{ACCOUNT}","CreationDate":"2025-03-20T00:00:00Z","KeyState":"Enabled","KeyManager":"CUSTOMER"}}}}"#
    );
    let outputs = [("describe-key.json", described)];
    assert_eq!(verdict_with_outputs(&[], &outputs, made).await, "incomplete not_yet_covered");
}

#[tokio::test]
async fn a_deletion_that_was_due_and_is_not_in_the_logs_is_a_hole() {
    let scheduled = |due: &str| {
        let members = format!(
            r#""requestParameters":{{"keyId":"KEY","pendingWindowInDays":7}},"responseElements":{{"keyId":"KEY","deletionDate":"{due}","keyState":"PendingDeletion","pendingWindowInDays":7}}"#
        );
        record("kms", "ScheduleKeyDeletion", "2025-03-15T10:00:00Z", &on_key(&members))
    };
    let days: Vec<_> = (16..=26).flat_map(|day| on_day(&traffic("us-east-1"), day)).collect();
    for (due, expected) in
        [("Mar 22, 2025, 10:00:00 AM", "incomplete missing_event"), ("Mar 25, 2025, 10:00:00 AM", "no_use_found ")]
    {
        assert_eq!(verdict_with(&[vec![scheduled(due)], days.clone()].concat()).await, expected, "{due}");
    }
}

#[tokio::test]
async fn the_shortest_window_of_a_set_is_held_against_what_is_asked_for() {
    let of_replica = placed("kms", "DescribeKey", "2025-03-15T09:10:00Z", ACCOUNT, "eu-west-1", &resources(&[REPLICA]));
    let of_member = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[MEMBER]));
    let later = record("ec2", "DescribeInstances", "2025-03-15T20:00:00Z", "");
    let records = [traffic("us-east-1"), traffic("eu-west-1"), vec![of_replica, of_member, later]].concat();
    let (_folder, session) = raw_session(&records).await;
    for (hours, expected) in [(1, Verdict::NoUseFound), (8, Verdict::Incomplete)] {
        let min_window = Some(TimeDelta::hours(hours));
        let question = KeyQuestion { key: MEMBER.to_owned(), min_window, ..KeyQuestion::default() };
        assert_eq!(key_answer(&session, &question).await.unwrap().verdict.verdict, expected, "{hours}");
    }
}

#[tokio::test]
async fn a_use_at_no_readable_time_is_one() {
    let used = record("kms", "Decrypt", "2024-13-45", &on_key(r#""requestParameters":{}"#));
    assert_eq!(verdict_with(std::slice::from_ref(&used)).await, "in_use use");
    let of_member = |arn: &str, region, time| {
        placed("kms", "Decrypt", time, ACCOUNT, region, &[r#""requestParameters":{}"#, &resources(&[arn])].join(","))
    };
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[MEMBER]));
    let elsewhere = of_member(REPLICA, "eu-west-1", "2024-13-45");
    let records = [traffic("us-east-1"), vec![described, elsewhere]].concat();
    assert_eq!(verdict_over(&records, MEMBER).await, "in_use multi_region_sibling_used");
}

/// The records of a day, as they come on another one too.
fn on_day(records: &[String], day: u32) -> Vec<String> {
    records.iter().map(|record| record.replace("2025-03-15", &format!("2025-03-{day}"))).collect()
}

#[tokio::test]
async fn a_region_whose_logs_end_before_the_account_s_has_a_hole() {
    let elsewhere = traffic("eu-west-1");
    for (last_day, expected) in [(15, "no_use_found "), (17, "incomplete gap")] {
        let records: Vec<_> = (15..=last_day).flat_map(|day| on_day(&elsewhere, day)).collect();
        assert_eq!(verdict_with(&records).await, expected, "{last_day}");
    }
}

#[tokio::test]
async fn hours_without_an_event_are_a_hole_where_there_always_are_some() {
    let hourly = |day: u32, hour: u32| {
        let read = resources(&[BUSY_KEY]);
        let time = |minute: u32| format!("2025-03-{day:02}T{hour:02}:{minute:02}:00Z");
        [record("kms", "Decrypt", &time(5), &read), record("ec2", "DescribeInstances", &time(40), "")]
    };
    let all: Vec<(u32, u32)> = (1..=20).flat_map(|day| (0..24).map(move |hour| (day, hour))).collect();
    let silent =
        |begin: u32, length: u32| move |(day, hour): (u32, u32)| day == 10 && (begin..begin + length).contains(&hour);
    for (length, expected) in
        [(1, "no_use_found "), (3, "no_use_found "), (8, "incomplete gap"), (20, "incomplete gap")]
    {
        let is_silent = silent(2, length);
        let records: Vec<_> =
            all.iter().filter(|at| !is_silent(**at)).flat_map(|(day, hour)| hourly(*day, *hour)).collect();
        let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &resources(&[KEY]));
        assert_eq!(verdict_over(&[records, vec![described]].concat(), KEY).await, expected, "{length}");
    }
    // Where nights are silent, nights are no holes.
    let by_day: Vec<_> =
        all.iter().filter(|(_, hour)| (8..20).contains(hour)).flat_map(|(day, hour)| hourly(*day, *hour)).collect();
    assert_eq!(verdict_with(&by_day).await, "no_use_found ");
}

#[tokio::test]
async fn an_update_of_a_trail_with_which_the_reads_end_is_a_hole() {
    let moved = r#""requestParameters":{"name":"t","isMultiRegionTrail":false}"#;
    let update = record("cloudtrail", "UpdateTrail", "2025-03-15T12:30:00Z", moved);
    let other = |hour: u32| record("ec2", "DescribeInstances", &format!("2025-03-15T{hour:02}:40:00Z"), "");
    let others: Vec<_> = (12..24).map(other).collect();
    let next_day: Vec<_> = (0..23).map(|hour| other(hour).replace("2025-03-15", "2025-03-16")).collect();
    let silent = [vec![update.clone()], others.clone(), next_day].concat();
    assert_eq!(verdict_with(&silent).await, "incomplete logging_stopped");
    // Too short a time to tell.
    assert_eq!(verdict_with(&[vec![update.clone()], others].concat()).await, "no_use_found ");
    let resumed = [silent, on_day(&traffic("us-east-1"), 16)].concat();
    assert_eq!(verdict_with(&resumed).await, "no_use_found ");
}

#[tokio::test]
async fn a_member_that_only_a_move_of_the_primary_names_is_one() {
    let of_member = resources(&[MEMBER]);
    let described = record("kms", "DescribeKey", "2025-03-15T09:10:00Z", &of_member);
    let records = [traffic("us-east-1"), vec![described]].concat();
    assert_eq!(verdict_over(&records, MEMBER).await, "no_use_found ");
    let rest = [r#""requestParameters":{"keyId":"k","primaryRegion":"sa-east-1"}"#, &of_member].join(",");
    let moved = record("kms", "UpdatePrimaryRegion", "2025-03-15T10:00:00Z", &rest);
    let records = [records, vec![moved]].concat();
    assert_eq!(verdict_over(&records, MEMBER).await, "incomplete multi_region_sibling_incomplete");
}

#[tokio::test]
async fn a_replica_that_was_made_again_lives() {
    let made = |time: &str| {
        let rest =
            [r#""requestParameters":{"keyId":"k","replicaRegion":"eu-west-1"}"#, &resources(&[MEMBER])].join(",");
        record("kms", "ReplicateKey", time, &rest)
    };
    let of_replica = |name: &str, time: &str, rest: &str| {
        let rest = [rest, &resources(&[REPLICA])].join(",");
        placed("kms", name, time, ACCOUNT, "eu-west-1", &rest)
    };
    let grant =
        r#""requestParameters":{"granteePrincipal":"p","operations":["Decrypt"]},"responseElements":{"grantId":"g"}"#;
    let records = [
        made("2025-03-15T08:00:00Z"),
        of_replica("ScheduleKeyDeletion", "2025-03-15T08:10:00Z", r#""requestParameters":{"pendingWindowInDays":7}"#),
        of_replica("DeleteKey", "2025-03-15T08:20:00Z", r#""requestParameters":{}"#),
        made("2025-03-15T08:30:00Z"),
        of_replica("CreateGrant", "2025-03-15T08:40:00Z", grant),
    ];
    let (_folder, session) = raw_session(&records).await;
    let sql = format!(
        "select k.key_state, k.deleted_time, k.deletion_time, g.grant_state, v.live_grant_count from kms_keys k \
         join kms_grants g on g.key_arn = k.key_arn join kms_key_verdicts v on v.key_arn = k.key_arn where k.key_arn = '{REPLICA}'"
    );
    let found = rows(&session, &sql).await;
    let expected = [Some("Enabled"), None, None, Some("live"), Some("1")].map(|cell| cell.map(str::to_owned));
    assert_eq!(found, [expected.to_vec()]);
}

/// One event in each of so many hours, of the service and name that the hour's number chooses.
fn hourly(hours: u32, call: impl Fn(u32) -> (&'static str, &'static str, String)) -> Vec<String> {
    let at = |hour: u32| {
        let (service, name, rest) = call(hour);
        record(service, name, &format!("2025-03-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24), &rest)
    };
    (0..hours).map(at).collect()
}

/// What an export with one filter holds is what somebody asked for; KMS calls of all names, callers and keys may be all there are.
#[tokio::test]
async fn an_export_that_was_filtered_shows_no_absence() {
    let on = |key: &str| resources(&[key]);
    let names = ["Decrypt", "Encrypt", "GenerateDataKey"];
    let one_key = hourly(60, |hour| ("kms", names[hour as usize % 3], on(BUSY_KEY)));
    let one_name = hourly(60, |hour| ("kms", "Decrypt", on([BUSY_KEY, OTHER_KEY][hour as usize % 2])));
    let one_caller = hourly(60, |hour| ("kms", names[hour as usize % 3], on([BUSY_KEY, OTHER_KEY][hour as usize % 2])));
    let whole = hourly(60, |hour| match hour % 3 {
        0 => ("ec2", "DescribeInstances", String::new()),
        other => ("kms", names[other as usize], on(BUSY_KEY)),
    });
    let seen = record("kms", "DescribeKey", "2025-03-02T10:30:00Z", &resources(&[KEY]));
    for (records, expected) in [
        (one_name, "incomplete filtered_export"),
        (one_caller.clone(), "incomplete filtered_export"),
        (one_key, "incomplete filtered_export"),
        (whole, "no_use_found "),
    ] {
        // The key is known by an output, as the export may have nothing of it.
        let described = format!(
            r#"{{"KeyMetadata":{{"KeyId":"x","Arn":"{KEY}","AWSAccountId":"{ACCOUNT}","KeyState":"Enabled","KeyManager":"CUSTOMER"}}}}"#
        );
        let session = session_with_outputs(&records, &[("describe-key.json", described)]).await;
        assert_eq!(verdict_of(&session, KEY).await, expected);
    }
    // Two lookups side by side, each by one key.
    let folder = tempfile::tempdir().unwrap();
    for key in [BUSY_KEY, OTHER_KEY] {
        let records = hourly(60, |hour| ("kms", names[hour as usize % 3], on(key)));
        let records = records.join("\n").replace(r#""eventID":""#, &format!(r#""eventID":"{}"#, &key[key.len() - 4..]));
        fs_err::write(folder.path().join(format!("{}.ndjson", &key[key.len() - 4..])), records).unwrap();
    }
    let session = raw_session_over(&[folder.path()]).await;
    assert_eq!(answer(&session, KEY).await.verdict.reason_words(), ["filtered_export"]);
    // Few events leave gaps, which are told as such.
    let few = [one_caller[..20].to_vec(), vec![seen]].concat();
    assert!(!verdict_over(&few, KEY).await.contains("filtered_export"));
}

/// Events of IAM and STS are of us-east-1, and stood in the files of a trail of one region elsewhere: no file of us-east-1 is there.
#[tokio::test]
async fn global_services_events_in_another_region_s_files_cover_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let global = |day: u32| {
        let time = format!("2025-03-{day:02}T10:00:00Z");
        vec![
            placed("iam", "GetUser", &time, ACCOUNT, "us-east-1", ""),
            placed(
                "kms",
                "Decrypt",
                &time,
                ACCOUNT,
                "eu-west-1",
                &resources(&[&BUSY_KEY.replace("us-east-1", "eu-west-1")]),
            ),
        ]
    };
    // Names that tell nothing are no reason to take them for the region's own.
    let renamed = tempfile::tempdir().unwrap();
    fs_err::write(renamed.path().join("a.ndjson"), (1..=3).flat_map(global).collect::<Vec<_>>().join("\n")).unwrap();
    let session = raw_session_over(&[renamed.path()]).await;
    assert_eq!(answer(&session, KEY).await.verdict.reason_words(), ["no_logs"]);
    let deliver = |region: &str, day: u32, records: &[String]| {
        let place = folder.path().join(format!("AWSLogs/{ACCOUNT}/CloudTrail/{region}/2025/03/{day:02}"));
        fs_err::create_dir_all(&place).unwrap();
        let name = format!("{ACCOUNT}_CloudTrail_{region}_202503{day:02}T1005Z_aaaaaaaaaaaaaaaa.json.gz");
        fs_err::write(place.join(name), format!(r#"{{"Records":[{}]}}"#, records.join(","))).unwrap();
    };
    (1..=3).for_each(|day| deliver("eu-west-1", day, &global(day)));
    let session = raw_session_over(&[folder.path()]).await;
    assert_eq!(answer(&session, KEY).await.verdict.reason_words(), ["no_logs"]);
    deliver("us-east-1", 1, &global(1)[..1]);
    let session = raw_session_over(&[folder.path()]).await;
    assert!(!answer(&session, KEY).await.verdict.reason_words().contains(&"no_logs"));
}

/// A use that KMS knows and the logs lack is a hole for every key that lived then.
#[tokio::test]
async fn a_missing_use_is_a_hole_of_its_place() {
    let usage = format!(
        r#"{{"KeyId":"{KEY}","TrackingStartDate":"2025-01-01T00:00:00Z","KeyLastUsage":{{"Operation":"Decrypt","Timestamp":"2025-03-15T10:00:00Z","CloudTrailEventId":"gone"}}}}"#
    );
    let listed = format!(
        r#"{{"Keys":[{{"KeyId":"b","KeyArn":"{OTHER_KEY}"}},{{"KeyId":"r","KeyArn":"{}"}}]}}"#,
        OTHER_KEY.replace("us-east-1", "eu-west-1")
    );
    let outputs = [("get-key-last-usage.json", usage), ("list-keys.json", listed)];
    let records = [traffic("us-east-1"), traffic("eu-west-1")].concat();
    let session = session_with_outputs(&records, &outputs).await;
    assert_eq!(verdict_of(&session, KEY).await, "incomplete missing_use,missing_event");
    assert_eq!(verdict_of(&session, OTHER_KEY).await, "incomplete missing_use");
    assert_eq!(verdict_of(&session, &OTHER_KEY.replace("us-east-1", "eu-west-1")).await, "no_use_found ");
}

/// Trails whose selectors leave KMS calls out, as they were told: unless one of them logs all, or what it does is not known.
#[tokio::test]
async fn trails_that_were_told_to_leave_kms_calls_out_are_a_hole() {
    let trail = |name: &str, is_multi_region: bool| {
        format!(
            r#"{{"TrailARN":"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}","HomeRegion":"us-east-1","IsMultiRegionTrail":{is_multi_region},"HasCustomEventSelectors":true}}"#
        )
    };
    let selectors = |name: &str, fields: &str| {
        format!(
            r#"{{"TrailARN":"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}","AdvancedEventSelectors":[{{"FieldSelectors":[{{"Field":"eventCategory","Equals":["Management"]}}{fields}]}}]}}"#
        )
    };
    let partial = selectors("a", r#",{"Field":"eventName","NotEquals":["Decrypt"]}"#);
    let described = format!(
        r#"{{"KeyMetadata":{{"KeyId":"x","Arn":"{KEY}","AWSAccountId":"{ACCOUNT}","KeyState":"Enabled","KeyManager":"CUSTOMER"}}}}"#
    );
    for (trails, told, expected) in [
        (trail("a", true), vec![partial.clone()], "incomplete trail_settings"),
        (trail("a", false), vec![partial.clone()], "incomplete trail_settings"),
        ([trail("a", true), trail("b", true)].join(","), vec![partial.clone()], "no_use_found "),
        ([trail("a", true), trail("b", true)].join(","), vec![partial.clone(), selectors("b", "")], "no_use_found "),
        (trail("a", true), vec![selectors("a", "")], "no_use_found "),
    ] {
        let mut outputs = vec![
            ("describe-key.json", described.clone()),
            ("describe-trails.json", format!(r#"{{"trailList":[{trails}]}}"#)),
        ];
        outputs.extend(["selectors-1.json", "selectors-2.json"].into_iter().zip(told));
        let session = session_with_outputs(&traffic("us-east-1"), &outputs).await;
        assert_eq!(verdict_of(&session, KEY).await, expected, "{trails}");
    }
}

/// Whoever adds a denial to a key's policy and watches asks for just these calls; a stranger's tries are none.
#[tokio::test]
async fn calls_that_the_key_s_policy_denies_are_a_sign() {
    let denied = |message: &str| {
        let error = format!(
            r#""errorCode":"AccessDenied","errorMessage":"User: u is not authorized to perform: kms:Decrypt on resource: KEY {message}""#
        );
        record("kms", "Decrypt", "2025-03-15T10:00:00Z", &on_key(&error))
    };
    let by_policy = denied("with an explicit deny in a resource-based policy");
    let stranger = by_policy
        .replace(&format!("iam::{ACCOUNT}"), "iam::999900009999")
        .replace(&format!(r#""accountId":"{ACCOUNT}""#), r#""accountId":"999900009999""#);
    for (call, expected) in [
        (by_policy, "incomplete denied_by_key_policy"),
        (denied("with an explicit deny"), "incomplete denied_by_key_policy"),
        (denied("with an explicit deny in a resource control policy"), "incomplete denied_by_key_policy"),
        (denied("because no resource-based policy allows the kms:Decrypt action"), "incomplete denied_by_key_policy"),
        (denied("with an explicit deny in an identity-based policy"), "no_use_found "),
        (denied("because no identity-based policy allows the kms:Decrypt action"), "no_use_found "),
        (stranger, "no_use_found "),
    ] {
        assert_eq!(verdict_with(&[call]).await, expected);
    }
}

/// What services say of a key that they could not use, in their own words.
#[tokio::test]
async fn failures_of_services_that_name_the_key_are_demand() {
    for (service, name, code, message, request, expected) in [
        (
            "rds",
            "StartDBInstance",
            "KMSKeyNotAccessibleFault",
            "The specified KMS key [KEY] does not exist, is not enabled or you do not have permissions to access it.",
            "{}",
            "inaccessible_in_service",
        ),
        (
            "ec2",
            "CreateVolume",
            "Client.InvalidKmsKey.InvalidState",
            "The state is not valid",
            r#"{"kmsKeyId":"KEY"}"#,
            "blocked_in_service",
        ),
        ("secretsmanager", "GetSecretValue", "DecryptionFailure", "KEY is disabled.", "{}", "blocked_in_service"),
        (
            "ssm",
            "GetParameter",
            "InvalidKeyId",
            "KEY is disabled. (Service: AWSKMS; Error Code: DisabledException)",
            "{}",
            "blocked_in_service",
        ),
        ("ssm", "GetParameter", "InvalidKeyId", "KEY is no key", "{}", ""),
    ] {
        let members = format!(r#""errorCode":"{code}","errorMessage":"{message}","requestParameters":{request}"#);
        let failed = record(service, name, "2025-03-15T10:00:00Z", &members);
        let expected =
            if expected.is_empty() { "no_use_found ".to_owned() } else { format!("blocked_demand {expected}") };
        assert_eq!(verdict_with(&[failed]).await, expected, "{service} {code} {message}");
    }
}

/// A key was observed since it was made, however long the logs are.
#[tokio::test]
async fn a_young_key_was_observed_for_a_short_time() {
    let made = record("kms", "CreateKey", "2025-03-20T10:00:00Z", &resources(&[KEY]));
    let records = [(10..=20).flat_map(|day| on_day(&traffic("us-east-1"), day)).collect(), vec![made]].concat();
    let (_folder, session) = raw_session(&records).await;
    for (days, expected) in [(1, Verdict::Incomplete), (0, Verdict::NoUseFound)] {
        let min_window = Some(TimeDelta::days(days));
        let question = KeyQuestion { key: KEY.to_owned(), min_window, ..KeyQuestion::default() };
        assert_eq!(key_answer(&session, &question).await.unwrap().verdict.verdict, expected, "{days}");
    }
}

/// A page that says that more follow is no list of all: what it does not hold may be on the next.
#[tokio::test]
async fn a_page_of_grants_ends_none() {
    let grants = |ids: &[&str], end: &str| {
        let of = |id: &&str| {
            format!(
                r#"{{"GrantId":"{id}","KeyId":"{KEY}","GranteePrincipal":"arn:aws:iam::{ACCOUNT}:role/{id}","Operations":["Decrypt"]}}"#
            )
        };
        format!(r#"{{"KeyId":"{KEY}","Grants":[{}]{end}}}"#, ids.iter().map(of).collect::<Vec<_>>().join(","))
    };
    let page = r#","Truncated":true,"NextMarker":"m""#;
    for (ids, end, expected) in [
        (&["a"][..], r#","Truncated":false"#, Some("a")),
        (&["a"], page, Some("a,b")),
        (&[], r#","Truncated":false"#, None),
        (&[], page, Some("a,b")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
        for (name, text, made) in [
            ("older.json", grants(&["a", "b"], ""), "2025-02-01T00:00:00Z"),
            ("newer.json", grants(ids, end), "2025-03-01T00:00:00Z"),
        ] {
            let of_output = folder.path().join(name.trim_end_matches(".json"));
            fs_err::create_dir(&of_output).unwrap();
            fs_err::write(of_output.join(name), text).unwrap();
            import_outputs(&lake, &of_output, made).await;
        }
        let session = Session::over_lake(&lake, &SessionOptions::default()).await.unwrap();
        let found = "select string_agg(grant_id, ',' order by grant_id) from inventory_grants";
        assert_eq!(rows(&session, found).await, [[expected.map(str::to_owned)]], "{ids:?} {end}");
    }
}

/// Rotation is known by events and by what the AWS CLI printed (2025-03-16): the newer counts.
#[tokio::test]
async fn rotation_that_was_told_counts_with_what_events_tell() {
    let outputs = [
        ("list-keys.json", format!(r#"{{"Keys":[{{"KeyId":"a","KeyArn":"{KEY}"}}]}}"#)),
        ("get-key-rotation-status.json", format!(r#"{{"KeyId":"{KEY}","KeyRotationEnabled":true}}"#)),
        (
            "list-key-rotations.json",
            format!(r#"{{"Rotations":[{{"KeyId":"{KEY}","RotationDate":"2024-09-01T00:00:00Z"}}]}}"#),
        ),
    ];
    for (time, expected) in [("2025-03-15T10:00:00Z", "true"), ("2025-03-17T10:00:00Z", "false")] {
        let disabled = record("kms", "DisableKeyRotation", time, &resources(&[KEY]));
        let session = session_with_outputs(&[disabled], &outputs).await;
        let sql = format!("select rotation_enabled, last_rotated_time from kms_keys where key_arn = '{KEY}'");
        let told = [Some(expected.to_owned()), Some("2024-09-01T00:00:00Z".to_owned())];
        assert_eq!(rows(&session, &sql).await, [told], "{time}");
    }
}
