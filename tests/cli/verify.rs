//! `keytrail verify`: what it shows and how it ends. What it finds in each scenario is tested where it is computed.

use keytrail_testkit::digests::{DigestChain, KeyForm, TestKey, gzip, head_object, public_keys, write_copy};

use crate::sandbox::{Run, Sandbox};

/// Three hours: two log files, none, one; the copy in `copy`, the key in `keys.json`, the newest signature in `head.json`.
fn sandbox(change: impl FnOnce(&mut DigestChain)) -> Sandbox {
    let mut chain = DigestChain::new("111122223333", "eu-west-1");
    for contents in [&["{\"Records\":[1]}", "{\"Records\":[2]}"][..], &[], &["{\"Records\":[3]}"]] {
        chain.deliver(contents);
    }
    let sandbox = Sandbox::new();
    sandbox.write("keys.json", public_keys(&[TestKey::First], KeyForm::Spki));
    sandbox.write("head.json", head_object(chain.objects.last().expect("a digest file")));
    change(&mut chain);
    write_copy(&chain.objects, &sandbox.path("copy")).expect("written");
    sandbox
}

const WHOLE: &str = "keytrail verify copy --public-keys keys.json --signatures head.json";
const DIGEST: &str = "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/04/111122223333_CloudTrail-Digest_eu-west-1_all_events_us-east-1";
const LOG: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/04/111122223333_CloudTrail_eu-west-1";

/// What a run gave, with short names and visible tabs.
fn shown(run: &Run) -> String {
    let names = [("\t", " | "), (DIGEST, "[digest]"), (LOG, "[log]")];
    let text = names.iter().fold(run.to_string(), |text, (long, short)| text.replace(long, short));
    text.replace("[dir]/copy/trail-logs", "[copy]")
}

#[test]
fn item_60_a_sound_copy_ends_with_0() {
    let sandbox = sandbox(|_| {});
    insta::assert_snapshot!(shown(&sandbox.run(WHOLE)), @"
    exit 0
    -- stdout
    Results requested for all digest files
    Results found for 2026-03-04T00:00:00Z to 2026-03-04T03:00:00Z:
    3/3 digest files valid and signed
    3/3 log files valid
    1 digest files of an hour in which nothing was delivered
    1 digest files that start a chain
    ");
    insta::assert_snapshot!(shown(&sandbox.run(&format!("{WHOLE} --verbose --since 2026-03-04T01:30:00Z"))), @"
    exit 0
    -- stdout
    Digest file | s3://trail-logs/[digest]_20260304T030000Z.json.gz | valid | [copy]/[digest]_20260304T030000Z.json.gz
    Log file | s3://trail-logs/[log]_20260304T0205Z_Delivery00000000.json.gz | valid | [copy]/[log]_20260304T0205Z_Delivery00000000.json.gz
    Digest file | s3://trail-logs/[digest]_20260304T020000Z.json.gz | valid | [copy]/[digest]_20260304T020000Z.json.gz
    Results requested from 2026-03-04T01:30:00Z on
    Results found for 2026-03-04T01:30:00Z to 2026-03-04T03:00:00Z:
    2/2 digest files valid and signed
    1/1 log files valid
    1 digest files of an hour in which nothing was delivered
    ");
}

#[test]
fn item_60_what_is_missing_ends_with_3() {
    let sandbox = sandbox(|chain| {
        chain.objects.remove(1);
    });
    insta::assert_snapshot!(shown(&sandbox.run("keytrail verify copy --public-keys keys.json")), @"
    exit 3
    -- stdout
    Digest file | s3://trail-logs/[digest]_20260304T030000Z.json.gz | unverified: no later digest file carries its signature | [copy]/[digest]_20260304T030000Z.json.gz
    Log file | s3://trail-logs/[log]_20260304T0010Z_Delivery00000001.json.gz | not found
    Results requested for all digest files
    Results found for 2026-03-04T00:00:00Z to 2026-03-04T03:00:00Z:
    2/3 digest files valid and signed, 1 unverified
    2/3 log files valid, 1 of them by digest files without a verified signature, 1 not found
    1 digest files of an hour in which nothing was delivered
    1 digest files that start a chain
    -- stderr
    hint: aws s3api head-object --bucket trail-logs --key [digest]_20260304T030000Z.json.gz --output json > 111122223333_CloudTrail-Digest_eu-west-1_all_events_us-east-1_20260304T030000Z.json
    hint: give what head-object prints with --signatures FILE
    ");
    let without_key = sandbox.run("keytrail verify copy --since 2026-03-03T06:00:00Z");
    insta::assert_snapshot!(shown(&without_key).replace(&TestKey::First.fingerprint(), "[key]"), @"
    exit 3
    -- stdout
    Digest file | s3://trail-logs/[digest]_20260304T030000Z.json.gz | unverified: public key not found for fingerprint [key] | [copy]/[digest]_20260304T030000Z.json.gz
    Log file | s3://trail-logs/[log]_20260304T0010Z_Delivery00000001.json.gz | not found
    Digest files | 111122223333 eu-west-1 all_events | none between 2026-03-03T06:00:00Z and 2026-03-04T00:00:00Z
    Results requested from 2026-03-03T06:00:00Z on
    Results found for 2026-03-04T00:00:00Z to 2026-03-04T03:00:00Z:
    0/3 digest files valid and signed, 2 hash-chained only, 1 unverified
    2/3 log files valid, 2 of them by digest files without a verified signature, 1 not found
    1 periods without digest files
    1 digest files of an hour in which nothing was delivered
    1 digest files that start a chain
    -- stderr
    public key not found for fingerprint [key]: 3 digest files of eu-west-1
    hint: aws cloudtrail list-public-keys --region eu-west-1 --start-time 2026-03-04T00:00:00Z --end-time 2026-03-04T03:00:00Z --output json > keys-eu-west-1.json
    hint: then the same again with --public-keys keys-eu-west-1.json
    ");
    insta::assert_snapshot!(shown(&sandbox.run("keytrail verify keys.json")), @"
    exit 3
    -- stdout
    Results requested for all digest files
    No digest files found
    -- stderr
    hint: digest files lie below AWSLogs/ACCOUNT/CloudTrail-Digest/, beside CloudTrail/ with the log files: name a folder above both
    ");
}

#[test]
fn a_further_copy_of_a_log_file_is_told_as_one() {
    let sandbox = sandbox(|_| {});
    let log = format!("{LOG}_20260304T0205Z_Delivery00000000.json.gz");
    let bytes = fs_err::read(sandbox.path("copy/trail-logs").join(&log)).expect("a log file");
    let name = log.rsplit('/').next().expect("a name");
    sandbox.write(&format!("copy/again/AWSLogs/{name}"), bytes);
    let run = sandbox.run(WHOLE);
    assert_eq!(run.code(), Some(3), "{run}");
    let told = "not vouched for: it seems a further copy of [copy]/[log]_20260304T0205Z_Delivery00000000.json.gz, which was compared";
    assert!(shown(&run).contains(told), "{}", shown(&run));
    assert!(run.stdout.contains("1 of these seem to be further copies"), "{run}");
}

#[test]
fn r21_what_is_altered_ends_with_4() {
    let sandbox = sandbox(|chain| {
        chain.objects[0].bytes = gzip("{\"Records\":[9]}");
        let at = chain.digests()[1];
        chain.objects[at].bytes = gzip("{}");
    });
    insta::assert_snapshot!(shown(&sandbox.run(WHOLE)), @"
    exit 4
    -- stdout
    Digest file | s3://trail-logs/[digest]_20260304T020000Z.json.gz | INVALID: invalid format | [copy]/[digest]_20260304T020000Z.json.gz
    Digest file | s3://trail-logs/[digest]_20260304T010000Z.json.gz | unverified: no later digest file carries its signature | [copy]/[digest]_20260304T010000Z.json.gz
    Log file | s3://trail-logs/[log]_20260304T0005Z_Delivery00000000.json.gz | INVALID: hash value doesn't match | [copy]/[log]_20260304T0005Z_Delivery00000000.json.gz
    Results requested for all digest files
    Results found for 2026-03-04T00:00:00Z to 2026-03-04T03:00:00Z:
    1/3 digest files valid and signed, 1 unverified, 1 INVALID
    2/3 log files valid, 1 of them by digest files without a verified signature, 1 INVALID
    1 digest files that start a chain
    -- stderr
    hint: aws s3api head-object --bucket trail-logs --key [digest]_20260304T010000Z.json.gz --output json > 111122223333_CloudTrail-Digest_eu-west-1_all_events_us-east-1_20260304T010000Z.json
    hint: give what head-object prints with --signatures FILE
    ");
    let run = sandbox.run(&format!("{WHOLE} --json"));
    assert_eq!(run.code(), Some(4), "{run}");
    assert_eq!(run.stdout.lines().count(), 1, "{run}");
    let totals: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(totals["digest_files"]["invalid"], 1);
    assert_eq!(totals["log_files"]["invalid"], 1);
    assert_eq!((&totals["is_damaged"], &totals["is_complete"]), (&true.into(), &false.into()));
    assert!(totals["findings"][0].as_str().is_some_and(|line| line.contains("INVALID: invalid format")), "{totals}");
}

#[test]
fn item_60_mistakes_are_told() {
    let sandbox = sandbox(|_| {});
    sandbox.write("none.json", "{\"PublicKeyList\":[]}");
    for (line, code, told) in [
        ("keytrail verify nowhere", 66, "no such file or folder"),
        ("keytrail verify copy --public-keys nowhere.json", 66, "no such file or folder"),
        ("keytrail verify copy --public-keys none.json", 2, "no public key is in it"),
        ("keytrail verify copy --public-keys head.json", 2, "not the output of `aws cloudtrail list-public-keys"),
        ("keytrail verify copy --signatures keys.json", 2, "not the output of `aws s3api head-object`"),
        ("keytrail verify", 2, "<SOURCE>"),
    ] {
        let run = sandbox.run(line);
        assert_eq!(run.code(), Some(code), "{line}\n{run}");
        assert!(run.stderr.contains(told), "{line}\n{run}");
    }
}
