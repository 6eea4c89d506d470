//! One chain of digest files, judged from the newest to the oldest.
//!
//! ```text
//! digest N ── previousDigest{Object, HashValue, Signature} ─▶ digest N-1 ──▶ … ──▶ a starting digest (all null)
//! ```
//! What a digest file says about the one before it is all that is kept between two of them. It reads no file.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashSet;

use super::digest::{ChainId, Digest, NamedLogFile, NoDigest, ObjectName};
use super::keys::PublicKeys;
use super::places::{FileNumber, Found, Places, is_in_place};
use super::report::{Fault, Gap, Lack, Level, ObjectKind, ObjectResult, State};
use super::signatures::GivenSignatures;
use super::{LocationCheck, VerifyOptions};
use crate::source::DeliveryRange;

/// A digest file comes up to an hour after the log files that it names.
pub(super) const DIGEST_DELAY: TimeDelta = TimeDelta::hours(1);

/// What judges digest files, whichever chain they are of.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) keys: PublicKeys,
    pub(super) signatures: GivenSignatures,
    pub(super) range: DeliveryRange,
    pub(super) location: LocationCheck,
}

impl Judge {
    pub(super) fn new(options: &VerifyOptions) -> Result<Self, crate::ConvertError> {
        Ok(Self {
            keys: PublicKeys::read(&options.public_keys)?,
            signatures: GivenSignatures::read(&options.signatures)?,
            range: options.range,
            location: options.location,
        })
    }
}

/// A digest file that was read.
pub(super) struct Loaded {
    pub(super) number: FileNumber,
    pub(super) size_bytes: u64,
    /// By its name, or its content where that tells.
    pub(super) time: DateTime<Utc>,
    pub(super) content: Result<Result<Digest, NoDigest>, String>,
    /// The signature that S3 keeps with the object.
    pub(super) signature: Option<String>,
}

/// What a step found.
pub(super) enum Step {
    Digest(ObjectResult, Option<Facts>),
    LogFile(NamedLogFile, Level),
    Gap(Gap),
    Copy,
}

/// What the summary takes of a digest file that is held.
pub(super) struct Facts {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
    pub(super) is_empty: bool,
    pub(super) is_starting: bool,
    pub(super) is_late: bool,
    pub(super) is_outside_validity: bool,
}

/// What a digest file says about the one before it.
#[derive(Debug)]
struct Expected {
    name: ObjectName,
    hash: Option<String>,
    signature: Option<String>,
    /// The file that says so is not known to be false.
    is_trusted: bool,
    /// It belongs to what was asked for, so that its absence counts.
    is_wanted: bool,
}

/// The way back through a chain.
pub(super) struct Walk {
    chain: ChainId,
    places: Arc<Places>,
    judge: Arc<Judge>,
    expected: Vec<Expected>,
    seen: FxHashSet<ObjectName>,
    /// Start of the digest file that began a chain, until the one before it is met.
    restart: Option<DateTime<Utc>>,
    /// Start and end of what is held.
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Walk {
    pub(super) fn new(chain: ChainId, places: Arc<Places>, judge: Arc<Judge>) -> Self {
        Self { chain, places, judge, expected: Vec::new(), seen: FxHashSet::default(), restart: None, span: None }
    }

    /// Judges the next older digest file.
    pub(super) fn step(&mut self, loaded: Loaded) -> Vec<Step> {
        let Loaded { number, size_bytes, time, content, signature } = loaded;
        let path = self.places.file(number).path.clone();
        let digest = match content {
            // Another one's content in the place of the one that is expected there.
            Ok(Ok(digest)) if self.is_instead_of_expected(&path, &digest) => Err(State::Invalid(Fault::Moved)),
            Ok(Ok(digest)) => Ok(digest),
            Ok(Err(NoDigest::Format)) => Err(State::Invalid(Fault::Format)),
            Ok(Err(NoDigest::TrailingBytes)) => Err(State::Invalid(Fault::TrailingBytes)),
            Err(reason) => Err(State::Unread(reason)),
        };
        let digest = match digest {
            Ok(digest) => digest,
            Err(state) => return self.no_digest(&path, size_bytes, time, state),
        };
        if self.is_copy(&digest, number) {
            return vec![Step::Copy];
        }
        let expected = self.take_expected(|name| *name == digest.name);
        let state = self.judge(&digest, &path, signature.as_deref(), expected.as_ref());
        let is_valid = matches!(state, State::Held { .. });
        // The signature that a false file carries may still be AWS's, as none can be made up; nothing else in it is worth anything.
        self.expect_previous(&digest, is_valid);
        if !self.is_asked_for(digest.end) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if is_valid {
            steps.extend(self.gap_before(&digest).map(Step::Gap));
            self.restart = digest.previous.is_none().then_some(digest.start);
            let (from, to) = self.span.unwrap_or((digest.start, digest.end));
            self.span = Some((from.min(digest.start), to.max(digest.end)));
        }
        let result = ObjectResult {
            kind: self.kind(),
            path: Some(path).filter(|path| *path != digest.name.to_string()),
            name: digest.name.to_string(),
            size_bytes,
            state,
        };
        let State::Held { level, .. } = result.state else {
            steps.push(Step::Digest(result, None));
            return steps;
        };
        steps.push(Step::Digest(result, Some(self.facts(&digest, level))));
        steps.extend(digest.log_files.into_iter().map(|log_file| Step::LogFile(log_file, level)));
        steps
    }

    /// What was named and never met, and the edges of the period that was asked for.
    pub(super) fn finish(self) -> Vec<Step> {
        let kind = self.kind();
        let mut steps: Vec<Step> = self
            .expected
            .iter()
            .filter(|expected| expected.is_wanted && expected.is_trusted && !self.seen.contains(&expected.name))
            .map(|expected| {
                let name = expected.name.to_string();
                Step::Digest(ObjectResult { kind, name, path: None, size_bytes: 0, state: State::NotFound }, None)
            })
            .collect();
        steps.extend(self.edges().into_iter().map(Step::Gap));
        steps
    }

    fn kind(&self) -> ObjectKind {
        if self.chain.is_backfill { ObjectKind::BackfillDigest } else { ObjectKind::Digest }
    }

    /// What is not the digest file that it should be; its place tells which one that is.
    fn no_digest(&mut self, path: &str, size_bytes: u64, time: DateTime<Utc>, state: State) -> Vec<Step> {
        let expected = self.take_expected(|name| is_in_place(path, name));
        if !self.is_asked_for(time) {
            return Vec::new();
        }
        let name = expected.map_or_else(|| path.to_owned(), |expected| expected.name.to_string());
        let path = Some(path.to_owned()).filter(|path| *path != name);
        vec![Step::Digest(ObjectResult { kind: self.kind(), name, path, size_bytes, state }, None)]
    }

    fn is_instead_of_expected(&self, path: &str, digest: &Digest) -> bool {
        self.expected.iter().any(|expected| expected.name != digest.name && is_in_place(path, &expected.name))
    }

    /// Whether another file is the one to judge: the one in its place, or one that was judged before.
    fn is_copy(&mut self, digest: &Digest, number: FileNumber) -> bool {
        let is_elsewhere = !is_in_place(&self.places.file(number).path, &digest.name);
        let has_original = is_elsewhere && matches!(self.places.find(&digest.name, ""), Found::InPlace(_));
        has_original || !self.seen.insert(digest.name.clone())
    }

    fn take_expected(&mut self, is_it: impl Fn(&ObjectName) -> bool) -> Option<Expected> {
        let at = self.expected.iter().position(|expected| is_it(&expected.name))?;
        Some(self.expected.swap_remove(at))
    }

    fn is_asked_for(&self, end: DateTime<Utc>) -> bool {
        self.judge.range.since.is_none_or(|since| end >= since)
            && self.judge.range.until.is_none_or(|until| end <= until + DIGEST_DELAY)
    }

    fn expect_previous(&mut self, digest: &Digest, is_trusted: bool) {
        let Some(name) = digest.previous.clone() else { return };
        self.expected.push(Expected {
            name,
            hash: digest.previous_hash.clone(),
            signature: digest.previous_signature.clone(),
            is_trusted,
            is_wanted: self.is_asked_for(digest.end)
                && self.judge.range.since.is_none_or(|since| digest.start >= since),
        });
    }

    fn judge(&self, digest: &Digest, path: &str, own: Option<&str>, expected: Option<&Expected>) -> State {
        if self.judge.location == LocationCheck::Delivered && !is_in_place(path, &digest.name) {
            return State::Invalid(Fault::Moved);
        }
        let of_next = expected.and_then(|expected| expected.signature.as_deref());
        let told_hash = expected.and_then(|expected| expected.hash.as_deref());
        let is_trusted = expected.is_some_and(|expected| expected.is_trusted);
        let lack = match self.judge.keys.find(&digest.fingerprint) {
            None => Lack::PublicKey(digest.fingerprint.clone()),
            Some(key) if !key.is_sound() => Lack::SoundKey(digest.fingerprint.clone()),
            Some(key) => {
                let text = digest.string_to_sign();
                // The nearest first: what lies with the object, what the user has fetched, what the next digest file carries.
                let stated = own.or_else(|| self.judge.signatures.named(digest));
                let signature = stated.or(of_next);
                let is_signed = signature.is_some_and(|signature| key.verifies(&text, signature))
                    || stated.is_none() && self.judge.signatures.fits(digest, key);
                match signature {
                    _ if is_signed && (told_hash.is_none_or(|hash| hash == digest.content_hash) || !is_trusted) => {
                        return State::Held { level: Level::Signed, lack: None };
                    }
                    _ if is_signed => return State::Invalid(Fault::Hash),
                    Some(_) if stated.is_some() || is_trusted => return State::Invalid(Fault::Signature),
                    _ => Lack::Signature,
                }
            }
        };
        match told_hash.filter(|_| is_trusted) {
            Some(hash) if hash != digest.content_hash => State::Invalid(Fault::Hash),
            Some(_) => State::Held { level: Level::HashChained, lack: Some(lack) },
            None => State::Held { level: Level::Unverified, lack: Some(lack) },
        }
    }

    fn facts(&self, digest: &Digest, level: Level) -> Facts {
        let key = self.judge.keys.find(&digest.fingerprint);
        // Backfill digest files are signed when they are made, which may be long after their hour.
        let is_timely = self.chain.is_backfill || key.is_none_or(|key| key.is_valid_at(digest.end));
        Facts {
            start: digest.start,
            end: digest.end,
            is_empty: digest.log_files.is_empty(),
            is_starting: digest.previous.is_none(),
            is_late: digest.is_late(),
            is_outside_validity: level == Level::Signed && !is_timely,
        }
    }

    /// The time between a digest file that began a chain and the one before it.
    fn gap_before(&self, older: &Digest) -> Option<Gap> {
        let to = self.restart.filter(|restart| older.end < *restart)?;
        Some(Gap { chain: self.chain.clone(), from: older.end, to })
    }

    /// What was asked for and lies before or after all that is held. A backfill has no reason to cover a period.
    fn edges(&self) -> Vec<Gap> {
        let Some((from, to)) = self.span.filter(|_| !self.chain.is_backfill) else { return Vec::new() };
        let gap = |from, to| Gap { chain: self.chain.clone(), from, to };
        let before = self
            .judge
            .range
            .since
            .filter(|since| *since < from && self.restart.is_some())
            .map(|since| gap(since, from));
        let after = self.judge.range.until.filter(|until| to + DIGEST_DELAY < *until).map(|until| gap(to, until));
        before.into_iter().chain(after).collect()
    }
}
