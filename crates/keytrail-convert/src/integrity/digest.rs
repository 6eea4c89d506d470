//! A digest file: its name, its content, and the text that AWS signs for it.
//!
//! It reads bytes that it is given and judges nothing.

use chrono::{DateTime, NaiveDateTime, Utc};
use keytrail_events::compression::{Inflater, is_gzip};
use keytrail_events::hash::sha256_hex;
use keytrail_events::time::parse_time;
use serde_json::Value;

/// No digest file of an hour comes near this.
const MAX_DIGEST_BYTES: usize = 256 << 20;

/// The digest files that follow each other: one for each account, region and trail, and one of its own for backfills.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// The account whose activity the log files hold.
    pub account_id: String,
    /// The region of the activity.
    pub aws_region: String,
    /// The trail's name.
    pub trail_name: String,
    /// The region that the trail was made in.
    pub home_region: String,
    /// Whether it lists log files that the first digest files left out.
    pub is_backfill: bool,
}

/// What a digest file's name tells: `<account>_CloudTrail-Digest_<region>_<trail>_<home region>_<time>[_backfill].json.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DigestName {
    pub(crate) chain: ChainId,
    /// The end of the digest's hour.
    pub(crate) time: DateTime<Utc>,
}

impl DigestName {
    /// Reads the name at the end of a path or key, from its right end: a trail's name may hold `_` and `.`.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        let name = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json")?;
        let (name, is_backfill) = match name.strip_suffix("_backfill") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (name, time) = name.rsplit_once('_')?;
        let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
        let (name, home_region) = name.rsplit_once('_')?;
        let (account_id, name) = name.split_once("_CloudTrail-Digest_")?;
        let (aws_region, trail_name) = name.split_once('_')?;
        let chain = ChainId {
            account_id: account_id.to_owned(),
            aws_region: aws_region.to_owned(),
            trail_name: trail_name.to_owned(),
            home_region: home_region.to_owned(),
            is_backfill,
        };
        Some(Self { chain, time })
    }
}

/// Where an object was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

/// A digest file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) name: ObjectName,
    pub(crate) account_id: String,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// The end as the file has it, which is what AWS signs.
    end_text: String,
    pub(crate) fingerprint: String,
    /// The digest file before it; `None` = it starts a chain.
    pub(crate) previous: Option<ObjectName>,
    pub(crate) previous_hash: Option<String>,
    pub(crate) previous_signature: Option<String>,
    pub(crate) log_files: Vec<NamedLogFile>,
    /// The oldest event of the log files; `None` = they have none.
    pub(crate) oldest: Option<DateTime<Utc>>,
    /// The newest one.
    pub(crate) newest: Option<DateTime<Utc>>,
    /// SHA-256 of the content, lower-case hex.
    pub(crate) content_hash: String,
}

/// A log file as a digest file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedLogFile {
    pub(crate) name: ObjectName,
    pub(crate) hash: String,
}

/// What the ledger keeps of a digest file: what was delivered in its hour, as it says, verified or not. Times are microseconds since the
/// epoch, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestEntry {
    /// Start of its hour.
    pub start_time: i64,
    /// End of its hour.
    pub end_time: i64,
    /// The oldest event of the log files; `None` = they have none.
    pub first_event_time: Option<i64>,
    /// The newest one.
    pub last_event_time: Option<i64>,
    /// The log files delivered, as `s3://bucket/key`, a line break between two; empty = none.
    pub log_files: String,
    /// The digest file before it, likewise; `None` = it starts a chain.
    pub previous: Option<String>,
}

impl DigestEntry {
    /// Reads a digest file, packed or not; `None` = it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Digest::decode(bytes).ok().as_ref().map(Self::of)
    }

    /// Reads the unpacked content of one.
    pub(crate) fn parse(content: &str) -> Option<Self> {
        Digest::parse(content.as_bytes()).as_ref().map(Self::of)
    }

    fn of(digest: &Digest) -> Self {
        let micros = |time: DateTime<Utc>| time.timestamp_micros();
        let log_files: Vec<String> = digest.log_files.iter().map(|file| file.name.to_string()).collect();
        Self {
            start_time: micros(digest.start),
            end_time: micros(digest.end),
            first_event_time: digest.oldest.map(micros),
            last_event_time: digest.newest.map(micros),
            log_files: log_files.join("\n"),
            previous: digest.previous.as_ref().map(ObjectName::to_string),
        }
    }
}

/// Why bytes are no digest file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDigest {
    /// They cannot be unpacked, are no JSON, or lack a member.
    Format,
    /// Something stands behind the packed content.
    TrailingBytes,
}

impl Digest {
    /// Reads a file, packed or not.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NoDigest> {
        if !is_gzip(bytes) {
            return Self::parse(bytes).ok_or(NoDigest::Format);
        }
        let mut content = Vec::new();
        let unpacked = Inflater::new(MAX_DIGEST_BYTES).inflate(bytes, &mut content);
        match unpacked.failure {
            _ if unpacked.trailing_bytes > 0 || unpacked.member_count > 1 => Err(NoDigest::TrailingBytes),
            Some(_) => Err(NoDigest::Format),
            None => Self::parse(&content).ok_or(NoDigest::Format),
        }
    }

    /// Reads the content. The members that it must have are those that the AWS CLI asks for, and `logFiles`.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(content).ok()?;
        let end_text = text(&json, "digestEndTime")?;
        let start = moment(&text(&json, "digestStartTime")?)?;
        let previous_signature = json.get("previousDigestSignature")?.as_str().map(str::to_owned);
        let log_files = json.get("logFiles")?.as_array()?.iter().map(NamedLogFile::parse).collect::<Option<_>>()?;
        let event_time = |member| text(&json, member).as_deref().and_then(moment);
        Some(Self {
            name: object_name(&json, "digestS3Bucket", "digestS3Object")?,
            account_id: text(&json, "awsAccountId").unwrap_or_default(),
            start,
            end: moment(&end_text)?,
            end_text,
            fingerprint: text(&json, "digestPublicKeyFingerprint")?,
            previous: object_name(&json, "previousDigestS3Bucket", "previousDigestS3Object"),
            previous_hash: text(&json, "previousDigestHashValue"),
            previous_signature,
            log_files,
            oldest: event_time("oldestEventTime"),
            newest: event_time("newestEventTime"),
            content_hash: sha256_hex(content),
        })
    }

    /// Whether it names events that came before its hour.
    pub(crate) fn is_late(&self) -> bool {
        self.oldest.is_some_and(|oldest| oldest < self.start)
    }

    /// What AWS signs; without a previous signature the word `null` stands in its place.
    pub(crate) fn string_to_sign(&self) -> String {
        let ObjectName { bucket, key } = &self.name;
        let previous = self.previous_signature.as_deref().unwrap_or("null");
        format!("{}\n{bucket}/{key}\n{}\n{previous}", self.end_text, self.content_hash)
    }

    /// The chain that it belongs to, by the name that it was delivered under.
    pub(crate) fn chain(&self) -> ChainId {
        let named = DigestName::parse(&self.name.key).map(|name| name.chain);
        named.unwrap_or_else(|| ChainId { account_id: self.account_id.clone(), ..ChainId::default() })
    }
}

impl NamedLogFile {
    fn parse(json: &Value) -> Option<Self> {
        Some(Self { name: object_name(json, "s3Bucket", "s3Object")?, hash: text(json, "hashValue")? })
    }
}

fn object_name(json: &Value, bucket: &str, key: &str) -> Option<ObjectName> {
    Some(ObjectName { bucket: text(json, bucket)?, key: text(json, key)? })
}

fn text(json: &Value, member: &str) -> Option<String> {
    json.get(member)?.as_str().map(str::to_owned)
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(parse_time(text)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// R34: nothing in a folder brings the reading down.
        #[test]
        fn any_bytes_and_any_name_are_read(bytes: Vec<u8>, name in ".{0,40}_CloudTrail-Digest_.{0,40}", member: String) {
            prop_assert!(Digest::decode(&bytes).is_err());
            prop_assert!(Digest::decode(&[&[0x1f, 0x8b, 8][..], &bytes].concat()).is_err());
            DigestName::parse(&name);
            let json = serde_json::json!({ "digestEndTime": member, "digestStartTime": member, "logFiles": [member] });
            prop_assert!(Digest::decode(json.to_string().as_bytes()).is_err());
        }
    }

    #[test]
    fn names_are_read_from_their_right_end() {
        let parsed = |name: &str| {
            let DigestName { chain, time } = DigestName::parse(name)?;
            let ChainId { account_id, aws_region, trail_name, home_region, is_backfill } = chain;
            Some(format!("{account_id} {aws_region} {trail_name} {home_region} {is_backfill} {}", time.to_rfc3339()))
        };
        let folder = "AWSLogs/011122223333/CloudTrail-Digest/us-east-2/2023/07/10/";
        for (name, expected) in [
            (
                "011122223333_CloudTrail-Digest_us-east-2_my_trail.v-2_us-east-1_20230710T130102Z.json.gz",
                Some("011122223333 us-east-2 my_trail.v-2 us-east-1 false 2023-07-10T13:01:02+00:00"),
            ),
            (
                "011122223333_CloudTrail-Digest_us-east-2_t_us-east-1_20230710T130102Z_backfill.json.gz",
                Some("011122223333 us-east-2 t us-east-1 true 2023-07-10T13:01:02+00:00"),
            ),
            (
                "011122223333_CloudTrail-Digest_us-east-2_a_backfill_us-east-1_20230710T130102Z.json",
                Some("011122223333 us-east-2 a_backfill us-east-1 false 2023-07-10T13:01:02+00:00"),
            ),
            ("011122223333_CloudTrail_us-east-2_20230710T1301Z_x9kHmzMa7cx6l9wM.json.gz", None),
            ("011122223333_CloudTrail-Digest_us-east-2_20230710T130102Z.json.gz", None),
            ("digest.json.gz", None),
        ] {
            assert_eq!(parsed(&format!("{folder}{name}")).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_text_to_sign_is_aws_s() {
        // The AWS CLI's own test case, TestSha256RSADigestValidator.
        let digest = |previous_signature: Option<&str>| Digest {
            name: ObjectName { bucket: "b".to_owned(), key: "c".to_owned() },
            account_id: String::new(),
            start: DateTime::UNIX_EPOCH,
            end: DateTime::UNIX_EPOCH,
            end_text: "a".to_owned(),
            fingerprint: String::new(),
            previous: None,
            previous_hash: None,
            previous_signature: previous_signature.map(str::to_owned),
            log_files: Vec::new(),
            oldest: None,
            newest: None,
            content_hash: sha256_hex(b"abc"),
        };
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(None).string_to_sign(), format!("a\nb/c\n{hash}\nnull"));
        assert_eq!(digest(Some("def")).string_to_sign(), format!("a\nb/c\n{hash}\ndef"));
    }

    #[test]
    fn what_lacks_a_member_is_no_digest() {
        let members = [
            ("digestPublicKeyFingerprint", r#""f""#),
            ("digestS3Bucket", r#""b""#),
            ("digestS3Object", r#""o""#),
            ("previousDigestSignature", "null"),
            ("digestEndTime", r#""2023-07-10T13:00:00Z""#),
            ("digestStartTime", r#""2023-07-10T12:00:00Z""#),
            ("logFiles", "[]"),
        ];
        let without = |left_out: &str| {
            let kept = members.iter().filter(|(name, _)| *name != left_out);
            let kept: Vec<_> = kept.map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", kept.join(","))
        };
        assert!(Digest::parse(without("").as_bytes()).is_some_and(|digest| digest.previous.is_none()));
        for (name, _) in members {
            assert_eq!(Digest::parse(without(name).as_bytes()), None, "{name}");
        }
        for bytes in [&b"{}"[..], b"", b"\x1f\x8b\x08", b"[1]", br#"{"Records":[]}"#] {
            assert_eq!(Digest::decode(bytes), Err(NoDigest::Format));
        }
    }
}
