//! The files of the sources: which of them are digest files, which log files, and where an object that a digest file names is.
//!
//! ```text
//! name of a digest file ─▶ its chain          name of a log file ─▶ to be vouched for
//! any other name ─▶ told by content: a digest file, a log file (known by its hash), or nothing of ours
//! ```

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use keytrail_events::compression::Inflater;
use keytrail_events::hash::sha256_hex;
use rustc_hash::FxHashMap;

use super::digest::{ChainId, Digest, DigestName, ObjectName};
use super::{AHEAD, blocking, read};
use crate::error::ConvertError;
use crate::source::LogFile;

/// Files of unknown names are looked into up to this size; they are held while that is done.
const MAX_UNKNOWN_BYTES: u64 = 64 << 20;

/// A file's number.
pub(super) type FileNumber = usize;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    LogFile,
    Digest,
    Other,
}

/// All files, sorted out.
#[derive(Debug, Default)]
pub(super) struct Places {
    files: Vec<Arc<LogFile>>,
    roles: Vec<Role>,
    by_name: FxHashMap<String, Vec<FileNumber>>,
    /// Log files whose names tell nothing.
    by_hash: FxHashMap<String, FileNumber>,
    /// Of those, further ones with the content of the first.
    same_content: FxHashMap<FileNumber, FileNumber>,
    chains: BTreeMap<ChainId, Vec<(DateTime<Utc>, FileNumber)>>,
    /// What cannot be read, and why; its name tells nothing either.
    unread: Vec<(FileNumber, String)>,
}

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    InPlace(FileNumber),
    Elsewhere(FileNumber),
    Nowhere,
}

/// What a file of an unknown name holds.
enum Content {
    Digest(ChainId, DateTime<Utc>),
    LogFile(String),
    Nothing,
    /// A folder that cannot be read is such a file, too.
    Unread(String),
}

impl Places {
    /// Sorts files out by name; those whose names tell nothing are read.
    pub(super) async fn sort_out(files: Vec<LogFile>) -> Result<Self, ConvertError> {
        let mut places = Self { files: files.into_iter().map(Arc::new).collect(), ..Self::default() };
        let mut unknown = Vec::new();
        for (number, file) in places.files.iter().enumerate() {
            let name = file_name(&file.path);
            places.by_name.entry(name.to_owned()).or_default().push(number);
            let role = match DigestName::parse(name) {
                Some(DigestName { chain, time }) => {
                    places.chains.entry(chain).or_default().push((time, number));
                    Role::Digest
                }
                None if place_of_log_file(name).is_some() => Role::LogFile,
                None => {
                    if may_hold_logs(file) {
                        unknown.push((number, Arc::clone(file)));
                    }
                    Role::Other
                }
            };
            places.roles.push(role);
        }
        let mut contents = futures::stream::iter(unknown).map(|(number, file)| look_into(number, file)).buffered(AHEAD);
        while let Some((number, content)) = contents.next().await {
            match content? {
                Content::Digest(chain, time) => {
                    places.chains.entry(chain).or_default().push((time, number));
                    places.roles[number] = Role::Digest;
                }
                Content::LogFile(hash) => {
                    match places.by_hash.entry(hash) {
                        Entry::Vacant(place) => drop(place.insert(number)),
                        Entry::Occupied(first) => drop(places.same_content.insert(number, *first.get())),
                    }
                    places.roles[number] = Role::LogFile;
                }
                Content::Nothing => {}
                Content::Unread(reason) => places.unread.push((number, reason)),
            }
        }
        drop(contents);
        // The newest first: each carries the signature and the hash of the one before it.
        for digests in places.chains.values_mut() {
            digests.sort_unstable_by(|left, right| right.cmp(left));
        }
        Ok(places)
    }

    pub(super) fn file(&self, number: FileNumber) -> &Arc<LogFile> {
        &self.files[number]
    }

    pub(super) fn files(&self) -> &[Arc<LogFile>] {
        &self.files
    }

    pub(super) fn chains(&self) -> &BTreeMap<ChainId, Vec<(DateTime<Utc>, FileNumber)>> {
        &self.chains
    }

    pub(super) fn unread(&self) -> &[(FileNumber, String)] {
        &self.unread
    }

    /// Log files with their numbers.
    pub(super) fn log_files(&self) -> impl Iterator<Item = (FileNumber, &LogFile)> {
        let numbered = self.files.iter().map(AsRef::as_ref).enumerate();
        numbered.filter(|(number, _)| self.roles[*number] == Role::LogFile)
    }

    /// Other files of the same name, or of the same content where names tell nothing.
    pub(super) fn twins(&self, number: FileNumber) -> impl Iterator<Item = FileNumber> {
        let of_name = self.by_name.get(file_name(&self.files[number].path)).into_iter().flatten();
        of_name.chain(self.same_content.get(&number)).copied().filter(move |twin| *twin != number)
    }

    /// The file of that name, the one in its place before others; a log file without its name by its hash.
    pub(super) fn find(&self, name: &ObjectName, hash: &str) -> Found {
        let candidates = self.by_name.get(file_name(&name.key)).map(Vec::as_slice).unwrap_or_default();
        if let Some(number) = candidates.iter().find(|number| is_in_place(&self.files[**number].path, name)) {
            return Found::InPlace(*number);
        }
        candidates.first().or_else(|| self.by_hash.get(hash)).map_or(Found::Nowhere, |number| Found::Elsewhere(*number))
    }
}

/// Whether a path is the one that an object was delivered under. A copy on disk is in place when its path ends as the key does, from
/// `AWSLogs` on; where its folders do not have that name, its own name is all that there is to compare.
pub(super) fn is_in_place(path: &str, name: &ObjectName) -> bool {
    if path.starts_with("s3://") {
        return path.strip_prefix("s3://").and_then(|path| path.split_once('/'))
            == Some((name.bucket.as_str(), name.key.as_str()));
    }
    match (trail_part(path), trail_part(&name.key)) {
        (Some(own), Some(delivered)) => own == delivered,
        _ => file_name(path) == file_name(&name.key),
    }
}

/// A path from its last folder `AWSLogs` on.
fn trail_part(path: &str) -> Option<&str> {
    let marks = path.rmatch_indices("AWSLogs/").map(|(at, _)| at);
    marks.into_iter().find(|at| *at == 0 || path.as_bytes()[at - 1] == b'/').map(|at| &path[at..])
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Account and region of a log file by its name, `<account>_CloudTrail_<region>_<time>…`.
pub(super) fn place_of_log_file(name: &str) -> Option<(&str, &str)> {
    let (account_id, rest) = name.split_once("_CloudTrail_")?;
    let (aws_region, _) = rest.split_once('_')?;
    Some((account_id, aws_region))
}

/// Whether a file of an unknown name is worth a look: it is not in another service's folder of a trail's bucket.
fn may_hold_logs(file: &LogFile) -> bool {
    let folder = file.told_by_path().kind;
    file.size_bytes <= MAX_UNKNOWN_BYTES && folder.is_none_or(|kind| matches!(kind, "CloudTrail" | "CloudTrail-Digest"))
}

async fn look_into(number: FileNumber, file: Arc<LogFile>) -> (FileNumber, Result<Content, ConvertError>) {
    let content = match read(&file).await {
        Ok(Some((bytes, _))) => blocking(move || content_of(&bytes)).await,
        Ok(None) => Ok(Content::Nothing),
        Err(reason) => Ok(Content::Unread(reason)),
    };
    (number, content)
}

fn content_of(bytes: &[u8]) -> Content {
    if let Ok(digest) = Digest::decode(bytes) {
        return Content::Digest(digest.chain(), digest.end);
    }
    let mut unpacked = Vec::new();
    let content = if keytrail_events::compression::is_gzip(bytes) {
        Inflater::new(usize::try_from(MAX_UNKNOWN_BYTES).unwrap_or(usize::MAX)).inflate(bytes, &mut unpacked);
        unpacked.as_slice()
    } else {
        bytes
    };
    let is_log_file = content
        .trim_ascii_start()
        .strip_prefix(b"{")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\"Records\""));
    if is_log_file { Content::LogFile(sha256_hex(content)) } else { Content::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_in_place_when_its_path_ends_as_the_key_does() {
        let name =
            ObjectName { bucket: "b".to_owned(), key: "p/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz".to_owned() };
        for (path, expected) in [
            ("s3://b/p/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz", true),
            ("s3://b/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz", false),
            ("s3://c/p/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz", false),
            ("/home/a/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz", true),
            ("/AWSLogs/copy/AWSLogs/1/CloudTrail/r/2023/07/10/x.json.gz", true),
            ("/home/a/AWSLogs/1/CloudTrail/r/2023/07/11/x.json.gz", false),
            ("/home/a/AWSLogs/1/CloudTrail/r/2023/07/10/y.json.gz", false),
            ("/home/a/flat/x.json.gz", true),
            ("/home/notAWSLogs/x.json.gz", true),
            ("/home/a/flat/y.json.gz", false),
        ] {
            assert_eq!(is_in_place(path, &name), expected, "{path}");
        }
    }

    #[test]
    fn files_of_unknown_names_are_told_by_content() {
        assert!(matches!(content_of(b" { \"Records\": []}"), Content::LogFile(_)));
        assert!(matches!(content_of(b"{\"a\":1}"), Content::Nothing));
        assert!(matches!(content_of(b""), Content::Nothing));
    }
}
