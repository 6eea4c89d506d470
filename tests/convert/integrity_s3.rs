//! Digest files on S3, where each object carries its own signature.

use keytrail_convert::Source;
use keytrail_convert::integrity::{LocationCheck, VerifyOptions, VerifySummary, verify};
use keytrail_convert::source::DeliveryRange;
use keytrail_lake::{Location, StaticCredentials, StorageOptions};
use keytrail_testkit::digests::{DigestChain, KeyForm, TestKey, public_keys};
use keytrail_testkit::s3::S3Server;

use crate::integrity::{Told, four_hours};

/// A server with a chain's objects, and the signatures beside them.
fn serve(chain: &DigestChain, bucket: &str) -> S3Server {
    let server = S3Server::start(bucket);
    for object in chain.objects.iter().filter(|object| object.bucket == "trail-logs") {
        server.put(&object.key, object.bytes.clone());
        if let Some(signature) = &object.signature {
            server.set_metadata(&object.key, "signature", signature);
        }
    }
    server
}

async fn run(server: &S3Server, change: impl FnOnce(&mut VerifyOptions)) -> (Vec<String>, VerifySummary) {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys.json");
    fs_err::write(&keys, public_keys(&[TestKey::First], KeyForm::Pkcs1)).expect("written");
    let storage = StorageOptions {
        credentials: Some(StaticCredentials {
            access_key_id: server.access_key().to_owned(),
            secret_access_key: server.secret_key().to_owned(),
            session_token: None,
        }),
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(server.endpoint()),
        ..StorageOptions::default()
    };
    let place = Location::parse(&format!("s3://{}", server.bucket())).expect("a location");
    let mut options = VerifyOptions {
        sources: vec![Source::Place(place)],
        storage,
        public_keys: vec![keys],
        signatures: Vec::new(),
        range: DeliveryRange::default(),
        account_id: None,
        location: LocationCheck::Delivered,
    };
    change(&mut options);
    let mut told = Told::default();
    let summary = verify(&options, &mut told).await.expect("verified");
    (told.0, summary)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_signatures_lie_with_the_objects() {
    let chain = four_hours();
    let server = serve(&chain, "trail-logs");
    let (told, summary) = run(&server, |_| {}).await;
    assert_eq!((told.len(), summary.digests.signed, summary.log_files.valid), (0, 4, 4), "{told:?}");
    assert!(summary.is_complete());

    // A bucket that is no source.
    let mut moved = chain.clone();
    moved.bucket = "new-trail-logs".to_owned();
    moved.deliver(&[]);
    moved.objects.retain(|object| object.bucket == "new-trail-logs");
    moved.objects.iter_mut().for_each(|object| object.bucket = "trail-logs".to_owned());
    let (told, summary) = run(&serve(&moved, "new-trail-logs"), |_| {}).await;
    assert_eq!(told, ["digest 04:00: not found"]);
    assert_eq!(summary.not_found_in.into_iter().collect::<Vec<_>>(), ["trail-logs"]);

    // A missing digest file costs the one before it nothing: it has its own signature.
    let second = &chain.objects[chain.digests()[1]];
    server.bucket_door().delete(&second.key);
    let (told, _) = run(&server, |_| {}).await;
    assert_eq!(told, ["digest 02:00: not found", "log 01:05: not vouched for"]);

    // A signature of something else.
    server.put(&second.key, second.bytes.clone());
    server.set_metadata(&second.key, "signature", &TestKey::First.sign("something else"));
    let (told, _) = run(&server, |_| {}).await;
    assert_eq!(told, ["digest 02:00: INVALID: signature verification failed", "log 01:05: not vouched for"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_another_bucket_is_another_place() {
    let chain = four_hours();
    let server = serve(&chain, "replica");
    let (told, summary) = run(&server, |_| {}).await;
    assert_eq!((told.len(), summary.digests.invalid), (8, 4), "{told:?}");
    let (told, summary) = run(&server, |options| options.location = LocationCheck::Anywhere).await;
    assert_eq!((told.len(), summary.digests.signed, summary.log_files.valid), (0, 4, 4), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_60_a_backfill_names_log_files_of_other_days() {
    let chain = four_hours();
    let mut backfill = chain.backfill();
    // The digest file is of a later time than what it names.
    let log_file = chain.objects[0].clone();
    backfill.now = "2026-03-20T02:00:00Z".parse().expect("a time");
    backfill.deliver_late(&log_file, r#"{"Records":[1]}"#);
    let server = serve(&backfill, "trail-logs");
    server.put(&log_file.key, log_file.bytes.clone());
    let since = Some("2026-03-20T00:00:00Z".parse().expect("a time"));
    let (told, summary) = run(&server, |options| options.range.since = since).await;
    assert_eq!((told.len(), summary.backfill.signed, summary.log_files.valid), (0, 1, 1), "{told:?}");
    assert_eq!(summary.backfill.late, 1);
    server.bucket_door().delete(&log_file.key);
    let (told, _) = run(&server, |options| options.range.since = since).await;
    assert_eq!(told, ["log 00:05: not found"]);
}
