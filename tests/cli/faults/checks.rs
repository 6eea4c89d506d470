//! `keytrail check` on lakes that have changed since they were written: what it finds, how it says so, and that it changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::sandbox::{Run, Sandbox};
use crate::trail::{event, log_file};

fn with_lake() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.json", log_file((0..60).map(event)));
    sandbox.write("logs/b.json", "{\"Records\":[7]}");
    assert_eq!(sandbox.run("keytrail convert logs --lake lake").code(), Some(3));
    sandbox
}

/// The files below a folder, by path, with size and time of change.
fn files(root: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = fs_err::metadata(&path).expect("metadata");
            let modified = metadata.modified().expect("a time");
            match metadata.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path, (metadata.len(), modified))),
            }
        }
    }
    found
}

fn data_files(sandbox: &Sandbox, table: &str) -> Vec<PathBuf> {
    let is_data = |path: &Path| path.extension().is_some_and(|extension| extension == "parquet");
    let mut found = files(&sandbox.path(format!("lake/{table}")));
    found.retain(|path, _| is_data(path));
    // The row that a run begins with is replaced when it ends.
    let newest = found.values().map(|(_, modified)| *modified).max();
    found.retain(|_, (_, modified)| table != "runs" || Some(*modified) == newest);
    found.into_keys().collect()
}

fn flip(path: &Path, position: usize) {
    let mut bytes = fs_err::read(path).expect("a file");
    bytes[position] ^= 0x10;
    fs_err::write(path, bytes).expect("a damaged file");
}

#[test]
fn a_flipped_bit_is_found_and_named_in_every_table() {
    for table in ["events", "log_files", "rejects", "runs"] {
        let sandbox = with_lake();
        let file = data_files(&sandbox, table).remove(0);
        // In the middle of the pages, which no footer tells.
        flip(&file, 40);
        let run = sandbox.run("keytrail check --lake lake --read-data");
        assert_eq!(run.code(), Some(4), "{table}: {run}");
        let name = file.strip_prefix(sandbox.path("lake")).expect("below the lake").display().to_string();
        assert!(run.stdout.contains(&format!("{name}: bytes have changed: SHA-256 ")), "{table}: {run}");
        assert!(run.stderr.contains("hint: restore what is damaged from a copy of the lake"), "{table}: {run}");
        flip(&file, 40);
        assert_eq!(sandbox.run("keytrail check --lake lake --read-data").code(), Some(0), "{table}: the bit is back");
    }
}

#[test]
fn a_check_changes_nothing() {
    let sandbox = with_lake();
    let before = files(&sandbox.path("lake"));
    assert_eq!(sandbox.run("keytrail check --lake lake --read-data").code(), Some(0));
    assert_eq!(sandbox.run("keytrail check --lake lake --rows").code(), Some(0), "the word of version 0.1");
    flip(&data_files(&sandbox, "events")[0], 40);
    let damaged = files(&sandbox.path("lake"));
    assert_eq!(sandbox.run("keytrail check --lake lake --read-data").code(), Some(4));
    assert_eq!(files(&sandbox.path("lake")), damaged);
    assert_eq!(before.keys().collect::<Vec<_>>(), damaged.keys().collect::<Vec<_>>());
}

/// A check that looks at everything and then cannot tell it: its notes stay.
fn interrupted(sandbox: &Sandbox) -> Run {
    let mut command = sandbox.program("sh");
    let line = format!(
        "exec {} check --lake lake --read-data --resume notes --json >/dev/full",
        env!("CARGO_BIN_EXE_keytrail")
    );
    command.args(["-c", &line]);
    sandbox.finish(command, "")
}

#[test]
fn an_interrupted_check_goes_on_where_it_was() {
    let sandbox = with_lake();
    let first = interrupted(&sandbox);
    assert_eq!(first.code(), Some(74), "{first}");
    let notes = sandbox.read("notes");
    let file_count =
        ["events", "log_files", "rejects", "runs"].map(|table| data_files(&sandbox, table).len()).iter().sum::<usize>();
    assert_eq!(notes.lines().count(), 1 + file_count, "{notes}");

    // What rots after it was looked at shows that it is not looked at again.
    let damaged = data_files(&sandbox, "events").remove(0);
    flip(&damaged, 40);
    let resumed = sandbox.run("keytrail check --lake lake --read-data --resume notes");
    assert_eq!(resumed.code(), Some(0), "{resumed}");
    assert!(!sandbox.path("notes").exists(), "a check that ends deletes its notes");
    assert_eq!(sandbox.run("keytrail check --lake lake --read-data --resume notes").code(), Some(4));
    assert!(!sandbox.path("notes").exists());

    // What was found before the interruption is told after it.
    assert_eq!(interrupted(&sandbox).code(), Some(74));
    flip(&damaged, 40);
    let resumed = sandbox.run("keytrail check --lake lake --read-data --resume notes");
    assert_eq!(resumed.code(), Some(4), "{resumed}");
    assert!(resumed.stdout.contains("bytes have changed"), "{resumed}");
}

#[test]
fn notes_that_a_kill_cut_short_or_that_are_another_s_are_no_notes() {
    let sandbox = with_lake();
    interrupted(&sandbox);
    let notes = sandbox.read("notes");
    let damaged = data_files(&sandbox, "runs").remove(0);
    flip(&damaged, 40);
    // The table of runs comes last, and so does its line.
    sandbox.write("notes", &notes[..notes.len() - 3]);
    let resumed = sandbox.run("keytrail check --lake lake --read-data --resume notes");
    assert_eq!(resumed.code(), Some(4), "the file of the cut line is looked at again: {resumed}");

    sandbox.write("notes", &notes);
    for line in
        ["keytrail check --lake lake --resume notes", "keytrail check --lake lake --read-data --resume logs/a.json"]
    {
        let run = sandbox.run(line);
        assert_eq!(run.code(), Some(2), "{run}");
        assert!(run.stderr.contains("not the notes of this check"), "{run}");
    }
    assert_eq!(sandbox.read("notes"), notes, "another check's notes are left alone");
    assert_eq!(sandbox.read("logs/a.json"), log_file((0..60).map(event)));
    let run = sandbox.run("keytrail check --lake lake --resume lake/notes");
    assert_eq!((run.code(), sandbox.path("lake/notes").exists()), (Some(2), false), "{run}");
}

#[test]
fn a_damaged_ledger_is_no_reason_to_trust_the_accounting() {
    let sandbox = with_lake();
    let ledger = data_files(&sandbox, "log_files").remove(0);
    flip(&ledger, 40);
    let run = sandbox.run("keytrail check --lake lake --read-data");
    assert!(run.stdout.contains("the accounting was not checked: the ledger is damaged"), "{run}");
}
