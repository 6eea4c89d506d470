//! Many processes on one lake: every row once, and nobody's death stops the others.

use std::process::{Child, Stdio};

use crate::sandbox::Sandbox;
use crate::trail::{event, log_file, sorted_lines};

const WRITERS: usize = 8;

/// A thousand events in forty log files, some in two of them.
fn with_logs() -> Sandbox {
    let sandbox = Sandbox::new();
    for file in 0..40 {
        let numbers = (file * 25).max(5) - 5..(file + 1) * 25;
        sandbox.write(&format!("logs/{file:02}.json"), log_file(numbers.map(event)));
    }
    sandbox
}

fn start(sandbox: &Sandbox) -> Child {
    sandbox
        .keytrail(["convert", "logs", "--lake", "lake", "--workers", "2"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

fn assert_every_event_once(sandbox: &Sandbox) {
    let mut expected: Vec<String> = (0..1_000).map(event).collect();
    expected.sort_unstable();
    let rows = sorted_lines(&sandbox.run("keytrail export --lake lake --lines").data());
    assert_eq!(rows.len(), expected.len(), "lost or doubled");
    assert!(rows == expected);
    let checked = sandbox.run("keytrail check --lake lake --read-data");
    assert_eq!(checked.code(), Some(0), "{checked}");
    let again = sandbox.run("keytrail convert logs --lake lake --json").data();
    assert!(again.contains("\"log_files\":0"), "{again}");
}

#[test]
fn eight_processes_make_every_row_once() {
    let sandbox = with_logs();
    let writers: Vec<Child> = (0..WRITERS).map(|_writer| start(&sandbox)).collect();
    for writer in writers {
        let ended = writer.wait_with_output().expect("an end");
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_every_event_once(&sandbox);
}

#[test]
fn a_killed_writer_leaves_nothing_that_stops_the_next() {
    let sandbox = with_logs();
    let mut writers: Vec<Child> = (0..WRITERS).map(|_writer| start(&sandbox)).collect();
    // Whatever they are at: the moments differ from run to run, what must hold does not.
    for writer in writers.iter_mut().step_by(2) {
        writer.kill().expect("a killed writer");
    }
    for (number, writer) in writers.into_iter().enumerate() {
        let ended = writer.wait_with_output().expect("an end");
        let is_killed = number % 2 == 0;
        assert!(is_killed || ended.status.code() == Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_every_event_once(&sandbox);
}
