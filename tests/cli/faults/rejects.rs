//! What cannot be taken costs itself: its neighbours are rows, it is kept with its bytes and its place, and the accounts stay exact.

use crate::sandbox::Sandbox;
use crate::trail::{event, log_file};

#[test]
fn one_bad_record_among_ten_thousand_costs_itself() {
    let sandbox = Sandbox::new();
    let bad = r#"{"eventID":"bad","eventTime":"2026-01-01T00:00:00Z","eventSource":}"#;
    let records: Vec<String> =
        (0..10_000).map(|number| if number == 7_000 { bad.to_owned() } else { event(number) }).collect();
    let text = log_file(&records);
    sandbox.write("logs/big.json", &text);
    let run = sandbox.run("keytrail convert logs --lake lake --json");
    assert_eq!(run.code(), Some(3), "{run}");
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).expect("one JSON line");
    for (name, value) in [("records", 10_000), ("rows", 9_999), ("duplicates", 0), ("rejected", 1)] {
        assert_eq!(summary[name], value, "{name}: {run}");
    }
    let columns = "record_index, byte_offset, raw_length, encode(raw_bytes, 'hex') as raw, reason";
    let reject =
        sandbox.run(&format!("keytrail sql --lake lake --format json -c \"select {columns} from rejects\"")).data();
    let reject: serde_json::Value = serde_json::from_str(&reject).expect("JSON");
    let reject = &reject[0];
    let hex: String = bad.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&reject["record_index"], &reject["raw"]), (&7_000.into(), &hex.into()), "{reject}");
    assert_eq!(reject["byte_offset"], text.find(bad).expect("the record"), "{reject}");
    assert_eq!(reject["raw_length"], bad.len(), "{reject}");
    assert!(!reject["reason"].as_str().expect("a reason").is_empty(), "{reject}");
    let lines = sandbox.run("keytrail export --lake lake --lines").data();
    assert_eq!(lines.lines().count(), 9_999);
    assert_eq!(sandbox.run("keytrail check --lake lake --read-data").code(), Some(0));
}

#[test]
fn accounts_that_do_not_add_up_are_found() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file((0..40).map(event)));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    // Without its newest entry the table has rows that no commit speaks of; the ledger still counts them.
    let log = sandbox.path("lake/events/_delta_log");
    fs_err::remove_file(log.join("00000000000000000001.json")).expect("a log entry");
    let checked = sandbox.run("keytrail check --lake lake");
    assert_eq!(checked.code(), Some(4), "{checked}");
    assert!(checked.stdout.contains("table events holds 0 rows, the ledger counts 40"), "{checked}");
}

#[test]
fn a_killed_conversion_is_unfinished_and_no_damage() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file((0..40).map(event)));
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    // As if it had been killed after its commit to `events`.
    for table in ["log_files", "runs"] {
        let log = fs_err::read_dir(sandbox.path(format!("lake/{table}/_delta_log"))).expect("a log");
        let entries = log.map(|entry| entry.expect("an entry").path());
        let newest = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).max();
        fs_err::remove_file(newest.expect("a commit")).expect("a log entry");
    }
    let checked = sandbox.run("keytrail check --lake lake");
    assert_eq!(checked.code(), Some(3), "{checked}");
    assert!(checked.stdout.contains("40 rows are of log files that are not in the ledger yet"), "{checked}");
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(0));
    assert_eq!(sandbox.run("keytrail check --lake lake").code(), Some(0));
}

#[test]
fn what_was_asked_for_and_is_no_log_is_rejected() {
    let sandbox = Sandbox::new();
    let page = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>";
    for input in [page, "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n"] {
        let run = sandbox.run_with("keytrail convert - --lake lake", input);
        assert_eq!(run.code(), Some(3), "{run}");
    }
    let nothing = sandbox.run("keytrail convert --retry-rejected --lake other");
    assert_ne!(nothing.code(), Some(0), "{nothing}");
    sandbox.write("logs/.hidden.json", log_file([event(1)]));
    let run = sandbox.run("keytrail convert logs/.hidden.json --lake hidden --json");
    assert_eq!(run.code(), Some(0), "{run}");
    assert!(run.stdout.contains("\"rows\":1"), "{run}");
    let nothing = sandbox.run("keytrail convert --retry-rejected --lake hidden");
    assert_eq!(nothing.code(), Some(0), "{nothing}");
    assert!(nothing.stderr.contains("no log file has rejects"), "{nothing}");
}

#[test]
fn what_could_not_be_read_is_told_in_the_json() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file([event(1)]));
    std::os::unix::fs::symlink("nowhere", sandbox.path("logs/dangling.json")).expect("a link");
    let run = sandbox.run("keytrail convert logs --lake lake --json");
    assert_eq!(run.code(), Some(3), "{run}");
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).expect("one JSON line");
    for (name, value) in [("log_files", 1), ("rejected", 0), ("unread", 1)] {
        assert_eq!(summary[name], value, "{name}: {run}");
    }
    assert_eq!(summary["is_complete"], false, "{run}");
}
