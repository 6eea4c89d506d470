//! Lakes of earlier formats (R36): each was made by a version of its time, out of the records that lie beside it, and answers as one
//! that is made of them today.
//!
//! `golden/format_N.tar.gz` holds `records.ndjson` and `lake/`, converted from it by the last version that wrote format N.

use std::path::Path;

use flate2::read::GzDecoder;
use keytrail_convert::{EVENTS, lake_spec};
use keytrail_lake::{CheckDepth, FindingKind, Lake, Location, Storage, StorageOptions, Table, check_files_with};
use keytrail_query::{Session, SessionOptions};
use tempfile::TempDir;

use crate::cells::{Cells, rows};
use crate::fixture;

fn unpacked(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = fs_err::File::open(fixture::folder().join("golden").join(name)).unwrap();
    tar::Archive::new(GzDecoder::new(file)).unpack(folder.path()).unwrap();
    folder
}

async fn session(lake: &Lake) -> Session {
    Session::over_lake(lake, &SessionOptions::default()).await.unwrap()
}

async fn count(session: &Session, condition: &str) -> String {
    let found = rows(session, &format!("select count(*) from events where {condition}")).await;
    found[0][0].clone().unwrap()
}

/// What is asked of both lakes: every view, and the events but for the columns that one of them lacks. Aliases that other services' records
/// name, with which something may have been made, were not looked for when the lakes were made, and of rows of format 1 only changes tell of
/// keys.
fn questions() -> Vec<String> {
    let question = |name: &str| match name {
        "key_mentions" | "kms_configuration_dependencies" => format!("select * from {name} where alias_arn is null"),
        "key_evidence" => format!("select * from {name} where proof <> 'encrypted'"),
        "kms_keys" | "named_keys" => format!("select * exclude (last_seen_time) from {name}"),
        _ => format!("select * from {name}"),
    };
    let events = "select * exclude (mentioned_key_arns, mentioning_resource) from events".to_owned();
    let names = keytrail_query::view_catalogue().iter().map(|view| view.name.clone());
    names.map(|name| question(&name)).chain([events]).collect()
}

/// The rows of an answer, sorted; the file of the records has the same name wherever it lay.
async fn answer(session: &Session, question: &str) -> Vec<Cells> {
    let mut found = rows(session, question).await;
    for cell in found.iter_mut().flatten().flatten() {
        if cell.ends_with("/records.ndjson") {
            "records.ndjson".clone_into(cell);
        }
    }
    found.sort();
    found
}

async fn assert_same_answers(old: &Session, new: &Session) {
    for question in questions() {
        let (found, expected) = (answer(old, &question).await, answer(new, &question).await);
        assert_eq!(found.len(), expected.len(), "{question}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{question}");
        }
    }
}

async fn open(folder: &Path) -> Lake {
    let location = Location::local(&folder.join("lake")).unwrap();
    Lake::open(&location, &StorageOptions::default(), lake_spec()).await.unwrap()
}

/// The row that a run begins with is replaced when it ends.
async fn assert_sound(table: &Table) {
    let mut findings = check_files_with(table, CheckDepth::Data).await.unwrap();
    findings.retain(|finding| finding.kind != FindingKind::Replaced);
    assert_eq!(findings, [], "{}", table.spec().name);
}

#[tokio::test]
async fn r36_a_lake_of_format_1_answers_as_one_of_today() {
    let folder = unpacked("format_1.tar.gz");
    let records = folder.path().join("records.ndjson");
    let today = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    fixture::convert_records(&today, &records).await;
    let today = session(&today).await;
    assert_eq!(count(&today, "(mentioned_key_arns is null) <> (event_group = 'kms')").await, "0");

    // Opened for reading only: nothing is written, and the columns that came later are null.
    let lake = open(folder.path()).await;
    let version = lake.table(EVENTS).snapshot().await.unwrap().version();
    let old = session(&lake).await;
    assert_eq!(count(&old, "mentioned_key_arns is not null or mentioning_resource is not null").await, "0");
    assert_ne!(rows(&old, "select * from key_mentions").await.len(), 0);
    assert_same_answers(&old, &today).await;
    assert_eq!(lake.table(EVENTS).snapshot().await.unwrap().version(), version);

    // A conversion brings the lake to today's format; what it held already is known, and old rows stay as they are.
    let location = Location::local(&folder.path().join("lake")).unwrap();
    let lake = Lake::create_or_open(&location, &StorageOptions::default(), lake_spec()).await.unwrap();
    assert_eq!(lake.table(EVENTS).snapshot().await.unwrap().version(), version + 1);
    fixture::convert_records(&lake, &records).await;
    assert_eq!(lake.table(EVENTS).snapshot().await.unwrap().version(), version + 1);
    let more = folder.path().join("more.ndjson");
    let text = fs_err::read_to_string(&records).unwrap().replace("\"eventID\":\"", "\"eventID\":\"again-");
    fs_err::write(&more, text).unwrap();
    fixture::convert_records(&lake, &more).await;
    for table in lake.tables() {
        assert_sound(table).await;
    }
    let both = session(&lake).await;
    let old_ones = "event_group = 'other' and mentioned_key_arns is null";
    assert_ne!(count(&both, old_ones).await, "0");
    assert_eq!(count(&both, &format!("{old_ones} and event_id like 'again-%'")).await, "0");
    let mentions = "select key_arn, resource, count(*) from key_mentions where event_id";
    let again = rows(&both, &format!("{mentions} like 'again-%' group by all order by 1, 2")).await;
    assert_eq!(rows(&both, &format!("{mentions} not like 'again-%' group by all order by 1, 2")).await, again);
    assert_ne!(again.len(), 0);
}

#[tokio::test]
async fn r36_a_lake_of_format_2_answers_as_one_of_today() {
    let folder = unpacked("format_2.tar.gz");
    let records = folder.path().join("records.ndjson");
    let today = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.unwrap();
    fixture::convert_records(&today, &records).await;
    let old = session(&open(folder.path()).await).await;
    assert_same_answers(&old, &session(&today).await).await;

    let location = Location::local(&folder.path().join("lake")).unwrap();
    let lake = Lake::create_or_open(&location, &StorageOptions::default(), lake_spec()).await.unwrap();
    let digest = folder.path().join("digest.json");
    let text = r#"{"digestStartTime":"2024-03-01T00:00:00Z","digestEndTime":"2024-03-01T01:00:00Z","digestS3Bucket":"b","digestS3Object":"d","digestPublicKeyFingerprint":"f","previousDigestSignature":null,"logFiles":[]}"#;
    fs_err::write(&digest, text).unwrap();
    fixture::convert_file(&lake, &digest).await;
    let of_digests = "select count(*) - count(digest_start_time), count(digest_start_time) from log_files";
    assert_eq!(rows(&session(&lake).await, of_digests).await, [["1", "1"].map(|count| Some(count.to_owned()))]);
    for table in lake.tables() {
        assert_sound(table).await;
    }
}
