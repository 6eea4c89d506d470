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
