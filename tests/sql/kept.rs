//! Views that are kept: their rows outlast a session, and nothing but the time of an answer depends on that.

use std::path::Path;

use keytrail_query::{KeptRowsOptions, Session, SessionOptions};

use crate::cells::{Cells, rows};
use crate::fixture;

async fn session(folder: &Path, program: &str) -> Session {
    let kept_rows = Some(KeptRowsOptions { folder: folder.to_owned(), program: program.to_owned() });
    Session::over_lake(&fixture::lake().await, &SessionOptions { kept_rows, ..Default::default() }).await.unwrap()
}

/// All rows of every kept view, sorted.
async fn kept_views(session: &Session) -> Vec<(String, Vec<Cells>)> {
    let mut views = Vec::new();
    for view in keytrail_query::view_catalogue().iter().filter(|view| view.is_kept) {
        let mut found = rows(session, &format!("select * from {}", view.name)).await;
        found.sort();
        views.push((view.name.clone(), found));
    }
    views
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let lakes = fs_err::read_dir(folder).unwrap().map(|lake| lake.unwrap().path());
    lakes.flat_map(|lake| fs_err::read_dir(lake).unwrap()).map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn rows_outlast_the_session_and_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lake = fixture::lake().await;
    let options = SessionOptions {
        kept_rows: Some(KeptRowsOptions { folder: folder.path().to_owned(), program: "test".to_owned() }),
        ..Default::default()
    };
    let without = kept_views(&Session::over_lake(&lake, &SessionOptions::default()).await.unwrap()).await;
    let first = kept_views(&Session::over_lake(&lake, &options).await.unwrap()).await;
    assert_eq!(files(folder.path()).len(), first.len(), "each has a file");
    let session = Session::over_lake(&lake, &options).await.unwrap();
    let second = kept_views(&session).await;
    assert_eq!((&without, &first), (&first, &second));
    let plan = rows(&session, "explain format indent select * from kms_keys").await;
    let plan = plan.into_iter().flatten().flatten().collect::<String>();
    assert!(!plan.contains("ParquetExec") && plan.contains("DataSourceExec: partitions=1"), "{plan}");
    // A view is a view wherever its rows come from.
    let kinds = rows(&session, "select table_type from information_schema.tables where table_name = 'kms_keys'").await;
    assert_eq!(kinds, [[Some("VIEW".to_owned())]]);
    for file in files(folder.path()) {
        fs_err::write(file, "damaged").unwrap();
    }
    assert_eq!(kept_views(&Session::over_lake(&lake, &options).await.unwrap()).await, without);
}

#[tokio::test]
async fn rows_of_other_programs_and_other_data_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        |folder: &Path| files(folder).into_iter().map(|file| file.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    kept_views(&session(folder.path(), "one").await).await;
    let mut before = names(folder.path());
    // The fixture's lake is made anew for each session, with data files of other names.
    for program in ["one", "two"] {
        kept_views(&session(folder.path(), program).await).await;
        let after = names(folder.path());
        assert_eq!(after.len(), before.len(), "rows of older data are gone");
        assert!(after.iter().all(|name| !before.contains(name)), "{program}");
        before = after;
    }
}

/// A view of the user's own may ask for the time of day, which nothing of its text or data tells.
#[tokio::test]
async fn a_users_kept_view_lasts_for_the_session_only() {
    let (folder, views) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sql =
        "-- view: mine\n-- summary: s\n-- kept: for the session\nselect now() as asked_time, count(*) as n from events";
    fs_err::write(views.path().join("mine.sql"), sql).unwrap();
    let options = SessionOptions {
        kept_rows: Some(KeptRowsOptions { folder: folder.path().to_owned(), program: "test".to_owned() }),
        views_dir: Some(views.path().to_owned()),
        ..Default::default()
    };
    let session = Session::over_lake(&fixture::lake().await, &options).await.unwrap();
    assert_eq!(rows(&session, "select n from mine").await.len(), 1);
    assert!(fs_err::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written");
}
