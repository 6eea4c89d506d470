//! From log files to a lake and back: convert, key, coverage, check, compact, export, demo.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, TimeDelta};
use keytrail_testkit::digests::{DeliveredObject, DigestChain, write_copy};
use serde_json::Value;

use crate::sandbox::Sandbox;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A KMS event as CloudTrail writes it.
fn decrypt(event_id: &str, time: &str, context_value: &str) -> String {
    format!(
        concat!(
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE:app","#,
            r#""arn":"arn:aws:sts::111122223333:assumed-role/app/session","accountId":"111122223333","#,
            r#""sessionContext":{{"sessionIssuer":{{"type":"Role","arn":"arn:aws:iam::111122223333:role/app"}}}}}},"#,
            r#""eventTime":"{}","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","#,
            r#""sourceIPAddress":"192.0.2.7","userAgent":"aws-sdk","requestParameters":{{"encryptionContext":{{"app":"{}"}}}},"#,
            r#""responseElements":null,"requestID":"r-{}","eventID":"{}","readOnly":true,"#,
            r#""resources":[{{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"{}"}}],"#,
            r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}}"#
        ),
        time, context_value, event_id, event_id, KEY
    )
}

fn records() -> Vec<String> {
    vec![
        decrypt("e-1", "2026-01-31T10:00:00Z", "one"),
        decrypt("e-2", "2026-02-01T11:00:00Z", "\\u001b[2Jtwo"),
        decrypt("e-3", "2026-02-03T12:00:00Z", "three"),
    ]
}

fn log_file(records: &[String]) -> String {
    format!("{{\"Records\":[{}]}}", records.join(","))
}

/// A sandbox with a folder of logs: three events, one delivered twice.
fn with_logs() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file(&records()));
    sandbox.write("logs/b.json", log_file(&records()[..1]));
    sandbox
}

fn with_lake() -> Sandbox {
    let sandbox = with_logs();
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    sandbox
}

#[test]
fn conversion_tells_its_accounting() {
    let sandbox = with_logs();
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --lake lake"), @"
    exit 0
    -- stderr
    log files: 2 read, 0 known before ([n] KiB)
    records read: 4 = 3 rows + 1 duplicates + 0 rejected
    written: 2 files, [n] KiB
    time: [n] ms ([n] records/s)
    ");
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --lake lake"), @"
    exit 0
    -- stderr
    log files: 0 read, 2 known before ([n] bytes)
    records read: 0 = 0 rows + 0 duplicates + 0 rejected
    written: 0 files, [n] bytes
    time: [n] ms ([n] records/s)
    ");
}

#[test]
fn a_json_line_ends_a_conversion_for_programs() {
    let sandbox = with_logs();
    let line = sandbox.run("keytrail convert logs --lake lake --json").data();
    let summary: serde_json::Value = serde_json::from_str(&line).expect("one JSON line");
    for (name, value) in [("log_files", 2), ("records", 4), ("rows", 3), ("duplicates", 1), ("rejected", 0)] {
        assert_eq!(summary[name], value, "{name} in {line}");
    }
    assert!(summary["bytes"].is_u64() && summary["elapsed_ms"].is_u64(), "{line}");
}

#[test]
fn rejected_input_makes_a_conversion_incomplete() {
    let sandbox = with_logs();
    sandbox.write("logs/c.json", "{\"Records\":[{\"eventID\":\"e-9\"");
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --lake lake"), @"
    exit 3
    -- stderr
    log files: 3 read, 0 known before ([n] KiB)
    records read: 5 = 3 rows + 1 duplicates + 1 rejected
    written: 2 files, [n] KiB
    time: [n] ms ([n] records/s)
    rejected: [dir]/logs/c.json: record 0: not valid JSON: expected `,` or `}` at byte 28
    rejected input is kept with its reason: keytrail sql --lake [dir]/lake -c 'select log_file_path, record_index, reason from rejects'
    after a fix it is read again: keytrail convert --retry-rejected --lake [dir]/lake
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --lake lake -c 'select count(*) as n from rejects'"), @"
    exit 0
    -- stdout
    n
    1
    ");
    insta::assert_snapshot!(sandbox.run("keytrail check --lake lake"), @"
    exit 0
    -- stderr
    checked: 5 data files, 8 rows, 0 findings
    note: sizes and footers were checked; `--read-data` reads every byte too
    ");
    let again = sandbox.run("keytrail convert logs --lake lake");
    assert_eq!(again.code(), Some(0), "{again}");
    for told in ["rejects of earlier runs, for which answers about keys may be incomplete: 1", "--retry-rejected"] {
        assert!(again.stderr.contains(told), "{told}: {again}");
    }
}

#[test]
fn the_first_rejects_are_told_with_their_reasons() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file(&["7".to_owned(), records()[0].clone(), "8".to_owned()]));
    for number in 0..6 {
        sandbox.write(&format!("logs/broken-{number}.json"), "{\"Records\":[");
    }
    let run = sandbox.run("keytrail convert logs --lake lake");
    assert_eq!(run.code(), Some(3), "{run}");
    assert_eq!(run.stderr.matches("\nrejected: ").count(), 5, "{run}");
    assert!(run.stderr.contains("\nand 3 more\n"), "{run}");
    assert!(run.stderr.contains("'select log_file_path, record_index, reason from rejects'"), "{run}");
}

/// What a conversion advises, and how many files a compaction then merges.
fn advised_and_merged(sandbox: &Sandbox) -> (bool, u64) {
    let run = sandbox.run("keytrail convert logs --lake lake");
    assert_eq!(run.code(), Some(0), "{run}");
    let line = sandbox.run("keytrail compact --lake lake --json").data();
    let totals: Value = serde_json::from_str(&line).expect("one JSON line");
    (run.stderr.contains("`keytrail compact --lake "), totals["files_removed"].as_u64().expect("a count"))
}

#[test]
fn a_compaction_is_advised_where_it_merges_files() {
    let sandbox = Sandbox::new();
    let event = |number: usize| {
        let time = format!("20{:02}-{:02}-01T00:00:00Z", 10 + number / 12, 1 + number % 12);
        decrypt(&format!("e-{number}"), &time, "one")
    };
    // A file for each of many months is what a compaction leaves alone.
    sandbox.write("logs/a.json", log_file(&(0..30).map(event).collect::<Vec<_>>()));
    assert_eq!(advised_and_merged(&sandbox), (false, 0));
    let other = |number: usize| event(number).replace(&format!("e-{number}"), &format!("f-{number}"));
    sandbox.write("logs/b.json", log_file(&(0..30).map(other).collect::<Vec<_>>()));
    let (is_advised, merged) = advised_and_merged(&sandbox);
    assert!(is_advised && merged >= 60, "{is_advised} {merged}");
}

#[test]
fn logs_come_from_stdin_too() {
    let sandbox = Sandbox::new();
    let run = sandbox.run_with("keytrail convert - --lake lake --json", &log_file(&records()));
    assert_eq!(run.code(), Some(0), "{run}");
    assert_eq!(sandbox.run("keytrail sql --lake lake -c 'select count(*) as n from events'").data(), "n\n3\n");
}

#[test]
fn places_that_are_wrong_have_their_own_exit_codes() {
    let sandbox = with_logs();
    insta::assert_snapshot!(sandbox.run("keytrail convert nowhere --lake lake"), @"
    exit 66
    -- stderr
    error: no such file or folder: [dir]/nowhere
    hint: the folder `[dir]` holds nothing of that name
    ");
    insta::assert_snapshot!(sandbox.run("keytrail sql --lake logs -c 'select * from events'"), @"
    exit 10
    -- stderr
    error: not a keytrail lake (no table is there): `[dir]/logs/events`
    hint: `keytrail convert SOURCE --lake LAKE` makes a lake; `keytrail sql --raw SOURCE` reads logs without one
    ");
    insta::assert_snapshot!(sandbox.run("keytrail check --lake gs://bucket"), @"
    exit 2
    -- stderr
    error: only folders, file:// and s3:// are known: `gs://bucket`
    hint: a location is a folder or s3://bucket/prefix
    ");
}

#[test]
fn a_lake_is_named_by_a_path_with_parents() {
    let sandbox = with_logs();
    fs_err::create_dir(sandbox.path("elsewhere")).expect("a folder");
    let run = sandbox.run("keytrail convert elsewhere/../logs --lake elsewhere/../lake");
    assert_eq!(run.code(), Some(0), "{run}");
    let run = sandbox.run("keytrail sql --lake elsewhere/../lake -c 'select count(*) > 0 as n from events'");
    assert_eq!(run.data(), "n\ntrue\n");
}

#[test]
fn what_is_no_source_is_not_read_and_no_lake_is_made() {
    let sandbox = with_logs();
    assert!(sandbox.program("mkfifo").arg(sandbox.path("pipe")).status().expect("mkfifo").success());
    insta::assert_snapshot!(sandbox.run("keytrail convert pipe --lake lake"), @"
    exit 2
    -- stderr
    error: cannot take `[dir]/pipe`: it is neither a file nor a folder; what comes through a pipe is read as `-`
    ");
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --lake logs"), @"
    exit 2
    -- stderr
    error: cannot take `[dir]/logs`: it is the lake's folder, too; name another one with `--lake`
    ");
    assert!(!sandbox.path("lake").exists());
}

#[test]
fn a_place_without_log_files_is_told_and_leaves_nothing_behind() {
    let sandbox = with_lake();
    fs_err::create_dir(sandbox.path("empty")).expect("a folder");
    insta::assert_snapshot!(sandbox.run("keytrail convert empty --lake new"), @"
    exit 66
    -- stderr
    error: no log file is there: [dir]/empty
    hint: check the path: a trail's log files lie below AWSLogs/ACCOUNT/CloudTrail/REGION/YEAR/MONTH/DAY; name one of these folders, or one above them
    ");
    for (line, code, told) in [
        ("keytrail convert empty --lake new --since 2026-01-01", 66, "leave --since and --until away"),
        ("keytrail convert empty --lake new --dry-run", 66, "no log file is there"),
        ("keytrail convert --retry-rejected --lake new", 10, "not a keytrail lake"),
        ("keytrail convert lake --lake new", 66, "/lake` is a lake: name it with `--lake`"),
        ("keytrail sql --raw empty -c 'select count(*) from events'", 66, "no log file is there"),
        ("keytrail sql --raw lake -c 'select 1'", 66, "/lake` is a lake: name it with `--lake`"),
    ] {
        let run = sandbox.run(line);
        assert!(run.code() == Some(code) && run.stderr.contains(told), "{line}: {run}");
        assert!(run.stdout.is_empty() && !sandbox.path("new").exists(), "{line}: {run}");
    }
    let nothing_new = sandbox.run("keytrail convert empty --lake lake");
    assert_eq!(nothing_new.code(), Some(0), "{nothing_new}");
    sandbox.write("letters/a.txt", "{no log");
    let not_understood = sandbox.run("keytrail convert letters --lake lake");
    assert_eq!(not_understood.code(), Some(3), "{not_understood}");
    assert!(not_understood.stderr.contains("nothing in these log files was understood"), "{not_understood}");
}

#[test]
fn a_damaged_file_that_was_read_well_later_hides_nothing() {
    let sandbox = with_logs();
    let rejected = "keytrail sql --lake lake -c 'select count(*) as n from kms_blind_spots where kind = :kind' --param kind=rejected";
    sandbox.write("logs/c.json", "{\"Records\":[{\"eventID\":");
    for (text, expected) in
        [(None, "n\n1\n"), (Some("{\"Records\":[7]}".to_owned()), "n\n1\n"), (Some(log_file(&records())), "n\n0\n")]
    {
        text.into_iter().for_each(|text| sandbox.write("logs/c.json", text));
        sandbox.run("keytrail convert logs --lake lake");
        assert_eq!(sandbox.run(rejected).data(), expected);
    }
    // What was read well is not read again, as its rows would be counted twice.
    let retried = sandbox.run("keytrail convert --retry-rejected --lake lake");
    assert!(retried.stderr.contains("log files: 0 read"), "{retried}");
    assert_eq!(sandbox.run("keytrail check --lake lake").code(), Some(0));
}

#[test]
fn the_environment_names_the_lake() {
    let sandbox = with_lake();
    let mut command = sandbox.keytrail(["sql", "-c", "select count(*) as n from events"]);
    command.env("KEYTRAIL_LAKE", "lake");
    assert_eq!(sandbox.finish(command, "").data(), "n\n3\n");
}

#[test]
fn logs_can_be_asked_without_a_lake() {
    let sandbox = with_logs();
    let run = sandbox.run("keytrail sql --raw logs -c 'select key_arn, use_count from kms_key_usage'");
    assert_eq!(run.data(), format!("key_arn,use_count\n{KEY},3\n"));
    sandbox.write("logs/c.json", "{\"Records\":[{\"eventID\":\"e-9\"");
    let run = sandbox.run("keytrail sql --raw logs -c 'select count(*) as n from events'");
    assert_eq!((run.code(), run.stdout.as_str()), (Some(3), "n\n3\n"), "{run}");
}

#[test]
fn a_key_has_a_page() {
    let sandbox = with_lake();
    let run = sandbox.run(&format!("keytrail key {KEY} --lake lake"));
    insta::assert_snapshot!(run, @r"
    exit 0
    -- stdout
    KMS key
      arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab

    Verdict: IN USE
      Last used at 2026-02-03T12:00:00Z by Decrypt (event e-3).

    What the logs tell of the key itself
      state       Enabled, as calls prove, since 2026-01-31T10:00:00Z at the latest

    Use
      last use    2026-02-03T12:00:00Z  Decrypt
      by          arn:aws:sts::111122223333:assumed-role/app/session
      event       e-3
      first use   2026-01-31T10:00:00Z
      uses        3
      of these    3 decrypted, 0 created ciphertext, 0 signed or made a MAC
      failed      0

    Operations                                uses    failed  last seen
      Decrypt                                    3         0  2026-02-03

    Who                                       uses    failed  last seen
      arn:aws:iam::111122223333:role/app         3         0  2026-02-03T12:00:00Z

    Encryption contexts                      calls  last seen
      app = \u{1b}[2Jtwo                         1  2026-02-01T11:00:00Z
      app = one                                  1  2026-01-31T10:00:00Z
      app = three                                1  2026-02-03T12:00:00Z

    What the lake covers of account 111122223333 in eu-west-1
      from        2026-01-31T10:00:00Z
      to          2026-02-03T12:00:00Z
      days        3 with events, 1 without any in between
      events      3, of these 3 KMS reads and 0 KMS writes
      Absence of use is shown for these days of this account and region only; calls
      logged elsewhere, before or after are not covered.

    Where the logs cannot show a use
      the start to the end: all events come from exports, and have one name, caller
      or key: a filter may have left the others out; all 3 events are of one key, as
      in an export that holds nothing else
      2026-01-31T10:00:00Z to 2026-02-01T11:00:00Z: a day or more without any event,
      or hours where there is otherwise never one: a trail that was off, missing
      files, or true silence; 25 hours without an event
      2026-02-01T11:00:00Z to 2026-02-03T12:00:00Z: a day or more without any event,
      or hours where there is otherwise never one: a trail that was off, missing
      files, or true silence; 49 hours without an event

    What no log can tell
      - The covered window does not reach back to the key's creation: earlier uses,
        and data that they left, are not seen.

    What to do next
      - Keep the key. Move its data to another key first (re-encrypt), and ask again
        over logs that begin after the move.
    ");
    let unseen = KEY.replace("1234abcd", "00000000").replace("1234567890ab", "000000000000");
    insta::assert_snapshot!(sandbox.run(&format!("keytrail key {unseen} --lake lake")), @"
    exit 3
    -- stdout
    KMS key
      arn:aws:kms:eu-west-1:111122223333:key/00000000-12ab-34cd-56ef-000000000000

    Verdict: INCOMPLETE
      No use was found, but the logs cannot rule it out between 2026-01-31T10:00:00Z
      and 2026-02-03T12:00:00Z in account 111122223333, eu-west-1:
      - all events come from exports, and have one name, caller or key: a filter may
        have left the others out
      - a day or more without any event, or hours where there is otherwise never
        one: a trail that was off, missing files, or true silence

    Use
      no KMS event in the lake names this key

    What the lake covers of account 111122223333 in eu-west-1
      from        2026-01-31T10:00:00Z
      to          2026-02-03T12:00:00Z
      days        3 with events, 1 without any in between
      events      3, of these 3 KMS reads and 0 KMS writes
      Absence of use is shown for these days of this account and region only; calls
      logged elsewhere, before or after are not covered.

    Where the logs cannot show a use
      the start to the end: all events come from exports, and have one name, caller
      or key: a filter may have left the others out; all 3 events are of one key, as
      in an export that holds nothing else
      2026-01-31T10:00:00Z to 2026-02-01T11:00:00Z: a day or more without any event,
      or hours where there is otherwise never one: a trail that was off, missing
      files, or true silence; 25 hours without an event
      2026-02-01T11:00:00Z to 2026-02-03T12:00:00Z: a day or more without any event,
      or hours where there is otherwise never one: a trail that was off, missing
      files, or true silence; 49 hours without an event

    What no log can tell
      - The covered window does not reach back to the key's creation: earlier uses,
        and data that they left, are not seen.

    What to do next
      - Add the logs that are missing (see above) and ask again.
      - Where they are gone for good: disable the key, log all KMS calls, and watch
        at least as long as the rarest job that could need it: a month for monthly
        jobs, 400 days for yearly ones.
    ");
    let unseen_verdict = |days| {
        let page = sandbox.run(&format!("keytrail key {unseen} --lake lake --min-window {days}d")).stdout;
        page.split("\n\n").find(|part| part.starts_with("Verdict")).expect("a verdict").to_owned()
    };
    insta::assert_snapshot!(unseen_verdict(400), @"
    Verdict: INCOMPLETE
      No use was found, but the logs cannot rule it out between 2026-01-31T10:00:00Z
      and 2026-02-03T12:00:00Z in account 111122223333, eu-west-1:
      - all events come from exports, and have one name, caller or key: a filter may
        have left the others out
      - a day or more without any event, or hours where there is otherwise never
        one: a trail that was off, missing files, or true silence
      --min-window asks for 400 days, the covered window has 3: this alone would
      make the answer incomplete, too.
    ");
    assert!(unseen_verdict(3).contains("the covered window has 3: that is enough"), "{}", unseen_verdict(3));
    let run = sandbox.run("keytrail key 'not a key' --lake lake");
    assert_eq!(run.code(), Some(2), "{run}");
}

#[test]
fn a_key_s_answer_is_json_for_programs() {
    let sandbox = with_lake();
    let text = sandbox.run(&format!("keytrail key {KEY} --lake lake --format json")).data();
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer["usage"]["use_count"], 3);
    assert_eq!(answer["verdict"]["verdict"], "in_use");
    assert_eq!(answer["usage"]["last_used_event_id"], "e-3");
    assert_eq!(answer["coverage"]["first_event_time"], "2026-01-31T10:00:00Z");
    let schema = include_str!("../../docs/key.schema.json");
    assert_valid(&serde_json::from_str(schema).expect("a schema"), &answer, "$");
    let line = format!("keytrail key {KEY} --lake lake --format json --min-window 400d");
    let answer: Value = serde_json::from_str(&sandbox.run(&line).data()).expect("JSON");
    assert_eq!(
        (&answer["verdict"]["min_window_days"], &answer["verdict"]["covered_window_days"]),
        (&400.into(), &3.into())
    );
    assert_valid(&serde_json::from_str(schema).expect("a schema"), &answer, "$");
}

/// Checks a value against the parts of JSON Schema that `docs/key.schema.json` uses.
fn assert_valid(schema: &Value, value: &Value, at: &str) {
    if let Some(expected) = schema.get("const") {
        assert_eq!(value, expected, "{at}");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(words.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match schema.get("type") {
        Some(Value::String(expected)) => assert_eq!(kind, expected, "{at}"),
        Some(Value::Array(kinds)) => assert!(kinds.contains(&kind.into()), "{at}: {value}"),
        _ => {}
    }
    if let (Some(properties), Some(members)) = (schema.get("properties").and_then(Value::as_object), value.as_object())
    {
        assert_eq!(members.keys().collect::<BTreeSet<_>>(), properties.keys().collect(), "{at}");
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        assert_eq!(required.collect::<BTreeSet<_>>(), properties.keys().map(String::as_str).collect(), "{at}");
        members.iter().for_each(|(name, member)| assert_valid(&properties[name], member, &format!("{at}.{name}")));
    }
    for item in value.as_array().into_iter().flatten() {
        assert_valid(&schema["items"], item, &format!("{at}[]"));
    }
}

#[test]
fn coverage_names_days_and_places() {
    let sandbox = with_lake();
    insta::assert_snapshot!(sandbox.run("keytrail coverage --lake lake"), @"
    exit 3
    -- stdout
    recipient_account_id,aws_region,event_date,file_count,record_count,kms_read_count,kms_write_count,first_event_time,last_event_time
    111122223333,eu-west-1,2026-01-31,,1,1,0,2026-01-31T10:00:00Z,2026-01-31T10:00:00Z
    111122223333,eu-west-1,2026-02-01,,1,1,0,2026-02-01T11:00:00Z,2026-02-01T11:00:00Z
    111122223333,eu-west-1,2026-02-03,,1,1,0,2026-02-03T12:00:00Z,2026-02-03T12:00:00Z
    -- stderr
    covered: 2026-01-31 to 2026-02-03, 1 account, 1 pair of account and region; 1 day without events between the first and the last of 1 of them
    blind spots: 1 filtered_export, 2 gap: `select * from kms_blind_spots`
    ");
    insta::assert_snapshot!(sandbox.run("keytrail coverage --lake lake --format table"), @"
    exit 3
    -- stdout
     account_id   | aws_region | first_date | last_date  | days | holes | events
    --------------+------------+------------+------------+------+-------+--------
     111122223333 | eu-west-1  | 2026-01-31 | 2026-02-03 |    3 |     1 |      3
    -- stderr
    covered: 2026-01-31 to 2026-02-03, 1 account, 1 pair of account and region; 1 day without events between the first and the last of 1 of them
    blind spots: 1 filtered_export, 2 gap: `select * from kms_blind_spots`
    `--days` shows the days
    ");
    let days = sandbox.run("keytrail coverage --lake lake --format table --days").stdout;
    assert_eq!(days.matches("111122223333").count(), 3, "{days}");
}

#[test]
fn export_gives_every_record_back_byte_for_byte() {
    let sandbox = with_lake();
    let lines = sandbox.run("keytrail export --lake lake --lines").data();
    assert_eq!(lines.lines().map(str::to_owned).collect::<BTreeSet<_>>(), records().into_iter().collect());

    assert_eq!(sandbox.run("keytrail export --lake lake --where false").data(), "{\"Records\":[]}\n");
    let run = sandbox.run("keytrail export --lake lake --where \"event_id = 'e-2'\" -o out.json");
    assert_eq!(run.data(), "");
    assert_eq!(sandbox.read("out.json"), log_file(&records()[1..2]) + "\n");
}

/// A data file of the lake, by its partition.
fn data_file(sandbox: &Sandbox, partition: &str) -> std::path::PathBuf {
    let folder = sandbox.path(format!("lake/events/{partition}"));
    fs_err::read_dir(folder).expect("a partition").next().expect("a data file").expect("an entry").path()
}

#[test]
fn r19_damage_is_told_by_its_file_and_never_exported() {
    let sandbox = with_lake();
    let file = data_file(&sandbox, "event_group=kms/event_month=2026-02");
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let sound = fs_err::read(&file).expect("a data file");
    let export = "keytrail export --lake lake --lines";
    // A step that meets every bit of a byte, and every part of the file: pages, their headers, indexes, the footer.
    for (number, at) in (0..sound.len()).step_by(sound.len() / 60).enumerate() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1 << (number % 8);
        fs_err::write(&file, damaged).expect("damage");
        let run = sandbox.run(export);
        assert!(run.code() == Some(4) && run.stderr.contains(name), "byte {at}: {run}");
        assert!(run.stderr.contains("/lake --read-data`"), "the lake's name: {run}");
    }

    // A statement that needs the file says so; others have their answer.
    fs_err::write(&file, [&sound[..4], &vec![0; sound.len() - 4]].concat()).expect("damage");
    let run = sandbox.run("keytrail sql --lake lake -c \"select count(distinct user_agent) from events\"");
    assert!(run.code() == Some(4) && run.stderr.contains(name), "{run}");
    let others = "select count(distinct user_agent) from events where event_month = '2026-01'";
    assert_eq!(sandbox.run(&format!("keytrail sql --lake lake -c \"{others}\"")).data().lines().nth(1), Some("1"));
    let run = sandbox.run("keytrail key alias/app --lake lake");
    assert!(run.code() == Some(4) && run.stderr.contains(name), "{run}");
    let run = sandbox.run(
        "keytrail sql --lake lake -c \"select cast(event_name as int) from events where event_month = '2026-01'\"",
    );
    assert_eq!(run.code(), Some(2), "{run}");
}

#[test]
fn vacuum_deletes_what_compact_replaced_and_nothing_else() {
    let sandbox = with_lake();
    for id in ["e-4", "e-5"] {
        sandbox.write(&format!("logs/{id}.json"), log_file(&[decrypt(id, "2026-02-04T12:00:00Z", id)]));
        sandbox.run("keytrail convert logs --lake lake").data();
    }
    sandbox.run("keytrail compact --lake lake").data();
    let exported = || sandbox.run("keytrail export --lake lake --lines").data();
    let others = || sandbox.run("keytrail check --lake lake --read-data -v").data().lines().count();
    let (before, replaced) = (exported(), others());
    assert!(before.lines().count() == 5 && replaced > 0, "{before}");
    let vacuum = |arguments: &str| sandbox.run(&format!("keytrail vacuum --lake lake {arguments}"));
    let young = vacuum("--older-than 10m");
    assert!(young.code() == Some(2) && young.stderr.contains("--no-other-writer"), "{young}");
    assert!(vacuum("").stderr.contains("deleted: 0 data files"));
    let listed = vacuum("--older-than 0m --no-other-writer --dry-run");
    assert_eq!(listed.data().lines().count(), replaced);
    assert_eq!(others(), replaced);
    let line = vacuum("--older-than 0m --no-other-writer --json").data();
    let totals: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&totals["files"], &totals["is_dry_run"]), (&replaced.into(), &false.into()), "{totals}");
    assert_eq!((others(), exported()), (0, before));
}

#[test]
fn an_export_follows_the_data_files_whatever_reads_them() {
    let sandbox = Sandbox::new();
    sandbox.run("keytrail demo --dir demo --events 6000").data();
    let sql = "select event_id, concat(event_group, '/', event_month) as place from events";
    let places = sandbox.run(&format!("keytrail sql --lake demo/lake -c \"{sql}\"")).data();
    let place_of: BTreeMap<&str, &str> = places.lines().skip(1).filter_map(|row| row.split_once(',')).collect();
    let export = |workers| sandbox.run(&format!("keytrail export --lake demo/lake --lines --workers {workers}")).data();
    let lines = export(8);
    assert_eq!(lines, export(1));
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    // Some records have no id.
    let order: Vec<_> = records.filter_map(|record| place_of.get(record["eventID"].as_str()?).copied()).collect();
    assert!(order.len() > 5_000 && order.is_sorted() && order.first() < order.last(), "{order:?}");
}

#[test]
fn an_export_s_condition_is_one_expression_over_events() {
    let sandbox = with_lake();
    for condition in
        ["1", "true; select 1", "event_id in (select event_id from events)", "nonsense = 1", "true) or (true", ""]
    {
        let run = sandbox.finish(sandbox.keytrail(["export", "--lake", "lake", "--where", condition]), "");
        assert_eq!((run.code(), run.stdout.as_str()), (Some(2), ""), "{condition}: {run}");
    }
}

#[test]
fn a_period_that_ends_before_it_begins_is_a_mistake() {
    let sandbox = with_lake();
    let period = "--since 2026-05-01 --until 2026-01-01";
    for command in
        ["convert logs --lake other", "check --lake lake --against logs", "verify logs", "sql --raw logs -c 'select 1'"]
    {
        let run = sandbox.run(&format!("keytrail {command} {period}"));
        assert!(run.code() == Some(2) && run.stderr.contains("ends before it begins"), "{command}: {run}");
    }
    assert!(!sandbox.path("other").exists(), "no lake is made for it");
}

#[test]
fn rejects_can_be_taken_out_as_they_came() {
    let sandbox = with_lake();
    let broken = r#"{"Records":[{"eventName":"A","eventName":"B"}]}"#;
    sandbox.write("logs/bad one.json", broken);
    sandbox.write("logs/none.json.gz", "no gzip");
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(3));
    let run = sandbox.run("keytrail export --lake lake --rejects out");
    assert_eq!((run.code(), run.stdout.as_str()), (Some(0), ""), "{run}");
    assert!(run.stderr.contains("files written to `out`: 2, and rejects.csv"), "{run}");
    let index = sandbox.read("out/rejects.csv");
    assert!(
        index.starts_with("file,log_file_path,log_file_version,record_index,byte_offset,raw_length,reason\n"),
        "{index}"
    );
    let of = |name: &str| {
        let line = index.lines().find(|line| line.contains(name)).expect("a line of the index");
        sandbox.read(&format!("out/{}", line.split(',').next().expect("a file")))
    };
    assert_eq!((of("bad one.json").as_str(), of("none.json.gz").as_str()), (&broken[12..broken.len() - 2], "no gzip"));

    let run = sandbox.run("keytrail export --lake lake --rejects out");
    assert!(run.code() == Some(2) && run.stderr.contains("is not empty"), "{run}");
    let run = sandbox.run("keytrail export --lake lake --rejects some --where \"reason like '%log file:%'\"");
    assert!(run.code() == Some(0) && run.stderr.contains("`some`: 1, and"), "{run}");
}

#[test]
fn compaction_keeps_the_rows() {
    let sandbox = with_lake();
    sandbox.write("logs/d.json", log_file(&[decrypt("e-4", "2026-02-03T13:00:00Z", "four")]));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    let line = sandbox.run("keytrail compact --lake lake --json").data();
    let summary: serde_json::Value = serde_json::from_str(&line).expect("one JSON line");
    assert!(summary["files_removed"].as_u64() > summary["files_added"].as_u64(), "{line}");
    assert_eq!(sandbox.run("keytrail sql --lake lake -c 'select count(*) as n from events'").data(), "n\n4\n");
    assert_eq!(sandbox.run("keytrail check --lake lake --rows").code(), Some(0));
}

#[test]
fn files_that_were_replaced_are_told_only_when_asked() {
    let sandbox = with_lake();
    sandbox.write("logs/d.json", log_file(&[decrypt("e-4", "2026-02-01T13:00:00Z", "four")]));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    assert_eq!(sandbox.run("keytrail compact --lake lake").code(), Some(0));
    assert_eq!(sandbox.run("keytrail check --lake lake").data(), "");
    let told = sandbox.run("keytrail check --lake lake -v").data();
    assert!(told.lines().count() > 1 && told.lines().all(|line| line.contains("replaced by a later commit")), "{told}");
    let line = sandbox.run("keytrail check --lake lake --json").data();
    let report: Value = serde_json::from_str(&line).expect("one JSON line");
    assert_eq!(report["notes"].as_array().map(Vec::len), Some(told.lines().count()), "{line}");
}

#[test]
fn a_damaged_file_is_an_integrity_failure() {
    let sandbox = with_lake();
    let file = first_file_below(&sandbox.path("lake/events"), "parquet");
    fs_err::write(&file, b"PAR1").expect("a damaged file");
    let run = sandbox.run("keytrail check --lake lake");
    assert_eq!(run.code(), Some(4), "{run}");
    assert!(run.stdout.contains("4 bytes, the log says"), "{run}");
}

fn first_file_below(folder: &std::path::Path, extension: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|found| found == extension) => return path,
                false => {}
            }
        }
    }
    panic!("no {extension} file below {}", folder.display());
}

#[test]
fn the_demo_tells_a_story_and_keeps_what_it_is_told_to_keep() {
    let sandbox = Sandbox::new();
    let story = sandbox.run("keytrail demo --events 3000 --dir demo").data();
    for expected in ["The busiest keys", "verdict", "KMS key", "keytrail sql --lake demo/lake"] {
        assert!(story.contains(expected), "{expected} is missing:\n{story}");
    }
    assert_eq!(sandbox.run("keytrail sql --lake demo/lake -c 'select count(*) as n from events'").data(), "n\n3000\n");
    let dates = "select deletion_time = deleted_time as is_in_time from kms_keys where deleted_time is not null";
    assert_eq!(sandbox.run(&format!("keytrail sql --lake demo/lake -c '{dates}'")).data(), "is_in_time\ntrue\n");
    let table = story.split_once("Keys without a use").and_then(|(_, rest)| rest.split_once("For `in_use`"));
    let (table, _) = table.expect("the silent keys");
    assert!(table.lines().skip(1).all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(sandbox.run("keytrail check --lake demo/lake").code(), Some(0));
}

#[test]
fn a_temporary_demo_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("keytrail demo --events 500").code(), Some(0));
    let left: Vec<_> = fs_err::read_dir(sandbox.path("tmp")).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_mistyped_source_makes_no_lake() {
    let sandbox = with_logs();
    assert_eq!(sandbox.run("keytrail convert lgos --lake lake").code(), Some(66));
    assert!(!sandbox.path("lake").exists());
}

#[test]
fn a_dry_run_tells_kinds_and_writes_nothing() {
    let sandbox = with_logs();
    sandbox.write("logs/notes.txt", "{nothing of ours");
    sandbox.write("logs/README.txt", "words of ours");
    sandbox.write("logs/AWSLogs/111122223333/Config/eu-west-1/c.json.gz", "{");
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --dry-run"), @"
    exit 3
    -- stdout
    kind                      log files         size        records   rejected
    events                            2      [n] KiB              4          0
    prose                             1     [n] bytes              0          0
    unknown                           1     [n] bytes              1          1
    total                             4      [n] KiB              5          1
    left out, as no files of CloudTrail: 1 Config
    ");
    assert!(!sandbox.path("lake").exists());
    sandbox.run("keytrail convert logs --lake lake");
    assert!(sandbox.run("keytrail convert logs --dry-run --lake lake").stdout.starts_with("nothing new\n"));
    sandbox.write("logs/d.json", log_file(&records()));
    insta::assert_snapshot!(sandbox.run("keytrail convert logs --dry-run --lake lake"), @"
    exit 0
    -- stdout
    kind                      log files         size        records   rejected
    events                            1      [n] KiB              3          0
    total                             1      [n] KiB              3          0
    in the lake already               4
    left out, as no files of CloudTrail: 1 Config
    ");
}

#[test]
fn the_lake_is_compared_with_its_logs() {
    let sandbox = with_logs();
    sandbox.run("keytrail convert logs --lake lake");
    insta::assert_snapshot!(sandbox.run("keytrail check --lake lake --against logs"), @"
    exit 0
    -- stderr
    compared: 2 log files, 4 records; repeated deliveries, looked for in the whole lake: 1
    checked: 4 data files, 6 rows, 0 findings
    ");
    sandbox.write("logs/new.json", log_file(&records()));
    insta::assert_snapshot!(sandbox.run("keytrail check --lake lake --against logs"), @"
    exit 3
    -- stdout
    note: not compared: 1 log file of the source, which the lake has not read, or of another version; `keytrail convert` does
    -- stderr
    compared: 2 log files, 4 records; repeated deliveries, looked for in the whole lake: 1
    checked: 4 data files, 6 rows, 0 findings
    ");
}

#[test]
fn what_amends_a_record_is_seen_but_not_counted() {
    let sandbox = Sandbox::new();
    let call = decrypt("e-1", "2026-01-31T10:00:00Z", "one");
    let addendum = r#"{"addendum":{"reason":"UPDATED_DATA","originalEventID":"e-1"},"#;
    let amending = decrypt("e-2", "2026-01-31T10:00:00Z", "one").replacen('{', addendum, 1);
    let other_body = call.replacen("192.0.2.7", "192.0.2.8", 1);
    sandbox.write("logs/a.json", log_file(&[call, amending, other_body]));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    for (question, answer) in [
        ("select count(*) as n from events", "n\n3\n"),
        (
            "select use_event_count, use_count, decrypt_count from kms_key_usage",
            "use_event_count,use_count,decrypt_count\n1,1,1\n",
        ),
        ("select sum(use_event_count) as n from kms_key_usage_daily", "n\n1\n"),
        ("select sum(use_event_count) as n from kms_key_principals", "n\n1\n"),
        ("select sum(event_count) as n from kms_encryption_contexts", "n\n1\n"),
        ("select last_used_event_id as id from kms_key_usage", "id\ne-2\n"),
    ] {
        assert_eq!(sandbox.run(&format!("keytrail sql --lake lake -c '{question}'")).data(), answer, "{question}");
    }
}

#[test]
fn files_without_events_are_told_by_kind() {
    let sandbox = Sandbox::new();
    let message = r#"{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"AWSLogs/1/x.json.gz\"]}"#;
    sandbox.write("logs/n.json", format!(r#"{{"Type":"Notification","MessageId":"1","Message":"{message}"}}"#));
    let run = sandbox.run("keytrail convert logs --lake lake");
    assert_eq!(run.code(), Some(0), "{run}");
    assert!(run.stderr.contains("among them without API events: 1 notification"), "{run}");
    assert!(run.stderr.contains("notifications hold no events: convert the log files that they name"), "{run}");
}

/// A key that is made and never used, and calls of another one each 20 hours or so, but for a silence of 40; digests of all hours.
fn told_by_digests(change: impl FnOnce(&mut Vec<DeliveredObject>)) -> Sandbox {
    let create = decrypt("e-0", "2026-03-04T00:10:00Z", "one").replace("\"Decrypt\"", "\"CreateKey\"");
    let other = |hour: i64| {
        let time = DateTime::UNIX_EPOCH + TimeDelta::days(20_516) + TimeDelta::hours(hour) + TimeDelta::minutes(20);
        decrypt(&format!("e-{hour}"), &time.to_rfc3339_opts(SecondsFormat::Secs, true), "one")
            .replace("1234abcd", "5678abcd")
    };
    let of_data = [
        ("kms.amazonaws.com", "s3.amazonaws.com"),
        ("Decrypt", "GetObject"),
        (":true,\"recipient", ":false,\"recipient"),
    ]
    .into_iter()
    .fold(other(40), |text, (old, new)| text.replace(old, new))
    .replace("\"Management\"", "\"Data\"");
    let mut chain = DigestChain::new("111122223333", "eu-west-1");
    for hour in 0..=120 {
        match hour {
            0 => chain.deliver(&[&log_file(&[create.clone(), other(0)])]),
            20 | 60 | 80 | 100 | 120 => chain.deliver(&[&log_file(&[other(hour)])]),
            40 => chain.deliver(&[&log_file(std::slice::from_ref(&of_data))]),
            _ => chain.deliver(&[]),
        }
    }
    change(&mut chain.objects);
    let sandbox = Sandbox::new();
    write_copy(&chain.objects, &sandbox.path("copy")).expect("written");
    assert_eq!(sandbox.run("keytrail convert copy --lake lake").code(), Some(0));
    sandbox
}

#[test]
fn digests_tell_silence_from_a_hole() {
    let reasons = |sandbox: &Sandbox| {
        let code = sandbox.run(&format!("keytrail key {KEY} --lake lake")).code();
        let question = format!("select reasons from kms_key_verdicts where key_arn = '{KEY}'");
        (code, sandbox.run(&format!("keytrail sql --lake lake --format tsv -c \"{question}\"")).data())
    };
    assert_eq!(reasons(&told_by_digests(|_| {})), (Some(0), "reasons\n\n".to_owned()));
    let is_log_file = |object: &DeliveredObject| !object.is_digest();
    let without_log_file = told_by_digests(|objects| {
        let third = (0..objects.len()).filter(|at| is_log_file(&objects[*at])).nth(2).expect("seven");
        objects.remove(third);
    });
    assert_eq!(reasons(&without_log_file), (Some(3), "reasons\ngap,missing_log_file\n".to_owned()));
    let names = without_log_file.run(
        "keytrail sql --lake lake --format csv -c 'select log_file_path from trail_digest_log_files where is_missing'",
    );
    insta::assert_snapshot!(names, @r"
    exit 0
    -- stdout
    log_file_path
    s3://trail-logs/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/05/111122223333_CloudTrail_eu-west-1_20260305T1605Z_Delivery00000000.json.gz
    ");
    let without_digest = told_by_digests(|objects| {
        let of_the_silence = (0..objects.len()).filter(|at| objects[*at].is_digest()).nth(41).expect("many");
        objects.remove(of_the_silence);
    });
    assert_eq!(reasons(&without_digest), (Some(3), "reasons\ngap,missing_log_file\n".to_owned()));
}

#[test]
fn a_digest_that_tells_nothing_is_noted() {
    let sandbox = with_logs();
    sandbox.write("logs/d.json", r#"{"digestStartTime":"2026-02-01T00:00:00Z","logFiles":[]}"#);
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    let question = "select log_file_kind, digest_end_time is null, notes from log_files where notes is not null";
    insta::assert_snapshot!(sandbox.run(&format!("keytrail sql --lake lake --format tsv -c \"{question}\"")).data(), @"
    log_file_kind	digest_end_time IS NULL	notes
    digest	true	this digest tells nothing of what was delivered: it lacks a member, or has one that cannot be read
    ");
}
