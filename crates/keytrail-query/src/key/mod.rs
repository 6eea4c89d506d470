//! What the owner of one key asks: is it used, when, by whom, through what, for what data, what failed, who may still use it, over
//! which window the logs can tell, and what they cannot tell.
//!
//! The questions are the files under `sql/reports/key/`; this turns a name into a key, runs them and gives a struct. The verdict is
//! that of the view `kms_key_verdicts`. It renders nothing.

mod name;
mod reason;
mod sections;
mod verdict;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::catalog::TableProvider;
use datafusion::common::runtime::SpawnedTask;
use futures::try_join;
use keytrail_events::hash::sha256_hex;
use keytrail_events::kms::arn::{is_multi_region, key_id_of};

use crate::error::QueryError;
use crate::rows::Rows;
use crate::session::Session;
use crate::views::catalogue::{report_files, report_sql};
use crate::views::focus::FocusedEvents;
use name::{KeyPlace, keys_of_same_id, keys_of_similar_id, resolve};

pub use reason::Reason;
pub use sections::{
    AliasCalls, AliasUse, BlindSpot, ContextUse, CoverageWindow, Dependency, Evidence, FailedAttempts, FamilyMember,
    KeyFacts, KeyUsage, OperationUse, PotentialAccess, PrincipalUse, ProtectedKind, ServiceUse, StateSource,
};
pub use verdict::{Caveat, KeyVerdict, Verdict};

/// Which key, and what its asker demands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyQuestion {
    /// A key ARN, a key id, an alias name or an alias ARN.
    pub key: String,
    /// The moment at which an alias is taken; null = the end of the logs.
    pub at: Option<DateTime<Utc>>,
    /// How long the covered window must be for an absence of use to count; null = any.
    pub min_window: Option<TimeDelta>,
}

/// What the logs show about one key. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The key.
    pub key_arn: String,
    /// The account that owns the key, by its ARN.
    pub account_id: String,
    /// The key's region, by its ARN.
    pub region: String,
    /// Whether any event names the key; when not, everything below but the coverage is empty.
    pub is_seen: bool,
    /// First and last use, and counts.
    pub usage: KeyUsage,
    /// What was done, the most uses first.
    pub operations: Vec<OperationUse>,
    /// Who used the key or tried to, the most uses first; at most 20.
    pub principals: Vec<PrincipalUse>,
    /// How many principals there are in all.
    pub principal_total: u64,
    /// Services through which the key was used or tried, the most uses first.
    pub services: Vec<ServiceUse>,
    /// Pairs of encryption contexts, the most calls first; at most 20.
    pub contexts: Vec<ContextUse>,
    /// How many distinct pairs there are in all.
    pub context_total: u64,
    /// Failed cryptographic calls, the most frequent first.
    pub failures: Vec<FailedAttempts>,
    /// Cryptographic calls in the key's account and region that succeeded and name no key; any may have meant this one.
    pub unattributed_use_count: u64,
    /// Those that failed.
    pub unattributed_failure_count: u64,
    /// Among them those that show demand: for the state of a key, or a fault that is no throttling.
    pub unattributed_demand_count: u64,
    /// Calls that name an alias of the key and no key: `usage` and what follows it have not got them.
    pub alias_calls: Vec<AliasCalls>,
    /// What data events and failures of other services prove, the latest first.
    pub evidence: Vec<Evidence>,
    /// Where no event names the key: keys of the same id that are known, in another account or region.
    pub same_id_keys: Vec<String>,
    /// Where no event names the key: keys whose id is nearly the same.
    pub similar_keys: Vec<String>,
    /// Alias names seen to stand for the key, the latest first.
    pub aliases: Vec<AliasUse>,
    /// What the logs show in one word, and what it rests on.
    pub verdict: KeyVerdict,
    /// How long the covered window was asked to be; null = any.
    pub min_window: Option<TimeDelta>,
    /// The key itself.
    pub facts: KeyFacts,
    /// Who may be allowed to use it, as far as logs and imported outputs tell; at most 20.
    pub access: Vec<PotentialAccess>,
    /// How many there are in all.
    pub access_total: u64,
    /// What it protects, by kind of resource; at most 20 kinds.
    pub protected: Vec<ProtectedKind>,
    /// The other members of the key's multi-Region set.
    pub family: Vec<FamilyMember>,
    /// Configurations of other services that name the key, the latest first; at most 20.
    pub dependencies: Vec<Dependency>,
    /// How many there are in all.
    pub dependency_total: u64,
    /// What the logs cover in the key's account and region.
    pub coverage: CoverageWindow,
    /// Where and when they cannot show a use there, the three longest of each kind.
    pub blind_spots: Vec<BlindSpot>,
    /// How many there are in all.
    pub blind_spot_total: u64,
    /// What no log can tell, as far as it applies to this key.
    pub caveats: Vec<Caveat>,
}

/// Answers the questions about a key.
///
/// A key ARN that no event names has an answer too: that nothing was seen, over the window that is covered.
///
/// # Errors
/// [`QueryError::NotAKey`], [`QueryError::KeyNotFound`] and [`QueryError::AmbiguousKey`], beside those of a query.
pub async fn key_answer(session: &Session, question: &KeyQuestion) -> Result<KeyAnswer, QueryError> {
    let key_arn = resolve(session, &question.key, question.at).await?;
    let not_a_key = || QueryError::NotAKey { key: question.key.clone() };
    let place = KeyPlace::of_key(&key_arn).ok_or_else(not_a_key)?;
    let state = session.context().state();
    // Reading takes longest, and opening everything else has one thread: they go side by side.
    let mut reading = None;
    let events = |all| {
        let events = Arc::new(FocusedEvents::new(all, &key_arn));
        let ahead = Arc::clone(&events);
        reading = Some(SpawnedTask::spawn(async move { ahead.read_ahead(&state).await }));
        events as Arc<dyn TableProvider>
    };
    let focused = Arc::new(session.with_replaced("kms_events", events).await?);
    let (found, knowledge, window) =
        try_join!(use_of(&focused, &key_arn), knowledge_of(&focused, &key_arn), window_of(&focused, &key_arn, place),)?;
    drop(reading);
    let holes = window.holes();
    let is_known = window.verdict.is_some();
    let mut answer = KeyAnswer {
        key_arn: key_arn.clone(),
        account_id: place.account_id.to_owned(),
        region: place.region.to_owned(),
        is_seen: knowledge.is_seen,
        usage: found.usage,
        operations: found.operations,
        principals: found.principals,
        principal_total: found.principal_total,
        services: found.services,
        contexts: found.contexts,
        context_total: found.context_total,
        failures: found.failures,
        unattributed_use_count: window.unattributed_use_count,
        unattributed_failure_count: window.unattributed_failure_count,
        unattributed_demand_count: window.unattributed_demand_count,
        alias_calls: found.alias_calls,
        evidence: knowledge.evidence,
        same_id_keys: Vec::new(),
        similar_keys: Vec::new(),
        aliases: found.aliases,
        verdict: window.verdict.unwrap_or_else(|| KeyVerdict::unseen(holes, &window.sibling_verdicts)),
        min_window: question.min_window,
        facts: knowledge.facts,
        access: knowledge.access,
        access_total: knowledge.access_total,
        protected: knowledge.protected,
        family: knowledge.family,
        dependencies: knowledge.dependencies,
        dependency_total: knowledge.dependency_total,
        coverage: window.coverage,
        blind_spots: window.blind_spots,
        blind_spot_total: window.blind_spot_total,
        caveats: Vec::new(),
    };
    if let Some(minimum) = question.min_window {
        answer.verdict.require_window(answer.observed_window(), minimum);
    }
    if !answer.is_seen && !is_known {
        let is_sibling = |arn: &String| answer.family.iter().any(|member| member.key_arn == *arn);
        answer.same_id_keys = keys_of_same_id(session, &answer.key_arn).await?;
        answer.same_id_keys.retain(|arn| !is_sibling(arn));
        if answer.same_id_keys.is_empty() {
            answer.similar_keys = keys_of_similar_id(session, &answer.key_arn).await?;
        }
        answer.verdict.doubt_name(&answer.same_id_keys, &answer.similar_keys);
    }
    answer.caveats = Caveat::of(&answer);
    Ok(answer)
}

/// The statements that the answer comes from, by the name of their file, such as `usage`; parameters are `$key`, `$key_suffix`,
/// `$account_id` and `$region`.
pub fn key_statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    report_files("key/")
}

/// The part of the answer that tells what was done with the key.
struct Use {
    usage: KeyUsage,
    operations: Vec<OperationUse>,
    principals: Vec<PrincipalUse>,
    principal_total: u64,
    services: Vec<ServiceUse>,
    contexts: Vec<ContextUse>,
    context_total: u64,
    failures: Vec<FailedAttempts>,
    aliases: Vec<AliasUse>,
    alias_calls: Vec<AliasCalls>,
}

async fn use_of(session: &Arc<Session>, key_arn: &str) -> Result<Use, QueryError> {
    let of_key = [("key".to_owned(), key_arn.to_owned())];
    let (usage, operations, principals, services, contexts, failures, aliases, alias_calls) = try_join!(
        spawned(session, "key/usage.sql", &of_key),
        spawned(session, "key/operations.sql", &of_key),
        spawned(session, "key/principals.sql", &of_key),
        spawned(session, "key/services.sql", &of_key),
        spawned(session, "key/contexts.sql", &of_key),
        spawned(session, "key/failures.sql", &of_key),
        spawned(session, "key/aliases.sql", &of_key),
        spawned(session, "key/alias_calls.sql", &of_key),
    )?;
    Ok(Use {
        usage: usage.first().map(sections::key_usage).transpose()?.unwrap_or_default(),
        operations: operations.map(sections::operation_use)?,
        principals: principals.map(sections::principal_use)?,
        principal_total: first_count(&principals, "total_count")?,
        services: services.map(sections::service_use)?,
        contexts: contexts.map(sections::context_use)?,
        context_total: first_count(&contexts, "total_count")?,
        failures: failures.map(sections::failed_attempts)?,
        aliases: aliases.map(sections::alias_use)?,
        alias_calls: alias_calls.map(sections::alias_calls)?,
    })
}

/// The part of the answer that tells what is known of the key, and what stands around it.
struct Knowledge {
    is_seen: bool,
    facts: KeyFacts,
    access: Vec<PotentialAccess>,
    access_total: u64,
    protected: Vec<ProtectedKind>,
    family: Vec<FamilyMember>,
    dependencies: Vec<Dependency>,
    dependency_total: u64,
    evidence: Vec<Evidence>,
}

async fn knowledge_of(session: &Arc<Session>, key_arn: &str) -> Result<Knowledge, QueryError> {
    let of_key = [("key".to_owned(), key_arn.to_owned())];
    let id = key_id_of(key_arn).unwrap_or_default();
    let of_family = [of_key[0].clone(), ("key_suffix".to_owned(), format!(":key/{id}"))];
    let family = async {
        // Only multi-Region keys have siblings.
        if !is_multi_region(id) {
            return Ok(Vec::new());
        }
        spawned(session, "key/family.sql", &of_family).await?.map(sections::family_member)
    };
    let (facts, public_key, access, protected, family, dependencies, evidence) = try_join!(
        spawned(session, "key/facts.sql", &of_key),
        spawned(session, "key/public_key.sql", &of_key),
        spawned(session, "key/access.sql", &of_key),
        spawned(session, "key/protected.sql", &of_key),
        family,
        spawned(session, "key/dependencies.sql", &of_key),
        spawned(session, "key/evidence.sql", &of_key),
    )?;
    // A key may be known by imported outputs only.
    let first_seen_time = facts.first().map(|row| row.time("first_seen_time")).transpose()?.flatten();
    let facts = facts.first().map(sections::key_facts).transpose()?.unwrap_or_default();
    Ok(Knowledge {
        is_seen: first_seen_time.is_some(),
        facts: sections::with_public_key(facts, &public_key)?,
        access: access.map(sections::potential_access)?,
        access_total: first_count(&access, "total_count")?,
        protected: protected.map(sections::protected_kind)?,
        family,
        dependencies: dependencies.map(sections::dependency)?,
        dependency_total: first_count(&dependencies, "total_count")?,
        evidence: evidence.map(sections::evidence)?,
    })
}

/// The part of the answer that tells what the logs cover where the key lives, and the verdict that this allows.
struct Window {
    unattributed_use_count: u64,
    unattributed_failure_count: u64,
    unattributed_demand_count: u64,
    coverage: CoverageWindow,
    blind_spots: Vec<BlindSpot>,
    blind_spot_total: u64,
    /// That of the view; none = it has no row for a key that nothing names.
    verdict: Option<KeyVerdict>,
    /// Those of the other members of its multi-Region set.
    sibling_verdicts: Vec<KeyVerdict>,
}

async fn window_of(session: &Arc<Session>, key_arn: &str, place: KeyPlace<'_>) -> Result<Window, QueryError> {
    let of_key = [("key".to_owned(), key_arn.to_owned())];
    let of_place =
        [("account_id".to_owned(), place.account_id.to_owned()), ("region".to_owned(), place.region.to_owned())];
    let of_both = [&of_place[..], &of_key[..]].concat();
    let (unattributed, coverage, blind_spots, verdicts) = try_join!(
        spawned(session, "key/unattributed.sql", &of_place),
        spawned(session, "key/coverage.sql", &of_place),
        spawned(session, "key/blind_spots.sql", &of_both),
        spawned(session, "key/verdict.sql", &of_key),
    )?;
    let verdicts = verdicts.map(|row| Ok((row.count("is_own")? > 0, KeyVerdict::of_row(row)?)))?;
    let (own, siblings): (Vec<_>, Vec<_>) = verdicts.into_iter().partition(|(is_own, _)| *is_own);
    let verdict_only = |(_, verdict)| verdict;
    Ok(Window {
        unattributed_use_count: first_count(&unattributed, "use_count")?,
        unattributed_failure_count: first_count(&unattributed, "failure_count")?,
        unattributed_demand_count: first_count(&unattributed, "demand_count")?,
        coverage: coverage.first().map(sections::coverage_window).transpose()?.unwrap_or_default(),
        blind_spots: blind_spots.map(sections::blind_spot)?,
        blind_spot_total: first_count(&blind_spots, "total_count")?,
        verdict: own.into_iter().map(verdict_only).next(),
        sibling_verdicts: siblings.into_iter().map(verdict_only).collect(),
    })
}

impl Window {
    /// The kinds of blind spots in the key's place, sorted, and uses that name no key; `no_logs` where nothing is covered.
    fn holes(&self) -> Vec<Reason> {
        if self.coverage.record_count == 0 {
            return vec![Reason::NoLogs];
        }
        let mut kinds: Vec<_> = self.blind_spots.iter().map(|spot| spot.kind).collect();
        kinds.sort_by_key(|kind| kind.as_str());
        kinds.dedup();
        kinds.extend((self.unattributed_use_count > 0).then_some(Reason::UnattributedUse));
        kinds.extend((self.unattributed_demand_count > 0).then_some(Reason::UnattributedDemand));
        kinds
    }
}

impl KeyAnswer {
    /// Puts `sha256:` and the first 16 digits of their hash in place of context values, for answers that leave the house: equal
    /// values stay equal, and who knows a value finds it. Short values can be guessed; it is no encryption.
    pub fn hash_context_values(&mut self) {
        for context in &mut self.contexts {
            context.context_value = context.context_value.take().map(|value| hashed(&value));
        }
    }

    /// How long the key was observed: the length of the covered window, from the key's creation on where that is later; for a multi-Region
    /// key the shortest covered window of its set, as a member's data may be as old as the set. Null = nothing is covered, or of a member.
    pub fn observed_window(&self) -> Option<TimeDelta> {
        let length = self.coverage.length();
        if self.family.is_empty() {
            let since_made =
                self.facts.creation_time.zip(self.coverage.last_event_time).map(|(made, last)| last - made);
            return length.map(|length| length.min(since_made.unwrap_or(length).max(TimeDelta::zero())));
        }
        let of_members = self.family.iter().map(|member| member.covered());
        of_members.fold(length, |shortest, length| Some(shortest?.min(length?)))
    }
}

fn hashed(value: &str) -> String {
    format!("sha256:{}", &sha256_hex(value.as_bytes())[..16])
}

async fn report(session: &Session, file: &str, parameters: &[(String, String)]) -> Result<Rows, QueryError> {
    Rows::collect(session.execute(report_sql(file), parameters).await?).await
}

/// As [`report`], on another thread where there is one: planning alone takes as long as reading.
async fn spawned(
    session: &Arc<Session>,
    file: &'static str,
    parameters: &[(String, String)],
) -> Result<Rows, QueryError> {
    let (session, parameters) = (Arc::clone(session), parameters.to_vec());
    let task = SpawnedTask::spawn(async move { report(&session, file, &parameters).await });
    match task.join().await {
        Ok(rows) => rows,
        Err(stopped) => Err(QueryError::UnexpectedResult { what: format!("{file}: {stopped}") }),
    }
}

fn first_count(rows: &Rows, column: &str) -> Result<u64, QueryError> {
    rows.first().map_or(Ok(0), |row| row.count(column))
}
