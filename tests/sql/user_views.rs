//! Views of the user's own, from a folder.

use keytrail_query::{QueryError, Session, SessionOptions};

use crate::cells::{chain, rows, value};
use crate::fixture;

async fn session_with(files: &[(&str, &str)]) -> Result<Session, QueryError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs_err::write(folder.path().join(name), text).unwrap();
    }
    let options = SessionOptions { views_dir: Some(folder.path().to_owned()), ..Default::default() };
    Session::over_lake(&fixture::lake().await, &options).await
}

#[tokio::test]
async fn user_views_stand_beside_the_others() {
    let busy =
        "-- view: busy_keys\n-- summary: keys with uses\nselect key_arn from kms_key_usage where use_event_count > 0";
    let count = "-- view: a_count\n-- summary: how many\nselect count(*) as key_count from busy_keys";
    let session =
        session_with(&[("busy_keys.sql", busy), ("a_count.sql", count), ("notes.txt", "no view")]).await.unwrap();
    assert_eq!(value(&session, "select key_count from a_count").await.as_deref(), Some("5"));
    assert_eq!(session.view("busy_keys").unwrap().summary, "keys with uses");
}

#[tokio::test]
async fn user_views_are_read_only_too() {
    let cases = [
        ("-- view: v\n-- summary: s\ncreate table t as select 1", "only queries are allowed, not CREATE TABLE"),
        ("-- view: v\n-- summary: s\nselect * from '/etc/passwd'", "only queries are allowed, not reading a file"),
        ("-- view: v\n-- summary: s\nselect * from v", "reads itself"),
        ("-- view: v\n-- summary: s\nselect * from nowhere", "no such table or view"),
    ];
    for (text, expected) in cases {
        let session = session_with(&[("v.sql", text)]).await.unwrap();
        let error = session.execute("select * from v", &[]).await.err().unwrap();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(error.is_usage(), "{}", chain(&error));
        // A broken view is in nobody's way.
        let tables = rows(&session, "show tables").await;
        assert!(tables.iter().any(|row| row[0].as_deref() == Some("kms_key_usage")), "{tables:?}");
        assert_eq!(value(&session, "select count(*) from kms_events").await.as_deref(), Some("27"));
    }
}

#[tokio::test]
async fn user_view_files_are_checked() {
    for (name, text) in [("kms_events.sql", "-- view: kms_events\n-- summary: s\nselect 1"), ("a.sql", "select 1")] {
        let error = session_with(&[(name, text)]).await.err().unwrap();
        assert!(matches!(error, QueryError::ViewFile { .. }), "{error:?}");
    }
}

/// Rules about contexts stand beside the views, and come before the compiled-in ones.
#[tokio::test]
async fn a_users_rules_name_resources() {
    let rules = "context_key,value,service,resource_kind,resource,is_call_per_object,is_latent\napp,bill*,,ledger,{stage}/{value},true,true\n";
    let session = session_with(&[("context_rules.csv", rules)]).await.unwrap();
    let sql = "select resource_kind, resource, is_call_per_object, is_latent from kms_protected_resources where resource_kind = 'ledger'";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows(&session, sql).await, [vec![text("ledger"), text("test/billing"), text("true"), text("true")]]);
}

/// Principals that the user calls observers are marked; nobody is one by himself.
#[tokio::test]
async fn a_users_observers_are_marked() {
    let marked = "select distinct role_arn from kms_events where use_mark = 'observer'";
    let role = "select max(role_arn) from kms_events where use_mark is null";
    assert_eq!(rows(&fixture::session().await, marked).await, Vec::<Vec<Option<String>>>::new());
    let role = value(&fixture::session().await, role).await.expect("a role");
    let session = session_with(&[("observer_principals.txt", &format!("# auditors\n{role}\n"))]).await.unwrap();
    assert_eq!(rows(&session, marked).await, [[Some(role)]]);
}

/// A mistake in a file of rules is told as one, by its place; what a view file looks like is of no help.
#[tokio::test]
async fn a_users_rules_are_checked() {
    let first_line =
        "the first line is not `context_key,value,service,resource_kind,resource,is_call_per_object,is_latent`";
    for (name, text, reason) in [
        ("context_rules.csv", "app,ledger", first_line),
        ("observer_principals.txt", "everybody", "line 1: not a principal's ARN: everybody"),
    ] {
        let error = session_with(&[(name, text)]).await.err().unwrap();
        let QueryError::RulesFile { path, reason: told } = &error else { panic!("{error:?}") };
        assert!(path.ends_with(name), "{error}");
        assert_eq!(told, reason);
        assert!(error.is_usage(), "{error}");
    }
}
