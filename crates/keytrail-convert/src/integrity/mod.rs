//! Log files against the digest files that AWS delivers beside them: what `aws cloudtrail validate-logs` does, for copies on disk too.
//!
//! ```text
//! sources ─▶ places: digest files by chain, log files by name
//!              chain by chain:  load ─▶ walk (signature, hash, location, links) ─▶ log files named ─▶ content ─▶ tally
//!              at the end:      log files that no digest file names
//! ```
//! A folder that `aws s3 sync` made has no signatures, as S3 keeps them beside the objects; but each digest file carries the signature
//! and the hash of the one before it. So all but the newest of a chain can be verified with the public keys alone. Files are read one at
//! a time, a few ahead; nothing is written.

mod content;
mod digest;
mod documents;
mod keys;
mod places;
mod report;
mod signatures;
mod tally;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use keytrail_lake::StorageOptions;
use rustc_hash::FxHashMap;

use crate::error::ConvertError;
use crate::source::{self, DeliveryRange, LogFile, Source};
use digest::{Digest, NamedLogFile, ObjectName};
use places::{FileNumber, Found, Places};
use tally::Tally;
use walk::{Judge, Loaded, Step, Walk};

pub use digest::{ChainId, DigestEntry};
pub use report::{
    DigestCounts, Fault, Gap, Lack, Level, LogFileCounts, MissingKey, ObjectKind, ObjectResult, State, Unobserved,
    VerifyObserver, VerifySummary,
};

/// Files that are read at once.
const AHEAD: usize = 16;
/// What is looked at around the period that was asked for: the next digest file tells of the last one inside, and a digest file of the
/// period names log files delivered before it.
const MARGIN: TimeDelta = TimeDelta::days(1);
/// The member of an object's metadata that holds a digest file's signature.
const SIGNATURE: &str = "signature";

/// What a verification is asked for.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Where digest files and log files are.
    pub sources: Vec<Source>,
    /// How to reach S3 sources.
    pub storage: StorageOptions,
    /// Outputs of `aws cloudtrail list-public-keys`: files, or folders of `.json` files.
    pub public_keys: Vec<PathBuf>,
    /// Outputs of `aws s3api head-object` for digest files: files, or folders of `.json` files.
    pub signatures: Vec<PathBuf>,
    /// Takes digest files that end at its beginning or later, and of what was delivered before its end.
    pub range: DeliveryRange,
    /// Takes this account only.
    pub account_id: Option<String>,
    /// Whether files must lie where they were delivered.
    pub location: LocationCheck,
}

/// Whether files must lie where they were delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LocationCheck {
    /// On S3 under the very bucket and key, on disk under a path that ends like the key from `AWSLogs` on.
    #[default]
    Delivered,
    /// Anywhere.
    Anywhere,
}

/// Verifies; tells `observer` about each object.
///
/// # Errors
/// A source cannot be listed, or a file of keys or signatures cannot be taken. A digest file or log file that cannot be read is no
/// error: it is part of the result.
pub async fn verify<O: VerifyObserver>(
    options: &VerifyOptions,
    observer: &mut O,
) -> Result<VerifySummary, ConvertError> {
    let judge = Arc::new(Judge::new(options)?);
    let places = Arc::new(Places::sort_out(list(options).await?).await?);
    observer.planned(places.files().len() as u64, places.files().iter().map(|file| file.size_bytes).sum());
    let shared = Arc::new(Shared { buckets: buckets(&places), places, judge });
    let mut tally = Tally::new(&shared.places, options, observer);
    let is_wanted =
        |chain: &ChainId| options.account_id.as_ref().is_none_or(|account_id| *account_id == chain.account_id);
    for (chain, digests) in shared.places.chains().iter().filter(|(chain, _)| is_wanted(chain)) {
        let near: Vec<_> = digests.iter().copied().filter(|(time, _)| is_near(*time, options)).collect();
        if !near.is_empty() {
            walk_chain(chain, near, &shared, &mut tally).await;
        }
    }
    Ok(tally.finish())
}

/// What the reading of all chains shares.
struct Shared {
    places: Arc<Places>,
    judge: Arc<Judge>,
    /// An object of each bucket among the sources.
    buckets: FxHashMap<String, Arc<LogFile>>,
}

/// Folders are walked as a whole; of S3 only the date folders around the period are listed.
async fn list(options: &VerifyOptions) -> Result<Vec<LogFile>, ConvertError> {
    let mut files = Vec::new();
    for source in &options.sources {
        let is_far = matches!(source, Source::Place(location) if location.is_s3());
        let near = DeliveryRange {
            since: options.range.since.map(|since| since - MARGIN),
            until: options.range.until.map(|until| until + MARGIN),
        };
        let range = if is_far { near } else { DeliveryRange::default() };
        files.extend(source::list(std::slice::from_ref(source), &range, &options.storage).await?.log_files);
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files.dedup_by(|left, right| left.path == right.path);
    Ok(files)
}

fn is_near(time: DateTime<Utc>, options: &VerifyOptions) -> bool {
    let DeliveryRange { since, until } = options.range;
    since.is_none_or(|since| time >= since - MARGIN) && until.is_none_or(|until| time <= until + MARGIN)
}

fn buckets(places: &Places) -> FxHashMap<String, Arc<LogFile>> {
    let mut buckets = FxHashMap::default();
    for file in places.files() {
        let bucket = file.path.strip_prefix("s3://").and_then(|path| path.split_once('/')).map(|(bucket, _)| bucket);
        if let Some(bucket) = bucket.filter(|bucket| !buckets.contains_key(*bucket)) {
            buckets.insert(bucket.to_owned(), Arc::clone(file));
        }
    }
    buckets
}

async fn walk_chain<O: VerifyObserver>(
    chain: &ChainId,
    digests: Vec<(DateTime<Utc>, FileNumber)>,
    shared: &Arc<Shared>,
    tally: &mut Tally<'_, O>,
) {
    let mut walk = Walk::new(chain.clone(), Arc::clone(&shared.places), Arc::clone(&shared.judge));
    let loads = digests.into_iter().map(|(time, number)| load(Arc::clone(&shared.places), number, time));
    let steps =
        futures::stream::iter(loads).buffered(AHEAD).flat_map(|loaded| futures::stream::iter(walk.step(loaded)));
    let mut outcomes = steps.map(|step| follow(Arc::clone(shared), step)).buffered(AHEAD);
    while let Some(outcome) = outcomes.next().await {
        tally.take(chain, outcome);
    }
    drop(outcomes);
    for step in walk.finish() {
        tally.take(chain, follow(Arc::clone(shared), step).await);
    }
    tally.end_chain(chain);
}

async fn load(places: Arc<Places>, number: FileNumber, time: DateTime<Utc>) -> Loaded {
    let file = places.file(number);
    let loaded = |content, signature, size_bytes| Loaded { number, size_bytes, time, content, signature };
    match read(file).await {
        Ok(Some((bytes, signature))) => {
            let size_bytes = bytes.len() as u64;
            let content = blocking(move || Digest::decode(&bytes)).await;
            loaded(content.map_err(|error| error.to_string()), signature, size_bytes)
        }
        Ok(None) => loaded(Err("it went away while it was read".to_owned()), None, 0),
        Err(reason) => loaded(Err(reason), None, 0),
    }
}

/// What a step came to: log files are read here.
enum Outcome {
    Step(Step),
    LogFile(ObjectResult, Option<FileNumber>),
}

async fn follow(shared: Arc<Shared>, step: Step) -> Outcome {
    let Step::LogFile(named, level) = step else { return Outcome::Step(step) };
    let name = named.name.to_string();
    let mut result =
        ObjectResult { kind: ObjectKind::LogFile, name, path: None, size_bytes: 0, state: State::NotFound };
    let mut number = None;
    for (file, its_number, is_moved) in candidates(&shared, &named) {
        (result.state, result.size_bytes) = judge_log_file(&file, &named, is_moved, level, shared.judge.location).await;
        if result.state != State::NotFound {
            result.path = Some(file.path.clone()).filter(|path| *path != result.name);
            number = its_number;
            break;
        }
    }
    Outcome::LogFile(result, number)
}

/// Where a log file may be, the best place first, and whether that is not its own.
fn candidates(shared: &Shared, named: &NamedLogFile) -> Vec<(Arc<LogFile>, Option<FileNumber>, bool)> {
    let listed = |number, is_moved| (Arc::clone(shared.places.file(number)), Some(number), is_moved);
    let unlisted = || unlisted(shared, &named.name).map(|file| (Arc::new(file), None, false));
    match shared.places.find(&named.name, &named.hash) {
        Found::InPlace(number) => vec![listed(number, false)],
        Found::Elsewhere(number) => unlisted().into_iter().chain([listed(number, true)]).collect(),
        Found::Nowhere => unlisted().into_iter().collect(),
    }
}

/// A log file of a bucket among the sources, which was delivered outside of the dates that were listed.
fn unlisted(shared: &Shared, name: &ObjectName) -> Option<LogFile> {
    let is_bounded = !shared.judge.range.is_unbounded();
    shared.buckets.get(&name.bucket).filter(|_| is_bounded)?.object_at(&name.key)
}

async fn judge_log_file(
    file: &Arc<LogFile>,
    named: &NamedLogFile,
    is_moved: bool,
    level: Level,
    location: LocationCheck,
) -> (State, u64) {
    let bytes = match read(file).await {
        Ok(Some((bytes, _))) => bytes,
        Ok(None) => return (State::NotFound, 0),
        Err(reason) => return (State::Unread(reason), 0),
    };
    let (size_bytes, hash) = (bytes.len() as u64, named.hash.clone());
    let state = match blocking(move || content::check(&bytes, &hash)).await {
        Ok(Ok(())) if is_moved && location == LocationCheck::Delivered => State::Invalid(Fault::Moved),
        Ok(Ok(())) => State::Held { level, lack: None },
        Ok(Err(fault)) => State::Invalid(fault),
        Err(error) => State::Unread(error.to_string()),
    };
    (state, size_bytes)
}

/// A file's bytes and its signature on S3; `None` when it is not there.
async fn read(file: &Arc<LogFile>) -> Result<Option<(Bytes, Option<String>)>, String> {
    if !file.is_near() {
        return file.fetch_with_metadata(SIGNATURE).await.map_err(|unread| unread.to_string());
    }
    let file = Arc::clone(file);
    let read = blocking(move || file.read_now()).await.map_err(|error| error.to_string())?;
    read.map(|bytes| Some((bytes, None))).map_err(|unread| unread.to_string())
}

/// Runs work that computes or waits for a disk on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ConvertError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ConvertError::Internal(error.to_string()))
}
