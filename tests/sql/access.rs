//! Who may use a key, by what, and with which material: cases that were answered wrongly once.

use crate::cells::rows;
use crate::fixture::{raw_session, session_with_outputs};
use crate::verdicts::{KEY, correction, on_key, record};

/// A statement that sets the key's policy.
fn policy(time: &str, statement: &str, rest: &str) -> String {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#).replace('"', r#"\""#);
    let request = format!(r#""requestParameters":{{"keyId":"{KEY}","policyName":"default","policy":"{text}"}}"#);
    let members = [request.as_str(), rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
    record("kms", "PutKeyPolicy", time, &on_key(&members))
}

async fn answers(records: &[String], sql: &str) -> Vec<Vec<String>> {
    let (_folder, session) = raw_session(records).await;
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
    rows(&session, sql).await.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

const ACCESS: &str = "select tier, principal, actions, is_conditional from kms_potential_access order by all";

#[tokio::test]
async fn what_a_statement_leaves_out_is_allowed() {
    let at = "2025-03-15T10:00:00Z";
    let not_me = r#"{"Sid":"a","Effect":"Allow","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:role/a","arn:aws:iam::111122223333:role/b"]},"Action":"kms:Decrypt","Resource":"*"}"#;
    let not_describe = r#"{"Sid":"b","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/c"},"NotAction":"kms:Describe*","Resource":"*"}"#;
    let found = answers(&[policy(at, &[not_me, not_describe].join(","), "")], ACCESS).await;
    assert_eq!(
        found,
        [
            [
                "anyone",
                "all but arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b",
                "kms:Decrypt",
                "true"
            ],
            ["named", "arn:aws:iam::111122223333:role/c", "all but kms:Describe*", "false"],
        ]
    );
    let unreadable = policy(at, "}{", "");
    assert_eq!(answers(&[unreadable], ACCESS).await, [["unknown", "NULL", "NULL", "false"]]);
}

#[tokio::test]
async fn a_correction_stands_in_the_place_of_what_it_corrects() {
    let at = "2025-03-15T10:00:00Z";
    let allow = |role: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111122223333:role/{role}"}},"Action":"kms:Decrypt","Resource":"*"}}"#
        )
    };
    let of = format!("kms-PutKeyPolicy-{at}-111122223333-us-east-1");
    let corrected =
        policy(at, &allow("right"), &correction(&of, "")).replace(r#""eventID":""#, r#""eventID":"correction-"#);
    let found = answers(&[policy(at, &allow("wrong"), ""), corrected], ACCESS).await;
    assert_eq!(found, [["named", "arn:aws:iam::111122223333:role/right", "kms:Decrypt", "false"]]);
}

#[tokio::test]
async fn whoever_used_a_key_has_a_row() {
    let at = "2025-03-15T10:00:00Z";
    let sql = "select principal, finding, tiers from kms_potential_vs_actual order by all";
    let used = record("kms", "Decrypt", "2025-03-15T11:00:00Z", &on_key(""));
    let used = used.replace(",,", ",");
    let me = "arn:aws:iam::111122223333:user/kms-user";
    let never = ["arn:aws:iam::111122223333:user/v", "never_seen", "named"];
    for (principal, action, expected) in [
        (r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/kms-user"}"#, "kms:*", &[[me, "seen", "named"]][..]),
        (r#""Principal":"*""#, "kms:Decrypt", &[[me, "seen", "anyone"]]),
        (r#""Principal":"*""#, "kms:Describe*", &[[me, "no_longer_named", ""]]),
        (r#""Principal":{"AWS":"arn:aws:iam::111122223333:root"}"#, "kms:*", &[[me, "seen", "account_delegation"]]),
        (r#""Principal":{"AWS":"111122223333"}"#, "kms:*", &[[me, "seen", "account_delegation"]]),
        (r#""Principal":{"AWS":"arn:aws:iam::444455556666:root"}"#, "kms:*", &[[me, "no_longer_named", ""]]),
        (r#""NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/v"}"#, "kms:*", &[[me, "seen", "anyone"]]),
        (
            r#""NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/kms-user"}"#,
            "kms:*",
            &[[me, "no_longer_named", ""]],
        ),
        (
            r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/v"}"#,
            "kms:Decrypt",
            &[[me, "no_longer_named", ""], never],
        ),
        // Who may only manage the key is not waited for.
        (r#""Principal":{"AWS":"arn:aws:iam::111122223333:user/v"}"#, "kms:Put*", &[[me, "no_longer_named", ""]]),
    ] {
        let statement = format!(r#"{{"Effect":"Allow",{principal},"Action":"{action}","Resource":"*"}}"#);
        let found = answers(&[policy(at, &statement, ""), used.clone()], sql).await;
        assert_eq!(found, expected, "{principal} {action}");
    }
}

#[tokio::test]
async fn what_a_key_policy_denies_is_a_condition() {
    let at = "2025-03-15T10:00:00Z";
    let statement = |effect: &str, principal: &str, action: &str| {
        format!(r#"{{"Effect":"{effect}",{principal},"Action":"{action}","Resource":"*"}}"#)
    };
    let user = |name: &str| format!(r#""Principal":{{"AWS":"arn:aws:iam::111122223333:user/{name}"}}"#);
    for (denied, action, expected) in [
        (r#""Principal":"*""#.to_owned(), "kms:Decrypt", "true"),
        (r#""Principal":"*""#.to_owned(), "kms:ScheduleKeyDeletion", "false"),
        (r#""NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/w"}"#.to_owned(), "kms:*", "true"),
        (user("v"), "kms:*", "true"),
        (user("w"), "kms:*", "false"),
    ] {
        let statements = [statement("Allow", &user("v"), "kms:Decrypt"), statement("Deny", &denied, action)].join(",");
        let found = answers(&[policy(at, &statements, "")], ACCESS).await;
        assert_eq!(
            found,
            [["named", "arn:aws:iam::111122223333:user/v", "kms:Decrypt", expected]],
            "{denied} {action}"
        );
    }
}

#[tokio::test]
async fn a_rotation_ends_the_material_before_it() {
    let call = |name: &str, hour: &str, material: &str| {
        let additional = format!(r#""additionalEventData":{{"keyMaterialId":"{material}"}}"#);
        record("kms", name, &format!("2025-03-15T{hour}:00:00Z"), &on_key(&additional))
    };
    let details = r#""serviceEventDetails":{"keyId":"KEY","rotationType":"AUTOMATIC","currentKeyMaterialId":"22","previousKeyMaterialId":"11"}"#;
    let rotated = record("kms", "RotateKey", "2025-03-15T10:00:00Z", &on_key(details));
    let sql = "select key_material_id, is_current, is_needed_after_rotation, encrypt_count, rotated_time \
               from kms_key_materials order by 1";
    let before = [call("GenerateDataKey", "09", "11"), rotated];
    let new = ["22", "true", "false", "0", "2025-03-15T10:00:00Z"];
    assert_eq!(answers(&before, sql).await, [["11", "false", "false", "1", "NULL"], new]);
    let opened = [&before[..], &[call("Decrypt", "11", "11")]].concat();
    assert_eq!(answers(&opened, sql).await, [["11", "false", "true", "1", "NULL"], new]);
}

#[tokio::test]
async fn identities_of_an_account_that_the_key_policy_leaves_it_to_may_be_allowed() {
    let allow = |action: &str, rest: &str| format!(r#"{{"Effect":"Allow","Action":"{action}",{rest}}}"#);
    let all = r#""Resource":"*""#;
    let denied = r#"{"Effect":"Deny","Action":"kms:*","Resource":"*"}"#;
    let roles = [
        ("reader", allow("kms:Decrypt", all)),
        ("denied", [&allow("kms:Decrypt", all), denied].join(",")),
        ("admin", allow("kms:Put*", all)),
        ("others", allow("kms:Decrypt", &format!(r#""NotResource":"{KEY}""#))),
    ];
    let role = |(name, statements): (&str, String)| {
        format!(
            r#"{{"RoleName":"{name}","Arn":"arn:aws:iam::444455556666:role/{name}","RolePolicyList":[{{"PolicyName":"own","PolicyDocument":{{"Statement":[{statements}]}}}}]}}"#
        )
    };
    let details = format!(r#"{{"UserDetailList":[],"RoleDetailList":[{}]}}"#, roles.map(role).join(","));
    let statement = r#"{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"}"#;
    let records = [policy("2025-03-15T10:00:00Z", statement, "")];
    let session = session_with_outputs(&records, &[("iam.json", details)]).await;
    let sql = "select split_part(principal, ':', 6), has_use_action, is_conditional, is_cross_account from kms_potential_access \
               where tier = 'account_delegation' order by 1";
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
    let found: Vec<_> = rows(&session, sql)
        .await
        .into_iter()
        .map(|row| row.into_iter().map(text).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        found,
        [
            "role/admin false false true",
            "role/denied true true true",
            "role/reader true false true",
            "root true false true"
        ]
    );
}
