//! What a verdict follows from, in one word each.

use crate::error::QueryError;

/// A word of `kms_key_verdicts.reasons` or `kms_blind_spots.kind`, or one that only an answer about one key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Calls with the key succeeded.
    Use,
    /// All calls that succeeded were services' checks of their permission.
    OnlyProbes,
    /// Another member of the multi-Region set was used.
    SiblingUsed,
    /// Calls that needed another member of the multi-Region set failed.
    SiblingBlocked,
    /// Calls failed for the key's state.
    Blocked,
    /// Calls failed as the key was not there.
    NotFound,
    /// Calls failed by throttling or a passing fault.
    Transient,
    /// The key worked, and the signature or MAC did not match.
    VerifyFailed,
    /// Another service's record tells that KMS refused it for the key's state.
    BlockedInService,
    /// Another service's record tells that the key was not there.
    NotFoundInService,
    /// Another service's record tells that it could not use the key.
    InaccessibleInService,
    /// There is no event of the key's account and region.
    NoLogs,
    /// There is no event for longer than the traffic there is ever silent.
    Gap,
    /// Nothing that reads is logged.
    WriteOnly,
    /// KMS writes are logged, and no KMS reads.
    KmsWritesOnly,
    /// Other services' calls are logged, and none of KMS.
    NoKmsCalls,
    /// KMS calls stop for longer than they ever do there, and others go on.
    KmsCallsStopped,
    /// A trail was stopped.
    LoggingStopped,
    /// A trail's event selectors leave KMS calls out.
    KmsExcluded,
    /// A trail's event selectors choose among KMS calls.
    KmsPartial,
    /// Records have a form that cannot name every key and context.
    PartialDetail,
    /// Events come from exports only, and all have one name, caller or key.
    FilteredExport,
    /// Log files or records could not be taken.
    Rejected,
    /// A use that GetKeyLastUsage names is not in the logs of the place.
    MissingUse,
    /// The trails, as their descriptions tell, leave KMS calls out.
    TrailSettings,
    /// Log files that an integrity digest names are not in the lake.
    MissingLogFile,
    /// A conversion left log files unread.
    UnfinishedConversion,
    /// A call that succeeded names no key.
    UnattributedUse,
    /// A call that failed in a way that shows demand names no key.
    UnattributedDemand,
    /// The key's policy denies a call of its own account explicitly.
    DeniedByKeyPolicy,
    /// A ReEncrypt that named the key failed for its other key.
    OtherKeyBlocked,
    /// A cryptographic call failed by an error that keytrail does not know.
    UnknownFailure,
    /// The key was called by an operation that keytrail does not know.
    UnknownOperation,
    /// What was taken for a ciphertext of the key could not be opened.
    UnopenedCiphertext,
    /// A data event names the key for what was written.
    ProtectsObjects,
    /// Another service made something with the key, and the KMS calls for that are missing.
    EncryptedResource,
    /// The logs end before the key was made.
    NotYetCovered,
    /// GetKeyLastUsage names a use at a time that the logs do not cover.
    TrackedUse,
    /// KMS itself knows of an event that the logs should hold.
    MissingEvent,
    /// A member of the multi-Region set has holes in its logs, or signs of use.
    SiblingIncomplete,
    /// No event names the key, and its id is known in another account or region.
    KnownElsewhere,
    /// No event names the key, and another key's id is nearly the same.
    SimilarKey,
    /// The covered window is shorter than was asked for.
    ShortWindow,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 43] = [
        Self::Use,
        Self::OnlyProbes,
        Self::SiblingUsed,
        Self::SiblingBlocked,
        Self::Blocked,
        Self::NotFound,
        Self::Transient,
        Self::VerifyFailed,
        Self::BlockedInService,
        Self::NotFoundInService,
        Self::InaccessibleInService,
        Self::NoLogs,
        Self::Gap,
        Self::WriteOnly,
        Self::KmsWritesOnly,
        Self::NoKmsCalls,
        Self::KmsCallsStopped,
        Self::LoggingStopped,
        Self::KmsExcluded,
        Self::KmsPartial,
        Self::PartialDetail,
        Self::FilteredExport,
        Self::Rejected,
        Self::MissingUse,
        Self::TrailSettings,
        Self::MissingLogFile,
        Self::UnfinishedConversion,
        Self::UnattributedUse,
        Self::UnattributedDemand,
        Self::DeniedByKeyPolicy,
        Self::OtherKeyBlocked,
        Self::UnknownFailure,
        Self::UnknownOperation,
        Self::UnopenedCiphertext,
        Self::ProtectsObjects,
        Self::EncryptedResource,
        Self::NotYetCovered,
        Self::TrackedUse,
        Self::MissingEvent,
        Self::SiblingIncomplete,
        Self::KnownElsewhere,
        Self::SimilarKey,
        Self::ShortWindow,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::OnlyProbes => "only_probes",
            Self::SiblingUsed => "multi_region_sibling_used",
            Self::SiblingBlocked => "multi_region_sibling_blocked",
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::Transient => "transient",
            Self::VerifyFailed => "verify_failed",
            Self::BlockedInService => "blocked_in_service",
            Self::NotFoundInService => "not_found_in_service",
            Self::InaccessibleInService => "inaccessible_in_service",
            Self::NoLogs => "no_logs",
            Self::Gap => "gap",
            Self::WriteOnly => "write_only",
            Self::KmsWritesOnly => "kms_writes_only",
            Self::NoKmsCalls => "no_kms_calls",
            Self::KmsCallsStopped => "kms_calls_stopped",
            Self::LoggingStopped => "logging_stopped",
            Self::KmsExcluded => "kms_excluded",
            Self::KmsPartial => "kms_partial",
            Self::PartialDetail => "partial_detail",
            Self::FilteredExport => "filtered_export",
            Self::Rejected => "rejected",
            Self::MissingUse => "missing_use",
            Self::TrailSettings => "trail_settings",
            Self::MissingLogFile => "missing_log_file",
            Self::UnfinishedConversion => "unfinished_conversion",
            Self::UnattributedUse => "unattributed_use",
            Self::UnattributedDemand => "unattributed_demand",
            Self::DeniedByKeyPolicy => "denied_by_key_policy",
            Self::OtherKeyBlocked => "other_key_blocked",
            Self::UnknownFailure => "unknown_failure",
            Self::UnknownOperation => "unknown_operation",
            Self::UnopenedCiphertext => "unopened_ciphertext",
            Self::ProtectsObjects => "protects_objects",
            Self::EncryptedResource => "encrypted_resource",
            Self::NotYetCovered => "not_yet_covered",
            Self::TrackedUse => "tracked_use",
            Self::MissingEvent => "missing_event",
            Self::SiblingIncomplete => "multi_region_sibling_incomplete",
            Self::KnownElsewhere => "known_elsewhere",
            Self::SimilarKey => "similar_key",
            Self::ShortWindow => "short_window",
        }
    }

    /// The reason that a word of the views stands for.
    pub(super) fn parse(word: &str) -> Result<Self, QueryError> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == word);
        found.ok_or_else(|| QueryError::UnexpectedResult { what: format!("reason `{word}`") })
    }

    /// Whether it is a kind of `kms_blind_spots`: the logs cannot show a use.
    pub const fn is_blind_spot(self) -> bool {
        matches!(
            self,
            Self::NoLogs
                | Self::Gap
                | Self::WriteOnly
                | Self::KmsWritesOnly
                | Self::NoKmsCalls
                | Self::KmsCallsStopped
                | Self::LoggingStopped
                | Self::KmsExcluded
                | Self::KmsPartial
                | Self::PartialDetail
                | Self::FilteredExport
                | Self::Rejected
                | Self::MissingUse
                | Self::TrailSettings
                | Self::MissingLogFile
                | Self::UnfinishedConversion
        )
    }

    /// Whether it is a sign of use: no lack of logs, but what no key without a use would have.
    pub const fn is_sign(self) -> bool {
        matches!(
            self,
            Self::UnattributedUse
                | Self::UnattributedDemand
                | Self::DeniedByKeyPolicy
                | Self::OtherKeyBlocked
                | Self::UnknownOperation
                | Self::ProtectsObjects
                | Self::EncryptedResource
        )
    }

    /// Whether it makes doubtful that the key is the one that its asker means.
    pub const fn is_doubt(self) -> bool {
        matches!(self, Self::KnownElsewhere | Self::SimilarKey)
    }

    /// Whether it follows from the question, so that no view has it.
    pub const fn is_of_question(self) -> bool {
        self.is_doubt() || matches!(self, Self::ShortWindow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()).unwrap(), reason);
        }
        for unknown in ["", "Gap", "gap "] {
            assert!(matches!(Reason::parse(unknown), Err(QueryError::UnexpectedResult { .. })), "{unknown}");
        }
    }
}
