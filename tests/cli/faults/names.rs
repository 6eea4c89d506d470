//! No path is built from content: whatever stands in events and in names of log files, all that is written lies in the lake.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sandbox::Sandbox;
use crate::trail::{log_file, sorted_lines};

/// Texts that have led programs astray, made for this test.
const NAUGHTY: &[&str] = &[
    "../../../outside",
    "/tmp/outside",
    "..",
    ".",
    "",
    " ",
    "~",
    "a/../../b",
    "..\\..\\outside",
    "C:\\outside",
    "%2e%2e%2foutside",
    "%2E%2E/",
    "file:///outside",
    "s3://bucket/outside",
    "$(touch outside)",
    "`touch outside`",
    "; touch outside #",
    "| touch outside",
    "\u{0}outside",
    "a\nb",
    "a\r\nb",
    "\u{202e}txt.exe",
    "\u{feff}",
    "＼．．／",
    "con",
    "nul.",
    "__HIVE_DEFAULT_PARTITION__",
    "event_month=2026-01",
    "event_group=kms/event_month=..",
    "_delta_log",
    "part-00000000-0000-0000-0000-000000000000.parquet",
    "'; drop table events; --",
    "2026-01-01T00:00:00Z/../..",
    "9999-99-99T99:99:99Z",
    "-1",
];

/// Members of a record that decide about places, groups, orders and times.
const MEMBERS: &[&str] = &[
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "eventID",
    "recipientAccountId",
    "eventVersion",
    "sharedEventID",
];

fn records() -> Vec<String> {
    let mut records = Vec::new();
    for member in MEMBERS {
        for (number, naughty) in NAUGHTY.iter().enumerate() {
            let mut record = serde_json::json!({
                "eventVersion": "1.11",
                "eventTime": "2026-01-01T00:00:00Z",
                "eventSource": "kms.amazonaws.com",
                "eventName": "Decrypt",
                "awsRegion": "eu-west-1",
                "eventID": format!("{member}-{number}"),
                "recipientAccountId": "111122223333",
            });
            record[*member] = (*naughty).into();
            // As a value and as a key too, and where the key ARN is looked for.
            record["requestParameters"] =
                serde_json::json!({ "keyId": naughty, "encryptionContext": { *naughty: naughty } });
            record["resources"] =
                serde_json::json!([{ "ARN": format!("arn:aws:kms:eu-west-1:1:key/{naughty}"), "type": naughty }]);
            record[*naughty] = "an unknown member".into();
            records.push(record.to_string());
        }
    }
    records
}

/// Every file and folder below a folder, by relative path.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            found.insert(path.strip_prefix(root).expect("below").to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// Whether a path is one of those that a lake has.
fn is_of_a_lake(path: &str) -> bool {
    let is_month = |text: &str| {
        text == "unknown" || (text.len() == 7 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
    };
    let is_data = |name: &str| name.starts_with("part-") && name.ends_with(".parquet") && name.len() == 49;
    let is_log = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    match path.split('/').collect::<Vec<_>>()[..] {
        ["events" | "inventory" | "log_files" | "rejects" | "runs"]
        | ["events" | "inventory" | "log_files" | "rejects" | "runs", "_delta_log"] => true,
        ["events" | "inventory" | "log_files" | "rejects" | "runs", "_delta_log", name] => is_log(name),
        ["inventory" | "log_files" | "rejects" | "runs", name] => is_data(name),
        ["events", "event_group=kms" | "event_group=other"] => true,
        ["events", "event_group=kms" | "event_group=other", month, ref rest @ ..] => {
            month.strip_prefix("event_month=").is_some_and(is_month)
                && (rest.is_empty() || (rest.len() == 1 && is_data(rest[0])))
        }
        _ => false,
    }
}

#[test]
fn nothing_is_written_outside_of_the_lake() {
    let sandbox = Sandbox::new();
    let records = records();
    for (number, part) in records.chunks(records.len().div_ceil(NAUGHTY.len())).enumerate() {
        let name: String = NAUGHTY[number].chars().filter(|character| !matches!(character, '/' | '\0')).collect();
        sandbox.write(&format!("logs/{number} {name}.json"), log_file(part));
    }
    let lake = "a/b/c/lake";
    fs_err::create_dir_all(sandbox.path("a/b/c")).expect("folders");
    let outside = || -> BTreeSet<String> {
        tree(&sandbox.path(""))
            .into_iter()
            .filter(|path| !path.starts_with(&format!("{lake}/")) && path != lake)
            .collect()
    };
    let before = outside();
    let run = sandbox.run(&format!("keytrail convert logs --lake {lake}"));
    assert!(matches!(run.code(), Some(0 | 3)), "{run}");
    let exported = sandbox.run(&format!("keytrail export --lake {lake} --lines")).data();
    let taken: BTreeSet<String> = exported.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert!(taken.len() > records.len() / 2 && taken.iter().all(|record| records.contains(record)), "{run}");
    sandbox.write("logs/again.json", log_file(&records[..1]));
    for line in [
        format!("keytrail convert logs --lake {lake}"),
        format!("keytrail compact --lake {lake}"),
        format!("keytrail check --lake {lake} --read-data"),
        format!("keytrail sql --lake {lake} -c 'select count(*) from kms_key_usage'"),
    ] {
        let run = sandbox.run(&line);
        assert!(matches!(run.code(), Some(0 | 3)), "{run}");
    }
    let mut expected = before;
    expected.insert("logs/again.json".to_owned());
    assert_eq!(outside(), expected);
    let strange: Vec<_> = tree(&sandbox.path(lake)).into_iter().filter(|path| !is_of_a_lake(path)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!(
        sorted_lines(&exported),
        sorted_lines(&sandbox.run(&format!("keytrail export --lake {lake} --lines")).data())
    );
}
