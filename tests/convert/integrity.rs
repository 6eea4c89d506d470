//! Digest files over copies on disk: each scenario is a chain, what happened to it, and what a verification says.

use std::path::{Path, PathBuf};

use keytrail_convert::Source;
use keytrail_convert::integrity::{
    Gap, Level, LocationCheck, ObjectKind, ObjectResult, State, VerifyObserver, VerifyOptions, VerifySummary, verify,
};
use keytrail_convert::source::DeliveryRange;
use keytrail_events::hash::sha256_hex;
use keytrail_lake::{Location, StorageOptions};
use keytrail_testkit::digests::{
    DeliveredObject, DigestChain, KeyForm, TestKey, gzip, head_object, public_keys, write_copy,
};

const ACCOUNT: &str = "111122223333";

/// Results in words, for tests to compare.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Vec<String>);

impl VerifyObserver for Told {
    fn planned(&mut self, _files: u64, _bytes: u64) {}

    fn object(&mut self, result: &ObjectResult) {
        let kind = match result.kind {
            ObjectKind::Digest => "digest",
            ObjectKind::BackfillDigest => "backfill digest",
            ObjectKind::LogFile => "log",
        };
        let state = match &result.state {
            State::Held { level: Level::Signed, .. } => return,
            State::Held { level, lack } if result.kind != ObjectKind::LogFile => {
                let lack = lack.as_ref().map_or(String::new(), |lack| format!(", {lack}"));
                format!("{level:?}{lack}")
            }
            State::Held { .. } => return,
            State::Invalid(fault) => format!("INVALID: {fault}"),
            State::NotFound => "not found".to_owned(),
            State::Unread(_) => "unread".to_owned(),
            State::NotVouchedFor { copy_of: None } => "not vouched for".to_owned(),
            State::NotVouchedFor { copy_of: Some(_) } => "a further copy".to_owned(),
        };
        self.0.push(format!("{kind} {}: {state}", hour_of(&result.name)));
    }

    fn gap(&mut self, gap: &Gap) {
        self.0.push(format!("gap {} to {}", gap.from.format("%H"), gap.to.format("%H")));
    }
}

/// Hour and minute in a name.
fn hour_of(name: &str) -> String {
    let at = name.rfind("20260304T").map(|at| at + 9);
    at.and_then(|at| name.get(at..at + 4))
        .map_or_else(|| name.to_owned(), |digits| format!("{}:{}", &digits[..2], &digits[2..]))
}

/// A copy on disk, and what is given with it.
pub(crate) struct Scenario {
    folder: tempfile::TempDir,
    options: VerifyOptions,
}

impl Scenario {
    pub(crate) fn new(objects: &[DeliveredObject]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_copy(objects, &folder.path().join("copy")).expect("written");
        let options = VerifyOptions {
            sources: vec![source(&folder.path().join("copy"))],
            storage: StorageOptions::default(),
            public_keys: Vec::new(),
            signatures: Vec::new(),
            range: DeliveryRange::default(),
            account_id: None,
            location: LocationCheck::Delivered,
        };
        Self { folder, options }.with_keys(&[TestKey::First, TestKey::Second], KeyForm::Pkcs1)
    }

    fn with_keys(mut self, keys: &[TestKey], form: KeyForm) -> Self {
        self.options.public_keys = vec![self.write("keys/keys.json", &public_keys(keys, form))];
        self
    }

    fn with_signature(mut self, name: &str, object: &DeliveredObject) -> Self {
        let path = self.write(&format!("heads/{name}"), &head_object(object));
        self.options.signatures.push(path);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut VerifyOptions)) -> Self {
        change(&mut self.options);
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs_err::write(&path, text).expect("written");
        path
    }

    fn copy(&self, object: &DeliveredObject) -> PathBuf {
        self.folder.path().join("copy").join(&object.bucket).join(&object.key)
    }

    async fn run(&self) -> (Vec<String>, VerifySummary) {
        let mut told = Told::default();
        let summary = verify(&self.options, &mut told).await.expect("verified");
        (told.0, summary)
    }
}

fn source(path: &Path) -> Source {
    Source::Place(Location::local(path).expect("a location"))
}

/// Four hours: two log files, one, none, one.
pub(crate) fn four_hours() -> DigestChain {
    let mut chain = DigestChain::new(ACCOUNT, "eu-west-1");
    for contents in [&[r#"{"Records":[1]}"#, r#"{"Records":[2]}"#][..], &[r#"{"Records":[3]}"#], &[], &["{}"]] {
        chain.deliver(contents);
    }
    chain
}

fn newest(chain: &DigestChain) -> &DeliveredObject {
    chain.objects.last().expect("a digest file")
}

const NEWEST_UNSIGNED: &str = "digest 04:00: Unverified, no later digest file carries its signature";

#[tokio::test]
async fn item_60_what_a_copy_of_a_sound_chain_shows() {
    let chain = four_hours();
    for form in [KeyForm::Pkcs1, KeyForm::Spki] {
        let copy = Scenario::new(&chain.objects).with_keys(&[TestKey::First], form);
        let (told, summary) = copy.run().await;
        assert_eq!(told, [NEWEST_UNSIGNED], "{form:?}");
        let digests = summary.digests;
        assert_eq!((digests.signed, digests.unverified, digests.empty, digests.starting), (3, 1, 1, 1), "{form:?}");
        assert_eq!((summary.log_files.valid, summary.log_files.valid_unsigned), (4, 1));
        assert!(!summary.is_damaged() && !summary.is_complete());
        assert_eq!(summary.without_signature, [format!("s3://trail-logs/{}", newest(&chain).key)]);

        // The newest signature from outside, under a name that tells nothing and under the digest file's own.
        for name in ["head.json", &newest(&chain).file_name().replace(".gz", "")] {
            let copy = Scenario::new(&chain.objects).with_keys(&[TestKey::First], form);
            let (told, summary) = copy.with_signature(name, newest(&chain)).run().await;
            assert_eq!((told.len(), summary.digests.signed), (0, 4), "{form:?} {name}");
            assert!(summary.is_complete());
        }
    }
}

#[tokio::test]
async fn item_60_levels_without_a_public_key() {
    let chain = four_hours();
    let copy = Scenario::new(&chain.objects).with(|options| options.public_keys.clear());
    let (told, summary) = copy.run().await;
    let lack = format!("public key not found for fingerprint {}", TestKey::First.fingerprint());
    let expected = ["04:00: Unverified", "03:00: HashChained", "02:00: HashChained", "01:00: HashChained"];
    assert_eq!(told, expected.map(|level| format!("digest {level}, {lack}")));
    assert!(!summary.is_damaged() && !summary.is_complete());
    let missing = &summary.missing_keys[&(TestKey::First.fingerprint(), "eu-west-1".to_owned())];
    assert_eq!(missing.digests, 4);

    // Without a key, the chain of hashes still shows an altered digest file.
    let mut altered = four_hours();
    let second = altered.digests()[1];
    altered.objects[second].bytes = gzip(&unpacked(&altered.objects[second]).replace("SHA-256", "SHA-255"));
    let copy = Scenario::new(&altered.objects).with(|options| options.public_keys.clear());
    let (told, summary) = copy.run().await;
    assert_eq!(told[2], "digest 02:00: INVALID: hash value doesn't match");
    assert!(summary.is_damaged());
}

fn unpacked(object: &DeliveredObject) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(object.bytes.as_slice()), &mut text)
        .expect("gzip of text");
    text
}

/// A digest file's content with the beginning of a member's text changed.
fn with_member(object: &DeliveredObject, member: &str, beginning: &str) -> String {
    let text = unpacked(object);
    let (before, after) = text.split_once(&format!("\"{member}\":\"")).expect("a member");
    format!("{before}\"{member}\":\"{beginning}{}", &after[beginning.len()..])
}

#[tokio::test]
async fn r21_the_hash_in_the_next_digest_file_counts_beside_the_signature() {
    let mut chain = four_hours();
    let at = chain.digests()[3];
    let content = with_member(&chain.objects[at], "previousDigestHashValue", "0000");
    let digest: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    let text = |member: &str| digest[member].as_str().expect("a text").to_owned();
    let place = format!("{}/{}", text("digestS3Bucket"), text("digestS3Object"));
    let (hash, previous) = (sha256_hex(content.as_bytes()), text("previousDigestSignature"));
    let signature = TestKey::First.sign(&format!("{}\n{place}\n{hash}\n{previous}", text("digestEndTime")));
    (chain.objects[at].bytes, chain.objects[at].signature) = (gzip(&content), Some(signature));
    let copy = Scenario::new(&chain.objects).with_signature("head.json", newest(&chain));
    assert_eq!(copy.run().await.0, ["digest 03:00: INVALID: hash value doesn't match"]);
}

/// What happened to a sound chain, and what is told about it beside the newest digest file's missing signature.
#[tokio::test]
async fn r21_every_change_is_told() {
    type Change = fn(&mut DigestChain);
    let cases: [(&str, Change, &[&str]); 16] = [
        ("nothing", |_| {}, &[]),
        (
            "log file altered",
            |c| c.objects[0].bytes = gzip("{\"Records\":[9]}"),
            &["log 00:05: INVALID: hash value doesn't match"],
        ),
        ("log file unpacked", |c| c.objects[0].bytes = b"{\"Records\":[1]}".to_vec(), &[]),
        ("log file cut", |c| c.objects[0].bytes.truncate(20), &["log 00:05: INVALID: hash value doesn't match"]),
        ("log file damaged", |c| c.objects[0].bytes[11] ^= 0xff, &["log 00:05: INVALID: invalid format"]),
        (
            "second member",
            |c| c.objects[0].bytes.extend(gzip("{\"Records\":[9]}")),
            &["log 00:05: INVALID: unexpected data after end of compressed stream"],
        ),
        (
            "bytes behind a log file",
            |c| c.objects[0].bytes.push(0),
            &["log 00:05: INVALID: unexpected data after end of compressed stream"],
        ),
        ("log file missing", |c| drop(c.objects.remove(1)), &["log 00:10: not found"]),
        (
            // The one before it has lost its signature with it, though not what it says.
            "digest missing",
            |c| drop(c.objects.remove(c.digests()[1])),
            &[
                "digest 01:00: Unverified, no later digest file carries its signature",
                "digest 02:00: not found",
                "log 01:05: not vouched for",
            ],
        ),
        (
            "digest altered",
            |c| {
                let at = c.digests()[1];
                c.objects[at].bytes = gzip(&unpacked(&c.objects[at]).replace("Delivery", "Deliverx"));
            },
            &["digest 02:00: INVALID: signature verification failed", "log 01:05: not vouched for"],
        ),
        (
            "digest damaged",
            |c| {
                let at = c.digests()[1];
                c.objects[at].bytes[15] ^= 0xff;
            },
            &[
                "digest 02:00: INVALID: invalid format",
                "digest 01:00: Unverified, no later digest file carries its signature",
                "log 01:05: not vouched for",
            ],
        ),
        (
            // What a false file says about the one before it accuses nobody.
            "digest altered in what it says of the one before it",
            |c| {
                let at = c.digests()[1];
                c.objects[at].bytes = gzip(&with_member(&c.objects[at], "previousDigestSignature", "00"));
            },
            &[
                "digest 02:00: INVALID: signature verification failed",
                "digest 01:00: Unverified, no later digest file carries its signature",
                "log 01:05: not vouched for",
            ],
        ),
        (
            "bytes behind a digest",
            |c| {
                let at = c.digests()[1];
                c.objects[at].bytes.push(0);
            },
            &[
                "digest 02:00: INVALID: unexpected data after end of compressed stream",
                "digest 01:00: Unverified, no later digest file carries its signature",
                "log 01:05: not vouched for",
            ],
        ),
        (
            "digest is another's",
            |c| {
                let at = c.digests();
                c.objects[at[1]].bytes = c.objects[at[0]].bytes.clone();
            },
            &[
                "digest 02:00: INVALID: has been moved from its original location",
                "digest 01:00: Unverified, no later digest file carries its signature",
                "log 01:05: not vouched for",
            ],
        ),
        (
            "digest moved",
            |c| {
                let at = c.digests()[1];
                c.objects[at].key = c.objects[at].key.replace("/03/04/", "/03/05/");
            },
            &["digest 02:00: INVALID: has been moved from its original location", "log 01:05: not vouched for"],
        ),
        (
            "log file moved",
            |c| c.objects[0].key = c.objects[0].key.replace("/03/04/", "/03/05/"),
            &["log 00:05: INVALID: has been moved from its original location"],
        ),
    ];
    for (name, change, expected) in cases {
        let mut chain = four_hours();
        change(&mut chain);
        let (mut told, summary) = Scenario::new(&chain.objects).run().await;
        assert_eq!(told.remove(0), NEWEST_UNSIGNED, "{name}");
        told.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected, "{name}");
        assert_eq!(summary.is_damaged(), expected.iter().any(|told| told.contains("INVALID")), "{name}");
    }
}

#[tokio::test]
async fn r21_a_signature_that_is_not_aws_s() {
    // The digest file was written anew, hash and all, and signed with a key that is not the one it names.
    let mut chain = four_hours();
    let mut forged = newest(&chain).clone();
    forged.signature = Some(TestKey::Second.sign("anything"));
    let copy = Scenario::new(&chain.objects).with_signature(&forged.file_name().replace(".gz", ""), &forged);
    assert_eq!(
        copy.run().await.0,
        ["digest 04:00: INVALID: signature verification failed", "log 03:05: not vouched for"]
    );

    // Under a name that tells nothing it fits no digest file, and proves nothing.
    let copy = Scenario::new(&chain.objects).with_signature("head.json", &forged);
    assert_eq!(copy.run().await.0, [NEWEST_UNSIGNED]);

    // A later digest file that carries a wrong signature for the one before it.
    let carrier = chain.digests()[3];
    chain.objects[carrier].bytes = gzip(&with_member(&chain.objects[carrier], "previousDigestSignature", "00"));
    let (told, summary) = Scenario::new(&chain.objects).run().await;
    assert_eq!(told, [NEWEST_UNSIGNED, "digest 03:00: INVALID: signature verification failed"]);
    assert!(summary.is_damaged());
}

#[tokio::test]
async fn r21_rotation_bucket_change_gap_and_backfill() {
    let mut chain = four_hours();
    chain.key = TestKey::Second;
    chain.bucket = "new-trail-logs".to_owned();
    chain.deliver(&["{\"Records\":[5]}"]);
    chain.pause(3);
    chain.deliver(&["{\"Records\":[6]}"]);
    chain.deliver(&[]);
    let mut backfill = chain.backfill();
    backfill.now = "2026-03-04T02:00:00Z".parse().expect("a time");
    backfill.deliver(&["{\"Records\":[7]}"]);
    backfill.deliver(&["{\"Records\":[8]}"]);
    let mut other = DigestChain::new("444455556666", "us-east-2");
    other.deliver(&["{\"Records\":[9]}"]);
    other.deliver(&[]);

    let mut objects = [chain.objects.clone(), backfill.objects.clone(), other.objects.clone()].concat();
    // In whatever order they came.
    objects.reverse();
    let copy = Scenario::new(&objects)
        .with_signature("a.json", newest(&chain))
        .with_signature("b.json", newest(&backfill))
        .with_signature("c.json", newest(&other));
    let (told, summary) = copy.run().await;
    // What began anew carries nothing for the digest file before it.
    assert_eq!(
        told,
        ["gap 05 to 08", "digest 05:00: Unverified, no later digest file carries its signature"],
        "{summary:?}"
    );
    assert_eq!((summary.chains, summary.gaps), (3, 1));
    assert_eq!((summary.digests.signed, summary.backfill.signed, summary.log_files.valid), (8, 2, 9));

    let one_key = Scenario::new(&chain.objects).with_keys(&[TestKey::First], KeyForm::Pkcs1);
    let (_, summary) = one_key.run().await;
    let missing = &summary.missing_keys[&(TestKey::Second.fingerprint(), "eu-west-1".to_owned())];
    // The fifth still carries the fourth's signature, whose key is known.
    assert_eq!((missing.digests, summary.digests.signed, summary.digests.hash_chained), (3, 4, 1));

    let account = Scenario::new(&objects).with(|options| options.account_id = Some("444455556666".to_owned()));
    let (told, summary) = account.run().await;
    assert_eq!(told, ["digest 02:00: Unverified, no later digest file carries its signature"]);
    assert_eq!((summary.chains, summary.log_files.total()), (1, 1));
}

#[tokio::test]
async fn item_60_a_period_of_a_longer_chain() {
    let chain = four_hours();
    let at = |time: &str| Some(time.parse().expect("a time"));
    let whole = |options: &mut VerifyOptions| {
        (options.range.since, options.range.until) = (at("2026-03-04T01:00:00Z"), at("2026-03-04T02:00:00Z"));
    };
    // The digest file after the period carries the last one's signature; none before the period is missed.
    let (told, summary) = Scenario::new(&chain.objects).with(whole).run().await;
    assert_eq!((told, summary.digests.total()), (vec![], 3));
    assert!(summary.is_complete());

    let mut later: Vec<_> = chain.objects[3..].to_vec();
    later.retain(|object| object.key != chain.objects[chain.digests()[0]].key);
    let (told, _) = Scenario::new(&later).run().await;
    assert_eq!(told, [NEWEST_UNSIGNED, "digest 01:00: not found"], "the oldest names one that is not here");
    let (told, _) = Scenario::new(&later).with(|options| options.range.since = at("2026-03-04T01:30:00Z")).run().await;
    assert_eq!(told, [NEWEST_UNSIGNED]);

    let (told, summary) = Scenario::new(&chain.objects)
        .with(|options| {
            (options.range.since, options.range.until) = (at("2026-03-03T12:00:00Z"), at("2026-03-04T12:00:00Z"))
        })
        .run()
        .await;
    assert_eq!(told, [NEWEST_UNSIGNED, "gap 12 to 00", "gap 04 to 12"]);
    assert_eq!(
        summary
            .found
            .map(|(from, to)| (at("2026-03-04T00:00:00Z") == Some(from), at("2026-03-04T04:00:00Z") == Some(to))),
        Some((true, true))
    );
}

#[tokio::test]
async fn item_60_log_files_that_nothing_vouches_for() {
    let mut chain = four_hours();
    let like = chain.objects[0].clone();
    let log_file = |time: &str| DeliveredObject {
        key: like.key.replace("20260304T0005Z", time).replace("Delivery", "Another"),
        ..like.clone()
    };
    chain.objects.extend([log_file("20260304T0145Z"), log_file("20260304T0410Z"), log_file("20260304T0610Z")]);
    let elsewhere = DeliveredObject { key: like.key.replace("eu-west-1", "eu-west-3"), ..like.clone() };
    chain.objects.push(elsewhere);
    let (told, summary) = Scenario::new(&chain.objects).run().await;
    assert_eq!(told, [NEWEST_UNSIGNED, "log 01:45: not vouched for", "log 06:10: not vouched for"]);
    assert_eq!((summary.log_files.after_newest, summary.log_files.without_digests), (1, 1));
    assert_eq!(summary.places_without_digests[&(ACCOUNT.to_owned(), "eu-west-3".to_owned())], 1);
}

#[tokio::test]
async fn item_60_flat_renamed_and_copied_files() {
    let chain = four_hours();
    // One flat folder: only the names are left to compare.
    let flat: Vec<_> = chain
        .objects
        .iter()
        .map(|object| DeliveredObject { key: object.file_name().to_owned(), ..object.clone() })
        .collect();
    assert_eq!(Scenario::new(&flat).run().await.0, [NEWEST_UNSIGNED]);

    // Other names: found by content, and told as moved unless that is allowed.
    let renamed: Vec<_> = chain
        .objects
        .iter()
        .enumerate()
        .map(|(at, object)| DeliveredObject { key: format!("{at}.gz"), ..object.clone() })
        .collect();
    let (told, summary) = Scenario::new(&renamed).run().await;
    let unvouched = summary.log_files.without_digests;
    assert_eq!((told.len(), summary.digests.invalid, unvouched), (4, 4, 3), "{told:?}");
    let (told, summary) =
        Scenario::new(&renamed).with(|options| options.location = LocationCheck::Anywhere).run().await;
    // `{}` is no log file by its content.
    assert_eq!(told, [NEWEST_UNSIGNED, "log 03:05: not found"]);
    assert_eq!((summary.digests.signed, summary.log_files.valid), (3, 3));

    // A second copy of a digest file is no second digest file.
    let mut twice = chain.objects.clone();
    let copied = &chain.objects[chain.digests()[1]];
    twice.push(DeliveredObject { key: format!("backup/{}", copied.file_name()), ..copied.clone() });
    let (told, summary) = Scenario::new(&twice).run().await;
    assert_eq!((told, summary.copies), (vec![NEWEST_UNSIGNED.to_owned()], 1));
}

#[tokio::test]
async fn item_60_what_cannot_be_read_is_told() {
    let chain = four_hours();
    let copy = Scenario::new(&chain.objects);
    std::os::unix::fs::symlink("nowhere", copy.folder.path().join("copy/dangling")).expect("a link");
    let log_file = copy.copy(&chain.objects[0]);
    fs_err::remove_file(&log_file).expect("removed");
    std::os::unix::fs::symlink("nowhere", &log_file).expect("a link");
    let (mut told, summary) = copy.run().await;
    assert!(told.pop().is_some_and(|last| last.ends_with("/copy/dangling: unread")), "{told:?}");
    assert_eq!((told, summary.log_files.unread), (vec![NEWEST_UNSIGNED.to_owned(), "log 00:05: unread".to_owned()], 2));
    assert!(!summary.is_damaged() && !summary.is_complete());
}

#[tokio::test]
async fn item_60_files_that_cannot_be_taken() {
    let chain = four_hours();
    let copy = Scenario::new(&chain.objects);
    let refused = |path: PathBuf| {
        let options = VerifyOptions { public_keys: vec![path], ..copy.options.clone() };
        async move { verify(&options, &mut Told::default()).await.expect_err("refused").to_string() }
    };
    let wrong = refused(copy.write("wrong.json", "{\"Keys\":[]}")).await;
    assert!(wrong.contains("not the output of `aws cloudtrail list-public-keys"), "{wrong}");
    assert!(refused(copy.write("broken.json", "{")).await.contains("EOF"));
    assert!(refused(PathBuf::from("/nowhere/keys.json")).await.contains("no such file"));

    // A key that is no key costs its digest files, not the verification.
    let text = public_keys(&[TestKey::First], KeyForm::Pkcs1).replace("\"Value\":\"MII", "\"Value\":\"AII");
    let unsound = copy.write("unsound.json", &text);
    let (told, _) = Scenario::new(&chain.objects).with(|options| options.public_keys = vec![unsound]).run().await;
    assert!(told[1].starts_with("digest 03:00: HashChained, unable to load the public key"), "{told:?}");

    // A key that AWS used at another time is a note.
    let text = public_keys(&[TestKey::First], KeyForm::Pkcs1).replace("2026-01-01", "2026-06-01");
    let later = copy.write("later.json", &text);
    let (told, summary) = Scenario::new(&chain.objects).with(|options| options.public_keys = vec![later]).run().await;
    assert_eq!((told, summary.outside_validity), (vec![NEWEST_UNSIGNED.to_owned()], 3));

    // A folder of keys is taken as its files.
    let folder = copy.folder.path().join("keys");
    assert_eq!(
        Scenario::new(&chain.objects).with(|options| options.public_keys = vec![folder]).run().await.0,
        [NEWEST_UNSIGNED]
    );
    assert!(copy.copy(&chain.objects[0]).is_file());
}
