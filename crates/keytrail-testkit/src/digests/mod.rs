//! Digest files as AWS delivers them, chained and signed with keys that are for tests only.
//!
//! ```text
//! chain.deliver(log files) ─▶ one hour: log files, and the digest file that names them and the digest before
//! chain.objects            ─▶ to be changed as a test likes ─▶ a folder, or a bucket
//! ```
//! The shape is that of AWS's description (domain §7.1); the test keys sign nothing outside of this repository.

mod keys;

use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use keys::{KeyForm, TestKey, public_keys};

/// An object with what S3 keeps beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredObject {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The signature in its metadata, of a digest file.
    pub signature: Option<String>,
}

impl DeliveredObject {
    /// Whether it is a digest file.
    pub fn is_digest(&self) -> bool {
        self.signature.is_some()
    }

    /// The name without its folders.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }
}

/// A trail's log files and digest files in one account and region.
#[derive(Debug, Clone)]
pub struct DigestChain {
    account_id: String,
    aws_region: String,
    trail_name: String,
    is_backfill: bool,
    /// The bucket of what is delivered from now on.
    pub bucket: String,
    /// The key that signs from now on.
    pub key: TestKey,
    /// The end of the last hour.
    pub now: DateTime<Utc>,
    /// What was delivered, in order: of each hour the log files, then the digest file.
    pub objects: Vec<DeliveredObject>,
    previous: Option<Previous>,
}

#[derive(Debug, Clone)]
struct Previous {
    bucket: String,
    key: String,
    hash: String,
    signature: String,
}

impl DigestChain {
    /// A chain that begins on 2026-03-04 at 00:00 UTC.
    ///
    /// # Panics
    /// Never: the moment is a constant.
    pub fn new(account_id: &str, aws_region: &str) -> Self {
        Self {
            account_id: account_id.to_owned(),
            aws_region: aws_region.to_owned(),
            trail_name: "all_events".to_owned(),
            is_backfill: false,
            bucket: "trail-logs".to_owned(),
            key: TestKey::First,
            now: "2026-03-04T00:00:00Z".parse().expect("a constant"),
            objects: Vec::new(),
            previous: None,
        }
    }

    /// The backfill chain beside it, without a past.
    #[must_use]
    pub fn backfill(&self) -> Self {
        Self { is_backfill: true, objects: Vec::new(), previous: None, ..self.clone() }
    }

    /// One hour with log files of these contents; none = an empty digest file.
    pub fn deliver(&mut self, contents: &[&str]) {
        let start = self.now;
        let named = (0i32..).zip(contents).map(|(number, content)| {
            let object = self.log_file(start, number, content);
            let named = named(&object, content, start);
            self.objects.push(object);
            named
        });
        let named: Vec<Value> = named.collect();
        self.end_hour(&named);
    }

    /// One hour whose digest file names a log file that was delivered before.
    pub fn deliver_late(&mut self, log_file: &DeliveredObject, content: &str) {
        let named = named(log_file, content, self.now - TimeDelta::days(1));
        self.end_hour(&[named]);
    }

    fn end_hour(&mut self, named: &[Value]) {
        let start = self.now;
        self.now += TimeDelta::hours(1);
        let key = self.digest_key();
        let previous = |member: fn(&Previous) -> &str| self.previous.as_ref().map(member);
        let digest = json!({
            "awsAccountId": self.account_id,
            "digestStartTime": iso(start),
            "digestEndTime": iso(self.now),
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": self.key.fingerprint(),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": named.last().map(|log_file| &log_file["newestEventTime"]),
            "oldestEventTime": named.first().map(|log_file| &log_file["oldestEventTime"]),
            "previousDigestS3Bucket": previous(|previous| &previous.bucket),
            "previousDigestS3Object": previous(|previous| &previous.key),
            "previousDigestHashValue": previous(|previous| &previous.hash),
            "previousDigestHashAlgorithm": previous(|_| "SHA-256"),
            "previousDigestSignature": previous(|previous| &previous.signature),
            "logFiles": named,
        });
        let content = digest.to_string();
        let signature = self.sign(&key, &content);
        let (bucket, hash) = (self.bucket.clone(), sha256_hex(content.as_bytes()));
        let (bytes, signed) = (gzip(&content), Some(signature.clone()));
        self.objects.push(DeliveredObject { bucket: bucket.clone(), key: key.clone(), bytes, signature: signed });
        self.previous = Some(Previous { bucket, key, hash, signature });
    }

    /// Validation was off for some hours; the next digest file starts anew.
    pub fn pause(&mut self, hours: i64) {
        self.now += TimeDelta::hours(hours);
        self.previous = None;
    }

    /// The places of the digest files among the objects, the oldest first.
    pub fn digests(&self) -> Vec<usize> {
        (0..self.objects.len()).filter(|at| self.objects[*at].is_digest()).collect()
    }

    /// The places of the log files among the objects.
    pub fn log_files(&self) -> Vec<usize> {
        (0..self.objects.len()).filter(|at| !self.objects[*at].is_digest()).collect()
    }

    fn log_file(&self, start: DateTime<Utc>, number: i32, content: &str) -> DeliveredObject {
        let Self { account_id, aws_region, .. } = self;
        let time = start + TimeDelta::minutes(5 * i64::from(number) + 5);
        let suffix = if self.is_backfill { "Backfill" } else { "Delivery" };
        let key = format!(
            "AWSLogs/{account_id}/CloudTrail/{aws_region}/{}/{account_id}_CloudTrail_{aws_region}_{}_{suffix}{number:08}.json.gz",
            time.format("%Y/%m/%d"),
            time.format("%Y%m%dT%H%MZ"),
        );
        DeliveredObject { bucket: self.bucket.clone(), key, bytes: gzip(content), signature: None }
    }

    fn digest_key(&self) -> String {
        let Self { account_id, aws_region, trail_name, now, .. } = self;
        let suffix = if self.is_backfill { "_backfill" } else { "" };
        format!(
            "AWSLogs/{account_id}/CloudTrail-Digest/{aws_region}/{}/{account_id}_CloudTrail-Digest_{aws_region}_{trail_name}_us-east-1_{}{suffix}.json.gz",
            now.format("%Y/%m/%d"),
            now.format("%Y%m%dT%H%M%SZ"),
        )
    }

    fn sign(&self, key: &str, content: &str) -> String {
        let previous = self.previous.as_ref().map_or("null", |previous| previous.signature.as_str());
        let hash = sha256_hex(content.as_bytes());
        self.key.sign(&format!("{}\n{}/{key}\n{hash}\n{previous}", iso(self.now), self.bucket))
    }
}

/// A log file as a digest file names it.
fn named(log_file: &DeliveredObject, content: &str, oldest: DateTime<Utc>) -> Value {
    json!({
        "s3Bucket": log_file.bucket,
        "s3Object": log_file.key,
        "hashValue": sha256_hex(content.as_bytes()),
        "hashAlgorithm": "SHA-256",
        "newestEventTime": iso(oldest + TimeDelta::minutes(50)),
        "oldestEventTime": iso(oldest),
    })
}

/// Writes objects below a folder as `aws s3 sync` does, buckets side by side in it; signatures are lost.
///
/// # Errors
/// When a folder or file cannot be written.
pub fn write_copy(objects: &[DeliveredObject], folder: &Path) -> io::Result<()> {
    for object in objects {
        let path = folder.join(&object.bucket).join(&object.key);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, &object.bytes)?;
    }
    Ok(())
}

/// What `aws s3api head-object` prints of an object, as far as it matters.
pub fn head_object(object: &DeliveredObject) -> String {
    let metadata = json!({ "signature": object.signature, "signature-algorithm": "SHA256withRSA" });
    json!({ "ContentLength": object.bytes.len(), "Metadata": metadata }).to_string()
}

/// A text as one gzip member.
///
/// # Panics
/// Never: memory takes all that is written.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn iso(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
