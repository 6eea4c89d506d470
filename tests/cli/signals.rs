//! Ctrl-C, SIGTERM and readers that go away.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::sandbox::Sandbox;

/// Runs for longer than any test waits.
const ENDLESS: &str = "select count(*) from generate_series(1, 100000) a cross join generate_series(1, 100000) b cross join generate_series(1, 100000) c";

/// Starts a query that has shown a first row and is busy with the next.
fn busy(sandbox: &Sandbox) -> Child {
    let sql = format!("select 'begun' as x; {ENDLESS}");
    let mut child = sandbox
        .keytrail(["sql", "-c", &sql])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stdout.as_mut().expect("a pipe"));
    let mut line = String::new();
    while line.trim() != "begun" {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the query ended too early");
    }
    child
}

#[test]
fn signals_end_a_query_with_their_exit_codes() {
    let sandbox = Sandbox::new();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child = busy(&sandbox);
        let killed = sandbox.program("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        assert_eq!(child.wait().expect("an end").code(), Some(code), "{signal}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .keytrail(["sql", "-c", "select value from generate_series(1, 5000000)"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut first).expect("a line");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(first, "value\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
