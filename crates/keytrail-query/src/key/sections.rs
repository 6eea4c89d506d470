//! The parts of the answer about a key: one struct for the rows of each report under `sql/reports/key/`.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::Reason;
use crate::error::QueryError;
use crate::rows::{Row, Rows};

/// First and last use of a key, and counts: the row of `kms_key_usage`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// Time of the earliest use; null = no use seen.
    pub first_used_time: Option<DateTime<Utc>>,
    /// Time of the latest use; null = no use seen.
    pub last_used_time: Option<DateTime<Utc>>,
    /// Event of the latest use.
    pub last_used_event_id: Option<String>,
    /// Operation of the latest use.
    pub last_used_operation: Option<String>,
    /// Who made the latest use; null where AWS names none.
    pub last_used_principal_arn: Option<String>,
    /// Events that are a use of the key.
    pub use_event_count: u64,
    /// The same, copies of one call counted once.
    pub use_count: u64,
    /// Uses that opened ciphertext.
    pub decrypt_count: u64,
    /// Uses that left new ciphertext.
    pub ciphertext_created_count: u64,
    /// Signatures and MACs made or verified.
    pub sign_mac_count: u64,
    /// Cryptographic calls that failed.
    pub failed_count: u64,
    /// Distinct principal ARNs of uses.
    pub principal_count: u64,
    /// Distinct services that made uses.
    pub service_count: u64,
}

/// What was done with a key by one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationUse {
    /// The operation, such as `Decrypt`.
    pub operation: String,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// UTC day of the latest call.
    pub last_seen_date: Option<NaiveDate>,
}

/// What one principal did with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalUse {
    /// A role, another principal's ARN, a service or a principal id; null where the records name nobody.
    pub principal: Option<String>,
    /// `userIdentity.type`.
    pub principal_type: Option<String>,
    /// The principal's account; null where the records do not tell.
    pub principal_account_id: Option<String>,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// What was done with a key through one AWS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUse {
    /// The service, such as `s3.amazonaws.com`.
    pub service: String,
    /// Calls that succeeded.
    pub use_event_count: u64,
    /// Calls that failed.
    pub failed_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// One pair of an encryption context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextUse {
    /// The pair's name.
    pub context_key: String,
    /// The pair's value; written by callers.
    pub context_value: Option<String>,
    /// Calls that named it.
    pub event_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// Failed calls with one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The error.
    pub error_code: String,
    /// What the failure proves: blocked, denied, transient, …
    pub outcome: Option<String>,
    /// Failed calls.
    pub event_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// Calls whose record names an alias of the key, and no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasCalls {
    /// The alias, which stood for the key when the calls were made.
    pub alias_name: String,
    /// The operation.
    pub operation: String,
    /// What became of the calls: used, probe, blocked, denied, …
    pub outcome: String,
    /// Calls.
    pub event_count: u64,
    /// Earliest call.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest call.
    pub last_seen_time: Option<DateTime<Utc>>,
    /// Its event.
    pub last_event_id: Option<String>,
}

/// What records of another service prove of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The word of the column `proof` of `key_evidence`: protects, blocked or not_found.
    pub proof: String,
    /// The service.
    pub event_source: Option<String>,
    /// What was called there.
    pub event_name: Option<String>,
    /// Events.
    pub event_count: u64,
    /// Earliest event.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest event.
    pub last_seen_time: Option<DateTime<Utc>>,
    /// Its id.
    pub last_event_id: Option<String>,
}

/// An alias name that was seen to stand for the key; it may have been moved since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasUse {
    /// The name, with `alias/`.
    pub alias_name: String,
    /// Earliest event.
    pub first_seen_time: Option<DateTime<Utc>>,
    /// Latest event.
    pub last_seen_time: Option<DateTime<Utc>>,
    /// When it ceased to stand for the key; null = it still does, as far as is known.
    pub ended_time: Option<DateTime<Utc>>,
}

/// What the logs cover in one account and region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoverageWindow {
    /// Earliest event of any service; null = the logs hold nothing of this account and region.
    pub first_event_time: Option<DateTime<Utc>>,
    /// Latest event of any service.
    pub last_event_time: Option<DateTime<Utc>>,
    /// UTC days with at least one event.
    pub covered_day_count: u64,
    /// UTC days between the first and the last without a single event.
    pub missing_day_count: u64,
    /// Events of all services.
    pub record_count: u64,
    /// KMS events of a reading kind; zero beside KMS writes is the mark of a write-only trail.
    pub kms_read_count: u64,
    /// KMS events of a writing kind.
    pub kms_write_count: u64,
}

impl CoverageWindow {
    /// From the earliest event to the latest; null = nothing is covered.
    pub fn length(&self) -> Option<TimeDelta> {
        self.last_event_time.zip(self.first_event_time).map(|(last, first)| last - first)
    }
}

pub(super) fn key_usage(row: Row<'_>) -> Result<KeyUsage, QueryError> {
    Ok(KeyUsage {
        first_used_time: row.time("first_used_time")?,
        last_used_time: row.time("last_used_time")?,
        last_used_event_id: row.text("last_used_event_id")?,
        last_used_operation: row.text("last_used_operation")?,
        last_used_principal_arn: row.text("last_used_principal_arn")?,
        use_event_count: row.count("use_event_count")?,
        use_count: row.count("use_count")?,
        decrypt_count: row.count("decrypt_count")?,
        ciphertext_created_count: row.count("ciphertext_created_count")?,
        sign_mac_count: row.count("sign_mac_count")?,
        failed_count: row.count("failed_count")?,
        principal_count: row.count("principal_count")?,
        service_count: row.count("service_count")?,
    })
}

pub(super) fn operation_use(row: Row<'_>) -> Result<OperationUse, QueryError> {
    Ok(OperationUse {
        operation: row.required_text("operation")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        last_seen_date: row.date("last_seen_date")?,
    })
}

pub(super) fn principal_use(row: Row<'_>) -> Result<PrincipalUse, QueryError> {
    Ok(PrincipalUse {
        principal: row.text("principal")?,
        principal_type: row.text("principal_type")?,
        principal_account_id: row.text("principal_account_id")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn service_use(row: Row<'_>) -> Result<ServiceUse, QueryError> {
    Ok(ServiceUse {
        service: row.required_text("service")?,
        use_event_count: row.count("use_event_count")?,
        failed_count: row.count("failed_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn context_use(row: Row<'_>) -> Result<ContextUse, QueryError> {
    Ok(ContextUse {
        context_key: row.required_text("context_key")?,
        context_value: row.text("context_value")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn failed_attempts(row: Row<'_>) -> Result<FailedAttempts, QueryError> {
    Ok(FailedAttempts {
        error_code: row.required_text("error_code")?,
        outcome: row.text("outcome")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn alias_calls(row: Row<'_>) -> Result<AliasCalls, QueryError> {
    Ok(AliasCalls {
        alias_name: row.required_text("alias_name")?,
        operation: row.required_text("operation")?,
        outcome: row.required_text("outcome")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
        last_event_id: row.text("last_event_id")?,
    })
}

pub(super) fn evidence(row: Row<'_>) -> Result<Evidence, QueryError> {
    Ok(Evidence {
        proof: row.required_text("proof")?,
        event_source: row.text("event_source")?,
        event_name: row.text("event_name")?,
        event_count: row.count("event_count")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
        last_event_id: row.text("last_event_id")?,
    })
}

pub(super) fn alias_use(row: Row<'_>) -> Result<AliasUse, QueryError> {
    Ok(AliasUse {
        alias_name: row.required_text("alias_name")?,
        first_seen_time: row.time("first_seen_time")?,
        last_seen_time: row.time("last_seen_time")?,
        ended_time: row.time("ended_time")?,
    })
}

pub(super) fn coverage_window(row: Row<'_>) -> Result<CoverageWindow, QueryError> {
    let covered_day_count = row.count("covered_day_count")?;
    let span = row.date("first_event_date")?.zip(row.date("last_event_date")?);
    let day_count = span.map_or(0, |(first, last)| u64::try_from((last - first).num_days()).unwrap_or(0) + 1);
    Ok(CoverageWindow {
        first_event_time: row.time("first_event_time")?,
        last_event_time: row.time("last_event_time")?,
        covered_day_count,
        missing_day_count: day_count.saturating_sub(covered_day_count),
        record_count: row.count("record_count")?,
        kms_read_count: row.count("kms_read_count")?,
        kms_write_count: row.count("kms_write_count")?,
    })
}

/// What the logs and imported outputs tell about the key itself: the row of `kms_keys`. Null wherever they do not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// `CUSTOMER` or `AWS`.
    pub key_manager: Option<String>,
    /// Such as `SYMMETRIC_DEFAULT` or `RSA_2048`.
    pub key_spec: Option<String>,
    /// Such as `ENCRYPT_DECRYPT`.
    pub key_usage: Option<String>,
    /// `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    pub origin: Option<String>,
    /// What its owner wrote about it.
    pub description: Option<String>,
    /// When it was created.
    pub creation_time: Option<DateTime<Utc>>,
    /// By whom.
    pub created_by_principal_arn: Option<String>,
    /// The event of its creation; null beside a time = an output tells it.
    pub created_event_id: Option<String>,
    /// The state as last known, such as `Enabled`; `Deleted` when the key is gone.
    pub key_state: Option<String>,
    /// Since when; of an observed state since when at the latest, of a described one when it was described.
    pub key_state_since_time: Option<DateTime<Utc>>,
    /// The event that tells of the state.
    pub key_state_event_id: Option<String>,
    /// What tells of the state.
    pub key_state_source: Option<StateSource>,
    /// When the key is, or was, to be deleted.
    pub deletion_time: Option<DateTime<Utc>>,
    /// The event that scheduled it; null beside a time = an output tells it.
    pub deletion_event_id: Option<String>,
    /// When imported key material expires, or was to; null = never, or nothing tells.
    pub material_expiry_time: Option<DateTime<Utc>>,
    /// `primary`, `replica` or `member` of a multi-Region set.
    pub multi_region_role: Option<String>,
    /// When the newest imported describe-key output was made; null = none.
    pub described_time: Option<DateTime<Utc>>,
    /// When GetKeyLastUsage was asked; null = no output of it was imported.
    pub usage_asked_time: Option<DateTime<Utc>>,
    /// The last use that it told; null = none tracked.
    pub tracked_used_time: Option<DateTime<Utc>>,
    /// Its operation.
    pub tracked_operation: Option<String>,
    /// Its CloudTrail event.
    pub tracked_event_id: Option<String>,
    /// Successful `GetPublicKey` calls.
    pub public_key_read_count: u64,
    /// The last of them; null = none, or none with a readable time.
    pub public_key_read_time: Option<DateTime<Utc>>,
    /// Who made it; null = none, or its record does not tell.
    pub public_key_reader_arn: Option<String>,
}

/// What tells of a key's state: the words of `kms_keys.key_state_source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSource {
    /// An event set it.
    Event,
    /// Calls prove it.
    Observed,
    /// An imported describe-key output.
    Inventory,
}

impl StateSource {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Observed => "observed",
            Self::Inventory => "inventory",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Event, Self::Observed, Self::Inventory].into_iter().find(|source| source.as_str() == word)
    }
}

/// Who may be allowed to use the key: a row of `kms_potential_access`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PotentialAccess {
    /// `named`, `account_delegation`, `grant`, `service`, `anyone`, or `unknown` for a policy that cannot be read.
    pub tier: String,
    /// Whom the policy or grant names.
    pub principal: Option<String>,
    /// The statement, policy or grant that allows it.
    pub via: Option<String>,
    /// For what, comma-separated.
    pub actions: Option<String>,
    /// Conditions or constraints narrow it down.
    pub is_conditional: bool,
    /// The principal belongs to another account.
    pub is_cross_account: bool,
    /// `logs` or `inventory`.
    pub source: String,
    /// Since when, or when the output was made; null = unknown.
    pub as_of_time: Option<DateTime<Utc>>,
}

/// Another member of the key's multi-Region set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyMember {
    /// The member.
    pub key_arn: String,
    /// Its state as last known.
    pub key_state: Option<String>,
    /// Its last use.
    pub last_used_time: Option<DateTime<Utc>>,
    /// Its uses.
    pub use_event_count: u64,
    /// First event of any service in its account and region; null = none.
    pub covered_from_time: Option<DateTime<Utc>>,
    /// The last one.
    pub covered_to_time: Option<DateTime<Utc>>,
}

impl FamilyMember {
    /// From the first event to the last; null = nothing is covered.
    pub fn covered(&self) -> Option<TimeDelta> {
        self.covered_to_time.zip(self.covered_from_time).map(|(last, first)| last - first)
    }
}

/// Resources of one kind that the key protects: rows of `kms_protected_resources`, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedKind {
    /// The AWS service whose resources they are; null = callers encrypt by themselves.
    pub service: Option<String>,
    /// Such as `object`, `volume` or `secret`.
    pub resource_kind: Option<String>,
    /// How many are named.
    pub resource_count: u64,
    /// How many of them were written and never opened since.
    pub never_read_count: u64,
    /// They may lie for years between two calls.
    pub is_latent: bool,
    /// The latest success.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// A configuration of another service that names the key: a row of `kms_configuration_dependencies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The service, such as `ec2.amazonaws.com`.
    pub event_source: Option<String>,
    /// The call that named the key, such as `CreateVolume`.
    pub event_name: Option<String>,
    /// What was configured, where the call tells.
    pub resource: Option<String>,
    /// The alias that it named, where it did not name the key.
    pub alias_arn: Option<String>,
    /// Such calls.
    pub event_count: u64,
    /// The latest.
    pub last_seen_time: Option<DateTime<Utc>>,
}

/// A span in which the logs cannot show a use: a row of `kms_blind_spots`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindSpot {
    /// What kind: one of those that [are blind spots](Reason::is_blind_spot).
    pub kind: Reason,
    /// Its start; null = the whole time.
    pub from_time: Option<DateTime<Utc>>,
    /// Its end; null = until now.
    pub to_time: Option<DateTime<Utc>>,
    /// The event that proves it; null = it follows from what is missing.
    pub event_id: Option<String>,
    /// The numbers behind it.
    pub detail: Option<String>,
}

pub(super) fn key_facts(row: Row<'_>) -> Result<KeyFacts, QueryError> {
    Ok(KeyFacts {
        key_manager: row.text("key_manager")?,
        key_spec: row.text("key_spec")?,
        key_usage: row.text("key_usage")?,
        origin: row.text("origin")?,
        description: row.text("description")?,
        creation_time: row.time("creation_time")?,
        created_by_principal_arn: row.text("created_by_principal_arn")?,
        created_event_id: row.text("created_event_id")?,
        key_state: row.text("key_state")?,
        key_state_since_time: row.time("key_state_since_time")?,
        key_state_event_id: row.text("key_state_event_id")?,
        key_state_source: row.text("key_state_source")?.as_deref().and_then(StateSource::parse),
        deletion_time: row.time("deletion_time")?,
        deletion_event_id: row.text("deletion_event_id")?,
        material_expiry_time: row.time("material_expiry_time")?,
        multi_region_role: row.text("multi_region_role")?,
        described_time: row.time("described_time")?,
        usage_asked_time: row.time("usage_asked_time")?,
        tracked_used_time: row.time("tracked_used_time")?,
        tracked_operation: row.text("tracked_operation")?,
        tracked_event_id: row.text("tracked_event_id")?,
        public_key_read_count: 0,
        public_key_read_time: None,
        public_key_reader_arn: None,
    })
}

/// The facts, with what is known of the public part.
pub(super) fn with_public_key(facts: KeyFacts, reads: &Rows) -> Result<KeyFacts, QueryError> {
    let Some(row) = reads.first() else { return Ok(facts) };
    Ok(KeyFacts {
        public_key_read_count: row.count("event_count")?,
        public_key_read_time: row.time("last_read_time")?,
        public_key_reader_arn: row.text("last_reader_arn")?,
        ..facts
    })
}

pub(super) fn potential_access(row: Row<'_>) -> Result<PotentialAccess, QueryError> {
    Ok(PotentialAccess {
        tier: row.required_text("tier")?,
        principal: row.text("principal")?,
        via: row.text("via")?,
        actions: row.text("actions")?,
        is_conditional: row.count("is_conditional")? > 0,
        is_cross_account: row.count("is_cross_account")? > 0,
        source: row.required_text("source")?,
        as_of_time: row.time("as_of_time")?,
    })
}

pub(super) fn family_member(row: Row<'_>) -> Result<FamilyMember, QueryError> {
    Ok(FamilyMember {
        key_arn: row.required_text("key_arn")?,
        key_state: row.text("key_state")?,
        last_used_time: row.time("last_used_time")?,
        use_event_count: row.count("use_event_count")?,
        covered_from_time: row.time("first_event_time")?,
        covered_to_time: row.time("last_event_time")?,
    })
}

pub(super) fn protected_kind(row: Row<'_>) -> Result<ProtectedKind, QueryError> {
    Ok(ProtectedKind {
        service: row.text("service")?,
        resource_kind: row.text("resource_kind")?,
        resource_count: row.count("resource_count")?,
        never_read_count: row.count("never_read_count")?,
        is_latent: row.count("is_latent")? > 0,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn dependency(row: Row<'_>) -> Result<Dependency, QueryError> {
    Ok(Dependency {
        event_source: row.text("event_source")?,
        event_name: row.text("event_name")?,
        resource: row.text("resource")?,
        alias_arn: row.text("alias_arn")?,
        event_count: row.count("event_count")?,
        last_seen_time: row.time("last_seen_time")?,
    })
}

pub(super) fn blind_spot(row: Row<'_>) -> Result<BlindSpot, QueryError> {
    Ok(BlindSpot {
        kind: Reason::parse(&row.required_text("kind")?)?,
        from_time: row.time("from_time")?,
        to_time: row.time("to_time")?,
        event_id: row.text("event_id")?,
        detail: row.text("detail")?,
    })
}
