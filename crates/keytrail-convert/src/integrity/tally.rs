//! Adds results up, and finds the log files that no digest file names.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::digest::{ChainId, DigestName};
use super::places::{FileNumber, Places, place_of_log_file};
use super::report::{
    DigestCounts, Fault, Lack, Level, MissingKey, ObjectKind, ObjectResult, State, VerifyObserver, VerifySummary,
};
use super::walk::{DIGEST_DELAY, Facts, Step};
use super::{Outcome, VerifyOptions};
use crate::source::LogFile;

/// Digest files without a signature are named up to this many.
const MAX_NAMED: usize = 100;

/// Account and region.
type Place = (String, String);

/// The sum so far.
pub(super) struct Tally<'t, O> {
    places: &'t Places,
    options: &'t VerifyOptions,
    observer: &'t mut O,
    summary: VerifySummary,
    /// Files that a digest file names.
    is_named: Vec<bool>,
    /// Accounts and regions with digest files, and the time of the newest, whatever its verdict.
    newest: BTreeMap<Place, Option<DateTime<Utc>>>,
}

impl<'t, O: VerifyObserver> Tally<'t, O> {
    pub(super) fn new(places: &'t Places, options: &'t VerifyOptions, observer: &'t mut O) -> Self {
        let is_named = vec![false; places.files().len()];
        let summary = VerifySummary::default();
        Self { places, options, observer, summary, is_named, newest: BTreeMap::new() }
    }

    pub(super) fn take(&mut self, chain: &ChainId, outcome: Outcome) {
        match outcome {
            Outcome::Step(Step::Digest(result, facts)) => self.digest(chain, &result, facts),
            Outcome::Step(Step::Gap(gap)) => {
                self.summary.gaps += 1;
                self.observer.gap(&gap);
            }
            Outcome::Step(Step::Copy) => self.summary.copies += 1,
            // Read before it comes here.
            Outcome::Step(Step::LogFile(..)) => {}
            Outcome::LogFile(result, number) => {
                if let Some(number) = number {
                    self.is_named[number] = true;
                }
                self.log_file(&result);
            }
        }
    }

    pub(super) fn end_chain(&mut self, chain: &ChainId) {
        self.summary.chains += 1;
        self.newest.entry(place_of(chain)).or_default();
    }

    /// Tells the log files that no digest file names, and gives the sum.
    pub(super) fn finish(mut self) -> VerifySummary {
        let range = self.options.range;
        let places = self.places;
        for (number, reason) in places.unread() {
            let (name, size_bytes) = (places.file(*number).path.clone(), 0);
            let state = State::Unread(reason.clone());
            self.log_file(&ObjectResult { kind: ObjectKind::LogFile, name, path: None, size_bytes, state });
        }
        let unnamed = places.log_files().filter(|(number, file)| !self.is_named[*number] && range.contains(file));
        let unnamed: Vec<(FileNumber, &LogFile)> = unnamed.collect();
        for (number, file) in unnamed {
            self.unnamed(number, file);
        }
        self.summary
    }

    fn digest(&mut self, chain: &ChainId, result: &ObjectResult, facts: Option<Facts>) {
        let counts = match result.kind {
            ObjectKind::BackfillDigest => &mut self.summary.backfill,
            _ => &mut self.summary.digests,
        };
        count_digest(counts, &result.state, facts.as_ref());
        let named = DigestName::parse(&result.name).map(|name| name.time);
        let newest = self.newest.entry(place_of(chain)).or_default();
        *newest = (*newest).max(named).max(facts.as_ref().map(|facts| facts.end));
        if let Some(facts) = facts {
            let (from, to) = self.summary.found.unwrap_or((facts.start, facts.end));
            self.summary.found = Some((from.min(facts.start), to.max(facts.end)));
            self.summary.outside_validity += u64::from(facts.is_outside_validity);
            self.lack(chain, result, &facts);
        }
        self.told(result);
    }

    fn lack(&mut self, chain: &ChainId, result: &ObjectResult, facts: &Facts) {
        match &result.state {
            State::Held { lack: Some(Lack::PublicKey(fingerprint)), .. } => {
                let new = || MissingKey { digests: 0, from: facts.start, to: facts.end };
                let place = (fingerprint.clone(), chain.aws_region.clone());
                let key = self.summary.missing_keys.entry(place).or_insert_with(new);
                key.digests += 1;
                (key.from, key.to) = (key.from.min(facts.start), key.to.max(facts.end));
            }
            State::Held { level: Level::Unverified, lack: Some(Lack::Signature) } => {
                let named = &mut self.summary.without_signature;
                if named.len() < MAX_NAMED {
                    named.push(result.name.clone());
                }
            }
            _ => {}
        }
    }

    fn log_file(&mut self, result: &ObjectResult) {
        let counts = &mut self.summary.log_files;
        match &result.state {
            State::Held { level, .. } => {
                counts.valid += 1;
                counts.valid_unsigned += u64::from(*level != Level::Signed);
            }
            State::Invalid(_) => counts.invalid += 1,
            State::NotFound => counts.not_found += 1,
            State::Unread(_) => counts.unread += 1,
            State::NotVouchedFor { copy_of } => {
                counts.not_vouched_for += 1;
                self.summary.log_file_copies += u64::from(copy_of.is_some());
            }
        }
        self.told(result);
    }

    fn told(&mut self, result: &ObjectResult) {
        let bucket = result.name.strip_prefix("s3://").and_then(|name| name.split_once('/')).map(|(bucket, _)| bucket);
        if let Some(bucket) = bucket.filter(|_| result.state == State::NotFound) {
            self.summary.not_found_in.insert(bucket.to_owned());
        }
        self.summary.moved += u64::from(result.state == State::Invalid(Fault::Moved));
        self.observer.object(result);
    }

    fn unnamed(&mut self, number: FileNumber, file: &LogFile) {
        let place = place_told_by(file);
        if self.options.account_id.as_ref().is_some_and(|account_id| *account_id != place.0) {
            return;
        }
        let Some(newest) = self.newest.get(&place) else {
            self.summary.log_files.without_digests += 1;
            *self.summary.places_without_digests.entry(place).or_default() += 1;
            return;
        };
        let delivered = file.delivery_time.and_then(DateTime::from_timestamp_micros);
        // Its digest file is still to come, or was not copied.
        let is_new = delivered.zip(*newest).is_some_and(|(at, newest)| at >= newest && at < newest + DIGEST_DELAY);
        if is_new {
            self.summary.log_files.after_newest += 1;
            return;
        }
        let (name, size_bytes) = (file.path.clone(), file.size_bytes);
        let copy_of = self.places.twins(number).find(|twin| self.is_named[*twin]);
        let state = State::NotVouchedFor { copy_of: copy_of.map(|twin| self.places.file(twin).path.clone()) };
        self.log_file(&ObjectResult { kind: ObjectKind::LogFile, name, path: None, size_bytes, state });
    }
}

fn count_digest(counts: &mut DigestCounts, state: &State, facts: Option<&Facts>) {
    match state {
        State::Held { level: Level::Signed, .. } => counts.signed += 1,
        State::Held { level: Level::HashChained, .. } => counts.hash_chained += 1,
        State::Held { level: Level::Unverified, .. } => counts.unverified += 1,
        State::Invalid(_) => counts.invalid += 1,
        State::NotFound => counts.not_found += 1,
        State::Unread(_) | State::NotVouchedFor { .. } => counts.unread += 1,
    }
    if let Some(facts) = facts {
        counts.empty += u64::from(facts.is_empty);
        counts.starting += u64::from(facts.is_starting);
        counts.late += u64::from(facts.is_late);
    }
}

fn place_of(chain: &ChainId) -> Place {
    (chain.account_id.clone(), chain.aws_region.clone())
}

/// By the log file's name, or by its folders.
fn place_told_by(file: &LogFile) -> Place {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let told = file.told_by_path();
    let (account_id, aws_region) = place_of_log_file(name)
        .unwrap_or((told.account_id.unwrap_or("unknown account"), told.aws_region.unwrap_or("unknown region")));
    (account_id.to_owned(), aws_region.to_owned())
}
