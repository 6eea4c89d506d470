//! The server as `object_store`'s S3 client sees it, which is the client that keytrail uses.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::{FuturesUnordered, StreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
};

use super::{Fault, Operation, S3Server};

fn client(server: &S3Server) -> AmazonS3 {
    client_with_secret(server, server.secret_key())
}

fn client_with_secret(server: &S3Server, secret: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_bucket_name(server.bucket())
        .with_region("eu-central-1")
        .with_access_key_id(server.access_key())
        .with_secret_access_key(secret)
        .with_allow_http(true)
        .build()
        .expect("a client")
}

async fn keys(store: &AmazonS3, prefix: &str) -> Vec<String> {
    let prefix = Path::from(prefix);
    let mut found: Vec<String> =
        store.list(Some(&prefix)).map_ok(|object| object.location.to_string()).try_collect().await.expect("a listing");
    found.sort_unstable();
    found
}

async fn get_range(store: &AmazonS3, key: &str, range: GetRange) -> Result<String, Error> {
    let options = GetOptions { range: Some(range), ..GetOptions::default() };
    let bytes = store.get_opts(&Path::from(key), options).await?.bytes().await?;
    Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_of_one_key_one_wins() {
    let server = S3Server::start("bucket");
    let store = Arc::new(client(&server));
    let mut attempts = tokio::task::JoinSet::new();
    for key in 0..20 {
        for writer in 0..8 {
            let store = Arc::clone(&store);
            attempts.spawn(async move {
                let path = Path::from(format!("race/{key}"));
                let put = store.put_opts(&path, format!("{writer}").into(), PutMode::Create.into()).await;
                (key, writer, put)
            });
        }
    }
    let mut winners = vec![Vec::new(); 20];
    while let Some(attempt) = attempts.join_next().await {
        match attempt.expect("a writer") {
            (key, writer, Ok(_)) => winners[key].push(writer),
            (_, _, Err(Error::AlreadyExists { .. })) => {}
            (key, writer, Err(error)) => panic!("{key} by {writer}: {error}"),
        }
    }
    for (key, winners) in winners.iter().enumerate() {
        assert_eq!(winners.len(), 1, "key {key}: {winners:?}");
        let content = server.get(&format!("race/{key}")).expect("the object");
        assert_eq!(content, winners[0].to_string(), "key {key}");
    }
}

#[tokio::test]
async fn listings_come_in_pages_and_miss_nothing() {
    let server = S3Server::start("bucket");
    let expected: Vec<String> = (0..2_345).map(|number| format!("logs/{number:05}")).collect();
    expected.iter().for_each(|key| server.put(key, "x"));
    server.put("other", "x");
    let store = client(&server);
    assert_eq!(keys(&store, "logs").await, expected);
    assert_eq!(server.count(Operation::List), 3);

    server.forget_calls();
    let offset = Path::from("logs/02000");
    let later: Vec<_> = store.list_with_offset(Some(&"logs".into()), &offset).try_collect().await.expect("a listing");
    assert_eq!(later.len(), 344);
    assert_eq!(server.count(Operation::List), 1, "the server starts behind the offset");
}

#[tokio::test]
async fn folders_are_listed_once_on_any_page_size() {
    let server = S3Server::start("bucket");
    for key in ["a", "b/1", "b/2", "b/3/4", "b0", "c/1", "c/2", "d/e/f", "z"] {
        server.put(key, "x");
    }
    let store = client(&server);
    for entries in [1, 2, 3, 1_000] {
        server.limit_pages(entries);
        let listed = store.list_with_delimiter(None).await.expect("a listing");
        let folders: Vec<&str> = listed.common_prefixes.iter().map(Path::as_ref).collect();
        let objects: Vec<&str> = listed.objects.iter().map(|object| object.location.as_ref()).collect();
        assert_eq!((folders, objects), (vec!["b", "c", "d"], vec!["a", "b0", "z"]), "pages of {entries}");
        let below = store.list_with_delimiter(Some(&"b".into())).await.expect("a listing");
        assert_eq!((below.common_prefixes.len(), below.objects.len()), (1, 2), "pages of {entries}");
    }
}

#[tokio::test]
async fn ranges_are_exact() {
    let server = S3Server::start("bucket");
    server.put("digits", "0123456789");
    let store = client(&server);
    for (range, expected) in [
        (GetRange::Bounded(0..1), "0"),
        (GetRange::Bounded(3..7), "3456"),
        (GetRange::Bounded(8..100), "89"),
        (GetRange::Offset(9), "9"),
        (GetRange::Suffix(3), "789"),
    ] {
        assert_eq!(get_range(&store, "digits", range.clone()).await.expect("a range"), expected, "{range}");
    }
    assert!(get_range(&store, "digits", GetRange::Offset(10)).await.is_err());
    assert!(matches!(get_range(&store, "nothing", GetRange::Suffix(1)).await, Err(Error::NotFound { .. })));
    let head = store.head(&"digits".into()).await.expect("a head");
    assert_eq!(head.size, 10);
    let listed: Vec<_> = store.list(None).try_collect().await.expect("a listing");
    assert_eq!((&listed[0].e_tag, listed[0].size), (&head.e_tag, 10));
}

#[tokio::test]
async fn conditions_compare_e_tags() {
    let server = S3Server::start("bucket");
    let (store, path) = (client(&server), Path::from("object"));
    let first = store.put(&path, "first".into()).await.expect("an object");
    let second = store.put(&path, "second".into()).await.expect("an object");
    let get =
        |e_tag: &Option<String>| store.get_opts(&path, GetOptions { if_match: e_tag.clone(), ..GetOptions::default() });
    assert!(matches!(get(&first.e_tag).await, Err(Error::Precondition { .. })));
    assert!(get(&second.e_tag).await.is_ok());
    let update = |put: object_store::PutResult| PutMode::Update(UpdateVersion { e_tag: put.e_tag, version: None });
    let stale = store.put_opts(&path, "third".into(), update(first).into()).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
    store.put_opts(&path, "third".into(), update(second).into()).await.expect("an update");
    assert_eq!(server.get("object").expect("the object"), "third");
}

#[tokio::test]
async fn uploads_in_parts_appear_whole_or_not_at_all() {
    let server = S3Server::start("bucket");
    let (store, path) = (client(&server), Path::from("big"));
    let part = |letter: u8| PutPayload::from(vec![letter; 5 << 20]);
    let mut upload = store.put_multipart(&path).await.expect("an upload");
    let parts: FuturesUnordered<_> = (b'a'..=b'c').map(|letter| upload.put_part(part(letter))).collect();
    parts.try_collect::<Vec<()>>().await.expect("the parts");
    assert_eq!(server.list(""), Vec::<String>::new());
    upload.complete().await.expect("the object");
    let whole = server.get("big").expect("the object");
    assert_eq!((whole.len(), whole[0], whole[5 << 20], whole[(15 << 20) - 1]), (15 << 20, b'a', b'b', b'c'));

    let mut upload = store.put_multipart(&Path::from("aborted")).await.expect("an upload");
    upload.put_part(part(b'x')).await.expect("a part");
    upload.abort().await.expect("an abort");
    assert_eq!(server.list(""), ["big"]);
}

#[tokio::test]
async fn objects_are_copied_and_deleted() {
    let server = S3Server::start("bucket");
    let store = client(&server);
    for key in ["one", "two", "three and ü"] {
        let path = Path::parse(key).expect("a key");
        store.put(&path, key.to_owned().into()).await.expect("an object");
    }
    store.copy(&Path::parse("three and ü").expect("a key"), &"four".into()).await.expect("a copy");
    assert_eq!(server.get("four").expect("the copy"), "three and ü");
    store.delete(&"four".into()).await.expect("a delete");
    let doomed = futures::stream::iter(["one", "two"]).map(|key| Ok(Path::from(key))).boxed();
    store.delete_stream(doomed).try_collect::<Vec<_>>().await.expect("a delete of two");
    assert_eq!(server.list(""), ["three and ü"]);
    assert_eq!(server.count(Operation::Delete), 2);
}

#[tokio::test]
async fn a_wrong_secret_or_bucket_is_refused() {
    let server = S3Server::start("bucket");
    server.put("object", "x");
    let error = client_with_secret(&server, "wrong").get(&"object".into()).await.expect_err("a wrong signature");
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let server = S3Server::start("bucket");
    let store = client(&server);
    let to = &store;
    let create = |key: &'static str| async move {
        to.put_opts(&Path::from(key), "x".into(), PutMode::Create.into()).await.map(|_| ())
    };

    server.inject(|call| if call.earlier == 0 { Fault::Refuse(503) } else { Fault::None });
    create("refused once").await.expect("the client tries again");
    server.forget_calls();
    server.inject(|call| if call.earlier == 0 { Fault::LoseReply(500) } else { Fault::None });
    let lost = create("lost").await;
    assert!(matches!(lost, Err(Error::AlreadyExists { .. })), "it meets its own first attempt: {lost:?}");
    server.forget_calls();
    server.inject(|call| if call.earlier == 0 { Fault::Conflict } else { Fault::None });
    let conflict = create("conflict").await;
    assert!(matches!(conflict, Err(Error::AlreadyExists { .. })), "the client takes it for an object: {conflict:?}");
    assert_eq!(server.get("conflict"), None);
    server.inject(|_| Fault::IgnoreConditions);
    create("lost").await.expect("the condition is ignored");
    server.inject(|_| Fault::Refuse(403));
    create("forbidden").await.expect_err("a refusal");
    server.heal();
    assert_eq!(server.list(""), ["lost", "refused once"]);
    create("lost").await.expect_err("the condition counts again");
}

#[tokio::test]
async fn a_cut_body_is_never_taken_for_the_whole() {
    let server = S3Server::start("bucket");
    server.put("object", "0123456789");
    server.inject(|call| if call.earlier == 0 { Fault::CutBody(4) } else { Fault::None });
    let bytes = client(&server).get(&"object".into()).await.expect("a reply").bytes().await.expect("the rest");
    assert_eq!(bytes, "0123456789");
    assert_eq!(server.count(Operation::Get), 2, "the client asks for the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_connection_gives_no_answer() {
    for (fault, is_applied) in [(Fault::Reset, false), (Fault::ResetAfter, true)] {
        let server = S3Server::start("bucket");
        server.inject(move |call| if call.earlier == 0 { fault } else { Fault::None });
        let store = client(&server);
        let put = store.put_opts(&Path::from("object"), "x".into(), PutMode::Create.into()).await;
        let text = format!("{put:?}");
        let is_told = matches!(put, Ok(_) | Err(Error::AlreadyExists { .. } | Error::Generic { .. }));
        assert!(is_told, "{text}");
        assert!(!is_applied || server.get("object").is_some(), "{fault:?}: {text}");
        server.forget_calls();
        server.put("object", "0123456789");
        let bytes = store.get(&"object".into()).await.expect("the client tries again").bytes().await;
        assert_eq!(bytes.expect("the object"), "0123456789");
        assert_eq!(server.count(Operation::Get), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dripping_body_arrives_whole_and_an_expired_token_is_told() {
    let server = S3Server::start("bucket");
    server.put("object", "0123456789");
    let store = client(&server);
    server.inject(|_| Fault::Drip(3, Duration::from_millis(1)));
    let bytes = store.get(&"object".into()).await.expect("a reply").bytes().await.expect("the rest");
    assert_eq!((bytes.as_ref(), server.count(Operation::Get)), (&b"0123456789"[..], 1));
    server.inject(|_| Fault::ExpireToken);
    let error = store.get(&"object".into()).await.expect_err("expired credentials");
    assert!(format!("{error:?}").contains("ExpiredToken"), "{error:?}");
    assert_eq!(server.count(Operation::Get), 2, "asking again does not help");
}

#[tokio::test]
async fn a_hook_can_change_the_bucket() {
    let server = S3Server::start("bucket");
    server.put("object", "first");
    let door = server.bucket_door();
    server.inject(move |call| {
        door.put(&call.key, "second");
        Fault::None
    });
    let bytes = client(&server).get(&"object".into()).await.expect("a reply").bytes().await.expect("the object");
    assert_eq!(bytes, "second");
}

#[test]
fn tests_without_a_runtime_can_use_it() {
    let server = S3Server::start("bucket");
    server.put("object", "x");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bytes = runtime.block_on(async { client(&server).get(&"object".into()).await?.bytes().await });
    assert_eq!(bytes.expect("the object"), "x");
}
