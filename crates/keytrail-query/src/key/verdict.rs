//! What the logs say about a key in one word, what that word rests on, and what no log can say.
//!
//! The word of every key that has a row in the view `kms_key_verdicts` is the view's, for one key as for all of them. A key that nothing
//! names has no row and is judged here, by what the logs of its place cannot show. So is what only the asker tells: an ARN that is nearly
//! another key's, and how long the window must be. Either can only make `no_use_found` incomplete.

use chrono::{DateTime, TimeDelta, Utc};
use keytrail_events::kms::arn::{is_multi_region, key_id_of};

use super::{KeyAnswer, Reason};
use crate::error::QueryError;
use crate::rows::Row;

/// What the logs show about the use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Calls with the key, or with a member of its multi-Region set, succeeded inside the covered window.
    InUse,
    /// Calls failed because of the key's state, or while it could not be reached, and none succeeded since.
    BlockedDemand,
    /// No use was found, and nothing is known to be missing from the covered window.
    NoUseFound,
    /// No use was found, but the logs have holes.
    Incomplete,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::InUse, Self::BlockedDemand, Self::NoUseFound, Self::Incomplete];

    /// The word in the column `verdict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::BlockedDemand => "blocked_demand",
            Self::NoUseFound => "no_use_found",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The row of `kms_key_verdicts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVerdict {
    /// The verdict.
    pub verdict: Verdict,
    /// What it follows from.
    pub reasons: Vec<Reason>,
    /// Uses by which a service only checked its permission.
    pub probe_count: u64,
    /// Failed calls that show demand: blocked, transient, not found, or a signature that did not match.
    pub unmet_count: u64,
    /// Latest of them.
    pub last_unmet_time: Option<DateTime<Utc>>,
    /// Its event.
    pub last_unmet_event_id: Option<String>,
    /// Failed calls for want of permission.
    pub denied_count: u64,
    /// Uses whose record names an alias of the key, and no key.
    pub alias_use_count: u64,
    /// Grants that live, as far as the logs show.
    pub live_grant_count: u64,
    /// Last use of any member of the multi-Region set; null = no set, or no use.
    pub family_last_used_time: Option<DateTime<Utc>>,
    /// Latest failed call with any member that shows demand; null = no set, or none.
    pub family_last_unmet_time: Option<DateTime<Utc>>,
    /// The key was created inside the covered window.
    pub is_whole_life_covered: bool,
}

impl KeyVerdict {
    /// The words of the reasons.
    pub fn reason_words(&self) -> Vec<&'static str> {
        self.reasons.iter().map(|reason| reason.as_str()).collect()
    }

    /// A key that no event names, of which nothing is known but its place, and the verdicts on the members of its multi-Region set: what
    /// they were used for it may be used for, too.
    pub(super) fn unseen(mut holes: Vec<Reason>, siblings: &[Self]) -> Self {
        let is_any = |verdict| siblings.iter().any(|sibling| sibling.verdict == verdict);
        if is_any(Verdict::Incomplete) {
            holes.push(Reason::SiblingIncomplete);
        }
        let (verdict, reasons) = if is_any(Verdict::InUse) {
            (Verdict::InUse, vec![Reason::SiblingUsed])
        } else if is_any(Verdict::BlockedDemand) {
            (Verdict::BlockedDemand, vec![Reason::SiblingBlocked])
        } else if holes.is_empty() {
            (Verdict::NoUseFound, holes)
        } else {
            (Verdict::Incomplete, holes)
        };
        Self {
            verdict,
            reasons,
            probe_count: 0,
            unmet_count: 0,
            last_unmet_time: None,
            last_unmet_event_id: None,
            denied_count: 0,
            alias_use_count: 0,
            live_grant_count: 0,
            family_last_used_time: siblings.iter().filter_map(|sibling| sibling.family_last_used_time).max(),
            family_last_unmet_time: siblings.iter().filter_map(|sibling| sibling.family_last_unmet_time).max(),
            is_whole_life_covered: false,
        }
    }

    pub(super) fn of_row(row: Row<'_>) -> Result<Self, QueryError> {
        let word = row.required_text("verdict")?;
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word);
        let reasons = row.text("reasons")?.unwrap_or_default();
        let words = reasons.split(',').filter(|reason| !reason.is_empty());
        Ok(Self {
            verdict: verdict.ok_or_else(|| QueryError::UnexpectedResult { what: format!("verdict `{word}`") })?,
            reasons: words.map(Reason::parse).collect::<Result<_, _>>()?,
            probe_count: row.count("probe_count")?,
            unmet_count: row.count("unmet_count")?,
            last_unmet_time: row.time("last_unmet_time")?,
            last_unmet_event_id: row.text("last_unmet_event_id")?,
            denied_count: row.count("denied_count")?,
            alias_use_count: row.count("alias_use_count")?,
            live_grant_count: row.count("live_grant_count")?,
            family_last_used_time: row.time("family_last_used_time")?,
            family_last_unmet_time: row.time("family_last_unmet_time")?,
            is_whole_life_covered: row.count("is_whole_life_covered")? > 0,
        })
    }

    /// An id belongs to one key, or to one multi-Region set: where another ARN has it, or nearly so, the asker's is mistyped.
    pub(super) fn doubt_name(&mut self, same_id_keys: &[String], similar_keys: &[String]) {
        let doubts = [(Reason::KnownElsewhere, same_id_keys), (Reason::SimilarKey, similar_keys)];
        let is_open = matches!(self.verdict, Verdict::NoUseFound | Verdict::Incomplete);
        for (reason, _) in doubts.into_iter().filter(|(_, keys)| is_open && !keys.is_empty()) {
            self.verdict = Verdict::Incomplete;
            self.reasons.push(reason);
        }
    }

    /// An observation that is shorter than the asker wants is no answer: yearly jobs are keys' last users.
    pub(super) fn require_window(&mut self, covered: Option<TimeDelta>, minimum: TimeDelta) {
        if self.verdict == Verdict::NoUseFound && covered.is_none_or(|covered| covered < minimum) {
            self.verdict = Verdict::Incomplete;
            self.reasons.push(Reason::ShortWindow);
        }
    }
}

/// Why a key may be needed although the logs show no use, or although its uses have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caveat {
    /// AWS manages the key; its owner cannot delete it.
    AwsManaged,
    /// The key is deleted already.
    AlreadyDeleted,
    /// The covered window begins after the key was created, or nobody knows when that was.
    OlderThanWindow,
    /// Whoever has the public key encrypts and verifies without KMS.
    PublicKey,
    /// The material came from outside and may be used there.
    ImportedMaterial,
    /// The material is in a custom key store, which others run.
    CustomKeyStore,
    /// Other members of the multi-Region set open the same ciphertexts.
    MultiRegion,
    /// Data keys are kept by their users: one call can stand for many objects and months.
    CachedDataKeys,
    /// S3 Bucket Keys: one call stands for many objects.
    BucketKeys,
    /// Volumes, snapshots, backups, databases: years may lie between two calls.
    LatentData,
    /// Something was encrypted and not opened since.
    NeverRead,
    /// Somebody holds a grant.
    LiveGrants,
    /// Configurations of other services name the key.
    Configured,
    /// Calls that name no key succeeded, and may have meant this one.
    UnattributedUses,
    /// Failed calls that name no key may have meant this one.
    UnattributedFailures,
}

impl Caveat {
    /// The word for it in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsManaged => "aws_managed",
            Self::AlreadyDeleted => "already_deleted",
            Self::OlderThanWindow => "older_than_window",
            Self::PublicKey => "public_key",
            Self::ImportedMaterial => "imported_material",
            Self::CustomKeyStore => "custom_key_store",
            Self::MultiRegion => "multi_region",
            Self::CachedDataKeys => "cached_data_keys",
            Self::BucketKeys => "bucket_keys",
            Self::LatentData => "latent_data",
            Self::NeverRead => "never_read",
            Self::LiveGrants => "live_grants",
            Self::Configured => "configured",
            Self::UnattributedUses => "unattributed_uses",
            Self::UnattributedFailures => "unattributed_failures",
        }
    }

    /// Those that apply to a key, by what is known of it.
    pub(super) fn of(answer: &KeyAnswer) -> Vec<Self> {
        let facts = &answer.facts;
        let did = |names: &[&str]| answer.operations.iter().any(|row| names.contains(&row.operation.as_str()));
        let in_context = |name: &str, is_meant: &dyn Fn(&str) -> bool| {
            let values = answer.contexts.iter().filter(|row| row.context_key == name);
            values.filter_map(|row| row.context_value.as_deref()).any(is_meant)
        };
        // The spec of a symmetric key is SYMMETRIC_DEFAULT, or HMAC_ and a length.
        let is_asymmetric =
            facts.key_spec.as_ref().is_some_and(|spec| !spec.starts_with("SYMMETRIC") && !spec.starts_with("HMAC"));
        let is_of_set = key_id_of(&answer.key_arn).is_some_and(is_multi_region);
        let applies = [
            (Self::AwsManaged, facts.key_manager.as_deref() == Some("AWS")),
            (Self::AlreadyDeleted, facts.key_state.as_deref() == Some("Deleted")),
            (Self::OlderThanWindow, !answer.verdict.is_whole_life_covered),
            (
                Self::PublicKey,
                is_asymmetric
                    || facts.public_key_read_count > 0
                    || did(&["Sign", "Verify", "DeriveSharedSecret", "Encapsulate", "Decapsulate"]),
            ),
            (Self::ImportedMaterial, facts.origin.as_deref() == Some("EXTERNAL")),
            (Self::CustomKeyStore, ["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"].map(Some).contains(&facts.origin.as_deref())),
            (Self::MultiRegion, !answer.family.is_empty() || is_of_set),
            (Self::CachedDataKeys, did(&["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])),
            (Self::BucketKeys, in_context("aws:s3:arn", &|value| !value.contains('/'))),
            (Self::LatentData, answer.protected.iter().any(|kind| kind.is_latent)),
            (Self::NeverRead, answer.protected.iter().any(|kind| kind.never_read_count > 0)),
            (Self::LiveGrants, answer.verdict.live_grant_count > 0),
            (Self::Configured, answer.dependency_total > 0),
            (Self::UnattributedUses, answer.unattributed_use_count > 0),
            (Self::UnattributedFailures, answer.unattributed_failure_count > 0),
        ];
        applies.into_iter().filter(|(_, applies)| *applies).map(|(caveat, _)| caveat).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item 56: a window shorter than the asker's minimum downgrades the absence of use, and nothing else.
    #[test]
    fn item_56_a_short_window_is_incomplete() {
        let days = TimeDelta::days;
        for (covered, minimum, expected) in [
            (Some(days(30)), days(400), Verdict::Incomplete),
            (Some(days(400)), days(400), Verdict::NoUseFound),
            (None, days(1), Verdict::Incomplete),
        ] {
            let mut verdict = KeyVerdict::unseen(Vec::new(), &[]);
            verdict.require_window(covered, minimum);
            assert_eq!(verdict.verdict, expected, "{covered:?}");
            assert_eq!(verdict.reasons.is_empty(), expected == Verdict::NoUseFound);
        }
        let mut used = KeyVerdict { verdict: Verdict::InUse, ..KeyVerdict::unseen(Vec::new(), &[]) };
        used.require_window(Some(days(1)), days(400));
        assert_eq!(used.verdict, Verdict::InUse);
    }

    #[test]
    fn an_unseen_key_in_a_place_with_holes_is_incomplete() {
        assert_eq!(KeyVerdict::unseen(Vec::new(), &[]).verdict, Verdict::NoUseFound);
        assert_eq!(KeyVerdict::unseen(vec![Reason::Gap], &[]).verdict, Verdict::Incomplete);
    }

    #[test]
    fn an_unseen_member_of_a_set_is_judged_with_it() {
        let sibling = |verdict| KeyVerdict { verdict, ..KeyVerdict::unseen(Vec::new(), &[]) };
        for (of_sibling, expected, reasons) in [
            (Verdict::InUse, Verdict::InUse, vec![Reason::SiblingUsed]),
            (Verdict::BlockedDemand, Verdict::BlockedDemand, vec![Reason::SiblingBlocked]),
            (Verdict::Incomplete, Verdict::Incomplete, vec![Reason::SiblingIncomplete]),
            (Verdict::NoUseFound, Verdict::NoUseFound, vec![]),
        ] {
            let unseen = KeyVerdict::unseen(Vec::new(), &[sibling(of_sibling)]);
            assert_eq!((unseen.verdict, unseen.reasons), (expected, reasons));
        }
    }
}
