//! Where trail logs are: what was asked for, the log files found there, and their bytes.
//!
//! A listing is complete and sorted by delivery day before anything is read, so that neighbours in time are converted together.
//! It decides nothing by a file's name but its delivery date; what a file is, its content tells.

mod local;
mod object;
mod s3;
mod unread;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use keytrail_events::hash::sha256_hex;
use keytrail_events::{FileDecoder, FileOutcome, LogFilePath, RecordSink};
use keytrail_lake::{LakeError, Location, StorageOptions};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::ConvertError;
use crate::ledger::{EntryId, entry_id};

pub use unread::Unread;

/// A place that holds trail logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, a folder or `s3://bucket/prefix`.
    Place(Location),
    /// Bytes that were given, such as standard input read to its end.
    Bytes {
        /// The name in the ledger.
        name: String,
        /// One log file's content.
        content: Bytes,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(location) => location.fmt(formatter),
            Self::Bytes { name, .. } => formatter.write_str(name),
        }
    }
}

/// Which delivery dates to list; both bounds optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryRange {
    /// Delivered at this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Delivered before this moment.
    pub until: Option<DateTime<Utc>>,
}

impl DeliveryRange {
    /// Whether it excludes nothing.
    pub fn is_unbounded(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Whether something delivered on a day from `first` to `last` may be inside.
    pub(crate) fn meets_days(&self, first: NaiveDate, last: NaiveDate) -> bool {
        let begin = first.and_time(NaiveTime::MIN).and_utc();
        let end = last.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1);
        self.since.is_none_or(|since| since < end) && self.until.is_none_or(|until| until > begin)
    }

    /// Whether a log file is inside; one without a date always is.
    pub(crate) fn contains(&self, file: &LogFile) -> bool {
        match (file.delivery_time.and_then(DateTime::from_timestamp_micros), file.delivery_date) {
            (Some(moment), _) => {
                self.since.is_none_or(|since| moment >= since) && self.until.is_none_or(|until| moment < until)
            }
            (None, Some(day)) => self.meets_days(day, day),
            (None, None) => true,
        }
    }
}

/// One delivered object: where it is and what its path tells.
#[derive(Debug, Clone)]
pub struct LogFile {
    /// Absolute path, `s3://bucket/key` or the name of given bytes; the ledger's key.
    pub path: String,
    /// What changes when the object does: an ETag, or size and modification time; the ledger's key together with the path.
    pub version: String,
    /// Size as delivered.
    pub size_bytes: u64,
    /// Microseconds since the epoch, UTC.
    pub last_modified: Option<i64>,
    /// Day of delivery by the path, UTC.
    pub delivery_date: Option<NaiveDate>,
    /// Moment of delivery by the file's name, microseconds since the epoch, UTC.
    pub delivery_time: Option<i64>,
    history: History,
    content: Content,
    origin: Origin,
}

/// How a log file came to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It lies in a folder or below a prefix.
    Found,
    /// The user named this very file, or gave its bytes: it is read whatever its name, and text in it is no README.
    Named,
}

/// What is known about the object's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    /// Nothing.
    Fresh,
    /// The ledger has another version of it.
    ReadBefore,
    /// It changed between listing and reading.
    Replaced,
}

#[derive(Debug, Clone)]
enum Content {
    Local(PathBuf),
    Object(Arc<dyn ObjectStore>, object_store::path::Path),
    Given(Bytes),
}

impl LogFile {
    fn new(path: String, version: String, size_bytes: u64, last_modified: Option<i64>, content: Content) -> Self {
        let told = LogFilePath::parse(&path);
        let (delivery_date, delivery_time) = (told.delivery_date, told.delivery_time);
        let (history, origin) = (History::Fresh, Origin::Found);
        Self { path, version, size_bytes, last_modified, delivery_date, delivery_time, history, content, origin }
    }

    fn named(self) -> Self {
        Self { origin: Origin::Named, ..self }
    }

    /// The same file as if it had been named where it was found, and found where it was named.
    pub(crate) fn listed_otherwise(&self) -> Self {
        let origin = if self.origin == Origin::Named { Origin::Found } else { Origin::Named };
        Self { origin, ..self.clone() }
    }

    /// A log file of which only the lake tells.
    pub(crate) fn not_there(path: String, version: String) -> Self {
        Self::new(path, version, 0, None, Content::Given(Bytes::new()))
    }

    #[cfg(test)]
    pub(crate) fn for_test(path: &str) -> Self {
        Self::new(path.to_owned(), "v".to_owned(), 1, None, Content::Given(Bytes::new()))
    }

    /// What the path tells beside the delivery.
    pub fn told_by_path(&self) -> LogFilePath<'_> {
        LogFilePath::parse(&self.path)
    }

    /// Whether it is a local file or given bytes, so that [`LogFile::fetch`] waits for no network.
    pub fn is_near(&self) -> bool {
        !matches!(self.content, Content::Object(..))
    }

    /// Reads a local file or given bytes.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn read_now(&self) -> Result<Bytes, Unread> {
        match &self.content {
            Content::Local(path) => {
                fs_err::read(path).map(Bytes::from).map_err(|error| Unread::Failed(error.to_string()))
            }
            Content::Given(bytes) => Ok(bytes.clone()),
            Content::Object(_, path) => Err(Unread::Failed(format!("`{path}` is not local"))),
        }
    }

    /// Reads it wherever it is.
    ///
    /// # Errors
    /// What the store says after its own retries, in words for the `rejects` table.
    pub async fn fetch(&self) -> Result<Bytes, String> {
        let read = async {
            let Content::Object(store, path) = &self.content else { return self.read_now() };
            Ok(store.get(path).await?.bytes().await?)
        };
        read.await.map_err(|unread: Unread| unread.to_string())
    }

    /// Decodes its bytes.
    pub(crate) fn decode(&self, decoder: &mut FileDecoder, bytes: &[u8], sink: &mut dyn RecordSink) -> FileOutcome {
        match self.origin {
            Origin::Found => decoder.decode_named(Some(&self.path), bytes, sink),
            Origin::Named => decoder.decode_asked_for(&self.path, bytes, sink),
        }
    }

    /// Why it is left out of a listing; `None` = it is not.
    fn left_out_as(&self) -> Option<String> {
        if self.origin == Origin::Named {
            return None;
        }
        let name = self.path.rsplit('/').next().unwrap_or("");
        let told = self.told_by_path();
        // Whoever puts one of CloudTrail's files there has it read.
        if told.is_of_another_service() && !name.contains("_CloudTrail") {
            return told.kind.map(str::to_owned);
        }
        let is_hidden = name.starts_with('.') || matches!(name, "Thumbs.db" | "desktop.ini");
        is_hidden.then(|| "hidden".to_owned())
    }

    /// Its key in the ledger.
    pub(crate) fn entry_id(&self) -> EntryId {
        entry_id(&self.path, &self.version)
    }

    /// Marks it as read before, as another version.
    pub(crate) fn mark_read_before(&mut self) {
        self.history = History::ReadBefore;
    }

    /// Whether it was read before as another version of the same object.
    pub(crate) fn has_changed(&self) -> bool {
        self.note().is_some()
    }

    /// Whether the ledger has an entry of another version, which counts the rows that the lake has from its path.
    pub(crate) fn was_read_before(&self) -> bool {
        self.history == History::ReadBefore
    }

    /// What its ledger entry says about that.
    pub(crate) fn note(&self) -> Option<&'static str> {
        match self.history {
            History::Fresh => None,
            // Bytes from a pipe are no object that could change.
            _ if matches!(self.content, Content::Given(_)) => None,
            History::ReadBefore => Some("the object has changed since it was read before: its rows from then are kept"),
            History::Replaced => Some("the object changed between its listing and its reading: this is what was read"),
        }
    }

    /// Reads a local file or given bytes, and says which version that was.
    pub(crate) fn read_version(self: &Arc<Self>) -> (Arc<Self>, Result<Bytes, Unread>) {
        let Content::Local(path) = &self.content else { return (Arc::clone(self), self.read_now()) };
        let mut file = Arc::clone(self);
        for _ in 0..MAX_READS {
            let bytes = file.read_now();
            match local::version_of(path) {
                Some((version, size_bytes, last_modified)) if bytes.is_ok() && version != file.version => {
                    file = Arc::new(file.replaced_by(version, size_bytes, last_modified));
                }
                _ => return (file, bytes),
            }
        }
        (file, Err(Unread::Failed("it keeps changing while it is read".to_owned())))
    }

    /// Reads it wherever it is, and says which version that was.
    pub(crate) async fn fetch_version(self: Arc<Self>) -> (Arc<Self>, Result<Bytes, Unread>) {
        let Content::Object(store, path) = &self.content else { return self.read_version() };
        let (store, path) = (Arc::clone(store), path.clone());
        let mut file = self;
        for _ in 0..MAX_READS {
            match s3::get(&store, &path, file.e_tag(), file.size_bytes).await {
                Err(object_store::Error::Precondition { .. }) => match store.head(&path).await {
                    Ok(object) => file = Arc::new(file.replaced_by_object(&object)),
                    Err(error) => return (file, Err(error.into())),
                },
                read => return (file, read.map_err(Unread::from)),
            }
        }
        (file, Err(Unread::Failed("it keeps changing while it is read".to_owned())))
    }

    /// The ETag that the listing gave; `None` where it gave none, and the version is of size and time.
    fn e_tag(&self) -> Option<&str> {
        self.version.starts_with(['"', 'W']).then_some(self.version.as_str())
    }

    fn replaced_by_object(&self, object: &ObjectMeta) -> Self {
        self.replaced_by(s3::version_of(object), object.size, Some(object.last_modified.timestamp_micros()))
    }

    fn replaced_by(&self, version: String, size_bytes: u64, last_modified: Option<i64>) -> Self {
        let history = if self.was_read_before() { History::ReadBefore } else { History::Replaced };
        Self { version, size_bytes, last_modified, history, ..self.clone() }
    }
}

/// What was found in the places that were asked for.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The log files, by delivery day and path.
    pub log_files: Vec<LogFile>,
    /// What cannot be CloudTrail's and is not looked at, by the folder of the AWS service that wrote it (`Config`, `vpcflowlogs`);
    /// `hidden` = files of operating systems and programs, such as `.DS_Store`; `pipe`, `socket` and `device` = what may never end.
    pub left_out: BTreeMap<String, u64>,
}

/// How often a file that changes while it is read is read again.
const MAX_READS: usize = 4;

/// Says at once when a local source is not there, or is none, before anything is made for it.
///
/// # Errors
/// [`ConvertError::NoSuchSource`]; [`ConvertError::NotTaken`] for a pipe, socket or device, and for the lake's own folder, in which the
/// lake's files would hide those of the source.
pub fn require_local(sources: &[Source], lake: Option<&Location>) -> Result<(), ConvertError> {
    let local = sources.iter().filter_map(|source| match source {
        Source::Place(location) => location.as_local_path(),
        Source::Bytes { .. } => None,
    });
    let lake = lake.and_then(Location::as_local_path).and_then(|folder| fs_err::canonicalize(folder).ok());
    let not_taken =
        |path: &Path, reason: &str| ConvertError::NotTaken { path: path.to_owned(), reason: reason.to_owned() };
    for path in local {
        match fs_err::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConvertError::NoSuchSource(path.to_owned()));
            }
            Ok(metadata) if !metadata.is_dir() && !metadata.is_file() => {
                return Err(not_taken(
                    path,
                    "it is neither a file nor a folder; what comes through a pipe is read as `-`",
                ));
            }
            Ok(_) if lake.is_some() && fs_err::canonicalize(path).ok() == lake => {
                return Err(not_taken(path, "it is the lake's folder, too; name another one with `--lake`"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says that the sources hold no log file, for callers to whom that is a mistake.
pub fn no_log_file(sources: &[Source], range: &DeliveryRange) -> ConvertError {
    ConvertError::NoLogFile {
        places: sources.iter().map(ToString::to_string).collect(),
        is_bounded: !range.is_unbounded(),
    }
}

/// Lists every log file of `sources` that `range` contains, by delivery day and path; a file named twice is listed once. Files whose path
/// tells no day come last: they are mostly downloads and query results, which may hold less of an event than the trail's own files.
///
/// # Errors
/// A source does not exist or cannot be listed. A single file or folder that cannot be read inside a source is no error here:
/// it is listed, and reading it gives the reject. What other AWS services have put into the same tree is counted, and left out.
pub async fn list(
    sources: &[Source],
    range: &DeliveryRange,
    options: &StorageOptions,
) -> Result<Listing, ConvertError> {
    let (mut files, mut left_out) = (Vec::new(), BTreeMap::new());
    for source in sources {
        match source {
            Source::Bytes { name, content } => files.push(given(name, content)),
            Source::Place(location) if location.is_s3() => files.extend(s3::list(location, range, options).await?),
            Source::Place(location) => {
                let root = location.as_local_path().ok_or_else(|| unlistable(location))?;
                let found = list_local(root).await?;
                files.extend(found.files);
                for (kind, count) in found.left_out {
                    *left_out.entry(kind.to_owned()).or_default() += count;
                }
            }
        }
    }
    files.retain(|file| range.contains(file));
    let order = |file: &LogFile| (file.delivery_date.is_none(), file.delivery_date);
    // Of a file that was named and found too the one that was named stays.
    let is_found = |file: &LogFile| file.origin == Origin::Found;
    files.sort_by(|left, right| {
        order(left).cmp(&order(right)).then_with(|| (&left.path, is_found(left)).cmp(&(&right.path, is_found(right))))
    });
    files.dedup_by(|left, right| left.path == right.path);
    files.retain(|file| match file.left_out_as() {
        Some(kind) => {
            *left_out.entry(kind).or_default() += 1;
            false
        }
        None => true,
    });
    Ok(Listing { log_files: files, left_out })
}

async fn list_local(root: &Path) -> Result<local::Found, ConvertError> {
    let root = root.to_owned();
    let found = tokio::task::spawn_blocking(move || local::list(&root)).await;
    found.map_err(|error| ConvertError::Internal(error.to_string()))?
}

/// What a path of the ledger leads to now; `None` = it names no place, as bytes that came through a pipe have none.
///
/// # Errors
/// The place cannot be listed.
pub(crate) async fn list_again(path: &str, options: &StorageOptions) -> Result<Option<Vec<LogFile>>, ConvertError> {
    if path.starts_with("s3://") {
        let place = Location::parse(path).map_err(ConvertError::Lake)?;
        let listing = list(&[Source::Place(place)], &DeliveryRange::default(), options).await?;
        return Ok(Some(listing.log_files));
    }
    if !path.starts_with('/') {
        return Ok(None);
    }
    Ok(Some(list_local(&local::path_of(path)).await?.files))
}

fn given(name: &str, content: &Bytes) -> LogFile {
    let version = format!("sha256:{}", sha256_hex(content));
    LogFile::new(name.to_owned(), version, content.len() as u64, None, Content::Given(content.clone())).named()
}

fn unlistable(location: &Location) -> ConvertError {
    ConvertError::Lake(LakeError::InvalidLocation {
        location: location.to_string(),
        reason: "cannot be listed".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use keytrail_events::LogFileKind;

    use super::*;

    fn file(path: &str) -> LogFile {
        LogFile::for_test(path)
    }

    fn moment(text: &str) -> Option<DateTime<Utc>> {
        Some(text.parse().expect(text))
    }

    #[test]
    fn a_range_is_over_delivery_and_keeps_what_has_no_date() {
        let range = DeliveryRange { since: moment("2023-07-10T12:00:00Z"), until: moment("2023-07-11T00:00:00Z") };
        for (path, is_inside) in [
            (
                "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/1_CloudTrail_eu-west-1_20230710T1200Z_x.json.gz",
                true,
            ),
            (
                "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/1_CloudTrail_eu-west-1_20230710T1155Z_x.json.gz",
                false,
            ),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/x.json.gz", true),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/11/x.json.gz", false),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/09/x.json.gz", false),
            ("events.json", true),
        ] {
            assert_eq!(range.contains(&file(path)), is_inside, "{path}");
        }
        assert!(DeliveryRange::default().contains(&file("x")));
    }

    #[tokio::test]
    async fn files_come_by_day_and_those_without_one_last() {
        let folder = tempfile::tempdir().expect("folder");
        let days = ["b/2024/01/31", "a/2024/02/01"].map(|day| format!("AWSLogs/111122223333/CloudTrail/{day}"));
        let paths = ["0.csv".to_owned(), format!("{}/x.json.gz", days[1]), format!("{}/y.json.gz", days[0])];
        for path in &paths {
            let path = folder.path().join(path);
            fs_err::create_dir_all(path.parent().expect("folder")).expect("folder");
            fs_err::write(path, "x").expect("file");
        }
        let source = Source::Place(Location::local(folder.path()).expect("location"));
        let listed = list(&[source], &DeliveryRange::default(), &StorageOptions::default()).await.expect("listed");
        let expected = [&paths[2], &paths[1], &paths[0]];
        assert!(listed.log_files.iter().zip(expected).all(|(file, path)| file.path.ends_with(path)), "{listed:?}");
    }

    #[tokio::test]
    async fn given_bytes_are_known_by_their_content() {
        let source = |content: &'static str| Source::Bytes {
            name: "-".to_owned(),
            content: Bytes::from_static(content.as_bytes()),
        };
        let listed = list(&[source("a")], &DeliveryRange::default(), &StorageOptions::default()).await.expect("listed");
        let other = list(&[source("b")], &DeliveryRange::default(), &StorageOptions::default()).await.expect("listed");
        let (listed, other) = (listed.log_files, other.log_files);
        assert_ne!(listed[0].version, other[0].version);
        assert_eq!(listed[0].fetch().await.expect("bytes"), "a");
    }

    #[tokio::test]
    async fn what_cannot_be_cloudtrail_s_is_left_out_and_counted() {
        let folder = tempfile::tempdir().expect("folder");
        let files = [
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/01/31/a.json.gz",
            "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2024/01/31/d.json.gz",
            "AWSLogs/111122223333/Config/eu-west-1/2024/1/31/ConfigHistory/c.json.gz",
            "AWSLogs/o-1a2b3c4d5e/111122223333/Config/ConfigWritabilityCheckFile",
            "AWSLogs/111122223333/Config/1_CloudTrail_eu-west-1_20240131T1005Z_m.json.gz",
            "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2024/01/31/f.log.gz",
            "AWSLogs/111122223333/cloudtrail/b.json.gz",
            ".DS_Store",
            "AWSLogs/._a.json.gz",
            "Config/of-mine.json",
        ];
        for file in files {
            let path = folder.path().join(file);
            fs_err::create_dir_all(path.parent().expect("folder")).expect("folder");
            fs_err::write(path, "{}").expect("file");
        }
        let source = Source::Place(Location::parse(&folder.path().display().to_string()).expect("place"));
        let listing = list(&[source], &DeliveryRange::default(), &StorageOptions::default()).await.expect("listed");
        let names = listing.log_files.iter().map(|file| file.path.rsplit('/').next().unwrap_or("").to_owned());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["d.json.gz", "a.json.gz", "1_CloudTrail_eu-west-1_20240131T1005Z_m.json.gz", "b.json.gz", "of-mine.json"]
        );
        let left_out: Vec<_> = listing.left_out.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(left_out, [("Config", 2), ("hidden", 2), ("vpcflowlogs", 1)]);
    }

    #[test]
    fn prose_is_no_log_but_where_a_log_should_be() {
        let (readme, failed) = ("Logs of 2024, see the wiki.\n", "An error occurred (403): Access Denied\n");
        let cut = "{\"Records\": [ ";
        for (path, text, is_prose) in [
            ("/logs/README", readme, true),
            ("/logs/SHA256SUMS", "0f0e  a.json.gz\n", true),
            ("/logs/README.txt", failed, true),
            ("/logs/README.txt", cut, false),
            ("/logs/notes.txt", "the event of today\n", false),
            ("/logs/hello", "hello\n", true),
            ("/logs/encoded", "eyJSZWNvcmRzIjpbeyJldmVudFZlcnNpb24iOiIxLjA4IiwidXNlcklkZW50aXR5Ijp7\n", false),
            ("/logs/binary", "a b\u{0}", false),
            ("/logs/a.json.gz", failed, false),
            ("/logs/111122223333_CloudTrail_eu-west-1_20240131T1000Z_x", failed, false),
        ] {
            let file = LogFile::for_test(path);
            let outcome = file.decode(&mut FileDecoder::new(), text.as_bytes(), &mut Rejects);
            assert_eq!(outcome.kind == LogFileKind::Prose, is_prose, "{path}: {text}");
            assert_eq!(outcome.rejected_count == 0, is_prose, "{path}: {text}");
        }
    }

    struct Rejects;

    impl RecordSink for Rejects {
        fn record(&mut self, _index: u64, _record: &keytrail_events::EventRecord<'_>) {}

        fn reject(&mut self, _reject: keytrail_events::Reject<'_>) {}
    }
}
