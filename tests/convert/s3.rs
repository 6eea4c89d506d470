//! Sources and lakes on S3: the same rows as on disk, no row twice whatever the server does, and only the days asked for.
//!
//! The server runs in this process. With `KEYTRAIL_TEST_S3_ENDPOINT`, `KEYTRAIL_TEST_S3_BUCKET` and keys in AWS's variables, the
//! tests that need no faults use that server instead, each below a prefix of its own; `tests/ceph_rgw` sets them.
//!
//! The runtimes have several threads, as the command's has: on a single one the log library reads on runtimes of its own that end
//! while their connections are still in the client's pool.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use chrono::DateTime;
use futures::TryStreamExt;
use keytrail_convert::{
    ConvertError, ConvertInput, ConvertOptions, ConvertSummary, EVENTS, LOG_FILES, NoProgress, Source, StopSignal,
    check_accounting, convert, lake_spec,
};
use keytrail_events::RecordTexts;
use keytrail_lake::{Lake, LakeError, Location, RequestCounts, StaticCredentials, StorageOptions, open_storage};
use keytrail_testkit::s3::{Fault, Operation, S3Call, S3Server};
use keytrail_testkit::trail::{GeneratedFile, TrailConfig, TrailSummary, generate, generate_files, summarize};
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::TestLake;

/// A few thousand events in some 150 files, over ten days.
pub(crate) fn config() -> TrailConfig {
    TrailConfig { days: 10, events_per_file_mean: 20, ..TrailConfig::with_events(3_000, 7) }
}

/// A bucket somewhere, and a place in it for one test.
pub(crate) struct Bucket {
    pub(crate) options: StorageOptions,
    url: String,
    server: Option<S3Server>,
    runs: AtomicU32,
}

impl Bucket {
    /// The server that the environment names, or one in this process.
    fn any(test: &str) -> Self {
        Self::external(test).unwrap_or_else(|| Self::in_process(test))
    }

    fn external(test: &str) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (endpoint, bucket) = (variable("KEYTRAIL_TEST_S3_ENDPOINT")?, variable("KEYTRAIL_TEST_S3_BUCKET")?);
        let options = StorageOptions { endpoint_url: Some(endpoint), allow_http: true, ..StorageOptions::default() };
        let unique = tempfile::Builder::new().prefix("").tempdir().expect("folder");
        let name = unique.path().file_name().expect("a name").to_string_lossy().into_owned();
        let url = format!("s3://{bucket}/{test}-{}-{name}", std::process::id());
        Some(Self { options, url, server: None, runs: AtomicU32::new(0) })
    }

    pub(crate) fn in_process(test: &str) -> Self {
        let server = S3Server::start("keytrail");
        let credentials = StaticCredentials {
            access_key_id: server.access_key().to_owned(),
            secret_access_key: server.secret_key().to_owned(),
            session_token: None,
        };
        let options = StorageOptions {
            credentials: Some(credentials),
            region: Some("eu-central-1".to_owned()),
            endpoint_url: Some(server.endpoint()),
            ..StorageOptions::default()
        };
        Self { options, url: format!("s3://keytrail/{test}"), server: Some(server), runs: AtomicU32::new(0) }
    }

    pub(crate) fn server(&self) -> &S3Server {
        self.server.as_ref().expect("a server in this process")
    }

    pub(crate) fn location(&self, name: &str) -> Location {
        Location::parse(&format!("{}/{name}", self.url)).expect("location")
    }

    /// Puts a trail below `trail`.
    pub(crate) async fn with_trail(self) -> Self {
        let storage = open_storage(&self.location("trail"), &self.options).await.expect("store");
        let files = generate_files(&config()).map(|file| {
            let path = storage.path_of(&file.key).expect("path");
            let store = storage.store();
            Ok(async move { store.put(&path, PutPayload::from(file.bytes)).await.map(|_put| ()) })
        });
        futures::stream::iter(files).try_buffer_unordered(16).try_collect::<()>().await.expect("objects");
        self
    }

    pub(crate) async fn lake(&self) -> Lake {
        self.try_lake().await.expect("lake")
    }

    pub(crate) async fn try_lake(&self) -> Result<Lake, LakeError> {
        Lake::create_or_open(&self.location("lake"), &self.options, lake_spec()).await
    }

    /// Converts into the lake of this bucket.
    pub(crate) async fn convert(&self, source: Location) -> Result<ConvertSummary, ConvertError> {
        self.convert_into(&self.lake().await, source, |_| {}).await
    }

    pub(crate) async fn convert_into(
        &self,
        lake: &Lake,
        source: Location,
        change: impl FnOnce(&mut ConvertOptions),
    ) -> Result<ConvertSummary, ConvertError> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let mut options = ConvertOptions::new(vec![Source::Place(source)], format!("run-{run}"), DateTime::UNIX_EPOCH);
        (options.workers, options.storage) = (2, self.options.clone());
        change(&mut options);
        let summary = convert(lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await?;
        assert!(summary.is_balanced(), "{summary:?}");
        Ok(summary)
    }

    /// The exact text of every record in the lake, sorted.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let lake = self.lake().await;
        let table = lake.table(EVENTS);
        let mut texts = Vec::new();
        for file in table.snapshot().await.expect("snapshot").files() {
            let path = table.storage().path_of(&file.path).expect("path");
            let bytes = table.storage().store().get(&path).await.expect("data file").bytes().await.expect("its bytes");
            for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).expect("parquet").build().expect("reader") {
                let batch = batch.expect("batch");
                let records = RecordTexts::new(&batch).expect("columns");
                for row in 0..batch.num_rows() {
                    let mut text = String::new();
                    assert!(records.push(&mut text, row), "row {row} gives its text back");
                    texts.push(text);
                }
            }
        }
        texts.sort_unstable();
        texts
    }

    /// Every Parquet object of the events, live or not.
    async fn data_objects(&self) -> BTreeSet<String> {
        let storage = open_storage(&self.location("lake/events"), &self.options).await.expect("store");
        let listed = storage.store().list(Some(storage.prefix()));
        let paths: Vec<String> =
            listed.map_ok(|object| object.location.to_string()).try_collect().await.expect("listing");
        paths.into_iter().filter(|path| path.ends_with(".parquet")).collect()
    }

    pub(crate) async fn findings(&self) -> Vec<String> {
        let accounts = check_accounting(&self.lake().await).await.expect("checked");
        accounts.findings.into_iter().chain(accounts.unfinished).collect()
    }
}

/// The trail in a folder and the rows that a lake on disk makes of it: what every other way must give.
pub(crate) struct OnDisk {
    source: tempfile::TempDir,
    pub(crate) facts: TrailSummary,
    pub(crate) texts: Vec<String>,
}

impl OnDisk {
    pub(crate) async fn new() -> Self {
        let source = tempfile::tempdir().expect("folder");
        let facts = generate(&config(), source.path()).expect("trail");
        let lake = TestLake::new();
        lake.convert(source.path()).await;
        let texts = lake.texts().await;
        assert_eq!(texts.len() as u64, facts.distinct_events);
        Self { source, facts, texts }
    }

    fn location(&self) -> Location {
        local(self.source.path())
    }
}

fn local(path: &Path) -> Location {
    Location::local(path).expect("location")
}

/// Converts twice and compares with the rows on disk.
async fn assert_same_rows_twice(bucket: &Bucket, source: Location, expected: &OnDisk) {
    let first = bucket.convert(source.clone()).await.expect("converted");
    assert_eq!((first.records, first.rows), (expected.facts.api_event_records, expected.facts.distinct_events));
    assert!(bucket.texts().await == expected.texts, "the lake on S3 holds other rows than the lake on disk");
    assert_eq!(bucket.findings().await, Vec::<String>::new());
    let files = bucket.data_objects().await;
    let second = bucket.convert(source).await.expect("converted again");
    assert_eq!((second.records, second.rows, second.known_log_files), (0, 0, first.log_files));
    assert_eq!(bucket.data_objects().await, files);
    assert!(bucket.texts().await == expected.texts, "a second run changed the rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_folder_to_s3() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::any("from-a-folder");
    assert_same_rows_twice(&bucket, expected.location(), &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_s3_to_s3() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::any("from-s3-to-s3").with_trail().await;
    assert_same_rows_twice(&bucket, bucket.location("trail"), &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_s3_to_a_folder() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::any("from-s3").with_trail().await;
    let lake = TestLake::new();
    let first = bucket.convert_into(&lake.open().await, bucket.location("trail"), |_| {}).await.expect("converted");
    assert_eq!((first.records, first.rows), (expected.facts.api_event_records, expected.facts.distinct_events));
    assert!(lake.texts().await == expected.texts, "the lake holds other rows than one from a folder");
    let files = lake.data_files().await;
    let second =
        bucket.convert_into(&lake.open().await, bucket.location("trail"), |_| {}).await.expect("converted again");
    assert_eq!((second.records, second.rows, second.known_log_files), (0, 0, first.log_files));
    assert_eq!(lake.data_files().await, files);
}

/// The delivery day in a log file's key: `…/REGION/2026/01/03/NAME`.
fn day_of(key: &str) -> String {
    let parts: Vec<&str> = key.split('/').collect();
    parts[parts.len() - 4..parts.len() - 1].join("-")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_of_dates_lists_its_days_only() {
    let bucket = Bucket::in_process("range").with_trail().await;
    let day_count = generate_files(&config()).map(|file| day_of(&file.key)).collect::<BTreeSet<_>>().len();
    assert!(day_count > 5, "the trail covers more than the range: {day_count} days");
    bucket.server().forget_calls();
    let lake = TestLake::new();
    let summary = bucket
        .convert_into(&lake.open().await, bucket.location("trail"), |options| {
            options.range.since = Some("2026-01-03T00:00:00Z".parse().expect("time"));
            options.range.until = Some("2026-01-05T00:00:00Z".parse().expect("time"));
        })
        .await
        .expect("converted");
    let is_inside = |file: &GeneratedFile| ["2026-01-03", "2026-01-04"].contains(&day_of(&file.key).as_str());
    let inside = generate_files(&config()).filter(is_inside).count() as u64;
    assert!(inside > 0 && summary.log_files == inside, "{inside} files are inside: {summary:?}");

    let calls = bucket.server().calls();
    let listed: Vec<&str> =
        calls.iter().filter(|call| call.operation == Operation::List).map(|call| call.key.as_str()).collect();
    let is_day =
        |prefix: &&&str| prefix.trim_end_matches('/').split('/').rev().take(3).all(|part| part.parse::<u32>().is_ok());
    let days: BTreeSet<&str> =
        listed.iter().filter(is_day).map(|prefix| &prefix.trim_end_matches('/')[prefix.len() - 11..]).collect();
    assert_eq!(days, BTreeSet::from(["2026/01/03", "2026/01/04"]), "{listed:?}");
    let read: BTreeSet<String> =
        calls.iter().filter(|call| call.operation == Operation::Get).map(|call| day_of(&call.key)).collect();
    assert_eq!(read, BTreeSet::from(["2026-01-03", "2026-01-04"].map(String::from)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_requests_are_repeated() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::in_process("failing").with_trail().await;
    bucket.server().forget_calls();
    // Every eleventh request of each kind: the client tries again, which is the next one.
    bucket.server().inject(|call| match call.earlier % 11 {
        3 => Fault::Refuse(503),
        8 => Fault::Refuse(500),
        _ => Fault::None,
    });
    bucket.convert(bucket.location("trail")).await.expect("converted");
    assert!(bucket.server().count(Operation::Get) > 22 && bucket.server().count(Operation::Put) > 3, "faults were met");
    assert!(bucket.texts().await == expected.texts, "faults changed the rows");
    assert_eq!(bucket.findings().await, Vec::<String>::new());
}

/// What the server saw, in the words of the client's counter.
fn seen_by(server: &S3Server, failures: u64) -> RequestCounts {
    let of = |operations: &[Operation]| operations.iter().map(|operation| server.count(*operation) as u64).sum::<u64>();
    RequestCounts {
        lists: of(&[Operation::List]),
        gets: of(&[Operation::Get]),
        heads: of(&[Operation::Head]),
        puts: of(&[Operation::Put, Operation::CreateUpload, Operation::UploadPart, Operation::CompleteUpload]),
        deletes: of(&[Operation::Delete, Operation::AbortUpload]),
        failures,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_as_the_server_sees_them() {
    let bucket = Bucket::in_process("requests").with_trail().await;
    let (refused, seen) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let counted = Arc::clone(&refused);
    bucket.server().inject(move |call| {
        // Delta's reader of the log leaves when it has what it looks for, and hears no answer to the entries that it asked for ahead.
        let may_be_unheard = call.operation == Operation::Get && call.key.contains("/_delta_log/");
        if !may_be_unheard && seen.fetch_add(1, Ordering::SeqCst) % 17 == 5 {
            counted.fetch_add(1, Ordering::SeqCst);
            return Fault::Refuse(503);
        }
        Fault::None
    });
    let converted = bucket.convert(bucket.location("trail")).await.expect("converted");
    let counts = bucket.options.requests.counts();
    let failures = u64::from(refused.load(Ordering::SeqCst));
    let seen_counts = seen_by(bucket.server(), failures);
    // What that reader asked for ahead it may also give up before it was sent.
    assert!((seen_counts.gets..=seen_counts.gets + 2).contains(&counts.gets), "{counts:?} {seen_counts:?}");
    assert_eq!(RequestCounts { gets: seen_counts.gets, ..counts }, seen_counts);
    assert!(failures > 5 && counts.gets >= converted.log_files, "{counts:?}");

    // A second run lists, and reads the log; it gets no log file again, and writes nothing but its test of the server.
    bucket.server().heal();
    bucket.server().forget_calls();
    let again = bucket.convert(bucket.location("trail")).await.expect("converted again");
    assert_eq!(again.known_log_files, converted.log_files);
    let of_trail = |call: &S3Call| call.key.contains("/trail/");
    let calls = bucket.server().calls();
    let count = |operation: Operation, of_trail: &dyn Fn(&S3Call) -> bool| {
        calls.iter().filter(|call| call.operation == operation && of_trail(call)).count()
    };
    assert_eq!(count(Operation::Get, &of_trail), 0, "{calls:?}");
    let pages = usize::try_from(converted.log_files).expect("few files").div_ceil(1000);
    assert_eq!(
        calls.iter().filter(|call| call.operation == Operation::List && call.key.contains("/trail")).count(),
        pages
    );
    assert_eq!(count(Operation::Put, &|call| !call.key.contains("conditional-put-test")), 0, "{calls:?}");
}

/// A log file of several ranges: texts of random letters do not compress.
fn large_log_file() -> Vec<u8> {
    let mut state = 1_u64;
    let mut letters = |count: usize| -> String {
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + u8::try_from((state >> 33) % 26).expect("a letter"))
        };
        (0..count).map(letter).collect()
    };
    let record = |number: usize| {
        format!(
            r#"{{"eventVersion":"1.08","eventID":"{number}","eventTime":"2024-01-01T00:00:00Z","eventSource":"s3.amazonaws.com","eventName":"X","recipientAccountId":"111122223333","userAgent":"{}"}}"#,
            letters(200_000)
        )
    };
    let records: Vec<String> = (0..100).map(record).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(",")).into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_read_in_ranges() {
    let bucket = Bucket::in_process("ranges");
    let file = large_log_file();
    let (key, ranges) = ("ranges/trail/large.json", file.len().div_ceil(8 << 20));
    assert!(ranges > 2, "{} bytes", file.len());
    bucket.server().put(key, file.clone());
    // The third range meets another object in its place: everything is read again, of one version.
    let door = bucket.server().bucket_door();
    let other = String::from_utf8(file).expect("text").replace(r#""eventName":"X""#, r#""eventName":"Y""#);
    let gets = AtomicU32::new(0);
    bucket.server().inject(move |call| {
        if call.operation == Operation::Get && call.key == key && gets.fetch_add(1, Ordering::SeqCst) == 2 {
            door.put(key, other.clone());
        }
        Fault::None
    });
    let summary = bucket.convert(bucket.location("trail")).await.expect("converted");
    assert_eq!((summary.records, summary.rows, summary.changed_log_files), (100, 100, 1), "{summary:?}");
    let of_file = |call: &&S3Call| call.operation == Operation::Get && call.key == key;
    let reads = bucket.server().calls().iter().filter(of_file).count();
    assert!((ranges + 3..=2 * ranges).contains(&reads), "{reads} reads of {ranges} ranges");
    let texts = bucket.texts().await;
    assert!(texts.iter().all(|text| text.contains(r#""eventName":"Y""#)), "rows of two versions");
}

/// Meets every `is_hit`-th creation of a log entry with a fault; small epochs make many commits.
async fn assert_exactly_once_under(test: &str, fault: Fault) {
    let expected = OnDisk::new().await;
    let bucket = Bucket::in_process(test).with_trail().await;
    let lake = bucket.lake().await;
    let hits = Arc::new(AtomicU32::new(0));
    let (seen, counted) = (AtomicU32::new(0), Arc::clone(&hits));
    bucket.server().inject(move |call| {
        let is_commit = call.operation == Operation::Put && call.is_create && call.key.contains("/_delta_log/");
        if is_commit && seen.fetch_add(1, Ordering::SeqCst) % 3 == 0 {
            counted.fetch_add(1, Ordering::SeqCst);
            return fault;
        }
        Fault::None
    });
    let summary = bucket
        .convert_into(&lake, bucket.location("trail"), |options| options.epoch_bytes = 64 << 10)
        .await
        .expect("converted");
    bucket.server().heal();
    assert!(hits.load(Ordering::SeqCst) > 2, "{fault:?} met {hits:?} commits");
    assert_eq!(summary.rows, expected.facts.distinct_events);
    assert!(bucket.texts().await == expected.texts, "{fault:?} changed the rows");
    assert_eq!(bucket.findings().await, Vec::<String>::new());
    let second = bucket.convert(bucket.location("trail")).await.expect("converted again");
    assert_eq!((second.records, second.known_log_files), (0, summary.log_files));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_reply_is_lost_counts_once() {
    assert_exactly_once_under("lost-reply", Fault::LoseReply(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_refused_as_conflicting_is_tried_again() {
    assert_exactly_once_under("conflict", Fault::Conflict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_fetched_is_read_by_the_next_run() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::in_process("half-way").with_trail().await;
    let lake = bucket.lake().await;
    bucket.server().forget_calls();
    bucket.server().inject(|call| {
        match call.operation == Operation::Get && call.key.contains("/trail/") && call.earlier > 60 {
            true => Fault::Refuse(403),
            false => Fault::None,
        }
    });
    let source = bucket.location("trail");
    let unread = match bucket.convert_into(&lake, source.clone(), |options| options.epoch_bytes = 64 << 10).await {
        Ok(summary) => !summary.unread_log_files.is_empty(),
        Err(_) => true,
    };
    assert!(unread, "what could not be read is told");
    bucket.server().heal();
    assert!(bucket.texts().await.len() < expected.texts.len(), "the first run was not complete");
    bucket.convert(source).await.expect("converted");
    assert!(bucket.texts().await == expected.texts, "the second run makes it whole");
    assert_eq!(bucket.findings().await, Vec::<String>::new());
}

/// The status of every log file in the ledger, counted.
async fn statuses(lake: &Lake) -> BTreeMap<String, usize> {
    let table = lake.table(LOG_FILES);
    let mut counts = BTreeMap::new();
    for file in table.snapshot().await.expect("snapshot").files() {
        let batches: Vec<RecordBatch> =
            table.read_columns(file, &["status"]).await.expect("file").try_collect().await.expect("rows");
        for status in batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten()) {
            *counts.entry(status.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_objects_are_in_the_ledger_and_read_after_their_restore() {
    let expected = OnDisk::new().await;
    let bucket = Bucket::in_process("archived").with_trail().await;
    let lake = bucket.lake().await;
    bucket.server().inject(|call| match call.operation == Operation::Get && call.key.contains("/trail/") {
        true if call.key.contains("/2026/01/03/") => Fault::Archived,
        _ => Fault::None,
    });
    let source = bucket.location("trail");
    let first = bucket.convert_into(&lake, source.clone(), |_| {}).await.expect("converted");
    let archived = first.archived_log_files.len();
    assert!(archived > 2 && first.rejected == archived as u64 && first.unread_log_files.is_empty(), "{first:?}");
    let wanted = BTreeMap::from([
        ("archived", archived),
        ("committed", usize::try_from(first.log_files).expect("few") - archived),
    ]);
    let found = statuses(&lake).await;
    assert_eq!(found.iter().map(|(status, count)| (status.as_str(), *count)).collect::<BTreeMap<_, _>>(), wanted);
    assert_eq!(bucket.findings().await, Vec::<String>::new(), "each is a reject, so the accounts add up");

    bucket.server().heal();
    let again = bucket.convert_into(&lake, source.clone(), |_| {}).await.expect("converted again");
    assert_eq!((again.log_files, again.known_log_files), (0, first.log_files), "the ledger has them");
    let restored =
        bucket.convert_into(&lake, source, |options| options.input = ConvertInput::Rejected).await.expect("restored");
    assert_eq!((restored.log_files, restored.rejected), (archived as u64, 0));
    assert!(bucket.texts().await == expected.texts, "the lake is whole");
    assert_eq!(bucket.findings().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ignores_conditions_gets_no_lake() {
    let bucket = Bucket::in_process("ignoring");
    bucket.server().inject(|_| Fault::IgnoreConditions);
    let error = match bucket.try_lake().await {
        Ok(_) => panic!("a lake where commits overwrite each other"),
        Err(error) => error,
    };
    assert!(matches!(error, LakeError::Unsupported { .. }), "{error}");
    assert!(bucket.server().list("ignoring/lake/events").is_empty(), "nothing was committed");
}

#[test]
fn the_trail_is_big_enough() {
    let facts = summarize(&config());
    assert!(facts.log_files > 100 && facts.duplicates > 10, "{facts:?}");
}
