//! Promises that no single view makes: every view is tested, documented, and has the grain that its header tells.

use std::collections::BTreeSet;

use keytrail_events::schema;
use keytrail_query::{Reason, Session, ViewDefinition, view_catalogue};

use crate::cells::{rows, value};
use crate::{fixture, oracle, slt};

#[test]
fn every_view_file_is_a_view_and_has_an_slt() {
    let sql = fixture::folder().join("../../sql/views");
    let mut files = BTreeSet::new();
    for area in ["base", "kms"] {
        for entry in fs_err::read_dir(sql.join(area)).unwrap() {
            files.insert(entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let views: BTreeSet<_> = view_catalogue().iter().map(|view| view.name.clone()).collect();
    let tested: BTreeSet<_> = fixture::areas().iter().flat_map(|area| slt::tested_views(area)).collect();
    assert_eq!(views, files);
    assert_eq!(views, tested);
}

#[tokio::test]
async fn every_column_of_every_view_has_a_meaning() {
    let session = fixture::session().await;
    for view in view_catalogue() {
        let description = session.describe(&view.name).await.unwrap();
        assert!(!description.columns.is_empty());
        for column in &description.columns {
            assert!(column.meaning.is_some(), "{}.{}", view.name, column.name);
        }
        let names: BTreeSet<_> = description.columns.iter().map(|column| &column.name).collect();
        for noted in view.columns.iter().map(|note| &note.name).chain(&view.grain) {
            assert!(names.contains(noted), "{} has no column {noted}", view.name);
        }
    }
}

#[tokio::test]
async fn kms_events_has_the_columns_of_events() {
    let session = fixture::session().await;
    let of_events = schema::table_schema();
    // Those are of other services' events.
    let of_others = [schema::MENTIONED_KEY_ARNS, schema::MENTIONING_RESOURCE];
    let fields = of_events.fields().iter().filter(|field| !of_others.contains(&field.name().as_str()));
    let mut expected: Vec<_> = fields.map(|field| field.name().clone()).collect();
    let own = [
        "key_role",
        "other_key_arn",
        "use_mark",
        "is_demand",
        "is_attested",
        "is_cross_account",
        "account_side",
        "principal",
    ];
    expected.extend(own.map(str::to_owned));
    let description = session.describe("kms_events").await.unwrap();
    assert_eq!(description.columns.into_iter().map(|column| column.name).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn headers_tell_what_views_read() {
    let session = fixture::session().await;
    for view in view_catalogue() {
        let plan = rows(&session, &format!("explain format indent select * from {}", view.name)).await;
        assert!(!plan.is_empty());
        for name in &view.reads {
            let is_read = ["from", "join"].iter().any(|word| view.sql.contains(&format!("{word} {name}")));
            assert!(is_read, "{} does not read {name}", view.name);
        }
    }
}

#[tokio::test]
async fn the_grain_of_every_view_is_unique() {
    let generated = oracle::generated().await.session;
    for view in view_catalogue().iter().filter(|view| oracle::is_from_logs(&view.name)) {
        assert_grain(&generated, view).await;
    }
    for area in fixture::areas() {
        let session = fixture::session_over(&area).await;
        let tested = slt::tested_views(&area);
        for view in view_catalogue().iter().filter(|view| tested.contains(&view.name)) {
            assert_grain(&session, view).await;
        }
    }
}

/// The view has rows, and no two of one grain.
async fn assert_grain(session: &Session, view: &ViewDefinition) {
    let (name, grain) = (&view.name, view.grain.join(", "));
    let row_count = value(session, &format!("select count(*) from {name}")).await.unwrap();
    assert_ne!(row_count, "0", "{name} is empty");
    let sql = format!("select {grain}, count(*) from {name} group by {grain} having count(*) > 1 limit 3");
    assert_eq!(rows(session, &sql).await, Vec::<Vec<_>>::new(), "{name}");
}

/// Conditions go through a view down to what it reads, and the engine's plan must still be one that it can run.
#[tokio::test]
async fn every_view_answers_for_one_key() {
    for session in [fixture::session().await, fixture::session_over("inventory").await] {
        let with_key = "select distinct table_name from information_schema.columns where column_name = 'key_arn'";
        let views: Vec<_> = rows(&session, with_key).await.concat().into_iter().flatten().collect();
        assert!(views.len() > 30, "{views:?}");
        for view in views {
            for condition in ["= 'arn:aws:kms:us-east-1:1:key/a'", "is null", "like '%:key/a'", "in ('a', 'b')"] {
                rows(&session, &format!("select * from {view} where key_arn {condition}")).await;
            }
        }
    }
}

/// What a header tells of a column.
fn meaning(view: &str, column: &str) -> String {
    let view = view_catalogue().iter().find(|known| known.name == view).unwrap();
    view.columns.iter().find(|note| note.name == column).unwrap().meaning.clone()
}

/// A kind that the code does not know would be an error to whoever asks for a key of its place.
#[test]
fn every_kind_of_blind_spot_is_a_reason() {
    let kinds = meaning("kms_blind_spots", "kind");
    let mut depth = 0;
    // What each means stands in brackets behind it.
    let is_outside = |character: &char| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0 && *character != ')'
    };
    let words: String = kinds.chars().filter(is_outside).collect();
    let told: BTreeSet<_> = words.split(',').map(str::trim).collect();
    let known: BTreeSet<_> =
        Reason::ALL.iter().filter(|reason| reason.is_blind_spot()).map(|reason| reason.as_str()).collect();
    assert_eq!(told, known);
}

#[test]
fn every_reason_is_documented() {
    let schema = fs_err::read_to_string(fixture::folder().join("../../docs/key.schema.json")).unwrap();
    let of_calls = [Reason::Blocked, Reason::NotFound, Reason::Transient, Reason::VerifyFailed];
    for reason in Reason::ALL {
        let text = match reason {
            reason if reason.is_of_question() => schema.clone(),
            reason if reason.is_blind_spot() => meaning("kms_blind_spots", "kind"),
            reason if of_calls.contains(&reason) => meaning("kms_failed_attempts", "outcome"),
            _ => meaning("kms_key_verdicts", "reasons"),
        };
        let is_word = |word: &str| word == reason.as_str();
        assert!(
            text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).any(is_word),
            "{} in {text}",
            reason.as_str()
        );
    }
}

#[tokio::test]
async fn every_column_of_every_table_has_a_meaning() {
    let session = fixture::session().await;
    for table in session.table_names() {
        let described = session.describe(&table).await.unwrap();
        for column in described.columns {
            assert!(column.meaning.is_some(), "{table}.{}", column.name);
        }
    }
    let ended = session.describe("runs").await.unwrap().columns.into_iter().find(|column| column.name == "ended_time");
    assert!(ended.unwrap().meaning.unwrap().contains("null = it goes on"));
}
