//! Commits converge whatever the store answers: replies that are lost, conflicts that are none, errors for good.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::fixtures::*;
use super::upgrades::{earlier_lake, later};
use crate::storage::local::DurableFileSystem;
use crate::*;

/// What happens to the next write of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It is applied, the reply is lost.
    ReplyLost,
    /// It is applied, and the client's own retry finds it there: HTTP 412.
    OwnRetryRefused,
    /// It is not applied, and the answer is HTTP 409, which object_store tells as this.
    ConflictWithoutObject,
    /// It is not applied.
    Failure,
    /// The server does not know conditions, and overwrites.
    ConditionIgnored,
}

/// A store that follows a script at each write of a commit.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    script: Mutex<VecDeque<Fault>>,
    /// Whether every read fails.
    is_unreadable: bool,
}

impl Faulty {
    fn new(inner: Arc<dyn ObjectStore>, script: &[Fault]) -> Self {
        Self { inner, script: Mutex::new(script.iter().copied().collect()), is_unreadable: false }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

fn failure() -> Error {
    Error::Generic { store: "test", source: "connection reset".into() }
}

fn already_exists(location: &Path) -> Error {
    Error::AlreadyExists { path: location.to_string(), source: "conflict".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = match options.mode == PutMode::Create {
            true => self.script.lock().expect("no panic").pop_front().unwrap_or(Fault::None),
            false => Fault::None,
        };
        match fault {
            Fault::None => self.inner.put_opts(location, payload, options).await,
            Fault::ReplyLost => self.inner.put_opts(location, payload, options).await.and(Err(failure())),
            Fault::OwnRetryRefused => {
                self.inner.put_opts(location, payload, options).await.and(Err(already_exists(location)))
            }
            Fault::ConflictWithoutObject => Err(already_exists(location)),
            Fault::Failure => Err(failure()),
            Fault::ConditionIgnored => self.inner.put_opts(location, payload, PutMode::Overwrite.into()).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.is_unreadable {
            true => Err(failure()),
            false => self.inner.get_opts(location, options).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A lake behind a store that follows the script, and the same lake without faults.
async fn faulty_lake(script: &[Fault]) -> (Lake, Lake) {
    let storage = Storage::in_memory();
    let sound = new_lake(&storage).await;
    let faulty = storage.with_store(|inner| Arc::new(Faulty::new(inner, script)));
    (Lake::open_in(faulty, spec()).await.expect("a lake"), sound)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_in_doubt_lands_once() {
    use Fault::{ConflictWithoutObject, Failure, OwnRetryRefused, ReplyLost};
    for (script, is_done) in [
        (&[ReplyLost][..], true),
        (&[OwnRetryRefused], true),
        (&[ConflictWithoutObject], true),
        (&[ConflictWithoutObject, ReplyLost], true),
        (&[Failure], false),
        (&[ConflictWithoutObject, Failure], false),
    ] {
        let storage = Storage::in_memory();
        let rows = earlier_lake(&storage).await;
        let faulty = storage.clone().with_store(|inner| Arc::new(Faulty::new(inner, script)));
        let outcome = Lake::create_or_open_in(faulty, later()).await;
        assert_eq!(outcome.is_ok(), is_done, "{script:?}: {outcome:?}");
        let lake = Lake::open_in(storage.clone(), later()).await.expect("a lake");
        let version = lake.table("events").snapshot().await.expect("a snapshot").version();
        assert_eq!(version, if is_done { 2 } else { 1 }, "{script:?}");
        let lake = Lake::create_or_open_in(storage, later()).await.expect("a lake");
        let table = lake.table("events");
        assert_eq!(table.snapshot().await.expect("a snapshot").version(), 2, "{script:?}");
        assert_eq!(read_sorted(table).await, sorted(rows), "{script:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_in_doubt_lands_once() {
    use Fault::{ConflictWithoutObject, Failure, OwnRetryRefused, ReplyLost};
    for (script, expected) in [
        (&[ReplyLost][..], Some(1)),
        (&[OwnRetryRefused], Some(1)),
        (&[ConflictWithoutObject], Some(1)),
        (&[ConflictWithoutObject, ConflictWithoutObject, ReplyLost], Some(1)),
        (&[ConflictWithoutObject, OwnRetryRefused], Some(1)),
        (&[Failure], None),
        (&[ConflictWithoutObject, Failure], None),
    ] {
        let (faulty, sound) = faulty_lake(script).await;
        let table = faulty.table("events");
        let file = put_rows(table, &partition(KMS, "2024-01"), &rows(1, 10)).await;
        let outcome = table.commit(append("a", 1, vec![file.clone()])).await;
        let committed = outcome.as_ref().ok().copied();
        assert_eq!(committed, expected.map(|version| CommitOutcome::Committed { version }), "{script:?} {outcome:?}");
        if committed.is_none() {
            assert!(matches!(outcome, Err(LakeError::Storage { .. })), "{script:?} {outcome:?}");
        }
        // The caller tries again, as a repeated run does.
        let again = table.commit(append("a", 1, vec![file])).await.expect("a repeated commit");
        let done = CommitOutcome::AlreadyCommitted { version: 1 };
        assert_eq!(
            again,
            if committed.is_some() { done } else { CommitOutcome::Committed { version: 1 } },
            "{script:?}"
        );
        assert_eq!(read_sorted(sound.table("events")).await, sorted(rows(1, 10)), "{script:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_and_another_writer_are_told_apart() {
    let (faulty, sound) = faulty_lake(&[Fault::ConflictWithoutObject, Fault::ReplyLost]).await;
    append_rows(sound.table("events"), &partition(KMS, "2024-01"), &rows(7, 10)).await;
    append_rows(faulty.table("events"), &partition(KMS, "2024-01"), &rows(8, 10)).await;
    let expected = sorted([rows(7, 10), rows(8, 10)].concat());
    assert_eq!(read_sorted(sound.table("events")).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_in_doubt_lands_once() {
    use Fault::{ConflictWithoutObject, Failure, OwnRetryRefused, ReplyLost};
    for script in [&[ReplyLost][..], &[OwnRetryRefused], &[ConflictWithoutObject, ReplyLost], &[Failure]] {
        let (faulty, sound) = faulty_lake(script).await;
        for seed in 0..4 {
            append_rows(sound.table("events"), &partition(KMS, "2024-01"), &rows(seed, 100)).await;
        }
        let compacted = compact(faulty.table("events"), &CompactOptions::default()).await;
        assert_eq!(compacted.is_err(), script.contains(&Failure), "{script:?} {compacted:?}");
        let expected = sorted((0..4).flat_map(|seed| rows(seed, 100)).collect());
        assert_eq!(read_sorted(sound.table("events")).await, expected, "{script:?}");
        let file_count = sound.table("events").snapshot().await.expect("a snapshot").files().len();
        assert_eq!(file_count, if compacted.is_ok() { 1 } else { 4 }, "{script:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_in_doubt_ends_with_a_lake() {
    for script in [[Fault::ReplyLost; 2], [Fault::OwnRetryRefused; 2]] {
        let storage = Storage::in_memory().with_store(|inner| Arc::new(Faulty::new(inner, &script)));
        let lake = Lake::create_or_open_in(storage, spec()).await.expect("a lake");
        append_rows(lake.table("events"), &partition(KMS, "2024-01"), &rows(1, 10)).await;
        assert_eq!(read_sorted(lake.table("events")).await, sorted(rows(1, 10)));
    }
}

/// Everything a run does: it creates or opens the lake, appends once, compacts.
async fn run(storage: &Storage) -> std::result::Result<(), LakeError> {
    let lake = Lake::create_or_open_in(storage.clone(), spec()).await?;
    let table = lake.table("events");
    for seed in 0..3 {
        let rows = table.sort(&partition(KMS, "2024-01"), &[batch(&rows(seed, 20))])?;
        let file = table.put(table.encode(&partition(KMS, "2024-01"), std::iter::once(rows))?).await?;
        table.commit(append(&format!("run-{seed}"), 1, vec![file])).await?;
    }
    compact(table, &CompactOptions::default()).await.map(|_summary| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_full_at_any_step_loses_and_doubles_nothing() {
    let expected = sorted((0..3).flat_map(|seed| rows(seed, 20)).collect());
    for failing in 0.. {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let location = Location::local(&folder.path().join("lake")).expect("a location");
        let sound = open_storage(&location, &StorageOptions::default()).await.expect("a folder");
        let (full, steps) = DurableFileSystem::full_at(failing);
        let first = run(&sound.clone().with_store(|_| Arc::new(full))).await;
        let has_failed = steps.load(std::sync::atomic::Ordering::SeqCst) > failing;
        if let Err(error) = &first {
            assert!(matches!(error, LakeError::Storage { .. }), "{failing}: {error:?}");
        }
        run(&sound).await.expect("a repeated run");
        let lake = Lake::open_in(sound, spec()).await.expect("a lake");
        assert_eq!(read_sorted(lake.table("events")).await, expected, "{failing}");
        let findings = check_files_with(lake.table("events"), CheckDepth::Data).await.expect("a check");
        assert!(findings.iter().all(|finding| finding.kind.is_note()), "{failing}: {findings:?}");
        if !has_failed {
            assert!(failing > 30 && first.is_ok(), "only {failing} steps: {first:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_overwrites_is_refused_before_the_first_write() {
    let location = Location::parse("s3://bucket/lake").expect("a location");
    // Each table that is created asks anew after a refusal.
    let overwriting = [Fault::None, Fault::ConditionIgnored, Fault::None, Fault::ConditionIgnored];
    for (script, is_refused) in [(&[][..], false), (&overwriting, true)] {
        let bucket = Storage::in_memory_at(&location);
        let store = bucket.store();
        let storage = bucket.with_store(|inner| Arc::new(Faulty::new(inner, script)));
        let created = Lake::create_or_open_in(storage, spec()).await;
        assert_eq!(matches!(created, Err(LakeError::Unsupported { .. })), is_refused, "{created:?}");
        let objects: Vec<ObjectMeta> = store.list(None).try_collect().await.expect("a listing");
        assert!(objects.iter().all(|object| object.location.as_ref().starts_with("lake/")), "{objects:?}");
        assert_eq!(objects.len(), if is_refused { 0 } else { 2 }, "{objects:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_reached_or_read_is_told_apart() {
    let (faulty, sound) = faulty_lake(&[]).await;
    let commit = sound.storage().path_of("events/_delta_log/00000000000000000001.json").expect("a path");
    let unreadable =
        sound.storage().clone().with_store(|inner| Arc::new(Faulty { is_unreadable: true, ..Faulty::new(inner, &[]) }));
    let error = Lake::open_in(unreadable, spec()).await.expect_err("a failing store");
    assert!(matches!(error, LakeError::Storage { .. }), "{error:?}");
    for text in ["{", "{\"add\":", "not json", "{\"add\":{\"path\":5}}"] {
        sound.storage().store().put(&commit, text.into()).await.expect("a damaged commit");
        let error = faulty.table("events").snapshot().await.expect_err(text);
        assert!(matches!(error, LakeError::Corrupt { .. }), "{text}: {error:?}");
    }
    sound.storage().store().delete(&commit).await.expect("a healed log");
    let first = sound.storage().path_of("events/_delta_log/00000000000000000000.json").expect("a path");
    append_rows(sound.table("events"), &partition(KMS, "2024-01"), &rows(1, 10)).await;
    sound.storage().store().delete(&first).await.expect("a gap");
    let error = Lake::open_in(sound.storage().clone(), spec()).await.expect_err("a gap");
    assert!(matches!(error, LakeError::Corrupt { .. }), "{error:?}");
}
