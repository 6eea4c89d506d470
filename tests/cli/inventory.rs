//! What users hold beside the logs: collected with the AWS CLI, imported, asked.

use std::path::Path;

use crate::sandbox::{Run, Sandbox};

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// An AWS CLI that knows one key in one region, may not read grants, and fails on what it does not know.
const AWS: &str = r#"#!/bin/sh
key=1234abcd-12ab-34cd-56ef-1234567890ab
arn=arn:aws:kms:eu-west-1:111122223333:key/$key
trails=arn:aws:cloudtrail
trail() { echo "{\"TrailARN\":\"$trails:$1:111122223333:trail/t\",\"HomeRegion\":\"$1\",\"IsMultiRegionTrail\":true,\"HasCustomEventSelectors\":true}"; }
case "$*" in
"sts get-caller-identity --query Account --output text") echo 111122223333 ;;
"kms list-keys --query Keys[].KeyId --output text") echo $key ;;
"kms list-keys --output json") echo "{\"Keys\":[{\"KeyId\":\"$key\",\"KeyArn\":\"$arn\"}]}" ;;
"kms list-aliases --output json") echo '{"Aliases":[]}' ;;
"kms describe-key --key-id $key --output json") echo "{\"KeyMetadata\":{\"KeyId\":\"$key\",\"Arn\":\"$arn\",\"KeyManager\":\"CUSTOMER\",\"KeyState\":\"Enabled\"}}" ;;
"kms get-key-policy --key-id $key --output json") echo '{"Policy":"{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:*\"}]}","PolicyName":"default"}' ;;
"kms list-grants "*) echo 'An error occurred (AccessDeniedException)' >&2; exit 254 ;;
"kms get-key-rotation-status "*) echo '{"KeyRotationEnabled":false}' ;;
"kms list-key-rotations "*) echo '{"Rotations":[]}' ;;
"kms list-resource-tags "*) echo '{"Tags":[{"TagKey":"owner","TagValue":"ana"}]}' ;;
"kms get-key-last-usage "*) echo "{\"KeyId\":\"$arn\",\"KeyLastUsage\":{}}" ;;
"iam get-account-authorization-details --output json") echo '{"UserDetailList":[],"RoleDetailList":[],"GroupDetailList":[],"Policies":[]}' ;;
"cloudtrail describe-trails --output json") echo "{\"trailList\":[$(trail eu-west-1),$(trail us-east-1)]}" ;;
"cloudtrail describe-trails --query trailList[].TrailARN --output text") echo $trails:eu-west-1:111122223333:trail/t $trails:us-east-1:111122223333:trail/t ;;
"cloudtrail get-event-selectors --trail-name "*" --output json") echo "{\"TrailARN\":\"$4\",\"EventSelectors\":[{\"ReadWriteType\":\"WriteOnly\",\"IncludeManagementEvents\":true}]}" ;;
*) echo "unexpected: aws $*" >&2; exit 2 ;;
esac
"#;

fn collect(sandbox: &Sandbox) -> Run {
    use std::os::unix::fs::PermissionsExt as _;

    sandbox.write("bin/aws", AWS);
    std::fs::set_permissions(sandbox.path("bin/aws"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let mut folders = vec![sandbox.path("bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/collect-inventory");
    let mut command = sandbox.program(script);
    command.arg("inventory").env("REGIONS", "eu-west-1").env("PATH", std::env::join_paths(folders).expect("folders"));
    sandbox.finish(command, "")
}

#[test]
fn what_the_script_collects_is_imported_and_answers() {
    let sandbox = Sandbox::new();
    let collected = collect(&sandbox);
    assert_eq!(collected.code(), Some(3), "{collected}");
    assert!(collected.stderr.contains("left out: aws kms list-grants"), "{collected}");
    assert!(!collected.stderr.contains("unexpected"), "{collected}");

    let run = sandbox.run("keytrail import inventory --lake lake --as-of 2026-05-01 --json");
    let totals: serde_json::Value = serde_json::from_str(&run.data()).expect("JSON");
    assert_eq!((&totals["rejected"], &totals["without_key"]), (&0.into(), &0.into()), "{totals}");
    assert_eq!(totals["items"]["key_policy"], 1);
    insta::assert_snapshot!(facts_of_the_page(&sandbox), @"
    What describe-key told of the key itself at 2026-05-01T00:00:00Z
      state       Enabled, as describe-key told at 2026-05-01T00:00:00Z
      managed by  CUSTOMER
      last use    none that KMS has tracked, as GetKeyLastUsage told at
                  2026-05-01T00:00:00Z
    ");
    let again = sandbox.run("keytrail import inventory --lake lake --as-of 2026-05-01");
    assert!(again.stderr.contains("imported before: nothing was added"), "{again}");

    let sql = "select key_arn, verdict, reasons, key_state from kms_unused_keys";
    let unused = sandbox.run(&format!("keytrail sql --lake lake -c \"{sql}\"")).data();
    let expected = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY},incomplete,no_logs,Enabled\n");
    assert_eq!(unused, format!("key_arn,verdict,reasons,key_state\n{expected}"));
    let sql = "select home_region, kms_effect from inventory_trails order by 1";
    let trails = sandbox.run(&format!("keytrail sql --lake lake -c \"{sql}\"")).data();
    assert_eq!(trails, "home_region,kms_effect\neu-west-1,reads_excluded\nus-east-1,reads_excluded\n");
    let sql = "select tier, principal from kms_potential_access";
    let access = sandbox.run(&format!("keytrail sql --lake lake -c \"{sql}\"")).data();
    assert_eq!(access, "tier,principal\nanyone,*\n");
}

/// What the page tells of the key itself.
fn facts_of_the_page(sandbox: &Sandbox) -> String {
    let page = sandbox.run(&format!("keytrail key {KEY} --lake lake")).stdout;
    let facts = page.split("\n\n").find(|part| part.contains("the key itself"));
    facts.unwrap_or_else(|| panic!("no such part: {page}")).to_owned()
}

#[test]
fn a_file_is_added_once_alone_or_in_a_folder() {
    let sandbox = Sandbox::new();
    let keys = format!(r#"{{"Keys":[{{"KeyId":"{KEY}","KeyArn":"arn:aws:kms:eu-west-1:111122223333:key/{KEY}"}}]}}"#);
    sandbox.write("out/keys.json", keys);
    sandbox.write("out/aliases.json", r#"{"Aliases":[{"AliasName":"alias/a"}]}"#);
    sandbox.run("keytrail import out/keys.json --lake lake").data();
    let all = sandbox.run("keytrail import out --lake lake");
    assert!(all.stderr.contains("imported before, and not added again: 1 items"), "{all}");
    assert_eq!(sandbox.run("keytrail sql --lake lake -c 'select count(*) as n from inventory'").data(), "n\n2\n");
}

#[test]
fn a_file_that_is_no_output_is_named_and_costs_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "out/keys.json",
        format!(r#"{{"Keys":[{{"KeyId":"{KEY}","KeyArn":"arn:aws:kms:eu-west-1:111122223333:key/{KEY}"}}]}}"#),
    );
    sandbox.write("out/other.json", r#"{"Reservations":1}"#);
    sandbox.write("out/number.json", "1");
    sandbox.write("out/logs.json", r#"{"Records":[{"eventID":"e"}]}"#);
    let run = sandbox.run("keytrail import out missing.json --lake lake");
    assert_eq!(run.code(), Some(3), "{run}");
    assert!(run.stderr.contains("not imported: out/other.json: an object with the members Reservations"), "{run}");
    assert!(run.stderr.contains("not imported: missing.json"), "{run}");
    assert!(run.stderr.contains("not imported: out/number.json: expected an output of the AWS CLI, which is"), "{run}");
    assert!(run.stderr.contains("not imported: out/logs.json: event records"), "{run}");
    assert!(run.stderr.contains("hint: what can be imported is JSON"), "{run}");
    assert_eq!(sandbox.run("keytrail sql --lake lake -c 'select count(*) as n from inventory'").data(), "n\n1\n");
}

#[test]
fn an_import_tells_when_it_makes_a_lake_and_when_there_is_nothing() {
    let sandbox = Sandbox::new();
    fs_err::create_dir(sandbox.path("empty")).expect("a folder");
    let run = sandbox.run("keytrail import missing.json --lake lake");
    assert!(run.code() == Some(66) && !sandbox.path("lake").exists(), "{run}");
    let run = sandbox.run("keytrail import empty --lake lake");
    assert!(!sandbox.path("lake").exists(), "{run}");
    insta::assert_snapshot!(run, @"
    exit 66
    -- stderr
    error: no .json or .json.gz file is there: empty
    hint: `scripts/collect-inventory FOLDER` prints into a folder, with the AWS CLI, what can be imported
    ");
    sandbox.write("wrong/other.json", r#"{"Reservations":1}"#);
    let run = sandbox.run("keytrail import wrong --lake lake");
    assert!(run.code() == Some(3) && !sandbox.path("lake").exists(), "{run}");
    sandbox.write("out/aliases.json", r#"{"Aliases":[{"AliasName":"alias/a"}]}"#);
    let run = sandbox.run("keytrail import out --lake lake");
    assert!(run.code() == Some(0) && run.stderr.contains("no lake is there yet, one is made"), "{run}");
    let again = sandbox.run("keytrail import empty --lake lake");
    assert!(again.code() == Some(66) && again.stderr.contains("no .json or .json.gz file is there"), "{again}");
    assert!(!again.stderr.contains("no lake is there yet"), "{again}");
}

#[test]
fn a_key_that_only_the_inventory_knows_is_not_doubted() {
    let sandbox = Sandbox::new();
    let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}");
    sandbox.write("keys.json", format!(r#"{{"Keys":[{{"KeyId":"{KEY}","KeyArn":"{arn}"}}]}}"#));
    sandbox.run("keytrail import keys.json --lake lake");
    let run = sandbox.run(&format!("keytrail key {arn} --lake lake"));
    assert!(!run.stderr.contains("did you mean"), "{run}");
}

/// Logs of ten hours, and an imported key without a use in them.
fn write_logs_without_use(sandbox: &Sandbox) {
    let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}");
    sandbox.write("keys.json", format!(r#"{{"Keys":[{{"KeyId":"{KEY}","KeyArn":"{arn}"}}]}}"#));
    let record = |id: &str, time: &str| {
        format!(
            r#"{{"eventVersion":"1.11","eventTime":"{time}","eventSource":"kms.amazonaws.com","eventName":"ListKeys","awsRegion":"eu-west-1","eventID":"{id}","readOnly":true,"recipientAccountId":"111122223333","eventType":"AwsApiCall","managementEvent":true,"eventCategory":"Management"}}"#
        )
    };
    let records = [record("a", "2026-05-01T00:00:00Z"), record("b", "2026-05-01T10:00:00Z")].join("\n");
    sandbox.write("logs/good.json", records);
}

#[test]
fn a_minimum_that_lowers_the_verdict_is_told() {
    let sandbox = Sandbox::new();
    write_logs_without_use(&sandbox);
    sandbox.run("keytrail convert logs --lake lake").data();
    sandbox.run("keytrail import keys.json --lake lake --as-of 2026-05-02");
    assert_eq!(sandbox.run(&format!("keytrail key {KEY} --lake lake")).code(), Some(0));
    let run = sandbox.run(&format!("keytrail key {KEY} --lake lake --min-window 400d"));
    assert_eq!(run.code(), Some(3), "{run}");
    let verdict = run.stdout.split("\n\n").find(|part| part.starts_with("Verdict")).expect("a verdict");
    insta::assert_snapshot!(verdict, @"
    Verdict: INCOMPLETE
      No use was found, but the logs cannot rule it out between 2026-05-01T00:00:00Z
      and 2026-05-01T10:00:00Z in account 111122223333, eu-west-1:
      - the covered window is shorter than --min-window asks for
      --min-window asks for 400 days, the covered window has 0: this alone lowers
      the verdict from NO USE FOUND.
    ");
}

/// A rejected file that names no account may hold a call on any key.
#[test]
fn a_log_file_that_cannot_be_read_makes_silent_keys_incomplete() {
    let sandbox = Sandbox::new();
    write_logs_without_use(&sandbox);
    let verdict = || {
        sandbox.run("keytrail import keys.json --lake lake --as-of 2026-05-02");
        let sql = "select verdict, reasons from kms_unused_keys";
        sandbox.run(&format!("keytrail sql --lake lake -c '{sql}'")).data()
    };
    sandbox.run("keytrail convert logs --lake lake");
    assert_eq!(verdict(), "verdict,reasons\nno_use_found,\"\"\n");
    sandbox.write("logs/broken.json", "{\"Records\":[{\"eventID\":");
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(3));
    assert_eq!(verdict(), "verdict,reasons\nincomplete,rejected\n");
}
