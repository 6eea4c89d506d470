//! What a trail is asked to be, and what it turned out to be.
//!
//! No generation happens here.

use chrono::{DateTime, Duration, NaiveDate, Utc};

/// What the generated trail looks like. Equal configurations give equal bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrailConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Number of distinct API event records (copies for a second account count, repeated deliveries do not).
    pub event_count: u64,
    /// Number of accounts, at least 1; account 0 is the shared-services account that owns the cross-account keys.
    pub account_count: usize,
    /// Regions, busiest first; at least one.
    pub regions: Vec<String>,
    /// Start of the time that the events cover, UTC.
    pub start: DateTime<Utc>,
    /// Number of days that the events cover, at least 1.
    pub days: u32,
    /// Organization id in the object keys (`o-…`); none = the layout of a single-account trail.
    pub organization_id: Option<String>,
    /// Mean number of distinct records per log file. Sizes are spread widely around it.
    pub events_per_file_mean: u64,
    /// Share of records that are delivered once more, in a later file.
    pub duplicate_rate: f64,
    /// Share of log files that are delivered once more, under another name.
    pub redelivered_file_rate: f64,
    /// Share of records that arrive hours to 45 days after their event time.
    pub late_rate: f64,
    /// Share of an account's calls that use a key of account 0 (each such call gives two records).
    pub cross_account_rate: f64,
    /// Share of records with one of the type oddities seen in real logs.
    pub oddity_rate: f64,
    /// Share of records of rare kinds: contexts of uncommon services, attested calls, changes elsewhere that name a key.
    pub rare_rate: f64,
    /// Adds digest, Insight, NetworkActivity and Aggregated files and one log file without records.
    pub side_files: bool,
    /// Tells whole lives of some keys more: moving aliases, grants, policies, material, a family (some fifty events).
    pub key_lives: bool,
    /// Level of the gzip compression, 1 to 12.
    pub compression_level: i32,
}

impl Default for TrailConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            event_count: 100_000,
            account_count: 4,
            regions: ["us-east-1", "eu-west-1", "eu-central-1"].map(String::from).to_vec(),
            start: default_start(),
            days: 120,
            organization_id: Some("o-a1b2c3d4e5".to_owned()),
            events_per_file_mean: 140,
            duplicate_rate: 0.01,
            redelivered_file_rate: 0.002,
            late_rate: 0.01,
            cross_account_rate: 0.01,
            oddity_rate: 0.004,
            rare_rate: 0.0,
            side_files: true,
            key_lives: false,
            compression_level: 6,
        }
    }
}

fn default_start() -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}

impl TrailConfig {
    /// The default trail with another size and seed.
    pub fn with_events(event_count: u64, seed: u64) -> Self {
        Self { seed, event_count, ..Self::default() }
    }

    /// The end of the time that the events cover, exclusive.
    pub fn end(&self) -> DateTime<Utc> {
        self.start + Duration::days(i64::from(self.days.max(1)))
    }
}

/// What kind of object a generated file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GeneratedKind {
    /// A log file with API event records.
    LogFile,
    /// A digest file of log file integrity validation.
    Digest,
    /// A file with Insights events.
    Insight,
    /// A file with network activity events of VPC endpoints.
    NetworkActivity,
    /// A file with aggregated data events: a JSON array.
    Aggregated,
}

/// One generated object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// The object key below the bucket or folder, with `/`.
    pub key: String,
    /// What the object is.
    pub kind: GeneratedKind,
    /// The object's gzip bytes.
    pub bytes: Vec<u8>,
}

/// The keys that a story can be told about. All are ARNs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailFacts {
    /// The key with the most uses.
    pub busiest_key: String,
    /// A key in use until [`Self::silent_since`], never after.
    pub silent_key: String,
    /// From here on the silent key has no use.
    pub silent_since: DateTime<Utc>,
    /// Keys that were created and administered in the window and never used.
    pub never_used_keys: Vec<String>,
    /// A key that was disabled while its users went on calling.
    pub disabled_key: String,
    /// When it was disabled; its calls fail with `DisabledException` from here on.
    pub disabled_time: DateTime<Utc>,
    /// When its deletion was scheduled; calls still fail, with another message.
    pub deletion_scheduled_time: DateTime<Utc>,
    /// A key that was deleted within the window and is still asked for (`NotFoundException`).
    pub deleted_key: String,
    /// When it was deleted.
    pub deleted_time: DateTime<Utc>,
    /// A key of account 0 that the other accounts use.
    pub cross_account_key: String,
    /// A key that is used about once a month.
    pub rarely_used_key: String,
    /// The keys whose lives are told in full, by number; empty unless asked for.
    pub life_keys: Vec<String>,
    /// The accounts of the trail; account 0 first.
    pub account_ids: Vec<String>,
}

/// What a generated trail holds; exact counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailSummary {
    /// Log files, the empty and the redelivered ones included, without the other kinds.
    pub log_files: u64,
    /// Log files without a record.
    pub empty_log_files: u64,
    /// Log files that are a second delivery of another one.
    pub redelivered_log_files: u64,
    /// Records in the log files, repeated deliveries included.
    pub api_event_records: u64,
    /// Distinct records: by account and event id, or by text where there is no id.
    pub distinct_events: u64,
    /// Records minus distinct records.
    pub duplicates: u64,
    /// Distinct records with event source KMS.
    pub kms_events: u64,
    /// Distinct records whose event time lies at least an hour before their delivery.
    pub late_events: u64,
    /// Calls across accounts; each gave two distinct records.
    pub cross_account_pairs: u64,
    /// Digest files.
    pub digest_files: u64,
    /// Files with Insights events.
    pub insight_files: u64,
    /// Files with network activity events.
    pub network_activity_files: u64,
    /// Files with aggregated events.
    pub aggregated_files: u64,
    /// Uncompressed bytes of the log files.
    pub json_bytes: u64,
    /// Compressed bytes of the log files.
    pub gzip_bytes: u64,
    /// Keys to tell a story about.
    pub facts: TrailFacts,
}
