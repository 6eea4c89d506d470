//! Items 29, 32, 37, 43, 52 and 59 of the checklist, each on records of its own.

use keytrail_query::{Caveat, KeyAnswer, KeyQuestion, Session, key_answer};

use crate::cells::rows;
use crate::fixture::raw_session;

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/11111111-1111-1111-1111-111111111111";
const OTHER_KEY: &str = "arn:aws:kms:us-east-1:444455556666:key/22222222-2222-2222-2222-222222222222";

const ANA: &str = r#""userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ana","accountId":"111122223333","userName":"ana"}"#;

/// A record of a call on KMS; `rest` are the members that the case is about.
fn call(id: &str, name: &str, rest: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.10",{rest},"eventTime":"2024-03-01T00:00:00Z","eventSource":"kms.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1","eventID":"{id}","eventType":"AwsApiCall","recipientAccountId":"111122223333"}}"#
    )
}

/// `resources` as KMS writes them, one for each ARN.
fn resources(arns: &[&str]) -> String {
    let items: Vec<_> = arns.iter().map(|arn| format!(r#"{{"type":"AWS::KMS::Key","ARN":"{arn}"}}"#)).collect();
    format!(r#""resources":[{}]"#, items.join(","))
}

/// The rows of a query as words, null as `-`.
async fn words(session: &Session, sql: &str) -> Vec<String> {
    let found = rows(session, sql).await;
    found
        .into_iter()
        .map(|row| row.into_iter().map(|cell| cell.unwrap_or("-".to_owned())).collect::<Vec<_>>().join(" "))
        .collect()
}

async fn answer(session: &Session, key: &str) -> KeyAnswer {
    let question = KeyQuestion { key: key.to_owned(), ..KeyQuestion::default() };
    key_answer(session, &question).await.unwrap()
}

#[tokio::test]
async fn item_29_a_decrypt_without_a_key_id_goes_by_its_resources() {
    let context = r#""requestParameters":{"encryptionContext":{"app":"shop"}}"#;
    let untyped = format!(r#""resources":[{{"ARN":"{KEY}"}}]"#);
    let records = [
        call("typed", "Decrypt", &[ANA, context, &resources(&[KEY])].join(",")),
        call("untyped", "Decrypt", &[ANA, context, &untyped].join(",")),
        call("none", "Decrypt", &[ANA, context].join(",")),
    ];
    let (_folder, session) = raw_session(&records).await;
    let found =
        words(&session, "select event_id, requested_key_ref, right(key_arn, 4) from kms_events order by event_id")
            .await;
    assert_eq!(found, ["none - -", "typed - 1111", "untyped - 1111"]);
    assert_eq!(words(&session, "select use_event_count from kms_key_usage").await, ["2"]);
}

#[tokio::test]
async fn item_32_a_re_encrypt_touches_both_keys_with_their_own_contexts() {
    let parameters = |destination: &str| {
        format!(
            r#""requestParameters":{{"sourceEncryptionContext":{{"app":"old"}},"destinationKeyId":"{destination}","destinationEncryptionContext":{{"app":"new"}}}}"#
        )
    };
    let records = [
        call("both", "ReEncrypt", &[ANA, &parameters(OTHER_KEY), &resources(&[KEY, OTHER_KEY])].join(",")),
        call("same", "ReEncrypt", &[ANA, &parameters(KEY), &resources(&[KEY, KEY])].join(",")),
        // The account that owns the destination is not told of the source.
        call("half", "ReEncrypt", &[ANA, &parameters(OTHER_KEY), &resources(&[OTHER_KEY])].join(",")),
    ];
    let (_folder, session) = raw_session(&records).await;
    let sql = "select event_id, key_role, right(key_arn, 4), context_get(encryption_context, 'app') from kms_events order by 1, 2";
    let expected = [
        "both destination 2222 new",
        "both source 1111 old",
        "half destination 2222 new",
        "same destination 1111 new",
        "same source 1111 old",
    ];
    assert_eq!(words(&session, sql).await, expected);
    let sql = "select right(key_arn, 4), use_event_count, decrypt_count, ciphertext_created_count from kms_key_usage order by 1";
    assert_eq!(words(&session, sql).await, ["1111 2 2 1", "2222 2 0 2"]);
}

/// A VPC endpoint repeats the call as a network activity event; it is counted in the ledger and is no row.
#[tokio::test]
async fn item_37_the_network_activity_of_a_call_is_no_second_use() {
    let members = [ANA, &resources(&[KEY])].join(",");
    let network = call("twin", "Decrypt", &members)
        .replace("AwsApiCall", "AwsVpceEvent")
        .replace(r#""eventID""#, r#""eventCategory":"NetworkActivity","vpcEndpointId":"vpce-1","eventID""#);
    let (_folder, session) = raw_session(&[call("call", "Decrypt", &members), network]).await;
    assert_eq!(words(&session, "select event_id from events").await, ["call"]);
    assert_eq!(words(&session, "select use_event_count, use_count from kms_key_usage").await, ["1 1"]);
}

#[tokio::test]
async fn item_43_a_public_key_that_was_handed_out_is_a_caveat() {
    let read = |id: &str, name: &str| call(id, name, &[ANA, &resources(&[KEY])].join(","));
    for (name, is_warned) in [("GetPublicKey", true), ("DescribeKey", false), ("Verify", true)] {
        let (_folder, session) = raw_session(&[read("r", name)]).await;
        let answer = answer(&session, KEY).await;
        assert_eq!(answer.caveats.contains(&Caveat::PublicKey), is_warned, "{name}");
        let reader = answer.facts.public_key_reader_arn;
        assert_eq!(reader.is_some_and(|reader| reader.ends_with("user/ana")), name == "GetPublicKey", "{name}");
        assert_eq!(answer.facts.public_key_read_time.is_some(), name == "GetPublicKey", "{name}");
    }
}

#[tokio::test]
async fn item_52_every_kind_of_principal_has_a_name() {
    let identities = [
        (
            "root",
            r#"{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}"#,
        ),
        (
            "federated",
            r#"{"type":"FederatedUser","principalId":"111122223333:fay","arn":"arn:aws:sts::111122223333:federated-user/fay","accountId":"111122223333"}"#,
        ),
        (
            "web",
            r#"{"type":"WebIdentityUser","principalId":"accounts.google.com:app:user-7","userName":"user-7","identityProvider":"accounts.google.com"}"#,
        ),
        (
            "center",
            r#"{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"u-9","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-1"},"credentialId":"c-1"}"#,
        ),
        ("account", r#"{"type":"AWSAccount","principalId":"AROABEE:x","accountId":"444455556666"}"#),
        ("service", r#"{"type":"AWSService","invokedBy":"rds.amazonaws.com"}"#),
    ];
    let of_identity = |(id, identity): &(&str, &str)| {
        call(id, "Decrypt", &[&format!(r#""userIdentity":{identity}"#), &resources(&[KEY])[..]].join(","))
    };
    let records: Vec<_> = identities.iter().map(of_identity).collect();
    let (_folder, session) = raw_session(&records).await;
    let sql = "select principal_type, principal, on_behalf_of_user_ids from kms_key_principals order by 1";
    let expected = [
        "AWSAccount AROABEE -",
        "AWSService rds.amazonaws.com -",
        "FederatedUser arn:aws:sts::111122223333:federated-user/fay -",
        "IdentityCenterUser u-9 [u-9]",
        "Root arn:aws:iam::111122223333:root -",
        "WebIdentityUser accounts.google.com:app:user-7 -",
    ];
    assert_eq!(words(&session, sql).await, expected);
}

/// Whatever looks unused may be needed by what reads it once in years.
#[tokio::test]
async fn item_59_grants_volumes_and_backups_are_caveats_of_an_unused_key() {
    let grant = r#""requestParameters":{"keyId":"arn:aws:kms:us-east-1:111122223333:key/11111111-1111-1111-1111-111111111111","granteePrincipal":"rds.us-east-1.amazonaws.com","operations":["Decrypt"]},"responseElements":{"grantId":"g1"}"#;
    let backup = r#""requestParameters":{"encryptionContext":{"aws:backup:backup-vault":"arn:aws:backup:us-east-1:111122223333:backup-vault:main","aws:ebs:id":"vol-0aaa0000000000001"}}"#;
    let cases = [
        (call("grant", "CreateGrant", &[ANA, grant, &resources(&[KEY])].join(",")), Caveat::LiveGrants),
        (
            call("volume", "GenerateDataKeyWithoutPlaintext", &[ANA, backup, &resources(&[KEY])].join(",")),
            Caveat::LatentData,
        ),
    ];
    for (record, caveat) in cases {
        let (_folder, session) = raw_session(&[&record]).await;
        let caveats = answer(&session, KEY).await.caveats;
        assert!(caveats.contains(&caveat), "{caveat:?} is not among {caveats:?}");
    }
}
