//! What a verification tells: a result for each object, and the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};

use super::digest::ChainId;

/// Hears of results in the order in which they are found: chain by chain, the newest digest file first.
pub trait VerifyObserver {
    /// The listing is complete: so many files and bytes lie there.
    fn planned(&mut self, files: u64, bytes: u64);
    /// An object was judged.
    fn object(&mut self, result: &ObjectResult);
    /// A period was found for which a chain has no digest file.
    fn gap(&mut self, gap: &Gap);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl VerifyObserver for Unobserved {
    fn planned(&mut self, _files: u64, _bytes: u64) {}
    fn object(&mut self, _result: &ObjectResult) {}
    fn gap(&mut self, _gap: &Gap) {}
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A digest file of a trail's first run.
    Digest,
    /// A digest file that lists what the first ones left out.
    BackfillDigest,
    /// A log file.
    LogFile,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectResult {
    /// What it is.
    pub kind: ObjectKind,
    /// Where it was delivered, `s3://bucket/key`; where nothing tells that, its own path.
    pub name: String,
    /// The file that was read, when its path is another one.
    pub path: Option<String>,
    /// Bytes that were read.
    pub size_bytes: u64,
    /// The verdict.
    pub state: State,
}

/// The verdict on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing contradicts it; how far that goes, the level says.
    Held {
        /// For a log file, the level of the digest file that names it.
        level: Level,
        /// What a digest file lacks for a better level.
        lack: Option<Lack>,
    },
    /// It is not what was delivered.
    Invalid(Fault),
    /// It is named, and is not there: deleted, or not copied.
    NotFound,
    /// It is there and cannot be read.
    Unread(String),
    /// A log file that no digest file names.
    NotVouchedFor {
        /// A file of the same name or content that one does name: this is a further copy, which was not compared.
        copy_of: Option<String>,
    },
}

/// What a digest file rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Unverified,
    /// The digest file after it names its hash.
    HashChained,
    /// Its signature is AWS's.
    Signed,
}

/// Why a signature could not be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The newest digest file of a copy: no later one carries its signature.
    Signature,
    /// No key of this fingerprint was given.
    PublicKey(String),
    /// What was given under this fingerprint is no RSA key.
    SoundKey(String),
}

/// In which way an object is not what was delivered; the words are the AWS CLI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its signature is not AWS's.
    Signature,
    /// Its content has another hash.
    Hash,
    /// It lies elsewhere.
    Moved,
    /// It cannot be unpacked or read.
    Format,
    /// Something was added behind its packed content.
    TrailingBytes,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signature => "signature verification failed",
            Self::Hash => "hash value doesn't match",
            Self::Moved => "has been moved from its original location",
            Self::Format => "invalid format",
            Self::TrailingBytes => "unexpected data after end of compressed stream",
        })
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature => formatter.write_str("no later digest file carries its signature"),
            Self::PublicKey(fingerprint) => write!(formatter, "public key not found for fingerprint {fingerprint}"),
            Self::SoundKey(fingerprint) => {
                write!(formatter, "unable to load the public key with fingerprint {fingerprint}")
            }
        }
    }
}

/// A period for which a chain has no digest file, though it has some before or after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The chain.
    pub chain: ChainId,
    /// Its beginning.
    pub from: DateTime<Utc>,
    /// Its end.
    pub to: DateTime<Utc>,
}

/// Digest files by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DigestCounts {
    /// With AWS's signature.
    pub signed: u64,
    /// Of which only the hash is vouched for.
    pub hash_chained: u64,
    /// Of which nothing is.
    pub unverified: u64,
    /// Not as they were delivered.
    pub invalid: u64,
    /// Named by a later one, and not there.
    pub not_found: u64,
    /// There, and not to be read.
    pub unread: u64,
    /// Without a log file: nothing was delivered in their hour.
    pub empty: u64,
    /// Without a predecessor: validation began, or began again.
    pub starting: u64,
    /// With events of an earlier time.
    pub late: u64,
}

impl DigestCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.signed + self.hash_chained + self.unverified + self.invalid + self.not_found + self.unread
    }
}

/// Log files by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFileCounts {
    /// As a digest file names them.
    pub valid: u64,
    /// Of these, named by a digest file without a verified signature.
    pub valid_unsigned: u64,
    /// Not as they were delivered.
    pub invalid: u64,
    /// Named, and not there.
    pub not_found: u64,
    /// There, and not to be read.
    pub unread: u64,
    /// In an account and region with digest files, none of which names them.
    pub not_vouched_for: u64,
    /// In accounts and regions without any digest file.
    pub without_digests: u64,
    /// Delivered in the hour after the newest digest file: theirs is still to come.
    pub after_newest: u64,
}

impl LogFileCounts {
    /// All that digest files name.
    pub fn total(&self) -> u64 {
        self.valid + self.invalid + self.not_found + self.unread
    }
}

/// Digest files whose public key was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingKey {
    /// Digest files signed with it.
    pub digests: u64,
    /// The first of their times.
    pub from: DateTime<Utc>,
    /// The last.
    pub to: DateTime<Utc>,
}

/// What a verification came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifySummary {
    /// From the start of the first digest file that is held to the end of the last.
    pub found: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Chains of digest files.
    pub chains: u64,
    /// Digest files of the first run.
    pub digests: DigestCounts,
    /// Backfill digest files.
    pub backfill: DigestCounts,
    /// Log files.
    pub log_files: LogFileCounts,
    /// Periods without digest files.
    pub gaps: u64,
    /// Further copies of digest files, which were not judged.
    pub copies: u64,
    /// Among the log files that no digest file names, copies of some that one names.
    pub log_file_copies: u64,
    /// Files that are not where they were delivered.
    pub moved: u64,
    /// Digest files signed outside of the time for which AWS states their key.
    pub outside_validity: u64,
    /// Public keys that were not given, by fingerprint and the region to ask for it.
    pub missing_keys: BTreeMap<(String, String), MissingKey>,
    /// Buckets of what was not found.
    pub not_found_in: BTreeSet<String>,
    /// Digest files without a signature, the first hundred.
    pub without_signature: Vec<String>,
    /// Accounts and regions with log files and no digest file, with the count of log files.
    pub places_without_digests: BTreeMap<(String, String), u64>,
}

impl VerifySummary {
    /// Whether something is not as it was delivered.
    pub fn is_damaged(&self) -> bool {
        self.digests.invalid + self.backfill.invalid + self.log_files.invalid > 0
    }

    /// Whether all that was asked for is there, signed and vouched for.
    pub fn is_complete(&self) -> bool {
        let all_signed = |counts: &DigestCounts| counts.signed == counts.total();
        let logs = &self.log_files;
        self.digests.total() + self.backfill.total() > 0
            && all_signed(&self.digests)
            && all_signed(&self.backfill)
            && logs.valid == logs.total()
            && logs.not_vouched_for + logs.without_digests + self.gaps == 0
    }
}
